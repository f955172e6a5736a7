//! The machine behind [`super::relay`].
//!
//! A waiting connection holds no buffer: bytes are read into one buffer of the worker and written on in the same turn.
//! Only what the other side did not take is kept, and reading stops until it is gone, so a relay never holds more than one
//! buffer per direction. A direction that fills the buffer twice running is bulk: between plain TCP sockets the kernel then
//! moves the bytes itself, through a pipe borrowed from the worker, until eight moves in a row were small.

use std::cell::{Cell, RefCell};
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;

use super::pipe::{self, poll_io};
use super::{End, RelayCounters, RelayEnd, RelayError, RelayOptions};
use crate::os::{self, Pipe};
use crate::rt::Deadline;
use crate::transport::{Transport, is_reset, is_truncation};

/// One read where splice may take over: large enough that most messages pass in one, small enough to notice bulk soon.
const PROBE: usize = 16 * 1024;
/// One read where it may not.
const BULK: usize = 64 * 1024;
/// Full reads in a row that make a direction bulk.
const FULL_READS: u8 = 2;
/// A splice of less than this is small, and so many of them in a row end bulk.
const SMALL_MOVE: usize = 16 * 1024;
const SMALL_MOVES: u8 = 8;
/// Moves of one direction before other tasks get their turn.
const MOVES_PER_TURN: u32 = 16;
const BYTES_PER_TURN: usize = 2 << 20;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(Box::default());
}

pub(super) struct Relay<'a> {
    a: &'a mut Transport,
    b: &'a mut Transport,
    forth: Flow,
    back: Flow,
    idle: Option<Duration>,
    deadline: Deadline,
    counters: &'a RelayCounters,
}

impl<'a> Relay<'a> {
    pub(super) fn new(
        a: &'a mut Transport,
        b: &'a mut Transport,
        options: &RelayOptions,
        counters: &'a RelayCounters,
    ) -> Self {
        let may_splice = os::HAS_SPLICE && options.splice && a.is_plain() && b.is_plain();
        Self {
            a,
            b,
            forth: Flow::new(may_splice),
            back: Flow::new(may_splice),
            idle: options.idle,
            deadline: Deadline::new(),
            counters,
        }
    }

    /// No `async fn`: that would hold the machine twice.
    pub(super) fn run(mut self) -> impl Future<Output = Result<RelayEnd, RelayError>> {
        if let Some(idle) = self.idle {
            self.deadline.set_in(idle);
        }
        std::future::poll_fn(move |cx| self.poll(cx))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<RelayEnd, RelayError>> {
        let before = self.counters.a_to_b.get().wrapping_add(self.counters.b_to_a.get());
        let forth = self.forth.poll(cx, self.a, self.b, &self.counters.a_to_b);
        let back = self.back.poll(cx, self.b, self.a, &self.counters.b_to_a);
        let failed = match (&forth, &back) {
            (Poll::Ready(Err(f)), _) => Some(f.place(End::A)),
            (_, Poll::Ready(Err(f))) => Some(f.place(End::B)),
            _ => None,
        };
        if let Some((side, reset)) = failed {
            return Poll::Ready(self.fail(side, reset, forth, back));
        }
        if forth.is_ready() && back.is_ready() {
            return Poll::Ready(Ok(RelayEnd::Closed));
        }
        if let Some(idle) = self.idle {
            if self.counters.a_to_b.get().wrapping_add(self.counters.b_to_a.get()) != before {
                self.deadline.set_in(idle);
            }
            ready!(self.deadline.poll_expired(cx));
            return Poll::Ready(Ok(RelayEnd::Idle));
        }
        Poll::Pending
    }

    /// Passes a reset on: the other side's connection will be reset when it is dropped, and bytes still on their way
    /// with it, as if there were no relay.
    fn fail(&self, side: End, reset: bool, forth: Moved, back: Moved) -> Result<RelayEnd, RelayError> {
        match side {
            End::A => self.b.set_linger_zero(),
            End::B => self.a.set_linger_zero(),
        }
        if reset {
            return Ok(RelayEnd::Reset(side));
        }
        let source = [forth, back].into_iter().find_map(|moved| match moved {
            Poll::Ready(Err(failure)) => Some(failure.source),
            _ => None,
        });
        Err(RelayError { side, source: source.unwrap_or_else(|| io::ErrorKind::Other.into()) })
    }
}

type Moved = Poll<Result<(), Failure>>;

/// What went wrong in one direction, and on which side of it.
struct Failure {
    reading: bool,
    source: io::Error,
}

impl Failure {
    fn read(source: io::Error) -> Self {
        Self { reading: true, source }
    }

    fn write(source: io::Error) -> Self {
        Self { reading: false, source }
    }

    /// The side at fault in a direction that reads from `from`, and whether it was a reset.
    fn place(&self, from: End) -> (End, bool) {
        let side = match (from, self.reading) {
            (End::A, true) | (End::B, false) => End::A,
            (End::A, false) | (End::B, true) => End::B,
        };
        (side, is_reset(&self.source))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Bytes move.
    Open,
    /// The source has ended; the target is being told.
    Ending,
    /// Told.
    Ended,
}

/// One direction.
struct Flow {
    stage: Stage,
    /// Read, but not yet taken by the target; `rest[taken..]` is what is left.
    rest: Vec<u8>,
    taken: usize,
    /// A pipe with so many bytes in it; borrowed only while there are some.
    piped: Option<(Pipe, usize)>,
    may_splice: bool,
    bulk: bool,
    full_reads: u8,
    small_moves: u8,
    /// Something was written that the transport may still hold back.
    unflushed: bool,
}

impl Flow {
    fn new(may_splice: bool) -> Self {
        Self {
            stage: Stage::Open,
            rest: Vec::new(),
            taken: 0,
            piped: None,
            may_splice,
            bulk: false,
            full_reads: 0,
            small_moves: 0,
            unflushed: false,
        }
    }

    /// Moves what can be moved now. Ready once the source has ended and the target knows.
    fn poll(&mut self, cx: &mut Context<'_>, from: &mut Transport, to: &mut Transport, count: &Cell<u64>) -> Moved {
        let mut bytes = 0;
        for _ in 0..MOVES_PER_TURN {
            match self.stage {
                Stage::Ended => return Poll::Ready(Ok(())),
                Stage::Ending => return self.poll_end(cx, to),
                Stage::Open => {}
            }
            let moved =
                if self.bulk { self.poll_splice(cx, from, to, count) } else { self.poll_copy(cx, from, to, count) };
            match moved {
                Poll::Ready(Ok(n)) => bytes += n,
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => return self.poll_rest(cx, to),
            }
            if bytes >= BYTES_PER_TURN {
                break;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Before waiting, nothing may lie unsent inside TLS.
    fn poll_rest(&mut self, cx: &mut Context<'_>, to: &mut Transport) -> Moved {
        if self.unflushed {
            ready!(to.poll_flush(cx)).map_err(Failure::write)?;
            self.unflushed = false;
        }
        Poll::Pending
    }

    fn poll_end(&mut self, cx: &mut Context<'_>, to: &mut Transport) -> Moved {
        match ready!(to.poll_shutdown(cx)) {
            // The target went away in order before we could tell it that nothing more comes: it knows.
            Err(e) if e.kind() == io::ErrorKind::NotConnected => {}
            done => done.map_err(Failure::write)?,
        }
        self.stage = Stage::Ended;
        Poll::Ready(Ok(()))
    }

    /// One read and one write through the worker's buffer.
    fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Transport,
        to: &mut Transport,
        count: &Cell<u64>,
    ) -> Poll<Result<usize, Failure>> {
        ready!(self.poll_leftover(cx, to, count))?;
        let size = if self.may_splice { PROBE } else { BULK };
        BUFFER.with_borrow_mut(|buffer| {
            if buffer.len() < size {
                *buffer = vec![0; size].into();
            }
            let buffer = &mut buffer[..size];
            let n = match ready!(from.poll_read(cx, buffer)) {
                Ok(n) => n,
                // Cut TLS is passed on as an end: what came is delivered, and the protocol above judges it.
                Err(e) if is_truncation(&e) => 0,
                Err(e) => return Poll::Ready(Err(Failure::read(e))),
            };
            if n == 0 {
                self.stage = Stage::Ending;
                return Poll::Ready(Ok(0));
            }
            self.full_reads = if n == size { self.full_reads.saturating_add(1) } else { 0 };
            if self.may_splice && self.full_reads >= FULL_READS {
                (self.bulk, self.full_reads, self.small_moves) = (true, 0, 0);
            }
            let written = match to.poll_write(cx, &buffer[..n]) {
                Poll::Ready(written) => written.map_err(Failure::write)?,
                Poll::Pending => 0,
            };
            self.unflushed = !to.is_plain();
            count.set(count.get() + written as u64);
            self.rest.extend_from_slice(&buffer[written..n]);
            Poll::Ready(Ok(n))
        })
    }

    /// Writes what an earlier turn could not.
    fn poll_leftover(&mut self, cx: &mut Context<'_>, to: &mut Transport, count: &Cell<u64>) -> Moved {
        while self.taken < self.rest.len() {
            let n = ready!(to.poll_write(cx, &self.rest[self.taken..])).map_err(Failure::write)?;
            if n == 0 {
                return Poll::Ready(Err(Failure::write(io::ErrorKind::WriteZero.into())));
            }
            self.taken += n;
            count.set(count.get() + n as u64);
        }
        if self.taken > 0 {
            self.rest = Vec::new();
            self.taken = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// One splice into a pipe and what is needed to empty it.
    fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Transport,
        to: &mut Transport,
        count: &Cell<u64>,
    ) -> Poll<Result<usize, Failure>> {
        ready!(self.poll_leftover(cx, to, count))?;
        let (Transport::Plain(source), Transport::Plain(target)) = (&*from, &*to) else {
            self.forgo_splice();
            return Poll::Ready(Ok(0));
        };
        let moved = if self.piped.is_none() { ready!(self.poll_into_pipe(cx, source))? } else { 0 };
        ready!(self.poll_out_of_pipe(cx, target, count))?;
        if self.small_moves >= SMALL_MOVES {
            (self.bulk, self.full_reads, self.small_moves) = (false, 0, 0);
        }
        Poll::Ready(Ok(moved))
    }

    fn poll_into_pipe(&mut self, cx: &mut Context<'_>, source: &TcpStream) -> Poll<Result<usize, Failure>> {
        let Some(pipe) = pipe::borrow() else {
            // Out of descriptors: copying still works.
            self.forgo_splice();
            return Poll::Ready(Ok(0));
        };
        let spliced = poll_io(cx, source, Interest::READABLE, || os::splice_in(source, &pipe, usize::MAX));
        if let Poll::Ready(Ok(n @ 1..)) = spliced {
            self.small_moves = if n < SMALL_MOVE { self.small_moves + 1 } else { 0 };
            self.piped = Some((pipe, n));
            return Poll::Ready(Ok(n));
        }
        // Nobody holds a pipe while it waits.
        pipe::give_back(pipe);
        match ready!(spliced) {
            Ok(_) => self.stage = Stage::Ending,
            // A socket that cannot splice, such as one with a kernel protocol on top.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => self.forgo_splice(),
            Err(e) => return Poll::Ready(Err(Failure::read(e))),
        }
        Poll::Ready(Ok(0))
    }

    fn poll_out_of_pipe(&mut self, cx: &mut Context<'_>, target: &TcpStream, count: &Cell<u64>) -> Moved {
        while let Some((pipe, left)) = &mut self.piped {
            let spliced = poll_io(cx, target, Interest::WRITABLE, || os::splice_out(pipe, target, *left));
            let n = ready!(spliced).map_err(Failure::write)?;
            if n == 0 {
                return Poll::Ready(Err(Failure::write(io::ErrorKind::WriteZero.into())));
            }
            *left -= n;
            count.set(count.get() + n as u64);
            if *left == 0
                && let Some((pipe, _)) = self.piped.take()
            {
                pipe::give_back(pipe);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Copies for the rest of the relay.
    fn forgo_splice(&mut self) {
        (self.bulk, self.may_splice) = (false, false);
    }
}

const _: () = assert!(PROBE <= BULK && SMALL_MOVE <= PROBE, "one buffer serves both sizes");
