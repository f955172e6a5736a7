//! The PROXY protocol, versions 1 and 2: who a client is, said by a proxy in front of us, or by us to an endpoint.
//!
//! The reference is `proxy-protocol.txt` of HAProxy; sections are those of its 2020 edition. [`parse`] and [`encode`] know
//! no socket; [`read`] takes exactly the header from one, so that what follows belongs to TLS or HTTP untouched. Strict:
//! what could be read in two ways is a [`Fault`]. Whether a header is expected is never guessed from the bytes, because
//! anybody can write one: the caller decides it by the source of the connection.

mod encode;
mod parse;
mod read;
mod tlv;

use std::net::SocketAddr;

pub use encode::encode;
pub use parse::{Fault, Parsed, parse};
pub use read::{ReadError, read};
pub use tlv::{PrivateLink, Ssl, Tlvs, kind};

/// A header of more bytes is refused. Version 2 could have 64 KiB; what is sent in practice has some hundred bytes, a
/// client's certificate among its fields some thousand.
pub const LIMIT: usize = 16 * 1024;
/// The longest line of version 1 with its line end (section 2.1).
const LINE_LIMIT: usize = 107;
/// The first twelve bytes of version 2 (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// A line of text.
    V1,
    /// Binary, with more about the connection.
    V2,
}

/// The versions that are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Whether version 1 is.
    pub v1: bool,
    /// Whether version 2 is.
    pub v2: bool,
}

impl Versions {
    /// Both.
    pub const ALL: Self = Self { v1: true, v2: true };
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version it is written in.
    pub version: Version,
    /// Whose connection it is.
    pub origin: Origin,
    /// What else is said; only in version 2 with addresses.
    pub tlvs: Tlvs,
}

/// Whose connection it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The proxy's own, such as a health check: the addresses of the connection itself count. Only in version 2.
    Local,
    /// Somebody's whose address is not told: the addresses of the connection itself count.
    Unknown,
    /// A client's, over IPv4 or IPv6.
    Inet {
        /// The client.
        source: SocketAddr,
        /// Where it connected to.
        destination: SocketAddr,
        /// Whether it sends datagrams. Only in version 2.
        datagrams: bool,
    },
    /// A client's over Unix sockets; paths without the zeros that pad them. Only in version 2.
    Unix {
        /// The client's path, mostly empty.
        source: Box<[u8]>,
        /// The path it connected to.
        destination: Box<[u8]>,
        /// Whether it sends datagrams.
        datagrams: bool,
    },
}

#[cfg(test)]
mod tests;
