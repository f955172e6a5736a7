//! What is known of an accepted connection.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::{ClientCertificate, Met};

/// What the TLS handshake with the client settled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// The server name the client asked for, in lower case.
    pub sni: Option<Box<str>>,
    /// The protocol chosen by ALPN.
    pub alpn: Option<Box<str>>,
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite by its IANA name.
    pub cipher: &'static str,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The certificate that the client showed, in this handshake or in the one that began its session.
    pub client: Option<Arc<ClientCertificate>>,
    /// The number of the policy about client certificates that the handshake met; 0: none was asked for.
    pub policy: u64,
}

/// What a proxy in front said of a connection by the PROXY protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Where the connection really came from: the proxy in front.
    pub by: SocketAddr,
    /// Where the client connected to, as that proxy says.
    pub destination: SocketAddr,
    /// The name the client asked for.
    pub authority: Option<Box<str>>,
    /// The protocol the client agreed upon by ALPN.
    pub alpn: Option<Box<[u8]>>,
    /// The id that proxy knows the connection by.
    pub unique_id: Option<Box<[u8]>>,
    /// The version of TLS spoken with that proxy.
    pub tls: Option<Box<str>>,
    /// The common name of the certificate the client showed to that proxy, which found it good.
    pub common_name: Option<Box<str>>,
    /// The private link of a cloud by which the client came: an id of its endpoint.
    pub endpoint: Option<Box<str>>,
    /// The client's network in that cloud.
    pub vpc: Option<Box<str>>,
}

/// Facts of one accepted connection. Nothing in here belongs to a single request.
#[derive(Clone)]
pub struct Conn {
    /// A number unique within the process, for the log.
    pub id: u64,
    /// The address of the client: where the connection came from or, with [`Conn::proxied`], what a proxy says.
    pub peer: SocketAddr,
    /// The address it was accepted on.
    pub local: SocketAddr,
    /// The listener it came in by.
    pub listener: Arc<dyn Met>,
    /// The generation of the configuration it began with.
    pub generation: u64,
    /// What a proxy in front said; `None` without one, and for a connection of its own.
    pub proxied: Option<Box<Proxied>>,
    /// TLS facts; `None` on a plain connection.
    pub tls: Option<TlsFacts>,
}

/// Appends an address as text, IPv4 as such even where it came mapped into IPv6. IPv4 by hand: it stands in every request
/// and every log line, and the formatting of the standard library costs ten times as much.
pub fn write_address(out: &mut Vec<u8>, address: IpAddr) {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            for (i, octet) in v4.octets().into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                if octet >= 100 {
                    out.push(b'0' + octet / 100);
                }
                if octet >= 10 {
                    out.push(b'0' + octet / 10 % 10);
                }
                out.push(b'0' + octet % 10);
            }
        }
        // Writing to a vector cannot fail.
        IpAddr::V6(v6) => write!(out, "{v6}").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_written_as_the_standard_library_writes_it() {
        for octet in 0..=255 {
            let address = IpAddr::from([octet, 255 - octet, 0, octet / 2]);
            let mut out = Vec::new();
            write_address(&mut out, address);
            assert_eq!(String::from_utf8_lossy(&out), address.to_string());
        }
        let mut out = Vec::new();
        write_address(&mut out, IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x0102, 0x0304]));
        out.push(b' ');
        write_address(&mut out, IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
        assert_eq!(out, b"1.2.3.4 2001:db8::1");
    }
}
