//! How a request reaches a server: a port, and the client of this crate behind it.
//!
//! A transport sends one request once. It neither signs nor repeats: [`Client`](crate::Client) does. What it must tell is
//! whether a request that failed can have reached the server, because what can have must not be repeated blindly.

mod http1;
mod tls;

pub use http1::HttpTransport;
pub use tls::TlsError;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use crate::{Draft, Headers};

/// Where a service listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Host and, when it is not the usual one, port; as in the `Host` header.
    pub authority: String,
}

impl Endpoint {
    /// An endpoint with TLS on its usual port.
    pub fn https(host: impl Into<String>) -> Self {
        Self { tls: true, authority: host.into() }
    }

    /// Reads `https://host`, `http://host:port` or `host`, which means TLS. A path is refused.
    ///
    /// # Errors
    /// When the text is none of these; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (tls, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some((scheme, _)) => return Err(format!("`{scheme}` is neither http nor https")),
            None => (true, text),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if authority.is_empty() || !authority.chars().all(is_allowed) {
            return Err(format!("`{text}` is no host with an optional port"));
        }
        Ok(Self { tls, authority: authority.to_ascii_lowercase() })
    }

    /// The same endpoint with a label in front of its host, for services whose buckets or projects are part of it. An
    /// address stays as it is.
    #[must_use]
    pub fn with_label(&self, label: &str) -> Self {
        Self { tls: self.tls, authority: format!("{label}.{}", self.authority) }
    }

    /// Host and port to connect to.
    pub(crate) fn address(&self) -> (String, u16) {
        let usual = if self.tls { 443 } else { 80 };
        let (host, port) = match self.authority.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !port.ends_with(']') => (host, port.parse().unwrap_or(usual)),
            _ => (self.authority.as_str(), usual),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (bare.to_owned(), port)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

/// How long one attempt may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the connection stands, TLS included.
    pub connect: Duration,
    /// From then until the whole answer is there.
    pub answer: Duration,
}

impl Default for Timeouts {
    /// 5 s and 10 s, as the vendor's libraries have them.
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), answer: Duration::from_secs(10) }
    }
}

/// One request, ready to go.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// What goes; its `host` is the authority of the endpoint.
    pub draft: Draft,
    /// How long it may take.
    pub timeouts: Timeouts,
}

/// What came back, whatever its status. `Debug` shows the status only, because answers may hold keys.
#[derive(Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers; of repeated ones the last.
    pub headers: Headers,
    /// The whole body.
    pub body: Bytes,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

/// Where an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The request cannot be sent at all: a header or the target is not allowed.
    Invalid,
    /// The name could not be resolved or nobody answered there.
    Connect,
    /// The server could not be trusted or TLS failed otherwise.
    Tls,
    /// The request or its answer broke off.
    Exchange,
    /// Time was over.
    Timeout,
    /// The answer is too large.
    TooLarge,
}

/// An attempt that brought no answer. Its text never holds parts of the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct TransportError {
    /// Where it failed.
    pub stage: Stage,
    /// Whether the server may have read the request.
    pub may_have_arrived: bool,
    /// What happened, for an operator.
    pub text: String,
}

/// A future of an attempt.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Answer, TransportError>> + Send + 'a>>;

/// Sends requests. Implement it to use another HTTP client, a proxy or a network in memory.
pub trait Transport: Send + Sync {
    /// Sends one request once and reads the whole answer, within the timeouts of the request.
    fn send(&self, request: Outgoing) -> Sending<'_>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        assert_eq!(Endpoint::parse("Ecs.Aliyuncs.com"), Ok(Endpoint::https("ecs.aliyuncs.com")));
        let plain = Endpoint::parse("http://127.0.0.1:8080/").unwrap_or_else(|text| panic!("{text}"));
        assert_eq!((plain.tls, plain.address()), (false, ("127.0.0.1".to_owned(), 8080)));
        assert_eq!(plain.to_string(), "http://127.0.0.1:8080");
        let six = Endpoint::parse("http://[::1]:81").unwrap_or_else(|text| panic!("{text}"));
        assert_eq!(six.address(), ("::1".to_owned(), 81));
        assert_eq!(Endpoint::https("[::1]").address(), ("::1".to_owned(), 443));
        assert_eq!(Endpoint::https("oss.example").with_label("bucket").authority, "bucket.oss.example");
        for text in ["", "ftp://a", "https://a/b", "a b", "https://user@host"] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
