//! Opening listeners and accepting from them.
//!
//! A [`ListenSet`] opens every socket of one address before the first accept: on Linux one per worker (`SO_REUSEPORT`),
//! so that the kernel spreads connections and no two workers share a queue; elsewhere one socket for all
//! ([`ListenSet::is_shared`]), from which one worker accepts and hands on. Errors name the address, the cause and the
//! remedy, because a failed bind is the first thing a new user meets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

pub use crate::os::{LocalListener, LocalStream};
use crate::{os, rt};
pub use inherited::{Inherited, Tag};
pub(crate) use inherited::{Line, QuicSocket};

mod inherited;

/// Between two attempts to open a port.
const PORT_PAUSE: Duration = Duration::from_millis(100);

/// What makes a listener the listener it is: change any of it and the socket is opened anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ListenOptions {
    /// Address and port; port 0 lets the system choose one, the same for all workers.
    pub addr: SocketAddr,
    /// How many finished connections may wait to be accepted, per socket. Default 4096; Linux cuts it to
    /// `net.core.somaxconn`.
    pub backlog: u32,
    /// One socket per worker where the system can do it. Default true; without it one socket is shared.
    pub reuse_port: bool,
    /// An IPv6 wildcard takes IPv6 only. Default false: `[::]` takes IPv4 too.
    pub v6_only: bool,
    /// Where a system lets others take a port that is in use, they may not. Default true.
    pub exclusive: bool,
}

impl ListenOptions {
    /// The defaults for an address.
    pub fn new(addr: SocketAddr) -> Self {
        Self { addr, backlog: 4096, reuse_port: true, v6_only: false, exclusive: true }
    }
}

/// A listener that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}: {cause}; {remedy}")]
pub struct ListenError {
    /// The address asked for.
    pub addr: SocketAddr,
    /// What the operator should do.
    pub remedy: String,
    /// What the system said.
    #[source]
    pub cause: io::Error,
}

impl ListenError {
    /// Whether somebody has the port, us included; an exclusive one is refused in either way.
    pub fn is_taken(&self) -> bool {
        matches!(self.cause.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
    }

    /// The same with something more to tell.
    #[must_use]
    pub fn and(mut self, more: &str) -> Self {
        self.remedy = format!("{}; {more}", self.remedy);
        self
    }

    /// Of a UDP port.
    pub(crate) fn of_datagrams(addr: SocketAddr, cause: io::Error) -> Self {
        let error = Self::new(addr, cause);
        Self { remedy: error.remedy.replace("ss -ltnp", "ss -lunp").replace("tcp", "udp"), ..error }
    }

    fn new(addr: SocketAddr, cause: io::Error) -> Self {
        let port = addr.port();
        let remedy = match cause.kind() {
            io::ErrorKind::AddrInUse => {
                format!("another process holds port {port}: stop it or choose another port (`ss -ltnp 'sport = :{port}'` or `netstat -abno` shows it)")
            }
            io::ErrorKind::PermissionDenied if os::SHARES_PORT && port < 1024 => {
                "ports below 1024 need a right: run as a service with CAP_NET_BIND_SERVICE or choose a port from 1024 up".to_owned()
            }
            io::ErrorKind::PermissionDenied => format!(
                "the system keeps port {port} for something else: look at `netsh int ipv4 show excludedportrange tcp` and `netsh http show servicestate`, or at the security policy"
            ),
            io::ErrorKind::AddrNotAvailable => {
                format!("no interface of this machine has the address {}: write one that it has, or 0.0.0.0 or [::] for all", addr.ip())
            }
            _ if is_exhausted(&cause) => "raise the limit of open files (`ulimit -n`, LimitNOFILE=)".to_owned(),
            _ if os::lacks_family(&cause) => "this system has IPv6 switched off: write an IPv4 address".to_owned(),
            _ => "check the address and the system's log".to_owned(),
        };
        Self { addr, remedy, cause }
    }
}

/// Opens a listener, once more if need be: where a port stays taken for a moment after its owner has closed it, it is
/// tried again for some seconds.
///
/// # Errors
/// What the last attempt said.
pub async fn patiently<T>(open: impl FnMut() -> Result<T, ListenError>) -> Result<T, ListenError> {
    patiently_for(os::PORT_PATIENCE, open).await
}

/// As [`patiently`], for so long on every system.
///
/// # Errors
/// What the last attempt said.
pub async fn patiently_for<T>(
    patience: Duration,
    mut open: impl FnMut() -> Result<T, ListenError>,
) -> Result<T, ListenError> {
    let deadline = rt::now() + patience;
    loop {
        match open() {
            Err(e) if e.is_taken() && rt::now() < deadline => rt::sleep(PORT_PAUSE).await,
            done => return done,
        }
    }
}

/// The open sockets of one address, before they are given to workers. Connections queue up in them from now on.
#[derive(Debug)]
pub struct ListenSet {
    sockets: Vec<BoundListener>,
    addr: SocketAddr,
    shared: bool,
}

impl ListenSet {
    /// Opens one socket per worker, or one for all where [`ListenSet::is_shared`] says so.
    ///
    /// Sharing a port needs the consent of both sides only, so a second copy of the program could silently take half of
    /// the connections; therefore the port is first asked for alone.
    ///
    /// # Errors
    /// [`ListenError`]; nothing stays open then.
    pub fn open(options: &ListenOptions, workers: usize) -> Result<Self, ListenError> {
        if options.reuse_port && os::SHARES_PORT && options.addr.port() != 0 {
            // Bound alone it conflicts with any socket that listens there; it does not listen itself, so that no client
            // gets into a queue that goes away.
            bind(options, options.addr, false).map_err(|e| ListenError::new(options.addr, e))?;
        }
        Self::open_beside(options, workers)
    }

    /// Like [`ListenSet::open`] but beside a listener of this very process on the same port, as when only its options
    /// change. Not possible where the system cannot share ports: close the old one first.
    ///
    /// # Errors
    /// [`ListenError`]; nothing stays open then.
    pub fn open_beside(options: &ListenOptions, workers: usize) -> Result<Self, ListenError> {
        let share = options.reuse_port && os::SHARES_PORT;
        let fail = |e| ListenError::new(options.addr, e);
        let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
        let mut addr = options.addr;
        let mut sockets = Vec::new();
        for _ in 0..if share { workers.max(1) } else { 1 } {
            let socket = bind(options, addr, share).map_err(fail)?;
            if let Some(bound) = socket.local_addr().map_err(fail)?.as_socket() {
                addr = bound;
            }
            sockets.push(socket);
        }
        // Listening only once all are bound: none gets connections if a later one fails.
        for socket in &sockets {
            socket.listen(backlog).map_err(fail)?;
        }
        let sockets = sockets.into_iter().map(|s| BoundListener { inner: s.into() }).collect();
        Ok(Self { sockets, addr, shared: !share && workers > 1 })
    }

    /// A socket that was opened by somebody else, for workers that share its queue: each gets a handle of its own, or
    /// with `handles` 1 a single one accepts for all.
    fn of_socket(socket: &Socket, addr: SocketAddr, workers: usize, handles: usize) -> Result<Self, ListenError> {
        let fail = |e| ListenError::new(addr, e);
        let clone = |_| Ok(BoundListener { inner: socket.try_clone()?.into() });
        let sockets = (0..handles.max(1)).map(clone).collect::<io::Result<Vec<_>>>().map_err(fail)?;
        Ok(Self { sockets, addr, shared: handles <= 1 && workers > 1 })
    }

    /// Sockets that another process of this program has opened, one for each of its workers; more are opened beside them
    /// when there are more workers now.
    fn of_sockets(sockets: Vec<Socket>, options: &ListenOptions, workers: usize) -> Result<Self, ListenError> {
        let fail = |e| ListenError::new(options.addr, e);
        let mut addr = options.addr;
        if let Some(bound) = sockets.first().and_then(|socket| socket.local_addr().ok()?.as_socket()) {
            addr = bound;
        }
        let mut sockets: Vec<_> = sockets.into_iter().map(|s| BoundListener { inner: s.into() }).collect();
        for socket in &sockets {
            socket.inner.set_nonblocking(true).map_err(fail)?;
        }
        let share = options.reuse_port && os::SHARES_PORT;
        if share && sockets.len() < workers {
            let more = Self::open_beside(&ListenOptions { addr, ..options.clone() }, workers - sockets.len())?;
            sockets.extend(more.sockets);
        }
        Ok(Self { sockets, addr, shared: !share && workers > 1 })
    }

    /// The address in use, with the port the system chose if 0 was asked.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// There is one socket for several workers: the one that gets it accepts and hands connections on to the others.
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The sockets: one per worker in order, or a single one if [`ListenSet::is_shared`]. There can be more than workers when
    /// they come from another process; each of them has connections in its queue.
    pub fn into_listeners(self) -> Vec<BoundListener> {
        self.sockets
    }
}

fn bind(options: &ListenOptions, addr: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    os::claim_port(&socket, share, options.exclusive)?;
    if addr.is_ipv6() {
        // The default differs between systems, so it is always said.
        socket.set_only_v6(options.v6_only)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// An open socket on its way to its worker.
#[derive(Debug)]
pub struct BoundListener {
    inner: std::net::TcpListener,
}

impl BoundListener {
    /// A second handle on the same socket and queue.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { inner: self.inner.try_clone()? })
    }

    /// The socket itself, for another process.
    pub fn into_socket(self) -> Socket {
        self.inner.into()
    }
}

/// A socket that accepts connections on its worker.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
}

impl Listener {
    /// Takes the socket over into the runtime of the calling worker.
    ///
    /// # Errors
    /// The runtime cannot register it.
    pub fn start(bound: BoundListener) -> io::Result<Self> {
        Ok(Self { inner: TcpListener::from_std(bound.inner)? })
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Takes the socket out of the calling worker, so that another one can accept from it. Its queue stays.
    ///
    /// # Errors
    /// The runtime cannot let go of it.
    pub fn release(self) -> io::Result<BoundListener> {
        Ok(BoundListener { inner: self.inner.into_std()? })
    }

    /// A second handle on the same socket and queue; this one goes on accepting.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn share(&self) -> io::Result<BoundListener> {
        Ok(BoundListener { inner: SockRef::from(&self.inner).try_clone()?.into() })
    }

    /// Waits for the next connection, with `TCP_NODELAY` set. Connections that died in the queue are passed over.
    ///
    /// # Errors
    /// When [`is_exhausted`], wait a little and come again: the connection stays in the queue, and trying at once would
    /// spin. Any other error is of the listener itself.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.inner.accept().await {
                Ok((stream, peer)) => return Ok((prepared(stream), unmapped(peer))),
                Err(e) if os::is_of_connection(&e) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Accepts what is pending at this moment, without waiting.
    ///
    /// Closing one of several sockets on a port resets the connections in its queue; call this before dropping it and
    /// serve them. Stops at the first error; `limit` bounds how many are taken, since clients go on coming.
    pub fn drain_accept(&self, limit: usize) -> Vec<(TcpStream, SocketAddr)> {
        // Through the socket itself, not the runtime's readiness: what came since the last turn of the loop counts too.
        let mut taken = Vec::new();
        while taken.len() < limit {
            match SockRef::from(&self.inner).accept() {
                Ok((socket, peer)) => {
                    let stream = socket.set_nonblocking(true).and_then(|()| TcpStream::from_std(socket.into()));
                    if let (Ok(stream), Some(peer)) = (stream, peer.as_socket()) {
                        taken.push((prepared(stream), unmapped(peer)));
                    }
                }
                Err(e) if os::is_of_connection(&e) => {}
                Err(_) => break,
            }
        }
        taken
    }
}

/// Moves an accepted connection from the worker that accepted it to another thread; see [`ListenSet::is_shared`].
#[derive(Debug)]
pub struct HandedOver {
    inner: std::net::TcpStream,
}

impl HandedOver {
    /// Takes the connection out of the calling worker.
    ///
    /// # Errors
    /// The runtime cannot let go of it.
    pub fn pack(stream: TcpStream) -> io::Result<Self> {
        Ok(Self { inner: stream.into_std()? })
    }

    /// Registers it with the calling worker.
    ///
    /// # Errors
    /// The runtime cannot register it.
    pub fn unpack(self) -> io::Result<TcpStream> {
        TcpStream::from_std(self.inner)
    }
}

/// The process or the machine is out of descriptors or memory: back off, then try again.
pub fn is_exhausted(e: &io::Error) -> bool {
    os::is_exhausted(e)
}

fn prepared(stream: TcpStream) -> TcpStream {
    if !os::INHERITS_NODELAY
        && let Err(error) = stream.set_nodelay(true)
    {
        // The peer is gone already; the first read will say so.
        tracing::trace!(%error, "TCP_NODELAY refused");
    }
    stream
}

/// A dual-stack socket shows IPv4 clients as `::ffff:1.2.3.4`; everything above expects them as what they are.
pub(crate) fn unmapped(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V6(ip) => ip.to_ipv4_mapped().map_or(addr, |v4| SocketAddr::new(v4.into(), addr.port())),
        IpAddr::V4(_) => addr,
    }
}

#[cfg(test)]
mod tests;
