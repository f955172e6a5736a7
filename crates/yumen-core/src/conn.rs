//! What is known of an accepted connection.

use std::net::SocketAddr;
use std::sync::Arc;

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
}

/// Facts of one accepted connection. Nothing in here belongs to a single request.
#[derive(Clone, Debug)]
pub struct Conn {
    /// A number unique within the process, for the log.
    pub id: u64,
    /// The address the connection came from.
    pub peer: SocketAddr,
    /// The address it was accepted on.
    pub local: SocketAddr,
    /// The listener's name.
    pub listener: Arc<str>,
    /// The generation of the configuration it began with.
    pub generation: u64,
    /// TLS facts; `None` on a plain connection.
    pub tls: Option<TlsFacts>,
}
