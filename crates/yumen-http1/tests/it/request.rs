use yumen_http1::{Fault, Framing, Limits, Parsed, RequestHead, TargetForm, Version, parse_request};

use crate::fuzz;

fn parsed(input: &[u8]) -> RequestHead {
    fuzz::request_head(input);
    let mut head = RequestHead::default();
    let outcome = parse_request(input, &Limits::default(), &mut head);
    assert_eq!(outcome, Ok(Parsed::Complete), "{}", input.escape_ascii());
    head
}

fn refused(input: &[u8], fault: Fault) {
    fuzz::request_head(input);
    let outcome = parse_request(input, &Limits::default(), &mut RequestHead::default());
    assert_eq!(outcome, Err(fault), "{}", input.escape_ascii());
}

/// Heads of which only the request line is of interest.
fn lines_refused(cases: &[(&str, Fault)]) {
    for (line, fault) in cases {
        refused(format!("{line}\r\nHost: a\r\n\r\n").as_bytes(), *fault);
    }
}

/// Heads of which only one place among the fields is of interest.
fn fields_refused(cases: &[(&[u8], Fault)]) {
    for (fields, fault) in cases {
        refused(&[b"POST / HTTP/1.1\r\nHost: a\r\n", *fields, b"\r\n\r\n"].concat(), *fault);
    }
}

fn with_fields(fields: &str) -> RequestHead {
    parsed(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
}

#[test]
fn plain_request_comes_out_in_order_and_case() {
    let input =
        b"GET /a?b=c HTTP/1.1\r\nhOST: Example.com:8080\r\nAccept:*/*\r\nX-Empty:\r\nX-Padded: \t x y \t\r\n\r\nrest";
    let head = parsed(input);
    assert_eq!(head.method.of(input), b"GET");
    assert_eq!(head.target.of(input), b"/a?b=c");
    assert_eq!(head.path, head.target);
    assert_eq!((head.version, head.target_form), (Version::Http11, TargetForm::Origin));
    let fields: Vec<_> = head.fields.iter().map(|f| (f.name.of(input), f.value.of(input))).collect();
    let expected: [(&[u8], &[u8]); 4] =
        [(b"hOST", b"Example.com:8080"), (b"Accept", b"*/*"), (b"X-Empty", b""), (b"X-Padded", b"x y")];
    assert_eq!(fields, expected);
    assert_eq!(head.host.unwrap().of(input), b"Example.com:8080");
    assert_eq!(head.len, input.len() - 4);
    assert!(head.keep_alive && !head.upgrade && !head.connection_options && !head.expect_continue);
    assert_eq!(head.framing, Framing::None);
}

#[test]
fn clear_keeps_the_capacity_and_nothing_else() {
    let mut head = parsed(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n");
    let capacity = head.fields.capacity();
    head.clear();
    assert_eq!(head, RequestHead::default());
    assert_eq!(head.fields.capacity(), capacity);
}

#[test]
fn rfc9112_2_2_up_to_two_empty_lines_are_stepped_over() {
    assert_eq!(parsed(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").method.start, 2);
    assert_eq!(parsed(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").len, 31);
    refused(b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::LeadingEmptyLines);
    refused(b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::BareLf);
    refused(b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::BareCr);
    refused(b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::RequestLineSpacing);
}

#[test]
fn rfc9112_2_2_line_ends_are_crlf_and_nothing_else() {
    refused(b"GET / HTTP/1.1\nHost: a\r\n\r\n", Fault::BareLf);
    refused(b"GET / HTTP/1.1\r\nHost: a\n\r\n", Fault::BareLf);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\n\n", Fault::BareLf);
    refused(b"GET / HTTP/1.1\rHost: a\r\n\r\n", Fault::BareCr);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Fault::BareCr);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n", Fault::BareCr);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", Fault::BareCr);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", Fault::BareLf);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\nX\n: b\r\n\r\n", Fault::BareLf);
    refused(b"GET / HTTP/1.1\r\nHost: a\r\nX\r: b\r\n\r\n", Fault::BareCr);
    refused(b"GET /\n HTTP/1.1\r\nHost: a\r\n\r\n", Fault::BareLf);
}

#[test]
fn rfc9112_3_request_line_is_three_parts_and_two_spaces() {
    use Fault::*;
    lines_refused(&[
        ("GET  / HTTP/1.1", RequestLineSpacing),
        ("GET /  HTTP/1.1", RequestLineSpacing),
        ("GET\t/ HTTP/1.1", RequestLineSpacing),
        ("GET /\tHTTP/1.1", RequestLineSpacing),
        ("GET / HTTP/1.1 ", RequestLineSpacing),
        ("GET / HTTP/1.1\t", RequestLineSpacing),
        ("GET /a b HTTP/1.1", MalformedVersion),
        ("GET / HTTP/1.1 HTTP/1.1", RequestLineSpacing),
        ("GET", InvalidMethod),
        ("GET ", Http09),
        ("G@T / HTTP/1.1", InvalidMethod),
        ("GET: / HTTP/1.1", InvalidMethod),
        ("G\u{e9}T / HTTP/1.1", InvalidMethod),
        ("G\0T / HTTP/1.1", InvalidMethod),
        ("\u{16}\u{3}\u{1}", InvalidMethod),
    ]);
}

#[test]
fn rfc9110_9_1_any_token_is_a_method_and_case_counts() {
    for method in ["get", "M-SEARCH", "!#$%&'*+-.^_`|~", "X"] {
        let input = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(parsed(input.as_bytes()).method.of(input.as_bytes()), method.as_bytes());
    }
}

#[test]
fn rfc9112_2_3_versions() {
    use Fault::*;
    assert_eq!(parsed(b"GET / HTTP/1.0\r\n\r\n").version, Version::Http10);
    lines_refused(&[
        ("GET /", Http09),
        ("GET / HTTP/0.9", UnsupportedVersion),
        ("GET / HTTP/1.2", UnsupportedVersion),
        ("GET / HTTP/2.0", UnsupportedVersion),
        ("PRI * HTTP/2.0", UnsupportedVersion),
        ("GET / HTTP/9.9", UnsupportedVersion),
        ("GET / HTTP/2", MalformedVersion),
        ("GET / http/1.1", MalformedVersion),
        ("GET / HTTP/1.10", MalformedVersion),
        ("GET / HTTP/01.1", MalformedVersion),
        ("GET / HTTP/1,1", MalformedVersion),
        ("GET / HTTP/1.1x", MalformedVersion),
        ("GET / HTTP /1.1", MalformedVersion),
        ("GET / HTTP/+1.1", MalformedVersion),
        ("GET / ", MalformedVersion),
        ("GET / HTTPS/1.1", MalformedVersion),
    ]);
}

#[test]
fn rfc9112_3_2_target_bytes() {
    use Fault::*;
    lines_refused(&[
        ("GET /a#b HTTP/1.1", FragmentInTarget),
        ("GET /?a#b HTTP/1.1", FragmentInTarget),
        ("GET /a\\..\\b HTTP/1.1", BackslashInPath),
        ("GET \\a HTTP/1.1", BackslashInPath),
        ("GET http://a\\@b/ HTTP/1.1", BackslashInPath),
        ("GET /\u{e9} HTTP/1.1", InvalidTargetByte),
        ("GET /a\0b HTTP/1.1", InvalidTargetByte),
        ("GET /a\u{b}b HTTP/1.1", InvalidTargetByte),
        ("GET /a\u{7f} HTTP/1.1", InvalidTargetByte),
        ("GET /a\u{1b}[31m HTTP/1.1", InvalidTargetByte),
    ]);
    refused(b"GET /a\r\nX: y HTTP/1.1\r\nHost: a\r\n\r\n", Http09);
    for target in ["/?a\\b", "//a//b", "/%00%2f..;x=1", "/{a}|^`\"<>", "/a?b?c"] {
        let input = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(parsed(input.as_bytes()).target.of(input.as_bytes()), target.as_bytes());
    }
}

#[test]
fn rfc9112_3_2_1_origin_form_begins_with_a_slash() {
    use Fault::*;
    lines_refused(&[
        ("GET a HTTP/1.1", InvalidTargetForm),
        ("GET ?a HTTP/1.1", InvalidTargetForm),
        ("GET a:80 HTTP/1.1", InvalidTargetForm),
        ("GET example.com/ HTTP/1.1", InvalidTargetForm),
        ("GET @b/ HTTP/1.1", InvalidTargetForm),
        ("GET ** HTTP/1.1", InvalidTargetForm),
    ]);
}

#[test]
fn rfc9112_3_2_2_absolute_form() {
    use Fault::*;
    let input = b"GET HTTP://Example.com/x?y HTTP/1.1\r\nHost: example.COM:80\r\n\r\n";
    let head = parsed(input);
    assert_eq!(head.target_form, TargetForm::Absolute);
    assert_eq!((head.host.unwrap().of(input), head.path.of(input)), (&b"Example.com"[..], &b"/x?y"[..]));
    let input = b"GET https://[::1]:8443 HTTP/1.0\r\n\r\n";
    let head = parsed(input);
    assert_eq!((head.host.unwrap().of(input), head.path.of(input)), (&b"[::1]:8443"[..], &b""[..]));
    lines_refused(&[
        ("GET ftp://a/ HTTP/1.1", UnsupportedScheme),
        ("GET ws://a/ HTTP/1.1", UnsupportedScheme),
        ("GET ://a/ HTTP/1.1", InvalidTargetForm),
        ("GET http:/a HTTP/1.1", InvalidTargetForm),
        ("GET http:a HTTP/1.1", InvalidTargetForm),
        ("GET x?y=http://a/ HTTP/1.1", InvalidTargetForm),
        ("GET http:///x HTTP/1.1", InvalidAuthority),
        ("GET http:// HTTP/1.1", InvalidAuthority),
        ("GET http://a:b/ HTTP/1.1", InvalidAuthority),
        ("GET http://a:/ HTTP/1.1", InvalidAuthority),
        ("GET http://[::1/ HTTP/1.1", InvalidAuthority),
        ("GET http://a%2fb/ HTTP/1.1", InvalidAuthority),
        ("GET http://u@a/ HTTP/1.1", UserinfoInTarget),
        ("GET http://u:p@a/ HTTP/1.1", UserinfoInTarget),
        ("GET http://a?b HTTP/1.1", InvalidTargetForm),
    ]);
}

#[test]
fn rfc9112_3_2_2_host_has_to_agree_with_the_target() {
    for (target, host, agrees) in [
        ("http://a/", "a", true),
        ("http://a:80/", "a", true),
        ("http://a/", "A:80", true),
        ("https://a/", "a:443", true),
        ("http://[::1]/", "[::1]:80", true),
        ("http://a/", "b", false),
        ("http://a/", "a:8080", false),
        ("https://a/", "a:80", false),
        ("http://a:81/", "a", false),
        ("http://a/", "a.", false),
    ] {
        let input = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        match agrees {
            true => drop(parsed(input.as_bytes())),
            false => refused(input.as_bytes(), Fault::HostMismatch),
        }
    }
}

#[test]
fn rfc9112_3_2_3_authority_form_is_for_connect_and_has_a_port() {
    let input = b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = parsed(input);
    assert_eq!((head.target_form, head.host.unwrap().of(input)), (TargetForm::Authority, &b"a:443"[..]));
    assert!(head.path.is_empty());
    lines_refused(&[
        ("CONNECT a HTTP/1.1", Fault::ConnectTarget),
        ("CONNECT / HTTP/1.1", Fault::ConnectTarget),
        ("CONNECT * HTTP/1.1", Fault::ConnectTarget),
        ("CONNECT http://a/ HTTP/1.1", Fault::ConnectTarget),
        ("CONNECT a: HTTP/1.1", Fault::ConnectTarget),
        ("CONNECT :443 HTTP/1.1", Fault::ConnectTarget),
        ("CONNECT a:99999 HTTP/1.1", Fault::ConnectTarget),
        ("CONNECT u@a:1 HTTP/1.1", Fault::UserinfoInTarget),
        ("CONNECT b:443 HTTP/1.1", Fault::HostMismatch),
    ]);
    refused(b"CONNECT a:1 HTTP/1.1\r\nHost: a:2\r\n\r\n", Fault::HostMismatch);
    // RFC 9110 9.3.6
    refused(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", Fault::ConnectWithBody);
    refused(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Fault::ConnectWithBody);
    parsed(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn rfc9112_3_2_4_asterisk_form_is_for_options() {
    assert_eq!(parsed(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").target_form, TargetForm::Asterisk);
    lines_refused(&[
        ("GET * HTTP/1.1", Fault::AsteriskWithoutOptions),
        ("options * HTTP/1.1", Fault::AsteriskWithoutOptions),
    ]);
}

#[test]
fn rfc9112_3_2_exactly_one_valid_host() {
    refused(b"GET / HTTP/1.1\r\n\r\n", Fault::MissingHost);
    refused(b"GET http://a/ HTTP/1.1\r\n\r\n", Fault::MissingHost);
    assert_eq!(parsed(b"GET / HTTP/1.0\r\n\r\n").host, None);
    fields_refused(&[(b"Host: a", Fault::DuplicateHost), (b"HOST: b", Fault::DuplicateHost)]);
    for host in
        ["", "a b", "a,b", "u@a", "a/b", "a:b", "a:", ":80", "http://a", "a:123456", "[::1", "[g::]", "a..b", "a%00"]
    {
        refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), Fault::InvalidHost);
        refused(format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes(), Fault::InvalidHost);
    }
}

#[test]
fn rfc9112_5_field_lines() {
    use Fault::*;
    fields_refused(&[
        (b"X : y", SpaceBeforeColon),
        (b"X\t: y", SpaceBeforeColon),
        (b"Content-Length : 3", SpaceBeforeColon),
        (b": y", EmptyFieldName),
        (b":", EmptyFieldName),
        (b"X", MissingColon),
        (b"X y: z", SpaceBeforeColon),
        (b"X(y): z", InvalidFieldName),
        (b"X\x00: z", InvalidFieldName),
        (b"X\x7f: z", InvalidFieldName),
        (b"\xef\xbb\xbfX: z", InvalidFieldName),
        (b"X\xe9: z", InvalidFieldName),
        (b"X@: z", InvalidFieldName),
        (b"\"X\": z", InvalidFieldName),
        (b"\x0bX: z", InvalidFieldName),
        (b"X: a\x00b", InvalidFieldValue),
        (b"X: a\x01b", InvalidFieldValue),
        (b"X: a\x0bb", InvalidFieldValue),
        (b"X: \x0c", InvalidFieldValue),
        (b"X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x7f", InvalidFieldValue),
        (b"X: \t\t\t\t\t\t\t\t\t\t\x08", InvalidFieldValue),
    ]);
    let input = "POST / HTTP/1.1\r\nHost: a\r\nX: caf\u{e9}\ta\r\n\r\n".as_bytes();
    assert_eq!(parsed(input).fields[1].value.of(input), "caf\u{e9}\ta".as_bytes());
}

#[test]
fn rfc9112_5_2_folded_lines_and_2_2_white_space_before_the_first_field() {
    fields_refused(&[
        (b"X: a\r\n b", Fault::ObsFold),
        (b"X: a\r\n\tb", Fault::ObsFold),
        (b" X: a", Fault::ObsFold),
        (b"X: a\r\n ", Fault::ObsFold),
        (b"Transfer-Encoding:\r\n chunked", Fault::ObsFold),
        (b"Expect:\r\n 100-continue", Fault::ObsFold),
    ]);
    refused(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Fault::SpaceBeforeFields);
    refused(b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", Fault::SpaceBeforeFields);
    refused(b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", Fault::SpaceBeforeFields);
}

#[test]
fn rfc9110_8_6_content_length_is_one_number() {
    use Fault::*;
    for (value, length) in [("0", 0), ("5", 5), ("9223372036854775807", i64::MAX as u64), ("007", 7)] {
        assert_eq!(with_fields(&format!("content-LENGTH: {value}\r\n")).framing, Framing::Length(length));
    }
    fields_refused(&[
        (b"Content-Length:", MalformedContentLength),
        (b"Content-Length: +5", MalformedContentLength),
        (b"Content-Length: -5", MalformedContentLength),
        (b"Content-Length: 0x5", MalformedContentLength),
        (b"Content-Length: 5 5", MalformedContentLength),
        (b"Content-Length: 5.0", MalformedContentLength),
        (b"Content-Length: 1e3", MalformedContentLength),
        (b"Content-Length: 1_000", MalformedContentLength),
        (b"Content-Length: \"5\"", MalformedContentLength),
        (b"Content-Length: 5;", MalformedContentLength),
        (b"Content-Length: \xc2\xb2", MalformedContentLength),
        (b"Content-Length: 5, 5", ListContentLength),
        (b"Content-Length: 5,6", ListContentLength),
        (b"Content-Length: ,5", ListContentLength),
        (b"Content-Length: 9223372036854775808", ContentLengthOverflow),
        (b"Content-Length: 18446744073709551621", ContentLengthOverflow),
        (b"Content-Length: 99999999999999999999999999999", ContentLengthOverflow),
        (b"Content-Length: 5\r\nContent-Length: 5", DuplicateContentLength),
        (b"Content-Length: 5\r\nContent-Length: 6", DuplicateContentLength),
        (b"Content-Length: 5\x0b", InvalidFieldValue),
    ]);
}

#[test]
fn rfc9112_6_1_transfer_encoding_is_chunked_once() {
    use Fault::*;
    for value in ["chunked", "Chunked", "CHUNKED", "\t chunked \t"] {
        assert_eq!(with_fields(&format!("Transfer-Encoding:{value}\r\n")).framing, Framing::Chunked);
    }
    fields_refused(&[
        (b"Transfer-Encoding: gzip", UnknownTransferCoding),
        (b"Transfer-Encoding: gzip, chunked", UnknownTransferCoding),
        (b"Transfer-Encoding: identity", UnknownTransferCoding),
        (b"Transfer-Encoding: identity, chunked", UnknownTransferCoding),
        (b"Transfer-Encoding: chunked, gzip", ChunkedNotLast),
        (b"Transfer-Encoding: chunked, identity", ChunkedNotLast),
        (b"Transfer-Encoding: chunked, chunked", RepeatedTransferEncoding),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", RepeatedTransferEncoding),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", RepeatedTransferEncoding),
        (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", UnknownTransferCoding),
        (b"Transfer-Encoding:", MalformedTransferEncoding),
        (b"Transfer-Encoding: ,", MalformedTransferEncoding),
        (b"Transfer-Encoding: chunked,", MalformedTransferEncoding),
        (b"Transfer-Encoding: , chunked", MalformedTransferEncoding),
        (b"Transfer-Encoding: xchunked", MalformedTransferEncoding),
        (b"Transfer-Encoding: chunkedx", MalformedTransferEncoding),
        (b"Transfer-Encoding: chunked;q=1", MalformedTransferEncoding),
        (b"Transfer-Encoding: \"chunked\"", MalformedTransferEncoding),
        (b"Transfer-Encoding: x chunked", MalformedTransferEncoding),
        (b"Transfer-Encoding: ch\xc3\xbcnked", MalformedTransferEncoding),
        (b"Transfer-Encoding: chunked\x0b", InvalidFieldValue),
        (b"Transfer-Encoding: \x0bchunked", InvalidFieldValue),
        (b"Transfer-Encoding : chunked", SpaceBeforeColon),
    ]);
    refused(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncodingInHttp10);
}

#[test]
fn rfc9112_6_3_content_length_and_transfer_encoding_never_meet() {
    fields_refused(&[
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", Fault::ConflictingLength),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 5", Fault::ConflictingLength),
        (b"Transfer-Encoding: chunked\r\nX: y\r\ncontent-length: 0", Fault::ConflictingLength),
    ]);
}

#[test]
fn rfc9112_9_3_persistence() {
    for (version, fields, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Keep-Alive, CLOSE\r\n", false),
        ("1.1", "Connection: x\r\nConnection: ,close ,\r\n", false),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection:\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Keep-Alive: timeout=5\r\n", false),
    ] {
        let head = parsed(format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n").as_bytes());
        assert_eq!(head.keep_alive, keep_alive, "{version} {fields}");
        assert_eq!(head.connection_options, fields.starts_with("Connection"));
    }
    fields_refused(&[(b"Connection: close keep-alive", Fault::InvalidConnection)]);
}

#[test]
fn rfc9110_7_8_upgrade_takes_both_fields_and_http11() {
    assert!(with_fields("Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n").upgrade);
    assert!(!with_fields("Upgrade: websocket\r\n").upgrade);
    assert!(!with_fields("Connection: upgrade\r\n").upgrade);
    assert!(!with_fields("Connection: upgrade\r\nUpgrade:\r\n").upgrade);
    assert!(!parsed(b"GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").upgrade);
}

#[test]
fn rfc9110_10_1_1_expect() {
    assert!(with_fields("Expect: 100-Continue\r\n").expect_continue);
    assert!(!parsed(b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expect_continue);
    fields_refused(&[
        (b"Expect: 200-ok", Fault::UnknownExpectation),
        (b"Expect: y 100-continue", Fault::UnknownExpectation),
        (b"Expect: 100-continue, x", Fault::UnknownExpectation),
        (b"Expect:", Fault::UnknownExpectation),
    ]);
}

#[test]
fn limits_are_met_before_the_rest_arrives() {
    let mut head = RequestHead::default();
    let mut outcome = |input: &str, limits: &Limits| parse_request(input.as_bytes(), limits, &mut head);
    let limits = Limits::default();
    let at_limit = format!("GET /{} HTTP/1.1", "a".repeat(limits.request_line - 14));
    assert_eq!(outcome(&format!("{at_limit}\r\nHost: a\r\n\r\n"), &limits), Ok(Parsed::Complete));
    assert_eq!(outcome(&at_limit, &limits), Ok(Parsed::Partial));
    assert_eq!(outcome(&format!("GET /{}", "a".repeat(limits.request_line)), &limits), Err(Fault::RequestLineTooLong));
    assert_eq!(outcome(&format!("GET /{}", "a".repeat(90_000)), &limits), Err(Fault::RequestLineTooLong));
    let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let exact = format!("{start}{}\r\n\r\n", "x".repeat(limits.head - start.len() - 4));
    assert_eq!((exact.len(), outcome(&exact, &limits)), (limits.head, Ok(Parsed::Complete)));
    assert_eq!(outcome(&format!("{start}{}", "x".repeat(limits.head)), &limits), Err(Fault::HeadTooLarge));
    let fields = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X:\r\n".repeat(n));
    assert_eq!(outcome(&format!("{}\r\n", fields(99)), &limits), Ok(Parsed::Complete));
    assert_eq!(outcome(&format!("{}\r\n", fields(100)), &limits), Err(Fault::TooManyFields));
    assert_eq!(outcome(&fields(100), &limits), Err(Fault::TooManyFields));
    let narrow = Limits { request_line: 8192, head: 10, fields: 1 };
    assert_eq!(outcome("GET / HTTP/1.1\r\n", &narrow), Err(Fault::HeadTooLarge));
    assert_eq!(outcome("", &Limits { request_line: 0, head: 0, fields: 0 }), Err(Fault::HeadTooLarge));
}

#[test]
fn faults_have_the_statuses_an_operator_expects() {
    for (fault, status) in [
        (Fault::BareLf, 400),
        (Fault::RequestLineTooLong, 414),
        (Fault::UnknownExpectation, 417),
        (Fault::HeadTooLarge, 431),
        (Fault::TooManyFields, 431),
        (Fault::UnknownTransferCoding, 501),
        (Fault::Http09, 505),
        (Fault::UnsupportedVersion, 505),
    ] {
        assert_eq!(fault.status(), status, "{fault}");
    }
    let codes: std::collections::HashSet<_> = Fault::ALL.iter().map(|fault| fault.reason()).collect();
    assert_eq!(codes.len(), Fault::ALL.len());
}
