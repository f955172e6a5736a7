//! A node of the tree and its place.

use std::rc::Rc;

/// Where something stands: file number, line from 1, columns in characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) file: u32,
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// The column after the last, when the thing ends on its first line; otherwise that after the first.
    pub(crate) end: u32,
    /// The last line that something of it stands on.
    pub(crate) last: u32,
}

/// The key of a map entry.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: Box<str>,
    pub(crate) place: Place,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    /// Nodes below and including this one, aliases counted as often as they are used.
    pub(crate) size: u32,
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing: `key:` alone, `~` or `null`.
    Null,
    /// Text as written; kinds are decided by the key, never guessed from the text.
    Text(Box<str>),
    /// A sequence.
    List(Box<[Rc<Node>]>),
    /// A mapping in its order, duplicates kept.
    Map(Box<[(Name, Rc<Node>)]>),
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

impl Node {
    /// The text as it is written, with its references to the environment; empty when it is no text.
    pub(crate) fn written(&self) -> &str {
        if let Value::Text(text) = &self.value { text } else { "" }
    }

    /// Whether it is nothing, or a map without entries.
    pub(crate) fn is_blank(&self) -> bool {
        match &self.value {
            Value::Map(entries) => entries.is_empty(),
            value => matches!(value, Value::Null),
        }
    }
}
