//! The one type under every connection: plain TCP, TLS in either role, or a local socket.
//!
//! It is read and written by polling through `&mut self`, without locks and without being split: one task owns a
//! connection and does both. It is also `AsyncRead + AsyncWrite`. Nothing above sees which kind it is, except where the
//! kind is the question (splice, peeking, resets).

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::listen::unmapped;
use crate::os::{self, LocalStream};

/// A connection.
#[derive(Debug)]
pub enum Transport {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP, either role. Boxed: its state is large, and a plain connection should not pay for it.
    Tls(Box<tokio_rustls::TlsStream<TcpStream>>),
    /// A Unix socket or a named pipe.
    Local(LocalStream),
}

/// What a connection that should be silent shows; see [`Transport::check_idle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleState {
    /// Nothing came: it can be used.
    Quiet,
    /// The other side closed or broke it.
    Closed,
    /// The other side sent something nobody asked for: it must not be used.
    UnaskedBytes,
}

impl Transport {
    /// A connection over TCP, without TLS.
    pub fn plain(tcp: TcpStream) -> Self {
        Self::Plain(tcp)
    }

    /// Reads into `buf`; 0 is the end of the other side's stream. The socket is tried first and waited for only when it
    /// has nothing.
    ///
    /// # Errors
    /// What the system or TLS says. [`io::ErrorKind::UnexpectedEof`] is a TLS stream that was cut without a
    /// `close_notify` (RFC 8446 section 6.1): what came before may not be all.
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        ready!(AsyncRead::poll_read(Pin::new(self), cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    /// Like [`Transport::poll_read`], behind what a growing buffer already holds; it must have room.
    ///
    /// # Errors
    /// As [`Transport::poll_read`].
    pub fn poll_read_buf<B: bytes::BufMut + ?Sized>(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut B,
    ) -> Poll<io::Result<usize>> {
        // The future has no state of its own, so one per poll is the same as one kept.
        pin!(AsyncReadExt::read_buf(self, &mut &mut *buf)).poll(cx)
    }

    /// Writes a part of `buf`, at least one byte.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(self), cx, buf)
    }

    /// Writes a part of several buffers in one call.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(Pin::new(self), cx, bufs)
    }

    /// Hands everything written so far to the system. TLS keeps records back when the socket is full.
    ///
    /// # Errors
    /// What the system or TLS says.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(self), cx)
    }

    /// Ends our side of the stream; reading goes on. TLS says `close_notify` first.
    ///
    /// # Errors
    /// What the system or TLS says; `NotConnected` when the other side broke the connection.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(self), cx)
    }

    /// Ready when a read may give something: bytes, the end or an error. Holds no buffer, so a waiting connection is
    /// small. May be ready in vain.
    ///
    /// # Errors
    /// What the system says.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx),
            Self::Tls(tls) if tls_has_more(tls) => Poll::Ready(Ok(())),
            Self::Tls(tls) => tls.get_ref().0.poll_read_ready(cx),
            Self::Local(local) => local.poll_read_ready(cx),
        }
    }

    /// Reads what is there without waiting; 0 is the end.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there, else as [`Transport::poll_read`].
    pub fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_read(buf),
            Self::Tls(tls) => try_read_tls(tls, buf),
            Self::Local(local) => local.try_read(buf),
        }
    }

    /// Looks at a connection that should be silent, such as a pooled one before its next use. Costs no system call when
    /// nothing happened on the socket since it was last read. A byte that came unasked is lost: do not use the connection.
    ///
    /// TLS messages without content, such as session tickets, are taken in and are no unasked bytes.
    pub fn check_idle(&mut self) -> IdleState {
        match self.try_read(&mut [0]) {
            Ok(0) => IdleState::Closed,
            Ok(_) => IdleState::UnaskedBytes,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => IdleState::Quiet,
            Err(_) => IdleState::Closed,
        }
    }

    /// Waits until more than `seen` bytes can be looked at without taking them, and gives how many stand in `buf`; no
    /// more than `seen` means that the stream ended or `buf` is full. For deciding by the first bytes, as with SNI.
    ///
    /// # Errors
    /// What the system says; `Unsupported` on anything but plain TCP.
    pub async fn peek(&self, buf: &mut [u8], seen: usize) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => peek_more(tcp, buf, seen).await,
            Self::Tls(_) | Self::Local(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Makes dropping the connection a reset: the other side learns that it broke, and unsent bytes are thrown away.
    /// Nothing to do for local sockets, which know no reset.
    pub fn set_linger_zero(&self) {
        if let Some(tcp) = self.tcp()
            && let Err(error) = tcp.set_zero_linger()
        {
            tracing::trace!(%error, "the connection cannot be reset; it is gone already");
        }
    }

    /// The TCP socket beneath, if there is one.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(tcp) => Some(tcp),
            Self::Tls(tls) => Some(tls.get_ref().0),
            Self::Local(_) => None,
        }
    }

    /// Whether the bytes on the wire are the bytes read and written.
    pub fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// The other side's address, IPv4 as such on a dual-stack listener; none for local sockets and broken connections.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.tcp()?.peer_addr().ok().map(unmapped)
    }

    /// Our address, IPv4 as such on a dual-stack listener; none for local sockets.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.tcp()?.local_addr().ok().map(unmapped)
    }
}

impl From<TcpStream> for Transport {
    fn from(tcp: TcpStream) -> Self {
        Self::Plain(tcp)
    }
}

impl From<LocalStream> for Transport {
    fn from(local: LocalStream) -> Self {
        Self::Local(local)
    }
}

/// Whether the TLS stream was cut off without a `close_notify`.
pub fn is_truncation(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::UnexpectedEof
}

/// Whether the other side is gone in disorder: a reset, seen by reading or by writing.
pub fn is_reset(e: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(e.kind(), K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::NotConnected)
}

/// Whether decrypted bytes or an end wait inside the TLS state, of which the socket knows nothing.
fn tls_has_more(tls: &tokio_rustls::TlsStream<TcpStream>) -> bool {
    // `wants_read` is false exactly when there is plaintext to take, or the other side has closed.
    !tls.get_ref().1.wants_read()
}

fn try_read_tls(tls: &mut tokio_rustls::TlsStream<TcpStream>, buf: &mut [u8]) -> io::Result<usize> {
    let mut buf = ReadBuf::new(buf);
    // Nobody waits here, so there is nobody to wake; who waits later polls again. And the answer must be that of the
    // socket, not that the task has done much already.
    let read = std::future::poll_fn(|cx| Pin::new(&mut *tls).poll_read(cx, &mut buf));
    match pin!(tokio::task::coop::unconstrained(read)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read.map(|()| buf.filled().len()),
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

async fn peek_more(tcp: &TcpStream, buf: &mut [u8], seen: usize) -> io::Result<usize> {
    loop {
        let ready = tcp.ready(Interest::READABLE).await?;
        // Claiming that nothing is there lays the readiness aside until more comes.
        let peeked = tcp.try_io(Interest::READABLE, || match os::peek(tcp, buf)? {
            n if n > seen || n == buf.len() => Ok(n),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        });
        match peeked {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if ready.is_read_closed() {
                    return Ok(seen.min(buf.len()));
                }
                if !os::READINESS_IS_EDGE {
                    // Here unread bytes make the socket ready again at once.
                    crate::rt::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
            done => return done,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
            Self::Local(local) => Pin::new(local).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
            Self::Local(local) => Pin::new(local).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_write_vectored(cx, bufs),
            Self::Local(local) => Pin::new(local).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
            Self::Local(local) => Pin::new(local).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
            Self::Local(local) => Pin::new(local).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
