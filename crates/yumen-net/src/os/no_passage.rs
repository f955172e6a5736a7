//! Systems on which no process takes over from another one.

use std::io;
use std::task::{Context, Poll};

use socket2::Socket;

/// Never made here.
#[derive(Debug)]
pub(crate) enum Passage {}

impl Passage {
    /// # Errors
    /// Always: it cannot be done here.
    pub(crate) fn pair() -> io::Result<(Socket, Socket)> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// # Errors
    /// Always: it cannot be done here.
    pub(crate) fn start(_: Socket) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn try_send(&self, _: &[u8]) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn poll_recv(&self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }
}
