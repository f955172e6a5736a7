//! Certificates of clients: who is asked for one, and what routes may ask about it.

use std::path::PathBuf;

use super::{HostPattern, Text};

/// Which clients of a listener need a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientAuth {
    /// For server names that are not listed, and for clients that send none; `None`: no certificate is asked for.
    pub default: Option<ClientPolicy>,
    /// By server name; never [`HostPattern::Any`].
    pub hosts: Vec<(HostPattern, Option<ClientPolicy>)>,
    /// Whether endpoints are told the certificate by `Client-Cert` (RFC 9440); default false.
    pub forward: bool,
}

impl ClientAuth {
    /// All policies, in the order of the file.
    pub fn policies(&self) -> impl Iterator<Item = &ClientPolicy> {
        self.default.iter().chain(self.hosts.iter().filter_map(|(_, policy)| policy.as_ref()))
    }
}

/// Whose certificates are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPolicy {
    /// Whether there must be one; default true.
    pub required: bool,
    /// PEM files with the authorities; never empty.
    pub ca: Vec<PathBuf>,
    /// PEM files with lists of revoked certificates; empty: nobody asks.
    pub crl: Vec<PathBuf>,
    /// Whether a list whose next update is overdue still counts; default false.
    pub expired_crl: bool,
}

/// Conditions on the certificate of a client. Of each kind that is not empty one must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateMatch {
    /// Whether there is one; default true. Without one nothing else is asked.
    pub present: bool,
    /// Subjects as RFC 4514 writes them.
    pub subject: Vec<Text>,
    /// Issuers as RFC 4514 writes them.
    pub issuer: Vec<Text>,
    /// Alternative names: hosts, URIs, addresses of mail, IP addresses.
    pub san: Vec<Text>,
    /// SHA-256 of certificates in lower-case hexadecimal without colons.
    pub fingerprint: Vec<String>,
    /// Serial numbers in lower-case hexadecimal without colons.
    pub serial: Vec<String>,
}
