//! What must hold of heads that come as pseudo fields and fields, whatever is in them: what is not refused means one HTTP/1.1
//! request and no other, and becomes the same fields again.
//!
//! An input has lines, each ended by a line feed: the method, the scheme, the authority and the path, of which all but the
//! method may be empty, and then names and values with a colon between. A line that no library of HTTP/2 would let through
//! means nothing.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{self, Uri};
use http::{Method, Request};
use yumen_http1::Limits;
use yumen_proxy::forms;

/// Judges bytes as a head.
pub fn fields(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let pseudo = [next(), next(), next(), next()];
    let Some(mut parts) = parts(pseudo) else { return };
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        // Names in capitals end a connection of HTTP/2 before they come here.
        if let (Ok(name), Ok(value)) = (HeaderName::from_lowercase(name), HeaderValue::from_bytes(value)) {
            parts.headers.append(name, value);
        }
    }
    if let Ok(block) = forms::to_http1(&parts, &Limits::default()) {
        judge(&parts, &block);
    }
}

fn parts([method, scheme, authority, path]: [&[u8]; 4]) -> Option<Parts> {
    let mut uri = uri::Parts::default();
    if !scheme.is_empty() {
        uri.scheme = Some(scheme.try_into().ok()?);
    }
    if !authority.is_empty() {
        uri.authority = Some(authority.try_into().ok()?);
    }
    if !path.is_empty() {
        uri.path_and_query = Some(path.try_into().ok()?);
    }
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_parts(uri).ok()?;
    *request.method_mut() = Method::from_bytes(method).ok()?;
    Some(request.into_parts().0)
}

fn judge(parts: &Parts, block: &[u8]) {
    let shown = block.escape_ascii();
    // A second reader, as simple as can be: lines that end with CR LF, and an empty one at the end and nowhere else.
    let text = block.strip_suffix(b"\r\n\r\n").unwrap_or_else(|| panic!("it does not end: {shown}"));
    let lines: Vec<&[u8]> = split(text);
    for line in &lines {
        assert!(!line.is_empty() && !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{shown}");
    }
    let words: Vec<&[u8]> = lines[0].split(|byte| *byte == b' ').collect();
    assert!(words.len() == 3 && words[0] == parts.method.as_str().as_bytes() && words[2] == b"HTTP/1.1", "{shown}");
    let mut read = Vec::new();
    for line in &lines[1..] {
        let colon = line.windows(2).position(|two| two == b": ").unwrap_or_else(|| panic!("no field: {shown}"));
        read.push((line[..colon].to_ascii_lowercase(), line[colon + 2..].to_vec()));
    }
    // One host, and it is what the client asked.
    let hosts: Vec<&Vec<u8>> = read.iter().filter(|(name, _)| name == b"host").map(|(_, value)| value).collect();
    let meant = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let meant = meant.or_else(|| parts.headers.get(header::HOST).map(HeaderValue::as_bytes));
    assert!(hosts.len() == 1 && Some(hosts[0].as_slice()) == meant, "{shown}");
    for name in ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection"] {
        assert!(!parts.headers.contains_key(name) && !read.iter().any(|(n, _)| n == name.as_bytes()), "{shown}");
    }
    // Nothing is lost, invented or changed; cookies are one field.
    let crumbs = parts.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let cookies: Vec<&[u8]> = crumbs.filter(|crumb| !crumb.is_empty()).collect();
    let mut expected: Vec<(Vec<u8>, Vec<u8>)> = plain(&parts.headers);
    if !cookies.is_empty() {
        expected.push((b"cookie".to_vec(), cookies.join(&b"; "[..])));
    }
    read.retain(|(name, _)| name != b"host");
    read.sort();
    expected.sort();
    assert_eq!(read, expected, "{shown}");
    // And it becomes the same fields again, without what the next hop is told in its own way.
    let again = forms::to_http2(block, &Limits::default()).unwrap_or_else(|| panic!("not read again: {shown}"));
    let mut again: Vec<_> =
        again.iter().map(|(n, v)| (n.as_str().as_bytes().to_vec(), v.as_bytes().to_vec())).collect();
    again.sort();
    expected.retain(|(name, _)| name != b"te" && name != b"http2-settings");
    assert_eq!(again, expected, "{shown}");
}

fn plain(headers: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    let kept = headers.iter().filter(|(name, _)| **name != header::COOKIE && **name != header::HOST);
    kept.map(|(name, value)| (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn split(text: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    lines
}
