//! A position in the buffer that knows what running out of bytes means.

use crate::fault::Fault;
use crate::head::{Parsed, Version};

/// Why a step could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The bytes so far are fine; there are not enough of them.
    Partial,
    /// The message is refused.
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

impl Stop {
    pub(crate) fn into_parsed(self) -> Result<Parsed, Fault> {
        match self {
            Stop::Partial => Ok(Parsed::Partial),
            Stop::Fault(fault) => Err(fault),
        }
    }
}

/// Reads a view of at most `limit` bytes from left to right. Bytes behind the limit do not exist for it, so that a
/// message is judged the same whether they have arrived yet or not.
pub(crate) struct Cursor<'a> {
    pub(crate) buf: &'a [u8],
    pub(crate) pos: usize,
    /// What running out means: wait, or the fault of the limit that cut the view.
    short: Stop,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(buf: &'a [u8], pos: usize, limit: usize, over: Fault) -> Cursor<'a> {
        let limit = limit.min(u32::MAX as usize);
        if buf.len() < limit {
            Cursor { buf, pos, short: Stop::Partial }
        } else {
            Cursor { buf: &buf[..limit], pos: pos.min(limit), short: Stop::Fault(over) }
        }
    }

    /// The byte at the position, which does not move.
    #[inline]
    pub(crate) fn peek(&self) -> Result<u8, Stop> {
        self.buf.get(self.pos).copied().ok_or(self.short)
    }

    /// Steps over a CRLF. The position must stand on a CR or LF, else `otherwise` is the fault.
    #[inline]
    pub(crate) fn line_end(&mut self, otherwise: Fault) -> Result<(), Stop> {
        match self.peek()? {
            b'\r' => {}
            b'\n' => return Err(Fault::BareLf.into()),
            _ => return Err(otherwise.into()),
        }
        match self.buf.get(self.pos + 1) {
            Some(b'\n') => {
                self.pos += 2;
                Ok(())
            }
            Some(_) => Err(Fault::BareCr.into()),
            None => Err(self.short),
        }
    }

    /// Steps over `text`, or gives `otherwise` at the first byte that differs.
    pub(crate) fn literal(&mut self, text: &[u8], otherwise: Fault) -> Result<(), Stop> {
        for &wanted in text {
            if self.peek()? != wanted {
                return Err(otherwise.into());
            }
            self.pos += 1;
        }
        Ok(())
    }

    /// Steps over one decimal digit and gives its value.
    pub(crate) fn digit(&mut self, otherwise: Fault) -> Result<u8, Stop> {
        let byte = self.peek()?;
        if !byte.is_ascii_digit() {
            return Err(otherwise.into());
        }
        self.pos += 1;
        Ok(byte - b'0')
    }

    /// Steps over `HTTP/d.d`; `None` is a version that is written well but not spoken here.
    pub(crate) fn version(&mut self, otherwise: Fault) -> Result<Option<Version>, Stop> {
        self.literal(b"HTTP/", otherwise)?;
        let major = self.digit(otherwise)?;
        self.literal(b".", otherwise)?;
        let minor = self.digit(otherwise)?;
        Ok(match (major, minor) {
            (1, 0) => Some(Version::Http10),
            (1, 1) => Some(Version::Http11),
            _ => None,
        })
    }
}
