//! Request heads.

mod table;

use yumen_http1::{Fault, Fault::*, Framing, Limits, Parsed, RequestHead, TargetForm, Version, parse_request};

use crate::{check, properties, text};

pub use table::{ACCEPTED, REFUSED};

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

fn parsed(input: &[u8]) -> RequestHead {
    properties::request_head(input);
    let mut head = RequestHead::default();
    let outcome = parse_request(input, &Limits::default(), &mut head);
    assert_eq!(outcome, Ok(Parsed::Complete), "{}", input.escape_ascii());
    head
}

fn refused(input: &[u8], fault: Fault) {
    properties::request_head(input);
    let outcome = parse_request(input, &Limits::default(), &mut RequestHead::default());
    assert_eq!(outcome, Err(fault), "{}", input.escape_ascii());
}

fn with_fields(fields: &str) -> RequestHead {
    parsed(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
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

#[test]
fn every_row_keeps_what_is_promised_for_all_bytes() {
    REFUSED.iter().map(|row| row.1).chain(ACCEPTED.iter().map(|row| row.1)).for_each(properties::request_head);
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
    assert_eq!(parsed(b"GET / HTTP/1.0\r\n\r\n").version, Version::Http10);
}

#[test]
fn rfc9112_3_2_target_bytes() {
    for target in ["/?a\\b", "//a//b", "/%00%2f..;x=1", "/{a}|^`\"<>", "/a?b?c"] {
        let input = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(parsed(input.as_bytes()).target.of(input.as_bytes()), target.as_bytes());
    }
}

#[test]
fn rfc9112_3_2_2_absolute_form() {
    let input = b"GET HTTP://Example.com/x?y HTTP/1.1\r\nHost: example.COM:80\r\n\r\n";
    let head = parsed(input);
    assert_eq!(head.target_form, TargetForm::Absolute);
    assert_eq!((head.host.unwrap().of(input), head.path.of(input)), (&b"Example.com"[..], &b"/x?y"[..]));
    let input = b"GET https://[::1]:8443 HTTP/1.0\r\n\r\n";
    let head = parsed(input);
    assert_eq!((head.host.unwrap().of(input), head.path.of(input)), (&b"[::1]:8443"[..], &b""[..]));
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
            false => refused(input.as_bytes(), HostMismatch),
        }
    }
}

#[test]
fn rfc9112_3_2_3_authority_form_is_for_connect_and_has_a_port() {
    let input = b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = parsed(input);
    assert_eq!((head.target_form, head.host.unwrap().of(input)), (TargetForm::Authority, &b"a:443"[..]));
    assert!(head.path.is_empty());
    // RFC 9110 9.3.6
    parsed(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
}

#[test]
fn rfc9112_3_2_4_asterisk_form_is_for_options() {
    assert_eq!(parsed(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").target_form, TargetForm::Asterisk);
}

#[test]
fn rfc9112_3_2_exactly_one_valid_host() {
    assert_eq!(parsed(b"GET / HTTP/1.0\r\n\r\n").host, None);
    for host in
        ["", "a b", "a,b", "u@a", "a/b", "a:b", "a:", ":80", "http://a", "a:123456", "[::1", "[g::]", "a..b", "a%00"]
    {
        refused(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), InvalidHost);
        refused(format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes(), InvalidHost);
    }
}

#[test]
fn rfc9112_5_field_lines() {
    let input = "POST / HTTP/1.1\r\nHost: a\r\nX: caf\u{e9}\ta\r\n\r\n".as_bytes();
    assert_eq!(parsed(input).fields[1].value.of(input), "caf\u{e9}\ta".as_bytes());
}

#[test]
fn rfc9110_8_6_content_length_is_one_number() {
    for (value, length) in [("0", 0), ("5", 5), ("9223372036854775807", i64::MAX as u64), ("007", 7)] {
        assert_eq!(with_fields(&format!("content-LENGTH: {value}\r\n")).framing, Framing::Length(length));
    }
}

#[test]
fn rfc9112_6_1_transfer_encoding_is_chunked_once() {
    for value in ["chunked", "Chunked", "CHUNKED", "\t chunked \t"] {
        assert_eq!(with_fields(&format!("Transfer-Encoding:{value}\r\n")).framing, Framing::Chunked);
    }
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
}

#[test]
fn limits_are_met_before_the_rest_arrives() {
    let mut head = RequestHead::default();
    let mut outcome = |input: &str, limits: &Limits| parse_request(input.as_bytes(), limits, &mut head);
    let limits = Limits::default();
    let at_limit = format!("GET /{} HTTP/1.1", "a".repeat(limits.request_line - 14));
    assert_eq!(outcome(&format!("{at_limit}\r\nHost: a\r\n\r\n"), &limits), Ok(Parsed::Complete));
    assert_eq!(outcome(&at_limit, &limits), Ok(Parsed::Partial));
    assert_eq!(outcome(&format!("GET /{}", "a".repeat(limits.request_line)), &limits), Err(RequestLineTooLong));
    assert_eq!(outcome(&format!("GET /{}", "a".repeat(90_000)), &limits), Err(RequestLineTooLong));
    let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let exact = format!("{start}{}\r\n\r\n", "x".repeat(limits.head - start.len() - 4));
    assert_eq!((exact.len(), outcome(&exact, &limits)), (limits.head, Ok(Parsed::Complete)));
    assert_eq!(outcome(&format!("{start}{}", "x".repeat(limits.head)), &limits), Err(HeadTooLarge));
    let fields = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "X:\r\n".repeat(n));
    assert_eq!(outcome(&format!("{}\r\n", fields(99)), &limits), Ok(Parsed::Complete));
    assert_eq!(outcome(&format!("{}\r\n", fields(100)), &limits), Err(TooManyFields));
    assert_eq!(outcome(&fields(100), &limits), Err(TooManyFields));
    let narrow = Limits { request_line: 8192, head: 10, fields: 1 };
    assert_eq!(outcome("GET / HTTP/1.1\r\n", &narrow), Err(HeadTooLarge));
    assert_eq!(outcome("", &Limits { request_line: 0, head: 0, fields: 0 }), Err(HeadTooLarge));
}

#[test]
fn faults_have_the_statuses_an_operator_expects() {
    for (fault, status) in [
        (BareLf, 400),
        (RequestLineTooLong, 414),
        (UnknownExpectation, 417),
        (HeadTooLarge, 431),
        (TooManyFields, 431),
        (UnknownTransferCoding, 501),
        (Http09, 505),
        (UnsupportedVersion, 505),
    ] {
        assert_eq!(fault.status(), status, "{fault}");
    }
}
