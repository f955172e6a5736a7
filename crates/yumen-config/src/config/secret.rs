//! Values that must not appear in logs, dumps or diagnostics.
//!
//! Two kinds: a [`Secret`] is one by its key; a [`Text`] is of a key that takes any text, and is one when the environment
//! had a part in it, as in `Authorization: "Bearer ${TOKEN}"`.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::{AccountName, Config, MiddlewareKind};

/// A secret, given in the text (through `${ENV}` as a rule), as a file to read, or as one that KMS keeps.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The value itself.
    Literal(Box<str>),
    /// A file whose content, without one trailing line end, is the value.
    File(PathBuf),
    /// A secret of the key management service of Alibaba Cloud.
    Kms(KmsSecret),
}

/// A secret that KMS keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KmsSecret {
    /// Whose it is.
    pub account: AccountName,
    /// Its name there, or its ARN.
    pub name: Box<str>,
    /// The field whose value is meant, when the secret is an object of JSON; `None`: all of it.
    pub field: Option<Box<str>>,
}

/// As it is written, the account always named.
impl fmt::Display for KmsSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.name)?;
        self.field.as_ref().map_or(Ok(()), |field| write!(f, "#{field}"))
    }
}

impl Secret {
    /// The secret, if KMS keeps it.
    pub fn kms(&self) -> Option<&KmsSecret> {
        if let Self::Kms(secret) = self { Some(secret) } else { None }
    }

    /// The value of a secret that this machine has. Blocks for as long as the disk takes.
    ///
    /// # Errors
    /// When it is one of KMS, which has to be asked; when its file cannot be read or is not UTF-8; the error names the file.
    pub fn resolve(&self) -> io::Result<String> {
        match self {
            Self::Literal(text) => Ok(text.to_string()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|e| io::Error::new(e.kind(), format!("cannot read the secret {}: {e}", path.display())))?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
            }
            Self::Kms(secret) => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, format!("KMS has to be asked for the secret {secret}")))
            }
        }
    }
}

impl Config {
    /// The secrets that KMS keeps, each with what it is used for.
    pub fn kms_secrets(&self) -> BTreeMap<KmsSecret, KmsUse> {
        let mut all = BTreeMap::new();
        let inline = self.routes.iter().flat_map(|route| &route.middlewares);
        for middleware in self.middlewares.values().chain(inline) {
            if let MiddlewareKind::BasicAuth { users, .. } = &middleware.kind {
                let kept = users.iter().filter_map(Secret::kms);
                all.extend(kept.map(|secret| (secret.clone(), KmsUse::Users)));
            }
        }
        all
    }
}

/// What a secret of KMS is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KmsUse {
    /// Its lines are the users of a `basic_auth`.
    Users,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => f.write_str("Secret(***)"),
            Self::File(path) => write!(f, "Secret(file:{})", path.display()),
            Self::Kms(secret) => write!(f, "Secret(kms:{secret})"),
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
