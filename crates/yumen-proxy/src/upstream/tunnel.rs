//! Connections that changed their protocol: the endpoint's side of one, and the relay between two sides of which at least one
//! is a stream of HTTP/2 (RFC 8441). Between two connections `yumen_net::copy` relays, which knows shorter ways.

use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream};
use yumen_net::copy::{End, RelayCounters, RelayEnd, RelayError};
use yumen_net::rt::{self, Deadline};

use super::Local;
use super::endpoint::Active;
use super::h2::Place;
use crate::wire::Link;

/// Parts that are moved one way before the other has its turn.
const TURN: u32 = 16;

/// The endpoint's side of a connection that changed its protocol.
pub(crate) struct Tunnel {
    pub(crate) far: Far,
    pub(crate) active: Active,
    /// How long nothing may move either way.
    pub(crate) idle: Option<Duration>,
}

/// What carries it.
pub(crate) enum Far {
    Link(Box<Link>),
    Stream(StreamHalf, Place),
}

/// One side of a relay.
pub(crate) trait Half {
    /// What comes next; `None` at its end.
    fn poll_take(&mut self, cx: &mut Context<'_>, local: &Local) -> Poll<io::Result<Option<Bytes>>>;
    /// Hands over what is taken now. Ready once all of it was.
    fn poll_give(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<io::Result<()>>;
    /// Says that nothing more follows.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Breaks it off, so that nobody takes what came for the whole.
    fn tear(&mut self);
}

impl Half for Link {
    fn poll_take(&mut self, cx: &mut Context<'_>, local: &Local) -> Poll<io::Result<Option<Bytes>>> {
        if !self.ahead.is_empty() {
            return Poll::Ready(Ok(Some(self.ahead.split().freeze())));
        }
        // A tunnel at rest holds no memory for what may come.
        let input = &mut local.scratch.borrow_mut().input;
        let read = ready!(self.transport.poll_read(cx, input))?;
        let data = input.get(..read).filter(|data| !data.is_empty());
        Poll::Ready(Ok(data.map(Bytes::copy_from_slice)))
    }

    fn poll_give(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<io::Result<()>> {
        while !data.is_empty() {
            let wrote = ready!(self.transport.poll_write(cx, data))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            drop(data.split_to(wrote));
        }
        self.transport.poll_flush(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.poll_shutdown(cx)
    }

    fn tear(&mut self) {
        self.transport.set_linger_zero();
    }
}

/// A stream of HTTP/2 whose DATA frames carry the bytes of another protocol.
pub(crate) struct StreamHalf {
    inflow: RecvStream,
    outflow: SendStream<Bytes>,
}

impl StreamHalf {
    pub(crate) fn new(inflow: RecvStream, outflow: SendStream<Bytes>) -> Self {
        Self { inflow, outflow }
    }
}

impl Half for StreamHalf {
    fn poll_take(&mut self, cx: &mut Context<'_>, _local: &Local) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            match ready!(self.inflow.poll_data(cx)) {
                Some(Ok(data)) => {
                    // One part at a time is in hand. An error means that the stream is gone, which the next part tells.
                    self.inflow.flow_control().release_capacity(data.len()).unwrap_or_default();
                    if !data.is_empty() {
                        return Poll::Ready(Ok(Some(data)));
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(told(error))),
                // Trailers would have no place in the other protocol.
                None => return Poll::Ready(Ok(None)),
            }
        }
    }

    fn poll_give(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<io::Result<()>> {
        while !data.is_empty() {
            self.outflow.reserve_capacity(data.len());
            let room = match self.outflow.capacity() {
                0 => match ready!(self.outflow.poll_capacity(cx)) {
                    Some(room) => room.map_err(told)?,
                    None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                },
                room => room,
            };
            let part = data.split_to(room.min(data.len()));
            self.outflow.send_data(part, false).map_err(told)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.outflow.send_data(Bytes::new(), true).map_err(told))
    }

    fn tear(&mut self) {
        self.outflow.send_reset(Reason::CANCEL);
    }
}

fn told(error: h2::Error) -> io::Error {
    if error.is_reset() || error.is_go_away() {
        return io::Error::new(io::ErrorKind::ConnectionReset, error);
    }
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    io::Error::other(error)
}

/// One direction.
#[derive(Default)]
struct Pump {
    held: Bytes,
    ended: bool,
    over: bool,
}

impl Pump {
    /// Moves what can be moved. Ready once the end was passed on; an error says whether it is the source's.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        (from, to): (&mut impl Half, &mut impl Half),
        (local, moved): (&Local, &std::cell::Cell<u64>),
    ) -> Poll<Result<(), (bool, io::Error)>> {
        let mut turns = 0;
        while !self.over {
            if !self.held.is_empty() {
                ready!(to.poll_give(cx, &mut self.held)).map_err(|e| (false, e))?;
            }
            if self.ended {
                ready!(to.poll_end(cx)).map_err(|e| (false, e))?;
                self.over = true;
                break;
            }
            turns += 1;
            if turns > TURN {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match ready!(from.poll_take(cx, local)).map_err(|e| (true, e))? {
                Some(data) => {
                    moved.set(moved.get() + data.len() as u64);
                    self.held = data;
                }
                None => self.ended = true,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Moves bytes both ways until both sides have ended.
///
/// # Errors
/// [`RelayError`]; both sides are of no more use.
pub(crate) async fn relay(
    near: &mut impl Half,
    far: &mut impl Half,
    (local, idle): (&Local, Option<Duration>),
    counters: &RelayCounters,
) -> Result<RelayEnd, RelayError> {
    let (mut there, mut back) = (Pump::default(), Pump::default());
    let mut deadline = Deadline::new();
    let mut seen = None;
    std::future::poll_fn(|cx| {
        let first = there.poll(cx, (near, far), (local, &counters.a_to_b));
        if let Poll::Ready(Err((is_near, source))) = first {
            return Poll::Ready(broken(if is_near { End::A } else { End::B }, source));
        }
        let second = back.poll(cx, (far, near), (local, &counters.b_to_a));
        if let Poll::Ready(Err((is_far, source))) = second {
            return Poll::Ready(broken(if is_far { End::B } else { End::A }, source));
        }
        if first.is_ready() && second.is_ready() {
            return Poll::Ready(Ok(RelayEnd::Closed));
        }
        let now = (counters.a_to_b.get(), counters.b_to_a.get());
        if seen != Some(now) {
            seen = Some(now);
            deadline.set(idle.map(|idle| rt::now() + idle));
        }
        deadline.poll_expired(cx).map(|()| Ok(RelayEnd::Idle))
    })
    .await
}

fn broken(side: End, source: io::Error) -> Result<RelayEnd, RelayError> {
    match source.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ok(RelayEnd::Reset(side)),
        _ => Err(RelayError { side, source }),
    }
}
