//! The head of a request that came as pseudo fields and fields, which is how HTTP/2 and HTTP/3 carry it.
//!
//! Such a request is written as the HTTP/1.1 message that it means and read by the same strict parser, so that one set of
//! rules and reason codes holds for every version, and a request that could not be sent on as HTTP/1.1 is refused here and
//! not by the next reader. What the older form cannot show (white space at the ends of a value, fields that only concern
//! a connection, two authorities) is refused before.

use http::Method;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use yumen_core::{Error, Reason, Side, Stage, Version};
use yumen_http1::{self as http1, Parsed, RequestHead};
use yumen_telemetry::reasons;

use super::request::Received;
use crate::upstream::Local;
use crate::wire::{map, websocket};

/// Reads a head. `ended` says that no content follows.
///
/// # Errors
/// It breaks a rule of RFC 9113 section 8 (RFC 9114 section 4) or one that holds for every request here.
pub(super) fn read(
    parts: &Parts,
    (version, ended): (Version, bool),
    limits: &http1::Limits,
    local: &Local,
) -> Result<Box<Received>, Error> {
    let mut block = local.buffer();
    let scratch = &mut local.scratch.borrow_mut().request;
    let read = translate(parts, limits, &mut block, scratch).map(|()| {
        let mut received = Received::new(scratch, &block, local.fields());
        received.request.version = version;
        // What follows the head of a WebSocket is no content.
        let opens = received.request.upgrade;
        received.length = if opens { Some(0) } else { length(&parts.headers, ended) };
        received
    });
    local.give_back(block);
    read
}

/// Writes the HTTP/1.1 head that a head means into `block`, which is empty, and reads it.
///
/// # Errors
/// As [`read`].
pub(super) fn translate(
    parts: &Parts,
    limits: &http1::Limits,
    block: &mut Vec<u8>,
    into: &mut RequestHead,
) -> Result<(), Error> {
    if parts.headers.len() > limits.fields {
        // Before cookies are joined: each of them costs memory, however small it is on the wire.
        return Err(refusal(reasons::TOO_MANY_FIELDS));
    }
    write(parts, host(parts)?, block)?;
    match http1::parse_request(block, limits, into) {
        // Anything behind the end of the head would be a second request in the eyes of the next reader.
        Ok(Parsed::Complete) if into.len == block.len() => Ok(()),
        Ok(_) => Err(refusal(reasons::INVALID_FIELD_VALUE)),
        Err(fault) => Err(refusal(Reason::new(fault.reason())).detail(fault.to_string())),
    }
}

fn refusal(reason: Reason) -> Error {
    Error::new(Side::Client, Stage::Route, reason)
}

/// How much content follows; the parser has checked the field.
fn length(fields: &HeaderMap, ended: bool) -> Option<u64> {
    if ended {
        return Some(0);
    }
    fields.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok())
}

/// The host that is meant: `:authority`, or a Host field that stands alone. Both have to say the same (RFC 9113 section
/// 8.3.1), since the next reader may look at either.
fn host(parts: &Parts) -> Result<&[u8], Error> {
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    if authority.is_some_and(|authority| authority.contains(&b'@')) {
        return Err(refusal(reasons::USERINFO_IN_TARGET));
    }
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts.next().map(|host| host.as_bytes());
    if hosts.next().is_some() {
        return Err(refusal(reasons::DUPLICATE_HOST));
    }
    match (authority, host) {
        (Some(authority), Some(host)) if !agree(authority, host, parts.uri.scheme_str()) => {
            Err(refusal(reasons::HOST_MISMATCH))
        }
        (Some(authority), _) => Ok(authority),
        (None, Some(host)) => Ok(host),
        (None, None) => Err(refusal(reasons::MISSING_HOST)),
    }
}

/// Whether two authorities name the same, a port that goes without saying left aside.
fn agree(a: &[u8], b: &[u8], scheme: Option<&str>) -> bool {
    let port: &[u8] = if scheme == Some("http") { b":80" } else { b":443" };
    let bare = |host: &[u8]| host.strip_suffix(port).unwrap_or(host).to_ascii_lowercase();
    a.eq_ignore_ascii_case(b) || bare(a) == bare(b)
}

fn write(parts: &Parts, host: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    if parts.uri.scheme_str().is_some_and(|scheme| !matches!(scheme, "http" | "https")) {
        return Err(refusal(reasons::UNSUPPORTED_SCHEME));
    }
    let opens = is_websocket(parts)?;
    let target = match parts.uri.path_and_query() {
        _ if parts.method == Method::CONNECT && !opens => host,
        Some(target) if is_target(target.as_str(), &parts.method) => target.as_str().as_bytes(),
        _ => return Err(refusal(reasons::INVALID_TARGET_FORM)),
    };
    let method = if opens { "GET" } else { parts.method.as_str() };
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(host);
    out.extend_from_slice(b"\r\n");
    if parts.headers.keys().any(is_of_connection) {
        return Err(refusal(reasons::CONNECTION_FIELD));
    }
    let skip = |name: &HeaderName| *name == header::HOST || *name == header::COOKIE;
    if opens {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
        if !parts.headers.contains_key(header::SEC_WEBSOCKET_KEY) {
            // This version has none, and an endpoint of HTTP/1.1 wants one.
            out.extend_from_slice(format!("Sec-WebSocket-Key: {}\r\n", websocket::mint_key()).as_bytes());
        }
    }
    if !map::write_lines(&parts.headers, skip, out) || !write_cookie(&parts.headers, out) {
        return Err(refusal(reasons::INVALID_FIELD_VALUE));
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Whether a request opens a WebSocket by an extended CONNECT (RFC 8441 section 4), which then means what an upgrade means.
///
/// # Errors
/// It names another protocol.
pub(super) fn is_websocket(parts: &Parts) -> Result<bool, Error> {
    match parts.extensions.get::<h2::ext::Protocol>() {
        None => Ok(false),
        Some(protocol) if protocol.as_str() == websocket::PROTOCOL => Ok(parts.method == Method::CONNECT),
        Some(_) => Err(refusal(reasons::UNKNOWN_PROTOCOL)),
    }
}

/// `/…`, or `*` with OPTIONS (RFC 9113 section 8.3.1). An absolute form has no place here: what it names is elsewhere.
fn is_target(target: &str, method: &Method) -> bool {
    target.starts_with('/') || target == "*" && *method == Method::OPTIONS
}

/// Fields that only concern one connection of HTTP/1.1 and make a later version malformed (RFC 9113 section 8.2.2); TE is
/// judged by its value before it comes here.
fn is_of_connection(name: &HeaderName) -> bool {
    *name != header::TE && http1::is_hop_by_hop(name.as_str().as_bytes()) && name != "http2-settings"
}

/// Cookies come in crumbs and are one field elsewhere (RFC 9113 section 8.2.3). An empty crumb would leave a space at the end.
fn write_cookie(fields: &HeaderMap, out: &mut Vec<u8>) -> bool {
    let mut first = true;
    for crumb in fields.get_all(header::COOKIE).iter().filter(|crumb| !crumb.is_empty()) {
        if !http1::is_field_value(crumb.as_bytes()) {
            return false;
        }
        out.extend_from_slice(if std::mem::take(&mut first) { b"Cookie: " } else { b"; " });
        out.extend_from_slice(crumb.as_bytes());
    }
    if !first {
        out.extend_from_slice(b"\r\n");
    }
    true
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use http::{HeaderValue, Request};
    use yumen_http1::Limits;

    use super::*;

    fn parts(method: &str, uri: &str, fields: &[(&str, &[u8])]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri).body(()).unwrap();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
        }
        request.into_parts().0
    }

    fn told(method: &str, uri: &str, fields: &[(&str, &[u8])]) -> String {
        let local = Local::new(0);
        match read(&parts(method, uri, fields), (Version::Http2, true), &Limits::default(), &local) {
            Ok(received) => {
                let mut lines = Vec::new();
                received.request.fields.write_lines(&mut lines);
                let request = &received.request;
                format!("{} {}|{}", request.method.as_str(), request.target(), String::from_utf8_lossy(&lines))
            }
            Err(error) => error.reason().code().to_owned(),
        }
    }

    #[test]
    fn head_becomes_the_one_that_http_1_1_would_have_carried() {
        for (method, uri, fields, expected) in [
            ("GET", "https://a/b?c", &[("x", &b"1"[..])][..], "GET /b?c|Host: a\r\nx: 1\r\n"),
            ("GET", "/", &[("host", b"a:8")], "GET /|Host: a:8\r\n"),
            ("GET", "https://A/", &[("host", b"a:443")], "GET /|Host: A\r\n"),
            ("OPTIONS", "*", &[("host", b"a")], "OPTIONS *|Host: a\r\n"),
            (
                "GET",
                "http://a/",
                &[("cookie", b"a=1"), ("x", b""), ("cookie", b"b=2")],
                "GET /|Host: a\r\nx: \r\nCookie: a=1; b=2\r\n",
            ),
            ("GET", "http://a/", &[("te", b"trailers")], "GET /|Host: a\r\nte: trailers\r\n"),
        ] {
            assert_eq!(told(method, uri, fields), expected);
        }
    }

    #[test]
    fn head_that_could_be_read_in_two_ways_is_refused() {
        for (method, uri, fields, expected) in [
            ("GET", "http://a/", &[("host", &b"b"[..])][..], "host_mismatch"),
            ("GET", "http://a/", &[("host", b"a:443")], "host_mismatch"),
            ("GET", "/", &[], "missing_host"),
            ("GET", "/", &[("host", b"a"), ("host", b"a")], "duplicate_host"),
            ("GET", "/", &[("host", b"a/b")], "invalid_host"),
            ("GET", "/", &[("host", b"a b")], "invalid_host"),
            ("GET", "/", &[("host", b"u@a")], "invalid_host"),
            ("GET", "http://u@a/", &[], "userinfo_in_target"),
            ("GET", "http://a,b/", &[], "invalid_host"),
            ("GET", "ftp://a/", &[], "unsupported_scheme"),
            ("GET", "*", &[("host", b"a")], "invalid_target_form"),
            ("GET", "http://a/\\b", &[], "backslash_in_path"),
            ("GET", "http://a/", &[("x", b" a")], "invalid_field_value"),
            ("GET", "http://a/", &[("x", b"a\t")], "invalid_field_value"),
            ("GET", "http://a/", &[("cookie", b"a ")], "invalid_field_value"),
            ("GET", "http://a/", &[("connection", b"close")], "connection_field"),
            ("GET", "http://a/", &[("transfer-encoding", b"chunked")], "connection_field"),
            ("GET", "http://a/", &[("upgrade", b"x")], "connection_field"),
            ("GET", "http://a/", &[("keep-alive", b"x")], "connection_field"),
            ("GET", "http://a/", &[("proxy-connection", b"x")], "connection_field"),
            ("POST", "http://a/", &[("content-length", b"1"), ("content-length", b"1")], "duplicate_content_length"),
            ("POST", "http://a/", &[("content-length", b"+1")], "malformed_content_length"),
            ("POST", "http://a/", &[("expect", b"more")], "unknown_expectation"),
        ] {
            assert_eq!(told(method, uri, fields), expected, "{method} {uri} {fields:?}");
        }
    }

    #[test]
    fn fields_are_counted_before_cookies_are_joined() {
        let crumbs = vec![("cookie", &b"a=1"[..]); 101];
        assert_eq!(told("GET", "http://a/", &crumbs), "too_many_fields");
    }
}
