//! Request heads (RFC 9112 3).

use crate::connection::Notes;
use crate::cursor::{Cursor, Stop};
use crate::fault::Fault;
use crate::fields::parse_fields;
use crate::grammar::{TARGET, find_non_token, tokens};
use crate::head::{Framing, Limits, Parsed, TargetForm, Version};
use crate::span::{FieldSpan, Span};
use crate::target::{Target, is_valid_host};

/// Empty lines before a request line that are stepped over (RFC 9112 2.2 asks for one at least).
const LEADING_EMPTY_LINES: usize = 2;

/// A parsed request head. Reuse it: [`RequestHead::clear`] keeps the capacity of `fields`.
///
/// Only after [`Parsed::Complete`] do the members mean anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, a token in the case it was sent.
    pub method: Span,
    /// The request target as sent.
    pub target: Span,
    /// Path and query of the target, beginning with `/`. Empty for authority-form and for an absolute-form without path,
    /// which means `/` (RFC 9110 4.2.3); `*` for asterisk-form.
    pub path: Span,
    /// The version of the request line.
    pub version: Version,
    /// The field lines in the order they came.
    pub fields: Vec<FieldSpan>,
    /// How the body ends; never [`Framing::UntilClose`]. The method plays no part in it but for CONNECT, which has none.
    pub framing: Framing,
    /// Whether the client lets the connection persist (RFC 9112 9.3).
    pub keep_alive: bool,
    /// Which of the four forms the target has.
    pub target_form: TargetForm,
    /// The validated Host value, or the authority of an absolute-form or authority-form target, which wins (RFC 9112
    /// 3.2.2; a Host that disagrees with it is refused). `None` only in HTTP/1.0.
    pub host: Option<Span>,
    /// `Expect: 100-continue` in HTTP/1.1 (RFC 9110 10.1.1).
    pub expect_continue: bool,
    /// Connection: upgrade and an Upgrade field in HTTP/1.1 (RFC 9110 7.8).
    pub upgrade: bool,
    /// Some field is named Connection: its options name further fields to remove (RFC 9110 7.6.1).
    pub connection_options: bool,
    /// Bytes of head consumed, leading empty lines and the final empty line included.
    pub len: usize,
}

impl RequestHead {
    /// Forgets everything but the capacity.
    pub fn clear(&mut self) {
        let mut fields = std::mem::take(&mut self.fields);
        fields.clear();
        *self = RequestHead { fields, ..RequestHead::default() };
    }
}

/// Parses a request head from the start of `buf`.
///
/// Call again with the grown buffer while the answer is [`Parsed::Partial`]; `head` is cleared by each call.
///
/// # Errors
/// The [`Fault`] of the first byte, from left to right, that cannot be part of an acceptable head; the connection must
/// be closed after answering [`Fault::status`].
pub fn parse_request(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Parsed, Fault> {
    head.clear();
    match parse(buf, limits, head) {
        Ok(()) => Ok(Parsed::Complete),
        Err(stop) => stop.into_parsed(),
    }
}

fn parse(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<(), Stop> {
    let mut cursor = Cursor::new(buf, 0, limits.head, Fault::HeadTooLarge);
    skip_empty_lines(&mut cursor)?;
    let (start, longest) = (cursor.pos, limits.request_line.saturating_add(2));
    if longest < limits.head.saturating_sub(start) {
        let mut line = Cursor::new(buf, start, start + longest, Fault::RequestLineTooLong);
        request_line(&mut line, head)?;
        cursor.pos = line.pos;
    } else {
        request_line(&mut cursor, head)?;
    }
    let target = Target::of(head.method.of(buf), head.target, buf)?;
    (head.target_form, head.path) = (target.form, target.path);

    let mut notes = Notes::new(head.version);
    let (mut host, mut expect) = (None, false);
    parse_fields(&mut cursor, limits.fields, &mut head.fields, |name, value, span| match name.len() {
        4 if name.eq_ignore_ascii_case(b"host") => note_host(&mut host, &target, buf, value, span),
        6 if name.eq_ignore_ascii_case(b"expect") => note_expect(&mut expect, notes.version, value),
        _ => notes.note(name, value),
    })?;
    if host.is_none() && head.version == Version::Http11 {
        return Err(Fault::MissingHost.into());
    }
    head.framing = notes.announced();
    if head.target_form == TargetForm::Authority && !matches!(head.framing, Framing::None | Framing::Length(0)) {
        return Err(Fault::ConnectWithBody.into());
    }
    head.host = target.authority.or(host);
    head.keep_alive = notes.persists();
    head.upgrade = notes.upgrades();
    head.connection_options = notes.connection;
    head.expect_continue = expect;
    head.len = cursor.pos;
    Ok(())
}

fn skip_empty_lines(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    let mut skipped = 0;
    while matches!(cursor.peek()?, b'\r' | b'\n') {
        cursor.line_end(Fault::BareCr)?;
        skipped += 1;
        if skipped > LEADING_EMPTY_LINES {
            return Err(Fault::LeadingEmptyLines.into());
        }
    }
    Ok(())
}

/// `method SP request-target SP HTTP-version CRLF`, nothing more.
fn request_line(cursor: &mut Cursor<'_>, head: &mut RequestHead) -> Result<(), Stop> {
    let start = cursor.pos;
    cursor.pos = find_non_token(cursor.buf, start);
    match cursor.peek()? {
        b' ' if cursor.pos > start => {}
        b' ' | b'\t' => return Err(Fault::RequestLineSpacing.into()),
        _ => return Err(Fault::InvalidMethod.into()),
    }
    head.method = Span::new(start, cursor.pos);
    cursor.pos += 1;
    head.target = target(cursor)?;
    cursor.pos += 1;
    head.version = version(cursor)?;
    Ok(())
}

/// The target, up to the space behind it.
fn target(cursor: &mut Cursor<'_>) -> Result<Span, Stop> {
    let start = cursor.pos;
    loop {
        while cursor.pos < cursor.buf.len() && TARGET[cursor.buf[cursor.pos] as usize] {
            cursor.pos += 1;
        }
        match cursor.peek()? {
            b' ' if cursor.pos > start => return Ok(Span::new(start, cursor.pos)),
            b' ' | b'\t' => return Err(Fault::RequestLineSpacing.into()),
            b'#' => return Err(Fault::FragmentInTarget.into()),
            b'\\' if !cursor.buf[start..cursor.pos].contains(&b'?') => return Err(Fault::BackslashInPath.into()),
            b'\\' => cursor.pos += 1,
            b'\r' | b'\n' => {
                cursor.line_end(Fault::BareCr)?;
                return Err(Fault::Http09.into());
            }
            _ => return Err(Fault::InvalidTargetByte.into()),
        }
    }
}

/// `HTTP/1.1` or `HTTP/1.0` and the line end.
fn version(cursor: &mut Cursor<'_>) -> Result<Version, Stop> {
    if cursor.buf[cursor.pos..].starts_with(b"HTTP/1.1\r\n") {
        cursor.pos += 10;
        return Ok(Version::Http11);
    }
    if cursor.peek()? == b' ' {
        return Err(Fault::RequestLineSpacing.into());
    }
    let version = cursor.version(Fault::MalformedVersion)?;
    if matches!(cursor.peek()?, b' ' | b'\t') {
        return Err(Fault::RequestLineSpacing.into());
    }
    cursor.line_end(Fault::MalformedVersion)?;
    version.ok_or(Stop::Fault(Fault::UnsupportedVersion))
}

fn note_host(host: &mut Option<Span>, target: &Target, buf: &[u8], value: &[u8], span: Span) -> Result<(), Fault> {
    if host.is_some() {
        return Err(Fault::DuplicateHost);
    }
    if !is_valid_host(value) {
        return Err(Fault::InvalidHost);
    }
    if !target.agrees_with(value, buf) {
        return Err(Fault::HostMismatch);
    }
    *host = Some(span);
    Ok(())
}

/// RFC 9110 10.1.1: only 100-continue is known, and HTTP/1.0 clients cannot mean it.
fn note_expect(expect: &mut bool, version: Version, value: &[u8]) -> Result<(), Fault> {
    if version == Version::Http10 {
        return Ok(());
    }
    let mut expectations = tokens(value).peekable();
    if expectations.peek().is_none() || expectations.any(|one| !one.eq_ignore_ascii_case(b"100-continue")) {
        return Err(Fault::UnknownExpectation);
    }
    *expect = true;
    Ok(())
}
