//! Fields as the `http` crate has them, which is what HTTP/2 and HTTP/3 are spoken in, and as ours.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use yumen_core::Fields;
use yumen_http1::{is_field_value, is_forbidden_trailer, is_hop_by_hop};

/// Our fields for a head that goes out, without those that no version after HTTP/1.1 has (RFC 9113 section 8.2.2) and
/// without those that `also` names. What could not be written as a field is left out: ours were checked when they came in,
/// and what the configuration adds was checked when it was read.
pub(crate) fn to_map(fields: &Fields, also: impl Fn(&[u8]) -> bool) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(fields.len() + 2);
    for (name, value) in fields.iter() {
        if is_hop_by_hop(name) || also(name) {
            continue;
        }
        if let (Ok(header), Ok(mut value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            value.set_sensitive(is_fleeting(name));
            map.append(header, value);
        }
    }
    map
}

/// Fields whose value differs from one message to the next. Kept out of the table of HPACK (RFC 7541 section 6.2.3): there
/// they would push out what does repeat, and `h2` compares a value with all of the same name that stand in its table, which
/// for one of these are dozens.
fn is_fleeting(name: &[u8]) -> bool {
    const FLEETING: [&[u8]; 4] = [b"traceparent", b"x-request-id", b"x-forwarded-for", b"grpc-timeout"];
    FLEETING.iter().any(|fleeting| name.len() == fleeting.len() && name.eq_ignore_ascii_case(fleeting))
}

/// Writes a head that came in as lines, `name: value` and a line end, so that it can become [`Fields`]. `false` when a
/// value has bytes or spaces that no field may have (RFC 9113 section 8.2.1).
pub(crate) fn write_lines(map: &HeaderMap, also: impl Fn(&HeaderName) -> bool, out: &mut Vec<u8>) -> bool {
    for (name, value) in map {
        if also(name) {
            continue;
        }
        if !is_field_value(value.as_bytes()) {
            return false;
        }
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    true
}

/// The fields of a head or of trailers that came in. `None` when a value is none.
pub(crate) fn to_fields(map: &HeaderMap, mut fields: Fields, keep: impl Fn(&HeaderName) -> bool) -> Option<Fields> {
    // Most lines are shorter.
    fields.prepare(map.len(), map.len() * 40);
    for (name, value) in map {
        if !keep(name) {
            continue;
        }
        if !is_field_value(value.as_bytes()) {
            return None;
        }
        fields.add_line(name.as_str().as_bytes(), value.as_bytes());
    }
    Some(fields)
}

/// The trailers that may be passed on (RFC 9110 section 6.5.1). `None` when a value is none.
pub(crate) fn to_trailers(map: &HeaderMap) -> Option<Fields> {
    to_fields(map, Fields::new(), |name| !is_forbidden_trailer(name.as_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn fields_survive_there_and_back_in_lower_case_and_lose_what_concerns_one_connection() {
        let mut fields = Fields::new();
        for (name, value) in [("X-A", "1"), ("Connection", "x"), ("Host", "h"), ("x-a", "2"), ("TE", "trailers")] {
            fields.add(name, value.as_bytes());
        }
        let map = to_map(&fields, |name| name.eq_ignore_ascii_case(b"host"));
        let back = to_fields(&map, Fields::new(), |_| true).unwrap();
        let mut lines = Vec::new();
        back.write_lines(&mut lines);
        assert_eq!(String::from_utf8_lossy(&lines), "x-a: 1\r\nx-a: 2\r\n");
    }

    #[test]
    fn value_that_never_comes_again_is_kept_out_of_the_table() {
        let mut fields = Fields::new();
        for name in ["Traceparent", "x-forwarded-for", "user-agent"] {
            fields.add(name, b"1");
        }
        let map = to_map(&fields, |_| false);
        let kept = |name: &str| !map.get(name).unwrap().is_sensitive();
        assert_eq!([kept("traceparent"), kept("x-forwarded-for"), kept("user-agent")], [false, false, true]);
    }

    #[test]
    fn value_with_spaces_at_its_ends_is_none() {
        for value in [" a", "a ", "\ta", "a\t"] {
            let map: HeaderMap =
                [(HeaderName::from_static("x"), HeaderValue::from_str(value).unwrap())].into_iter().collect();
            assert!(to_fields(&map, Fields::new(), |_| true).is_none(), "{value:?}");
            assert!(!write_lines(&map, |_| false, &mut Vec::new()), "{value:?}");
        }
    }
}
