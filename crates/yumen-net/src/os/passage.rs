//! A line between two processes on which messages are handed over whole, or lost when there is no room (Unix).

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use socket2::{Domain, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UnixDatagram;

/// One end of a line.
#[derive(Debug)]
pub(crate) struct Passage {
    /// For the runtime the kind of its socket makes no difference.
    line: UnixDatagram,
    /// The same, for what must be said before the runtime knows that there is room.
    direct: Socket,
}

impl Passage {
    /// Both ends of a new line.
    ///
    /// # Errors
    /// Out of descriptors.
    pub(crate) fn pair() -> io::Result<(Socket, Socket)> {
        // Of this kind the end of one side is told to the other.
        Socket::pair(Domain::UNIX, Type::SEQPACKET, None)
    }

    /// Takes an end over into the calling runtime.
    ///
    /// # Errors
    /// The runtime cannot register it.
    pub(crate) fn start(end: Socket) -> io::Result<Self> {
        end.set_nonblocking(true)?;
        let direct = end.try_clone()?;
        let line = std::os::unix::net::UnixDatagram::from(OwnedFd::from(end));
        Ok(Self { line: UnixDatagram::from_std(line)?, direct })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// `WouldBlock`: there is no room, and it is lost. Any other: nobody is there.
    pub(crate) fn try_send(&self, message: &[u8]) -> io::Result<()> {
        self.direct.send(message).map(drop)
    }

    /// Takes a message; its length is 0 when the other side has ended.
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>, message: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut room = ReadBuf::new(message);
        ready!(self.line.poll_recv(cx, &mut room))?;
        Poll::Ready(Ok(room.filled().len()))
    }
}
