//! The chunked coding (RFC 9112 section 7.1), decoded in place.

use crate::field::{line_end, parse_fields};
use crate::grammar::{VALUE, run};
use crate::{Fault, FieldSpan, Limits};

/// Extension bytes allowed in one chunk, and in all chunks of a message. They mean nothing to anyone, are not sent on, and
/// a peer that sends many of them wants the reader to work for nothing.
const EXTENSION: usize = 256;
const EXTENSIONS: usize = 16 * 1024;

/// What the next bytes hold.
#[derive(Debug, PartialEq, Eq)]
pub enum ChunkEvent {
    /// More bytes are needed; `consumed` bytes of framing may be dropped.
    NeedMore {
        /// Bytes of framing that are done with.
        consumed: usize,
    },
    /// `buf[start..end]` is content; drop `end` bytes.
    Data {
        /// Where the content begins.
        start: usize,
        /// Where the content at hand ends.
        end: usize,
    },
    /// The message is over; `consumed` bytes belonged to it.
    End {
        /// Bytes up to the end of the message.
        consumed: usize,
        /// The trailer fields, as ranges of `buf`, without those that may not stand in a trailer.
        trailers: Vec<FieldSpan>,
    },
}

enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailer,
    Done,
}

/// Decodes one chunked message.
pub struct ChunkedDecoder {
    state: State,
    extensions: usize,
    limits: Limits,
}

impl ChunkedDecoder {
    /// A decoder at the start of a message; `limits` bound the trailer section.
    pub fn new(limits: &Limits) -> Self {
        Self { state: State::Size, extensions: 0, limits: limits.clone() }
    }

    /// Whether the message is over.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Looks at the bytes that were not yet dropped.
    ///
    /// # Errors
    /// A [`Fault`]: the message is broken and the connection of no more use.
    pub fn decode(&mut self, buf: &[u8]) -> Result<ChunkEvent, Fault> {
        let mut at = 0;
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            match self.state {
                State::Size => match self.size(buf, at)? {
                    None => return Ok(ChunkEvent::NeedMore { consumed: at }),
                    Some((0, next)) => (at, self.state) = (next, State::Trailer),
                    Some((size, next)) => (at, self.state) = (next, State::Data(size)),
                },
                State::Data(_) if rest.is_empty() => return Ok(ChunkEvent::NeedMore { consumed: at }),
                State::Data(left) => {
                    let part = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let left = left - part as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok(ChunkEvent::Data { start: at, end: at + part });
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => (at, self.state) = (at + 2, State::Size),
                    [] | [b'\r'] => return Ok(ChunkEvent::NeedMore { consumed: at }),
                    _ => return Err(Fault::ChunkEnd),
                },
                State::Trailer => return self.trailer(buf, at),
                State::Done => return Ok(ChunkEvent::End { consumed: at, trailers: Vec::new() }),
            }
        }
    }

    /// Reads `chunk-size [ chunk-ext ] CRLF`.
    fn size(&mut self, buf: &[u8], at: usize) -> Result<Option<(u64, usize)>, Fault> {
        let Some((end, next)) = line_end(buf, at)? else {
            let seen = buf.get(at..).unwrap_or_default();
            let digits = seen.iter().take_while(|b| b.is_ascii_hexdigit()).count();
            if digits > 15 || (digits == 0 && !matches!(seen, [] | [b'\r'])) {
                return Err(Fault::ChunkSize);
            }
            return if seen.len() > EXTENSION + 17 { Err(Fault::ChunkExtension) } else { Ok(None) };
        };
        let line = buf.get(at..end).unwrap_or_default();
        let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let (size, extension) = line.split_at(digits);
        // Fifteen digits: far beyond any disk, and never near an overflow.
        if digits == 0 || digits > 15 || !matches!(extension, [] | [b';', ..]) {
            return Err(Fault::ChunkSize);
        }
        self.extensions += extension.len();
        if extension.len() > EXTENSION || self.extensions > EXTENSIONS {
            return Err(Fault::ChunkExtension);
        }
        if run(extension, &VALUE) != extension.len() {
            return Err(Fault::ControlByte);
        }
        let size = size.iter().fold(0u64, |n, d| n << 4 | (*d as char).to_digit(16).map_or(0, u64::from));
        Ok(Some((size, next)))
    }

    fn trailer(&mut self, buf: &[u8], at: usize) -> Result<ChunkEvent, Fault> {
        let mut trailers = Vec::new();
        let Some(end) = parse_fields(buf, at, &self.limits, &mut trailers)? else {
            if buf.len() - at > self.limits.head {
                return Err(Fault::TrailerTooLarge);
            }
            return Ok(ChunkEvent::NeedMore { consumed: at });
        };
        if end - at > self.limits.head {
            return Err(Fault::TrailerTooLarge);
        }
        trailers.retain(|field| !is_forbidden_trailer(field.name.of(buf)));
        self.state = State::Done;
        Ok(ChunkEvent::End { consumed: end, trailers })
    }
}

/// Fields that mean something before the content only: framing, routing, authentication (RFC 9110 section 6.5.1).
fn is_forbidden_trailer(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 14] = [
        b"content-length",
        b"content-encoding",
        b"content-type",
        b"content-range",
        b"host",
        b"trailer",
        b"authorization",
        b"proxy-authorization",
        b"set-cookie",
        b"cookie",
        b"cache-control",
        b"expect",
        b"range",
        b"forwarded",
    ];
    crate::is_hop_by_hop(name)
        || NAMES.iter().any(|n| name.eq_ignore_ascii_case(n))
        || name.get(..12).is_some_and(|n| n.eq_ignore_ascii_case(b"x-forwarded-"))
}
