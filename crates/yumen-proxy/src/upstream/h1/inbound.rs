//! The content of an answer on its way through: in parts, or as bulk inside the kernel.

use std::any::Any;
use std::io;
use std::task::{Context, Poll, ready};

use yumen_core::{BodyStream, Error, Frame, Side, Stage};
use yumen_net::copy::{Conveyor, End};
use yumen_net::rt;
use yumen_net::transport::Transport;
use yumen_telemetry::reasons;

use super::{Call, Trouble};
use crate::wire::{BodyFault, Content};

/// The content of an answer, and with it the rest of the call.
pub(crate) struct Inbound {
    pub(super) call: Option<Call>,
    pub(super) content: Content,
    pub(super) keep_alive: bool,
}

/// From so many bytes on it is worth moving content inside the kernel.
const BULK: u64 = 64 * 1024;

impl Inbound {
    /// Whether what is left of the content can be moved inside the kernel, and is worth it.
    pub(crate) fn is_bulk(&self, to: &Transport) -> bool {
        let Some(call) = &self.call else { return false };
        let at_rest = call.sent && call.out.is_empty() && call.link.ahead.is_empty();
        at_rest && self.content.length() >= Some(BULK) && Conveyor::fits(&call.link.transport, to)
    }

    /// Whether all of the content has been passed on.
    pub(crate) fn is_over(&self) -> bool {
        self.call.is_none()
    }

    /// Moves content straight into the client's connection. Ready with how much arrived, or with `None` when the kernel
    /// cannot do it and nothing was taken; pending without a deadline only while it waits for the client.
    pub(crate) fn poll_convey(
        &mut self,
        cx: &mut Context<'_>,
        conveyor: &mut Conveyor,
        to: &Transport,
    ) -> Poll<Result<Option<u64>, Conveyed>> {
        let (Some(call), Some(left)) = (&mut self.call, self.content.length()) else { return Poll::Ready(Ok(None)) };
        match conveyor.poll_move(cx, &call.link.transport, to, left) {
            Poll::Ready(Ok(Some(moved))) => {
                self.content.skip(moved);
                call.link.wait_until(call.phase.idle_by());
                if self.content.is_done()
                    && let Some(mut call) = self.call.take()
                {
                    call.moment = rt::now();
                    call.finish(self.keep_alive);
                }
                Poll::Ready(Ok(Some(moved)))
            }
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(None)),
            Poll::Ready(Err((End::B, e))) => Poll::Ready(Err(Conveyed::Unwritten(e))),
            Poll::Ready(Err((End::A, e))) => {
                let cut = e.kind() == io::ErrorKind::UnexpectedEof;
                let fault = if cut { BodyFault::Truncated } else { BodyFault::Io(e) };
                Poll::Ready(Err(Conveyed::Unread(call.body_error(fault))))
            }
            Poll::Pending if conveyor.is_loaded() => Poll::Pending,
            Poll::Pending => {
                ready!(call.link.poll_late(cx));
                Poll::Ready(Err(Conveyed::Unread(call.body_error(BodyFault::Late))))
            }
        }
    }
}

/// Why content could not be moved on.
pub(crate) enum Conveyed {
    /// The endpoint broke off.
    Unread(Error),
    /// The client took no more.
    Unwritten(io::Error),
}

impl BodyStream for Inbound {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        let Some(call) = &mut self.call else { return Poll::Ready(None) };
        if !(call.sent && call.out.is_empty())
            && let Poll::Ready(Err(Trouble::Ours(e))) = call.poll_send(cx)
        {
            return Poll::Ready(Some(Err(e)));
        }
        call.link.wait_until(call.phase.idle_by());
        let part = ready!(self.content.poll_next(&mut call.link, cx));
        match part {
            Some(Err(fault)) => {
                let error = call.body_error(fault);
                self.call = None;
                Poll::Ready(Some(Err(error)))
            }
            part => {
                if self.content.is_done()
                    && let Some(mut call) = self.call.take()
                {
                    call.moment = rt::now();
                    call.finish(self.keep_alive);
                }
                Poll::Ready(part.map(|p| p.map_err(|_| Error::new(Side::Us, Stage::Receive, reasons::INTERNAL))))
            }
        }
    }

    fn length(&self) -> Option<u64> {
        self.content.length()
    }

    fn shortcut(&mut self) -> Option<&mut dyn Any> {
        Some(self)
    }
}
