//! Opening connections to endpoints, and finding their addresses.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};

use crate::{os, rt};

/// How to open a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialOptions {
    /// How long the handshake may take. Default 5 s.
    pub timeout: Duration,
    /// The address to come from; the system chooses by default.
    pub source: Option<IpAddr>,
    /// Probe a silent connection after so long; off by default.
    pub keepalive: Option<Duration>,
}

impl Default for DialOptions {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5), source: None, keepalive: None }
    }
}

/// Why a connection could not be opened, in the classes that decide about retries and blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DialErrorKind {
    /// The endpoint's machine said no: nobody listens on the port, or a firewall answers.
    Refused,
    /// No answer within the time.
    TimedOut,
    /// No way there, or the endpoint's network said so.
    Unreachable,
    /// This machine has no free port or descriptor left.
    OutOfPorts,
    /// Anything else.
    Other,
}

/// A connection that could not be opened. Its text names the address, the cause and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to {addr}: {source}{}", remedy(*kind))]
pub struct DialError {
    /// The class.
    pub kind: DialErrorKind,
    /// Where to.
    pub addr: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

fn remedy(kind: DialErrorKind) -> &'static str {
    match kind {
        DialErrorKind::Refused => "; is the endpoint running and listening on that port",
        DialErrorKind::TimedOut => "; the endpoint or a firewall on the way drops the packets, or it is overloaded",
        DialErrorKind::Unreachable => "; check the address and this machine's routes",
        DialErrorKind::OutOfPorts => {
            "; no local ports or descriptors are left: keep more connections alive, widen the port range or raise `ulimit -n`"
        }
        DialErrorKind::Other => "",
    }
}

impl DialError {
    /// Puts an error of a connection to `addr` into its class.
    pub fn new(addr: SocketAddr, source: io::Error) -> Self {
        use io::ErrorKind as K;
        let kind = match source.kind() {
            // Linux says EADDRNOTAVAIL, Windows 10048 or 10055 when the ephemeral ports are used up.
            K::AddrNotAvailable | K::AddrInUse => DialErrorKind::OutOfPorts,
            _ if crate::listen::is_exhausted(&source) => DialErrorKind::OutOfPorts,
            K::ConnectionRefused | K::ConnectionReset => DialErrorKind::Refused,
            K::TimedOut => DialErrorKind::TimedOut,
            K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => DialErrorKind::Unreachable,
            _ => DialErrorKind::Other,
        };
        Self { kind, addr, source }
    }
}

/// Opens a connection, with `TCP_NODELAY` set.
///
/// # Errors
/// [`DialError`].
pub async fn connect(addr: SocketAddr, options: &DialOptions) -> Result<TcpStream, DialError> {
    let socket = socket_for(addr, options)?;
    match rt::timeout(options.timeout, socket.connect(addr)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(e)) => Err(DialError::new(addr, e)),
        Err(_) => Err(DialError::new(
            addr,
            io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {:?}", options.timeout)),
        )),
    }
}

fn socket_for(addr: SocketAddr, options: &DialOptions) -> Result<TcpSocket, DialError> {
    let fail = |e| DialError::new(addr, e);
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(fail)?;
    socket.set_nodelay(true).map_err(fail)?;
    if let Some(every) = options.keepalive {
        let probe = TcpKeepalive::new().with_time(every).with_interval(every);
        SockRef::from(&socket).set_tcp_keepalive(&probe).map_err(fail)?;
    }
    if let Some(source) = options.source {
        if source.is_ipv4() != addr.is_ipv4() {
            let e = io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("its address family is not that of the source address {source}"),
            );
            return Err(fail(e));
        }
        os::delay_source_port(&socket).map_err(fail)?;
        socket.bind(SocketAddr::new(source, 0)).map_err(|e| DialError {
            kind: DialErrorKind::Other,
            addr,
            source: io::Error::new(e.kind(), format!("cannot come from {source}: {e}")),
        })?;
    }
    Ok(socket)
}

mod resolve;
pub use resolve::{ResolveError, Resolved, Resolver};

#[cfg(test)]
mod tests;
