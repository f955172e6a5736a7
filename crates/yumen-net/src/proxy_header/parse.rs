//! From bytes to a header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Header, LIMIT, LINE_LIMIT, Origin, SIGNATURE, Tlvs, Version, Versions, tlv};

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The beginning of a header. At least so many more bytes belong to it.
    NeedMore(usize),
    /// A header of so many bytes; what follows is not part of it.
    Complete(Box<Header>, usize),
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// They begin otherwise.
    #[error("what came is no PROXY header")]
    Absent,
    /// A header of a version that is not taken.
    #[error("a PROXY header of version {0}, which is not taken here")]
    VersionRefused(u8),
    /// A line without end.
    #[error("the line of the PROXY header does not end within 107 bytes")]
    LineTooLong,
    /// A line feed or a carriage return alone.
    #[error("the line of the PROXY header ends otherwise than with CR LF")]
    LineEnd,
    /// A line with something wrong in it.
    #[error("the line of the PROXY header has {0}")]
    Line(&'static str),
    /// The signature of version 2 in front of another version.
    #[error("a binary PROXY header of version {0}; only 2 exists")]
    UnknownVersion(u8),
    /// Neither LOCAL nor PROXY.
    #[error("a PROXY header with the unknown command {0}")]
    UnknownCommand(u8),
    /// An address family or a transport that does not exist.
    #[error("a PROXY header with the unknown address family {0:#04x}")]
    UnknownFamily(u8),
    /// Longer than anybody needs.
    #[error("a PROXY header of more than 16 KiB")]
    TooLarge,
    /// Too short for the addresses it should have.
    #[error("a PROXY header too short for its addresses")]
    TooShort,
    /// A malformed field behind the addresses.
    #[error("a PROXY header with {0}")]
    Tlv(&'static str),
    /// The bytes are not those that were sent.
    #[error("a PROXY header whose checksum is wrong")]
    Checksum,
}

/// Reads a header from the first bytes of a connection.
///
/// # Errors
/// [`Fault`] as soon as the bytes cannot become one; more bytes do not mend that.
pub fn parse(bytes: &[u8], versions: Versions) -> Result<Parsed, Fault> {
    const WORD: &[u8] = b"PROXY ";
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    if begins(SIGNATURE) {
        if bytes.len() >= SIGNATURE.len() && !versions.v2 {
            return Err(Fault::VersionRefused(2));
        }
        // The empty beginning fits both versions, of which the shortest header has 15 bytes.
        return if bytes.is_empty() { Ok(Parsed::NeedMore(15)) } else { binary(bytes) };
    }
    if begins(WORD) {
        if bytes.len() >= WORD.len() && !versions.v1 {
            return Err(Fault::VersionRefused(1));
        }
        return line(bytes);
    }
    Err(Fault::Absent)
}

/// Version 1, section 2.1.
fn line(bytes: &[u8]) -> Result<Parsed, Fault> {
    let within = bytes.get(..LINE_LIMIT).unwrap_or(bytes);
    let Some(end) = within.iter().position(|&b| b == b'\n') else {
        let cr = within.iter().position(|&b| b == b'\r');
        return match cr {
            Some(at) if at + 1 < within.len() => Err(Fault::LineEnd),
            _ if within.len() == LINE_LIMIT => Err(Fault::LineTooLong),
            Some(_) => Ok(Parsed::NeedMore(1)),
            None => Ok(Parsed::NeedMore(15_usize.saturating_sub(bytes.len()).max(2))),
        };
    };
    let text = within.get(..end).and_then(|l| l.strip_suffix(b"\r")).ok_or(Fault::LineEnd)?;
    if text.contains(&b'\r') {
        return Err(Fault::LineEnd);
    }
    let rest = text.strip_prefix(b"PROXY ").ok_or(Fault::Absent)?;
    let complete = |origin| {
        let header = Header { version: Version::V1, origin, tlvs: Tlvs::default() };
        Ok(Parsed::Complete(Box::new(header), end + 1))
    };
    if rest == b"UNKNOWN" || rest.starts_with(b"UNKNOWN ") {
        // Whatever follows is to be ignored.
        return complete(Origin::Unknown);
    }
    let text = std::str::from_utf8(rest).map_err(|_| Fault::Line("bytes that are no text"))?;
    complete(addresses(text)?)
}

fn addresses(text: &str) -> Result<Origin, Fault> {
    let mut words = text.split(' ');
    let v6 = match words.next() {
        Some("TCP4") => false,
        Some("TCP6") => true,
        _ => return Err(Fault::Line("an unknown protocol")),
    };
    let mut address = || {
        let word = words.next().ok_or(Fault::Line("too few words"))?;
        let address = match v6 {
            true => word.parse::<Ipv6Addr>().map(IpAddr::V6),
            false => word.parse::<Ipv4Addr>().map(IpAddr::V4),
        };
        address.map_err(|_| Fault::Line("an address that is none of its protocol"))
    };
    let (source, destination) = (address()?, address()?);
    let mut port = || {
        let word = words.next().ok_or(Fault::Line("too few words"))?;
        let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word.len() == 1 || !word.starts_with('0'));
        word.parse::<u16>().ok().filter(|_| plain).ok_or(Fault::Line("a port that is none"))
    };
    let (from, to) = (port()?, port()?);
    if words.next().is_some() {
        return Err(Fault::Line("too many words"));
    }
    let (source, destination) = (SocketAddr::new(source, from), SocketAddr::new(destination, to));
    Ok(Origin::Inet { source, destination, datagrams: false })
}

/// Version 2, section 2.2.
fn binary(bytes: &[u8]) -> Result<Parsed, Fault> {
    // What is known to be wrong is told before the rest comes.
    let command = match bytes.get(12) {
        Some(b) if b >> 4 != 2 => return Err(Fault::UnknownVersion(b >> 4)),
        Some(b) if b & 0x0f > 1 => return Err(Fault::UnknownCommand(b & 0x0f)),
        other => other.map(|b| b & 0x0f),
    };
    let Some(&[_, family, high, low]) = bytes.get(12..).and_then(|b| b.first_chunk::<4>()) else {
        return Ok(Parsed::NeedMore(16 - bytes.len()));
    };
    let total = 16 + usize::from(u16::from_be_bytes([high, low]));
    if total > LIMIT {
        return Err(Fault::TooLarge);
    }
    let is_local = command == Some(0);
    let needed = match family {
        // The family of a LOCAL header is to be ignored.
        _ if is_local => 0,
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        other => return Err(Fault::UnknownFamily(other)),
    };
    if total < 16 + needed {
        return Err(Fault::TooShort);
    }
    let Some(header) = bytes.get(..total) else { return Ok(Parsed::NeedMore(total - bytes.len())) };
    let (block, rest) = header.get(16..).unwrap_or_default().split_at_checked(needed).ok_or(Fault::TooShort)?;
    let origin = match needed {
        _ if is_local => Origin::Local,
        0 => Origin::Unknown,
        216 => unix(block, family == 0x32).ok_or(Fault::TooShort)?,
        _ => inet(block, family & 0x0f == 2).ok_or(Fault::TooShort)?,
    };
    // Without addresses of a known length nobody can tell where the fields begin.
    let tlvs = if needed == 0 { Tlvs::default() } else { tlv::read(header, total - rest.len())? };
    let header = Header { version: Version::V2, origin, tlvs };
    Ok(Parsed::Complete(Box::new(header), total))
}

fn inet(block: &[u8], datagrams: bool) -> Option<Origin> {
    let width = (block.len() - 4) / 2;
    let address = |at: usize| -> Option<IpAddr> {
        let bytes = block.get(at..at + width)?;
        match <[u8; 4]>::try_from(bytes) {
            Ok(v4) => Some(IpAddr::from(v4)),
            Err(_) => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        }
    };
    let port = |at: usize| Some(u16::from_be_bytes(*block.get(at..)?.first_chunk()?));
    Some(Origin::Inet {
        source: SocketAddr::new(address(0)?, port(2 * width)?),
        destination: SocketAddr::new(address(width)?, port(2 * width + 2)?),
        datagrams,
    })
}

fn unix(block: &[u8], datagrams: bool) -> Option<Origin> {
    let path = |bytes: &[u8]| -> Box<[u8]> {
        // An abstract name begins with a zero; the zeros behind it are padding.
        let end = bytes.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
        bytes.get(..end).unwrap_or_default().into()
    };
    let (source, destination) = block.split_at_checked(108)?;
    Some(Origin::Unix { source: path(source), destination: path(destination), datagrams })
}
