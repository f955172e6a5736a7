//! A transport and what was read from it too far.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::BytesMut;
use yumen_net::rt::Deadline;
use yumen_net::transport::Transport;

/// The first read of a body; doubled each time a read fills the room, so that bulk costs few system calls and a small
/// message little memory.
const FIRST_READ: usize = 16 * 1024;
const LARGEST_READ: usize = 256 * 1024;

/// One HTTP/1.1 connection seen as bytes.
pub(crate) struct Link {
    pub(crate) transport: Transport,
    /// Read but not yet used. Empty on a connection at rest, and then without memory.
    pub(crate) ahead: BytesMut,
    /// When the present wait has lasted too long.
    pub(crate) deadline: Deadline,
    /// The other side will send nothing more.
    pub(crate) ended: bool,
    room: usize,
}

impl Link {
    pub(crate) fn new(transport: Transport) -> Self {
        Self { transport, ahead: BytesMut::new(), deadline: Deadline::new(), ended: false, room: FIRST_READ }
    }

    /// Reads more behind what is there. 0 means the other side ended; a passed deadline is `TimedOut`.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.ahead.capacity() - self.ahead.len() < self.room / 2 {
            self.ahead.reserve(self.room);
        }
        let room = self.ahead.capacity() - self.ahead.len();
        let read = match self.transport.poll_read_buf(cx, &mut self.ahead) {
            Poll::Pending => return self.poll_late(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            Poll::Ready(read) => read?,
        };
        self.ended |= read == 0;
        if read == room {
            self.room = (self.room * 2).min(LARGEST_READ);
        }
        Poll::Ready(Ok(read))
    }

    /// Reads into `scratch` instead: a connection that waits holds no memory. The same meanings as [`Self::poll_fill`].
    pub(crate) fn poll_scratch(&mut self, cx: &mut Context<'_>, scratch: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = match self.transport.poll_read(cx, scratch) {
            Poll::Pending => return self.poll_late(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            Poll::Ready(read) => read?,
        };
        self.ended |= read == 0;
        Poll::Ready(Ok(read))
    }

    /// Ready once the deadline has passed.
    pub(crate) fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.deadline.poll_expired(cx)
    }

    /// Until when the next wait may last; `None` is for ever.
    pub(crate) fn wait_until(&self, at: Option<Instant>) {
        self.deadline.set(at);
    }

    /// Gives the memory back when nothing is left over.
    pub(crate) fn rest(&mut self) {
        self.deadline.set(None);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
            self.room = FIRST_READ;
        }
    }

    /// Watches a client that waits for its answer: ready with an error once it is gone. What it sends meanwhile is kept
    /// up to a bound; an orderly end of its sending side is not the end of its interest (RFC 9112 section 9.6).
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        while !self.ended && self.ahead.len() < FIRST_READ {
            match ready!(self.transport.poll_read_ready(cx)) {
                Ok(()) => {}
                Err(e) => return Poll::Ready(e),
            }
            if self.ahead.capacity() == self.ahead.len() {
                self.ahead.reserve(1024);
            }
            match ready!(self.transport.poll_read_buf(cx, &mut self.ahead)) {
                Ok(0) => self.ended = true,
                Ok(_) => {}
                Err(e) => return Poll::Ready(e),
            }
        }
        Poll::Pending
    }
}
