//! The content of a request as the client sends it.

use std::task::{Context, Poll, ready};
use std::time::Instant;

use yumen_core::{BodyStream, Error, Frame, Reason, Side, Stage};
use yumen_net::rt;
use yumen_telemetry::reasons;

use super::Shared;
use crate::http::intake::{Intake, Patience, Progress};
use crate::wire::{BodyFault, Content};

/// A request's content.
pub(super) struct ClientContent {
    link: Shared,
    content: Content,
    intake: Intake,
    /// Until when the present part is waited for: it must not move each time that somebody asks.
    until: Option<Instant>,
}

impl ClientContent {
    /// The content behind a head; `None` when there is none.
    pub(super) fn new(link: &Shared, content: Content, progress: &Progress, patience: Patience) -> Option<Self> {
        let intake = Intake::new(progress, patience)?;
        Some(Self { link: link.clone(), content, intake, until: None })
    }
}

fn fault_error(fault: BodyFault) -> Error {
    let error = |reason: Reason| Error::new(Side::Client, Stage::Receive, reason);
    match fault {
        BodyFault::Truncated => error(reasons::CLIENT_GONE).detail("the content broke off"),
        BodyFault::Io(e) => error(reasons::CLIENT_RESET).source(e),
        BodyFault::Late => error(reasons::CLIENT_BODY_TIMEOUT),
        BodyFault::Grammar(fault) => error(Reason::new(fault.reason())).detail(fault.to_string()),
    }
}

impl BodyStream for ClientContent {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        if self.content.is_done() {
            return Poll::Ready(None);
        }
        let now = rt::now();
        if self.until.is_none() {
            self.until = self.intake.ask(now);
        }
        let link = &mut *self.link.borrow_mut();
        link.wait_until(self.until);
        let part = ready!(self.content.poll_next(link, cx));
        self.until = None;
        self.intake.note_done(self.content.is_done());
        match part {
            None => Poll::Ready(None),
            Some(Err(fault)) => Poll::Ready(Some(Err(fault_error(fault)))),
            Some(Ok(Frame::Data(data))) => {
                Poll::Ready(Some(self.intake.took(data.len(), now).map(|()| Frame::Data(data))))
            }
            Some(Ok(trailers)) => Poll::Ready(Some(Ok(trailers))),
        }
    }

    fn length(&self) -> Option<u64> {
        self.content.length()
    }
}
