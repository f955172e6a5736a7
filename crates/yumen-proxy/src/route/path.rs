//! Paths of one host: which routes may take a path, most specific first.
//!
//! The order is: exact, then template (segment by segment from the left, text before `{name}` before `{name...}`), then
//! regex (in the order of their adding), then prefix (the longest first). A prefix matches whole segments: `/v1` takes
//! `/v1` and `/v1/x`, not `/v10`. None of the lookups depends on the number of routes, except that regexes are tried one
//! by one. The `*` of `OPTIONS *` is no path: only the prefix of everything takes it.

use regex::Regex;
use rustc_hash::FxHashMap;

/// A pattern as the table wants it.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    /// This path only.
    Exact(Box<str>),
    /// Literal and `{name}` segments; a final `{name...}` takes the rest.
    Template(Vec<Segment>),
    /// Anywhere the expression says; usually anchored.
    Regex(Regex),
    /// This path and everything below it; stored without a final slash, so `/` is empty.
    Prefix(Box<str>),
}

/// One segment of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// This text.
    Literal(Box<str>),
    /// Any one segment that is not empty.
    Any,
    /// Everything that is left, at least one character.
    Rest,
}

/// The paths of one host. `T` names what a pattern leads to; several may share a pattern.
#[derive(Debug)]
pub(crate) struct Paths<T> {
    exact: FxHashMap<Box<str>, Vec<T>>,
    template: Node<T>,
    regex: Vec<(Regex, T)>,
    prefix: FxHashMap<Box<str>, Vec<T>>,
}

#[derive(Debug)]
struct Node<T> {
    literal: FxHashMap<Box<str>, Node<T>>,
    any: Option<Box<Node<T>>>,
    rest: Vec<T>,
    here: Vec<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literal: FxHashMap::default(), any: None, rest: Vec::new(), here: Vec::new() }
    }
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self { exact: FxHashMap::default(), template: Node::default(), regex: Vec::new(), prefix: FxHashMap::default() }
    }
}

impl<T: Copy> Paths<T> {
    /// Adds what a pattern leads to. Those added under one pattern are offered in the order of their adding.
    pub(crate) fn add(&mut self, pattern: &Pattern, to: T) {
        match pattern {
            Pattern::Exact(path) => self.exact.entry(path.clone()).or_default().push(to),
            Pattern::Prefix(path) => self.prefix.entry(path.clone()).or_default().push(to),
            Pattern::Regex(regex) => self.regex.push((regex.clone(), to)),
            Pattern::Template(segments) => {
                let mut node = &mut self.template;
                for segment in segments {
                    node = match segment {
                        Segment::Literal(text) => node.literal.entry(text.clone()).or_default(),
                        Segment::Any => node.any.get_or_insert_default(),
                        Segment::Rest => return node.rest.push(to),
                    };
                }
                node.here.push(to);
            }
        }
    }

    /// Offers candidates, most specific first, until `accept` takes one.
    pub(crate) fn find(&self, path: &str, accept: &mut dyn FnMut(T) -> bool) -> Option<T> {
        let mut offer = |all: &[T]| all.iter().copied().find(|to| accept(*to));
        if path == "*" {
            return self.prefix.get("").and_then(|all| offer(all));
        }
        if let Some(found) = self.exact.get(path).and_then(|all| offer(all)) {
            return Some(found);
        }
        if !self.template.is_empty()
            && let Some(found) = self.template.find(path.strip_prefix('/').unwrap_or(path), &mut offer)
        {
            return Some(found);
        }
        for (regex, to) in &self.regex {
            if regex.is_match(path) && offer(&[*to]).is_some() {
                return Some(*to);
            }
        }
        self.find_prefix(path, &mut offer)
    }

    fn find_prefix(&self, path: &str, offer: &mut dyn FnMut(&[T]) -> Option<T>) -> Option<T> {
        if self.prefix.is_empty() {
            return None;
        }
        let mut at = path;
        loop {
            if let Some(found) = self.prefix.get(at).and_then(|all| offer(all)) {
                return Some(found);
            }
            at = at.rsplit_once('/')?.0;
        }
    }
}

impl<T: Copy> Node<T> {
    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.any.is_none() && self.rest.is_empty() && self.here.is_empty()
    }

    /// Literal before any before rest, with steps back. The depth is that of the deepest template, not of the path.
    fn find(&self, path: &str, offer: &mut dyn FnMut(&[T]) -> Option<T>) -> Option<T> {
        let (segment, below) = match path.split_once('/') {
            Some((segment, below)) => (segment, Some(below)),
            None => (path, None),
        };
        let step = |node: &Self, offer: &mut dyn FnMut(&[T]) -> Option<T>| match below {
            Some(below) => node.find(below, offer),
            None => offer(&node.here),
        };
        if let Some(found) = self.literal.get(segment).and_then(|node| step(node, offer)) {
            return Some(found);
        }
        if !segment.is_empty()
            && let Some(found) = self.any.as_ref().and_then(|node| step(node, offer))
        {
            return Some(found);
        }
        if path.is_empty() { None } else { offer(&self.rest) }
    }
}

/// Reads a template such as `/v1/{id}/items/{rest...}`; the configuration has checked it.
pub(crate) fn template(text: &str) -> Pattern {
    let segments = text.strip_prefix('/').unwrap_or(text).split('/');
    let segment = |s: &str| match s.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
        Some(name) if name.ends_with("...") => Segment::Rest,
        Some(_) => Segment::Any,
        None => Segment::Literal(s.into()),
    };
    Pattern::Template(segments.map(segment).collect())
}

/// A prefix without its final slash.
pub(crate) fn prefix(text: &str) -> Pattern {
    Pattern::Prefix(text.strip_suffix('/').unwrap_or(text).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn paths() -> Paths<&'static str> {
        let mut p = Paths::default();
        p.add(&prefix("/"), "root");
        p.add(&prefix("/v1"), "v1");
        p.add(&prefix("/v1/users/"), "users");
        p.add(&Pattern::Exact("/v1/users".into()), "exact");
        p.add(&template("/v1/{id}/items"), "items");
        p.add(&template("/v1/special/items"), "special");
        p.add(&template("/files/{rest...}"), "files");
        p.add(&Pattern::Regex(Regex::new(r"^/img/\d+\.png$").unwrap()), "image");
        p
    }

    #[test]
    fn most_specific_pattern_wins() {
        for (path, to) in [
            ("/", "root"),
            ("/x", "root"),
            ("/v1", "v1"),
            ("/v10", "root"),
            ("/v1/", "v1"),
            ("/v1/users", "exact"),
            ("/v1/users/7", "users"),
            ("/v1/7/items", "items"),
            ("/v1/special/items", "special"),
            ("/v1//items", "v1"),
            ("/v1/7/items/", "v1"),
            ("/files/a/b/c", "files"),
            ("/files/", "root"),
            ("/img/12.png", "image"),
            ("/img/x.png", "root"),
            ("*", "root"),
        ] {
            assert_eq!(paths().find(path, &mut |_| true).unwrap_or("none"), to, "{path}");
        }
    }

    #[test]
    fn asterisk_is_taken_by_the_prefix_of_everything_only() {
        let mut p = Paths::default();
        p.add(&template("/{name}"), "template");
        p.add(&Pattern::Regex(Regex::new(".*").unwrap()), "regex");
        p.add(&prefix("/v1"), "v1");
        assert_eq!(p.find("*", &mut |_| true), None);
        p.add(&prefix("/"), "root");
        assert_eq!(p.find("*", &mut |_| true), Some("root"));
    }

    #[test]
    fn a_refused_candidate_leads_to_the_next_less_specific() {
        let mut seen = Vec::new();
        paths().find("/v1/special/items", &mut |to| {
            seen.push(to);
            false
        });
        assert_eq!(seen, ["special", "items", "v1", "root"]);
    }
}
