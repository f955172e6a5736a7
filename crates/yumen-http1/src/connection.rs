//! What the fields of a head say about its body and its connection (RFC 9112 6 and 9, RFC 9110 7.6.1).

use crate::fault::Fault;
use crate::grammar::{is_token, tokens, trim};
use crate::head::{Framing, Version};

/// Gathers the fields that decide framing and persistence while a head is read, refusing contradictions at once.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) version: Version,
    pub(crate) content_length: Option<u64>,
    pub(crate) chunked: bool,
    /// Some field is named Connection.
    pub(crate) connection: bool,
    close: bool,
    keep_alive: bool,
    upgrade_option: bool,
    upgrade_field: bool,
}

impl Notes {
    pub(crate) fn new(version: Version) -> Notes {
        Notes { version, ..Notes::default() }
    }

    /// Takes note of one field if it is one of those that matter here.
    #[inline]
    pub(crate) fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => self.upgrade_field |= !value.is_empty(),
            10 if name.eq_ignore_ascii_case(b"connection") => self.note_connection(value)?,
            14 if name.eq_ignore_ascii_case(b"content-length") => self.note_content_length(value)?,
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.note_transfer_encoding(value)?,
            _ => {}
        }
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) -> Result<(), Fault> {
        self.connection = true;
        for option in tokens(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade_option = true;
            } else if !is_token(option) {
                return Err(Fault::InvalidConnection);
            }
        }
        Ok(())
    }

    fn note_content_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.content_length.is_some() {
            return Err(Fault::DuplicateContentLength);
        }
        let length = parse_content_length(value)?;
        if self.chunked {
            return Err(Fault::ConflictingLength);
        }
        self.content_length = Some(length);
        Ok(())
    }

    fn note_transfer_encoding(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.version == Version::Http10 {
            // RFC 9112 6.1: the framing of such a message is to be treated as faulty.
            return Err(Fault::TransferEncodingInHttp10);
        }
        if self.chunked {
            return Err(Fault::RepeatedTransferEncoding);
        }
        check_transfer_encoding(value)?;
        if self.content_length.is_some() {
            return Err(Fault::ConflictingLength);
        }
        self.chunked = true;
        Ok(())
    }

    /// The framing the fields announce; `None` when they announce none.
    pub(crate) fn announced(&self) -> Framing {
        match (self.chunked, self.content_length) {
            (true, _) => Framing::Chunked,
            (false, Some(length)) => Framing::Length(length),
            (false, None) => Framing::None,
        }
    }

    /// Whether the connection persists after this message (RFC 9112 9.3): `close` wins, HTTP/1.0 has to ask for it.
    ///
    /// RFC 9112 9.3 forbids *forward* proxies to keep HTTP/1.0 clients; a gateway acts as origin server here.
    pub(crate) fn persists(&self) -> bool {
        !self.close && (self.version == Version::Http11 || self.keep_alive)
    }

    /// Connection: upgrade with an Upgrade field, in HTTP/1.1 (RFC 9110 7.8: ignored in HTTP/1.0).
    pub(crate) fn upgrades(&self) -> bool {
        self.version == Version::Http11 && self.upgrade_option && self.upgrade_field
    }
}

/// `1*DIGIT` up to 2^63-1. By hand, because the parser of the standard library accepts `+50`.
fn parse_content_length(value: &[u8]) -> Result<u64, Fault> {
    if value.is_empty() {
        return Err(Fault::MalformedContentLength);
    }
    let mut length: u64 = 0;
    for &byte in value {
        if byte == b',' {
            return Err(Fault::ListContentLength);
        }
        if !byte.is_ascii_digit() {
            return Err(Fault::MalformedContentLength);
        }
        length = length
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(byte - b'0')))
            .filter(|&sum| i64::try_from(sum).is_ok())
            .ok_or(Fault::ContentLengthOverflow)?;
    }
    Ok(length)
}

/// Accepts exactly one `chunked`; everything else is sorted into the faults of RFC 9112 6.1 and 6.3.
fn check_transfer_encoding(value: &[u8]) -> Result<(), Fault> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(());
    }
    let mut seen = 0;
    let mut last = false;
    for element in value.split(|&byte| byte == b',') {
        let element = trim(element);
        last = element.eq_ignore_ascii_case(b"chunked");
        if last {
            seen += 1;
            continue;
        }
        let coding = element.split(|&byte| byte == b';').next().map(trim).unwrap_or_default();
        // "xchunked", "chunked;a", "chunked-": written to be read as chunked by someone else.
        let resembles = coding.windows(7).any(|part| part.eq_ignore_ascii_case(b"chunked"));
        if !is_token(coding) || resembles {
            return Err(Fault::MalformedTransferEncoding);
        }
    }
    match seen {
        0 => Err(Fault::UnknownTransferCoding),
        1 if !last => Err(Fault::ChunkedNotLast),
        1 => Err(Fault::UnknownTransferCoding),
        _ => Err(Fault::RepeatedTransferEncoding),
    }
}
