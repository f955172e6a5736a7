//! From a header to bytes.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use super::{Header, LIMIT, Origin, SIGNATURE, Version, kind, tlv};

/// Writes a header as its version has it. `None` when it would be larger than [`LIMIT`] or a path of a Unix socket longer
/// than 108 bytes.
///
/// Version 1 can say nothing of Unix sockets, datagrams and the proxy's own connections: it says `UNKNOWN`. When one
/// address is IPv4 and the other is not, both are written as IPv6. Version 2 ends with a checksum when it has other fields.
pub fn encode(header: &Header) -> Option<Vec<u8>> {
    match header.version {
        Version::V1 => Some(line(&header.origin)),
        Version::V2 => binary(header),
    }
}

fn line(origin: &Origin) -> Vec<u8> {
    let Origin::Inet { source, destination, datagrams: false } = origin else {
        return b"PROXY UNKNOWN\r\n".to_vec();
    };
    let (from, to) = alike(*source, *destination);
    let word = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    let mut out = Vec::with_capacity(64);
    // Writing to a vector cannot fail.
    write!(out, "PROXY {word} {from} {to} {} {}\r\n", source.port(), destination.port()).unwrap_or_default();
    out
}

fn binary(header: &Header) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(SIGNATURE);
    let has_addresses = match &header.origin {
        Origin::Local => {
            out.extend_from_slice(&[0x20, 0, 0, 0]);
            false
        }
        Origin::Unknown => {
            out.extend_from_slice(&[0x21, 0, 0, 0]);
            false
        }
        Origin::Inet { source, destination, datagrams } => {
            let (from, to) = alike(*source, *destination);
            let family = if from.is_ipv4() { 0x10 } else { 0x20 };
            out.extend_from_slice(&[0x21, family | transport(*datagrams), 0, 0]);
            for address in [from, to] {
                match address {
                    IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
                    IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
                }
            }
            out.extend_from_slice(&source.port().to_be_bytes());
            out.extend_from_slice(&destination.port().to_be_bytes());
            true
        }
        Origin::Unix { source, destination, datagrams } => {
            out.extend_from_slice(&[0x21, 0x30 | transport(*datagrams), 0, 0]);
            for path in [source, destination] {
                out.extend_from_slice(path);
                out.resize(out.len() + 108_usize.checked_sub(path.len())?, 0);
            }
            true
        }
    };
    let has_fields = has_addresses && !header.tlvs.is_empty();
    if has_fields {
        out.extend_from_slice(header.tlvs.as_bytes());
        out.extend_from_slice(&[kind::CRC32C, 0, 4, 0, 0, 0, 0]);
    }
    if out.len() > LIMIT {
        return None;
    }
    let length = u16::try_from(out.len() - 16).ok()?;
    out.get_mut(14..16)?.copy_from_slice(&length.to_be_bytes());
    if has_fields {
        let crc = tlv::crc32c(&out).to_be_bytes();
        let at = out.len() - crc.len();
        out.get_mut(at..)?.copy_from_slice(&crc);
    }
    Some(out)
}

fn transport(datagrams: bool) -> u8 {
    if datagrams { 2 } else { 1 }
}

/// Both addresses in one family.
fn alike(source: SocketAddr, destination: SocketAddr) -> (IpAddr, IpAddr) {
    let wide = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => IpAddr::V6(v4.to_ipv6_mapped()),
        v6 => v6,
    };
    match (source.ip(), destination.ip()) {
        (a, b) if a.is_ipv4() == b.is_ipv4() => (a, b),
        (a, b) => (wide(a), wide(b)),
    }
}
