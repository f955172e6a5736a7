//! The chunked transfer coding (RFC 9112 7.1).

use crate::cursor::{Cursor, Stop};
use crate::fault::Fault;
use crate::fields::parse_fields;
use crate::grammar::{TOKEN, find_control};
use crate::head::Limits;
use crate::names::is_forbidden_trailer;
use crate::span::FieldSpan;

/// Extension bytes accepted in one chunk header.
const EXTENSION_LIMIT: u32 = 256;
/// Extension bytes accepted in sum beyond the payload bytes they came with.
const EXTENSION_EXCESS_LIMIT: u64 = 16 * 1024;
/// Hex digits of a chunk size.
const SIZE_DIGITS: u8 = 16;

/// What the decoder found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkEvent {
    /// More bytes are needed; the first `consumed` bytes were framing and may be dropped now. The rest of the buffer,
    /// if any, is an incomplete trailer section and must be shown again.
    NeedMore {
        /// Bytes to drop.
        consumed: usize,
    },
    /// `buf[start..end]` is payload, never empty; drop `end` bytes afterwards.
    Data {
        /// Index of the first payload byte; what stands before it is framing.
        start: usize,
        /// Index after the last payload byte.
        end: usize,
    },
    /// The message is complete.
    End {
        /// Bytes of `buf` that belonged to it; what follows is the next message.
        consumed: usize,
        /// Trailer fields in the order they came, as spans into `buf`, without those that
        /// [`is_forbidden_trailer`] names. Does not allocate when there are none.
        trailers: Vec<FieldSpan>,
    },
}

/// Incremental decoder of a chunked body. Holds a few bytes of state and never allocates for data.
///
/// Strict: hex digits only, CRLF only, no size above 2^63-1; extensions are checked, capped and skipped, never shown.
///
/// ```
/// use yumen_http1::{ChunkEvent, ChunkedDecoder, Limits};
///
/// let mut decoder = ChunkedDecoder::new(&Limits::default());
/// let read = b"5\r\nhello\r\n0\r\n\r\n";
/// assert_eq!(decoder.decode(read), Ok(ChunkEvent::Data { start: 3, end: 8 }));
/// assert_eq!(decoder.decode(&read[8..]), Ok(ChunkEvent::End { consumed: 7, trailers: vec![] }));
/// assert!(decoder.is_done());
/// ```
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// Size of the current chunk while its header is read, then the payload bytes of it still to come.
    left: u64,
    digits: u8,
    extension: u32,
    /// Extension bytes in sum, less the payload they came with.
    excess: u64,
    trailer_section: usize,
    trailer_fields: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size,
    Extension(Extension),
    /// Behind the CR of a chunk header.
    SizeLf,
    Data,
    /// Behind the payload of a chunk.
    DataCr,
    DataLf,
    Trailers,
    Done,
}

/// Where in `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    BeforeSemicolon,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted,
    Escaped,
    AfterQuoted,
}

impl ChunkedDecoder {
    /// A decoder at the start of a body; `limits.head` and `limits.fields` bound its trailer section.
    #[must_use]
    pub fn new(limits: &Limits) -> ChunkedDecoder {
        ChunkedDecoder {
            state: State::Size,
            left: 0,
            digits: 0,
            extension: 0,
            excess: 0,
            trailer_section: limits.head,
            trailer_fields: limits.fields,
        }
    }

    /// True once [`ChunkEvent::End`] was given.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Looks at `buf`, which starts behind what the last event let go, and gives the next event.
    ///
    /// Payload comes out in one slice per chunk, or as much of it as `buf` holds. After the end of the message, `End`
    /// with nothing consumed.
    ///
    /// # Errors
    /// The [`Fault`] of the first byte that breaks the coding; the message is incomplete and the connection must be
    /// closed.
    pub fn decode(&mut self, buf: &[u8]) -> Result<ChunkEvent, Fault> {
        let mut pos = 0;
        loop {
            match self.state {
                State::Data if pos < buf.len() => {
                    let available = (buf.len() - pos) as u64;
                    let taken = available.min(self.left) as usize;
                    self.left -= taken as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(ChunkEvent::Data { start: pos, end: pos + taken });
                }
                State::Trailers => return self.trailers(buf, pos),
                State::Done => return Ok(ChunkEvent::End { consumed: pos, trailers: Vec::new() }),
                _ => {}
            }
            let Some(&byte) = buf.get(pos) else {
                return Ok(ChunkEvent::NeedMore { consumed: pos });
            };
            pos += 1;
            self.step(byte)?;
        }
    }

    /// Takes one byte of framing.
    #[inline]
    fn step(&mut self, byte: u8) -> Result<(), Fault> {
        match self.state {
            State::Size => self.size(byte)?,
            State::Extension(at) => {
                if byte != b'\r' {
                    self.count_extension()?;
                }
                self.extension(at, byte)?;
            }
            State::SizeLf if byte == b'\n' => self.header_complete()?,
            State::DataLf if byte == b'\n' => self.state = State::Size,
            State::SizeLf | State::DataLf => return Err(Fault::BareCr),
            State::DataCr => match byte {
                b'\r' => self.state = State::DataLf,
                b'\n' => return Err(Fault::BareLf),
                _ => return Err(Fault::ChunkDataEnd),
            },
            State::Data | State::Trailers | State::Done => {}
        }
        Ok(())
    }

    fn size(&mut self, byte: u8) -> Result<(), Fault> {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            b'\n' => return Err(Fault::BareLf),
            _ if self.digits == 0 => return Err(Fault::InvalidChunkSize),
            b'\r' => {
                self.state = State::SizeLf;
                return Ok(());
            }
            b';' | b' ' | b'\t' => {
                self.count_extension()?;
                let at = if byte == b';' { Extension::BeforeName } else { Extension::BeforeSemicolon };
                self.state = State::Extension(at);
                return Ok(());
            }
            _ => return Err(Fault::InvalidChunkSize),
        };
        // 2^63-1 has the sixteenth digit from the right at most 7.
        if self.digits == SIZE_DIGITS || self.left >> 59 != 0 {
            return Err(Fault::ChunkSizeOverflow);
        }
        self.left = self.left << 4 | u64::from(digit);
        self.digits += 1;
        Ok(())
    }

    fn count_extension(&mut self) -> Result<(), Fault> {
        self.extension += 1;
        if self.extension > EXTENSION_LIMIT { Err(Fault::ChunkExtensionTooLong) } else { Ok(()) }
    }

    fn extension(&mut self, at: Extension, byte: u8) -> Result<(), Fault> {
        use Extension::*;
        let token = TOKEN[byte as usize];
        let next = match (at, byte) {
            (_, b'\n') => return Err(Fault::BareLf),
            (Name | Value | AfterQuoted, b'\r') => {
                self.state = State::SizeLf;
                return Ok(());
            }
            (BeforeSemicolon | Name | AfterName | Value | AfterQuoted, b';') => BeforeName,
            (BeforeSemicolon | BeforeName | AfterName | BeforeValue, b' ' | b'\t') => at,
            (BeforeName | Name, _) if token => Name,
            (Name, b' ' | b'\t') => AfterName,
            (Name | AfterName, b'=') => BeforeValue,
            (BeforeValue, b'"') => Quoted,
            (BeforeValue | Value, _) if token => Value,
            (Value | AfterQuoted, b' ' | b'\t') => BeforeSemicolon,
            (Quoted, b'"') => AfterQuoted,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, _) if find_control(&[byte], 0) == 1 => Quoted,
            _ => return Err(Fault::InvalidChunkExtension),
        };
        self.state = State::Extension(next);
        Ok(())
    }

    fn header_complete(&mut self) -> Result<(), Fault> {
        if self.extension > 0 {
            self.excess += u64::from(self.extension);
            if self.excess > EXTENSION_EXCESS_LIMIT {
                return Err(Fault::ChunkExtensionTooLong);
            }
        }
        self.excess = self.excess.saturating_sub(self.left);
        self.state = if self.left == 0 { State::Trailers } else { State::Data };
        (self.digits, self.extension) = (0, 0);
        Ok(())
    }

    /// The trailer section has to stand in the buffer as a whole, because its fields are spans.
    fn trailers(&mut self, buf: &[u8], pos: usize) -> Result<ChunkEvent, Fault> {
        let limit = pos.saturating_add(self.trailer_section);
        let mut cursor = Cursor::new(buf, pos, limit, Fault::TrailersTooLarge);
        let mut trailers = Vec::new();
        match parse_fields(&mut cursor, self.trailer_fields, &mut trailers, |_, _, _| Ok(())) {
            Ok(()) => {}
            Err(Stop::Partial) => return Ok(ChunkEvent::NeedMore { consumed: pos }),
            Err(Stop::Fault(fault)) => return Err(fault),
        }
        trailers.retain(|field| !is_forbidden_trailer(field.name.of(buf)));
        self.state = State::Done;
        Ok(ChunkEvent::End { consumed: cursor.pos, trailers })
    }
}
