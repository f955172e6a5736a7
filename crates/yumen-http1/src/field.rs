//! Field lines, and what they say about framing and connection (RFC 9112 sections 5, 6 and 9).

use crate::grammar::{TOKEN, VALUE, is_token, run, trim};
use crate::{Fault, FieldSpan, Span};

/// How large a head may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line; default 8 KiB (414 beyond).
    pub request_line: usize,
    /// Bytes of the whole head; default 32 KiB (431 beyond).
    pub head: usize,
    /// Field lines; default 100 (431 beyond).
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { request_line: 8 * 1024, head: 32 * 1024, fields: 100 }
    }
}

/// Whether a head was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// All of it.
    Complete,
    /// More bytes are needed.
    Partial,
}

/// The version in the start line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd)]
#[expect(missing_docs, reason = "the variants are the versions themselves")]
pub enum Version {
    Http10,
    #[default]
    Http11,
}

/// How the content of a message is delimited (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// No content.
    #[default]
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// Until the connection ends; responses only.
    UntilClose,
}

/// Finds the end of the line at `at`: (behind the content, behind the CRLF). `None` when the line is not complete.
pub(crate) fn line_end(buf: &[u8], at: usize) -> Result<Option<(usize, usize)>, Fault> {
    let rest = buf.get(at..).unwrap_or_default();
    let Some(found) = memchr::memchr2(b'\r', b'\n', rest) else { return Ok(None) };
    match (rest[found], rest.get(found + 1)) {
        (b'\r', Some(b'\n')) => Ok(Some((at + found, at + found + 2))),
        (b'\r', None) => Ok(None),
        _ => Err(Fault::BareLineEnd),
    }
}

/// Reads field lines from `at` to the empty line. The result is where the head ends; `None` when it is not complete.
pub(crate) fn parse_fields(
    buf: &[u8],
    mut at: usize,
    limits: &Limits,
    fields: &mut Vec<FieldSpan>,
) -> Result<Option<usize>, Fault> {
    loop {
        let rest = buf.get(at..).unwrap_or_default();
        match rest {
            [] => return Ok(None),
            [b'\r', b'\n', ..] => return Ok(Some(at + 2)),
            [b'\r'] => return Ok(None),
            [b' ' | b'\t', ..] => return Err(Fault::ObsFold),
            _ => {}
        }
        if fields.len() >= limits.fields {
            return Err(Fault::TooManyFields);
        }
        let name = run(rest, &TOKEN);
        match rest.get(name) {
            None => return Ok(None),
            Some(b':') if name > 0 => {}
            Some(b' ' | b'\t') if name > 0 => return Err(Fault::SpaceBeforeColon),
            Some(b'\r' | b'\n') => return Err(Fault::FieldLine),
            Some(_) => return Err(Fault::FieldName),
        }
        let mut from = name + 1;
        while let Some(b' ' | b'\t') = rest.get(from) {
            from += 1;
        }
        let mut to = from + run(rest.get(from..).unwrap_or_default(), &VALUE);
        let next = match (rest.get(to), rest.get(to + 1)) {
            (None, _) | (Some(b'\r'), None) => return Ok(None),
            (Some(b'\r'), Some(b'\n')) => to + 2,
            (Some(b'\r' | b'\n'), _) => return Err(Fault::BareLineEnd),
            (Some(_), _) => return Err(Fault::FieldValue),
        };
        while to > from && matches!(rest[to - 1], b' ' | b'\t') {
            to -= 1;
        }
        fields.push(FieldSpan { name: Span::new(at, at + name), value: Span::new(at + from, at + to) });
        at += next;
    }
}

/// What the fields that concern the message itself say.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) length: Option<u64>,
    pub(crate) chunked: bool,
    pub(crate) coding: bool,
    pub(crate) host: Option<Span>,
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) connection: bool,
    pub(crate) connection_upgrade: bool,
    pub(crate) upgrade: bool,
    pub(crate) expect_continue: bool,
}

impl Facts {
    pub(crate) fn read(buf: &[u8], fields: &[FieldSpan], request: bool) -> Result<Self, Fault> {
        let mut facts = Self::default();
        for field in fields {
            facts.take(buf, *field, request)?;
        }
        if facts.coding && facts.length.is_some() {
            return Err(Fault::LengthAndCoding);
        }
        Ok(facts)
    }

    fn take(&mut self, buf: &[u8], field: FieldSpan, request: bool) -> Result<(), Fault> {
        let name = field.name.of(buf);
        let value = field.value.of(buf);
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        // By length first: nearly every field is none of these.
        match name.len() {
            4 if request && is(b"host")
                && self.host.replace(field.value).is_some() => {
                    return Err(Fault::HostDuplicate);
                }
            6 if request && is(b"expect") => self.expect_continue |= value.eq_ignore_ascii_case(b"100-continue"),
            7 if is(b"upgrade") => self.upgrade = true,
            10 if is(b"connection") => self.take_connection(value),
            14 if is(b"content-length")
                && self.length.replace(parse_length(value)?).is_some() => {
                    return Err(Fault::LengthDuplicate);
                }
            17 if is(b"transfer-encoding") => self.take_coding(value)?,
            _ => {}
        }
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) {
        self.connection = true;
        for token in tokens(value) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            self.connection_upgrade |= token.eq_ignore_ascii_case(b"upgrade");
        }
    }

    /// `chunked`, once, and nothing else: every other spelling has been read in two ways by somebody.
    fn take_coding(&mut self, value: &[u8]) -> Result<(), Fault> {
        if std::mem::replace(&mut self.coding, true) {
            return Err(Fault::CodingInvalid);
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
            return Ok(());
        }
        let has_chunked = tokens(value).any(|t| t.to_ascii_lowercase().windows(7).any(|w| w == b"chunked"));
        let plain = tokens(value).all(is_token) && !value.is_empty();
        Err(if plain && !has_chunked { Fault::CodingUnknown } else { Fault::CodingInvalid })
    }

    /// Whether the connection outlives the message (RFC 9112 section 9.3).
    pub(crate) fn keeps_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        }
    }
}

/// Digits only, at most 2^63-1: a sign, a space or a list would be read differently elsewhere.
fn parse_length(value: &[u8]) -> Result<u64, Fault> {
    if value.is_empty() || value.len() > 19 || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::LengthInvalid);
    }
    let length = value.iter().fold(0u64, |n, d| n * 10 + u64::from(d - b'0'));
    if length > i64::MAX as u64 { Err(Fault::LengthInvalid) } else { Ok(length) }
}

/// The members of a comma list, without the white space around them and without the empty ones (RFC 9110 section 5.6.1).
pub fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(trim).filter(|t| !t.is_empty())
}

/// Whether a field concerns this connection only and is never sent on (RFC 9110 section 7.6.1).
pub fn is_hop_by_hop(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 7] =
        [b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade", b"http2-settings"];
    matches!(name.len(), 2 | 7 | 10 | 14 | 16 | 17) && NAMES.iter().any(|n| name.eq_ignore_ascii_case(n))
}

/// Whether a client may not have a field removed by naming it in `Connection`: those that carry identity, framing or
/// the trace of a request (RFC 9110 section 7.6.1 lets a sender name hop-by-hop fields only; naming these is an attack).
pub fn is_protected(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 16] = [
        b"host",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"authorization",
        b"cookie",
        b"forwarded",
        b"via",
        b"cache-control",
        b"x-real-ip",
        b"x-request-id",
        b"traceparent",
        b"tracestate",
        b"origin",
        b"expect",
        b"range",
    ];
    NAMES.iter().any(|n| name.eq_ignore_ascii_case(n))
        || name.get(..12).is_some_and(|n| n.eq_ignore_ascii_case(b"x-forwarded-"))
}
