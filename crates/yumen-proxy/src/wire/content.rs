//! The content of a message as it comes off a [`Link`] (RFC 9112 sections 6 and 7).

use std::io;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use yumen_core::{Fields, Frame};
use yumen_http1::{ChunkEvent, ChunkedDecoder, Fault, FieldSpan, Framing, Limits};

use super::Link;

/// Why content broke off.
#[derive(Debug)]
pub(crate) enum BodyFault {
    /// The connection ended before the message did.
    Truncated,
    /// The connection failed.
    Io(io::Error),
    /// Nothing came for too long.
    Late,
    /// It was not what the grammar allows.
    Grammar(Fault),
}

/// What is still to come of a message.
pub(crate) enum Content {
    /// Nothing.
    Done,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Box<ChunkedDecoder>),
    /// Whatever comes until the connection ends.
    UntilClose,
}

impl Content {
    pub(crate) fn new(framing: Framing, limits: &Limits) -> Self {
        match framing {
            Framing::None | Framing::Length(0) => Self::Done,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Box::new(ChunkedDecoder::new(limits))),
            Framing::UntilClose => Self::UntilClose,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Done => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Counts content of a known length that went another way.
    pub(crate) fn skip(&mut self, bytes: u64) {
        if let Self::Length(left) = self {
            *left = left.saturating_sub(bytes);
            if *left == 0 {
                *self = Self::Done;
            }
        }
    }

    /// The next part; `None` after the last. A body that breaks off is a fault, never an end.
    pub(crate) fn poll_next(
        &mut self,
        link: &mut Link,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame, BodyFault>>> {
        loop {
            match self.take(link) {
                Ok(Taken::Frame(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(Taken::End) => return Poll::Ready(None),
                Ok(Taken::More) => {}
                Err(fault) => return Poll::Ready(Some(Err(BodyFault::Grammar(fault)))),
            }
            match ready!(link.poll_fill(cx)) {
                Ok(0) if matches!(self, Self::UntilClose) => *self = Self::Done,
                Ok(0) => return Poll::Ready(Some(Err(BodyFault::Truncated))),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::TimedOut => return Poll::Ready(Some(Err(BodyFault::Late))),
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Some(Err(BodyFault::Truncated)));
                }
                Err(e) => return Poll::Ready(Some(Err(BodyFault::Io(e)))),
            }
        }
    }

    /// What the bytes at hand hold.
    fn take(&mut self, link: &mut Link) -> Result<Taken, Fault> {
        match self {
            Self::Done => Ok(Taken::End),
            _ if link.ahead.is_empty() => Ok(Taken::More),
            Self::UntilClose => Ok(Taken::Frame(Frame::Data(link.ahead.split().freeze()))),
            Self::Length(left) => {
                let part = usize::try_from(*left).unwrap_or(usize::MAX).min(link.ahead.len());
                *left -= part as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Taken::Frame(Frame::Data(link.ahead.split_to(part).freeze())))
            }
            Self::Chunked(decoder) => match decoder.decode(&link.ahead)? {
                ChunkEvent::NeedMore { consumed } => {
                    link.ahead.advance(consumed);
                    Ok(Taken::More)
                }
                ChunkEvent::Data { start, end } => {
                    link.ahead.advance(start);
                    Ok(Taken::Frame(Frame::Data(link.ahead.split_to(end - start).freeze())))
                }
                ChunkEvent::End { consumed, trailers } => {
                    let fields = trailer_fields(&link.ahead, consumed, &trailers);
                    link.ahead.advance(consumed);
                    *self = Self::Done;
                    Ok(fields.map_or(Taken::End, |fields| Taken::Frame(Frame::Trailers(fields))))
                }
            },
        }
    }
}

enum Taken {
    Frame(Frame),
    End,
    More,
}

fn trailer_fields(block: &[u8], consumed: usize, trailers: &[FieldSpan]) -> Option<Fields> {
    if trailers.is_empty() {
        return None;
    }
    let mut fields = Fields::new();
    fields.reset(block.get(..consumed)?, trailers.len());
    fields.extend_spans(trailers.iter().map(|trailer| (span(trailer.name), span(trailer.value))));
    Some(fields)
}

/// The codec's range as a range of [`Fields`].
pub(crate) fn span(of: yumen_http1::Span) -> yumen_core::Span {
    yumen_core::Span::new(of.start, of.end)
}
