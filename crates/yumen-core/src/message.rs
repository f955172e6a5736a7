//! A request and a response as everything above the wire sees them, whatever version of HTTP carried them.

use std::any::Any;

use crate::{Body, Fields, Span};

/// A request method (RFC 9110 section 9); names are case-sensitive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the methods themselves")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    /// Any other token.
    Other(Box<str>),
}

impl Method {
    /// The method a token names. The caller has checked that it is a token.
    pub fn from_token(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            other => Self::Other(String::from_utf8_lossy(other).into()),
        }
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other(token) => token,
        }
    }

    /// Whether repeating it has the same intended effect as doing it once (RFC 9110 section 9.2.2).
    pub fn is_idempotent(&self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace)
    }
}

/// The version a message was received in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
#[expect(missing_docs, reason = "the variants are the versions themselves")]
pub enum Version {
    Http10,
    Http11,
    Http2,
    Http3,
}

impl Version {
    /// As it stands in logs and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

/// How the client reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the schemes themselves")]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// The scheme's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// One request. The target and the authority live in the block of `fields`.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The version it was received in.
    pub version: Version,
    /// How the client reached us.
    pub scheme: Scheme,
    /// The header fields.
    pub fields: Fields,
    /// The content.
    pub body: Body,
    /// Whether the client waits for `100 Continue` before it sends the content (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
    /// Whether the client asks to change the protocol (RFC 9110 section 7.8).
    pub upgrade: bool,
    /// Whether the client said that it takes trailers (RFC 9110 section 10.1.4). The field itself concerns one connection
    /// and is gone.
    pub takes_trailers: bool,
    target: Span,
    authority: Span,
}

impl Request {
    /// A request whose target and authority stand at the given places of `fields`.
    pub fn new(method: Method, scheme: Scheme, fields: Fields, target: Span, authority: Span) -> Self {
        Self {
            method,
            version: Version::Http11,
            scheme,
            fields,
            body: Body::Empty,
            expects_continue: false,
            upgrade: false,
            takes_trailers: false,
            target,
            authority,
        }
    }

    /// Path and query as they will be sent on; `*` for `OPTIONS *`.
    pub fn target(&self) -> &str {
        self.fields.text(self.target)
    }

    /// The bytes of [`Request::target`], for those who only copy them.
    pub fn target_bytes(&self) -> &[u8] {
        self.fields.bytes(self.target)
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        std::str::from_utf8(self.path_bytes()).unwrap_or_default()
    }

    /// The bytes of [`Request::path`], for those who only copy them.
    pub fn path_bytes(&self) -> &[u8] {
        let target = self.target_bytes();
        let end = target.iter().position(|b| *b == b'?').unwrap_or(target.len());
        target.get(..end).unwrap_or_default()
    }

    /// The query without its `?`.
    pub fn query(&self) -> Option<&str> {
        self.target().split_once('?').map(|(_, query)| query)
    }

    /// Host and port the request is for, as the client wrote it.
    pub fn authority(&self) -> &str {
        self.fields.text(self.authority)
    }

    /// Where the authority stands in the block of `fields`; empty when there is none.
    pub fn authority_span(&self) -> Span {
        self.authority
    }

    /// The host of the authority without its port; letter case as written.
    pub fn host(&self) -> &str {
        host_of(self.authority())
    }

    /// Replaces path and query.
    pub fn set_target(&mut self, target: &str) {
        self.target = self.fields.intern(target.as_bytes());
    }

    /// Replaces the path and keeps the query.
    pub fn set_path(&mut self, path: &str) {
        let target = match self.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        self.set_target(&target);
    }
}

/// The host part of `host[:port]`, brackets of an IPv6 literal kept.
fn host_of(authority: &str) -> &str {
    if authority.starts_with('[') {
        return match authority.find(']') {
            Some(end) => authority.get(..=end).unwrap_or(authority),
            None => authority,
        };
    }
    authority.split(':').next().unwrap_or_default()
}

/// One answer.
#[derive(Debug)]
pub struct Response {
    /// The status code, 100 to 599.
    pub status: u16,
    /// The reason phrase as received; `None` means the usual one.
    pub phrase: Option<Span>,
    /// The header fields.
    pub fields: Fields,
    /// The content.
    pub body: Body,
    /// The endpoint's side of a connection that changed its protocol (status 101); the data path joins it to the
    /// client's side.
    pub tunnel: Option<Box<dyn Any>>,
}

impl Response {
    /// An answer of ours without fields and content.
    pub fn new(status: u16) -> Self {
        Self { status, phrase: None, fields: Fields::new(), body: Body::Empty, tunnel: None }
    }

    /// An answer of ours with a text.
    pub fn text(status: u16, content_type: &str, text: impl Into<bytes::Bytes>) -> Self {
        let mut response = Self::new(status);
        response.fields.add("Content-Type", content_type.as_bytes());
        response.body = Body::Full(text.into());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, authority: &str) -> Request {
        let mut fields = Fields::new();
        let target = fields.intern(target.as_bytes());
        let authority = fields.intern(authority.as_bytes());
        Request::new(Method::Get, Scheme::Http, fields, target, authority)
    }

    #[test]
    fn host_loses_its_port_and_keeps_its_brackets() {
        for (authority, host) in [("a:80", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("", "")] {
            assert_eq!(request("/", authority).host(), host);
        }
    }

    #[test]
    fn new_path_keeps_the_query() {
        let mut r = request("/a?b=c", "h");
        r.set_path("/x");
        assert_eq!((r.target(), r.path(), r.query()), ("/x?b=c", "/x", Some("b=c")));
    }
}
