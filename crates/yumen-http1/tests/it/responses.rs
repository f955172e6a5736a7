//! Response heads. Rows begin with the method of the request, which has a say in the framing.

use yumen_http1::{Fault, Fault::*, Limits, Parsed, ResponseHead, Version, parse_response};

use crate::{Accepted, Refused, check, show, text};

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
