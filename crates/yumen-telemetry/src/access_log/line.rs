//! Writes the parts of a line into a buffer without allocating.

use std::time::Duration;

use crate::civil::{Stamp, digits};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// For each byte whether it can stand in a JSON string as it is. 0xC2 cannot: it may begin a C1 control (U+0080 to
/// U+009F), which some terminals obey.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain[0x7f] = false;
    plain[0xc2] = false;
    plain
};

/// Appends a text escaped as in a JSON string (RFC 8259 section 7), without the quotes. No control character gets
/// through raw, neither to a file nor to a terminal.
#[inline]
pub(super) fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Without an early exit, so that the compiler checks many bytes at once: nearly every text is plain.
    let is_plain = |b: &u8| (0x20..0x7f).contains(b) & (*b != b'"') & (*b != b'\\');
    if bytes.iter().fold(true, |all, b| all & is_plain(b)) {
        out.extend_from_slice(bytes);
    } else {
        escape_some(out, bytes);
    }
}

fn escape_some(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut done = 0;
    let mut at = 0;
    while let Some(skip) = bytes[at..].iter().position(|b| !PLAIN[usize::from(*b)]) {
        at += skip;
        let byte = bytes[at];
        if byte == 0xc2 {
            let control = bytes.get(at + 1).copied().filter(|next| *next < 0xa0);
            if let Some(control) = control {
                out.extend_from_slice(&bytes[done..at]);
                unicode_escape(out, control);
                done = at + 2;
            }
            at += 2;
        } else {
            out.extend_from_slice(&bytes[done..at]);
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                control => unicode_escape(out, control),
            }
            at += 1;
            done = at;
        }
    }
    out.extend_from_slice(&bytes[done..]);
}

fn unicode_escape(out: &mut Vec<u8>, byte: u8) {
    let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
}

/// Appends bytes as text when they are visible ASCII, else in hexadecimal.
pub(super) fn text_or_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(u8::is_ascii_graphic) => escaped(out, text),
        _ => out.extend(bytes.iter().flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]])),
    }
}

/// Appends a number in decimal.
#[inline]
pub(super) fn number(out: &mut Vec<u8>, mut n: u64) {
    if n < 10 {
        return out.push(b'0' + n as u8);
    }
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
}

/// Appends a duration in milliseconds with three decimals.
pub(super) fn millis(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    number(out, micros / 1000);
    let mut decimals = *b".000";
    digits(&mut decimals[1..], micros % 1000);
    out.extend_from_slice(&decimals);
}

/// Appends an RFC 3339 timestamp in UTC with milliseconds.
pub(super) fn timestamp(out: &mut Vec<u8>, (stamp, millis): (Stamp, u32)) {
    out.extend_from_slice(&stamp);
    let mut rest = *b".000Z";
    digits(&mut rest[1..4], u64::from(millis));
    out.extend_from_slice(&rest);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn made(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn control_characters_of_either_set_are_escaped_and_letters_are_not() {
        let text = made(|out| escaped(out, "a\0\u{7f}\u{9b}\u{a0}é\u{c2}\"\\\n\r\t\u{1b}z"));
        assert_eq!(text, "a\\u0000\\u007f\\u009b\u{a0}é\u{c2}\\\"\\\\\\n\\r\\t\\u001bz");
    }

    #[test]
    fn bytes_that_are_no_text_are_written_in_hexadecimal() {
        assert_eq!(made(|out| text_or_hex(out, b"id-7")), "id-7");
        assert_eq!(made(|out| text_or_hex(out, b"\x00\xff\n")), "00ff0a");
    }

    #[test]
    fn numbers_have_all_their_digits() {
        assert_eq!(made(|out| number(out, 0)), "0");
        assert_eq!(made(|out| number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(made(|out| millis(out, Duration::from_micros(1_002_003))), "1002.003");
        assert_eq!(made(|out| millis(out, Duration::from_nanos(999))), "0.000");
    }
}
