//! What every section needs while it is lowered: the texts, the environment, the place for complaints.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::yaml::{Node, Place, Value};

/// A text and where it comes from.
pub(crate) struct Source {
    pub(crate) name: Arc<str>,
    /// What relative paths in it are relative to.
    pub(crate) folder: PathBuf,
    lines: Vec<String>,
}

impl Source {
    pub(crate) fn new(name: &str, folder: &Path, text: &str) -> Self {
        Self { name: Arc::from(name), folder: folder.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }
}

/// What makes a complaint the same as another: file, line, column and message.
type Made = (Arc<str>, u32, u32, String);

/// Collects complaints while the tree is read.
pub(crate) struct Ctx<'a> {
    pub(crate) sources: Vec<Source>,
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    complaints: RefCell<Vec<Diagnostic>>,
    /// The complaints by place and message; a generated file can have a hundred thousand.
    made: RefCell<HashSet<Made>>,
    /// Where secrets stand: an excerpt of such a line shows stars.
    secrets: RefCell<Vec<Span>>,
    /// Files that the configuration names, and where.
    files: RefCell<BTreeMap<PathBuf, Span>>,
}

impl<'a> Ctx<'a> {
    pub(crate) fn new(env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            sources: Vec::new(),
            env,
            complaints: RefCell::default(),
            made: RefCell::default(),
            secrets: RefCell::default(),
            files: RefCell::default(),
        }
    }

    pub(crate) fn push(&self, diagnostic: Diagnostic) {
        let span = &diagnostic.span;
        let place = (Arc::clone(&span.file), span.line, span.column, diagnostic.message.clone());
        // An alias is read as often as it is used, but complained about once.
        if self.made.borrow_mut().insert(place) {
            self.complaints.borrow_mut().push(diagnostic);
        }
    }

    pub(crate) fn error(&self, place: Place, code: &'static str, message: impl Into<String>) {
        self.push(self.at(place, code, message));
    }

    pub(crate) fn error_help(&self, place: Place, code: &'static str, message: impl Into<String>, help: String) {
        let mut diagnostic = self.at(place, code, message);
        diagnostic.help = Some(help);
        self.push(diagnostic);
    }

    pub(crate) fn warn(&self, place: Place, code: &'static str, message: impl Into<String>, help: &str) {
        let mut diagnostic = self.at(place, code, message);
        diagnostic.help = Some(help.to_owned());
        diagnostic.severity = Severity::Warning;
        self.push(diagnostic);
    }

    /// A complaint about two places.
    pub(crate) fn clash(&self, place: Place, code: &'static str, message: impl Into<String>, first: Place, help: &str) {
        let mut diagnostic = self.at(place, code, message);
        diagnostic.help = Some(help.to_owned());
        diagnostic.related.push((self.span(first), "first here".to_owned()));
        self.push(diagnostic);
    }

    fn span(&self, place: Place) -> Span {
        let source = self.sources.get(place.file);
        let line = source.and_then(|s| s.lines.get(place.line.wrapping_sub(1)));
        let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Span {
            file: source.map_or_else(|| Arc::from("?"), |s| Arc::clone(&s.name)),
            line: narrow(place.line),
            column: narrow(place.column),
            end_column: narrow(place.end),
            text: line.map_or_else(Box::default, |l| l.as_str().into()),
        }
    }

    fn at(&self, place: Place, code: &'static str, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code,
            message: message.into(),
            span: self.span(place),
            help: None,
            related: Vec::new(),
        }
    }

    /// The complaints so far, errors first, in the order of the text.
    pub(crate) fn take(&self) -> Vec<Diagnostic> {
        let mut all = self.complaints.take();
        let secrets = self.secrets.borrow();
        for span in
            all.iter_mut().flat_map(|d| std::iter::once(&mut d.span).chain(d.related.iter_mut().map(|r| &mut r.0)))
        {
            for secret in secrets.iter().filter(|s| s.file == span.file && s.line == span.line) {
                let hidden = secret.column as usize - 1..secret.end_column as usize - 1;
                let star = |(i, c)| if hidden.contains(&i) { '*' } else { c };
                span.text = span.text.chars().enumerate().map(star).collect();
            }
        }
        let file = |d: &Diagnostic| self.sources.iter().position(|s| s.name == d.span.file);
        all.sort_by_key(|d| (d.severity, file(d), d.span.line, d.span.column));
        all
    }

    /// A path as it is meant: relative to the file it stands in.
    pub(crate) fn resolve(&self, place: Place, path: &str) -> PathBuf {
        let path = self.sources.get(place.file).map_or_else(|| PathBuf::from(path), |s| s.folder.join(path));
        self.files.borrow_mut().entry(path.clone()).or_insert_with(|| self.span(place));
        path
    }

    /// The files that were named, each with its first place.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Span> {
        self.files.take()
    }

    /// Keeps what stands here out of every excerpt.
    pub(crate) fn hide(&self, place: Place) {
        self.secrets.borrow_mut().push(self.span(place));
    }

    /// The text of a node with the environment filled in; complains when it is not text.
    pub(crate) fn text(&self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => self.expand(node, text),
            other => {
                self.error(node.place, "wrong_kind", format!("expected text, found {}", other.describe()));
                None
            }
        }
    }

    fn expand(&self, node: &Node, text: &str) -> Option<String> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                out.push('$');
                rest = after;
            } else if let Some(after) = after.strip_prefix('{') {
                let Some((inside, after)) = after.split_once('}') else {
                    self.error_help(
                        node.place,
                        "bad_reference",
                        "`${` without its `}`",
                        "write `$$` for a dollar sign".to_owned(),
                    );
                    return None;
                };
                out.push_str(&self.reference(node, inside)?);
                rest = after;
            } else {
                out.push('$');
                rest = after;
            }
        }
        out.push_str(rest);
        Some(out)
    }

    fn reference(&self, node: &Node, inside: &str) -> Option<String> {
        if inside.starts_with("file:") {
            let help = "only `users` of basic_auth take a file reference; other keys take `${NAME}`";
            self.error_help(node.place, "bad_reference", "`${file:…}` is for secrets only", help.to_owned());
            return None;
        }
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            let help = "write `${NAME}` or `${NAME:-default}`, and `$$` for a dollar sign".to_owned();
            self.error_help(node.place, "bad_reference", format!("`{name}` is not a name of a variable"), help);
            return None;
        }
        // As in a shell, `:-` also stands in for a variable that is empty.
        let found = (self.env)(name).filter(|v| !(v.is_empty() && default.is_some()));
        let value = found.or_else(|| default.map(str::to_owned));
        if value.is_none() {
            let help = format!("set it, or give a default: `${{{name}:-value}}`");
            self.error_help(node.place, "unset_variable", format!("the variable `{name}` is not set"), help);
        }
        value
    }
}
