//! Response heads. Rows begin with the method of the request, which has a say in the framing.

use yumen_http1::{Fault, Fault::*, Framing, Limits, Parsed, ResponseHead, Version, parse_response};

use crate::{Accepted, Refused, check, properties, show, text};

pub const REFUSED: &[Refused] = &[
    ("4", b"http/1.1 200 OK\r\n\r\n", MalformedStatusLine),
    ("4", b"HTTP/1.1  200 OK\r\n\r\n", MalformedStatusLine),
    ("4", b"HTTP/1.1\t200 OK\r\n\r\n", MalformedStatusLine),
    ("4", b"HTTP/1.1\r\n\r\n", MalformedStatusLine),
    ("4", b"ICY 200 OK\r\n\r\n", MalformedStatusLine),
    ("4", b"\r\nHTTP/1.1 200 OK\r\n\r\n", MalformedStatusLine),
    ("4", b"<html>", MalformedStatusLine),
    ("2.3", b"HTTP/2.0 200 OK\r\n\r\n", UnsupportedVersion),
    ("2.3", b"HTTP/0.9 200 OK\r\n\r\n", UnsupportedVersion),
    ("4", b"HTTP/1.1 20 OK\r\n\r\n", InvalidStatus),
    ("4", b"HTTP/1.1 2000 OK\r\n\r\n", InvalidStatus),
    ("4", b"HTTP/1.1 099 OK\r\n\r\n", InvalidStatus),
    ("4", b"HTTP/1.1 +20 OK\r\n\r\n", InvalidStatus),
    ("4", b"HTTP/1.1 200\tOK\r\n\r\n", InvalidStatus),
    ("4", b"HTTP/1.1 200 O\0K\r\n\r\n", InvalidReason),
    ("4", b"HTTP/1.1 200 O\x1bK\r\n\r\n", InvalidReason),
    ("2.2", b"HTTP/1.1 200 OK\n\r\n", BareLf),
    ("2.2", b"HTTP/1.1 200 OK\r\nX: y\n\r\n", BareLf),
    ("2.2", b"HTTP/1.1 200 O\rK\r\n\r\n", BareCr),
    ("2.2", b"HTTP/1.1 200 OK\r\n\rX: y\r\n\r\n", BareCr),
    ("5.2", b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", ObsFold),
    ("5.1", b"HTTP/1.1 200 OK\r\nX : y\r\n\r\n", SpaceBeforeColon),
    ("2.2", b"HTTP/1.1 200 OK\r\n X: y\r\n\r\n", SpaceBeforeFields),
    ("5", b"HTTP/1.1 200 OK\r\n: y\r\n\r\n", EmptyFieldName),
    ("5", b"HTTP/1.1 200 OK\r\nX\r\n\r\n", MissingColon),
    ("5.5", b"HTTP/1.1 200 OK\r\nX: \0\r\n\r\n", InvalidFieldValue),
    ("6.1", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", ConflictingLength),
    ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", DuplicateContentLength),
    ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", ListContentLength),
    ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n", MalformedContentLength),
    ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", MalformedContentLength),
    ("6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\n", ContentLengthOverflow),
    ("6.3", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", UnknownTransferCoding),
    ("6.3", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", ChunkedNotLast),
    ("6.1", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncodingInHttp10),
    ("6.1", b"HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n", BodyNotAllowed),
    ("6.1", b"HTTP/1.1 103 Hints\r\nTransfer-Encoding: chunked\r\n\r\n", BodyNotAllowed),
    ("9110 8.6", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
    ("9110 8.6", b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
    ("9110 7.8", b"HTTP/1.1 101 Switching\r\n\r\n", InvalidUpgrade),
    ("9110 7.8", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", InvalidUpgrade),
    ("9110 7.8", b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\n\r\n", InvalidUpgrade),
    ("9110 7.8", b"HTTP/1.0 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", InvalidUpgrade),
    ("9110 7.6.1", b"HTTP/1.1 200 OK\r\nConnection: a b\r\n\r\n", InvalidConnection),
    // More of each.
    ("4", b"HTTP/1.1 200 OK\nA: b\r\n\r\n", BareLf),
    ("4", b"HTTP/1.1 200 OK\rA: b\r\n\r\n", BareCr),
    ("4", b"HTTP/1.1 200\n\r\n", BareLf),
    ("4", b"HTTP/1.1 200 O\x7fK\r\n\r\n", InvalidReason),
    ("4", b"HTTP/1.1 099 X\r\n\r\n", InvalidStatus),
    ("4", b"HTTP/1.1 000 X\r\n\r\n", InvalidStatus),
    ("4", b"HTTP/1.1 +20 X\r\n\r\n", InvalidStatus),
    ("4", b" HTTP/1.1 200 OK\r\n\r\n", MalformedStatusLine),
    ("5", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", SpaceBeforeColon),
    ("5", b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n", SpaceBeforeFields),
    ("5", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", ObsFold),
    ("5", b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", BareLf),
    ("5", b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", EmptyFieldName),
    ("5", b"HTTP/1.1 200 OK\r\nA\r\n\r\n", MissingColon),
    ("5", b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", InvalidFieldValue),
    ("5", b"HTTP/1.1 200 OK\r\nA: b\r\n\n", BareLf),
    ("5", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", DuplicateContentLength),
    ("5", b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", ListContentLength),
    ("5", b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", MalformedContentLength),
    ("5", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", ConflictingLength),
    ("5", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", UnknownTransferCoding),
    ("5", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", RepeatedTransferEncoding),
    ("6.1", b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", BodyNotAllowed),
    ("6.1", b"HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
    ("6.1", b"HTTP/1.1 100 X\r\nTransfer-Encoding: chunked\r\n\r\n", BodyNotAllowed),
    ("6.1", b"HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
    ("6.1", b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
    ("9110 15.2.2", b"HTTP/1.1 101 X\r\n\r\n", InvalidUpgrade),
    ("9110 15.2.2", b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n", InvalidUpgrade),
    ("9110 15.2.2", b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n", InvalidUpgrade),
    ("9110 15.2.2", b"HTTP/1.0 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", InvalidUpgrade),
];

/// The method is written before a bar; then status, reason in quotes, framing, and 1.0, ka, up, conn.
pub const ACCEPTED: &[Accepted] = &[
    ("4", b"GET|HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 \"OK\" Length(5) ka"),
    ("4", b"GET|HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 \"\" Length(0) ka"),
    ("4", b"GET|HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 \"\" Length(0) ka"),
    ("4", b"GET|HTTP/1.1 200  a\tb \r\nContent-Length: 0\r\n\r\n", "200 \" a\\tb \" Length(0) ka"),
    ("4", b"GET|HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", "999 \"Odd\" Length(0) ka"),
    ("6.3", b"GET|HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 \"OK\" Chunked ka"),
    ("6.3", b"GET|HTTP/1.1 200 OK\r\n\r\n", "200 \"OK\" UntilClose"),
    ("6.3", b"GET|HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n", "200 \"OK\" UntilClose conn"),
    ("6.3", b"GET|HTTP/1.0 200 OK\r\n\r\n", "200 \"OK\" UntilClose 1.0"),
    ("6.3", b"HEAD|HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 \"OK\" None ka"),
    ("6.3", b"HEAD|HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 \"OK\" None ka"),
    ("6.3", b"HEAD|HTTP/1.1 200 OK\r\n\r\n", "200 \"OK\" None ka"),
    ("9110 9.1", b"head|HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 \"OK\" Length(5) ka"),
    ("6.3", b"GET|HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", "304 \"No\" None ka"),
    ("6.3", b"GET|HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", "304 \"No\" None ka"),
    ("6.3", b"GET|HTTP/1.1 204 No\r\n\r\n", "204 \"No\" None ka"),
    ("9110 8.6", b"GET|HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n", "204 \"No\" None ka"),
    ("6.3", b"POST|HTTP/1.1 100 Continue\r\n\r\n", "100 \"Continue\" None ka"),
    ("6.3", b"GET|HTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\n", "103 \"Hints\" None ka"),
    ("9110 15.3.6", b"GET|HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", "205 \"Reset\" Length(0) ka"),
    ("9110 7.8", b"GET|HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "101 \"S\" None up conn"),
    ("9110 9.3.6", b"CONNECT|HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 \"OK\" None up"),
    ("9110 9.3.6", b"CONNECT|HTTP/1.1 299 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "299 \"OK\" None up"),
    ("9110 9.3.6", b"CONNECT|HTTP/1.1 407 Auth\r\nContent-Length: 5\r\n\r\n", "407 \"Auth\" Length(5) ka"),
    ("9.3", b"GET|HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "200 \"OK\" Length(0) conn"),
    ("9.3", b"GET|HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200 \"OK\" Length(0) 1.0"),
    (
        "9.3",
        b"GET|HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
        "200 \"OK\" Length(0) 1.0 ka conn",
    ),
    (
        "9110 7.8",
        b"GET|HTTP/1.1 426 Up\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n",
        "426 \"Up\" Length(0) ka conn",
    ),
];

/// Method and head of a row of [`ACCEPTED`].
pub fn split(row: &[u8]) -> (&[u8], &[u8]) {
    let bar = row.iter().position(|&byte| byte == b'|').unwrap();
    (&row[..bar], &row[bar + 1..])
}

fn read(method: &[u8], input: &[u8], limits: &Limits) -> Result<String, Fault> {
    let mut head = ResponseHead::default();
    if parse_response(input, limits, method, &mut head)? == Parsed::Partial {
        return Ok("partial".into());
    }
    let mut facts = format!("{} {:?} {:?}", head.status, text(head.reason.of(input)), head.framing);
    let flags = [
        (head.version == Version::Http10, " 1.0"),
        (head.keep_alive, " ka"),
        (head.upgrade && head.status != 426, " up"),
        (head.connection_options, " conn"),
    ];
    facts.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag));
    Ok(facts)
}

fn outcome(input: &[u8], method: &str) -> Result<ResponseHead, Fault> {
    properties::response_head(input);
    let mut head = ResponseHead::default();
    match parse_response(input, &Limits::default(), method.as_bytes(), &mut head)? {
        Parsed::Complete => Ok(head),
        Parsed::Partial => panic!("partial: {}", input.escape_ascii()),
    }
}

fn parsed(input: &[u8], method: &str) -> ResponseHead {
    outcome(input, method).unwrap()
}

#[test]
fn refused_with_the_fault_that_names_the_cause() {
    let limits = Limits::default();
    check(REFUSED.iter().map(|&(section, input, fault)| (section, input, read(b"GET", input, &limits), Err(fault))));
}

#[test]
fn accepted_with_the_facts() {
    let limits = Limits::default();
    check(ACCEPTED.iter().map(|&(section, row, facts)| {
        let (method, input) = split(row);
        (section, row, read(method, input, &limits), Ok(facts.to_owned()))
    }));
}

#[test]
fn broken_framing_is_refused_even_where_there_is_no_body() {
    for head in ["HTTP/1.1 200 OK", "HTTP/1.1 304 Not Modified", "HTTP/1.1 204 No Content"] {
        let input = format!("{head}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
        let outcome = read(b"HEAD", input.as_bytes(), &Limits::default());
        assert_eq!(outcome, Err(ConflictingLength), "{}", show(input.as_bytes()));
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = Limits { request_line: 15, head: 40, fields: 2 };
    let outcome = |input: &str| read(b"HEAD", input.as_bytes(), &limits).map(drop);
    assert_eq!(outcome("HTTP/1.1 200 OK\r\n\r\n"), Ok(()));
    assert_eq!(outcome("HTTP/1.1 200 OK!\r\n\r\n"), Err(StatusLineTooLong));
    assert_eq!(outcome("HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyy\r\n\r\n"), Ok(()), "40 bytes");
    assert_eq!(outcome("HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyy\r\n\r\n"), Err(HeadTooLarge));
    assert_eq!(outcome("HTTP/1.1 200 OK\r\na:\r\nb:\r\nc:\r\n\r\n"), Err(TooManyFields));
}

#[test]
fn every_row_keeps_what_is_promised_for_all_bytes() {
    REFUSED
        .iter()
        .map(|row| row.1)
        .chain(ACCEPTED.iter().map(|row| split(row.1).1))
        .for_each(properties::response_head);
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
    assert_eq!(parsed(b"HTTP/1.1 200\r\n\r\n", "GET").reason.len(), 0);
    assert_eq!(parsed(b"HTTP/1.1 200 \r\n\r\n", "GET").reason.len(), 0);
    assert_eq!(parsed(b"HTTP/1.1 999 caf\xe9\ta\r\n\r\n", "GET").status, 999);
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
fn rfc9110_15_2_2_switching_protocols() {
    let head = parsed(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00", "GET");
    assert!(head.upgrade && !head.keep_alive && head.framing == Framing::None);
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
        ("HTTP/1.1 200 01234567890", Err(StatusLineTooLong)),
        ("HTTP/1.1 200 0123456\r\n", Ok(Parsed::Partial)),
        ("HTTP/1.1 200 0123456\r\nA:\r\nB:\r\n\r\n", Ok(Parsed::Complete)),
        ("HTTP/1.1 200 0123456\r\nA:\r\nB:\r\nC:", Err(TooManyFields)),
        ("HTTP/1.1 200\r\nA: 01234567890123456789012345678901234567890123456789", Err(HeadTooLarge)),
    ] {
        assert_eq!(parse_response(input.as_bytes(), &limits, b"GET", &mut head), outcome, "{input}");
    }
}
