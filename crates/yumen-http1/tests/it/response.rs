use yumen_http1::{Fault, Framing, Limits, Parsed, ResponseHead, Version, parse_response};

use crate::fuzz;

fn outcome(input: &[u8], method: &str) -> Result<ResponseHead, Fault> {
    fuzz::response_head(input);
    let mut head = ResponseHead::default();
    match parse_response(input, &Limits::default(), method.as_bytes(), &mut head)? {
        Parsed::Complete => Ok(head),
        Parsed::Partial => panic!("partial: {}", input.escape_ascii()),
    }
}

fn parsed(input: &[u8], method: &str) -> ResponseHead {
    outcome(input, method).unwrap()
}

fn refused(cases: &[(&[u8], Fault)]) {
    for (input, fault) in cases {
        assert_eq!(outcome(input, "GET"), Err(*fault), "{}", input.escape_ascii());
    }
}

#[test]
fn plain_response_comes_out_in_order_and_case() {
    let input =
        b"HTTP/1.1 404 Not  Found\r\nserver: x\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 3\r\n\r\nabc";
    let head = parsed(input, "GET");
    assert_eq!((head.version, head.status, head.reason.of(input)), (Version::Http11, 404, &b"Not  Found"[..]));
    let names: Vec<_> = head.fields.iter().map(|f| f.name.of(input)).collect();
    assert_eq!(names, [&b"server"[..], b"Set-Cookie", b"set-cookie", b"Content-Length"]);
    assert_eq!((head.framing, head.len), (Framing::Length(3), input.len() - 3));
    assert!(head.keep_alive && !head.upgrade && !head.connection_options);
}

#[test]
fn rfc9112_4_status_line() {
    use Fault::*;
    assert_eq!(parsed(b"HTTP/1.1 200\r\n\r\n", "GET").reason.len(), 0);
    assert_eq!(parsed(b"HTTP/1.1 200 \r\n\r\n", "GET").reason.len(), 0);
    assert_eq!(parsed(b"HTTP/1.1 999 caf\xe9\ta\r\n\r\n", "GET").status, 999);
    refused(&[
        (b"HTTP/1.1 200 OK\nA: b\r\n\r\n", BareLf),
        (b"HTTP/1.1 200 OK\rA: b\r\n\r\n", BareCr),
        (b"HTTP/1.1 200\n\r\n", BareLf),
        (b"HTTP/1.1 200 O\x00K\r\n\r\n", InvalidReason),
        (b"HTTP/1.1 200 O\x7fK\r\n\r\n", InvalidReason),
        (b"HTTP/1.1  200 OK\r\n\r\n", MalformedStatusLine),
        (b"HTTP/1.1\t200 OK\r\n\r\n", MalformedStatusLine),
        (b"HTTP/1.1 20 OK\r\n\r\n", InvalidStatus),
        (b"HTTP/1.1 2000 OK\r\n\r\n", InvalidStatus),
        (b"HTTP/1.1 099 X\r\n\r\n", InvalidStatus),
        (b"HTTP/1.1 000 X\r\n\r\n", InvalidStatus),
        (b"HTTP/1.1 +20 X\r\n\r\n", InvalidStatus),
        (b"HTTP/1.1 200\tOK\r\n\r\n", InvalidStatus),
        (b"HTTP/2.0 200 OK\r\n\r\n", UnsupportedVersion),
        (b"http/1.1 200 OK\r\n\r\n", MalformedStatusLine),
        (b"ICY 200 OK\r\n\r\n", MalformedStatusLine),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", MalformedStatusLine),
        (b" HTTP/1.1 200 OK\r\n\r\n", MalformedStatusLine),
        (b"<html>", MalformedStatusLine),
    ]);
}

#[test]
fn rfc9112_5_fields_are_read_as_strictly_as_those_of_requests() {
    use Fault::*;
    refused(&[
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", SpaceBeforeColon),
        (b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n", SpaceBeforeFields),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", ObsFold),
        (b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", BareLf),
        (b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", EmptyFieldName),
        (b"HTTP/1.1 200 OK\r\nA\r\n\r\n", MissingColon),
        (b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", InvalidFieldValue),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n\n", BareLf),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", DuplicateContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", ListContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", MalformedContentLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", ConflictingLength),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", UnknownTransferCoding),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", RepeatedTransferEncoding),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncodingInHttp10),
    ]);
}

#[test]
fn rfc9112_6_3_framing() {
    use Framing::*;
    for (status, method, fields, framing, keep_alive) in [
        (200, "GET", "", UntilClose, false),
        (200, "GET", "Content-Length: 0\r\n", Length(0), true),
        (200, "POST", "Transfer-Encoding: chunked\r\n", Chunked, true),
        (200, "HEAD", "Content-Length: 9\r\n", None, true),
        (200, "HEAD", "Transfer-Encoding: chunked\r\n", None, true),
        (200, "HEAD", "", None, true),
        (200, "head", "Content-Length: 9\r\n", Length(9), true),
        (304, "GET", "Content-Length: 9\r\n", None, true),
        (304, "GET", "Transfer-Encoding: chunked\r\n", None, true),
        (204, "GET", "", None, true),
        (204, "GET", "Content-Length: 0\r\n", None, true),
        (205, "GET", "Content-Length: 0\r\n", Length(0), true),
        (100, "GET", "", None, true),
        (103, "GET", "Link: x\r\n", None, true),
        (404, "CONNECT", "Content-Length: 2\r\n", Length(2), true),
        (404, "CONNECT", "", UntilClose, false),
        (200, "GET", "Connection: close\r\nContent-Length: 1\r\n", Length(1), false),
    ] {
        let head = parsed(format!("HTTP/1.1 {status} X\r\n{fields}\r\n").as_bytes(), method);
        assert_eq!(
            (head.framing, head.keep_alive, head.upgrade),
            (framing, keep_alive, false),
            "{status} {method} {fields}"
        );
    }
}

#[test]
fn rfc9112_6_1_bodies_where_none_may_be() {
    use Fault::*;
    refused(&[
        (b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", BodyNotAllowed),
        (b"HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
        (b"HTTP/1.1 100 X\r\nTransfer-Encoding: chunked\r\n\r\n", BodyNotAllowed),
        (b"HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
        (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
    ]);
}

#[test]
fn rfc9110_15_2_2_switching_protocols() {
    let head = parsed(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00", "GET");
    assert!(head.upgrade && !head.keep_alive && head.framing == Framing::None);
    refused(&[
        (b"HTTP/1.1 101 X\r\n\r\n", Fault::InvalidUpgrade),
        (b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n", Fault::InvalidUpgrade),
        (b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n", Fault::InvalidUpgrade),
        (b"HTTP/1.0 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Fault::InvalidUpgrade),
    ]);
    assert!(
        !parsed(b"HTTP/1.1 426 X\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n", "GET").upgrade
    );
}

#[test]
fn rfc9110_9_3_6_success_to_connect_opens_a_tunnel() {
    for fields in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let head = parsed(format!("HTTP/1.1 200 X\r\n{fields}\r\n").as_bytes(), "CONNECT");
        assert!(head.upgrade && head.framing == Framing::None, "{fields}");
    }
}

#[test]
fn rfc9112_9_3_persistence_of_http10() {
    for (fields, keep_alive) in [
        ("Content-Length: 0\r\n", false),
        ("Content-Length: 0\r\nConnection: keep-alive\r\n", true),
        ("Connection: keep-alive\r\n", false),
    ] {
        let head = parsed(format!("HTTP/1.0 200 OK\r\n{fields}\r\n").as_bytes(), "GET");
        assert_eq!(head.keep_alive, keep_alive, "{fields}");
    }
}

#[test]
fn limits_hold_for_answers_too() {
    let mut head = ResponseHead::default();
    let limits = Limits { request_line: 20, head: 60, fields: 2 };
    for (input, outcome) in [
        ("HTTP/1.1 200 01234567890", Err(Fault::StatusLineTooLong)),
        ("HTTP/1.1 200 0123456\r\n", Ok(Parsed::Partial)),
        ("HTTP/1.1 200 0123456\r\nA:\r\nB:\r\n\r\n", Ok(Parsed::Complete)),
        ("HTTP/1.1 200 0123456\r\nA:\r\nB:\r\nC:", Err(Fault::TooManyFields)),
        ("HTTP/1.1 200\r\nA: 01234567890123456789012345678901234567890123456789", Err(Fault::HeadTooLarge)),
    ] {
        assert_eq!(parse_response(input.as_bytes(), &limits, b"GET", &mut head), outcome, "{input}");
    }
}
