//! Messages out. The caller has checked what it passes; nothing here can fail.

/// Appends `METHOD target HTTP/1.1`.
pub fn encode_request_line(out: &mut Vec<u8>, method: &[u8], target: &[u8]) {
    out.reserve(method.len() + target.len() + 12);
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    out.extend_from_slice(b" HTTP/1.1\r\n");
}

/// Appends `HTTP/1.1 status phrase`; without a phrase the usual one is taken.
pub fn encode_status_line(out: &mut Vec<u8>, status: u16, phrase: Option<&[u8]>) {
    if status == 200 && phrase.is_none_or(|p| p == b"OK") {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    encode_number(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(phrase.unwrap_or(reason_phrase(status).as_bytes()));
    out.extend_from_slice(b"\r\n");
}

/// Appends one field line.
pub fn encode_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends `Content-Length`.
pub fn encode_content_length(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"Content-Length: ");
    encode_number(out, length);
    out.extend_from_slice(b"\r\n");
}

fn encode_number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends the line before the data of a chunk; `len` is not 0.
pub fn encode_chunk_header(out: &mut Vec<u8>, len: u64) {
    let digits = 16 - (len.max(1).leading_zeros() / 4) as usize;
    for i in (0..digits).rev() {
        let nibble = (len >> (i * 4) & 0xf) as usize;
        out.push(b"0123456789abcdef"[nibble]);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends what closes the data of a chunk.
pub fn encode_chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and an empty trailer section.
pub fn encode_last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Appends the last chunk and a trailer section.
pub fn encode_trailers<'a>(out: &mut Vec<u8>, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in fields {
        encode_field(out, name, value);
    }
    out.extend_from_slice(b"\r\n");
}

/// The usual phrase of a status (the IANA registry); empty when there is none.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
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
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_sizes_are_written_without_leading_zeros() {
        for (n, text) in [(1u64, "1\r\n"), (15, "f\r\n"), (16, "10\r\n"), (4096, "1000\r\n"), (65_535, "ffff\r\n")] {
            let mut out = Vec::new();
            encode_chunk_header(&mut out, n);
            assert_eq!(out, text.as_bytes());
        }
    }

    #[test]
    fn usual_phrase_is_filled_in() {
        let mut out = Vec::new();
        encode_status_line(&mut out, 404, None);
        encode_status_line(&mut out, 299, Some(b"Odd"));
        assert_eq!(out, b"HTTP/1.1 404 Not Found\r\nHTTP/1.1 299 Odd\r\n");
    }
}
