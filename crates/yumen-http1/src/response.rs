//! Response heads (RFC 9112 4).

use crate::connection::Notes;
use crate::cursor::{Cursor, Stop};
use crate::fault::Fault;
use crate::fields::parse_fields;
use crate::grammar::find_control;
use crate::head::{Framing, Limits, Parsed, Version};
use crate::span::{FieldSpan, Span};

/// A parsed response head. Reuse it: [`ResponseHead::clear`] keeps the capacity of `fields`.
///
/// Only after [`Parsed::Complete`] do the members mean anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// The version of the status line.
    pub version: Version,
    /// The status, 100 to 999.
    pub status: u16,
    /// The reason phrase; may be empty.
    pub reason: Span,
    /// The field lines in the order they came.
    pub fields: Vec<FieldSpan>,
    /// How the body ends (RFC 9112 6.3); [`Framing::None`] for 1xx, 204, 304, answers to HEAD and 2xx to CONNECT.
    pub framing: Framing,
    /// Whether the connection persists (RFC 9112 9.3); false with [`Framing::UntilClose`] and with `upgrade`.
    pub keep_alive: bool,
    /// What follows the head is no longer HTTP/1.1: 101, or 2xx to CONNECT.
    pub upgrade: bool,
    /// Some field is named Connection: its options name further fields to remove (RFC 9110 7.6.1).
    pub connection_options: bool,
    /// Bytes of head consumed, the final empty line included.
    pub len: usize,
}

impl ResponseHead {
    /// Forgets everything but the capacity.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = ResponseHead { fields, ..ResponseHead::default() };
    }
}

/// Parses a response head from the start of `buf`. `request_method` is the method of the request it answers, which
/// takes part in the framing (RFC 9112 6.3).
///
/// Call again with the grown buffer while the answer is [`Parsed::Partial`]; `head` is cleared by each call. After a 1xx
/// other than 101 the next head follows; parse again behind `len`.
///
/// # Errors
/// The [`Fault`] of the first byte that cannot be part of an acceptable head; the connection must be closed.
pub fn parse_response(
    buf: &[u8],
    limits: &Limits,
    request_method: &[u8],
    head: &mut ResponseHead,
) -> Result<Parsed, Fault> {
    head.clear();
    match parse(buf, limits, request_method, head) {
        Ok(()) => Ok(Parsed::Complete),
        Err(stop) => stop.into_parsed(),
    }
}

fn parse(buf: &[u8], limits: &Limits, method: &[u8], head: &mut ResponseHead) -> Result<(), Stop> {
    let mut cursor = Cursor::new(buf, 0, limits.head, Fault::HeadTooLarge);
    let longest = limits.request_line.saturating_add(2);
    if longest < limits.head {
        let mut line = Cursor::new(buf, 0, longest, Fault::StatusLineTooLong);
        status_line(&mut line, head)?;
        cursor.pos = line.pos;
    } else {
        status_line(&mut cursor, head)?;
    }
    let mut notes = Notes::new(head.version);
    parse_fields(&mut cursor, limits.fields, &mut head.fields, |name, value, _| notes.note(name, value))?;
    head.upgrade = switches(method, head.status, &notes)?;
    head.framing = framing(method, head.status, &notes)?;
    head.keep_alive = notes.persists() && head.framing != Framing::UntilClose && !head.upgrade;
    head.connection_options = notes.connection;
    head.len = cursor.pos;
    Ok(())
}

/// `HTTP-version SP status-code [ SP [ reason-phrase ] ] CRLF`; the second space is asked for by RFC 9112 4, but left
/// out by enough servers, and nothing can be read out of its absence.
fn status_line(cursor: &mut Cursor<'_>, head: &mut ResponseHead) -> Result<(), Stop> {
    let Some(version) = cursor.version(Fault::MalformedStatusLine)? else {
        return Err(Fault::UnsupportedVersion.into());
    };
    cursor.literal(b" ", Fault::MalformedStatusLine)?;
    if cursor.peek()? == b' ' {
        return Err(Fault::MalformedStatusLine.into());
    }
    let mut status = 0;
    for _ in 0..3 {
        status = status * 10 + u16::from(cursor.digit(Fault::InvalidStatus)?);
    }
    if status < 100 {
        return Err(Fault::InvalidStatus.into());
    }
    let mut reason = Span::new(cursor.pos, cursor.pos);
    match cursor.peek()? {
        b' ' => {
            let start = cursor.pos + 1;
            cursor.pos = find_control(cursor.buf, start);
            reason = Span::new(start, cursor.pos);
        }
        b'\r' | b'\n' => {}
        _ => return Err(Fault::InvalidStatus.into()),
    }
    cursor.line_end(Fault::InvalidReason)?;
    (head.version, head.status, head.reason) = (version, status, reason);
    Ok(())
}

/// Whether the connection stops speaking HTTP/1.1 behind this head.
fn switches(method: &[u8], status: u16, notes: &Notes) -> Result<bool, Fault> {
    if status == 101 {
        // RFC 9110 15.2.2 and 7.8: a 101 names the protocol it switches to; HTTP/1.0 knows no 1xx.
        return if notes.upgrades() { Ok(true) } else { Err(Fault::InvalidUpgrade) };
    }
    Ok(method == b"CONNECT" && (200..300).contains(&status))
}

/// RFC 9112 6.3. Content-Length with Transfer-Encoding was refused before.
fn framing(method: &[u8], status: u16, notes: &Notes) -> Result<Framing, Fault> {
    match status {
        // RFC 9112 6.1 and RFC 9110 8.6 forbid both fields here. `Content-Length: 0` is true, and common; anything else
        // says that the server will send bytes which the rule says are not part of this message.
        100..200 | 204 => match notes.announced() {
            Framing::None | Framing::Length(0) => Ok(Framing::None),
            _ => Err(Fault::BodyNotAllowed),
        },
        // 304 and answers to HEAD describe the body they do not have.
        304 => Ok(Framing::None),
        _ if method == b"HEAD" => Ok(Framing::None),
        // RFC 9110 9.3.6: a client ignores both fields in a successful answer to CONNECT.
        200..300 if method == b"CONNECT" => Ok(Framing::None),
        _ => Ok(match notes.announced() {
            Framing::None => Framing::UntilClose,
            announced => announced,
        }),
    }
}
