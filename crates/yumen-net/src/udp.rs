//! Datagrams: opening UDP sockets for listeners, receiving in batches, answering from the address that was asked, and
//! the connected sockets towards endpoints.
//!
//! A [`UdpSet`] opens every socket of one address at once: one per worker where the system gives the datagrams of one
//! client always to the same socket (`SO_REUSEPORT` on Linux), else one from which one worker receives and hands on.
//! Nothing here knows sessions; the [`Table`] that keeps them has no sockets and no clock.
//!
//! A datagram is never cut: buffers hold the largest one, and large answers may be fragmented by the network layer, as
//! those of any UDP service.

mod state;
mod table;

use std::io::{self, IoSliceMut, Read};
use std::net::{IpAddr, SocketAddr};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::dial::DialError;
use crate::listen::{Inherited, Line, ListenError, ListenOptions, QuicSocket, unmapped};
use crate::os::{self, Parcel};
pub(crate) use state::SocketState;
pub use table::Table;

/// The largest datagram there can be.
pub const LARGEST: usize = 65_535;
/// The length of our connection ids of QUIC.
pub(crate) const QUIC_ID: u8 = 12;
/// What is asked for as the buffer of a socket that receives for many clients; the system may give less.
const RECEIVE_BUFFER: usize = 4 << 20;

/// What is waited for on the socket of a session: an answer, or word that there will be none.
const READ: Interest = Interest::READABLE.add(Interest::ERROR);

/// The open sockets of one address, before they are given to workers. Datagrams queue up in them from now on.
#[derive(Debug)]
pub struct UdpSet {
    sockets: Vec<BoundUdp>,
    addr: SocketAddr,
}

impl UdpSet {
    /// Opens one socket per worker, or a single one where the system cannot share a port or `options` says so.
    ///
    /// As for streams, the port is first asked for alone, so that a second copy of the program cannot take half of the
    /// datagrams unseen.
    ///
    /// # Errors
    /// [`ListenError`]; nothing stays open then.
    pub fn open(options: &ListenOptions, workers: usize) -> Result<Self, ListenError> {
        if options.reuse_port && os::SHARES_PORT && options.addr.port() != 0 {
            bind(options, options.addr, false).map_err(|e| ListenError::of_datagrams(options.addr, e))?;
        }
        Self::open_beside(options, workers)
    }

    /// Like [`UdpSet::open`] but beside a socket of this very process on the same port. Not possible where the system
    /// cannot share ports: close the old one first.
    ///
    /// # Errors
    /// [`ListenError`]; nothing stays open then.
    pub fn open_beside(options: &ListenOptions, workers: usize) -> Result<Self, ListenError> {
        let share = options.reuse_port && os::SHARES_PORT;
        let fail = |e| ListenError::of_datagrams(options.addr, e);
        let mut addr = options.addr;
        let mut sockets = Vec::new();
        for _ in 0..if share { workers.max(1) } else { 1 } {
            let socket = bind(options, addr, share).map_err(fail)?;
            if let Some(bound) = socket.local_addr().map_err(fail)?.as_socket() {
                addr = bound;
            }
            sockets.push(BoundUdp { inner: socket.into(), steer: 0, line: None });
        }
        Ok(Self { sockets, addr })
    }

    /// Lets QUIC packets go to the socket whose number stands in their connection id, where there are several sockets and
    /// the system can do it. Without, they go by the client's address.
    #[must_use]
    pub fn steered(mut self) -> Self {
        let mut next = 0;
        for socket in &mut self.sockets {
            // Those that were there before keep theirs.
            if socket.line.is_none() {
                socket.steer = u8::try_from(next).unwrap_or(u8::MAX);
            }
            next = usize::from(socket.steer) + 1;
        }
        if let Some(first) = self.sockets.first().filter(|_| next > 1) {
            steer(&SockRef::from(&first.inner), self.addr, (next, self.sockets.len()));
        }
        self
    }

    /// Opens QUIC sockets for so many more workers on the port of another socket, of which there are `known` ones.
    ///
    /// # Errors
    /// [`ListenError`]; nothing stays open then.
    pub fn open_more(options: &ListenOptions, known: usize, more: usize) -> Result<Self, ListenError> {
        let mut set = Self::open_beside(options, more)?;
        for (index, socket) in set.sockets.iter_mut().enumerate() {
            socket.steer = u8::try_from(known + index).unwrap_or(u8::MAX);
        }
        if let Some(first) = set.sockets.first() {
            steer(&SockRef::from(&first.inner), set.addr, (known + more, known + more));
        }
        Ok(set)
    }

    /// The QUIC sockets of an address that the process before this one handed over, as [`UdpSet::inherit`].
    pub fn inherit_quic(
        inherited: &Inherited,
        options: &ListenOptions,
        name: Option<&str>,
        workers: usize,
    ) -> Option<Result<Self, ListenError>> {
        let bound = |of: QuicSocket| BoundUdp { inner: of.socket.into(), steer: of.index, line: of.line };
        let mut sockets: Vec<_> = inherited.take_quic(options.addr, name).into_iter().map(bound).collect();
        let addr = sockets.first()?.inner.local_addr().ok()?;
        let missing = workers.saturating_sub(sockets.len());
        // With a gap among the numbers nobody can say which one the system gives to the next.
        let is_whole = sockets.iter().enumerate().all(|(at, socket)| usize::from(socket.steer) == at);
        if options.reuse_port && os::SHARES_PORT && missing > 0 && is_whole {
            match Self::open_beside(&ListenOptions { addr, ..options.clone() }, missing) {
                Ok(more) => sockets.extend(more.sockets),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(Self { sockets, addr }))
    }

    /// The sockets of an address that the process before this one handed over, if there are any: one for each of its
    /// workers, and more beside them when there are more workers now. The name is the listener's where the system chose
    /// the port.
    pub fn inherit(
        inherited: &Inherited,
        options: &ListenOptions,
        name: Option<&str>,
        workers: usize,
    ) -> Option<Result<Self, ListenError>> {
        let sockets = inherited.take_datagrams(options.addr, name);
        let addr = sockets.first()?.local_addr().ok()?.as_socket()?;
        let missing = workers.saturating_sub(sockets.len());
        let mut sockets: Vec<_> =
            sockets.into_iter().map(|s| BoundUdp { inner: s.into(), steer: 0, line: None }).collect();
        if options.reuse_port && os::SHARES_PORT && missing > 0 {
            match Self::open_beside(&ListenOptions { addr, ..options.clone() }, missing) {
                Ok(more) => sockets.extend(more.sockets),
                Err(error) => return Some(Err(error)),
            }
        }
        Some(Ok(Self { sockets, addr }))
    }

    /// The address in use, with the port the system chose if 0 was asked.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Second handles on all sockets. The system numbers the sockets of a port anew when one of them closes, so what is in
    /// connection ids of QUIC stays right only while all of them are open.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn to_handles(&self) -> io::Result<Vec<BoundUdp>> {
        self.sockets.iter().map(BoundUdp::try_clone).collect()
    }

    /// Whether the numbers of the sockets have no gaps, so that the next one is known.
    pub fn is_whole(&self) -> bool {
        self.sockets.iter().enumerate().all(|(at, socket)| usize::from(socket.steer) == at)
    }

    /// The sockets, one per worker in order, or a single one.
    pub fn into_sockets(self) -> Vec<BoundUdp> {
        self.sockets
    }
}

fn bind(options: &ListenOptions, addr: SocketAddr, share: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, Some(Protocol::UDP))?;
    os::claim_datagram_port(&socket, share)?;
    if addr.is_ipv6() {
        socket.set_only_v6(options.v6_only)?;
    }
    socket.set_nonblocking(true)?;
    if socket.recv_buffer_size()? < RECEIVE_BUFFER {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    }
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// Tells the system where QUIC packets go: how many sockets the port has, and over how many of them the first packets of
/// clients are spread. The number of sockets has to fit into a byte.
fn steer(socket: &SockRef<'_>, addr: SocketAddr, (known, spread): (usize, usize)) {
    let done = if known > 256 {
        Err(io::ErrorKind::InvalidInput.into())
    } else {
        os::steer_quic(socket, (known, spread), QUIC_ID)
    };
    if let Err(error) = done {
        tracing::warn!(%addr, %error, "clients of HTTP/3 whose address changes lose their connection");
    }
}

/// An open socket on its way to its worker.
#[derive(Debug)]
pub struct BoundUdp {
    pub(crate) inner: std::net::UdpSocket,
    /// Its number among those of the port, as connection ids of QUIC have it.
    pub(crate) steer: u8,
    /// To the process before this one, or the one after it: QUIC only.
    pub(crate) line: Option<Line>,
}

impl BoundUdp {
    /// A second handle on the same socket and queue.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { inner: self.inner.try_clone()?, steer: self.steer, line: None })
    }

    /// Lets the first packets of clients of QUIC go to the first so many sockets only, of those `known`.
    pub fn spread(&self, known: usize, spread: usize) {
        if let Ok(addr) = self.inner.local_addr() {
            steer(&SockRef::from(&self.inner), addr, (known, spread));
        }
    }

    /// A socket for QUIC and its line, labelled for another process as [`Inherited::parcel`] does.
    pub fn into_parcels(self, wanted: SocketAddr, name: Option<&str>) -> Vec<Parcel> {
        let Self { inner, steer, line } = self;
        Inherited::quic_parcels(wanted, name, QuicSocket { index: steer, socket: inner.into(), line })
    }

    /// The socket itself, for another process.
    pub fn into_socket(self) -> Socket {
        self.inner.into()
    }
}

/// Whose datagrams these are: where they come from, and which of our addresses they were sent to. What tells sessions
/// apart, and what an answer needs to leave as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// As the system says it: IPv4 clients of a socket for both families are mapped into IPv6.
    from: SocketAddr,
    to: Option<IpAddr>,
}

impl Flow {
    /// A flow between two addresses; `to` is `None` where the system does not tell.
    pub fn new(from: SocketAddr, to: Option<IpAddr>) -> Self {
        Self { from, to }
    }

    /// The client.
    pub fn client(&self) -> SocketAddr {
        unmapped(self.from)
    }

    /// The address the client sent to, with the port of the socket, whose own address stands in where the system does
    /// not tell.
    pub fn local(&self, bound: SocketAddr) -> SocketAddr {
        unmapped(SocketAddr::new(self.to.unwrap_or(bound.ip()), bound.port()))
    }
}

/// Room for what one call receives; made once for each socket.
pub struct Batch {
    room: Vec<u8>,
    metas: [RecvMeta; BATCH_SIZE],
    filled: usize,
}

impl Batch {
    /// Room for as many of the largest datagrams as the system gives at a time. Memory that no datagram reaches is only
    /// addressed, not used.
    pub fn new() -> Self {
        Self { room: vec![0; LARGEST * BATCH_SIZE], metas: [RecvMeta::default(); BATCH_SIZE], filled: 0 }
    }

    /// The datagrams in the order they came.
    pub fn datagrams(&self) -> impl Iterator<Item = (Flow, &[u8])> {
        let metas = self.metas.iter().take(self.filled);
        self.room.chunks_exact(LARGEST).zip(metas).flat_map(|(room, meta)| {
            let flow = Flow { from: meta.addr, to: meta.dst_ip };
            pieces(room.get(..meta.len).unwrap_or(room), meta.stride).map(move |bytes| (flow, bytes))
        })
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

/// What the system joined, piece by piece; an empty datagram is one too.
fn pieces(all: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    let empty = all.is_empty().then_some(all);
    empty.into_iter().chain(all.chunks(size.max(1)))
}

/// A socket that receives for many clients, on its worker.
#[derive(Debug)]
pub struct UdpListener {
    io: UdpSocket,
    state: SocketState,
    local: SocketAddr,
}

impl UdpListener {
    /// Takes the socket over into the runtime of the calling worker.
    ///
    /// # Errors
    /// The runtime cannot register it, or the system cannot tell where datagrams were sent to.
    pub fn start(bound: BoundUdp) -> io::Result<Self> {
        let local = bound.inner.local_addr()?;
        let state = SocketState::new(&bound.inner)?;
        os::prepare_datagrams(&SockRef::from(&bound.inner), local.is_ipv6())?;
        Ok(Self { io: UdpSocket::from_std(bound.inner)?, state, local })
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// A second handle, for another worker.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn to_bound(&self) -> io::Result<BoundUdp> {
        let socket = SockRef::from(&self.io).try_clone()?;
        Ok(BoundUdp { inner: socket.into(), steer: 0, line: None })
    }

    /// Waits for datagrams and takes as many as there are room for. Errors that are of something sent before (a client's
    /// port that is closed by now) are passed over.
    ///
    /// # Errors
    /// Of the socket itself; the caller rests a little and comes again.
    pub async fn recv(&self, batch: &mut Batch) -> io::Result<()> {
        batch.filled = 0;
        loop {
            let received = self.io.async_io(Interest::READABLE, || self.take(batch)).await;
            match received {
                Ok(filled) => {
                    batch.filled = filled;
                    return Ok(());
                }
                Err(e) if os::is_of_datagram(&e) => {}
                Err(e) => return Err(e),
            }
        }
    }

    fn take(&self, batch: &mut Batch) -> io::Result<usize> {
        let mut chunks = batch.room.chunks_exact_mut(LARGEST);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        self.state.recv(&self.io, &mut slices, &mut batch.metas)
    }

    /// Sends one datagram, or with `piece` several of that size in a row of which the last may be shorter, to the client
    /// of a flow and from the address that the client knows. Says how many bytes were sent: not all of several, when the
    /// system has no room for more.
    ///
    /// # Errors
    /// `WouldBlock`: wait for [`UdpListener::writable`]. Any other: the next one could not be sent.
    pub fn try_send(&self, flow: Flow, bytes: &[u8], piece: Option<usize>) -> io::Result<usize> {
        let Some(size) = piece.filter(|piece| *piece < bytes.len()) else {
            return self.send_one(flow, bytes, None).map(|()| bytes.len());
        };
        if self.state.max_segments() >= bytes.len().div_ceil(size) {
            match self.send_one(flow, bytes, Some(size)) {
                Ok(()) => return Ok(bytes.len()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(e),
                // This way is not possible, at all or to this client.
                Err(_) => {}
            }
        }
        let mut sent = 0;
        for one in pieces(bytes, size) {
            match self.send_one(flow, one, None) {
                Err(e) if sent > 0 && e.kind() == io::ErrorKind::WouldBlock => break,
                done => done?,
            }
            sent += one.len();
        }
        Ok(sent)
    }

    fn send_one(&self, flow: Flow, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit = Transmit { destination: flow.from, ecn: None, contents, segment_size, src_ip: flow.to };
        let once = || self.state.try_send(&self.io, &transmit);
        let send = || match once() {
            // Once more by way of the runtime: it has to see that there is no room, or it would not wait for any.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.io.try_io(Interest::WRITABLE, once),
            done => done,
        };
        match send() {
            // It may be of a datagram that was sent before, and stands in the way of this one once.
            Err(e) if os::is_of_datagram(&e) => send(),
            done => done,
        }
    }

    /// Waits until something can be sent.
    ///
    /// # Errors
    /// The runtime is ending.
    pub async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }
}

/// A socket to one endpoint. What comes on it is from that endpoint only, and so is an error: nobody listens there, or
/// there is no way.
#[derive(Debug)]
pub struct UdpLink {
    io: UdpSocket,
}

impl UdpLink {
    /// Opens one. Nothing is sent, so that an endpoint that is down shows only later.
    ///
    /// # Errors
    /// [`DialError`]: no way there, or no port or descriptor left.
    pub fn connect(to: SocketAddr) -> Result<Self, DialError> {
        let open = || {
            let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_nonblocking(true)?;
            socket.connect(&to.into())?;
            Ok(Self { io: UdpSocket::from_std(socket.into())? })
        };
        open().map_err(|e| DialError::new(to, e))
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// `WouldBlock`: the system has no room, and the datagram is lost if it is not sent again. Any other may be of a
    /// datagram that was sent before: ask [`DialError`] for its class.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<()> {
        // The runtime knows only after a while that a new socket has room.
        SockRef::from(&self.io).send(bytes).map(|_| ())
    }

    /// Waits until there may be something, an error too.
    ///
    /// # Errors
    /// The runtime is ending.
    pub async fn readable(&self) -> io::Result<()> {
        self.io.ready(READ).await.map(|_| ())
    }

    /// Takes a datagram that is there. The buffer must have [`LARGEST`] bytes, or a larger one is cut.
    ///
    /// # Errors
    /// `WouldBlock`: there is none. Any other is of what was sent before.
    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut recv = || (&*SockRef::from(&self.io)).read(buf);
        match self.io.try_io(Interest::READABLE, &mut recv) {
            // The runtime forgets one kind of readiness at a time.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.io.try_io(Interest::ERROR, recv),
            done => done,
        }
    }
}

/// Whether a datagram was refused because it is larger than can be sent: the system knows no way that takes it.
pub fn is_too_large(e: &io::Error) -> bool {
    os::is_too_large(e)
}

#[cfg(test)]
mod tests;
