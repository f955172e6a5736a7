//! A client's connection under HTTP/2, with the meter that watches its frames.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use yumen_http2::{Excess, Meter, Tally};
use yumen_net::rt;
use yumen_net::transport::Transport;

/// What stands between the socket and the protocol. Both the protocol and who drives it hold it.
pub(crate) struct Line {
    transport: RefCell<Transport>,
    meter: RefCell<Meter>,
    excess: Cell<Option<Excess>>,
}

impl Line {
    pub(crate) fn new(transport: Transport, meter: Meter) -> Rc<Self> {
        Rc::new(Self { transport: RefCell::new(transport), meter: RefCell::new(meter), excess: Cell::new(None) })
    }

    /// The end that the protocol reads and writes.
    pub(crate) fn metered(self: &Rc<Self>) -> Metered {
        Metered(Rc::clone(self))
    }

    /// What there was too much of, once there was. Nothing more is read from then on.
    pub(crate) fn excess(&self) -> Option<Excess> {
        self.excess.get()
    }

    /// Whether the client is in the middle of a header block.
    pub(crate) fn is_mid_block(&self) -> bool {
        self.meter.borrow().is_mid_block()
    }

    /// What ended so far.
    pub(crate) fn tally(&self) -> Tally {
        self.meter.borrow().tally()
    }

    /// The connection itself, once the protocol is done with it.
    pub(crate) fn transport(&self) -> &RefCell<Transport> {
        &self.transport
    }

    fn note_sent(&self, bytes: &[u8]) {
        if let Err(over) = self.meter.borrow_mut().sent(bytes, rt::now) {
            self.excess.set(Some(over.excess));
        }
    }
}

/// The bytes of a client's connection, counted by frames as they pass.
pub(crate) struct Metered(Rc<Line>);

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let line = &*self.0;
        if line.excess.get().is_some() {
            // Who drives the connection ends it; until then it is as if the client had fallen silent.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut *line.transport.borrow_mut()).poll_read(cx, buf))?;
        let judged = line.meter.borrow_mut().received(buf.filled().get(before..).unwrap_or_default(), rt::now);
        if let Err(over) = judged {
            line.excess.set(Some(over.excess));
            buf.set_filled(before + over.at);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = ready!(self.0.transport.borrow_mut().poll_write(cx, buf))?;
        self.0.note_sent(buf.get(..wrote).unwrap_or_default());
        Poll::Ready(Ok(wrote))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = ready!(self.0.transport.borrow_mut().poll_write_vectored(cx, bufs))?;
        let mut left = wrote;
        for buf in bufs {
            let part = left.min(buf.len());
            self.0.note_sent(buf.get(..part).unwrap_or_default());
            left -= part;
        }
        Poll::Ready(Ok(wrote))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.transport.borrow_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.transport.borrow_mut().poll_shutdown(cx)
    }
}
