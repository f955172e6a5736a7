//! Request heads (RFC 9112 sections 2 and 3).

use crate::field::{Facts, line_end, parse_fields};
use crate::grammar::{TARGET, TOKEN, run};
use crate::{Fault, FieldSpan, Framing, Limits, Parsed, Span, Version, is_valid_host};

/// The four forms of a target (RFC 9112 section 3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`.
    #[default]
    Origin,
    /// `http://host/path?query`.
    Absolute,
    /// `host:port`, with CONNECT only.
    Authority,
    /// `*`, with OPTIONS only.
    Asterisk,
}

/// A request head; its spans are ranges of the buffer that was parsed. Use it again: the field list keeps its memory.
#[derive(Debug, Default)]
pub struct RequestHead {
    /// The method.
    pub method: Span,
    /// The whole target as received.
    pub target: Span,
    /// Path and query of the target; empty for `http://host` without a path and for the authority form.
    pub path: Span,
    /// Its form.
    pub target_form: TargetForm,
    /// The version.
    pub version: Version,
    /// The field lines in order.
    pub fields: Vec<FieldSpan>,
    /// How the content is delimited.
    pub framing: Framing,
    /// Whether the connection outlives this exchange, as far as the client is concerned.
    pub keep_alive: bool,
    /// Host and port the request is for; absent only in HTTP/1.0.
    pub host: Option<Span>,
    /// `Expect: 100-continue`, HTTP/1.1.
    pub expect_continue: bool,
    /// `Connection: upgrade` together with an `Upgrade` field, HTTP/1.1.
    pub upgrade: bool,
    /// Whether there is a field named `Connection`.
    pub connection_options: bool,
    /// Bytes of the head, the empty line included.
    pub len: usize,
}

/// Parses a request head at the start of `buf`.
///
/// # Errors
/// A [`Fault`]: the request must be refused and the connection closed, since where the next one begins is not known.
pub fn parse_request(buf: &[u8], limits: &Limits, head: &mut RequestHead) -> Result<Parsed, Fault> {
    head.fields.clear();
    let start = leading_lines(buf);
    let line = match line_end(buf, start)? {
        Some((end, next)) if end - start <= limits.request_line => {
            parse_line(buf, start, end, head)?;
            next
        }
        Some(_) => return Err(Fault::RequestLineTooLong),
        None if buf.len() - start > limits.request_line => return Err(Fault::RequestLineTooLong),
        None => {
            check_prefix(buf.get(start..).unwrap_or_default())?;
            return Ok(Parsed::Partial);
        }
    };
    let end = match parse_fields(buf, line, limits, &mut head.fields)? {
        Some(end) if end <= limits.head => end,
        None if buf.len() <= limits.head => return Ok(Parsed::Partial),
        _ => return Err(Fault::HeadTooLarge),
    };
    head.len = end;
    settle(buf, head)?;
    Ok(Parsed::Complete)
}

/// A server ignores an empty line before a request (RFC 9112 section 2.2); two at the most, or it would never end.
fn leading_lines(buf: &[u8]) -> usize {
    match buf {
        [b'\r', b'\n', b'\r', b'\n', ..] => 4,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    }
}

/// Whether what came so far of a request line can still become one: a TLS hello sent to a plain port is told at once.
fn check_prefix(line: &[u8]) -> Result<(), Fault> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let method = run(line, &TOKEN);
    match line.get(method) {
        None => Ok(()),
        Some(b' ') if method > 0 => Ok(()),
        Some(_) => Err(Fault::RequestLine),
    }
}

fn parse_line(buf: &[u8], start: usize, end: usize, head: &mut RequestHead) -> Result<(), Fault> {
    let line = buf.get(start..end).unwrap_or_default();
    let method = run(line, &TOKEN);
    if method == 0 {
        return Err(Fault::Method);
    }
    if line.get(method) != Some(&b' ') {
        return Err(if line.len() == method { Fault::RequestLine } else { Fault::Method });
    }
    let from = method + 1;
    let target = run(line.get(from..).unwrap_or_default(), &TARGET);
    let version = line.get(from + target..).unwrap_or_default();
    match version.first() {
        Some(b' ') if target > 0 => {}
        // HTTP/0.9 ends behind the target.
        None => return Err(Fault::VersionSyntax),
        Some(b' ') => return Err(Fault::RequestLine),
        Some(_) => return Err(Fault::Target),
    }
    head.version = parse_version(version.get(1..).unwrap_or_default())?;
    head.method = Span::new(start, start + method);
    head.target = Span::new(start + from, start + from + target);
    Ok(())
}

/// `HTTP/1.0` or `HTTP/1.1`; anything else that is written as a version is not supported.
pub(crate) fn parse_version(text: &[u8]) -> Result<Version, Fault> {
    match text {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', a, b'.', b] if a.is_ascii_digit() && b.is_ascii_digit() => Err(Fault::Version),
        _ => Err(Fault::VersionSyntax),
    }
}

/// What the head as a whole means: target form, host, framing, connection.
fn settle(buf: &[u8], head: &mut RequestHead) -> Result<(), Fault> {
    let facts = Facts::read(buf, &head.fields, true)?;
    let modern = head.version == Version::Http11;
    if facts.coding && !modern {
        return Err(Fault::CodingInvalid);
    }
    head.framing = match facts.length {
        _ if facts.chunked => Framing::Chunked,
        Some(length) => Framing::Length(length),
        None => Framing::None,
    };
    head.keep_alive = facts.keeps_alive(head.version);
    head.expect_continue = modern && facts.expect_continue;
    head.upgrade = modern && facts.upgrade && facts.connection_upgrade;
    head.connection_options = facts.connection;
    if facts.host.is_none() && modern {
        return Err(Fault::HostMissing);
    }
    if facts.host.is_some_and(|host| !is_valid_host(host.of(buf))) {
        return Err(Fault::HostInvalid);
    }
    settle_target(buf, head, facts.host)
}

fn settle_target(buf: &[u8], head: &mut RequestHead, host: Option<Span>) -> Result<(), Fault> {
    let target = head.target.of(buf);
    let method = head.method.of(buf);
    head.host = host;
    head.path = head.target;
    head.target_form = match target {
        _ if method == b"CONNECT" => TargetForm::Authority,
        [b'/', ..] => TargetForm::Origin,
        b"*" if method == b"OPTIONS" => TargetForm::Asterisk,
        _ => TargetForm::Absolute,
    };
    let authority = match head.target_form {
        TargetForm::Origin | TargetForm::Asterisk => return Ok(()),
        TargetForm::Authority => {
            if !target.contains(&b':') {
                return Err(Fault::Target);
            }
            head.path = Span::default();
            head.target
        }
        TargetForm::Absolute => {
            let scheme = scheme_len(target).ok_or(Fault::Target)?;
            let rest = target.get(scheme..).unwrap_or_default();
            let len = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
            let from = head.target.start + scheme as u32;
            head.path = Span { start: from + len as u32, end: head.target.end };
            // `http://host?query` has no path to route on; nobody sends it but to confuse (RFC 3986 section 6.2.3).
            if head.path.of(buf).first() == Some(&b'?') {
                return Err(Fault::Target);
            }
            Span { start: from, end: from + len as u32 }
        }
    };
    if !is_valid_host(authority.of(buf)) {
        return Err(Fault::Target);
    }
    if host.is_some_and(|host| !host.of(buf).eq_ignore_ascii_case(authority.of(buf))) {
        return Err(Fault::HostMismatch);
    }
    head.host = Some(authority);
    Ok(())
}

fn scheme_len(target: &[u8]) -> Option<usize> {
    let starts = |scheme: &[u8]| target.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme));
    [&b"http://"[..], b"https://"].iter().find(|s| starts(s)).map(|s| s.len())
}
