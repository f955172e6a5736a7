//! The content of a request as the client sends it.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use yumen_core::{BodyStream, Error, Frame, Reason, Side, Stage};
use yumen_http1::Framing;
use yumen_net::rt;
use yumen_telemetry::reasons;

use super::Shared;
use crate::wire::{BodyFault, Content};

/// How long a client may send at any rate before the minimum applies.
const RATE_GRACE: Duration = Duration::from_secs(10);

/// What is known of a request's content once its stream is gone. Costs nothing where there is no content.
pub(super) struct Progress(Option<Rc<Tally>>);

/// Kept up to date by the stream.
#[derive(Default)]
struct Tally {
    /// Bytes of content received.
    received: Cell<u64>,
    /// The content ended as it should.
    done: Cell<bool>,
    /// Any of it was asked for.
    begun: Cell<bool>,
}

impl Progress {
    /// Nothing received yet of content in this framing.
    pub(super) fn of(framing: Framing) -> Self {
        Self(if matches!(framing, Framing::None | Framing::Length(0)) { None } else { Some(Rc::default()) })
    }

    /// Bytes of content received.
    pub(super) fn received(&self) -> u64 {
        self.0.as_ref().map_or(0, |tally| tally.received.get())
    }

    /// Whether there is no content, or it ended as it should.
    pub(super) fn is_done(&self) -> bool {
        self.0.as_ref().is_none_or(|tally| tally.done.get())
    }

    /// Whether any content was asked for.
    pub(super) fn is_begun(&self) -> bool {
        self.0.as_ref().is_some_and(|tally| tally.begun.get())
    }
}

/// The patience for a client's content.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    pub(super) idle: Duration,
    /// Bytes per second; 0 is none.
    pub(super) rate: u64,
    /// Bytes at most.
    pub(super) limit: Option<u64>,
}

/// A request's content.
pub(super) struct ClientContent {
    link: Shared,
    content: Content,
    tally: Rc<Tally>,
    patience: Patience,
    since: Option<Instant>,
}

impl ClientContent {
    /// The content behind a head; `None` when there is none.
    pub(super) fn new(link: &Shared, content: Content, progress: &Progress, patience: Patience) -> Option<Self> {
        let tally = Rc::clone(progress.0.as_ref()?);
        Some(Self { link: Rc::clone(link), content, tally, patience, since: None })
    }

    fn is_slow(&self, now: Instant) -> bool {
        let Some(since) = self.since else { return false };
        let took = now.saturating_duration_since(since);
        took > RATE_GRACE && self.tally.received.get() / took.as_secs().max(1) < self.patience.rate
    }

    fn fault(&self, fault: BodyFault) -> Error {
        let error = |reason: Reason| Error::new(Side::Client, Stage::Receive, reason);
        match fault {
            BodyFault::Truncated => error(reasons::CLIENT_GONE).detail("the content broke off"),
            BodyFault::Io(e) => error(reasons::CLIENT_RESET).source(e),
            BodyFault::Late => error(reasons::CLIENT_BODY_TIMEOUT),
            BodyFault::Grammar(fault) => error(Reason::new(fault.reason())).detail(fault.to_string()),
        }
    }
}

impl BodyStream for ClientContent {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        if self.content.is_done() {
            return Poll::Ready(None);
        }
        self.tally.begun.set(true);
        let now = rt::now();
        self.since.get_or_insert(now);
        let link = &mut *self.link.borrow_mut();
        link.wait_until(Some(now + self.patience.idle));
        let part = ready!(self.content.poll_next(link, cx));
        self.tally.done.set(self.content.is_done());
        match part {
            None => Poll::Ready(None),
            Some(Err(fault)) => Poll::Ready(Some(Err(self.fault(fault)))),
            Some(Ok(Frame::Data(data))) => {
                let received = self.tally.received.get() + data.len() as u64;
                self.tally.received.set(received);
                if self.patience.limit.is_some_and(|limit| received > limit) {
                    return Poll::Ready(Some(Err(Error::new(Side::Client, Stage::Receive, reasons::BODY_TOO_LARGE))));
                }
                if self.is_slow(now) {
                    return Poll::Ready(Some(Err(Error::new(Side::Client, Stage::Receive, reasons::CLIENT_TOO_SLOW))));
                }
                Poll::Ready(Some(Ok(Frame::Data(data))))
            }
            Some(Ok(trailers)) => Poll::Ready(Some(Ok(trailers))),
        }
    }

    fn length(&self) -> Option<u64> {
        self.content.length()
    }
}
