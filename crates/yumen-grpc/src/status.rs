//! Status codes, and the text that goes with them.

use std::fmt::Write;

/// A status code of gRPC (`statuscodes.md`). Servers may send numbers that have no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(pub u32);

impl Code {
    /// It went well.
    pub const OK: Self = Self(0);
    /// Whoever called gave it up.
    pub const CANCELLED: Self = Self(1);
    /// Nobody knows what went wrong.
    pub const UNKNOWN: Self = Self(2);
    /// The time was over before it was done.
    pub const DEADLINE_EXCEEDED: Self = Self(4);
    /// Who is known may not do it.
    pub const PERMISSION_DENIED: Self = Self(7);
    /// There was too much of something.
    pub const RESOURCE_EXHAUSTED: Self = Self(8);
    /// Nobody offers it.
    pub const UNIMPLEMENTED: Self = Self(12);
    /// An invariant is broken.
    pub const INTERNAL: Self = Self(13);
    /// It may go well if it is tried again.
    pub const UNAVAILABLE: Self = Self(14);
    /// Nobody knows who calls.
    pub const UNAUTHENTICATED: Self = Self(16);

    /// What a client makes of an answer that has a status of HTTP and none of gRPC (`http-grpc-status-mapping.md`).
    pub fn from_http(status: u16) -> Self {
        match status {
            400 => Self::INTERNAL,
            401 => Self::UNAUTHENTICATED,
            403 => Self::PERMISSION_DENIED,
            404 => Self::UNIMPLEMENTED,
            429 | 502 | 503 | 504 => Self::UNAVAILABLE,
            _ => Self::UNKNOWN,
        }
    }
}

/// Reads the value of `grpc-status`; `None` when it is no number.
pub fn parse_status(value: &[u8]) -> Option<Code> {
    let is_number = (1..=9).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    is_number.then(|| Code(value.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))))
}

/// Writes a text as `grpc-message` carries it: what is not printable ASCII, and `%`, in percent form.
pub fn encode_message(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(out, "%{byte:02X}").unwrap_or_default();
        }
    }
    out
}

/// Reads `grpc-message`, at most `limit` bytes of the text. What is not well formed stays as it is, as the specification
/// asks; bytes that are no text become replacement characters.
pub fn decode_message(value: &[u8], limit: usize) -> String {
    let mut bytes = Vec::with_capacity(value.len().min(limit));
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        if bytes.len() >= limit {
            break;
        }
        let coded = match (first, after) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, after)),
            _ => None,
        };
        let (byte, after) = coded.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    while text.len() > limit {
        text.pop();
    }
    text
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statuses_of_http_become_what_clients_make_of_them() {
        for (status, code) in [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (502, 14), (503, 14), (504, 14)] {
            assert_eq!(Code::from_http(status), Code(code));
        }
        for status in [200, 302, 408, 413, 418, 500] {
            assert_eq!(Code::from_http(status), Code::UNKNOWN);
        }
    }

    #[test]
    fn status_is_digits_and_nothing_else() {
        assert_eq!(parse_status(b"0"), Some(Code::OK));
        assert_eq!(parse_status(b"16"), Some(Code(16)));
        for value in ["", "-1", "+1", " 1", "1 ", "1a", "9999999999"] {
            assert_eq!(parse_status(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn message_that_is_not_well_formed_stays_as_it_is() {
        for (value, text) in [
            ("a%20b", "a b"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("%e2%98%ba", "\u{263a}"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decode_message(value.as_bytes(), 100), text);
        }
        assert_eq!(decode_message(b"%C3%A4%C3%A4", 3), "\u{e4}", "cut between letters");
    }

    proptest! {
        #[test]
        fn message_survives_there_and_back(text in "\\PC*") {
            let coded = encode_message(&text);
            prop_assert!(coded.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert_eq!(decode_message(coded.as_bytes(), usize::MAX), text);
        }

        #[test]
        fn message_never_grows_beyond_its_limit(
            value in proptest::collection::vec(any::<u8>(), 0..200),
            limit in 0usize..100,
        ) {
            prop_assert!(decode_message(&value, limit).len() <= limit);
        }
    }
}
