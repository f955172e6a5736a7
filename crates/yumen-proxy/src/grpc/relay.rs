//! The answer of an endpoint to a call, on its way to the client.

use std::rc::Rc;
use std::task::{Context, Poll, ready};

use yumen_core::{Body, BodyStream, Error, Exchange, Fields, Frame, Reason, Response, Rpc, Side, Stage};
use yumen_grpc::{Code, Kind, Walker, decode_message, parse_status};
use yumen_net::rt::Deadline;

use super::answer::{explain, status_fields};
use super::call::kind_of;

/// Bytes of a message that the log holds.
const MESSAGE: usize = 512;

/// Watches over the answer to a call: notes its status and ends it when its time is over, for which `late` is the reason.
pub(crate) fn relay(exchange: &Exchange, response: &mut Response, late: Reason) {
    let Some(rpc) = &exchange.rpc else { return };
    if !kind_of(&response.fields).is_some_and(|(kind, _)| kind == Kind::Grpc) {
        return;
    }
    let body = match std::mem::take(&mut response.body) {
        Body::Stream(stream) => Body::Stream(stream),
        content => {
            // Without content the status stands in the head ("Trailers-Only").
            note(rpc, &response.fields);
            response.body = content;
            return;
        }
    };
    let deadline = Deadline::new();
    deadline.set(exchange.deadline);
    let relay = Relay { body, rpc: Rc::clone(rpc), frames: Walker::default(), deadline, late, over: false };
    response.body = Body::Stream(Box::new(relay));
}

/// Notes the status that fields hold. Who finds none has to take it for unknown.
fn note(rpc: &Rpc, fields: &Fields) {
    let status = fields.first("grpc-status").and_then(parse_status).unwrap_or(Code::UNKNOWN);
    let message = fields.first("grpc-message").unwrap_or_default();
    rpc.note(status.0, decode_message(message, MESSAGE));
}

struct Relay {
    body: Body,
    rpc: Rc<Rpc>,
    frames: Walker,
    deadline: Deadline,
    late: Reason,
    over: bool,
}

impl Relay {
    /// The time is over. Between two messages the client can be told; in the middle of one the answer breaks off.
    fn expire(&mut self) -> Result<Frame, Error> {
        let can_tell = self.frames.is_between_frames() && self.body.length().is_none();
        // The endpoint need not go on.
        self.body = Body::Empty;
        let error = Error::new(Side::Us, Stage::Receive, self.late);
        if !can_tell {
            return Err(error);
        }
        let text = explain(self.late);
        let fields = status_fields(Code::DEADLINE_EXCEEDED, &text);
        self.rpc.note(Code::DEADLINE_EXCEEDED.0, text);
        self.rpc.fail(error);
        Ok(Frame::Trailers(fields))
    }
}

impl BodyStream for Relay {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        if self.over {
            return Poll::Ready(None);
        }
        if self.deadline.poll_expired(cx).is_ready() {
            self.over = true;
            return Poll::Ready(Some(self.expire()));
        }
        let frame = ready!(self.body.poll_frame(cx));
        match &frame {
            Some(Ok(Frame::Data(data))) => {
                let walked: Result<(), std::convert::Infallible> = self.frames.walk(data, |_| Ok(()));
                walked.unwrap_or_default();
            }
            Some(Ok(Frame::Trailers(fields))) => {
                self.over = true;
                note(&self.rpc, fields);
            }
            Some(Err(_)) => self.over = true,
            None => {
                self.over = true;
                self.rpc.note(Code::UNKNOWN.0, "the endpoint sent no status");
            }
        }
        Poll::Ready(frame)
    }

    fn length(&self) -> Option<u64> {
        self.body.length()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use std::task::Waker;

    use bytes::Bytes;
    use yumen_telemetry::reasons;

    use super::*;

    /// Content and then silence.
    struct Silent(Option<&'static [u8]>, Option<u64>);

    impl BodyStream for Silent {
        fn poll_frame(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
            match self.0.take() {
                Some(data) => Poll::Ready(Some(Ok(Frame::Data(Bytes::from_static(data))))),
                None => Poll::Pending,
            }
        }

        fn length(&self) -> Option<u64> {
            self.1
        }
    }

    /// An answer whose time is over behind some content.
    fn expired(content: &'static [u8], length: Option<u64>) -> (Rc<Rpc>, Result<Frame, Error>) {
        let rpc = Rc::new(Rpc::default());
        let mut relay = Relay {
            body: Body::Stream(Box::new(Silent(Some(content), length))),
            rpc: Rc::clone(&rpc),
            frames: Walker::default(),
            deadline: Deadline::new(),
            late: reasons::GRPC_DEADLINE_EXCEEDED,
            over: false,
        };
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(relay.poll_frame(&mut cx), Poll::Ready(Some(Ok(Frame::Data(_))))));
        let end = relay.expire();
        assert!(relay.body.is_empty(), "the endpoint is given up");
        (rpc, end)
    }

    #[test]
    fn client_is_told_between_two_messages_that_the_time_is_over() {
        let (rpc, end) = expired(b"\0\0\0\0\x01a", None);
        let Ok(Frame::Trailers(fields)) = end else { panic!("no trailers") };
        assert_eq!(fields.first_text("grpc-status"), Some("4"));
        assert_eq!(rpc.status(), Some(4));
        assert!(rpc.take_failure().is_some_and(|error| error.reason() == reasons::GRPC_DEADLINE_EXCEEDED));
    }

    #[test]
    fn answer_whose_time_is_over_in_the_middle_of_a_message_breaks_off() {
        for (content, length) in [(&b"\0\0\0\0\x02a"[..], None), (b"\0\0\0\0\x01a", Some(100))] {
            let (rpc, end) = expired(content, length);
            assert!(end.is_err_and(|error| error.reason() == reasons::GRPC_DEADLINE_EXCEEDED));
            assert_eq!(rpc.status(), None, "nobody was told one");
        }
    }
}
