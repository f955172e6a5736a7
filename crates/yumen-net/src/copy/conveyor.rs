//! Content of a known length, moved from one plain socket to another inside the kernel.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::End;
use super::pipe::{self, poll_io};
use crate::os::{self, Pipe};
use crate::transport::Transport;

/// Moves of one call before other tasks get their turn.
const MOVES_PER_TURN: u32 = 8;

/// Moves content between two plain TCP connections without the bytes ever being seen. What it has taken but not yet
/// delivered is lost when it is dropped, so a message that began this way ends this way or breaks off.
#[derive(Debug, Default)]
pub struct Conveyor {
    piped: Option<(Pipe, usize)>,
}

/// Whose transport failed, and what the system said. [`io::ErrorKind::UnexpectedEof`] on side A is a source that ended
/// before all was taken.
pub type ConveyError = (End, io::Error);

impl Conveyor {
    /// Whether content can be moved this way from one to the other.
    pub fn fits(from: &Transport, to: &Transport) -> bool {
        os::HAS_SPLICE && from.is_plain() && to.is_plain()
    }

    /// Whether it has taken bytes that the target has not: it then waits for the target, else for the source.
    pub fn is_loaded(&self) -> bool {
        self.piped.is_some()
    }

    /// Moves up to `left` bytes, all that is still to be delivered, and says how many arrived; `None` means that the
    /// kernel cannot do it with these sockets, and that nothing was taken.
    ///
    /// # Errors
    /// [`ConveyError`]; both transports are of no more use.
    pub fn poll_move(
        &mut self,
        cx: &mut Context<'_>,
        from: &Transport,
        to: &Transport,
        left: u64,
    ) -> Poll<Result<Option<u64>, ConveyError>> {
        let (Transport::Plain(source), Transport::Plain(target)) = (from, to) else { return Poll::Ready(Ok(None)) };
        let mut delivered = 0;
        for _ in 0..MOVES_PER_TURN {
            if self.piped.is_none() {
                let wanted = usize::try_from(left - delivered).unwrap_or(usize::MAX);
                match self.poll_take(cx, source, wanted) {
                    Poll::Ready(Ok(true)) => {}
                    Poll::Ready(Ok(false)) if delivered == 0 => return Poll::Ready(Ok(None)),
                    Poll::Ready(Err(e)) if delivered == 0 => return Poll::Ready(Err(e)),
                    Poll::Pending if delivered == 0 => return Poll::Pending,
                    // What arrived is told first; the rest shows at the next call.
                    _ => break,
                }
            }
            match self.poll_deliver(cx, target) {
                Poll::Ready(Ok(n)) => delivered += n,
                Poll::Ready(Err(e)) => return Poll::Ready(Err((End::B, e))),
                Poll::Pending if delivered == 0 => return Poll::Pending,
                Poll::Pending => break,
            }
            if delivered == left {
                break;
            }
        }
        Poll::Ready(Ok(Some(delivered)))
    }

    /// Fills the pipe; `false` when these sockets cannot be spliced.
    fn poll_take(&mut self, cx: &mut Context<'_>, source: &TcpStream, most: usize) -> Poll<Result<bool, ConveyError>> {
        let Some(pipe) = pipe::borrow() else { return Poll::Ready(Ok(false)) };
        let spliced = poll_io(cx, source, Interest::READABLE, || os::splice_in(source, &pipe, most));
        if let Poll::Ready(Ok(n @ 1..)) = spliced {
            self.piped = Some((pipe, n));
            return Poll::Ready(Ok(true));
        }
        // Nobody holds a pipe while it waits.
        pipe::give_back(pipe);
        Poll::Ready(match ready!(spliced) {
            Ok(_) => Err((End::A, io::ErrorKind::UnexpectedEof.into())),
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(false),
            Err(e) => Err((End::A, e)),
        })
    }

    /// Empties the pipe as far as the target takes it.
    fn poll_deliver(&mut self, cx: &mut Context<'_>, target: &TcpStream) -> Poll<io::Result<u64>> {
        let Some((pipe, left)) = &mut self.piped else { return Poll::Ready(Ok(0)) };
        let n = ready!(poll_io(cx, target, Interest::WRITABLE, || os::splice_out(pipe, target, *left)))?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        *left -= n;
        if *left == 0
            && let Some((pipe, _)) = self.piped.take()
        {
            pipe::give_back(pipe);
        }
        Poll::Ready(Ok(n as u64))
    }
}
