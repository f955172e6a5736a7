//! The content of a request as it comes on a stream.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use yumen_core::{BodyStream, Error, Frame, Side, Stage};
use yumen_net::rt::{self, Deadline};
use yumen_telemetry::reasons;

use super::Receiving;
use super::stream::lost;
use crate::http::intake::{Intake, Patience, Progress};
use crate::wire::map;

/// How much was heard before the request is passed on.
pub(super) enum Beginning {
    /// There is no content.
    Nothing,
    /// Content has begun with this part.
    Part(Bytes),
    /// Not known yet.
    Unknown,
}

/// How long the end of a request that has no content as a rule is waited for: it may come in a packet of its own.
const END: Duration = Duration::from_millis(50);

/// Looks whether there is content; waits a moment where there is none `as_a_rule`.
///
/// # Errors
/// The stream is lost already.
pub(super) async fn look(stream: &mut Receiving, as_a_rule: bool) -> Result<Beginning, Error> {
    let seen = std::future::poll_fn(|cx| match stream.poll_recv_data(cx) {
        Poll::Pending if as_a_rule => Poll::Pending,
        Poll::Pending => Poll::Ready(Ok(Beginning::Unknown)),
        Poll::Ready(Ok(None)) => Poll::Ready(Ok(Beginning::Nothing)),
        Poll::Ready(Ok(Some(mut part))) => Poll::Ready(Ok(Beginning::Part(part.copy_to_bytes(part.remaining())))),
        Poll::Ready(Err(error)) => Poll::Ready(Err(lost(&error))),
    });
    rt::timeout(END, seen).await.unwrap_or(Ok(Beginning::Unknown))
}

/// A request's content.
pub(super) struct StreamContent {
    stream: Receiving,
    first: Option<Bytes>,
    /// What the head said is still to come.
    left: Option<u64>,
    is_over: bool,
    has_all_data: bool,
    intake: Intake,
    deadline: Deadline,
}

impl StreamContent {
    /// `None` when there is none.
    pub(super) fn new(
        stream: Receiving,
        (beginning, length): (Beginning, Option<u64>),
        progress: &Progress,
        patience: Patience,
    ) -> Option<Self> {
        let first = match beginning {
            Beginning::Nothing => return None,
            Beginning::Part(part) => Some(part),
            Beginning::Unknown => None,
        };
        let intake = Intake::new(progress, patience)?;
        let (is_over, has_all_data) = (false, false);
        Some(Self { stream, first, left: length, is_over, has_all_data, intake, deadline: Deadline::new() })
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        while !self.has_all_data {
            let part = match self.first.take() {
                Some(part) => Some(part),
                None => match ready!(self.stream.poll_recv_data(cx)) {
                    Ok(part) => part.map(|mut part| part.copy_to_bytes(part.remaining())),
                    Err(error) => return Poll::Ready(Some(Err(lost(&error)))),
                },
            };
            match part {
                Some(part) if part.is_empty() => {}
                Some(part) => return Poll::Ready(Some(self.fits(part).map(Frame::Data))),
                None if self.left.is_some_and(|left| left > 0) => return Poll::Ready(Some(Err(malformed()))),
                None => self.has_all_data = true,
            }
        }
        let trailers = ready!(self.stream.poll_recv_trailers(cx));
        self.is_over = true;
        Poll::Ready(match trailers {
            Ok(None) => None,
            Ok(Some(map)) => {
                let invalid = || Error::new(Side::Client, Stage::Receive, reasons::INVALID_FIELD_VALUE);
                Some(map::to_trailers(&map).map(Frame::Trailers).ok_or_else(|| invalid().detail("in the trailers")))
            }
            Err(error) => Some(Err(lost(&error))),
        })
    }

    /// Content that differs from what the head said must not be passed on (RFC 9114 section 4.1.2): framed as the head
    /// says, the rest of it would be read as something else.
    fn fits(&mut self, part: Bytes) -> Result<Bytes, Error> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(part.len() as u64).ok_or_else(malformed)?;
        }
        Ok(part)
    }
}

fn malformed() -> Error {
    let text = "the content is not as long as Content-Length says";
    Error::new(Side::Client, Stage::Receive, reasons::H3_MESSAGE_ERROR).detail(text)
}

impl BodyStream for StreamContent {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        let now = rt::now();
        let until = self.intake.ask(now);
        let part = match self.poll_next(cx) {
            Poll::Ready(part) => {
                self.deadline.set(None);
                part
            }
            Poll::Pending => {
                if self.deadline.at().is_none() {
                    self.deadline.set(until);
                }
                let late = || Error::new(Side::Client, Stage::Receive, reasons::CLIENT_BODY_TIMEOUT);
                return self.deadline.poll_expired(cx).map(|()| Some(Err(late())));
            }
        };
        match part {
            Some(Ok(Frame::Data(data))) => {
                Poll::Ready(Some(self.intake.took(data.len(), now).map(|()| Frame::Data(data))))
            }
            other => {
                self.intake.note_done(matches!(other, None | Some(Ok(_))));
                Poll::Ready(other)
            }
        }
    }

    fn length(&self) -> Option<u64> {
        self.left
    }
}
