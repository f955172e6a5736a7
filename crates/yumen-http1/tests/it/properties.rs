//! What holds for every input: what the fuzzers ask, and what is asked here besides.

use yumen_http1::*;

use crate::fuzz;

/// How a body came to its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    /// The input ended before the body did.
    Partial,
    /// The body is complete.
    End {
        /// Bytes that belonged to it.
        consumed: usize,
        /// Names and values.
        trailers: Vec<(Vec<u8>, Vec<u8>)>,
    },
    /// The body is broken.
    Refused(Fault),
}

/// Decodes `input` as if it arrived in pieces that end at `cuts`; gives the content and how it ended.
pub fn dechunk(input: &[u8], cuts: impl IntoIterator<Item = usize>, limits: &Limits) -> (Vec<u8>, Body) {
    let mut decoder = ChunkedDecoder::new(limits);
    let (mut content, mut dropped) = (Vec::new(), 0);
    for arrived in cuts.into_iter().chain([input.len()]) {
        loop {
            assert!(!decoder.is_done(), "done without an end");
            let buf = &input[dropped..arrived.max(dropped)];
            match decoder.decode(buf) {
                Ok(ChunkEvent::NeedMore { consumed }) => {
                    assert!(consumed <= buf.len(), "dropped more than there is");
                    dropped += consumed;
                    break;
                }
                Ok(ChunkEvent::Data { start, end }) => {
                    assert!(start < end && end <= buf.len(), "empty or foreign content");
                    content.extend_from_slice(&buf[start..end]);
                    dropped += end;
                }
                Ok(ChunkEvent::End { consumed, trailers }) => {
                    assert!(decoder.is_done() && consumed <= buf.len(), "end is not the end");
                    let trailers = texts(&trailers, buf);
                    assert!(trailers.iter().all(|(name, _)| !is_forbidden_trailer(name)), "forbidden trailer");
                    return (content, Body::End { consumed: dropped + consumed, trailers });
                }
                Err(fault) => return (content, Body::Refused(fault)),
            }
        }
    }
    (content, Body::Partial)
}

/// Names and values as bytes.
pub fn texts(fields: &[FieldSpan], buf: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|field| (field.name.of(buf).to_vec(), field.value.of(buf).to_vec())).collect()
}

/// Any input as a request head: no panic, spans that hold, the same answer for what belongs to it, and the same
/// request when it is written and read again.
pub fn request_head(input: &[u8]) {
    fuzz::request_head(input);
    for limits in [Limits::default(), Limits { request_line: 20, head: 64, fields: 3 }] {
        let mut head = RequestHead::default();
        if parse_request(input, &limits, &mut head) != Ok(Parsed::Complete) {
            continue;
        }
        assert!(head.len <= input.len() && head.len <= limits.head && head.fields.len() <= limits.fields);
        assert!(head.target.len() < limits.request_line);
        check_fields(&head.fields, input);
        assert!(is_token(head.method.of(input)), "method");
        assert!(head.host.is_none_or(|host| is_valid_host(host.of(input))), "host");
        assert!(head.host.is_some() || head.version == Version::Http10, "host is missing");
        assert_ne!(head.framing, Framing::UntilClose);

        let mut again = RequestHead::default();
        assert_eq!(parse_request(&input[..head.len], &limits, &mut again), Ok(Parsed::Complete));
        assert_eq!(again, head, "bytes behind the head changed it");
        assert_eq!(parse_request(&input[..head.len - 1], &limits, &mut again), Ok(Parsed::Partial));
        if head.version == Version::Http11 {
            rewrite_request(input, &head);
        }
    }
}

fn rewrite_request(input: &[u8], head: &RequestHead) {
    let mut out = Vec::new();
    encode_request_line(&mut out, head.method.of(input), head.target.of(input));
    encode_fields(&mut out, &head.fields, input);
    let mut again = RequestHead::default();
    assert_eq!(parse_request(&out, &roomy(), &mut again), Ok(Parsed::Complete), "written again, it is refused");
    let facts = |head: &RequestHead| {
        (head.framing, head.keep_alive, head.target_form, head.expect_continue, head.upgrade, head.connection_options)
    };
    assert_eq!(facts(&again), facts(head));
    let texts_of = |head: &RequestHead, buf: &[u8]| {
        let host = head.host.map(|host| host.of(buf).to_vec());
        (head.method.of(buf).to_vec(), head.path.of(buf).to_vec(), host, texts(&head.fields, buf))
    };
    assert_eq!(texts_of(&again, &out), texts_of(head, input));
    assert_eq!(again.len, out.len());
}

/// Any input as a response head, to each kind of method that has a say in the framing.
pub fn response_head(input: &[u8]) {
    fuzz::response_head(input);
    for method in [&b"GET"[..], b"HEAD", b"CONNECT"] {
        let (limits, mut head) = (Limits::default(), ResponseHead::default());
        if parse_response(input, &limits, method, &mut head) != Ok(Parsed::Complete) {
            continue;
        }
        assert!(head.len <= input.len() && head.len <= limits.head && head.fields.len() <= limits.fields);
        assert!((100..1000).contains(&head.status), "status {}", head.status);
        assert!(
            !(head.keep_alive && (head.upgrade || head.framing == Framing::UntilClose)),
            "reuse of a used-up connection"
        );
        let bodiless = matches!(head.status, 100..200 | 204 | 304) || method == b"HEAD";
        assert!(!bodiless || head.framing == Framing::None, "a body where there is none");
        check_fields(&head.fields, input);

        let mut again = ResponseHead::default();
        assert_eq!(parse_response(&input[..head.len], &limits, method, &mut again), Ok(Parsed::Complete));
        assert_eq!(again, head, "bytes behind the head changed it");
        if head.version == Version::Http11 {
            rewrite_response(input, method, &head);
        }
    }
}

fn rewrite_response(input: &[u8], method: &[u8], head: &ResponseHead) {
    let mut out = Vec::new();
    encode_status_line(&mut out, head.status, Some(head.reason.of(input)));
    encode_fields(&mut out, &head.fields, input);
    let mut again = ResponseHead::default();
    assert_eq!(
        parse_response(&out, &roomy(), method, &mut again),
        Ok(Parsed::Complete),
        "written again, it is refused"
    );
    let facts = |head: &ResponseHead, buf: &[u8]| {
        let reason = head.reason.of(buf).to_vec();
        (head.status, reason, head.framing, head.keep_alive, head.upgrade, texts(&head.fields, buf))
    };
    assert_eq!(facts(&again, &out), facts(head, input));
}

/// Any input as a chunked body: how it was cut does not matter, and what was read can be written and read again.
pub fn chunked(input: &[u8]) {
    fuzz::chunked(input);
    let limits = Limits::default();
    let (content, body) = dechunk(input, [], &limits);
    assert_eq!(dechunk(input, 0..input.len(), &limits), (content.clone(), body_copy(&body)), "byte by byte");
    assert_eq!(dechunk(input, [input.len() / 2], &limits), (content.clone(), body_copy(&body)), "in halves");
    let Body::End { consumed, trailers } = body else { return };
    assert!(consumed <= input.len());
    let mut out = Vec::new();
    for part in content.chunks(17) {
        encode_chunk_header(&mut out, part.len() as u64);
        out.extend_from_slice(part);
        encode_chunk_end(&mut out);
    }
    encode_trailers(&mut out, trailers.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
    let consumed = out.len();
    assert_eq!(dechunk(&out, [], &roomy()), (content, Body::End { consumed, trailers }));
}

fn body_copy(body: &Body) -> Body {
    match body {
        Body::Partial => Body::Partial,
        Body::End { consumed, trailers } => Body::End { consumed: *consumed, trailers: trailers.clone() },
        Body::Refused(fault) => Body::Refused(*fault),
    }
}

fn check_fields(fields: &[FieldSpan], buf: &[u8]) {
    for field in fields {
        assert!(is_token(field.name.of(buf)), "field name");
        assert!(is_field_value(field.value.of(buf)), "field value");
        assert!(field.name.end < field.value.end.max(field.value.start), "field order");
    }
}

fn encode_fields(out: &mut Vec<u8>, fields: &[FieldSpan], buf: &[u8]) {
    for field in fields {
        encode_field(out, field.name.of(buf), field.value.of(buf));
    }
    out.extend_from_slice(b"\r\n");
}

/// Canonical spelling may be longer than what was read.
fn roomy() -> Limits {
    Limits { request_line: 64 * 1024, head: 256 * 1024, fields: 1000 }
}
