//! What must hold of the canonical forms that requests to Alibaba Cloud are signed in, whatever is in the request.
//!
//! An input is text: a first line `METHOD path`, lines `?name=value` of the query, lines `:name: value` of headers, and
//! after an empty line the body. The order of parameters and headers changes nothing. What was encoded is read back by a
//! second reader as what went in, so that no two requests share a canonical form. A header that is to be signed is.

use yumen_alibaba::sign::{acs3 as acs3_form, canonical_request, oss4, roa1, rpc1, sha256_hex, sls1, sls4};
use yumen_alibaba::{AccessKey, Draft, Operation, Stamp, Timestamp, encode};

/// Judges the canonical request that ACS3 and ACS4 share.
pub fn acs3(data: &[u8]) {
    let Some(draft) = read(data) else { return };
    let form = |draft: &Draft| canonical_request(draft, &acs3_form::signed_headers(draft), &sha256_hex(&draft.body));
    let text = form(&draft);
    assert_eq!(form(&turned(&draft)), text, "the order counts");
    let signed = acs3_form::signed_headers(&draft);
    judge_lines(&draft, &text, &signed, |name| name == "content-type" || name.starts_with("x-acs-"));
    let stamp = Stamp { time: Timestamp::from_unix(0), nonce: "n".to_owned() };
    let mut first = draft.clone();
    acs3_form::sign(&mut first, &key(), &Operation { version: "v", action: "a" }, &stamp);
    let mut again = first.clone();
    acs3_form::sign(&mut again, &key(), &Operation { version: "v", action: "a" }, &stamp);
    assert_eq!(again.headers, first.headers, "signed twice");
}

/// Judges the RPC string of version 1.
pub fn rpc(data: &[u8]) {
    let Some(draft) = read(data) else { return };
    let text = rpc1::string_to_sign(draft.method, &draft.query);
    assert_eq!(rpc1::string_to_sign(draft.method, &turned(&draft).query), text, "the order counts");
    let parts: Vec<&str> = text.split('&').collect();
    let [method, path, rest] = parts[..] else { panic!("{} parts", parts.len()) };
    assert_eq!((method, path), (draft.method, "%2F"));
    assert_eq!(pairs(&unescape(rest)), sorted(&draft), "read back");
    let mut signed = Draft::new(draft.method, "h", "/");
    let stamp = Stamp { time: Timestamp::from_unix(0), nonce: "n".to_owned() };
    rpc1::sign(&mut signed, &key(), &Operation { version: "v", action: "a" }, &stamp, &draft.query);
    let body = String::from_utf8(signed.body.to_vec()).unwrap();
    assert!(pairs(&body).len() > draft.query.len());
}

/// Judges the ROA string of version 1.
pub fn roa(data: &[u8]) {
    let Some(draft) = read(data) else { return };
    let text = roa1::string_to_sign(&draft);
    assert_eq!(roa1::string_to_sign(&turned(&draft)), text, "the order counts");
    let mut expected = draft.method.to_owned();
    for name in ["accept", "content-md5", "content-type", "date"] {
        expected = expected + "\n" + draft.headers.value(name).unwrap_or_default();
    }
    expected.push('\n');
    expected += &header_lines(&draft, |name| name.starts_with("x-acs-"));
    expected += &draft.path;
    let query: Vec<String> = sorted(&draft)
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") })
        .collect();
    if !query.is_empty() {
        expected = expected + "?" + &query.join("&");
    }
    assert_eq!(text, expected);
}

/// Judges the canonical request of OSS4; the path is taken for the key of an object.
pub fn oss(data: &[u8]) {
    let Some(draft) = read(data) else { return };
    let resource = oss4::Resource { region: "r", bucket: "b", key: &draft.path };
    let canonical = resource.canonical();
    assert_eq!(unescape(&canonical), format!("/b/{}", draft.path), "the key is read back");
    let wanted = ["host", "range", "content-type", "x-acs-a"];
    let additional = oss4::additional_headers(&draft, &wanted);
    let text = oss4::canonical_request(&draft, &canonical, &additional);
    let other = turned(&draft);
    let other = oss4::canonical_request(&other, &canonical, &oss4::additional_headers(&other, &wanted));
    assert_eq!(other, text, "the order counts");
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines[..2], [draft.method, &canonical]);
    let query: Vec<(String, String)> = lines[2].split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    let mut query = query;
    query.sort();
    let mut expected = sorted(&draft);
    // A nameless parameter without a value leaves no trace but a separator.
    expected.retain(|(name, value)| !(name.is_empty() && value.is_empty()));
    assert_eq!(query, expected, "read back");
    assert_eq!(lines[lines.len() - 2..], [additional.join(";").as_str(), "UNSIGNED-PAYLOAD"]);
    let is_signed = |name: &str| {
        name.starts_with("x-oss-")
            || matches!(name, "content-type" | "content-md5")
            || additional.iter().any(|other| other == name)
    };
    let count = draft.headers.iter().filter(|(name, _)| is_signed(name)).count();
    // `host` is always among the additional ones here, and never a header of the draft.
    assert_eq!(lines.len(), 6 + count + 1);
}

/// Judges the canonical request of SLS4 and the string of version 1 of the log service.
pub fn sls(data: &[u8]) {
    let Some(draft) = read(data) else { return };
    let form = |draft: &Draft| canonical_request(draft, &sls4::signed_headers(draft), "hash");
    let text = form(&draft);
    assert_eq!(form(&turned(&draft)), text, "the order counts");
    let is_signed = |name: &str| name == "content-type" || name.starts_with("x-acs-") || name.starts_with("x-log-");
    judge_lines(&draft, &text, &sls4::signed_headers(&draft), is_signed);
    let text = sls1::string_to_sign(&draft);
    assert_eq!(sls1::string_to_sign(&turned(&draft)), text, "the order counts");
    let lines = header_lines(&draft, |name| name.starts_with("x-log-") || name.starts_with("x-acs-"));
    assert!(text.contains(&lines), "headers");
}

/// The lines of a canonical request are the parts of the draft.
fn judge_lines(draft: &Draft, text: &str, signed: &[&str], is_signed: impl Fn(&str) -> bool) {
    let lines: Vec<&str> = text.split('\n').collect();
    assert_eq!(lines[..2], [draft.method, if draft.path.is_empty() { "/" } else { &draft.path }]);
    assert_eq!(pairs(lines[2]), sorted(draft), "read back");
    assert_eq!(lines.len(), 6 + signed.len(), "one line for each part");
    assert!(signed.is_sorted() && signed.contains(&"host"));
    for (name, value) in draft.headers.iter() {
        let line = format!("{name}:{value}");
        assert_eq!(signed.contains(&name), is_signed(name), "{name}");
        assert!(!is_signed(name) || lines[3..].contains(&line.as_str()), "{name}");
    }
}

fn header_lines(draft: &Draft, is_wanted: impl Fn(&str) -> bool) -> String {
    let mut lines: Vec<(&str, &str)> = draft.headers.iter().filter(|(name, _)| is_wanted(name)).collect();
    lines.sort_unstable();
    lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect()
}

fn key() -> AccessKey {
    AccessKey::new("id", "secret").with_token("token")
}

fn sorted(draft: &Draft) -> Vec<(String, String)> {
    let mut pairs = draft.query.clone();
    pairs.sort();
    pairs
}

/// The same request with its parameters and headers in another order.
fn turned(draft: &Draft) -> Draft {
    let mut other = Draft::new(draft.method, draft.host.clone(), draft.path.clone());
    other.query = draft.query.iter().rev().cloned().collect();
    let mut headers: Vec<_> = draft.headers.iter().collect();
    headers.reverse();
    headers.iter().for_each(|(name, value)| other.headers.set(name, *value));
    other.body = draft.body.clone();
    other
}

/// A second reader of encoded pairs; `name` alone has an empty value.
fn pairs(text: &str) -> Vec<(String, String)> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split('&').map(pair).collect()
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    assert!(!value.contains('='), "an unencoded sign");
    (unescape(name), unescape(value))
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2).unwrap(), 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    assert_eq!(encode::decode(text).as_deref(), Some(bytes.as_slice()), "the decoder of the crate");
    String::from_utf8(bytes).unwrap()
}

/// The request that an input describes; `None` when it is no text or cannot be sent.
fn read(data: &[u8]) -> Option<Draft> {
    let text = std::str::from_utf8(data).ok()?;
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.split('\n');
    let (method, path) = lines.next()?.split_once(' ')?;
    let method = ["GET", "POST", "PUT", "DELETE"].into_iter().find(|known| *known == method)?;
    let mut draft = Draft::new(method, "h", path);
    for line in lines {
        if let Some(pair) = line.strip_prefix('?') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            draft.query.push((name.to_owned(), value.to_owned()));
        } else if let Some((name, value)) = line.strip_prefix(':').and_then(|line| line.split_once(':')) {
            let is_token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            if is_token && !name.eq_ignore_ascii_case("host") {
                draft.headers.set(name, value.trim());
            }
        }
    }
    draft.body = body.as_bytes().to_vec().into();
    Some(draft)
}
