//! Messages nobody wrote down: valid ones come through encode and parse unchanged, others keep the properties.

use proptest::prelude::*;
use yumen_http1::{
    ChunkEvent, ChunkedDecoder, Limits, Parsed, RequestHead, ResponseHead, encode_chunk_end, encode_chunk_header,
    is_field_value, parse_request, parse_response,
};

use crate::properties;

/// Pieces that matter to the grammar; a random walk over them goes deeper than random bytes.
const PIECES: &[&[u8]] = &[
    b"GET",
    b"HEAD",
    b"CONNECT",
    b"OPTIONS",
    b" ",
    b"/",
    b"*",
    b"?",
    b"\\",
    b"http://",
    b"a",
    b"a:80",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"200",
    b"204",
    b"101",
    b"OK",
    b"\r\n",
    b"\r",
    b"\n",
    b"\t",
    b":",
    b",",
    b";",
    b"=",
    b"\"",
    b"Host",
    b"Host: a\r\n",
    b"Content-Length: ",
    b"Transfer-Encoding: ",
    b"chunked",
    b"Connection: ",
    b"close",
    b"keep-alive",
    b"upgrade",
    b"Upgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b"0",
    b"5",
    b"1\r\nx\r\n",
    b"f",
    b"\0",
    b"\x7f",
    b"\x80",
    b"GET / HTTP/1.1\r\nHost: a\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"0\r\n\r\n",
    b"\r\n\r\n",
];

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    let names = "[A-Za-z!#$%&'*+.^_`|~-][A-Za-z0-9-]{0,12}".prop_map(|name| format!("X{name}"));
    prop::collection::vec((names, "([!-~]([ -~\\t]{0,30}[!-~])?)?"), 0..12)
}

fn lines(fields: &[(String, String)], space: &str) -> String {
    fields.iter().map(|(name, value)| format!("{name}:{space}{value}{space}\r\n")).collect()
}

/// A field line with any padding.
fn line() -> impl Strategy<Value = String> {
    ("x-[a-z0-9!#$%&'*+.^_`|~-]{0,30}", "[ \t]{0,2}", "([!-~\u{e9}]([ -~\u{e9}\t]{0,60}[!-~])?)?", "[ \t]{0,2}")
        .prop_map(|(name, before, value, after)| format!("{name}:{before}{value}{after}\r\n"))
}

/// The fields of one framing.
fn framing() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        any::<u32>().prop_map(|n| format!("Content-Length: {n}\r\n")),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_requests_come_through(
        method in "[A-BD-Z][A-Z-]{0,9}",
        path in "/[!-\"$-Z^-~\\[\\]]{0,40}",
        host in "[a-z0-9]{1,10}(\\.[a-z0-9-]{1,10}){0,3}(:[1-9][0-9]{0,3})?",
        space in "[ \\t]{0,3}",
        length in prop::option::of(0..=i64::MAX as u64),
        fields in fields(),
    ) {
        let length = length.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
        let input = format!("{method} {path} HTTP/1.1\r\nHost:{space}{host}\r\n{length}{}\r\n", lines(&fields, &space));
        let mut head = RequestHead::default();
        prop_assert_eq!(parse_request(input.as_bytes(), &Limits::default(), &mut head), Ok(Parsed::Complete), "{}", input);
        prop_assert_eq!(head.path.of(input.as_bytes()), path.as_bytes());
        let read = properties::texts(&head.fields, input.as_bytes());
        for (name, value) in fields {
            prop_assert!(read.contains(&(name.into_bytes(), value.into_bytes())));
        }
        properties::request_head(input.as_bytes());
    }

    #[test]
    fn valid_responses_come_through(
        status in 200u16..=999,
        reason in "[ -~\\t]{0,20}",
        space in "[ \\t]{0,3}",
        fields in fields(),
    ) {
        let input = format!("HTTP/1.1 {status} {reason}\r\n{}\r\n", lines(&fields, &space));
        let mut head = ResponseHead::default();
        prop_assert_eq!(parse_response(input.as_bytes(), &Limits::default(), b"GET", &mut head), Ok(Parsed::Complete));
        prop_assert_eq!(head.reason.of(input.as_bytes()), reason.as_bytes());
        properties::response_head(input.as_bytes());
    }

    #[test]
    fn chunks_of_any_content_come_through(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
        fields in fields(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut out = Vec::new();
        for part in &parts {
            encode_chunk_header(&mut out, part.len() as u64);
            out.extend_from_slice(part);
            encode_chunk_end(&mut out);
        }
        yumen_http1::encode_trailers(&mut out, fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(out.len())).collect();
        cuts.sort_unstable();
        let trailers = fields.into_iter().map(|(name, value)| (name.into_bytes(), value.into_bytes())).filter(|(name, _)| !yumen_http1::is_forbidden_trailer(name)).collect();
        let wanted = (parts.concat(), properties::Body::End { consumed: out.len(), trailers });
        prop_assert_eq!(properties::dechunk(&out, cuts, &Limits::default()), wanted);
    }

    #[test]
    fn anything_keeps_the_properties(input in pieces()) {
        properties::request_head(&input);
        properties::response_head(&input);
        properties::chunked(&input);
    }

    #[test]
    fn control_bytes_are_found_at_every_offset(
        text in prop::collection::vec(prop_oneof![8 => 0x20u8..0x7f, 2 => 0x80u8..=0xff, 1 => Just(b'\t'), 1 => any::<u8>()], 0..40),
    ) {
        let control = text.iter().any(|&byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f);
        let space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        prop_assert_eq!(is_field_value(&text), !control && !space(text.first()) && !space(text.last()));
    }

    #[test]
    fn requests_with_any_padding_and_framing_come_through(
        method in "[A-Z]{3,7}",
        target in "/[!$-\\[\\]-~]{0,60}",
        before in prop::collection::vec(line(), 0..5),
        framing in framing(),
        after in prop::collection::vec(line(), 0..5),
    ) {
        prop_assume!(method != "CONNECT");
        let input = format!(
            "{method} {target} HTTP/1.1\r\n{}Host: example.com\r\n{framing}{}\r\n", before.concat(), after.concat()
        );
        let mut head = RequestHead::default();
        prop_assert_eq!(parse_request(input.as_bytes(), &Limits::default(), &mut head), Ok(Parsed::Complete));
        prop_assert_eq!(head.len, input.len());
        properties::request_head(input.as_bytes());
        properties::request_head(format!("{input}trailing").as_bytes());
    }

    #[test]
    fn responses_with_any_padding_and_framing_come_through(
        status in 200..1000_u16,
        reason in "( [ -~\t\u{e9}]{0,20})?",
        fields in prop::collection::vec(line(), 0..6),
        framing in framing(),
    ) {
        prop_assume!(status != 204);
        let input = format!("HTTP/1.1 {status}{reason}\r\n{}{framing}\r\n", fields.concat());
        let mut head = ResponseHead::default();
        prop_assert_eq!(parse_response(input.as_bytes(), &Limits::default(), b"GET", &mut head), Ok(Parsed::Complete));
        prop_assert_eq!(head.len, input.len());
        properties::response_head(input.as_bytes());
    }

    #[test]
    fn chunks_with_padded_trailers_come_through(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..100), 0..6), fields in prop::collection::vec(line(), 0..3)) {
        let mut input = Vec::new();
        for part in &parts {
            encode_chunk_header(&mut input, part.len() as u64);
            input.extend_from_slice(part);
            encode_chunk_end(&mut input);
        }
        input.extend_from_slice(format!("0\r\n{}\r\n", fields.concat()).as_bytes());
        let mut decoder = ChunkedDecoder::new(&Limits::default());
        let (mut at, mut payload) = (0, Vec::new());
        while let ChunkEvent::Data { start, end } = decoder.decode(&input[at..]).unwrap() {
            payload.extend_from_slice(&input[at + start..at + end]);
            at += end;
        }
        prop_assert!(decoder.is_done());
        prop_assert_eq!(payload, parts.concat());
        properties::chunked(&input);
    }

    #[test]
    fn any_bytes_keep_the_properties(input in prop::collection::vec(any::<u8>(), 0..200)) {
        properties::request_head(&input);
        properties::response_head(&input);
        properties::chunked(&input);
    }
}
