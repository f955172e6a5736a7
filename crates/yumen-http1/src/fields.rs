//! Field lines, of heads and of trailer sections (RFC 9112 5).

use crate::cursor::{Cursor, Stop};
use crate::fault::Fault;
use crate::grammar::{find_control, find_non_token};
use crate::span::{FieldSpan, Span};

/// Reads field lines up to and over the empty line. Each is shown to `note`, which may refuse it, before it is kept.
pub(crate) fn parse_fields<F>(
    cursor: &mut Cursor<'_>,
    most: usize,
    fields: &mut Vec<FieldSpan>,
    mut note: F,
) -> Result<(), Stop>
where
    F: FnMut(&[u8], &[u8], Span) -> Result<(), Fault>,
{
    loop {
        if cursor.peek()? == b'\r' {
            return cursor.line_end(Fault::BareCr);
        }
        let name = field_name(cursor)?;
        if fields.len() >= most {
            return Err(Fault::TooManyFields.into());
        }
        let value = field_value(cursor)?;
        if matches!(cursor.peek()?, b' ' | b'\t') {
            // Known before the value is judged: half a value is not the cause.
            return Err(Fault::ObsFold.into());
        }
        note(name.of(cursor.buf), value.of(cursor.buf), value)?;
        fields.push(FieldSpan { name, value });
    }
}

/// The name and its colon.
#[inline]
fn field_name(cursor: &mut Cursor<'_>) -> Result<Span, Stop> {
    let start = cursor.pos;
    let end = find_non_token(cursor.buf, start);
    cursor.pos = end;
    if cursor.peek()? == b':' && end > start {
        cursor.pos += 1;
        return Ok(Span::new(start, end));
    }
    Err(name_fault(cursor, start == end))
}

#[cold]
fn name_fault(cursor: &mut Cursor<'_>, empty: bool) -> Stop {
    match cursor.peek() {
        Err(stop) => stop,
        Ok(b':') => Fault::EmptyFieldName.into(),
        // Behind another field line it is a fold, which was found there.
        Ok(b' ' | b'\t') if empty => Fault::SpaceBeforeFields.into(),
        Ok(b' ' | b'\t') => Fault::SpaceBeforeColon.into(),
        Ok(b'\r' | b'\n') => match cursor.line_end(Fault::MissingColon) {
            Ok(()) => Fault::MissingColon.into(),
            Err(stop) => stop,
        },
        Ok(_) => Fault::InvalidFieldName.into(),
    }
}

/// The value with its line end; optional white space at both sides is not part of the span.
#[inline]
fn field_value(cursor: &mut Cursor<'_>) -> Result<Span, Stop> {
    let mut start = cursor.pos;
    while matches!(cursor.buf.get(start), Some(b' ' | b'\t')) {
        start += 1;
    }
    let mut end = find_control(cursor.buf, start);
    cursor.pos = end;
    cursor.line_end(Fault::InvalidFieldValue)?;
    while end > start && matches!(cursor.buf[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    Ok(Span::new(start, end))
}
