//! What is known of a client by the certificate it showed.

use std::net::IpAddr;

/// A client's certificate, verified by the authorities of the listener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject as RFC 4514 writes it, such as `CN=ann,O=Example`. Empty when the certificate has none, or one that
    /// cannot be read.
    pub subject: Box<str>,
    /// The last common name of the subject.
    pub common_name: Option<Box<str>>,
    /// The issuer as RFC 4514 writes it.
    pub issuer: Box<str>,
    /// The serial number in lower-case hexadecimal, two digits for each byte.
    pub serial: Box<str>,
    /// SHA-256 of the certificate in lower-case hexadecimal.
    pub fingerprint: Box<str>,
    /// The subject's alternative names.
    pub names: Vec<AlternativeName>,
    /// The first second of its validity, since 1970.
    pub not_before: i64,
    /// The last second of its validity, since 1970.
    pub not_after: i64,
    /// The certificate in DER.
    pub der: Box<[u8]>,
    /// The certificates the client sent behind it, in DER and in its order.
    pub chain: Vec<Box<[u8]>>,
}

/// A name of the subject (RFC 5280 section 4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlternativeName {
    /// A host, in lower case.
    Dns(Box<str>),
    /// A URI, such as a SPIFFE id.
    Uri(Box<str>),
    /// An address of mail.
    Email(Box<str>),
    /// An IP address.
    Ip(IpAddr),
}

impl AlternativeName {
    /// Whether it is what a text of a configuration means: `ann@example.com`, `spiffe://…`, a host or an address.
    pub fn is(&self, text: &str) -> bool {
        match self {
            Self::Dns(name) => name.eq_ignore_ascii_case(text),
            Self::Uri(name) | Self::Email(name) => **name == *text,
            Self::Ip(ip) => text.parse() == Ok(*ip),
        }
    }
}

impl std::fmt::Display for AlternativeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dns(name) | Self::Uri(name) | Self::Email(name) => f.write_str(name),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

/// Whose request it is: what routes may ask about besides the request.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// The certificate it showed.
    pub certificate: Option<&'a ClientCertificate>,
}
