//! The chunked coding (section 7.1).

use yumen_http1::{Fault, Fault::*, Limits, encode_chunk_header, is_forbidden_trailer};

use crate::properties::{Body, dechunk};
use crate::{Accepted, Refused, check, text};

pub const REFUSED: &[Refused] = &[
    ("7.1", b"\r\n", InvalidChunkSize),
    ("7.1", b"x\r\n", InvalidChunkSize),
    ("7.1", b" 5\r\nhello\r\n", InvalidChunkSize),
    ("7.1", b"+5\r\nhello\r\n", InvalidChunkSize),
    ("7.1", b"-5\r\nhello\r\n", InvalidChunkSize),
    ("7.1", b"0x5\r\nhello\r\n", InvalidChunkSize),
    ("7.1", b"5_\r\nhello\r\n", InvalidChunkSize),
    ("7.1", b"5g\r\nhello\r\n", InvalidChunkSize),
    ("7.1", b"5,5\r\nhello\r\n", InvalidChunkSize),
    ("7.1", b"5\0\r\nhello\r\n", InvalidChunkSize),
    ("7.1", b";a\r\nhello\r\n", InvalidChunkSize),
    ("7.1", b"8000000000000000\r\n", ChunkSizeOverflow),
    ("7.1", b"ffffffffffffffff\r\n", ChunkSizeOverflow),
    ("7.1", b"10000000000000005\r\nhello\r\n", ChunkSizeOverflow),
    ("7.1", b"00000000000000005\r\nhello\r\n", ChunkSizeOverflow),
    ("2.2", b"5\nhello\r\n", BareLf),
    ("2.2", b"\n", BareLf),
    ("2.2", b"5\rhello\r\n", BareCr),
    ("7.1", b"5\r\nhello\n0\r\n\r\n", BareLf),
    ("7.1", b"5\r\nhello\r0\r\n\r\n", BareCr),
    ("7.1", b"5\r\nhello!\r\n", ChunkDataEnd),
    ("7.1", b"5\r\nhello0\r\n\r\n", ChunkDataEnd),
    ("7.1.1", b"5 \r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;a=\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;=a\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;a b\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;a=b=c\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5 5\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;a=\"b\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;a=\"b\"c\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;a=\"\\\r\"\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;a\0\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;a\x80\r\nhello\r\n", InvalidChunkExtension),
    ("7.1.1", b"5;a\nhello\r\n", BareLf),
    ("7.1.1", b"5;a=\"\n\"\r\nhello\r\n", BareLf),
    ("7.1.1", b"5;a\rX\r\nhello\r\n", BareCr),
    ("7.1.2", b"0\r\n\n", BareLf),
    ("7.1.2", b"0\r\n\rX", BareCr),
    ("7.1.2", b"0\r\nX: y\n\r\n", BareLf),
    ("7.1.2", b"0\r\nX\r\n\r\n", MissingColon),
    ("7.1.2", b"0\r\nX : y\r\n\r\n", SpaceBeforeColon),
    ("7.1.2", b"0\r\n: y\r\n\r\n", EmptyFieldName),
    ("7.1.2", b"0\r\nX: y\r\n z\r\n\r\n", ObsFold),
    ("7.1.2", b"0\r\n X: y\r\n\r\n", SpaceBeforeFields),
    ("7.1.2", b"0\r\nX: \0\r\n\r\n", InvalidFieldValue),
    ("7.1.2", b"0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", SpaceBeforeColon),
];

/// Content, then trailers, then what is left behind the end.
pub const ACCEPTED: &[Accepted] = &[
    ("7.1", b"0\r\n\r\n", "||"),
    ("7.1", b"00000\r\n\r\n", "||"),
    ("7.1", b"5\r\nhello\r\n0\r\n\r\n", "hello||"),
    ("7.1", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world||"),
    ("7.1", b"a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", "0123456789abcdefghij||"),
    ("7.1", b"0000000000000002\r\n\r\n\r\n0\r\n\r\n", "\r\n||"),
    ("7.1", b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n||"),
    ("7.1", b"0\r\n\r\nGET / HTTP/1.1", "||GET / HTTP/1.1"),
    ("7.1.1", b"1;a\r\nx\r\n0\r\n\r\n", "x||"),
    ("7.1.1", b"1;a=b;c=\"d;\\\"e\t\xff\"\r\nx\r\n0;z\r\n\r\n", "x||"),
    ("7.1.1", b"1 ;\ta = b\r\nx\r\n0\r\n\r\n", "x||"),
    ("7.1.2", b"0\r\nX: y\r\nX-Sum:  1 \r\n\r\nrest", "|X=y X-Sum=1|rest"),
    ("9110 6.5.1", b"0\r\nContent-Length: 5\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n", "|X=y|"),
    ("9110 6.5.1", b"0\r\nhost: b\r\nAuthorization: c\r\nX-Forwarded-For: d\r\nConnection: close\r\n\r\n", "||"),
    ("9110 6.5.1", b"0\r\ngrpc-status: 0\r\ngrpc-message:\r\n\r\n", "|grpc-status=0 grpc-message=|"),
];

fn read(input: &[u8]) -> Result<String, Fault> {
    let (content, body) = dechunk(input, [], &Limits::default());
    match body {
        Body::Refused(fault) => Err(fault),
        Body::Partial => Ok("partial".into()),
        Body::End { consumed, trailers } => {
            let trailers: Vec<_> =
                trailers.iter().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
            Ok(format!("{}|{}|{}", text(&content), trailers.join(" "), text(&input[consumed..])))
        }
    }
}

#[test]
fn refused_with_the_fault_that_names_the_cause() {
    check(REFUSED.iter().map(|&(section, input, fault)| (section, input, read(input), Err(fault))));
}

#[test]
fn accepted_with_content_trailers_and_rest() {
    check(ACCEPTED.iter().map(|&(section, input, facts)| (section, input, read(input), Ok(facts.to_owned()))));
}

#[test]
fn the_largest_size_is_2_to_the_63_less_1() {
    let (content, body) = dechunk(b"7fffffffffffffff\r\nx", [], &Limits::default());
    assert_eq!((content, body), (b"x".to_vec(), Body::Partial));
}

#[test]
fn extensions_are_capped_in_one_chunk_and_in_sum() {
    let one = |len: usize| read(format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(len - 1)).as_bytes());
    assert_eq!(one(256), Ok("x||".into()));
    assert_eq!(one(257), Err(ChunkExtensionTooLong));
    let chunk = format!("1;{}\r\nx\r\n", "a".repeat(200));
    let many = |count: usize| read((chunk.repeat(count) + "0\r\n\r\n").as_bytes());
    assert_eq!(many(50).map(|read| read.len()), Ok(52));
    assert_eq!(many(100), Err(ChunkExtensionTooLong));
    // An unfinished extension does not wait for its line end.
    assert_eq!(read(&[b"1;", "a".repeat(300).as_bytes()].concat()), Err(ChunkExtensionTooLong));
}

#[test]
fn trailers_obey_the_limits_of_a_head() {
    let limits = Limits { request_line: 10, head: 20, fields: 2 };
    let end = |input: &str| dechunk(input.as_bytes(), [], &limits).1;
    assert!(matches!(end("0\r\na: 0123456789abc\r\n\r\n"), Body::End { .. }), "20 bytes");
    assert_eq!(end("0\r\na: 0123456789abcd\r\n\r\n"), Body::Refused(TrailersTooLarge));
    assert_eq!(end("0\r\na: 0123456789abcdefghij"), Body::Refused(TrailersTooLarge));
    assert_eq!(end("0\r\na:\r\nb:\r\nc:\r\n\r\n"), Body::Refused(TooManyFields));
}

#[test]
fn forbidden_trailers() {
    for name in
        ["Content-Length", "TRANSFER-ENCODING", "host", "Trailer", "te", "Set-Cookie", "content-type", "Upgrade"]
    {
        assert!(is_forbidden_trailer(name.as_bytes()), "{name}");
    }
    for name in ["grpc-status", "X-Checksum", "Digest", "hosts", ""] {
        assert!(!is_forbidden_trailer(name.as_bytes()), "{name}");
    }
}

#[test]
fn chunk_headers_of_every_length() {
    for len in (0..64).map(|bit| 1u64 << bit).chain([u64::MAX, 0xabc]) {
        let mut out = Vec::new();
        encode_chunk_header(&mut out, len);
        assert_eq!(text(&out), format!("{len:x}\r\n"));
    }
    let mut out = Vec::new();
    encode_chunk_header(&mut out, 0);
    assert!(out.is_empty(), "0 would end the message");
}
