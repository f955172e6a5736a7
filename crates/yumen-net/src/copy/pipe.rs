//! The pipes of a worker, through which the kernel moves bytes between two sockets.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::os::Pipe;

/// Empty pipes a worker keeps.
const SPARE_PIPES: usize = 32;

thread_local! {
    static PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// An empty pipe; `None` when the process is out of descriptors, and copying has to do.
pub(super) fn borrow() -> Option<Pipe> {
    if let Some(pipe) = PIPES.with_borrow_mut(Vec::pop) {
        return Some(pipe);
    }
    match Pipe::open() {
        Ok(pipe) => Some(pipe),
        Err(error) => {
            tracing::debug!(%error, "no pipe for splice; bytes are copied");
            None
        }
    }
}

/// Only empty pipes come back; one with bytes in it is closed with what moved them.
pub(super) fn give_back(pipe: Pipe) {
    PIPES.with_borrow_mut(|pipes| {
        if pipes.len() < SPARE_PIPES {
            pipes.push(pipe);
        }
    });
}

/// Tries an operation whenever the socket is ready for it.
pub(super) fn poll_io(
    cx: &mut Context<'_>,
    tcp: &TcpStream,
    interest: Interest,
    mut io: impl FnMut() -> io::Result<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        if interest.is_readable() {
            ready!(tcp.poll_read_ready(cx))?;
        } else {
            ready!(tcp.poll_write_ready(cx))?;
        }
        match tcp.try_io(interest, &mut io) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}

/// How many pipes the worker keeps.
#[cfg(test)]
pub(super) fn spare() -> usize {
    PIPES.with_borrow(Vec::len)
}
