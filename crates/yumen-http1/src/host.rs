//! `Host = uri-host [ ":" port ]` (RFC 9110 section 7.2).

use std::net::Ipv6Addr;

use crate::grammar::{HOST, run};

/// Whether the bytes are a host with an optional port: a name, an IPv4 address or an IPv6 address in brackets; no user
/// part, no path, not empty.
pub fn is_valid_host(bytes: &[u8]) -> bool {
    if let [b'[', rest @ ..] = bytes {
        let Some(end) = memchr::memchr(b']', rest) else { return false };
        let (address, after) = rest.split_at(end);
        let valid = std::str::from_utf8(address).is_ok_and(|a| a.parse::<Ipv6Addr>().is_ok());
        return valid && is_port(after.get(1..).unwrap_or_default());
    }
    let name = run(bytes, &HOST);
    let (name, port) = bytes.split_at(name);
    !name.is_empty() && name.len() <= 255 && is_port(port)
}

fn is_port(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [b':', digits @ ..] => {
            digits.len() <= 5
                && digits.iter().all(u8::is_ascii_digit)
                && digits.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0')) <= 65_535
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for ok in ["a", "example.com", "example.com:80", "127.0.0.1:1", "[::1]", "[::1]:8080", "a:", "a_b.c", "xn--x"] {
            assert!(is_valid_host(ok.as_bytes()), "{ok}");
        }
        for bad in [
            "", ":80", "a b", "a/b", "u@h", "a:b", "a:80:80", "[::1", "[zz]", "[::1]x", "a:70000", "a\\b", "a,b:x",
            "a#b", "a%00",
        ] {
            assert!(!is_valid_host(bad.as_bytes()), "{bad}");
        }
    }
}
