//! The body of a message: nothing, all of it, or a stream with trailers.

use std::any::Any;
use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::{Error, Fields};

/// A part of a streamed body.
pub enum Frame {
    /// Content, never empty.
    Data(Bytes),
    /// The trailer section (RFC 9110 section 6.5); nothing follows it.
    Trailers(Fields),
}

/// A body that arrives in parts. Dropping it before its end gives up the message it belongs to.
pub trait BodyStream {
    /// The next part; `None` after the last. After an error nothing more may be asked.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>>;

    /// The length of what is still to come, when it is known (the message had a Content-Length).
    fn length(&self) -> Option<u64>;

    /// The stream itself, for those who know its type and a shorter way for its bytes. Default none: a stream that looks at
    /// its content has no shorter way.
    fn shortcut(&mut self) -> Option<&mut dyn Any> {
        None
    }
}

/// The content of a message.
#[derive(Default)]
pub enum Body {
    /// No content.
    #[default]
    Empty,
    /// All of the content.
    Full(Bytes),
    /// Content still to come.
    Stream(Box<dyn BodyStream>),
}

impl Body {
    /// The length when it is known.
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Stream(stream) => stream.length(),
        }
    }

    /// Whether there is certainly no content.
    pub fn is_empty(&self) -> bool {
        self.length() == Some(0) && !matches!(self, Self::Stream(_))
    }

    /// The next part; `None` after the last.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Stream(stream) => stream.poll_frame(cx),
            Self::Full(_) => {
                let Self::Full(bytes) = std::mem::take(self) else { return Poll::Ready(None) };
                if bytes.is_empty() { Poll::Ready(None) } else { Poll::Ready(Some(Ok(Frame::Data(bytes)))) }
            }
        }
    }

    /// The next part, awaited.
    pub async fn frame(&mut self) -> Option<Result<Frame, Error>> {
        std::future::poll_fn(|cx| self.poll_frame(cx)).await
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(stream) => write!(f, "Stream({:?})", stream.length()),
        }
    }
}
