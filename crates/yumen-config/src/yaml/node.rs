//! A node of the tree and its place.

use std::rc::Rc;

/// Where something stands: file number, line from 1, columns in characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: usize,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The column after the last, when the thing ends on its first line; otherwise that after the first.
    pub(crate) end: usize,
}

/// The key of a map entry.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
    /// Nodes below and including this one, aliases counted as often as they are used.
    pub(crate) size: usize,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing: `key:` alone, `~` or `null`.
    Null,
    /// Text as written; kinds are decided by the key, never guessed from the text.
    Text(String),
    /// A sequence.
    List(Vec<Rc<Node>>),
    /// A mapping in its order, duplicates kept.
    Map(Vec<(Name, Rc<Node>)>),
}

impl Value {
    /// What it is, for messages.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}
