//! Watches over the content of a request while it is read: how much there is, how fast it comes, whether it ended.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use yumen_config::config;
use yumen_core::{Error, Side, Stage};
use yumen_telemetry::reasons;

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
    /// Nothing received yet; `content` says whether there is any.
    pub(super) fn new(content: bool) -> Self {
        Self(content.then(Rc::default))
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
    /// Between two parts; `None` is for ever.
    pub(super) idle: Option<Duration>,
    /// Bytes per second; 0 is none.
    pub(super) rate: u64,
    /// Bytes at most.
    pub(super) limit: Option<u64>,
}

impl Patience {
    /// What a listener has with the messages of a call, between which anything may happen. Whether its client still lives
    /// is known from elsewhere.
    pub(super) fn with_call(listener: &config::Listener) -> Self {
        Self { idle: None, rate: 0, limit: listener.limits.body }
    }

    /// What a listener has.
    pub(super) fn of(listener: &config::Listener) -> Self {
        let timeouts = &listener.timeouts;
        Self { idle: Some(timeouts.body_idle), rate: timeouts.min_body_rate, limit: listener.limits.body }
    }
}

/// The reader's end of a [`Progress`], with the patience there is.
pub(super) struct Intake {
    tally: Rc<Tally>,
    patience: Patience,
    since: Option<Instant>,
}

impl Intake {
    /// `None` when there is no content.
    pub(super) fn new(progress: &Progress, patience: Patience) -> Option<Self> {
        Some(Self { tally: Rc::clone(progress.0.as_ref()?), patience, since: None })
    }

    /// Content is asked for. Gives the moment until which it may be waited for.
    pub(super) fn ask(&mut self, now: Instant) -> Option<Instant> {
        self.tally.begun.set(true);
        self.since.get_or_insert(now);
        self.patience.idle.map(|idle| now + idle)
    }

    /// So many bytes came at that moment.
    ///
    /// # Errors
    /// They are more than is allowed, or come too slowly.
    pub(super) fn took(&self, bytes: usize, now: Instant) -> Result<(), Error> {
        let received = self.tally.received.get() + bytes as u64;
        self.tally.received.set(received);
        if self.patience.limit.is_some_and(|limit| received > limit) {
            return Err(Error::new(Side::Client, Stage::Receive, reasons::BODY_TOO_LARGE));
        }
        if self.is_slow(now) {
            return Err(Error::new(Side::Client, Stage::Receive, reasons::CLIENT_TOO_SLOW));
        }
        Ok(())
    }

    /// The content ended as it should, or not yet.
    pub(super) fn note_done(&self, done: bool) {
        self.tally.done.set(done);
    }

    fn is_slow(&self, now: Instant) -> bool {
        let Some(since) = self.since else { return false };
        let took = now.saturating_duration_since(since);
        took > RATE_GRACE && self.tally.received.get() / took.as_secs().max(1) < self.patience.rate
    }
}
