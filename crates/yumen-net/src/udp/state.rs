//! How a socket receives and sends: with all the system offers, or plainly.

use std::io::{self, IoSliceMut};

use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use socket2::SockRef;
use tokio::net::UdpSocket;

use crate::os;

/// The way a socket is used.
#[derive(Debug)]
pub(crate) enum SocketState {
    /// In batches, and with the address each datagram was sent to.
    Full(UdpSocketState),
    /// One datagram at a time, and answers from the address the system chooses. A network stack that lacks an option of
    /// sockets leaves no other way: Wine does for IPv4, and so may what stands between a program and Windows.
    Plain,
}

impl SocketState {
    /// Prepares a socket, as well as the system can.
    ///
    /// # Errors
    /// What the system says of the socket itself.
    pub(crate) fn new(socket: &std::net::UdpSocket) -> io::Result<Self> {
        os::ignore_resets(&SockRef::from(socket));
        match UdpSocketState::new(socket.into()) {
            Ok(state) => Ok(Self::Full(state)),
            Err(error) if os::lacks_option(&error) => {
                let addr = socket.local_addr()?;
                if addr.ip().is_unspecified() {
                    tracing::warn!(%addr, %error, "answers may leave from another address than was asked: bind one address");
                }
                socket.set_nonblocking(true)?;
                Ok(Self::Plain)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes what is there, into `bufs`; says how many of them were filled.
    ///
    /// # Errors
    /// `WouldBlock`: nothing is there. Any other: what the system says.
    pub(crate) fn recv(
        &self,
        io: &UdpSocket,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> io::Result<usize> {
        match self {
            Self::Full(state) => state.recv(io.into(), bufs, metas),
            Self::Plain => {
                let (Some(buf), Some(meta)) = (bufs.first_mut(), metas.first_mut()) else { return Ok(0) };
                let (len, from) = io.try_recv_from(buf)?;
                *meta = RecvMeta::default();
                (meta.addr, meta.len, meta.stride) = (from, len, len);
                Ok(1)
            }
        }
    }

    /// Sends one datagram, or several of one size where [`SocketState::max_segments`] allows.
    ///
    /// # Errors
    /// `WouldBlock`: there is no room. Any other: what the system says.
    pub(crate) fn try_send(&self, io: &UdpSocket, transmit: &Transmit<'_>) -> io::Result<()> {
        match self {
            Self::Full(state) => state.try_send(io.into(), transmit),
            Self::Plain => io.try_send_to(transmit.contents, transmit.destination).map(|_| ()),
        }
    }

    /// How many datagrams can be sent at once.
    pub(crate) fn max_segments(&self) -> usize {
        match self {
            Self::Full(state) => state.max_gso_segments(),
            Self::Plain => 1,
        }
    }

    /// How many datagrams one buffer may be filled with.
    pub(crate) fn joined(&self) -> usize {
        match self {
            Self::Full(state) => state.gro_segments(),
            Self::Plain => 1,
        }
    }

    /// Whether the network may cut what is sent into parts.
    pub(crate) fn may_fragment(&self) -> bool {
        match self {
            Self::Full(state) => state.may_fragment(),
            Self::Plain => true,
        }
    }
}
