//! Files, includes and the whole way from text to a [`Config`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::lower::{self, Ctx, Source};
use crate::yaml::{self, Node};

/// The largest file that is read: more than 100,000 routes need.
const FILE_SIZE: u64 = 64 << 20;
/// The most files that includes may add up to.
const FILES: usize = 1000;

/// A configuration and what is known of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Complaints that do not keep it from being used.
    pub warnings: Vec<Diagnostic>,
    /// The files it was read from, the first one first.
    pub files: Vec<PathBuf>,
    /// SHA-256 over the files, in hexadecimal.
    pub digest: String,
    /// The files that the configuration names, each with the place where it does first.
    pub places: BTreeMap<PathBuf, Span>,
}

/// Reads a file and those it includes; `env` gives the variables of the environment.
///
/// # Errors
/// Every complaint, errors first, when there is at least one error.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Vec<Diagnostic>> {
    let mut reading = Reading::new(env);
    let text = read(path).map_err(|e| vec![unreadable(path, e)])?;
    reading.file(path.to_owned(), &text);
    reading.finish()
}

/// Reads a text that has no file; relative paths stay as they are and `include` is relative to the
/// folder of the process.
///
/// # Errors
/// As [`load`].
pub fn parse_str(name: &str, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Vec<Diagnostic>> {
    let mut reading = Reading::new(env);
    reading.text(name, Path::new(""), text);
    reading.finish()
}

fn unreadable(path: &Path, message: String) -> Diagnostic {
    let file = path.display().to_string().into();
    Diagnostic {
        severity: Severity::Error,
        code: "cannot_read",
        message,
        span: Span { file, line: 0, column: 0, end_column: 0, text: Box::default() },
        help: None,
        related: Vec::new(),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let said = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
    let size = std::fs::metadata(path).map_err(said)?.len();
    if size > FILE_SIZE {
        return Err(format!("{} is larger than {} MiB", path.display(), FILE_SIZE >> 20));
    }
    std::fs::read_to_string(path).map_err(said)
}

struct Reading<'e> {
    ctx: Ctx<'e>,
    roots: Vec<Rc<Node>>,
    files: Vec<PathBuf>,
    digest: Sha256,
}

impl<'e> Reading<'e> {
    fn new(env: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self { ctx: Ctx::new(env), roots: Vec::new(), files: Vec::new(), digest: Sha256::new() }
    }

    fn file(&mut self, path: PathBuf, text: &str) {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let name = path.display().to_string();
        self.files.push(path);
        self.text(&name, &folder, text);
    }

    fn text(&mut self, name: &str, folder: &Path, text: &str) {
        self.digest.update((text.len() as u64).to_be_bytes());
        self.digest.update(text.as_bytes());
        let number = self.ctx.sources.len();
        self.ctx.sources.push(Source::new(name, folder, text));
        match yaml::parse(number, text) {
            Err(broken) => match broken.help {
                Some(help) => self.ctx.error_help(broken.place, "syntax", broken.message, help.to_owned()),
                None => self.ctx.error(broken.place, "syntax", broken.message),
            },
            Ok(None) => {}
            Ok(Some(root)) => {
                let includes = lower::includes(&self.ctx, &root);
                self.roots.push(root);
                for (pattern, place) in includes {
                    self.include(&pattern, place);
                }
            }
        }
    }

    fn include(&mut self, pattern: &Path, place: yaml::Place) {
        let found = match matching(pattern) {
            Ok(found) => found,
            Err(e) => {
                self.ctx.error(place, "cannot_read", format!("cannot read {}: {e}", pattern.display()));
                return;
            }
        };
        if found.is_empty() {
            let help = "an include that matches no file has no effect";
            self.ctx.warn(place, "no_effect", format!("no file matches {}", pattern.display()), help);
        }
        for path in found {
            // A file that includes itself, or is included twice, is read once.
            if self.files.contains(&path) {
                continue;
            }
            if self.files.len() >= FILES {
                self.ctx.error(place, "too_many_files", format!("more than {FILES} files are included"));
                return;
            }
            match read(&path) {
                Ok(text) => self.file(path, &text),
                Err(e) => self.ctx.error(place, "cannot_read", e),
            }
        }
    }

    fn finish(self) -> Result<Loaded, Vec<Diagnostic>> {
        let config = lower::lower(&self.ctx, &self.roots);
        let all = self.ctx.take();
        if all.iter().any(|d| d.severity == Severity::Error) {
            // A text that is broken reads as empty; what is missing then is not the mistake.
            let syntax = all.iter().any(|d| d.code == "syntax");
            return Err(all.into_iter().filter(|d| !syntax || d.code == "syntax").collect());
        }
        let digest = self.digest.finalize().iter().map(|b| format!("{b:02x}")).collect();
        Ok(Loaded { config, warnings: all, files: self.files, digest, places: self.ctx.files() })
    }
}

/// The files of a pattern with `*` and `?` in its last part, sorted; the file itself without them.
fn matching(pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
    let Some(last) = pattern.file_name().and_then(|n| n.to_str()).filter(|n| n.contains(['*', '?'])) else {
        return Ok(vec![pattern.to_owned()]);
    };
    let folder = pattern.parent().unwrap_or(Path::new(""));
    let folder_or_here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder_or_here)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(name) = name.to_str()
            && fits(last.as_bytes(), name.as_bytes())
            && !name.starts_with('.')
            && entry.path().is_file()
        {
            found.push(folder.join(name));
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a name fits a pattern; linear in both, by going back to the last `*` only.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = name.get(n) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == b'?' || c == byte => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::keys::{Kind, ROOT, Table};

    /// Every default of a table as it would be written, with the keys that must be there.
    fn written(table: &Table) -> String {
        let text = |key: &crate::keys::Key| -> Option<String> {
            match (&key.kind, key.name) {
                (_, "bind") => Some("\":80\"".to_owned()),
                (_, "endpoints") => Some("\"https://h\"".to_owned()),
                (_, "upstream") if table.name == "route" => Some("u".to_owned()),
                // What is not there by default has no defaults to be compared.
                (_, "middlewares" | "health") => None,
                (_, "tls") if table.name == "listener" => None,
                (Kind::Map(Kind::Section(inner)), name) => {
                    let one = if name == "upstreams" { "u" } else { "one" };
                    Some(format!("{{{one}: {}}}", written(inner)))
                }
                (Kind::Section(inner) | Kind::OrOff(Kind::Section(inner)), _) => Some(written(inner)),
                (Kind::Either(_), "path") => Some(key.default.to_owned()),
                // A default in words depends on something else.
                (_, _) if key.default.is_empty() || key.default.contains(' ') => None,
                _ => Some(format!("\"{}\"", key.default)),
            }
        };
        let keys: Vec<_> = table.keys.iter().filter_map(|k| Some(format!("{}: {}", k.name, text(k)?))).collect();
        format!("{{{}}}", keys.join(", "))
    }

    #[test]
    fn the_defaults_of_the_reference_are_those_that_are_filled_in() {
        let plain = "{listeners: {one: {bind: \":80\"}}, routes: {one: {upstream: u}}, upstreams: {u: {endpoints: \"https://h\"}}}";
        let read =
            |text: &str| parse_str("t", text, &|_| None).map(|l| l.config).map_err(|e| crate::render(&e)).unwrap();
        let text = written(&ROOT);
        assert!(text.contains("max_connections: \"off\"") && text.contains("idle_race: \"true\""), "{text}");
        assert_eq!(read(&text), read(plain));
    }
}
