//! Character classes and the scanners built on them.

/// `tchar` of RFC 9110 5.6.2.
pub(crate) static TOKEN: [bool; 256] = token_table();

/// Bytes of a request target that need no second look: visible ASCII but `#` and `\`.
pub(crate) static TARGET: [bool; 256] = target_table();

const fn token_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
}

const fn target_table() -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        table[byte] = byte != b'#' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    table
}

/// True for a non-empty token (RFC 9110 5.6.2): what methods, field names and transfer codings are made of.
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| TOKEN[byte as usize])
}

/// True when `bytes` may stand as a field value (RFC 9110 5.5): no control byte but tab, no white space at the ends.
/// The empty value is fine, and so are bytes from 0x80 on (`obs-text`).
#[must_use]
pub fn is_field_value(bytes: &[u8]) -> bool {
    find_control(bytes, 0) == bytes.len() && trim(bytes).len() == bytes.len()
}

/// The elements of a comma list (RFC 9110 5.6.1), trimmed; empty elements are skipped.
///
/// Knows nothing of quoted strings: meant for lists of tokens such as Connection, TE or Vary.
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// `bytes` without optional white space (space and tab, RFC 9110 5.6.3) at both ends.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// Index of the first byte from `at` on that is not a token character, or the length.
#[inline]
pub(crate) fn find_non_token(buf: &[u8], mut at: usize) -> usize {
    while at < buf.len() && TOKEN[buf[at] as usize] {
        at += 1;
    }
    at
}

/// Index of the first control byte from `at` on, tab excepted, or the length. CR and LF are control bytes.
///
/// Eight bytes at a step: the two masks have their lowest set bit exact (false bits appear above a true one only).
#[inline]
pub(crate) fn find_control(buf: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES * 0x80;
    while let Some(word) = buf.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word;
        let other = word ^ (ONES * 0x7f);
        let delete = other.wrapping_sub(ONES) & !other;
        let hits = (below_space | delete) & HIGH;
        if hits == 0 {
            at += 8;
            continue;
        }
        at += (hits.trailing_zeros() / 8) as usize;
        if buf[at] != b'\t' {
            return at;
        }
        at += 1;
    }
    while at < buf.len() && !is_control(buf[at]) {
        at += 1;
    }
    at
}

fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7f
}
