//! The content of an answer on its way through.

use std::task::{Context, Poll};

use yumen_core::{BodyStream, Error, Frame};
use yumen_net::rt;
use yumen_telemetry::reasons;

use super::call::Call;
use crate::wire::{Broken, Inflow};

/// The content of an answer, and with it the rest of the call.
pub(super) struct StreamInbound {
    call: Call,
    inflow: Inflow,
}

impl StreamInbound {
    pub(super) fn new(mut call: Call, inflow: Inflow) -> Self {
        call.answered = true;
        Self { call, inflow }
    }
}

impl BodyStream for StreamInbound {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        let call = &mut self.call;
        if let Err(error) = call.poll_upload(cx) {
            return Poll::Ready(Some(Err(error)));
        }
        match self.inflow.poll_next(cx) {
            Poll::Ready(part) => {
                call.timer.set(None);
                Poll::Ready(part.map(|part| {
                    part.map_err(|broken| match broken {
                        Broken::Trailers => call.error(reasons::INVALID_FIELD_VALUE),
                        Broken::Stream(error) => call.trouble(&error),
                    })
                }))
            }
            Poll::Pending => {
                if call.timer.at().is_none() {
                    call.timer.set(call.phase.idle.map(|idle| rt::now() + idle));
                }
                call.timer.poll_expired(cx).map(|()| Some(Err(call.error(reasons::BODY_IDLE_TIMEOUT))))
            }
        }
    }

    fn length(&self) -> Option<u64> {
        self.inflow.length()
    }
}

impl Drop for StreamInbound {
    fn drop(&mut self) {
        // The protocol says it to the endpoint by itself.
        if !self.inflow.is_over() {
            self.call.note_cancelled();
        }
    }
}
