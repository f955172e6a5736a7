//! Values that must not appear in logs, dumps or diagnostics.

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
