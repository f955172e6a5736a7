//! The request target and the host it names (RFC 9112 3.2, RFC 9110 4.2 and 7.2).

use std::net::Ipv6Addr;

use crate::fault::Fault;
use crate::head::TargetForm;
use crate::span::Span;

/// Longest host without its port; a DNS name has at most 253 characters.
const HOST_NAME_LIMIT: usize = 255;

/// True when `host` may stand in a Host field or in an authority: a name, an IPv4 address or an IPv6 address in
/// brackets, with an optional port of one to five digits up to 65535.
///
/// Narrower than `reg-name` of RFC 3986 3.2.2 on purpose: percent-encoding and the sub-delimiters (`,`, `;`, `=` …) are
/// refused, because the next reader may decode or split them; so are empty labels, an empty port, user information,
/// zone identifiers and the empty host. A trailing dot is fine.
#[must_use]
pub fn is_valid_host(host: &[u8]) -> bool {
    split_host(host).is_some()
}

/// Name and port of a valid host.
fn split_host(host: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (name, rest) = match host {
        [b'[', inner @ ..] => {
            let close = inner.iter().position(|&byte| byte == b']')?;
            let address = std::str::from_utf8(&inner[..close]).ok()?;
            address.parse::<Ipv6Addr>().ok()?;
            host.split_at(close + 2)
        }
        _ => {
            let end = host.iter().position(|&byte| byte == b':').unwrap_or(host.len());
            let (name, rest) = host.split_at(end);
            (is_host_name(name)).then_some((name, rest))?
        }
    };
    match rest {
        [] => Some((name, None)),
        [b':', port @ ..] if is_port(port) => Some((name, Some(port))),
        _ => None,
    }
}

fn is_host_name(name: &[u8]) -> bool {
    let mut dotted = true; // a leading dot is an empty label
    for &byte in name {
        match byte {
            b'.' if dotted => return false,
            b'.' => dotted = true,
            b'-' | b'_' | b'~' => dotted = false,
            _ if byte.is_ascii_alphanumeric() => dotted = false,
            _ => return false,
        }
    }
    !name.is_empty() && name.len() <= HOST_NAME_LIMIT
}

fn is_port(port: &[u8]) -> bool {
    let digits = matches!(port.len(), 1..=5) && port.iter().all(u8::is_ascii_digit);
    digits && port.iter().fold(0, |sum: u32, &byte| sum * 10 + u32::from(byte - b'0')) <= 65535
}

/// What the target says: its form, and the authority if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) form: TargetForm,
    pub(crate) authority: Option<Span>,
    /// Path and query.
    pub(crate) path: Span,
    /// The port that goes without saying in this target's scheme.
    default_port: &'static [u8],
}

impl Target {
    /// Sorts a target, whose bytes were checked already, into one of the four forms.
    pub(crate) fn of(method: &[u8], span: Span, buf: &[u8]) -> Result<Target, Fault> {
        let target = span.of(buf);
        if method == b"CONNECT" {
            return authority_form(span, target);
        }
        match target {
            [b'/', ..] => Ok(Target { form: TargetForm::Origin, authority: None, path: span, default_port: b"" }),
            b"*" if method == b"OPTIONS" => {
                Ok(Target { form: TargetForm::Asterisk, authority: None, path: span, default_port: b"" })
            }
            b"*" => Err(Fault::AsteriskWithoutOptions),
            _ => absolute_form(span, target),
        }
    }

    /// Whether a valid `host` names the authority of this target, a port that goes without saying left aside.
    ///
    /// RFC 9112 3.2.2 lets the target win over Host. Both would reach the next reader, so they have to agree.
    pub(crate) fn agrees_with(&self, host: &[u8], buf: &[u8]) -> bool {
        let Some(authority) = self.authority else { return true };
        let (Some((name, port)), Some((other_name, other_port))) = (split_host(host), split_host(authority.of(buf)))
        else {
            return false;
        };
        let same_port = match (self.form, port) {
            // Many clients leave the port of a CONNECT target out of Host.
            (TargetForm::Authority, None) => true,
            _ => port.unwrap_or(self.default_port) == other_port.unwrap_or(self.default_port),
        };
        name.eq_ignore_ascii_case(other_name) && same_port
    }
}

/// `host:port`, RFC 9112 3.2.3: the port is not optional.
fn authority_form(span: Span, target: &[u8]) -> Result<Target, Fault> {
    if target.contains(&b'@') {
        return Err(Fault::UserinfoInTarget);
    }
    match split_host(target) {
        Some((_, Some(_))) => {
            Ok(Target { form: TargetForm::Authority, authority: Some(span), path: Span::default(), default_port: b"" })
        }
        _ => Err(Fault::ConnectTarget),
    }
}

/// `http://authority/path`, RFC 9112 3.2.2.
fn absolute_form(span: Span, target: &[u8]) -> Result<Target, Fault> {
    let Some(colon) = target.windows(3).position(|part| part == b"://") else {
        return Err(Fault::InvalidTargetForm);
    };
    let (scheme, rest) = (&target[..colon], &target[colon + 3..]);
    let default_port: &[u8] = if scheme.eq_ignore_ascii_case(b"http") {
        b"80"
    } else if scheme.eq_ignore_ascii_case(b"https") {
        b"443"
    } else if scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)) && !scheme.is_empty() {
        return Err(Fault::UnsupportedScheme);
    } else {
        return Err(Fault::InvalidTargetForm);
    };
    let length = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let authority = &rest[..length];
    if authority.contains(&b'@') {
        return Err(Fault::UserinfoInTarget);
    }
    if !is_valid_host(authority) {
        return Err(Fault::InvalidAuthority);
    }
    if rest.get(length) == Some(&b'?') {
        // RFC 9112 3.2.2 allows a query behind an empty path. Nobody sends it, and `?q` cannot be forwarded as it is.
        return Err(Fault::InvalidTargetForm);
    }
    let start = span.start + colon as u32 + 3;
    let end = start + length as u32;
    Ok(Target {
        form: TargetForm::Absolute,
        authority: Some(Span { start, end }),
        path: Span { start: end, end: span.end },
        default_port,
    })
}
