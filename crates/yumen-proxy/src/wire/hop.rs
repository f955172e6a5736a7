//! Fields that concern one connection only (RFC 9110 section 7.6.1).

use yumen_core::Fields;
use yumen_http1::{is_hop_by_hop, is_protected, tokens};

/// Removes what concerns one connection only, and our framing's fields: the framing of the next hop is ours.
/// `keep_length` keeps a Content-Length that describes content which is not sent (HEAD, 304).
/// `also` says what else is to go, so that a head is walked through once.
pub(crate) fn strip_hop_by_hop(
    fields: &mut Fields,
    connection_options: bool,
    keep_length: bool,
    also: impl Fn(&[u8]) -> bool,
) {
    let mut named: Vec<Vec<u8>> = Vec::new();
    if connection_options {
        for value in fields.all("connection") {
            // What the sender may not name stays; what names no field is dropped with the field itself.
            let names = tokens(value).filter(|t| !is_plain_option(t) && !is_protected(t));
            named.extend(names.map(<[u8]>::to_ascii_lowercase));
        }
    }
    fields.retain(|name, _| {
        let framing = !keep_length && name.len() == 14 && name.eq_ignore_ascii_case(b"content-length");
        let by_name = !named.is_empty() && named.iter().any(|n| name.eq_ignore_ascii_case(n));
        !framing && !by_name && !is_hop_by_hop(name) && !also(name)
    });
}

/// The options that nearly every message has; their fields are hop-by-hop anyway.
fn is_plain_option(token: &[u8]) -> bool {
    let known: &[u8] = match token.len() {
        5 => b"close",
        7 => b"upgrade",
        10 => b"keep-alive",
        _ => return false,
    };
    token.eq_ignore_ascii_case(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut f = Fields::new();
        for (n, v) in lines {
            f.add(n, v.as_bytes());
        }
        f
    }

    #[test]
    fn connection_removes_what_it_names_but_nothing_protected() {
        let mut f = fields(&[
            ("Host", "a"),
            ("Connection", "close, X-Drop, Authorization, x-forwarded-for"),
            ("X-Drop", "1"),
            ("Authorization", "b"),
            ("X-Forwarded-For", "1.2.3.4"),
            ("Keep-Alive", "5"),
            ("TE", "trailers"),
            ("Content-Length", "3"),
        ]);
        strip_hop_by_hop(&mut f, true, false, |_| false);
        assert_eq!(format!("{f:?}"), r#"["Host", "Authorization", "X-Forwarded-For"]"#);
    }
}
