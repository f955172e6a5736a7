//! How bytes become text in requests: percent-encoding, hexadecimal, query strings.
//!
//! All signatures of the cloud use the same percent-encoding (RFC 3986 section 2): `A-Z a-z 0-9 - _ . ~` stay, every other
//! byte of the UTF-8 form becomes `%XX` in upper case. What goes over the wire is written the same way, so that the server
//! cannot see another request than the one that was signed.

use std::fmt::Write as _;

/// Whether a byte stands for itself.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

fn push(out: &mut String, bytes: &[u8], keep: Option<u8>) {
    for byte in bytes {
        if is_unreserved(*byte) || Some(*byte) == keep {
            out.push(char::from(*byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(out, "%{byte:02X}");
        }
    }
}

/// A name or value of a query: `/` is encoded too, and so is a `%` that is already there.
#[must_use]
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    push(&mut out, text.as_bytes(), None);
    out
}

/// A path: as [`percent`], but `/` stays.
#[must_use]
pub fn path(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    push(&mut out, text.as_bytes(), Some(b'/'));
    out
}

/// The bytes that percent-encoded text stands for; a `+` is a plus. `None` for a `%` without two hexadecimal digits.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let [high, low, tail @ ..] = rest else { return None };
        out.push(digit(*high)? << 4 | digit(*low)?);
        rest = tail;
    }
    Some(out)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Pairs as `name=value&name=value`, in their order.
#[must_use]
pub fn query<'a>(pairs: impl IntoIterator<Item = &'a (String, String)>) -> String {
    let mut out = String::new();
    for (name, value) in pairs {
        if !out.is_empty() {
            out.push('&');
        }
        push(&mut out, name.as_bytes(), None);
        out.push('=');
        push(&mut out, value.as_bytes(), None);
    }
    out
}

/// Pairs sorted by the bytes of their names, and of their values where names are equal.
#[must_use]
pub fn sorted(pairs: &[(String, String)]) -> Vec<&(String, String)> {
    let mut sorted: Vec<&(String, String)> = pairs.iter().collect();
    sorted.sort();
    sorted
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unreserved_characters_stay() {
        assert_eq!(percent("aZ09-_.~"), "aZ09-_.~");
        assert_eq!(percent(" +*/%='()!"), "%20%2B%2A%2F%25%3D%27%28%29%21");
        assert_eq!(percent("目录"), "%E7%9B%AE%E5%BD%95");
        assert_eq!(path("/a b/c"), "/a%20b/c");
    }

    #[test]
    fn what_is_encoded_is_decoded_again() {
        let text: String = (0u8..128).map(char::from).chain("é目\u{10ffff}".chars()).collect();
        assert_eq!(decode(&percent(&text)).as_deref(), Some(text.as_bytes()));
        assert_eq!(decode("%4"), None);
        assert_eq!(decode("%zz"), None);
        assert_eq!(decode("%+1"), None);
        assert_eq!(decode("a+b").as_deref(), Some(b"a+b".as_slice()));
    }

    #[test]
    fn pairs_are_sorted_by_bytes() {
        let pairs: Vec<(String, String)> =
            [("b", "1"), ("B", "2"), ("a.10", "3"), ("a.2", "4"), ("b", "0")].map(|(n, v)| (n.into(), v.into())).into();
        assert_eq!(query(sorted(&pairs)), "B=2&a.10=3&a.2=4&b=0&b=1");
    }
}
