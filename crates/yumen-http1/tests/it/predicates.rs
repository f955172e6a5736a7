use yumen_http1::*;

#[test]
fn rfc9110_5_6_2_tokens() {
    for byte in 0..=255_u8 {
        let expected = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        assert_eq!(is_token(&[b'a', byte]), expected, "{byte:#x}");
    }
    assert!(!is_token(b""));
}

#[test]
fn rfc9110_5_5_field_values() {
    for byte in 0..=255_u8 {
        let expected = (byte >= 0x20 && byte != 0x7f) || byte == b'\t';
        for length in 0..20 {
            for at in 0..=length {
                let mut value = vec![b'x'; length + 2];
                value.insert(at + 1, byte);
                assert_eq!(is_field_value(&value), expected, "{byte:#x} at {at} of {length}");
            }
        }
    }
    assert!(is_field_value(b"") && is_field_value(b"a b\tc") && is_field_value("\u{e9}".as_bytes()));
    assert!(!is_field_value(b" a") && !is_field_value(b"a\t") && !is_field_value(b" "));
    // A byte next to a control byte must not be blamed in its stead, nor hide it.
    assert!(is_field_value(b"\x80\xff \x80\x21\xa0\x7e\xff") && !is_field_value(b"aaaaaa\x80\x1f"));
}

#[test]
fn rfc9110_7_2_hosts() {
    for host in [
        "a",
        "A.b-c.example",
        "a.",
        "localhost:8080",
        "a_b",
        "1.2.3.4",
        "1.2.3.4:0",
        "[::1]",
        "[::1]:65535",
        "[::ffff:1.2.3.4]",
        "xn--bcher-kva.example",
        "a~b",
    ] {
        assert!(is_valid_host(host.as_bytes()), "{host}");
    }
    let long = "a".repeat(256);
    for host in [
        "",
        ".",
        ".a",
        "a..b",
        "a:",
        ":",
        ":80",
        "a:65536",
        "a:+80",
        "a: 80",
        "a:80:80",
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "a@b",
        "a,b",
        "a;b",
        "a=b",
        "a%41",
        "[",
        "[]",
        "[::1",
        "::1",
        "[::1]a",
        "[::1]:",
        "[fe80::1%25eth0]",
        "[v1.a]",
        "[1.2.3.4]",
        "a\\b",
        "a\"",
        "a*b",
        "b\u{fc}cher",
        "a\0",
        "a\t",
        &long,
    ] {
        assert!(!is_valid_host(host.as_bytes()), "{host}");
    }
}

#[test]
fn rfc9110_5_6_1_lists() {
    let list = |value: &'static str| tokens(value.as_bytes()).map(|t| str::from_utf8(t).unwrap()).collect::<Vec<_>>();
    assert_eq!(list("a, b ,\tc"), ["a", "b", "c"]);
    assert_eq!(list(" ,, a,,"), ["a"]);
    assert_eq!(list(""), Vec::<&str>::new());
}

#[test]
fn rfc9110_7_6_1_what_is_removed_and_what_may_not_be() {
    for name in ["Connection", "KEEP-ALIVE", "te", "Transfer-Encoding", "upgrade", "Proxy-Connection", "HTTP2-Settings"]
    {
        assert!(is_hop_by_hop(name.as_bytes()), "{name}");
    }
    for name in
        ["", "Trailer", "tex", "keep_alive", "Connectio", "Connections", "Proxy-Authenticate", "Host", "Content-Length"]
    {
        assert!(!is_hop_by_hop(name.as_bytes()), "{name}");
    }
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Authorization",
        "COOKIE",
        "x-forwarded-for",
        "X-Forwarded-Anything",
        "X-Forwarded",
        "Forwarded",
        "Via",
        "X-Real-IP",
        "X-Request-ID",
        "Content-Type",
        "Cache-Control",
        "traceparent",
    ] {
        assert!(is_protected(name.as_bytes()), "{name}");
    }
    for name in ["", "X", "Upgrade", "X-Custom", "X-Forward", "Keep-Alive", "te"] {
        assert!(!is_protected(name.as_bytes()), "{name}");
    }
    assert!(is_forbidden_trailer(b"TE") && is_forbidden_trailer(b"If-Match") && !is_forbidden_trailer(b"grpc-status"));
}

#[test]
fn rfc9110_9_2_methods() {
    for (method, safe, idempotent) in [
        ("GET", true, true),
        ("HEAD", true, true),
        ("OPTIONS", true, true),
        ("TRACE", true, true),
        ("PUT", false, true),
        ("DELETE", false, true),
        ("POST", false, false),
        ("PATCH", false, false),
        ("CONNECT", false, false),
        ("get", false, false),
    ] {
        assert_eq!((is_safe_method(method.as_bytes()), is_idempotent_method(method.as_bytes())), (safe, idempotent));
    }
}
