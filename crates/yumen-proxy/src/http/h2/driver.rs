//! Drives a connection: frames in and out, the next stream, and the reasons for which it ends.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use yumen_core::{Error, Side, Stage};
use yumen_net::drain::{DrainWatch, Signaled};
use yumen_net::rt::{self, Deadline};
use yumen_telemetry::reasons;

use super::common::Common;
use super::{Wire, broken, excessive};
use crate::snapshot::Listener;
use crate::wire::Line;

/// How long a connection without streams is kept when it is to end: long enough for a request that was already on its way
/// and for the client to answer the GOAWAY.
const LEAVE: Duration = Duration::from_secs(2);
/// How long streams that were told to end may take to tell their clients.
const FORCED: Duration = Duration::from_secs(1);

/// What happened on a connection.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it arrives")]
pub(super) enum Event {
    /// A request.
    Stream(http::Request<RecvStream>, SendResponse<Bytes>),
    /// It is over; an error says why when the client did not mean it so.
    End(Result<(), Error>),
}

/// How far a connection is on its way out.
enum Phase {
    Open,
    /// GOAWAY was sent, streams go on.
    Leaving,
    /// Streams were told to end by this moment.
    Cutting(Instant),
    /// Nothing goes on; what was written leaves until this moment.
    Ending(Instant, Option<Error>),
}

/// Drives one connection.
pub(super) struct Driver<'a> {
    connection: Box<Wire>,
    line: &'a Rc<Line>,
    common: &'a Rc<Common>,
    drain: &'a DrainWatch,
    signaled: Pin<Box<Signaled>>,
    forced: Option<Pin<Box<Signaled>>>,
    told: bool,
    phase: Phase,
    served: u32,
    /// Since when there has been no stream.
    rested: Option<Instant>,
    /// Since when a header block has been open.
    block: Option<Instant>,
    timer: Deadline,
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        connection: Box<Wire>,
        (line, common): (&'a Rc<Line>, &'a Rc<Common>),
        drain: &'a DrainWatch,
    ) -> Self {
        Self {
            connection,
            line,
            common,
            drain,
            signaled: Box::pin(drain.signaled()),
            forced: None,
            told: false,
            phase: Phase::Open,
            served: 0,
            rested: None,
            block: None,
            timer: Deadline::new(),
        }
    }

    /// The next thing that happens.
    pub(super) async fn next(&mut self, listener: &Listener) -> Event {
        std::future::poll_fn(|cx| self.poll(listener, cx)).await
    }

    fn poll(&mut self, listener: &Listener, cx: &mut Context<'_>) -> Poll<Event> {
        self.common.watch(cx);
        loop {
            self.poll_drain(cx);
            match self.connection.poll_accept(cx) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    if let Some(event) = self.stream(listener, request, respond) {
                        return Poll::Ready(event);
                    }
                    continue;
                }
                Poll::Ready(ended) => return Poll::Ready(Event::End(self.ended(ended.map(|e| e.map(drop))))),
                Poll::Pending => {}
            }
            if let Some(excess) = self.line.excess()
                && !matches!(self.phase, Phase::Ending(..))
            {
                let (code, why) = excessive(excess);
                self.end(code, Some(why));
                continue;
            }
            let due = self.due(listener, rt::now());
            self.timer.set(due);
            if self.timer.poll_expired(cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(ended) = self.late() {
                return Poll::Ready(Event::End(ended));
            }
        }
    }

    /// A stream was opened. `None` when it was refused.
    fn stream(
        &mut self,
        listener: &Listener,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Option<Event> {
        if self.common.is_full() || matches!(self.phase, Phase::Cutting(_) | Phase::Ending(..)) {
            // Nothing was done for it: the client may try it again (RFC 9113 section 8.7).
            respond.send_reset(Reason::REFUSED_STREAM);
            return None;
        }
        self.served = self.served.saturating_add(1);
        if listener.config.limits.requests_per_connection.is_some_and(|max| self.served >= max) {
            self.leave();
        }
        Some(Event::Stream(request, respond))
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) {
        if !self.told && self.signaled.as_mut().poll(cx).is_ready() {
            self.told = true;
            self.leave();
        }
        if self.told && matches!(self.phase, Phase::Open | Phase::Leaving) {
            let drain = self.drain;
            let forced = self.forced.get_or_insert_with(|| Box::pin(drain.forced()));
            if forced.as_mut().poll(cx).is_ready() {
                self.phase = Phase::Cutting(rt::now() + FORCED);
                self.common.force();
            }
        }
    }

    /// Takes no more streams, in two steps (RFC 9113 section 6.8): what is on its way is still served.
    fn leave(&mut self) {
        if matches!(self.phase, Phase::Open) {
            self.phase = Phase::Leaving;
            self.rested = None;
            self.connection.graceful_shutdown();
        }
    }

    /// Ends everything at once.
    fn end(&mut self, reason: Reason, why: Option<Error>) {
        self.phase = Phase::Ending(rt::now() + LEAVE, why);
        self.connection.abrupt_shutdown(reason);
    }

    /// When something has lasted too long.
    fn due(&mut self, listener: &Listener, now: Instant) -> Option<Instant> {
        let timeouts = &listener.config.timeouts;
        self.rested = if self.common.live() > 0 { None } else { self.rested.or(Some(now)) };
        self.block = if self.line.is_mid_block() { self.block.or(Some(now)) } else { None };
        let rest = match self.phase {
            Phase::Ending(at, _) => return Some(at),
            // Streams that have ended make the connection end.
            Phase::Cutting(at) => self.rested.map_or(Some(at), |rested| Some((rested + LEAVE).min(at))),
            Phase::Leaving => self.rested.map(|rested| rested + LEAVE),
            Phase::Open if self.served == 0 => self.rested.map(|rested| rested + timeouts.head.max(timeouts.idle)),
            Phase::Open => self.rested.map(|rested| rested + timeouts.idle),
        };
        let block = self.block.map(|begun| begun + timeouts.head);
        [rest, block].into_iter().flatten().min()
    }

    /// Something has lasted too long. The end, if there is nothing left to wait for.
    fn late(&mut self) -> Option<Result<(), Error>> {
        match &mut self.phase {
            Phase::Ending(_, why) => return Some(why.take().map_or(Ok(()), Err)),
            _ if self.block.is_some() => {
                let late = Error::new(Side::Client, Stage::Receive, reasons::CLIENT_HEAD_TIMEOUT);
                self.end(Reason::ENHANCE_YOUR_CALM, Some(late));
            }
            Phase::Open => self.leave(),
            // The client answered nothing, or streams did not end: enough.
            Phase::Leaving | Phase::Cutting(_) => self.end(Reason::NO_ERROR, None),
        }
        None
    }

    fn ended(&mut self, ended: Option<Result<(), h2::Error>>) -> Result<(), Error> {
        if let Phase::Ending(_, why) = &mut self.phase {
            return why.take().map_or(Ok(()), Err);
        }
        match ended {
            // The crate may have come to the same end by itself.
            Some(Err(error)) => Err(self.line.excess().map_or_else(|| broken(&error), |excess| excessive(excess).1)),
            _ => Ok(()),
        }
    }
}
