//! Messages made to be valid: what the fuzz checks promise must hold, and they must be accepted.

use proptest::collection::vec;
use proptest::prelude::*;
use yumen_http1::*;

use crate::fuzz;

fn field() -> impl Strategy<Value = String> {
    ("x-[a-z0-9!#$%&'*+.^_`|~-]{0,30}", "[ \t]{0,2}", "([!-~\u{e9}]([ -~\u{e9}\t]{0,60}[!-~])?)?", "[ \t]{0,2}")
        .prop_map(|(name, before, value, after)| format!("{name}:{before}{value}{after}\r\n"))
}

fn framing() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        any::<u32>().prop_map(|n| format!("Content-Length: {n}\r\n")),
        Just("Transfer-Encoding: chunked\r\n".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_requests_are_accepted_and_survive(
        method in "[A-Z]{3,7}",
        target in "/[!$-\\[\\]-~]{0,60}",
        before in vec(field(), 0..5),
        framing in framing(),
        after in vec(field(), 0..5),
    ) {
        prop_assume!(method != "CONNECT");
        let input = format!(
            "{method} {target} HTTP/1.1\r\n{}Host: example.com\r\n{framing}{}\r\n", before.concat(), after.concat()
        );
        let mut head = RequestHead::default();
        prop_assert_eq!(parse_request(input.as_bytes(), &Limits::default(), &mut head), Ok(Parsed::Complete));
        prop_assert_eq!(head.len, input.len());
        fuzz::request_head(input.as_bytes());
        fuzz::request_head(format!("{input}trailing").as_bytes());
    }

    #[test]
    fn valid_responses_are_accepted_and_survive(
        status in 200..1000_u16,
        reason in "( [ -~\t\u{e9}]{0,20})?",
        fields in vec(field(), 0..6),
        framing in framing(),
    ) {
        prop_assume!(status != 204);
        let input = format!("HTTP/1.1 {status}{reason}\r\n{}{framing}\r\n", fields.concat());
        let mut head = ResponseHead::default();
        prop_assert_eq!(parse_response(input.as_bytes(), &Limits::default(), b"GET", &mut head), Ok(Parsed::Complete));
        prop_assert_eq!(head.len, input.len());
        fuzz::response_head(input.as_bytes());
    }

    #[test]
    fn chunked_bodies_survive(parts in vec(vec(any::<u8>(), 1..100), 0..6), fields in vec(field(), 0..3)) {
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
        fuzz::chunked(&input);
    }

    #[test]
    fn no_bytes_whatever_break_a_promise(input in vec(any::<u8>(), 0..200)) {
        fuzz::request_head(&input);
        fuzz::response_head(&input);
        fuzz::chunked(&input);
    }
}
