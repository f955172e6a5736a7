//! Access keys, and text that must not be shown.

use std::fmt;

use crate::Timestamp;

/// Text that is never shown: `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What signs a request: an id, a secret, and for temporary keys a session token and an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// The AccessKey id. It names the key and is no secret.
    pub id: String,
    /// The AccessKey secret.
    pub secret: Secret,
    /// The session token of a temporary key.
    pub token: Option<Secret>,
    /// When the key stops working; `None` for a key that lasts.
    pub expires: Option<Timestamp>,
}

impl AccessKey {
    /// A key that lasts.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: Secret::new(secret), token: None, expires: None }
    }

    /// The same key with a session token; an empty one is none.
    #[must_use]
    pub fn with_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Secret::new(token)).filter(|token| !token.is_empty());
        self
    }

    /// The same key with an end.
    #[must_use]
    pub fn with_end(mut self, expires: Option<Timestamp>) -> Self {
        self.expires = expires;
        self
    }

    /// Whether the key works at `now`.
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| now < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_its_id_only() {
        let key = AccessKey::new("the-id", "the-secret").with_token("the-token");
        let text = format!("{key:?} {key:#?}");
        assert!(text.contains("the-id"));
        assert!(!text.contains("the-secret") && !text.contains("the-token"), "{text}");
    }

    #[test]
    fn a_key_without_an_end_is_always_valid() {
        let now = Timestamp::from_unix(10);
        assert!(AccessKey::new("a", "b").is_valid_at(now));
        let key = AccessKey::new("a", "b").with_end(Some(now));
        assert!(!key.is_valid_at(now) && key.is_valid_at(Timestamp::from_unix(9)));
    }
}
