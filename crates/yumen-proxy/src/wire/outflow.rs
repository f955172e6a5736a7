//! The content of a message on its way out over HTTP/2: never more in hand than the peer's windows let go.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use yumen_core::{Body, Error, Frame};

use super::map;

/// Why content could not be sent.
pub(crate) enum Unsent {
    /// It broke off where it comes from.
    Source(Error),
    /// The peer reset the stream.
    Reset(Reason),
    /// The stream or its connection failed.
    Stream(h2::Error),
}

/// The sending side of a stream.
pub(crate) struct Outflow {
    stream: SendStream<Bytes>,
    waiting: Bytes,
    over: bool,
    /// Bytes of content handed over so far.
    pub(crate) sent: u64,
    /// Whether any of the content was taken.
    pub(crate) is_begun: bool,
    /// Whether it waits for the peer rather than for the content.
    pub(crate) is_blocked: bool,
}

impl Outflow {
    pub(crate) fn new(stream: SendStream<Bytes>) -> Self {
        Self { stream, waiting: Bytes::new(), over: false, sent: 0, is_begun: false, is_blocked: false }
    }

    /// Hands over what the peer takes now. Ready once the end has been handed over.
    pub(crate) fn poll(&mut self, body: &mut Body, cx: &mut Context<'_>) -> Poll<Result<(), Unsent>> {
        while !self.over {
            self.is_blocked = false;
            if self.waiting.is_empty() {
                let part = body.poll_frame(cx);
                self.is_begun |= part.is_ready();
                match part {
                    Poll::Ready(Some(Ok(Frame::Data(data)))) => {
                        self.stream.reserve_capacity(data.len());
                        self.waiting = data;
                    }
                    Poll::Ready(Some(Ok(Frame::Trailers(fields)))) => {
                        self.over = true;
                        let trailers = map::to_map(&fields, |_| false);
                        self.stream.send_trailers(trailers).map_err(Unsent::Stream)?;
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Unsent::Source(error))),
                    Poll::Ready(None) => {
                        self.over = true;
                        self.stream.send_data(Bytes::new(), true).map_err(Unsent::Stream)?;
                    }
                    Poll::Pending => {
                        // Nobody else would notice that the peer has lost interest.
                        return self
                            .stream
                            .poll_reset(cx)
                            .map(|reset| Err(reset.map_or_else(Unsent::Stream, Unsent::Reset)));
                    }
                }
                continue;
            }
            let room = match self.stream.capacity() {
                0 => {
                    self.is_blocked = true;
                    ready!(self.poll_room(cx))?
                }
                room => room,
            };
            let part = self.waiting.split_to(room.min(self.waiting.len()));
            self.sent += part.len() as u64;
            // A content whose length is known and used up has no trailers.
            self.over = self.waiting.is_empty() && body.length() == Some(0);
            self.stream.send_data(part, self.over).map_err(Unsent::Stream)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Unsent>> {
        loop {
            match ready!(self.stream.poll_capacity(cx)) {
                Some(Ok(0)) => {}
                Some(Ok(room)) => return Poll::Ready(Ok(room)),
                Some(Err(error)) => return Poll::Ready(Err(Unsent::Stream(error))),
                // The stream is closed; why is told by its reset.
                None => {
                    return self
                        .stream
                        .poll_reset(cx)
                        .map(|reset| Err(reset.map_or_else(Unsent::Stream, Unsent::Reset)));
                }
            }
        }
    }

    /// Breaks the message off.
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.stream.send_reset(reason);
    }
}
