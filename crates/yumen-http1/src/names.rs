//! What is known of field names and methods. All names compare without regard to case, whole and exact.

/// Fields that belong to one connection and are never forwarded (RFC 9110 7.6.1): Connection, Proxy-Connection,
/// Keep-Alive, TE, Transfer-Encoding, Upgrade, and HTTP2-Settings of the abandoned h2c upgrade.
///
/// Trailer is not among them: it announces trailers, which are forwarded. Neither are Proxy-Authenticate and
/// Proxy-Authorization: RFC 9110 11.7 leaves to the proxy that understands them whether to consume or relay them.
#[must_use]
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    let known: &[u8] = match name.len() {
        2 => b"te",
        7 => b"upgrade",
        10 if matches!(name[0], b'c' | b'C') => b"connection",
        10 => b"keep-alive",
        14 => b"http2-settings",
        16 => b"proxy-connection",
        17 => b"transfer-encoding",
        _ => return false,
    };
    name.eq_ignore_ascii_case(known)
}

/// Fields that a client's Connection field must not be able to strip (the hole of CVE-2024-45410 and its kin): they
/// frame, address, authorise, identify or trace the message. `X-Forwarded-*` is matched by its prefix.
///
/// RFC 9110 7.6.1 forbids senders to name end-to-end fields in Connection; ignoring such an option is safe.
#[must_use]
pub fn is_protected(name: &[u8]) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX)) || is_one_of(name, PROTECTED)
}

/// Fields that must not arrive after the body (RFC 9110 6.5.1): framing, routing, authentication, request modifiers,
/// response control, content format, and everything of [`is_hop_by_hop`] and [`is_protected`].
#[must_use]
pub fn is_forbidden_trailer(name: &[u8]) -> bool {
    is_hop_by_hop(name) || is_protected(name) || is_one_of(name, NOT_IN_TRAILERS)
}

/// Methods that ask for nothing but an answer (RFC 9110 9.2.1). Methods are case-sensitive.
#[must_use]
pub fn is_safe_method(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
}

/// Methods that may be sent again (RFC 9110 9.2.2): the safe ones, PUT and DELETE.
#[must_use]
pub fn is_idempotent_method(method: &[u8]) -> bool {
    is_safe_method(method) || matches!(method, b"PUT" | b"DELETE")
}

fn is_one_of(name: &[u8], known: &[&str]) -> bool {
    known.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

const PROTECTED: &[&str] = &[
    "authorization",
    "baggage",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "location",
    "max-forwards",
    "origin",
    "proxy-authorization",
    "range",
    "referer",
    "server-timing",
    "set-cookie",
    "strict-transport-security",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "vary",
    "via",
    "www-authenticate",
    "x-client-ip",
    "x-forwarded",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];

/// What RFC 9110 6.5.1 names beyond the protected and the hop-by-hop fields.
const NOT_IN_TRAILERS: &[&str] = &[
    "age",
    "allow",
    "authentication-info",
    "etag",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "pragma",
    "proxy-authenticate",
    "proxy-authentication-info",
    "retry-after",
    "warning",
];
