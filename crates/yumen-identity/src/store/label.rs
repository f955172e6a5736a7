//! Names that are file names everywhere.

use std::fmt;

use crate::error::Error;

/// The longest label.
const LONGEST: usize = 100;
/// Names that are devices on Windows, whatever ending follows.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];

/// The name under which a certificate is configured and stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(String);

impl Label {
    /// Takes small letters, digits, `-`, `_` and `.`, at most 100 of them and no `.` at the start.
    ///
    /// # Errors
    /// The text is something else, or the name of a device on Windows.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
        let stem = text.split('.').next().unwrap_or_default();
        let is_port = |kind: &str| stem.strip_prefix(kind).is_some_and(|rest| rest.len() == 1 && rest != "0");
        let is_device = DEVICES.contains(&stem) || ["com", "lpt"].into_iter().any(is_port);
        if stem.is_empty() || text.len() > LONGEST || !text.bytes().all(is_allowed) || is_device {
            return Err(Error::Wish(format!(
                "`{text}` cannot be the name of a certificate: it becomes a file name, so take small letters, digits, `-`, `_` and `.`"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    pub(super) fn of_digest(kind: &str, digest: &str) -> Self {
        Self(format!("{kind}-{digest}"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_file_names_on_every_system() {
        for good in ["www", "www.example.com", "a_b-c.1", "console", "com10", "com"] {
            assert!(Label::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(LONGEST + 1);
        for bad in ["", ".", "..", ".a", "a/b", "a\\b", "A", "é", "con", "nul.pem", "com1", "lpt9.x", "a b", &long] {
            assert!(Label::parse(bad).is_err(), "{bad}");
        }
    }
}
