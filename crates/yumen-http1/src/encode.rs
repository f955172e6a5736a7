//! Messages to bytes. Every function appends to `out`.
//!
//! Nothing is checked in release builds but by `debug_assert!`: names, values, methods and targets come from a parser of
//! this crate, or were checked with [`is_token`] and [`is_field_value`] where they entered.

use crate::grammar::{TARGET, find_control, is_field_value, is_token};

/// Appends `method target HTTP/1.1` and the line end.
pub fn encode_request_line(out: &mut Vec<u8>, method: &[u8], target: &[u8]) {
    debug_assert!(is_token(method), "method is not a token");
    debug_assert!(target.iter().all(|&byte| TARGET[byte as usize] || byte == b'\\'), "target holds a forbidden byte");
    out.reserve(method.len() + target.len() + 12);
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Appends an HTTP/1.1 status line. Without `reason` it carries the canonical phrase of the status, or none; a
/// `status` above 999 is written as 500.
pub fn encode_status_line(out: &mut Vec<u8>, status: u16, reason: Option<&[u8]>) {
    if reason.is_none()
        && let Some(line) = common_status_line(status)
    {
        out.extend_from_slice(line);
        return;
    }
    let status = if (100..1000).contains(&status) { status } else { 500 };
    let reason = reason.unwrap_or_else(|| reason_phrase(status).as_bytes());
    debug_assert!(find_control(reason, 0) == reason.len(), "reason holds a control byte");
    out.extend_from_slice(b"HTTP/1.1 ");
    encode_decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

/// Appends `name: value` and the line end.
#[inline]
pub fn encode_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    debug_assert!(is_token(name), "field name is not a token");
    debug_assert!(is_field_value(value), "field value holds a forbidden byte");
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a Content-Length line.
pub fn encode_content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    encode_decimal(out, length);
    out.extend_from_slice(b"\r\n");
}

/// Appends the header of a chunk of `len` bytes. A `len` of 0 appends nothing: it would end the message, for which
/// [`encode_last_chunk`] or [`encode_trailers`] is meant.
pub fn encode_chunk_header(out: &mut Vec<u8>, len: u64) {
    if len == 0 {
        return;
    }
    let mut digits = [0; 16];
    let mut at = digits.len();
    let mut rest = len;
    while rest > 0 {
        at -= 1;
        digits[at] = b"0123456789abcdef"[(rest & 15) as usize];
        rest >>= 4;
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Appends the line end that stands behind the data of a chunk.
pub fn encode_chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and an empty trailer section: the end of a chunked message.
pub fn encode_last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Appends the last chunk and a trailer section: the end of a chunked message that has trailers.
pub fn encode_trailers<'a>(out: &mut Vec<u8>, trailers: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers {
        encode_field(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
}

fn encode_decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn common_status_line(status: u16) -> Option<&'static [u8]> {
    Some(match status {
        100 => b"HTTP/1.1 100 Continue\r\n",
        200 => b"HTTP/1.1 200 OK\r\n",
        201 => b"HTTP/1.1 201 Created\r\n",
        204 => b"HTTP/1.1 204 No Content\r\n",
        206 => b"HTTP/1.1 206 Partial Content\r\n",
        301 => b"HTTP/1.1 301 Moved Permanently\r\n",
        302 => b"HTTP/1.1 302 Found\r\n",
        304 => b"HTTP/1.1 304 Not Modified\r\n",
        400 => b"HTTP/1.1 400 Bad Request\r\n",
        401 => b"HTTP/1.1 401 Unauthorized\r\n",
        403 => b"HTTP/1.1 403 Forbidden\r\n",
        404 => b"HTTP/1.1 404 Not Found\r\n",
        500 => b"HTTP/1.1 500 Internal Server Error\r\n",
        502 => b"HTTP/1.1 502 Bad Gateway\r\n",
        503 => b"HTTP/1.1 503 Service Unavailable\r\n",
        504 => b"HTTP/1.1 504 Gateway Timeout\r\n",
        _ => return None,
    })
}

/// The reason phrase that goes with a status in the IANA registry (RFC 9110 15); empty when it is not registered.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400..500 => client_error_reason(status),
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        510 => "Not Extended",
        511 => "Network Authentication Required",
        _ => "",
    }
}

fn client_error_reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        _ => "",
    }
}
