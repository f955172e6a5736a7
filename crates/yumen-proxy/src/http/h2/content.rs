//! The content of a request as it comes on a stream.

use std::task::{Context, Poll};

use yumen_core::{BodyStream, Error, Frame, Side, Stage};
use yumen_net::rt::{self, Deadline};
use yumen_telemetry::reasons;

use super::stream::{bad_trailers, lost};
use crate::http::intake::{Intake, Patience, Progress};
use crate::wire::{Broken, Inflow};

/// A request's content.
pub(super) struct StreamContent {
    inflow: Inflow,
    intake: Intake,
    deadline: Deadline,
}

impl StreamContent {
    /// `None` when there is none.
    pub(super) fn new(inflow: Inflow, progress: &Progress, patience: Patience) -> Option<Self> {
        Some(Self { inflow, intake: Intake::new(progress, patience)?, deadline: Deadline::new() })
    }
}

impl BodyStream for StreamContent {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        let now = rt::now();
        let until = self.intake.ask(now);
        let part = match self.inflow.poll_next(cx) {
            Poll::Ready(part) => {
                self.deadline.set(None);
                part
            }
            Poll::Pending => {
                if self.deadline.at().is_none() {
                    self.deadline.set(until);
                }
                return self
                    .deadline
                    .poll_expired(cx)
                    .map(|()| Some(Err(Error::new(Side::Client, Stage::Receive, reasons::CLIENT_BODY_TIMEOUT))));
            }
        };
        Poll::Ready(part.map(|part| match part {
            Ok(Frame::Data(data)) => {
                self.intake.note_done(self.inflow.is_over());
                self.intake.took(data.len(), now).map(|()| Frame::Data(data))
            }
            Ok(trailers) => {
                self.intake.note_done(true);
                Ok(trailers)
            }
            Err(Broken::Trailers) => Err(bad_trailers()),
            Err(Broken::Stream(error)) => Err(lost(&error)),
        }))
    }

    fn length(&self) -> Option<u64> {
        self.inflow.length()
    }
}
