#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

fn whole(bytes: &[u8]) -> Result<(Header, usize), Fault> {
    match parse(bytes, Versions::ALL)? {
        Parsed::Complete(header, length) => Ok((*header, length)),
        Parsed::NeedMore(more) => panic!("{more} more bytes wanted behind {}", bytes.escape_ascii()),
    }
}

fn inet(source: &str, destination: &str) -> Origin {
    Origin::Inet { source: source.parse().unwrap(), destination: destination.parse().unwrap(), datagrams: false }
}

fn v2(rest: &[u8]) -> Vec<u8> {
    [SIGNATURE, rest].concat()
}

/// A version 2 header over IPv4 with these bytes behind the addresses.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    let length = u16::try_from(12 + fields.len()).unwrap().to_be_bytes();
    let addresses = [1, 2, 3, 4, 5, 6, 7, 8, 0x30, 0x39, 1, 0xbb];
    v2(&[&[0x21, 0x11], &length[..], &addresses, fields].concat())
}

#[test]
fn lines_of_the_specification_are_understood() {
    for (line, origin) in [
        (
            "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
            inet("255.255.255.255:65535", "255.255.255.255:65535"),
        ),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            inet("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"),
        ),
        ("PROXY UNKNOWN\r\n", Origin::Unknown),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            Origin::Unknown,
        ),
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", inet("192.168.0.1:56324", "192.168.0.11:443")),
    ] {
        let (header, length) = whole(format!("{line}GET / HTTP/1.1\r\n").as_bytes()).unwrap();
        assert_eq!((header.origin, header.version, length), (origin, Version::V1, line.len()));
    }
}

#[test]
fn lines_that_could_be_read_in_two_ways_are_refused() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n",
        "PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "proxy UNKNOWN\r\n",
        "PROXY TCP4 1.2.3.\u{e9} 5.6.7.8 1 2\r\n",
    ] {
        assert!(parse(line.as_bytes(), Versions::ALL).is_err(), "{line:?}");
    }
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
    assert_eq!(parse(endless.as_bytes(), Versions::ALL), Err(Fault::LineTooLong));
}

#[test]
fn binary_headers_of_every_family_are_understood() {
    assert_eq!(whole(&v2(&[0x20, 0, 0, 0])).unwrap().0.origin, Origin::Local);
    // The family and the addresses of LOCAL are ignored.
    assert_eq!(whole(&v2(&[0x20, 0x77, 0, 2, 9, 9])).unwrap(), (header(Origin::Local), 18));
    assert_eq!(whole(&v2(&[0x21, 0, 0, 3, 1, 2, 3])).unwrap(), (header(Origin::Unknown), 19));
    assert_eq!(whole(&with_fields(b"")).unwrap().0.origin, inet("1.2.3.4:12345", "5.6.7.8:443"));
    let mut wide = vec![0x21, 0x22, 0, 36];
    wide.extend_from_slice(&[0; 36]);
    let Origin::Inet { source, datagrams: true, .. } = whole(&v2(&wide)).unwrap().0.origin else { panic!() };
    assert_eq!(source.to_string(), "[::]:0");
    let mut local = vec![0x21, 0x31, 0, 216];
    local.extend_from_slice(b"/run/a.sock");
    local.resize(4 + 216, 0);
    let unix = Origin::Unix { source: b"/run/a.sock"[..].into(), destination: Box::default(), datagrams: false };
    assert_eq!(whole(&v2(&local)).unwrap(), (header(unix), 232));
}

fn header(origin: Origin) -> Header {
    Header { version: Version::V2, origin, tlvs: Tlvs::default() }
}

#[test]
fn malformed_binary_headers_are_refused_as_soon_as_it_shows() {
    let refused = |bytes: &[u8]| parse(bytes, Versions::ALL).unwrap_err();
    assert_eq!(refused(&v2(&[0x11])), Fault::UnknownVersion(1));
    assert_eq!(refused(&v2(&[0x22])), Fault::UnknownCommand(2));
    assert_eq!(refused(&v2(&[0x21, 0x13, 0, 12])), Fault::UnknownFamily(0x13));
    assert_eq!(refused(&v2(&[0x21, 0x41, 0, 12])), Fault::UnknownFamily(0x41));
    assert_eq!(refused(&v2(&[0x21, 0x11, 0, 11])), Fault::TooShort);
    assert_eq!(refused(&v2(&[0x21, 0x11, 0xff, 0xff])), Fault::TooLarge);
    assert_eq!(refused(b"\r\n\r\n\0\r\nQUIT\r"), Fault::Absent);
    // A field that reaches beyond the header must not take what follows it.
    assert!(matches!(refused(&with_fields(&[kind::ALPN, 0, 3, b'h', b'2'])), Fault::Tlv(_)));
    assert!(matches!(refused(&with_fields(&[kind::ALPN, 0])), Fault::Tlv(_)));
    assert!(matches!(refused(&with_fields(&[kind::ALPN, 0, 1, b'a', kind::ALPN, 0, 1, b'b'])), Fault::Tlv(_)));
    assert!(matches!(refused(&with_fields(&[kind::AUTHORITY, 0, 1, 0xff])), Fault::Tlv(_)));
    assert!(matches!(refused(&with_fields(&[kind::SSL, 0, 4, 1, 0, 0, 0])), Fault::Tlv(_)));
    assert!(matches!(refused(&with_fields(&[kind::SSL, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 9])), Fault::Tlv(_)));
    let long = [&[kind::UNIQUE_ID, 0, 129][..], &[b'x'; 129]].concat();
    assert!(matches!(refused(&with_fields(&long)), Fault::Tlv(_)));
}

#[test]
fn checksum_is_the_one_of_rfc_3720_and_a_wrong_one_is_refused() {
    assert_eq!(tlv::crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(tlv::crc32c(b"123456789"), 0xe306_9283);
    let mut tlvs = Tlvs::default();
    tlvs.push(kind::AUTHORITY, b"a.test");
    let header = Header { tlvs, ..header(inet("1.2.3.4:1", "5.6.7.8:2")) };
    let mut bytes = encode(&header).unwrap();
    assert_eq!(whole(&bytes).unwrap().0, header);
    bytes[16] ^= 1;
    assert_eq!(parse(&bytes, Versions::ALL), Err(Fault::Checksum));
}

#[test]
fn fields_of_clouds_and_of_tls_are_found() {
    let mut tlvs = Tlvs::default();
    tlvs.push(kind::ALIBABA, b"\x01vpc-1");
    tlvs.push(kind::ALIBABA, b"\x02ep-2");
    tlvs.push(kind::ALIBABA, b"\x03epsrv-3");
    tlvs.push_ssl(3, 0, &[(kind::SSL_VERSION, "TLSv1.3"), (kind::SSL_CN, "ann")]);
    let (header, _) = whole(&encode(&Header { tlvs, ..header(inet("1.2.3.4:1", "5.6.7.8:2")) }).unwrap()).unwrap();
    let link = header.tlvs.private_link().unwrap();
    let shown = [link.vpc, link.endpoint, link.service].map(Option::unwrap_or_default);
    assert_eq!(shown, ["vpc-1".into(), "ep-2".into(), "epsrv-3".into()]);
    let ssl = header.tlvs.ssl().unwrap();
    assert_eq!((ssl.client, ssl.verify, ssl.text(kind::SSL_CN)), (3, 0, Some("ann")));
    for (kind, value, endpoint) in [
        (kind::AWS, &b"\x01vpce-08d2bf15fac5001c9"[..], "vpce-08d2bf15fac5001c9"),
        (kind::AZURE, &[1, 0x0d, 0, 0, 0x10], "268435469"),
        (kind::GOOGLE, &[0, 0, 0, 0, 0, 0, 1, 0], "256"),
    ] {
        let mut tlvs = Tlvs::default();
        tlvs.push(kind, value);
        assert_eq!(tlvs.private_link().unwrap().endpoint.as_deref(), Some(endpoint));
    }
}

#[test]
fn version_that_is_not_taken_is_refused() {
    let line = b"PROXY UNKNOWN\r\n";
    let only_v2 = Versions { v1: false, v2: true };
    assert_eq!(parse(line, only_v2), Err(Fault::VersionRefused(1)));
    assert_eq!(parse(&with_fields(b""), Versions { v1: true, v2: false }), Err(Fault::VersionRefused(2)));
    assert!(parse(&with_fields(b""), only_v2).is_ok() && parse(line, Versions { v1: true, v2: false }).is_ok());
}

#[test]
fn addresses_of_two_families_are_written_in_the_wider_one() {
    let mixed = inet("1.2.3.4:1", "[2001:db8::1]:2");
    let line = encode(&Header { version: Version::V1, ..header(mixed.clone()) }).unwrap();
    assert_eq!(line, b"PROXY TCP6 ::ffff:1.2.3.4 2001:db8::1 1 2\r\n");
    assert_eq!(
        whole(&encode(&header(mixed)).unwrap()).unwrap().0.origin,
        inet("[::ffff:1.2.3.4]:1", "[2001:db8::1]:2")
    );
}

#[test]
fn what_cannot_be_written_is_not_cut() {
    let mut tlvs = Tlvs::default();
    tlvs.push(0xe5, &[0; LIMIT]);
    assert_eq!(encode(&Header { tlvs, ..header(inet("1.2.3.4:1", "5.6.7.8:2")) }), None);
    let long = Origin::Unix { source: vec![1; 109].into(), destination: Box::default(), datagrams: false };
    assert_eq!(encode(&header(long)), None);
}

fn origins() -> impl Strategy<Value = Origin> {
    let v4 = any::<(Ipv4Addr, u16)>().prop_map(SocketAddr::from).boxed();
    let v6 = any::<(Ipv6Addr, u16)>().prop_map(SocketAddr::from).boxed();
    let inet = prop_oneof![(v4.clone(), v4), (v6.clone(), v6)];
    let path = prop::collection::vec(1..255u8, 0..=108).prop_map(Vec::into_boxed_slice);
    prop_oneof![
        Just(Origin::Local),
        Just(Origin::Unknown),
        (inet, any::<bool>()).prop_map(|((source, destination), datagrams)| Origin::Inet {
            source,
            destination,
            datagrams
        }),
        (path.clone(), path, any::<bool>()).prop_map(|(source, destination, datagrams)| Origin::Unix {
            source,
            destination,
            datagrams
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again_wherever_it_is_cut(
        origin in origins(),
        fields in prop::collection::btree_map(0x31..=0xffu8, prop::collection::vec(any::<u8>(), 0..40), 0..5),
        behind in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut tlvs = Tlvs::default();
        if matches!(origin, Origin::Inet { .. } | Origin::Unix { .. }) {
            fields.iter().for_each(|(kind, value)| tlvs.push(*kind, value));
        }
        let header = Header { version: Version::V2, origin, tlvs };
        let mut bytes = encode(&header).unwrap();
        let length = bytes.len();
        for cut in 0..length {
            let Ok(Parsed::NeedMore(more)) = parse(&bytes[..cut], Versions::ALL) else { panic!("cut at {cut}") };
            prop_assert!((1..=length - cut).contains(&more));
        }
        bytes.extend_from_slice(&behind);
        prop_assert_eq!(whole(&bytes).unwrap(), (header.clone(), length));
        let line = encode(&Header { version: Version::V1, tlvs: Tlvs::default(), ..header.clone() }).unwrap();
        let (read, length) = whole(&line).unwrap();
        prop_assert!(length == line.len() && (read.origin == header.origin || read.origin == Origin::Unknown));
    }
}

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (near.unwrap(), far.unwrap().0)
}

#[tokio::test]
async fn what_stands_behind_the_header_stays_in_the_socket() {
    let large = {
        let mut tlvs = Tlvs::default();
        tlvs.push(0xe5, &[7; 9000]);
        encode(&Header { tlvs, ..header(inet("1.2.3.4:1", "5.6.7.8:2")) }).unwrap()
    };
    for head in [b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(), with_fields(b""), large] {
        for step in [1, 7, usize::MAX] {
            let (mut near, mut far) = pair().await;
            let sent = [&head[..], b"behind"].concat();
            let sending = async {
                near.set_nodelay(true).unwrap();
                for part in sent.chunks(step.min(sent.len()).max(sent.len() / 500)) {
                    near.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
                near.shutdown().await.unwrap();
            };
            let reading = async {
                let header = read(&mut far, Versions::ALL).await.unwrap();
                let mut rest = String::new();
                far.read_to_string(&mut rest).await.unwrap();
                (header, rest)
            };
            let ((), (header, rest)) = tokio::join!(sending, reading);
            assert!(matches!(header.origin, Origin::Inet { .. }) && rest == "behind", "{rest}");
        }
    }
}

#[tokio::test]
async fn end_before_and_within_a_header_are_told_apart() {
    let (near, mut far) = pair().await;
    drop(near);
    assert!(matches!(read(&mut far, Versions::ALL).await, Err(ReadError::Silent)));
    let (mut near, mut far) = pair().await;
    near.write_all(b"PROXY TCP4 1.").await.unwrap();
    near.shutdown().await.unwrap();
    assert!(matches!(read(&mut far, Versions::ALL).await, Err(ReadError::Ended)));
}
