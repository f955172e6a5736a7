//! The socket of a QUIC endpoint, for the library that speaks QUIC.
//!
//! That library would bring its own, by an older release of the crate beneath the [`udp`](crate::udp) room, and that
//! release asks for an option that not every system of Windows's kind has. One crate does it for both.

use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use quinn_udp::BATCH_SIZE;
use tokio::io::Interest;
use tokio::net::UdpSocket;

use super::handover::{Neighbours, Turn};
use crate::listen::Line;
use crate::udp::SocketState;

/// How many failures to receive in a row before others have their turn.
const PATIENCE: usize = 16;

/// A socket for an endpoint of `quinn`, registered with the runtime that it is started in.
#[derive(Debug)]
pub struct Socket {
    io: UdpSocket,
    state: SocketState,
    /// On one thread only, so nobody ever waits for it.
    neighbours: Mutex<Neighbours>,
}

impl Socket {
    /// Takes it over into the calling runtime.
    ///
    /// # Errors
    /// The runtime cannot register it.
    pub fn start(socket: std::net::UdpSocket) -> io::Result<Arc<Self>> {
        Self::start_beside(socket, None)
    }

    /// The same, with a line to a process that has the socket too.
    pub(super) fn start_beside(socket: std::net::UdpSocket, line: Option<Line>) -> io::Result<Arc<Self>> {
        let state = SocketState::new(&socket)?;
        let neighbours = Mutex::new(Neighbours::start(line)?);
        Ok(Arc::new(Self { state, io: UdpSocket::from_std(socket)?, neighbours }))
    }

    /// The processes that have the socket too.
    pub(super) fn neighbours(&self) -> MutexGuard<'_, Neighbours> {
        self.neighbours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, transmit: &quinn_udp::Transmit<'_>) -> io::Result<()> {
        match self.state.try_send(&self.io, transmit) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            // What was not sent is sent again by the rules of QUIC, or not missed: a look for the largest datagram that
            // gets through is answered so.
            Err(error) => {
                tracing::debug!(to = %transmit.destination, %error, "a datagram of QUIC was not sent");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn take(&self, bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> io::Result<usize> {
        let room = bufs.len().min(metas.len()).min(BATCH_SIZE);
        let mut taken: [quinn_udp::RecvMeta; BATCH_SIZE] = std::array::from_fn(|_| quinn_udp::RecvMeta::default());
        let (bufs, into) = (bufs.get_mut(..room).unwrap_or_default(), taken.get_mut(..room).unwrap_or_default());
        let filled = self.state.recv(&self.io, bufs, into)?;
        for (to, from) in metas.iter_mut().zip(&taken).take(filled) {
            *to = RecvMeta {
                addr: from.addr,
                len: from.len,
                stride: from.stride,
                ecn: from.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8)),
                dst_ip: from.dst_ip,
            };
        }
        Ok(filled)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Room { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let transmit = quinn_udp::Transmit {
            destination: transmit.destination,
            ecn: transmit.ecn.and_then(|ecn| quinn_udp::EcnCodepoint::from_bits(ecn as u8)),
            contents: transmit.contents,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        };
        self.io.try_io(Interest::WRITABLE, || self.send(&transmit))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        match self.neighbours().turn(cx, bufs, metas) {
            Turn::Socket => {}
            Turn::Filled(filled) => return Poll::Ready(Ok(filled)),
            Turn::Wait => return Poll::Pending,
        }
        for _ in 0..PATIENCE {
            ready!(self.io.poll_recv_ready(cx))?;
            match self.io.try_io(Interest::READABLE, || self.take(bufs, metas)) {
                Ok(filled) => {
                    let (bufs, metas) = (bufs.get_mut(..filled), metas.get_mut(..filled));
                    self.neighbours().divert(bufs.unwrap_or_default(), metas.unwrap_or_default());
                    return Poll::Ready(Ok(filled));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Of one datagram: of one that was sent, or one too large for anything of QUIC. The library takes an error
                // for the end of the socket.
                Err(error) => tracing::debug!(%error, "a datagram of QUIC was not received"),
            }
        }
        // It fails again and again; others on this worker go on meanwhile.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.joined()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Waits, for one connection, until there is room to send.
struct Room {
    socket: Arc<Socket>,
    waiting: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>>,
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").finish_non_exhaustive()
    }
}

impl UdpPoller for Room {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, waiting } = &mut *self;
        let wait = waiting.get_or_insert_with(|| {
            let socket = Arc::clone(socket);
            Box::pin(async move { socket.io.writable().await })
        });
        let done = ready!(wait.as_mut().poll(cx));
        *waiting = None;
        Poll::Ready(done)
    }
}
