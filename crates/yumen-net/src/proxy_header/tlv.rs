//! The fields behind the addresses of version 2 (section 2.2.1): type, length, value.

use std::fmt;

use super::Fault;

/// Types of fields.
pub mod kind {
    /// The protocol agreed upon by ALPN, in bytes.
    pub const ALPN: u8 = 0x01;
    /// The name the client asked for, such as that of TLS.
    pub const AUTHORITY: u8 = 0x02;
    /// CRC32C of the whole header.
    pub const CRC32C: u8 = 0x03;
    /// Padding.
    pub const NOOP: u8 = 0x04;
    /// An id of the connection, at most 128 bytes.
    pub const UNIQUE_ID: u8 = 0x05;
    /// TLS of the client, with fields of its own.
    pub const SSL: u8 = 0x20;
    /// In [`SSL`]: the version, such as `TLSv1.3`.
    pub const SSL_VERSION: u8 = 0x21;
    /// In [`SSL`]: the common name of the client's certificate.
    pub const SSL_CN: u8 = 0x22;
    /// In [`SSL`]: the cipher suite.
    pub const SSL_CIPHER: u8 = 0x23;
    /// The network namespace.
    pub const NETNS: u8 = 0x30;
    /// Alibaba Cloud: a subtype and an id, possibly several times.
    pub const ALIBABA: u8 = 0xe1;
    /// AWS: a subtype and an id.
    pub const AWS: u8 = 0xea;
    /// Azure: a subtype and a number.
    pub const AZURE: u8 = 0xee;
    /// Google Cloud: the number of a Private Service Connect connection.
    pub const GOOGLE: u8 = 0xe0;
}

/// The fields of a header, checksum and padding apart. All have been checked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tlvs(Vec<u8>);

/// TLS of the client as a proxy in front has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ssl<'a> {
    /// Bits: 1 TLS was spoken, 2 a certificate came on this connection, 4 or within its session.
    pub client: u8,
    /// 0 when a certificate came and was found good.
    pub verify: u32,
    fields: &'a [u8],
}

/// The private link of a cloud by which a connection came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrivateLink {
    /// The client's VPC (Alibaba Cloud).
    pub vpc: Option<Box<str>>,
    /// The client's endpoint, the connection or the link: an id as the cloud shows it.
    pub endpoint: Option<Box<str>>,
    /// The service behind it (Alibaba Cloud).
    pub service: Option<Box<str>>,
}

impl Tlvs {
    /// Adds a field.
    ///
    /// Values beyond 64 KiB are cut; a header with one is refused by [`super::encode`] anyway.
    pub fn push(&mut self, kind: u8, value: &[u8]) {
        write(&mut self.0, kind, value);
    }

    /// Adds what is known of the client's TLS; see [`Ssl`].
    pub fn push_ssl(&mut self, client: u8, verify: u32, fields: &[(u8, &str)]) {
        let mut value = vec![client];
        value.extend_from_slice(&verify.to_be_bytes());
        for (kind, text) in fields {
            write(&mut value, *kind, text.as_bytes());
        }
        self.push(kind::SSL, &value);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (u8, &[u8])> {
        Fields(&self.0)
    }

    /// The value of the first field of a type.
    pub fn find(&self, kind: u8) -> Option<&[u8]> {
        self.iter().find(|(k, _)| *k == kind).map(|(_, value)| value)
    }

    /// The name the client asked for.
    pub fn authority(&self) -> Option<&str> {
        self.find(kind::AUTHORITY).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// TLS of the client.
    pub fn ssl(&self) -> Option<Ssl<'_>> {
        self.find(kind::SSL).and_then(ssl)
    }

    /// The private link of Alibaba Cloud, AWS, Azure or Google Cloud by which the connection came.
    pub fn private_link(&self) -> Option<PrivateLink> {
        let mut link = PrivateLink::default();
        let text = |id: &[u8]| std::str::from_utf8(id).ok().filter(|id| !id.is_empty()).map(Into::into);
        for (kind, value) in self.iter() {
            match (kind, value) {
                (kind::ALIBABA, [1, id @ ..]) => link.vpc = text(id),
                (kind::ALIBABA, [2, id @ ..]) | (kind::AWS, [1, id @ ..]) => link.endpoint = text(id),
                (kind::ALIBABA, [3, id @ ..]) => link.service = text(id),
                // Azure writes this number with the lowest byte first.
                (kind::AZURE, &[1, a, b, c, d]) => {
                    link.endpoint = Some(u32::from_le_bytes([a, b, c, d]).to_string().into());
                }
                (kind::GOOGLE, &[a, b, c, d, e, f, g, h]) => {
                    link.endpoint = Some(u64::from_be_bytes([a, b, c, d, e, f, g, h]).to_string().into());
                }
                _ => {}
            }
        }
        (link != PrivateLink::default()).then_some(link)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Tlvs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(kind, value)| (kind, value.escape_ascii().to_string()))).finish()
    }
}

impl<'a> Ssl<'a> {
    /// The text of the first field of a type, if it is text.
    pub fn text(&self, kind: u8) -> Option<&'a str> {
        Fields(self.fields).find(|(k, _)| *k == kind).and_then(|(_, value)| std::str::from_utf8(value).ok())
    }
}

/// Checked fields.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, value, rest) = split(self.0)?;
        self.0 = rest;
        Some((kind, value))
    }
}

/// The first field and what follows it; `None` when it is cut.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk::<3>()?;
    let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
    Some((kind, value, rest))
}

fn write(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value.get(..usize::from(length)).unwrap_or(value));
}

fn ssl(value: &[u8]) -> Option<Ssl<'_>> {
    let (&[client, a, b, c, d], fields) = value.split_first_chunk::<5>()?;
    Some(Ssl { client, verify: u32::from_be_bytes([a, b, c, d]), fields })
}

/// Whether bytes are whole fields.
fn is_whole(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let Some((_, _, rest)) = split(bytes) else { return false };
        bytes = rest;
    }
    true
}

/// Checks the fields of a whole header that begin at `start`.
pub(super) fn read(header: &[u8], start: usize) -> Result<Tlvs, Fault> {
    let mut tlvs = Tlvs::default();
    let mut seen = [false; 256];
    let mut rest = header.get(start..).unwrap_or_default();
    while !rest.is_empty() {
        let (kind, value, behind) = split(rest).ok_or(Fault::Tlv("a field that is longer than the header"))?;
        // What a cloud says about its own may come in several parts.
        let may_repeat = kind == kind::NOOP || kind >= 0xe0;
        if std::mem::replace(&mut seen[usize::from(kind)], true) && !may_repeat {
            return Err(Fault::Tlv("a field that is there twice"));
        }
        match kind {
            kind::CRC32C => check(header, header.len() - behind.len(), value)?,
            kind::NOOP => {}
            _ => {
                judge(kind, value)?;
                tlvs.push(kind, value);
            }
        }
        rest = behind;
    }
    Ok(tlvs)
}

fn judge(kind: u8, value: &[u8]) -> Result<(), Fault> {
    let wrong = match kind {
        kind::ALPN => value.is_empty() || value.len() > 255,
        kind::AUTHORITY => std::str::from_utf8(value).is_err(),
        kind::UNIQUE_ID => value.len() > 128,
        kind::SSL => !ssl(value).is_some_and(|ssl| is_whole(ssl.fields)),
        kind::NETNS => !value.is_ascii(),
        _ => false,
    };
    match (wrong, kind) {
        (false, _) => Ok(()),
        (_, kind::ALPN) => Err(Fault::Tlv("a protocol of no or too many bytes")),
        (_, kind::AUTHORITY) => Err(Fault::Tlv("an authority that is no text")),
        (_, kind::UNIQUE_ID) => Err(Fault::Tlv("a unique id of more than 128 bytes")),
        (_, kind::SSL) => Err(Fault::Tlv("malformed facts about TLS")),
        _ => Err(Fault::Tlv("a network namespace that is no text")),
    }
}

/// The checksum is of the whole header with zeros in its own place.
fn check(header: &[u8], end: usize, value: &[u8]) -> Result<(), Fault> {
    let told: [u8; 4] = value.try_into().map_err(|_| Fault::Tlv("a checksum that has not four bytes"))?;
    let mut zeroed = header.to_vec();
    if let Some(place) = zeroed.get_mut(end - 4..end) {
        place.fill(0);
    }
    if crc32c(&zeroed) == u32::from_be_bytes(told) { Ok(()) } else { Err(Fault::Checksum) }
}

/// CRC-32C (RFC 3720 appendix B.4), bit by bit: a header is short.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}
