//! Response heads (RFC 9112 section 4). An origin is read as strictly as a client.

use crate::field::{Facts, line_end, parse_fields};
use crate::grammar::{VALUE, run};
use crate::request::parse_version;
use crate::{Fault, FieldSpan, Framing, Limits, Parsed, Span, Version};

/// A response head; its spans are ranges of the buffer that was parsed. Use it again: the field list keeps its memory.
#[derive(Debug, Default)]
pub struct ResponseHead {
    /// The version.
    pub version: Version,
    /// The status code, 100 to 599.
    pub status: u16,
    /// The reason phrase, often empty.
    pub reason: Span,
    /// The field lines in order.
    pub fields: Vec<FieldSpan>,
    /// How the content is delimited.
    pub framing: Framing,
    /// Whether the connection outlives this exchange.
    pub keep_alive: bool,
    /// Status 101 with the fields that belong to it, or 2xx to CONNECT: what follows is no longer HTTP.
    pub upgrade: bool,
    /// Whether there is a field named `Connection`.
    pub connection_options: bool,
    /// Bytes of the head, the empty line included.
    pub len: usize,
}

/// Parses a response head at the start of `buf`, the answer to a request with `method`.
///
/// # Errors
/// A [`Fault`]: the answer must not be relayed and the connection must be closed.
pub fn parse_response(buf: &[u8], limits: &Limits, method: &[u8], head: &mut ResponseHead) -> Result<Parsed, Fault> {
    head.fields.clear();
    let line = match line_end(buf, 0)? {
        Some((end, next)) => {
            parse_line(buf, end, head)?;
            next
        }
        None if buf.len() > limits.head => return Err(Fault::HeadTooLarge),
        None => {
            let seen = buf.len().min(5);
            let expected = b"HTTP/".get(..seen).unwrap_or_default();
            return if buf.get(..seen) == Some(expected) { Ok(Parsed::Partial) } else { Err(Fault::StatusLine) };
        }
    };
    let end = match parse_fields(buf, line, limits, &mut head.fields)? {
        Some(end) if end <= limits.head => end,
        None if buf.len() <= limits.head => return Ok(Parsed::Partial),
        _ => return Err(Fault::HeadTooLarge),
    };
    head.len = end;
    settle(buf, method, head)?;
    Ok(Parsed::Complete)
}

fn parse_line(buf: &[u8], end: usize, head: &mut ResponseHead) -> Result<(), Fault> {
    let line = buf.get(..end).unwrap_or_default();
    let (version, rest) = line.split_at(line.len().min(8));
    head.version = parse_version(version)?;
    let [b' ', a, b, c, phrase @ ..] = rest else { return Err(Fault::StatusLine) };
    if ![a, b, c].iter().all(|d| d.is_ascii_digit()) {
        return Err(Fault::StatusLine);
    }
    head.status = [a, b, c].iter().fold(0, |n, d| n * 10 + u16::from(**d - b'0'));
    let valid = (100..600).contains(&head.status) && matches!(phrase, [] | [b' ', ..]);
    if !valid || run(phrase, &VALUE) != phrase.len() {
        return Err(Fault::StatusLine);
    }
    head.reason = Span::new((13).min(end), end);
    Ok(())
}

fn settle(buf: &[u8], method: &[u8], head: &mut ResponseHead) -> Result<(), Fault> {
    let facts = Facts::read(buf, &head.fields, false)?;
    let bodiless = matches!(head.status, 100..=199 | 204);
    if facts.coding && (bodiless || head.version == Version::Http10) {
        // RFC 9112 section 6.1: never sent with these; to skip it would leave its bytes to the next answer.
        return Err(if bodiless { Fault::FramingForbidden } else { Fault::CodingInvalid });
    }
    if bodiless && facts.length.is_some_and(|n| n > 0) {
        return Err(Fault::FramingForbidden);
    }
    let connected = method == b"CONNECT" && (200..300).contains(&head.status);
    head.upgrade = connected || head.status == 101 && facts.upgrade && facts.connection_upgrade;
    head.framing = match facts.length {
        _ if bodiless || connected || head.status == 304 || method == b"HEAD" => Framing::None,
        _ if facts.chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::UntilClose,
    };
    head.keep_alive = facts.keeps_alive(head.version) && head.framing != Framing::UntilClose && !head.upgrade;
    head.connection_options = facts.connection;
    Ok(())
}
