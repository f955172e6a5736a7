//! Character classes (RFC 9110 section 5.6, RFC 3986).

const fn table(accept: &[u8], alnum: bool) -> [bool; 256] {
    let mut t = [false; 256];
    let mut i = 0;
    while i < accept.len() {
        t[accept[i] as usize] = true;
        i += 1;
    }
    if alnum {
        let mut c = 0;
        while c < 128 {
            if (c as u8).is_ascii_alphanumeric() {
                t[c] = true;
            }
            c += 1;
        }
    }
    t
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(crate) static TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~", true);

/// What may stand in a request target: visible ASCII but for `"<>\^`{|}` and `#`. Clients do send `|`, `{`, `}`, `^` and
/// quotes unescaped in queries, and no reader takes them for anything else, so those are let through; a backslash is
/// taken for a slash by some, and `#` for an end, so those are not.
pub(crate) static TARGET: [bool; 256] = table(b"!$%&'()*+,-./:;=?@[]_~|{}^`\"<>", true);

/// `field-vchar`, space and tab (RFC 9110 section 5.5), obs-text included.
pub(crate) static VALUE: [bool; 256] = {
    let mut t = [false; 256];
    let mut c = 0x20;
    while c < 256 {
        t[c] = c != 0x7f;
        c += 1;
    }
    t[b'\t' as usize] = true;
    t
};

/// Reg-name and IPv4 characters of a host (RFC 3986 section 3.2.2), without the percent-encoded.
pub(crate) static HOST: [bool; 256] = table(b"-._~!$&'()*+,;=", true);

/// How many bytes at the front belong to a class.
pub(crate) fn run(bytes: &[u8], class: &[bool; 256]) -> usize {
    bytes.iter().position(|b| !class[*b as usize]).unwrap_or(bytes.len())
}

/// Whether the bytes are a token (RFC 9110 section 5.6.2), not empty.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && run(bytes, &TOKEN) == bytes.len()
}

/// Whether the bytes may be a field value (RFC 9110 section 5.5).
pub fn is_field_value(bytes: &[u8]) -> bool {
    run(bytes, &VALUE) == bytes.len()
}

/// Without the spaces and tabs around it.
pub(crate) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
