//! The plain values that request and response heads share.

/// HTTP/1.x version of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
}

/// How the end of a message body is found (RFC 9112 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Framing {
    /// No body follows the head.
    #[default]
    None,
    /// Exactly this many bytes follow; 0 when the peer said `Content-Length: 0`.
    Length(u64),
    /// The chunked coding; read it with [`ChunkedDecoder`](crate::ChunkedDecoder).
    Chunked,
    /// The body ends when the connection does. Responses only.
    UntilClose,
}

/// The four forms of a request target (RFC 9112 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TargetForm {
    /// `/path?query`
    #[default]
    Origin,
    /// `http://host/path`
    Absolute,
    /// `host:port`, only with CONNECT.
    Authority,
    /// `*`, only with OPTIONS.
    Asterisk,
}

/// What a parser found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// The head is complete; its `len` says how many bytes belong to it.
    Complete,
    /// Everything so far is fine, but the head is not complete; read more and call again.
    Partial,
}

/// How large a head may be. Trailer sections obey `head` and `fields` too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest request or status line in bytes, line end not counted; default 8 KiB; over it 414.
    pub request_line: usize,
    /// Longest head in bytes, from the first byte to the empty line; default 32 KiB; over it 431.
    pub head: usize,
    /// Most field lines; default 100; over it 431.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { request_line: 8 * 1024, head: 32 * 1024, fields: 100 }
    }
}
