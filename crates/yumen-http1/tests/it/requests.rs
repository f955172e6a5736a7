//! Request heads.

use yumen_http1::{Fault, Fault::*, Limits, Parsed, RequestHead, Version, parse_request};

use crate::{Accepted, Refused, check, text};

/// A request with one field line more.
macro_rules! with {
    ($line:literal) => {
        concat!("POST / HTTP/1.1\r\nHost: a\r\n", $line, "\r\n\r\n").as_bytes()
    };
}

/// A request with one Host line.
macro_rules! host {
    ($host:literal) => {
        concat!("GET / HTTP/1.1\r\nHost: ", $host, "\r\n\r\n").as_bytes()
    };
}

pub const REFUSED: &[Refused] = &[
    // Framing.
    ("6.1", with!("Content-Length: 5\r\nTransfer-Encoding: chunked"), ConflictingLength),
    ("6.1", with!("Transfer-Encoding: chunked\r\nContent-Length: 5"), ConflictingLength),
    ("6.1", with!("Transfer-Encoding: chunked\r\nContent-Length: 0"), ConflictingLength),
    ("6.3", with!("Content-Length: 5\r\nContent-Length: 5"), DuplicateContentLength),
    ("6.3", with!("Content-Length: 5\r\ncontent-length: 6"), DuplicateContentLength),
    ("6.3", with!("Content-Length: 1,1"), ListContentLength),
    ("6.3", with!("Content-Length: 1, 2"), ListContentLength),
    ("9110 8.6", with!("Content-Length: +50"), MalformedContentLength),
    ("9110 8.6", with!("Content-Length: -1"), MalformedContentLength),
    ("9110 8.6", with!("Content-Length:  5x"), MalformedContentLength),
    ("9110 8.6", with!("Content-Length: 5 5"), MalformedContentLength),
    ("9110 8.6", with!("Content-Length: 0x5"), MalformedContentLength),
    ("9110 8.6", with!("Content-Length: 5.0"), MalformedContentLength),
    ("9110 8.6", with!("Content-Length: 1_000"), MalformedContentLength),
    ("9110 8.6", with!("Content-Length: \u{ff15}"), MalformedContentLength),
    ("9110 8.6", with!("Content-Length:"), MalformedContentLength),
    ("9110 8.6", with!("Content-Length: \t "), MalformedContentLength),
    ("9110 8.6", with!("Content-Length: 9223372036854775808"), ContentLengthOverflow),
    ("9110 8.6", with!("Content-Length: 18446744073709551621"), ContentLengthOverflow),
    ("6.1", with!("Transfer-Encoding:"), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: ,"), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: ,chunked"), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: chunked,"), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: xchunked"), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: chunked-x"), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: chunked;q=1"), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: \"chunked\""), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: chun ked"), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: chunked foo"), MalformedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: chunked\u{a0}"), MalformedTransferEncoding),
    ("5.5", with!("Transfer-Encoding: \x0bchunked"), InvalidFieldValue),
    ("5.5", with!("Transfer-Encoding: chunked\0"), InvalidFieldValue),
    ("6.1", with!("Transfer-Encoding: identity"), UnknownTransferCoding),
    ("6.1", with!("Transfer-Encoding: gzip"), UnknownTransferCoding),
    ("6.1", with!("Transfer-Encoding: gzip, chunked"), UnknownTransferCoding),
    ("6.1", with!("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"), UnknownTransferCoding),
    ("6.3", with!("Transfer-Encoding: chunked, gzip"), ChunkedNotLast),
    ("6.3", with!("Transfer-Encoding: chunked, identity"), ChunkedNotLast),
    ("6.1", with!("Transfer-Encoding: chunked, chunked"), RepeatedTransferEncoding),
    ("6.1", with!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), RepeatedTransferEncoding),
    ("6.1", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncodingInHttp10),
    ("6.1", b"POST / HTTP/1.0\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncodingInHttp10),
    // Line ends.
    ("2.2", b"GET / HTTP/1.1\nHost: a\r\n\r\n", BareLf),
    ("2.2", b"GET / HTTP/1.1\r\nHost: a\n\r\n", BareLf),
    ("2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\n", BareLf),
    ("2.2", b"\nGET / HTTP/1.1\r\n\r\n", BareLf),
    ("2.2", b"GET /\n", BareLf),
    ("2.2", b"GET / HTTP/1.1\rHost: a\r\n\r\n", BareCr),
    ("2.2", with!("X: a\rb"), BareCr),
    ("2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", BareCr),
    ("2.2", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", BareCr),
    ("2.2", b"\rGET / HTTP/1.1\r\n\r\n", BareCr),
    ("2.2", with!("X\ry: z"), BareCr),
    ("2.2", with!("X\ny: z"), BareLf),
    ("2.2", b"\r\n\r\n\r\nGET / HTTP/1.1\r\n", LeadingEmptyLines),
    // Request line.
    ("3", b" GET / HTTP/1.1\r\n", RequestLineSpacing),
    ("3", b"GET  / HTTP/1.1\r\n", RequestLineSpacing),
    ("3", b"GET\t/ HTTP/1.1\r\n", RequestLineSpacing),
    ("3", b"GET /\tHTTP/1.1\r\n", RequestLineSpacing),
    ("3", b"GET /  HTTP/1.1\r\n", RequestLineSpacing),
    ("3", b"GET / HTTP/1.1 \r\n", RequestLineSpacing),
    ("3", b"GET / HTTP/1.1 HTTP/1.0\r\n", RequestLineSpacing),
    ("3", b"GET /a b HTTP/1.1\r\n", MalformedVersion),
    ("3.1", b"G(T / HTTP/1.1\r\n", InvalidMethod),
    ("3.1", b"G\0T / HTTP/1.1\r\n", InvalidMethod),
    ("3.1", b"G\xc3\xa9T / HTTP/1.1\r\n", InvalidMethod),
    ("3.1", b":GET / HTTP/1.1\r\n", InvalidMethod),
    ("3", b"GET\r\n\r\n", InvalidMethod),
    ("2.3", b"\x16\x03\x01\x02\x00", InvalidMethod),
    ("2.3", b"GET /\r\n", Http09),
    ("2.3", b"GET / \r\n", MalformedVersion),
    ("2.3", b"GET / http/1.1\r\n", MalformedVersion),
    ("2.3", b"GET / HTTP/1\r\n", MalformedVersion),
    ("2.3", b"GET / HTTP/1.1x\r\n", MalformedVersion),
    ("2.3", b"GET / HTTP/1.10\r\n", MalformedVersion),
    ("2.3", b"GET / HTTP/01.1\r\n", MalformedVersion),
    ("2.3", b"GET / HTTP/1,1\r\n", MalformedVersion),
    ("2.3", b"GET / HTTPS/1.1\r\n", MalformedVersion),
    ("2.3", b"GET / ICY/1.1\r\n", MalformedVersion),
    ("2.3", b"GET / HTTP/1.2\r\n", UnsupportedVersion),
    ("2.3", b"GET / HTTP/0.9\r\n", UnsupportedVersion),
    ("2.3", b"GET / HTTP/3.0\r\n", UnsupportedVersion),
    ("9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", UnsupportedVersion),
    // Target.
    ("3.2", b"GET /\0 HTTP/1.1\r\n", InvalidTargetByte),
    ("3.2", b"GET /\x7f HTTP/1.1\r\n", InvalidTargetByte),
    ("3.2", b"GET /\xc3\xa9 HTTP/1.1\r\n", InvalidTargetByte),
    ("9110 4.2.5", b"GET /a#b HTTP/1.1\r\n", FragmentInTarget),
    ("3.2", b"GET /a\\b HTTP/1.1\r\n", BackslashInPath),
    ("3.2", b"GET \\a HTTP/1.1\r\n", BackslashInPath),
    ("3.2", b"GET http://a\\@b/ HTTP/1.1\r\n", BackslashInPath),
    ("3.2.1", b"GET a HTTP/1.1\r\n", InvalidTargetForm),
    ("3.2.1", b"GET ?a HTTP/1.1\r\n", InvalidTargetForm),
    ("3.2.2", b"GET http:/a HTTP/1.1\r\n", InvalidTargetForm),
    ("3.2.2", b"GET ://a HTTP/1.1\r\n", InvalidTargetForm),
    ("3.2.2", b"GET ht/tp://a HTTP/1.1\r\n", InvalidTargetForm),
    ("3.2.2", b"GET http://a?q HTTP/1.1\r\n", InvalidTargetForm),
    ("3.2.2", b"GET ftp://a/ HTTP/1.1\r\n", UnsupportedScheme),
    ("3.2.2", b"GET file:///etc HTTP/1.1\r\n", UnsupportedScheme),
    ("9110 4.2.4", b"GET http://u@a/ HTTP/1.1\r\n", UserinfoInTarget),
    ("9110 4.2.4", b"CONNECT u@a:80 HTTP/1.1\r\n", UserinfoInTarget),
    ("9110 4.2.1", b"GET http:///a HTTP/1.1\r\n", InvalidAuthority),
    ("9110 4.2.1", b"GET http://:80/ HTTP/1.1\r\n", InvalidAuthority),
    ("9110 4.2.1", b"GET http://a:b/ HTTP/1.1\r\n", InvalidAuthority),
    ("3.2.3", b"GET a:80 HTTP/1.1\r\n", InvalidTargetForm),
    ("3.2.3", b"connect a:80 HTTP/1.1\r\n", InvalidTargetForm),
    ("3.2.3", b"CONNECT a HTTP/1.1\r\n", ConnectTarget),
    ("3.2.3", b"CONNECT a: HTTP/1.1\r\n", ConnectTarget),
    ("3.2.3", b"CONNECT / HTTP/1.1\r\n", ConnectTarget),
    ("3.2.3", b"CONNECT http://a:80/ HTTP/1.1\r\n", ConnectTarget),
    ("3.2.3", b"CONNECT * HTTP/1.1\r\n", ConnectTarget),
    ("3.2.4", b"GET * HTTP/1.1\r\n", AsteriskWithoutOptions),
    ("3.2.4", b"OPTIONS ** HTTP/1.1\r\n", InvalidTargetForm),
    ("9110 9.3.6", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 1\r\n\r\n", ConnectWithBody),
    ("9110 9.3.6", b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\n\r\n", ConnectWithBody),
    // Host.
    ("3.2", b"GET / HTTP/1.1\r\n\r\n", MissingHost),
    ("3.2", b"GET http://a/ HTTP/1.1\r\n\r\n", MissingHost),
    ("3.2", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", DuplicateHost),
    ("3.2", b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", DuplicateHost),
    ("3.2", host!(""), InvalidHost),
    ("3.2", host!("a b"), InvalidHost),
    ("3.2", host!("a,b"), InvalidHost),
    ("3.2", host!("a/b"), InvalidHost),
    ("3.2", host!("u@a"), InvalidHost),
    ("3.2", host!("a:b"), InvalidHost),
    ("3.2", host!("a:"), InvalidHost),
    ("3.2", host!(":80"), InvalidHost),
    ("3.2", host!("a:80:80"), InvalidHost),
    ("3.2", host!("a:65536"), InvalidHost),
    ("3.2", host!("a:+80"), InvalidHost),
    ("3.2", host!("a:080000"), InvalidHost),
    ("3.2", host!("a..b"), InvalidHost),
    ("3.2", host!(".a"), InvalidHost),
    ("3.2", host!("a%00b"), InvalidHost),
    ("3.2", host!("a#b"), InvalidHost),
    ("3.2", host!("a\\b"), InvalidHost),
    ("3.2", host!("\u{e9}"), InvalidHost),
    ("3.2", host!("::1"), InvalidHost),
    ("3.2", host!("[::1"), InvalidHost),
    ("3.2", host!("[::1]x"), InvalidHost),
    ("3.2", host!("[]"), InvalidHost),
    ("3.2", host!("[fe80::1%25eth0]"), InvalidHost),
    ("3.2", host!("[127.0.0.1]"), InvalidHost),
    ("3.2.2", b"GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", HostMismatch),
    ("3.2.2", b"GET http://a/ HTTP/1.1\r\nHost: a:81\r\n\r\n", HostMismatch),
    ("3.2.2", b"GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", HostMismatch),
    ("3.2.3", b"CONNECT a:443 HTTP/1.1\r\nHost: a:80\r\n\r\n", HostMismatch),
    // Field lines.
    ("2.2", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", SpaceBeforeFields),
    ("2.2", b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", SpaceBeforeFields),
    ("5.2", with!("X: a\r\n b"), ObsFold),
    ("5.2", with!("X: a\r\n\tb"), ObsFold),
    ("5.2", with!("X: a\r\n "), ObsFold),
    ("5.2", with!("Expect: 100-\r\n continue"), ObsFold),
    ("5.1", with!("Content-Length : 5"), SpaceBeforeColon),
    ("5.1", with!("Transfer-Encoding\t: chunked"), SpaceBeforeColon),
    ("5", with!(": x"), EmptyFieldName),
    ("5", with!(":"), EmptyFieldName),
    ("5", with!("X"), MissingColon),
    ("9110 5.1", with!("X y: z"), SpaceBeforeColon),
    ("9110 5.1", with!("X(y: z"), InvalidFieldName),
    ("9110 5.1", with!("X\0: z"), InvalidFieldName),
    ("9110 5.1", with!("\u{e9}: z"), InvalidFieldName),
    ("9110 5.1", with!("X\x0b: z"), InvalidFieldName),
    ("9110 5.5", with!("X: a\0b"), InvalidFieldValue),
    ("9110 5.5", with!("X: a\x0cb"), InvalidFieldValue),
    ("9110 5.5", with!("X: a\x1bb"), InvalidFieldValue),
    ("9110 5.5", with!("X: a\x7fb"), InvalidFieldValue),
    // Connection and Expect.
    ("9110 7.6.1", with!("Connection: close, a b"), InvalidConnection),
    ("9110 7.6.1", with!("Connection: \"close\""), InvalidConnection),
    ("9110 10.1.1", with!("Expect: 200-ok"), UnknownExpectation),
    ("9110 10.1.1", with!("Expect: 100-continue, x"), UnknownExpectation),
    ("9110 10.1.1", with!("Expect:"), UnknownExpectation),
    ("9110 10.1.1", with!("Expect: ,"), UnknownExpectation),
];

/// Method, path, form, framing, host, then: 1.0, ka (connection persists), 100, up, conn.
pub const ACCEPTED: &[Accepted] = &[
    ("3", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / Origin None a ka"),
    ("3", b"GET /a?b HTTP/1.1\r\nhOST:a\r\n\r\nrest", "GET /a?b Origin None a ka"),
    ("3.1", b"M-SEARCH! /a HTTP/1.1\r\nHost: a\r\n\r\n", "M-SEARCH! /a Origin None a ka"),
    ("2.2", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / Origin None a ka"),
    ("2.2", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / Origin None a ka"),
    ("3.2.1", b"GET //a/../%2e?\\|^ HTTP/1.1\r\nHost: a\r\n\r\n", "GET //a/../%2e?\\|^ Origin None a ka"),
    ("3.2.1", b"GET /http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET /http://b/ Origin None a ka"),
    ("3.2.2", b"GET http://a/b?c HTTP/1.1\r\nHost: a\r\n\r\n", "GET /b?c Absolute None a ka"),
    ("3.2.2", b"GET HTTP://A:80/ HTTP/1.1\r\nHost: a\r\n\r\n", "GET / Absolute None A:80 ka"),
    ("3.2.2", b"GET https://a HTTP/1.1\r\nHost: a:443\r\n\r\n", "GET  Absolute None a ka"),
    ("3.2.2", b"OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS  Absolute None a ka"),
    ("3.2.2", b"GET http://[::1]:8080/ HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "GET / Absolute None [::1]:8080 ka"),
    ("3.2.3", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT  Authority None a:443 ka"),
    ("3.2.3", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT  Authority None a:443 ka"),
    (
        "3.2.3",
        b"CONNECT [::1]:1 HTTP/1.1\r\nHost: [::1]:1\r\nContent-Length: 0\r\n\r\n",
        "CONNECT  Authority Length(0) [::1]:1 ka",
    ),
    ("3.2.4", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * Asterisk None a ka"),
    ("3.2", host!("example.com:8080"), "GET / Origin None example.com:8080 ka"),
    ("3.2", host!("a_b.example."), "GET / Origin None a_b.example. ka"),
    ("3.2", host!("127.0.0.1:0"), "GET / Origin None 127.0.0.1:0 ka"),
    ("3.2", host!("[2001:db8::1]"), "GET / Origin None [2001:db8::1] ka"),
    ("3.2", b"GET / HTTP/1.0\r\n\r\n", "GET / Origin None - 1.0"),
    ("3.2.2", b"GET http://a/ HTTP/1.0\r\n\r\n", "GET / Absolute None a 1.0"),
    ("9.3", b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET / Origin None - 1.0 ka conn"),
    ("9.3", b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", "GET / Origin None - 1.0 conn"),
    ("9.3", with!("Connection: close"), "POST / Origin None a conn"),
    ("9.3", with!("Connection: x, ,CLOSE"), "POST / Origin None a conn"),
    ("9.3", with!("Connection: x\r\nConnection: close"), "POST / Origin None a conn"),
    ("9.3", with!("Connection: keep-alive"), "POST / Origin None a ka conn"),
    ("9.3", with!("Connection: closed"), "POST / Origin None a ka conn"),
    ("9.3", with!("Connection:"), "POST / Origin None a ka conn"),
    ("9.3", with!("Proxy-Connection: close"), "POST / Origin None a ka"),
    ("6.2", with!("Content-Length: 0"), "POST / Origin Length(0) a ka"),
    ("6.2", with!("Content-Length:\t 5 \t"), "POST / Origin Length(5) a ka"),
    ("6.2", with!("Content-Length: 9223372036854775807"), "POST / Origin Length(9223372036854775807) a ka"),
    ("6.2", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "GET / Origin Length(3) a ka"),
    ("6.1", with!("Transfer-Encoding: chunked"), "POST / Origin Chunked a ka"),
    ("6.1", with!("tRANSFER-eNCODING:CHUNKED"), "POST / Origin Chunked a ka"),
    ("6.1", with!("Transfer-Encodin: x\r\nTransfer_Encoding: x"), "POST / Origin None a ka"),
    ("9110 10.1.1", with!("Expect: 100-Continue"), "POST / Origin None a ka 100"),
    ("9110 10.1.1", b"POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n", "POST / Origin None - 1.0"),
    ("9110 7.8", with!("Connection: Upgrade\r\nUpgrade: websocket"), "POST / Origin None a ka up conn"),
    ("9110 7.8", with!("Upgrade: websocket"), "POST / Origin None a ka"),
    ("9110 7.8", with!("Connection: upgrade"), "POST / Origin None a ka conn"),
    ("9110 7.8", b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "GET / Origin None - 1.0 conn"),
    ("5.5", with!("X:"), "POST / Origin None a ka"),
    ("5.5", b"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\tb\r\n\r\n", "GET / Origin None a ka"),
    ("5", with!("!#$%&'*+-.^_`|~09azAZ: x"), "POST / Origin None a ka"),
];

fn read(input: &[u8], limits: &Limits) -> Result<String, Fault> {
    let mut head = RequestHead::default();
    if parse_request(input, limits, &mut head)? == Parsed::Partial {
        return Ok("partial".into());
    }
    let host = head.host.map_or("-".into(), |host| text(host.of(input)));
    let (method, path) = (text(head.method.of(input)), text(head.path.of(input)));
    let mut facts = format!("{method} {path} {:?} {:?} {host}", head.target_form, head.framing);
    let flags = [
        (head.version == Version::Http10, " 1.0"),
        (head.keep_alive, " ka"),
        (head.expect_continue, " 100"),
        (head.upgrade, " up"),
        (head.connection_options, " conn"),
    ];
    facts.extend(flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag));
    Ok(facts)
}

#[test]
fn refused_with_the_fault_that_names_the_cause() {
    let limits = Limits::default();
    check(REFUSED.iter().map(|&(section, input, fault)| (section, input, read(input, &limits), Err(fault))));
}

#[test]
fn accepted_with_the_facts() {
    let limits = Limits::default();
    check(ACCEPTED.iter().map(|&(section, input, facts)| (section, input, read(input, &limits), Ok(facts.to_owned()))));
}

#[test]
fn limits_hold_to_the_byte() {
    let limits = Limits { request_line: 14, head: 40, fields: 2 };
    let outcome = |input: &str| read(input.as_bytes(), &limits).map(drop).map_err(|fault| (fault, fault.status()));
    // Sections 3 and 5.4: a line of exactly the limit passes, one more is 414.
    assert_eq!(outcome("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(()));
    assert_eq!(outcome("GET /a HTTP/1.1\r\nHost: a\r\n\r\n"), Err((RequestLineTooLong, 414)));
    assert_eq!(outcome("GET /aaaaaaaaaaaaaaaaaaaa"), Err((RequestLineTooLong, 414)), "before the line has ended");
    assert_eq!(outcome("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(()), "empty lines are no part of the line");
    let padded = |len: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(len));
    assert_eq!((padded(8).len(), outcome(&padded(8))), (40, Ok(())));
    assert_eq!(outcome(&padded(9)), Err((HeadTooLarge, 431)));
    assert_eq!(
        outcome("GET / HTTP/1.1\r\nHost: a\r\nX: xxxxxxxxxxxxxxxxxxxxx"),
        Err((HeadTooLarge, 431)),
        "unfinished"
    );
    assert_eq!(outcome("GET / HTTP/1.1\r\nHost: a\r\na:\r\nb:\r\n\r\n"), Err((TooManyFields, 431)));
}

#[test]
fn fields_keep_order_case_and_inner_space() {
    let input = b"GET / HTTP/1.1\r\nHost: a\r\nX-b:  1 \t2 \t\r\nx-B:\r\nCookie: c=d\r\n\r\n";
    let mut head = RequestHead::default();
    assert_eq!(parse_request(input, &Limits::default(), &mut head), Ok(Parsed::Complete));
    let fields: Vec<_> = head.fields.iter().map(|f| (text(f.name.of(input)), text(f.value.of(input)))).collect();
    let wanted = [("Host", "a"), ("X-b", "1 \t2"), ("x-B", ""), ("Cookie", "c=d")];
    assert_eq!(fields, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(head.len, input.len());
}

#[test]
fn a_head_is_not_coloured_by_the_one_before() {
    let mut head = RequestHead::default();
    let all = b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    assert_eq!(parse_request(all, &Limits::default(), &mut head), Ok(Parsed::Complete));
    let plain = b"GET / HTTP/1.0\r\n\r\n";
    assert_eq!(parse_request(plain, &Limits::default(), &mut head), Ok(Parsed::Complete));
    let mut fresh = RequestHead::default();
    assert_eq!(parse_request(plain, &Limits::default(), &mut fresh), Ok(Parsed::Complete));
    assert_eq!(head, fresh);
}

#[test]
fn every_control_byte_is_refused_wherever_it_stands() {
    for byte in (0..=0x1f).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte)) {
        for (before, after) in [
            ("GE", "T / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("GET /", " HTTP/1.1\r\nHost: a\r\n\r\n"),
            ("GET / HTTP/1.1", "\r\nHost: a\r\n\r\n"),
            ("GET / HTTP/1.1\r\n", "Host: a\r\n\r\n"),
            ("GET / HTTP/1.1\r\nHost", ": a\r\n\r\n"),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: 1234567", "89abcdefghijk\r\n\r\n"),
            ("GET / HTTP/1.1\r\nHost: a", "\r\n\r\n"),
        ] {
            let input = [before.as_bytes(), &[byte], after.as_bytes()].concat();
            let outcome = read(&input, &Limits::default());
            assert!(outcome.is_err(), "{byte:#x} in {before:?}: {outcome:?}");
        }
    }
}

#[test]
fn reason_codes_are_unique_and_statuses_are_errors() {
    let mut seen = std::collections::BTreeSet::new();
    for fault in Fault::ALL {
        assert!(seen.insert(fault.reason()), "{} twice", fault.reason());
        assert!(fault.reason().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
        assert!(matches!(fault.status(), 400 | 414 | 417 | 431 | 501 | 505));
    }
}
