//! Where things stand in the buffer that was parsed.

/// Half-open byte range in the buffer that was parsed.
///
/// Four bytes a side: no head is longer than [`Limits::head`](crate::Limits::head), which is far below 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// Index of the first byte.
    pub start: u32,
    /// Index after the last byte.
    pub end: u32,
}

impl Span {
    /// The range `start..end`; callers have cut their view to `u32::MAX` bytes.
    pub(crate) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32 }
    }

    /// The bytes this span covers in `buf`, which must begin where the parsed buffer began.
    ///
    /// A span that does not fit into `buf` (a programming error) yields an empty slice instead of a panic.
    #[must_use]
    #[inline]
    pub fn of(self, buf: &[u8]) -> &[u8] {
        buf.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// True when no byte is covered.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }
}

/// One field line (RFC 9112 5): name in the case it was sent, value with optional whitespace trimmed on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldSpan {
    /// The field name; a non-empty token.
    pub name: Span,
    /// The field value; may be empty.
    pub value: Span,
}
