//! The server name in the first bytes of a TLS connection, read without taking part in the handshake.
//!
//! For pass-through: the bytes are peeked, the name decides where the connection goes, and whoever is there gets them
//! untouched. Sans-I/O, strict and bounded; it never panics and never looks further than [`LIMIT`].

/// A ClientHello that needs more than this is refused.
pub const LIMIT: usize = 16 * 1024;

/// What the first bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sni {
    /// Cannot be told yet.
    NeedMore,
    /// The name asked for, in lower case, a valid DNS name without trailing dot.
    Name(Box<str>),
    /// A ClientHello without a server name.
    None,
    /// Not TLS, or not its beginning.
    NotTls,
    /// TLS, but malformed, ambiguous or too large.
    Invalid,
}

/// Reads the server name from all bytes received so far (RFC 8446 section 4.1.2, RFC 6066 section 3).
///
/// A ClientHello may be spread over several records. Two server_name extensions, two names in one, an IP address, an
/// empty label or an unknown name type alone make it [`Sni::Invalid`]: nobody sends them but to be read in two ways.
pub fn peek_sni(bytes: &[u8]) -> Sni {
    match hello(bytes) {
        Ok(sni) => sni,
        Err(Stop::NeedMore) if bytes.len() >= LIMIT => Sni::Invalid,
        Err(Stop::NeedMore) => Sni::NeedMore,
        Err(Stop::NotTls) => Sni::NotTls,
        Err(Stop::Invalid) => Sni::Invalid,
    }
}

enum Stop {
    NeedMore,
    NotTls,
    Invalid,
}

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
/// RFC 8446 section 5.1: at most 2^14 bytes of plaintext in a record.
const RECORD_LIMIT: usize = 1 << 14;

fn hello(bytes: &[u8]) -> Result<Sni, Stop> {
    let mut body = Vec::new();
    let mut rest = bytes;
    loop {
        let fragment;
        (fragment, rest) = record(rest, body.is_empty())?;
        // The common hello lies in one record and needs no copy.
        if body.is_empty()
            && let Some(whole) = whole_message(fragment)?
        {
            return name_in(whole);
        }
        body.extend_from_slice(fragment);
        if let Some(whole) = whole_message(&body)? {
            return name_in(whole);
        }
    }
}

/// One record's content and what follows it.
fn record(bytes: &[u8], first: bool) -> Result<(&[u8], &[u8]), Stop> {
    let wrong = || if first { Stop::NotTls } else { Stop::Invalid };
    match bytes {
        [] => return Err(Stop::NeedMore),
        [HANDSHAKE, 3, 0..=4, ..] | [HANDSHAKE, 3] | [HANDSHAKE] => {}
        _ => return Err(wrong()),
    }
    let Some((head, rest)) = bytes.split_first_chunk::<5>() else { return Err(Stop::NeedMore) };
    let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
    if len == 0 || len > RECORD_LIMIT {
        return Err(wrong());
    }
    match rest.split_at_checked(len) {
        Some(split) => {
            // A fragment that starts with another message tells at once.
            if first && split.0.first() != Some(&CLIENT_HELLO) { Err(Stop::NotTls) } else { Ok(split) }
        }
        None if first && rest.first().is_some_and(|&t| t != CLIENT_HELLO) => Err(Stop::NotTls),
        None => Err(Stop::NeedMore),
    }
}

/// The body of the ClientHello once it is complete.
fn whole_message(bytes: &[u8]) -> Result<Option<&[u8]>, Stop> {
    let Some((head, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
    let len = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
    if len > LIMIT {
        return Err(Stop::Invalid);
    }
    // Nothing may follow the hello before the server has answered.
    if rest.len() > len { Err(Stop::Invalid) } else { Ok((rest.len() == len).then_some(rest)) }
}

fn name_in(hello: &[u8]) -> Result<Sni, Stop> {
    let mut at = Reader(hello);
    if at.take(2)?[0] != 3 {
        return Err(Stop::Invalid);
    }
    at.take(32)?;
    if at.vec8()?.len() > 32 {
        return Err(Stop::Invalid);
    }
    let suites = at.vec16()?;
    if suites.is_empty() || suites.len() % 2 != 0 || at.vec8()?.is_empty() {
        return Err(Stop::Invalid);
    }
    if at.0.is_empty() {
        // TLS 1.2 allows a hello without extensions.
        return Ok(Sni::None);
    }
    let mut extensions = Reader(at.vec16()?);
    if !at.0.is_empty() {
        return Err(Stop::Invalid);
    }
    let mut found = Sni::None;
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let content = extensions.vec16()?;
        if kind == SERVER_NAME {
            if found != Sni::None {
                return Err(Stop::Invalid);
            }
            found = Sni::Name(host_name(content)?);
        }
    }
    Ok(found)
}

fn host_name(extension: &[u8]) -> Result<Box<str>, Stop> {
    let mut outer = Reader(extension);
    let mut list = Reader(outer.vec16()?);
    let kind = list.take(1)?[0];
    let name = list.vec16()?;
    if kind != 0 || !list.0.is_empty() || !outer.0.is_empty() || !is_dns_name(name) {
        return Err(Stop::Invalid);
    }
    std::str::from_utf8(name).map(|s| s.to_ascii_lowercase().into()).map_err(|_| Stop::Invalid)
}

/// RFC 6066 section 3: a DNS name in ASCII, no trailing dot, no IP address. Underscores are seen in the wild.
fn is_dns_name(name: &[u8]) -> bool {
    let label_ok = |label: &[u8]| {
        (1..=63).contains(&label.len()) && label.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    // A last label of digits only would be an IPv4 address.
    let last_is_number = name.rsplit(|&b| b == b'.').next().is_some_and(|l| l.iter().all(u8::is_ascii_digit));
    (1..=253).contains(&name.len()) && name.split(|&b| b == b'.').all(label_ok) && !last_is_number
}

/// The message is complete, so running out of bytes here is an error of the sender.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], Stop> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(Stop::Invalid)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Stop> {
        let (taken, rest) = self.0.split_first_chunk::<2>().ok_or(Stop::Invalid)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*taken))
    }

    fn vec8(&mut self) -> Result<&'a [u8], Stop> {
        let n = self.take(1)?[0];
        self.take(n.into())
    }

    fn vec16(&mut self) -> Result<&'a [u8], Stop> {
        let n = self.u16()?;
        self.take(n.into())
    }
}

#[cfg(test)]
mod tests;
