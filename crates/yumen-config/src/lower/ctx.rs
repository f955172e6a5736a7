//! What every section needs while it is lowered: the texts, the environment, the place for complaints.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cover::Cover;
use crate::config::AccountName;
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::disk;
use crate::yaml::{Excerpts, Node, Place, Source, Value};

/// The account of Alibaba Cloud that is taken by what names none.
pub(crate) const DEFAULT_ACCOUNT: &str = "default";

/// A complaint before it is drawn.
struct Complaint {
    severity: Severity,
    code: &'static str,
    message: String,
    place: Place,
    help: Option<String>,
    first: Option<Place>,
}

/// Collects complaints while the tree is read.
pub(crate) struct Ctx<'a> {
    pub(crate) sources: Vec<Source>,
    env: &'a dyn Fn(&str) -> Option<String>,
    complaints: RefCell<Vec<Complaint>>,
    /// What was complained about where; a generated file can have a hundred thousand complaints.
    made: RefCell<HashSet<(Place, Box<str>)>>,
    /// Files that the configuration names, and where it does first.
    files: RefCell<BTreeMap<PathBuf, Place>>,
    /// The accounts of Alibaba Cloud that are declared: secrets name them, wherever they stand.
    accounts: RefCell<BTreeSet<AccountName>>,
}

impl<'a> Ctx<'a> {
    pub(crate) fn new(env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            sources: Vec::new(),
            env,
            complaints: RefCell::default(),
            made: RefCell::default(),
            files: RefCell::default(),
            accounts: RefCell::default(),
        }
    }

    /// Says which accounts of Alibaba Cloud there are.
    pub(crate) fn set_accounts(&self, names: impl Iterator<Item = AccountName>) {
        self.accounts.replace(names.collect());
    }

    /// The account of a name.
    pub(crate) fn account(&self, name: &str) -> Option<AccountName> {
        self.accounts.borrow().get(name).cloned()
    }

    /// The account of `what` names none: the one called `default`, else the only one. Complains when that is none.
    pub(crate) fn usual_account(&self, place: Place, what: &str) -> Option<AccountName> {
        let accounts = self.accounts.borrow();
        let only = || accounts.iter().next().filter(|_| accounts.len() == 1);
        let usual = accounts.get(DEFAULT_ACCOUNT).or_else(only).cloned();
        if usual.is_none() {
            let (problem, help) = match accounts.is_empty() {
                true => ("there is none", "declare one: `alibaba: {default: {region: cn-hangzhou}}`"),
                false => (
                    "there are several, of which none is called `default`",
                    "put its name before it, `ACCOUNT/NAME`, or call one `default`",
                ),
            };
            let message = format!("{what} needs an account of Alibaba Cloud, and {problem}");
            self.error_help(place, "no_account", message, help);
        }
        usual
    }

    fn push(&self, complaint: Complaint) {
        // An alias is read as often as it is used, but complained about once.
        if self.made.borrow_mut().insert((complaint.place, complaint.message.as_str().into())) {
            self.complaints.borrow_mut().push(complaint);
        }
    }

    pub(crate) fn error(&self, place: Place, code: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.push(Complaint { severity: Severity::Error, code, message, place, help: None, first: None });
    }

    pub(crate) fn error_help(
        &self,
        place: Place,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (message, help) = (message.into(), Some(help.into()));
        self.push(Complaint { severity: Severity::Error, code, message, place, help, first: None });
    }

    pub(crate) fn warn(&self, place: Place, code: &'static str, message: impl Into<String>, help: &str) {
        let (message, help) = (message.into(), Some(help.to_owned()));
        self.push(Complaint { severity: Severity::Warning, code, message, place, help, first: None });
    }

    /// A complaint about two places.
    pub(crate) fn clash(&self, place: Place, code: &'static str, message: impl Into<String>, first: Place, help: &str) {
        let (message, help) = (message.into(), Some(help.to_owned()));
        self.push(Complaint { severity: Severity::Error, code, message, place, help, first: Some(first) });
    }

    /// As [`clash`](Self::clash), for what does no harm.
    pub(crate) fn twice(&self, place: Place, message: impl Into<String>, first: Place) {
        let (message, help) = (message.into(), Some("keep one of them".to_owned()));
        let (severity, code) = (Severity::Warning, "duplicate_value");
        self.push(Complaint { severity, code, message, place, help, first: Some(first) });
    }

    /// The complaints so far, errors first, in the order of the text. `cover` says what must not be seen of it.
    pub(crate) fn take(&self, cover: &Cover) -> Vec<Diagnostic> {
        let mut all = self.complaints.take();
        all.sort_by_key(|c| (c.severity, c.place.file, c.place.line, c.place.column));
        let mut excerpts = Excerpts::default();
        let draw = |complaint: Complaint| Diagnostic {
            severity: complaint.severity,
            code: complaint.code,
            message: complaint.message,
            help: complaint.help,
            related: complaint
                .first
                .map(|first| (self.span(first, cover, &mut excerpts), "first here".to_owned()))
                .into_iter()
                .collect(),
            span: self.span(complaint.place, cover, &mut excerpts),
        };
        all.into_iter().map(draw).collect()
    }

    fn span(&self, place: Place, cover: &Cover, excerpts: &mut Excerpts) -> Span {
        let Some(source) = self.sources.get(place.file as usize) else {
            return Span::of_file(Arc::from("?"));
        };
        let hidden = |line: &str| cover.mask(place.file, place.line, line);
        let (text, text_column) =
            excerpts.around((place.file, place.line), source.line(place.line), place.column, &hidden);
        Span {
            file: Arc::clone(&source.name),
            line: place.line,
            column: place.column,
            end_column: place.end,
            text,
            text_column,
        }
    }

    /// A path as it is meant: relative to the file it stands in. Complains when it leads away from the files of this
    /// machine.
    pub(crate) fn resolve(&self, place: Place, path: &str) -> Option<PathBuf> {
        if let Some(why) = disk::leads_away(Path::new(path)) {
            self.error_help(place, "not_a_local_file", why, disk::COME_HOME);
            return None;
        }
        Some(self.sources.get(place.file as usize).map_or_else(|| PathBuf::from(path), |s| s.folder.join(path)))
    }

    /// As [`resolve`](Self::resolve), for a file that should be there when the configuration is used.
    pub(crate) fn name_file(&self, place: Place, path: &str) -> Option<PathBuf> {
        let path = self.resolve(place, path)?;
        self.files.borrow_mut().entry(path.clone()).or_insert(place);
        Some(path)
    }

    /// The files that were named, each with its first place.
    pub(crate) fn files(&self, cover: &Cover) -> BTreeMap<PathBuf, Span> {
        let mut excerpts = Excerpts::default();
        self.files.take().into_iter().map(|(path, at)| (path, self.span(at, cover, &mut excerpts))).collect()
    }

    /// Whether there was anything to complain about so far.
    pub(crate) fn has_complaints(&self) -> bool {
        !self.complaints.borrow().is_empty()
    }

    /// Whether the configuration names files.
    pub(crate) fn names_files(&self) -> bool {
        !self.files.borrow().is_empty()
    }

    /// The text of a node with the environment filled in; complains when it is not text.
    pub(crate) fn text<'n>(&self, node: &'n Node) -> Option<Cow<'n, str>> {
        match &node.value {
            Value::Text(text) if !text.contains('$') => Some(Cow::Borrowed(text)),
            Value::Text(text) => self.expand(node, text).map(Cow::Owned),
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
                    let help = "write `$$` for a dollar sign";
                    self.error_help(node.place, "bad_reference", "`${` without its `}`", help);
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
        for kind in ["file", "kms"] {
            if inside.strip_prefix(kind).is_some_and(|rest| rest.starts_with(':')) {
                let help = "only keys that hold a secret take one, as the whole value; other keys take `${NAME}`";
                let message = format!("`${{{kind}:…}}` is for secrets only");
                self.error_help(node.place, "bad_reference", message, help);
                return None;
            }
        }
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            // What stands there is not named: in a secret it would be a part of it.
            let help = "write `${NAME}` or `${NAME:-default}`, and `$$` for a dollar sign";
            let message = "this is not the name of a variable: it has letters, digits and `_`";
            self.error_help(node.place, "bad_reference", message, help);
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

/// Whether a text takes something from the environment, which nobody may be shown.
pub(crate) fn is_from_environment(node: &Node) -> bool {
    let mut rest = node.written();
    while let Some((_, after)) = rest.split_once('$') {
        match after.strip_prefix('$') {
            Some(after) => rest = after,
            None if after.starts_with('{') => return true,
            None => rest = after,
        }
    }
    false
}
