//! What can go wrong, in the words of the operator: what failed, for which name, and what the other side said.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A certificate could not be obtained, stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("cannot {act} {}: {source}", path.display())]
    Disk {
        /// What was tried.
        act: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something on the disk cannot be used as it is.
    #[error("{} {reason}", path.display())]
    Stored {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process holds the lock for longer than the caller wants to wait.
    #[error("`{label}` is being ordered by another process, and that did not end within {} s", waited.as_secs())]
    Locked {
        /// What is locked.
        label: String,
        /// How long was waited.
        waited: Duration,
    },
    /// What is asked for cannot be ordered; no CA was asked.
    #[error("{0}")]
    Wish(String),
    /// The CA said no.
    #[error("{directory} refused {what}: {refusal}")]
    Refused {
        /// The URL of its directory.
        directory: String,
        /// What it refused.
        what: String,
        /// Its words.
        refusal: Box<Refusal>,
        /// When it wants to be asked again, counted from the answer.
        retry_after: Option<Duration>,
    },
    /// The CA cannot be reached, or answers what is no ACME.
    #[error("{directory} cannot be used for {what}: {reason}")]
    Unreachable {
        /// The URL of its directory.
        directory: String,
        /// What was wanted.
        what: String,
        /// The last reason.
        reason: String,
    },
    /// A challenge could not be answered.
    #[error("the {kind} challenge for {identifier} cannot be answered: {reason}")]
    Challenge {
        /// Its type as ACME has it.
        kind: &'static str,
        /// For which name.
        identifier: String,
        /// Why.
        reason: String,
    },
    /// DNS or a provider of it does not do what is needed.
    #[error("{0}")]
    Dns(String),
}

impl Error {
    pub(crate) fn disk(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Disk { act, path, source }
    }

    pub(crate) fn stored(path: &Path, reason: impl Into<String>) -> Self {
        Self::Stored { path: path.to_path_buf(), reason: reason.into() }
    }

    /// Whether the CA refused for this reason: the last part of the problem type, `rateLimited` for example.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        matches!(self, Self::Refused { refusal, .. } if refusal.kind == kind)
    }

    /// When the CA wants to be asked again, where it told.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What a CA answers instead of doing what it was asked: a problem document of RFC 7807, as RFC 8555 section 6.7 uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The kind: what follows `urn:ietf:params:acme:error:`, or the whole type when it is none of ACME's.
    pub kind: String,
    /// The explanation, in the words of the CA.
    pub detail: String,
    /// The HTTP status, where it is told.
    pub status: Option<u16>,
    /// What is wrong with which name, where the CA told it.
    pub parts: Vec<Part>,
}

/// The share of one name in a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// The name.
    pub identifier: String,
    /// The kind, as in [`Refusal`].
    pub kind: String,
    /// The explanation, in the words of the CA.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.kind)?;
        for part in &self.parts {
            write!(f, "; {}: {} ({})", part.identifier, part.detail, part.kind)?;
        }
        Ok(())
    }
}
