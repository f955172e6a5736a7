//! What must not be seen of a file: excerpts of it show stars there.
//!
//! Secrets are looked for by the names of keys and not by what was understood, because an excerpt is shown just where
//! something was not understood: a misspelt key, a section in the wrong place, a broken line.

use std::collections::HashMap;
use std::rc::Rc;

use crate::yaml::{Node, Place, Source, Value};

/// The keys of a section with secrets that hold none.
const OPEN: [&str; 2] = ["file", "realm"];

/// The sections whose keys are names that people choose.
const NAMES: [&str; 14] = [
    "listeners",
    "routes",
    "middlewares",
    "upstreams",
    "alibaba",
    "dynamic_dns",
    "log_outputs",
    "metric_outputs",
    "authorities",
    "certificates",
    "dns_providers",
    "accelerators",
    "nat_gateways",
    "registrations",
];

/// What the keys of a map are.
#[derive(Clone, Copy)]
enum Keys {
    /// Words of the configuration.
    Plain,
    /// Chosen by people, so that they tell nothing.
    Names,
    /// Those of a section that lets somebody in, or was meant to be one.
    Login,
    /// Of no matter: all below is hidden.
    Secret,
}

/// Columns that are hidden, by file and line; both ends in characters from 0, the end not included.
#[derive(Default)]
pub(crate) struct Cover {
    lines: HashMap<(u32, u32), Vec<(usize, usize)>>,
}

impl Cover {
    /// What is to be hidden of some trees.
    pub(crate) fn of(roots: &[Rc<Node>]) -> Self {
        let mut cover = Self::default();
        roots.iter().for_each(|root| cover.search(root, Keys::Plain));
        cover
    }

    /// Hides what may be a secret on the line of a text that could not be read, so that there is no tree of it.
    pub(crate) fn add_broken(&mut self, source: &Source, at: Place) {
        let line = source.line(at.line);
        if let Some(from) = secret_from(line) {
            self.hide((at.file, at.line), from, usize::MAX);
            return;
        }
        // The keys that a line stands under are those above it with less indentation.
        let mut indent = indentation(line);
        for number in (1..at.line).rev() {
            let above = source.line(number);
            if above.trim().is_empty() || (indentation(above) >= indent && indent > 0) {
                continue;
            }
            if secret_from(above).is_some() {
                self.hide((at.file, at.line), indentation(line), usize::MAX);
                return;
            }
            indent = indentation(above);
            if indent == 0 {
                return;
            }
        }
    }

    fn search(&mut self, node: &Node, keys: Keys) {
        match &node.value {
            Value::List(items) => {
                // A list has no names of people's: that of a route's middlewares has words of the configuration.
                let below = if matches!(keys, Keys::Names) { Keys::Plain } else { keys };
                items.iter().for_each(|item| self.search(item, below));
            }
            Value::Map(entries) => {
                for (name, value) in entries {
                    let key = name.text.to_ascii_lowercase();
                    let below = match keys {
                        Keys::Names => Keys::Plain,
                        Keys::Login if !OPEN.contains(&key.as_str()) => Keys::Secret,
                        _ if is_password(&key) => Keys::Secret,
                        _ if is_login(&key) => Keys::Login,
                        _ if NAMES.contains(&key.as_str()) => Keys::Names,
                        _ => Keys::Plain,
                    };
                    match below {
                        Keys::Secret => self.whole(value),
                        below => self.search(value, below),
                    }
                }
            }
            Value::Null | Value::Text(_) => {}
        }
    }

    fn whole(&mut self, node: &Node) {
        match &node.value {
            Value::Null => {}
            Value::Text(text) => self.place(node.place, text.chars().count()),
            Value::List(items) => items.iter().for_each(|item| self.whole(item)),
            Value::Map(entries) => {
                for (name, value) in entries {
                    self.place(name.place, name.text.chars().count());
                    self.whole(value);
                }
            }
        }
    }

    /// Hides a text of `size` characters. One that ends on another line, if only by its line end, is longer than its
    /// place tells.
    fn place(&mut self, place: Place, size: usize) {
        let (from, to) = (place.column as usize - 1, place.end as usize - 1);
        let to = if place.last > place.line || size > to - from { usize::MAX } else { to };
        self.hide((place.file, place.line), from, to);
        for line in place.line + 1..=place.last {
            self.hide((place.file, line), 0, usize::MAX);
        }
    }

    fn hide(&mut self, line: (u32, u32), from: usize, to: usize) {
        self.lines.entry(line).or_default().push((from, to));
    }

    /// A line with stars for what is hidden on it; `None` when nothing is.
    pub(crate) fn mask(&self, file: u32, number: u32, line: &str) -> Option<String> {
        let hidden = self.lines.get(&(file, number))?;
        let star = |(i, c): (usize, char)| {
            let covered = !c.is_whitespace() && hidden.iter().any(|(from, to)| (*from..*to).contains(&i));
            if covered { '*' } else { c }
        };
        Some(line.chars().enumerate().map(star).collect())
    }
}

fn is_login(key: &str) -> bool {
    // Certificates are nothing to be hidden.
    if key == "client_auth" {
        return false;
    }
    key.contains("basic") || (key.contains("auth") && !key.contains("author"))
}

/// Keys that hold a secret, though their words do not say so.
const OTHERS: [&str; 3] = ["access_key_id", "security_token", "external_id"];

fn is_password(key: &str) -> bool {
    ["password", "passwd", "secret"].iter().any(|word| key.contains(word)) || OTHERS.contains(&key)
}

fn indentation(line: &str) -> usize {
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).count()
}

/// The column from which a line may hold a secret, by the keys on it.
fn secret_from(line: &str) -> Option<usize> {
    let mut from = 0;
    for piece in line.split_inclusive(':') {
        from += piece.chars().count();
        let key = piece.trim_end_matches(':').rsplit(['{', ',', '[', ' ', '\t']).find(|word| !word.is_empty());
        let key = key.unwrap_or_default().trim_matches(['"', '\'']).to_ascii_lowercase();
        // Without a tree it is not known which keys are names; `auth` is one often.
        if piece.ends_with(':') && (key.contains("basic") || is_password(&key)) {
            return Some(from);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_hold_secrets_are_known_by_their_words() {
        let line = |text: &str| secret_from(text).map(|at| text.chars().skip(at).collect::<String>());
        assert_eq!(line("  a: {basic_auth: {users: [x]}}").as_deref(), Some(" {users: [x]}}"));
        assert_eq!(line("  \"password\": hunter2").as_deref(), Some(" hunter2"));
        assert_eq!(line("  author: me"), None);
        assert_eq!(line("  token_file: /x"), None);
    }
}
