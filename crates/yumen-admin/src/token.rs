//! The token that a write needs: 256 random bits in a file that only its owner may read.

use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rand::TryRngCore;
use rand::rngs::OsRng;

/// Hexadecimal digits of a token.
const LENGTH: usize = 64;

/// The secret that allows writes to the admin API.
#[derive(Clone)]
pub struct Token([u8; LENGTH]);

/// The token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It cannot be read or created.
    #[error("cannot read or create the admin token file {path}: {source}; its directory must exist and be writable")]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("the admin token file is not secret: {0}; or remove it, and a new one is created at the next start")]
    Exposed(String),
    /// It does not hold a token.
    #[error(
        "{0} does not hold an admin token (64 hexadecimal digits); remove it: a new one is created at the next start"
    )]
    Malformed(PathBuf),
}

impl Token {
    /// Reads the token of a file, or creates the file with a new one. Blocks; call it at the start.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let fault = |source| TokenError::File { path: path.to_owned(), source };
        match Self::read(path) {
            Err(TokenError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let token = Self::mint().map_err(fault)?;
        match yumen_net::os::create_private(path, &token.0) {
            Ok(()) => Ok(token),
            // Another process was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self::read(path),
            Err(error) => Err(fault(error)),
        }
    }

    /// Reads the token of a file that a running gateway has created.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let fault = |source| TokenError::File { path: path.to_owned(), source };
        let file = File::open(path).map_err(fault)?;
        if let Some(exposure) = yumen_net::os::exposure(path).map_err(fault)? {
            return Err(TokenError::Exposed(exposure));
        }
        let mut text = Vec::new();
        file.take(LENGTH as u64 + 16).read_to_end(&mut text).map_err(fault)?;
        Self::parse(text.trim_ascii()).ok_or_else(|| TokenError::Malformed(path.to_owned()))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let digits: [u8; LENGTH] = text.try_into().ok()?;
        digits.iter().all(u8::is_ascii_hexdigit).then_some(Self(digits))
    }

    fn mint() -> io::Result<Self> {
        let mut bits = [0; LENGTH / 2];
        OsRng.try_fill_bytes(&mut bits).map_err(io::Error::other)?;
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or(b'0', |c| c as u8);
        let mut digits = [0; LENGTH];
        for (pair, byte) in digits.chunks_mut(2).zip(bits) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        Ok(Self(digits))
    }

    /// Whether a text is this token; takes the same time wherever they differ.
    pub(crate) fn is(&self, text: &[u8]) -> bool {
        let difference = self.0.iter().zip(text).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
        text.len() == LENGTH && difference == 0
    }

    /// The token as it is sent.
    pub(crate) fn text(&self) -> &str {
        // Hexadecimal digits are always valid text.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn token_is_created_once_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let made = Token::open(&path).unwrap();
        assert!(Token::open(&path).unwrap().is(made.text().as_bytes()));
        assert!(Token::read(&path).unwrap().is(made.text().as_bytes()));
        assert_eq!(made.text().len(), LENGTH);
        assert_eq!(format!("{made:?}"), "Token(…)");
        assert!(!Token::mint().unwrap().is(made.text().as_bytes()));
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::parse(&[b'a'; 64]).unwrap();
        assert!(token.is(&[b'a'; 64]));
        for wrong in [&[b'a'; 63][..], &[b'a'; 65], &[b'b'; 64], b""] {
            assert!(!token.is(wrong));
        }
    }

    #[test]
    fn file_without_a_token_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for text in [&b""[..], b"short", &[b'g'; 64], &[b'a'; 65]] {
            yumen_net::os::create_private(&path, text).unwrap();
            assert!(matches!(Token::open(&path), Err(TokenError::Malformed(_))));
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn missing_folder_is_named() {
        let error = Token::open(Path::new("/nowhere/at/all/token")).unwrap_err().to_string();
        assert!(error.contains("/nowhere/at/all/token") && error.contains("directory must exist"), "{error}");
    }
}
