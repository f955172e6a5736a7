//! What must hold of a PROXY header whatever the bytes.
//!
//! How the bytes arrive changes nothing, nothing behind the header is taken, and what was understood says the same when it
//! is written out and read again.

use yumen_net::proxy_header::{Fault, Header, Origin, Parsed, Versions, encode, kind, parse};

/// Judges bytes as the beginning of a connection.
pub fn proxy_header(data: &[u8]) {
    let whole = parse(data, Versions::ALL);
    for cut in 0..data.len().min(600) {
        match (parse(&data[..cut], Versions::ALL), &whole) {
            (Ok(Parsed::NeedMore(more)), Ok(Parsed::Complete(_, length))) => {
                assert!(more >= 1 && cut + more <= *length, "cut at {cut}: {more} more, but it has {length}");
            }
            (Ok(Parsed::NeedMore(more)), _) => assert!(more >= 1),
            (Ok(Parsed::Complete(header, length)), Ok(Parsed::Complete(same, whole))) => {
                assert!(header == *same && length == *whole && length <= cut, "cut at {cut}");
            }
            (Ok(Parsed::Complete(..)), _) => panic!("cut at {cut} was whole and is not"),
            (Err(fault), whole) => assert_eq!(*whole, Err::<Parsed, Fault>(fault), "cut at {cut}"),
        }
    }
    if let Ok(Parsed::Complete(header, length)) = whole {
        assert!(length <= data.len());
        judge(&header);
    }
}

fn judge(header: &Header) {
    for (kind, value) in header.tlvs.iter() {
        assert!(kind != kind::CRC32C && kind != kind::NOOP && value.len() <= data_limit(kind));
    }
    assert!(header.tlvs.is_empty() || matches!(header.origin, Origin::Inet { .. } | Origin::Unix { .. }));
    if let Some(link) = header.tlvs.private_link() {
        assert!([&link.vpc, &link.endpoint, &link.service].into_iter().flatten().all(|id| !id.is_empty()));
    }
    let Some(bytes) = encode(header) else { return };
    match parse(&bytes, Versions::ALL) {
        Ok(Parsed::Complete(again, length)) => assert!(*again == *header && length == bytes.len()),
        other => panic!("{header:?} is written as {other:?}"),
    }
}

fn data_limit(kind: u8) -> usize {
    match kind {
        kind::UNIQUE_ID => 128,
        kind::ALPN => 255,
        _ => 16 * 1024,
    }
}
