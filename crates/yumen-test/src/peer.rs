//! One end of a connection, byte by byte.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use crate::wait::PATIENCE;

/// How the other side's stream stands after a read that brought less than was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended in order.
    Closed,
    /// It was reset.
    Reset,
    /// It is open, but nothing came for [`PATIENCE`].
    Silent,
}

/// One end of a connection. What was read is kept: see [`Peer::received`].
pub struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
    /// How much of `received` the caller has seen.
    seen: usize,
}

impl Peer {
    /// Connects.
    ///
    /// # Panics
    /// When nobody listens.
    #[must_use]
    pub fn connect(to: SocketAddr) -> Self {
        Self::of(TcpStream::connect(to).unwrap_or_else(|e| panic!("cannot connect to {to}: {e}")))
    }

    /// A peer on an accepted stream.
    ///
    /// # Panics
    /// When the stream cannot be set up.
    #[must_use]
    pub fn of(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, received: Vec::new(), seen: 0 }
    }

    /// Gives up earlier than [`PATIENCE`] when nothing comes.
    ///
    /// # Panics
    /// When the stream cannot be set up.
    pub fn set_patience(&self, patience: Duration) {
        self.stream.set_read_timeout(Some(patience)).unwrap();
    }

    /// Everything that ever came, read by the caller or not.
    #[must_use]
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The other side takes no more.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Ends our side of the stream; the other side may go on.
    pub fn end(&self) {
        // The other side may be gone already, and then there is nothing to end.
        self.stream.shutdown(Shutdown::Write).ok();
    }

    /// Breaks the connection: the other side sees a reset, not an end.
    ///
    /// # Panics
    /// When the system refuses the option.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The next `count` bytes; fewer only with the [`End`] that came before them.
    pub fn read(&mut self, count: usize) -> (Vec<u8>, Option<End>) {
        let mut end = None;
        while end.is_none() && self.received.len() - self.seen < count {
            end = self.fill();
        }
        (self.take(count), end)
    }

    /// The next bytes up to and with `mark`.
    pub fn read_through(&mut self, mark: &[u8]) -> (Vec<u8>, Option<End>) {
        loop {
            let ahead = &self.received[self.seen..];
            if let Some(at) = ahead.windows(mark.len()).position(|part| part == mark) {
                return (self.take(at + mark.len()), None);
            }
            if let Some(end) = self.fill() {
                return (self.take(usize::MAX), Some(end));
            }
        }
    }

    /// Everything to the end of the other side's stream.
    pub fn read_to_end(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Some(end) = self.fill() {
                return (self.take(usize::MAX), end);
            }
        }
    }

    /// What is there, without waiting; the end only when it is there too.
    ///
    /// # Panics
    /// When the stream cannot be set up.
    pub fn read_present(&mut self) -> (Vec<u8>, Option<End>) {
        self.stream.set_nonblocking(true).unwrap();
        let end = loop {
            match self.fill() {
                None => {}
                Some(End::Silent) => break None,
                end => break end,
            }
        };
        self.stream.set_nonblocking(false).unwrap();
        (self.take(usize::MAX), end)
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let end = self.seen.saturating_add(count).min(self.received.len());
        let taken = self.received[self.seen..end].to_vec();
        self.seen = end;
        taken
    }

    fn fill(&mut self) -> Option<End> {
        let mut part = [0; 16 * 1024];
        match self.stream.read(&mut part) {
            Ok(0) => Some(End::Closed),
            Ok(n) => {
                self.received.extend_from_slice(&part[..n]);
                None
            }
            // The kind for a passed time limit differs between systems.
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Some(End::Silent),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => None,
            Err(_) => Some(End::Reset),
        }
    }
}
