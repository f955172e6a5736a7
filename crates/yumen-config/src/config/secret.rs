//! Values that must not appear in logs, dumps or diagnostics.
//!
//! Two kinds: a [`Secret`] is one by its key; a [`Text`] is of a key that takes any text, and is one when the environment
//! had a part in it, as in `Authorization: "Bearer ${TOKEN}"`.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A secret, given in the text (through `${ENV}` as a rule) or as a file to read.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The value itself.
    Literal(Box<str>),
    /// A file whose content, without one trailing line end, is the value.
    File(PathBuf),
}

impl Secret {
    /// The value of the secret.
    ///
    /// # Errors
    /// When its file cannot be read or is not UTF-8; the error names the file.
    pub fn resolve(&self) -> io::Result<String> {
        match self {
            Self::Literal(text) => Ok(text.to_string()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| io::Error::new(e.kind(), format!("cannot read the secret {}: {e}", path.display())))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
            }
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("Secret(***)"),
            Self::File(path) => write!(f, "Secret(file:{})", path.display()),
        }
    }
}

/// Whether a line is `name:hash` with a hash of a kind that is supported.
pub(crate) fn is_htpasswd_hash(line: &str) -> bool {
    let hash = line.split_once(':').filter(|(name, _)| !name.is_empty()).map(|(_, hash)| hash);
    hash.is_some_and(|h| ["$2a$", "$2b$", "$2x$", "$2y$", "$argon2"].iter().any(|known| h.starts_with(known)))
}

/// Text of any form. It is used through `Deref`; people are shown [`shown`](Self::shown).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text {
    text: Box<str>,
    hidden: bool,
}

impl Text {
    /// A text that people must not be shown.
    pub fn hidden(text: String) -> Self {
        Self { text: text.into_boxed_str(), hidden: true }
    }

    /// Whether people must not be shown it.
    pub fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// The text for people: stars when it came from the environment.
    pub fn shown(&self) -> &str {
        if self.hidden { "***" } else { &self.text }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self { text: text.into_boxed_str(), hidden: false }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self { text: text.into(), hidden: false }
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hidden { f.write_str("***") } else { self.text.fmt(f) }
    }
}
