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
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            map.append(name, value);
        }
    }
    map
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
    let mut block = Vec::with_capacity(map.len() * 32);
    let mut spans = Vec::with_capacity(map.len());
    let span = |from: usize, to: usize| yumen_core::Span::new(from as u32, to as u32);
    for (name, value) in map {
        if !keep(name) {
            continue;
        }
        if !is_field_value(value.as_bytes()) {
            return None;
        }
        let start = block.len();
        block.extend_from_slice(name.as_str().as_bytes());
        let colon = block.len();
        block.extend_from_slice(b": ");
        let from = block.len();
        block.extend_from_slice(value.as_bytes());
        let to = block.len();
        block.extend_from_slice(b"\r\n");
        spans.push((span(start, colon), span(from, to)));
    }
    fields.reset(&block, spans.len());
    fields.extend_spans(spans.into_iter());
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
    fn value_with_spaces_at_its_ends_is_none() {
        for value in [" a", "a ", "\ta", "a\t"] {
            let map: HeaderMap =
                [(HeaderName::from_static("x"), HeaderValue::from_str(value).unwrap())].into_iter().collect();
            assert!(to_fields(&map, Fields::new(), |_| true).is_none(), "{value:?}");
            assert!(!write_lines(&map, |_| false, &mut Vec::new()), "{value:?}");
        }
    }
}
