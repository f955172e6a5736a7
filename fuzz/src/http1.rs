//! What must hold of the HTTP/1.1 codec whatever the bytes.
//!
//! Three promises, each broken by some parser that was smuggled through: how the input is cut into reads changes nothing;
//! what was read and is written again reads the same; nothing outside the grammar comes out of a parser.

use yumen_http1::{
    ChunkEvent, ChunkedDecoder, Fault, FieldSpan, Framing, Limits, Parsed, RequestHead, ResponseHead, Version,
    encode_chunk_end, encode_chunk_header, encode_field, encode_last_chunk, encode_request_line, encode_status_line,
    encode_trailers, is_field_value, is_forbidden_trailer, is_token, is_valid_host, parse_request, parse_response,
};

/// Longest input that is cut at every byte; longer ones are cut at this many places.
const CUTS: usize = 256;

/// Small limits, so that short inputs meet them.
fn tight() -> Limits {
    Limits { request_line: 64, head: 256, fields: 4 }
}

/// Judges bytes as a request head.
pub fn request_head(data: &[u8]) {
    for limits in [Limits::default(), tight()] {
        let mut head = RequestHead::default();
        let outcome = parse_request(data, &limits, &mut head);
        let mut other = RequestHead::default();
        cuts(data, outcome, head.len, |prefix| {
            let outcome = parse_request(prefix, &limits, &mut other);
            assert!(outcome != Ok(Parsed::Complete) || other == head, "another head from a shorter read");
            outcome
        });
        if outcome == Ok(Parsed::Complete) {
            assert!(head.len <= limits.head && head.fields.len() <= limits.fields);
            assert!(is_token(head.method.of(data)) && !head.target.is_empty());
            assert!(head.framing != Framing::UntilClose);
            assert!(head.host.is_some_and(|host| is_valid_host(host.of(data))) || head.version == Version::Http10);
            check_fields(data, &head.fields);
            request_survives(data, &head);
        }
    }
}

/// Judges bytes as a response head, to three methods.
pub fn response_head(data: &[u8]) {
    for (limits, method) in [(Limits::default(), "GET"), (tight(), "HEAD"), (Limits::default(), "CONNECT")] {
        let mut head = ResponseHead::default();
        let outcome = parse_response(data, &limits, method.as_bytes(), &mut head);
        let mut other = ResponseHead::default();
        cuts(data, outcome, head.len, |prefix| {
            let outcome = parse_response(prefix, &limits, method.as_bytes(), &mut other);
            assert!(outcome != Ok(Parsed::Complete) || other == head, "another head from a shorter read");
            outcome
        });
        if outcome == Ok(Parsed::Complete) {
            assert!((100..1000).contains(&head.status));
            assert!(!(head.keep_alive && head.framing == Framing::UntilClose));
            check_fields(data, &head.fields);
            response_survives(data, &head, method);
        }
    }
}

/// Judges bytes as a chunked body.
pub fn chunked(data: &[u8]) {
    for limits in [Limits::default(), tight()] {
        let whole = decode(data, &limits, data.len().max(1));
        assert_eq!(whole, decode(data, &limits, 1), "byte by byte");
        assert_eq!(whole, decode(data, &limits, 7), "seven bytes at a time");
        let Decoded { payload, end: End::Complete { trailers, .. } } = whole else { continue };
        let mut again = Vec::new();
        for part in payload.chunks(1000) {
            encode_chunk_header(&mut again, part.len() as u64);
            again.extend_from_slice(part);
            encode_chunk_end(&mut again);
        }
        match trailers.is_empty() {
            true => encode_last_chunk(&mut again),
            false => encode_trailers(&mut again, trailers.iter().map(|(name, value)| (&name[..], &value[..]))),
        }
        let consumed = again.len();
        let expected = Decoded { payload, end: End::Complete { consumed, trailers } };
        assert_eq!(decode(&again, &Limits::default(), 4096), expected, "written again");
    }
}

/// Every shorter read gives "partial" or the outcome of the whole, and never goes back.
fn cuts(data: &[u8], whole: Result<Parsed, Fault>, len: usize, mut parse: impl FnMut(&[u8]) -> Result<Parsed, Fault>) {
    let step = data.len() / CUTS + 1;
    let mut settled = false;
    for cut in (0..data.len()).step_by(step) {
        let outcome = parse(&data[..cut]);
        if whole == Ok(Parsed::Complete) {
            assert_eq!(outcome == whole, cut >= len, "cut at {cut}");
        }
        assert!(outcome == whole || outcome == Ok(Parsed::Partial), "cut at {cut}: {outcome:?}, whole: {whole:?}");
        assert!(!settled || outcome == whole, "cut at {cut} took its verdict back");
        settled = outcome != Ok(Parsed::Partial);
    }
}

fn check_fields(data: &[u8], fields: &[FieldSpan]) {
    for field in fields {
        assert!(is_token(field.name.of(data)) && is_field_value(field.value.of(data)));
    }
}

fn request_survives(data: &[u8], head: &RequestHead) {
    if head.version == Version::Http10 {
        return; // what goes out is HTTP/1.1, which asks for more
    }
    let mut out = Vec::new();
    encode_request_line(&mut out, head.method.of(data), head.target.of(data));
    encode_fields(&mut out, data, &head.fields);
    let mut again = RequestHead::default();
    // Writing may lengthen a line by the space behind the colon: no limits here.
    assert_eq!(parse_request(&out, &no_limits(), &mut again), Ok(Parsed::Complete));
    assert_eq!(again.len, out.len());
    assert_eq!(
        (head.method.of(data), head.target.of(data), head.path.of(data), head.host.map(|host| host.of(data))),
        (again.method.of(&out), again.target.of(&out), again.path.of(&out), again.host.map(|host| host.of(&out))),
    );
    assert_eq!(
        (head.framing, head.keep_alive, head.upgrade, head.expect_continue, head.connection_options),
        (again.framing, again.keep_alive, again.upgrade, again.expect_continue, again.connection_options),
    );
    assert_eq!(texts(data, &head.fields), texts(&out, &again.fields));
}

fn response_survives(data: &[u8], head: &ResponseHead, method: &str) {
    if head.version == Version::Http10 {
        return;
    }
    let mut out = Vec::new();
    encode_status_line(&mut out, head.status, Some(head.reason.of(data)));
    encode_fields(&mut out, data, &head.fields);
    let mut again = ResponseHead::default();
    assert_eq!(parse_response(&out, &no_limits(), method.as_bytes(), &mut again), Ok(Parsed::Complete));
    assert_eq!((again.len, again.status, again.reason.of(&out)), (out.len(), head.status, head.reason.of(data)));
    assert_eq!(
        (head.framing, head.keep_alive, head.upgrade, head.connection_options),
        (again.framing, again.keep_alive, again.upgrade, again.connection_options),
    );
    assert_eq!(texts(data, &head.fields), texts(&out, &again.fields));
}

fn no_limits() -> Limits {
    Limits { request_line: 1 << 30, head: 1 << 30, fields: 1 << 20 }
}

fn encode_fields(out: &mut Vec<u8>, data: &[u8], fields: &[FieldSpan]) {
    for field in fields {
        encode_field(out, field.name.of(data), field.value.of(data));
    }
    out.extend_from_slice(b"\r\n");
}

type Texts = Vec<(Vec<u8>, Vec<u8>)>;

fn texts(buf: &[u8], fields: &[FieldSpan]) -> Texts {
    fields.iter().map(|field| (field.name.of(buf).to_vec(), field.value.of(buf).to_vec())).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Decoded {
    payload: Vec<u8>,
    end: End,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Complete { consumed: usize, trailers: Texts },
    Partial,
    Refused(Fault),
}

/// Decodes `data` from reads of `read` bytes, as a connection would.
fn decode(data: &[u8], limits: &Limits, read: usize) -> Decoded {
    let mut decoder = ChunkedDecoder::new(limits);
    let mut payload = Vec::new();
    // The unread buffer is data[start..end].
    let (mut start, mut end) = (0, 0);
    loop {
        let buf = &data[start..end];
        match decoder.decode(buf) {
            Err(fault) => return Decoded { payload, end: End::Refused(fault) },
            Ok(ChunkEvent::Data { start: from, end: to }) => {
                assert!(from < to, "empty data");
                payload.extend_from_slice(&buf[from..to]);
                start += to;
            }
            Ok(ChunkEvent::End { consumed, trailers }) => {
                assert!(decoder.is_done());
                assert!(!trailers.iter().any(|field| is_forbidden_trailer(field.name.of(buf))));
                check_fields(buf, &trailers);
                let trailers = texts(buf, &trailers);
                return Decoded { payload, end: End::Complete { consumed: start + consumed, trailers } };
            }
            Ok(ChunkEvent::NeedMore { .. }) if end == data.len() => return Decoded { payload, end: End::Partial },
            Ok(ChunkEvent::NeedMore { consumed }) => {
                start += consumed;
                end = (end + read).min(data.len());
            }
        }
    }
}
