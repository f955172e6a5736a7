//! Certificates that the gateway obtains and renews itself, who signs them, and who edits DNS for the proof.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Account, AuthorityName, CertificateName, DnsProviderName, HostPattern, Secret};

/// A certificate that is obtained by ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obtained {
    /// Its name.
    pub name: CertificateName,
    /// What it is for: host names in lower case and in their ASCII form, `*.` for wildcards. Never empty.
    pub names: Vec<String>,
    /// Who signs it.
    pub authority: Arc<Authority>,
    /// How the names are proved, the first that fits. Never empty.
    pub challenges: Vec<Challenge>,
    /// Who edits DNS, for `dns-01`; of several the one whose `names` fit best.
    pub dns_providers: Vec<Arc<DnsProvider>>,
    /// The kind of its key; default P-256.
    pub key: CertificateKey,
}

impl Obtained {
    /// Whether it is good for every host of a pattern, as far as one can be.
    pub fn covers(&self, host: &HostPattern) -> bool {
        let has = |wanted: &str| self.names.iter().any(|name| name == wanted);
        match host {
            HostPattern::Exact(host) => {
                has(host) || host.split_once('.').is_some_and(|(_, parent)| has(&format!("*.{parent}")))
            }
            HostPattern::Below(host) => has(&format!("*.{host}")),
            HostPattern::Any => true,
        }
    }
}

/// A CA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Its name.
    pub name: AuthorityName,
    /// The URL of its directory.
    pub directory: String,
    /// Whom it may write to, as URLs.
    pub contact: Vec<String>,
    /// An account that it knows from elsewhere.
    pub external_account: Option<ExternalAccount>,
    /// The authorities its own server is trusted by; `None`: those of the system.
    pub roots: Option<PathBuf>,
    /// The common name of the root that the chain should lead to.
    pub preferred_chain: Option<String>,
    /// The profile of certificates.
    pub profile: Option<String>,
    /// Where its account and its certificates are kept; `None`: `identity` in the state directory.
    pub store: Option<PathBuf>,
}

impl Authority {
    /// Directories that have a word.
    pub const KNOWN: [(&str, &str); 4] = [
        ("letsencrypt", "https://acme-v02.api.letsencrypt.org/directory"),
        ("letsencrypt-staging", "https://acme-staging-v02.api.letsencrypt.org/directory"),
        ("zerossl", "https://acme.zerossl.com/v2/DV90"),
        ("google", "https://dv.acme-v02.api.pki.goog/directory"),
    ];
}

/// An account that a CA knows from elsewhere (RFC 8555 section 7.3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The id of its key.
    pub id: String,
    /// The key itself, in base64url.
    pub secret: Secret,
}

/// How control over a name is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Challenge {
    /// A text at a path, without TLS, on port 80 (RFC 8555 section 8.3).
    Http01,
    /// A TXT record (RFC 8555 section 8.4).
    Dns01,
    /// A certificate in a handshake on port 443 (RFC 8737).
    TlsAlpn01,
}

impl Challenge {
    /// As it is written, here and in ACME.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateKey {
    /// ECDSA on the curve P-256.
    #[default]
    P256,
    /// ECDSA on the curve P-384.
    P384,
    /// RSA with 2048 bits.
    Rsa2048,
}

impl CertificateKey {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::Rsa2048 => "rsa2048",
        }
    }
}

/// Who edits DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsProvider {
    /// Its name.
    pub name: DnsProviderName,
    /// The names it is for, each with all below it; empty: all.
    pub names: Vec<String>,
    /// Who it is.
    pub kind: DnsProviderKind,
    /// How a new record is waited for.
    pub propagation: Propagation,
}

/// The kinds of providers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsProviderKind {
    /// AliDNS of Alibaba Cloud.
    AliDns {
        /// Whose zones.
        account: Arc<Account>,
        /// The zone, for keys that may not list zones; `None`: the longest that fits.
        zone: Option<String>,
    },
    /// Dynamic updates of a name server (RFC 2136).
    Rfc2136 {
        /// The server.
        server: SocketAddr,
        /// The zone; `None`: the server is asked.
        zone: Option<String>,
        /// What updates are signed with; `None`: they are not.
        key: Option<TsigKey>,
    },
    /// A program that is called with `present|cleanup NAME VALUE`.
    Exec {
        /// The program.
        program: PathBuf,
        /// What stands before that.
        arguments: Vec<String>,
        /// How long it may run; default 2 min.
        timeout: Duration,
    },
}

/// A key that a name server knows, too (RFC 8945).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TsigKey {
    /// Its name.
    pub name: String,
    /// How it signs.
    pub algorithm: TsigAlgorithm,
    /// The secret in base64.
    pub secret: Secret,
}

/// How a TSIG key signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// HMAC with SHA-256.
    #[default]
    Sha256,
    /// HMAC with SHA-384.
    Sha384,
    /// HMAC with SHA-512.
    Sha512,
}

impl TsigAlgorithm {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "hmac-sha256",
            Self::Sha384 => "hmac-sha384",
            Self::Sha512 => "hmac-sha512",
        }
    }
}

/// How a new record is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Propagation {
    /// Name servers to look names up with; empty: those of the system.
    pub resolvers: Vec<SocketAddr>,
    /// Name servers that must tell the record; empty: those of the zone.
    pub servers: Vec<SocketAddr>,
    /// Wait for this long and ask nobody.
    pub delay: Option<Duration>,
    /// How long the servers may take; default 150 s.
    pub timeout: Duration,
    /// How long to wait when all have told it; default 5 s.
    pub settle: Duration,
}

impl Default for Propagation {
    fn default() -> Self {
        Self {
            resolvers: Vec::new(),
            servers: Vec::new(),
            delay: None,
            timeout: Duration::from_secs(150),
            settle: Duration::from_secs(5),
        }
    }
}
