//! Tests of the server name peek.
#![allow(clippy::unwrap_used, clippy::string_slice, reason = "tests")]

use super::*;

fn vec16(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes(), vec16(content).as_slice()].concat()
}

fn server_name(name: &str) -> Vec<u8> {
    extension(0, &vec16(&[&[0], vec16(name.as_bytes()).as_slice()].concat()))
}

/// The handshake message with these extensions.
fn message(extensions: Option<&[Vec<u8>]>) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.extend([0]);
    body.extend(vec16(&[0x13, 0x01, 0x13, 0x02]));
    body.extend([1, 0]);
    if let Some(extensions) = extensions {
        body.extend(vec16(&extensions.concat()));
    }
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1, len[1], len[2], len[3]], body.as_slice()].concat()
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|part| [&[22, 3, 1], vec16(part).as_slice()].concat()).collect()
}

fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    records(&message(Some(extensions)), RECORD_LIMIT)
}

fn named(name: &str) -> Sni {
    Sni::Name(name.into())
}

#[test]
fn name_is_found_and_lowered() {
    let other = extension(43, &[2, 3, 4]);
    assert_eq!(peek_sni(&hello(&[other.clone(), server_name("API.Example.com"), other])), named("api.example.com"));
}

#[test]
fn every_split_and_every_prefix_is_understood() {
    let message = message(Some(&[extension(16, &[0; 40]), server_name("a.b.example")]));
    for size in 1..=message.len() {
        let bytes = records(&message, size);
        assert_eq!(peek_sni(&bytes), named("a.b.example"), "records of {size}");
        for cut in 0..bytes.len() {
            assert_eq!(peek_sni(&bytes[..cut]), Sni::NeedMore, "records of {size} cut at {cut}");
        }
    }
}

#[test]
fn hello_without_a_name_is_no_error() {
    assert_eq!(peek_sni(&hello(&[extension(43, &[2, 3, 4])])), Sni::None);
    for size in [1, 3, 50, 100] {
        assert_eq!(peek_sni(&records(&message(None), size)), Sni::None, "records of {size}");
    }
}

#[test]
fn other_protocols_are_told_at_the_first_byte() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"SSH-2.0-x",
        b"\x80\x2e\x01\x03\x01",
        b"\x17\x03\x03\x00\x10",
        b"\x16\x02\x00",
        b"\x16\x03\x09",
    ] {
        assert_eq!(peek_sni(bytes), Sni::NotTls, "{bytes:?}");
    }
    assert_eq!(peek_sni(b"\x16\x03\x01\x00\x00"), Sni::NotTls, "an empty record");
    assert_eq!(peek_sni(b"\x16\x03\x03\x00\x40\x02"), Sni::NotTls, "a ServerHello");
    assert_eq!(peek_sni(b""), Sni::NeedMore);
}

#[test]
fn ambiguous_and_malformed_names_are_refused() {
    let two_names = vec16(&[&[0][..], &vec16(b"a.example"), &[0], &vec16(b"b.example")].concat());
    let mut table = vec![
        vec![server_name("a.example"), server_name("a.example")],
        vec![extension(0, &two_names)],
        vec![extension(0, &[])],
        vec![extension(0, &[0, 0])],
        vec![extension(0, &vec16(&[&[1][..], &vec16(b"a.example")].concat()))],
    ];
    for name in [
        "",
        ".",
        "a..b",
        "a.example.",
        ".a",
        "10.0.0.1",
        "192.0.2.1",
        "bad name",
        "x\0y",
        "a b",
        "a/b",
        "caf\u{e9}.example",
        "a\0b",
        "::1",
        &"a".repeat(64),
        &"abc.".repeat(70),
    ] {
        table.push(vec![server_name(name)]);
    }
    for extensions in table {
        assert_eq!(peek_sni(&hello(&extensions)), Sni::Invalid, "{extensions:?}");
    }
}

#[test]
fn bytes_after_the_hello_and_broken_lengths_are_refused() {
    let mut long = message(Some(&[server_name("a.example")]));
    long.push(0);
    assert_eq!(peek_sni(&records(&long, 1000)), Sni::Invalid);
    let mut inner = message(Some(&[server_name("a.example")]));
    inner[4 + 2 + 32] = 33;
    assert_eq!(peek_sni(&records(&inner, 1000)), Sni::Invalid, "session id too long");
}

#[test]
fn size_is_bounded() {
    let huge = [&[22, 3, 1, 0x40, 0x00, 1, 0xff, 0xff, 0xff][..], &[0; 16380]].concat();
    assert_eq!(peek_sni(&huge), Sni::Invalid);
    let slow = records(&message(Some(&[extension(21, &[0; 16000]), server_name("a.example")]))[..12_000], 4);
    assert!(slow.len() > LIMIT);
    assert_eq!(peek_sni(&slow), Sni::Invalid);
}

#[test]
fn no_single_byte_makes_a_hello_want_more_than_the_limit() {
    let whole = records(&message(Some(&[extension(10, &[0, 2, 0, 29]), server_name("www.example.com")])), 40);
    for at in 0..whole.len() {
        for value in 0..=255 {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let _: Sni = peek_sni(&bytes);
            bytes.resize(LIMIT, 0);
            assert_ne!(peek_sni(&bytes), Sni::NeedMore, "byte {at} = {value}");
        }
    }
}

#[test]
fn mutated_hellos_never_panic() {
    let seed = records(&message(Some(&[extension(16, b"\0\x0c\x02h2\x08http/1.1"), server_name("a.example.com")])), 60);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    for _ in 0..100_000 {
        let mut bytes = seed.clone();
        for _ in 0..=next() % 4 {
            let at = next() % bytes.len();
            match next() % 4 {
                0 => bytes[at] = u8::try_from(next() % 256).unwrap(),
                1 => bytes[at] ^= 1 << (next() % 8),
                2 => bytes.truncate(at + 1),
                _ => bytes.insert(at, u8::try_from(next() % 256).unwrap()),
            }
        }
        if let Sni::Name(name) = peek_sni(&bytes) {
            assert!(is_dns_name(name.as_bytes()) && *name == *name.to_lowercase(), "{name}");
        }
    }
}
