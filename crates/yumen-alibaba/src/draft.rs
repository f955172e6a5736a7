//! A request before it is signed and sent.

use std::fmt;

use bytes::Bytes;

use crate::encode;

/// Which operation of an RPC or ROA product is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation<'a> {
    /// The version of the API, a date such as `2015-01-09`.
    pub version: &'a str,
    /// The name of the operation, such as `AddDomainRecord`.
    pub action: &'a str,
}

/// The headers of a request: names in lower case, each at most once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Sets a header, in place of one that is there. The transport refuses what HTTP does not allow.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        let name = name.to_ascii_lowercase();
        let value = value.into();
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Removes a header.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// The value of a header.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Names and values in the order in which they were first set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names that are wanted, sorted.
    pub(crate) fn names(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<&str> {
        let mut names: Vec<&str> = self.iter().map(|(name, _)| name).filter(|name| is_wanted(name)).collect();
        names.sort_unstable();
        names
    }
}

/// Whether the value of a header must not be shown.
fn is_secret(name: &str) -> bool {
    matches!(name, "authorization") || name.ends_with("security-token") || name.ends_with("metadata-token")
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (name, if is_secret(name) { "***" } else { value })))
            .finish()
    }
}

/// A request that is being put together. `Debug` shows neither query nor body nor secret headers, since parameters may
/// hold keys.
#[derive(Clone)]
pub struct Draft {
    /// The method.
    pub method: &'static str,
    /// The host as it stands in the `Host` header, with the port when that is not the usual one.
    pub host: String,
    /// The path as it goes over the wire, percent-encoded.
    pub path: String,
    /// Names and values of the query, not encoded.
    pub query: Vec<(String, String)>,
    /// Headers, without `Host`.
    pub headers: Headers,
    /// The body; for forms see [`Draft::form`].
    pub body: Bytes,
}

impl Draft {
    /// A request without query, headers and body.
    pub fn new(method: &'static str, host: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            method,
            host: host.into(),
            path: path.into(),
            query: Vec::new(),
            headers: Headers::default(),
            body: Bytes::new(),
        }
    }

    /// Makes pairs the body, as `application/x-www-form-urlencoded`.
    pub fn form(&mut self, pairs: &[(String, String)]) {
        self.body = encode::query(pairs).into();
        self.headers.set("content-type", "application/x-www-form-urlencoded");
    }

    /// Path and query as they go over the wire, encoded in the way in which they are signed.
    #[must_use]
    pub fn target(&self) -> String {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        if self.query.is_empty() {
            return path.to_owned();
        }
        format!("{path}?{}", encode::query(&self.query))
    }

    /// A header as it is signed: `host` is the host, whatever stands in the headers.
    pub(crate) fn signed_value(&self, name: &str) -> &str {
        if name == "host" { &self.host } else { self.headers.value(name).unwrap_or_default().trim() }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft")
            .field("method", &self.method)
            .field("host", &self.host)
            .field("path", &self.path)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_there_once() {
        let mut headers = Headers::default();
        headers.set("X-Acs-Date", "a");
        headers.set("x-acs-date", "b");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("x-acs-date", "b")]);
        headers.remove("X-ACS-DATE");
        assert_eq!(headers.value("x-acs-date"), None);
    }

    #[test]
    fn nothing_secret_is_shown() {
        let mut draft = Draft::new("POST", "h", "/");
        draft.query.push(("SecurityToken".into(), "hush".into()));
        draft.headers.set("authorization", "hush");
        draft.headers.set("x-acs-security-token", "hush");
        draft.headers.set("x-aliyun-ecs-metadata-token", "hush");
        draft.form(&[("Key".into(), "hush".into())]);
        assert!(!format!("{draft:?}").contains("hush"));
    }

    #[test]
    fn the_target_is_encoded() {
        let mut draft = Draft::new("GET", "h", "/a%20b");
        assert_eq!(draft.target(), "/a%20b");
        draft.query = vec![("b".into(), "1 2".into()), ("a".into(), String::new())];
        assert_eq!(draft.target(), "/a%20b?b=1%202&a=");
    }
}
