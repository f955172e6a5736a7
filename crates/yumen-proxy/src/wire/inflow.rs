//! The content of a message as it comes in over HTTP/2. The peer may send more only as fast as it is taken.

use std::task::{Context, Poll, ready};

use h2::RecvStream;
use yumen_core::Frame;

use super::map;

/// Why content broke off.
pub(crate) enum Broken {
    /// The stream or its connection failed.
    Stream(h2::Error),
    /// A trailer field is none.
    Trailers,
}

/// The receiving side of a stream.
pub(crate) struct Inflow {
    stream: RecvStream,
    /// What the head said is still to come.
    left: Option<u64>,
    over: bool,
}

impl Inflow {
    /// `length` is what the head said.
    pub(crate) fn new(stream: RecvStream, length: Option<u64>) -> Self {
        let over = stream.is_end_stream();
        Self { stream, left: length, over }
    }

    /// The next part; `None` after the last.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Broken>>> {
        while !self.over {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    // Who asked for it has room for it. An error means that the stream is gone, which the next part tells.
                    self.stream.flow_control().release_capacity(data.len()).unwrap_or_default();
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    self.over = self.stream.is_end_stream();
                    return Poll::Ready(Some(Ok(Frame::Data(data))));
                }
                Some(Err(error)) => {
                    self.over = true;
                    return Poll::Ready(Some(Err(Broken::Stream(error))));
                }
                None => {
                    let trailers = ready!(self.stream.poll_trailers(cx));
                    self.over = true;
                    return Poll::Ready(match trailers {
                        Ok(None) => None,
                        Ok(Some(map)) => Some(map::to_trailers(&map).map(Frame::Trailers).ok_or(Broken::Trailers)),
                        Err(error) => Some(Err(Broken::Stream(error))),
                    });
                }
            }
        }
        Poll::Ready(None)
    }

    /// Whether all of it has come, trailers included.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// The length of what is still to come, when the head told it. `Some(0)` means that no trailers come either.
    pub(crate) fn length(&self) -> Option<u64> {
        if self.over { Some(0) } else { self.left.filter(|left| *left > 0) }
    }
}
