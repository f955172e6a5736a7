//! TLS on both sides: certificates by server name for listeners, verified connections to endpoints.
//!
//! The cryptography is aws-lc-rs, named here once ([`provider`]) and never taken from a process-wide default. Nothing in
//! here waits for more than its own handshake, and a handshake runs in the connection's own task.

pub(crate) mod quic;
mod server;
mod names;
mod noting;
mod staple;
mod trust;
mod identity;
mod certificate;
mod client;
mod validity;

use std::io;
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;
pub use yumen_core::TlsFacts;

pub use certificate::{Certificate, CertificateError, CertificateFiles, CertificateWarning};
pub use client::{ClientTls, ClientTlsOptions, Roots, connect, connect_offering};
pub use identity::describe_client;
pub use names::{Cell, CertificateSet, Keyring, Served};
pub use server::{ClientFault, QuicTlsOptions, ServerTls, ServerTlsOptions, handshake_server};
pub use staple::{CertificateChain, CertificateDigest, Staples, digest};
pub use trust::{ClientAuth, ClientPolicy, Trusts};

/// The one provider of cryptography. docs/decisions/0003-tls-provider.md has the reasons.
pub fn provider() -> Arc<CryptoProvider> {
    // A constant in all but name: it is never changed.
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// The lowest protocol version spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246) and 1.3. The default.
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446) only.
    Tls13,
}

impl TlsVersion {
    fn and_above(self) -> &'static [&'static rustls::SupportedProtocolVersion] {
        static BOTH: [&rustls::SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
        match self {
            Self::Tls12 => &BOTH,
            Self::Tls13 => BOTH.split_at(1).0,
        }
    }
}

/// A TLS configuration or handshake that failed.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The settings contradict each other or what the provider can do.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
    /// The handshake with a client failed; mostly the client's doing.
    #[error("TLS handshake with the client failed: {cause}")]
    Client {
        /// What it did wrong.
        fault: ClientFault,
        /// The same in words.
        cause: String,
    },
    /// The handshake with an endpoint failed: its certificate, its versions, or ours.
    #[error("TLS handshake with endpoint {name} failed: {cause}")]
    Endpoint {
        /// The name its certificate must have.
        name: String,
        /// What is wrong and what to do.
        cause: String,
    },
    /// No certificate answers for the server name.
    #[error("no certificate is here for {name}")]
    NoCertificate {
        /// The name the client asked for, or words for none.
        name: String,
    },
    /// A CA looked whether a name is ours, and was shown so (RFC 8737). No failure, and the end of the connection.
    #[error("a CA looked whether the name is served here")]
    Challenge,
    /// The client left before it sent a byte, as whoever only looks whether the port is open.
    #[error("the client left before the TLS handshake")]
    Silent,
    /// The connection broke during the handshake.
    #[error("connection lost during the TLS handshake: {0}")]
    Io(#[source] io::Error),
}

impl TlsError {
    pub(crate) fn no_certificate(name: Option<&str>) -> Self {
        Self::NoCertificate {
            name: name.map_or_else(|| "a client without a server name".to_owned(), |n| format!("`{n}`")),
        }
    }
}

fn facts(common: &rustls::CommonState, sni: Option<&str>) -> TlsFacts {
    TlsFacts {
        sni: sni.map(Into::into),
        alpn: common.alpn_protocol().map(|p| String::from_utf8_lossy(p).into()),
        version: match common.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "",
        },
        cipher: common.negotiated_cipher_suite().map_or("", |s| iana_name(s.suite())),
        resumed: common.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        client: None,
        policy: 0,
    }
}

/// rustls writes `TLS13_` where IANA writes `TLS_`.
fn iana_name(suite: rustls::CipherSuite) -> &'static str {
    match suite {
        rustls::CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        rustls::CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        rustls::CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or(""),
    }
}

/// A rustls error in the words of an operator.
fn explain(e: &rustls::Error) -> String {
    use rustls::{AlertDescription as A, CertificateError as C, Error as E};
    match e {
        E::InvalidCertificate(C::NotValidForNameContext { presented, .. }) => {
            let names = if presented.is_empty() { "no name at all".to_owned() } else { presented.join(", ") };
            format!("its certificate is for {names}; ask for one of these by `tls.sni` or correct the certificate")
        }
        E::InvalidCertificate(C::NotValidForName) => {
            "its certificate is for another name; set `tls.sni` or correct the certificate".to_owned()
        }
        E::InvalidCertificate(C::ExpiredContext { not_after, .. }) => {
            format!(
                "its certificate expired on {}; renew it, or correct this machine's clock",
                validity::date(not_after.as_secs())
            )
        }
        E::InvalidCertificate(C::Expired) => {
            "its certificate has expired; renew it, or correct this machine's clock".to_owned()
        }
        E::InvalidCertificate(C::NotValidYetContext { not_before, .. }) => {
            format!(
                "its certificate is valid only from {}; correct this machine's clock",
                validity::date(not_before.as_secs())
            )
        }
        // A bad signature is what an authority looks like that kept its name and changed its key.
        E::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "its certificate is signed by an authority we do not know; name that authority's certificate in `tls.ca`"
                .to_owned()
        }
        E::InvalidCertificate(C::Other(other)) => format!("its certificate is refused: {other}"),
        E::AlertReceived(A::UnknownCA | A::BadCertificate | A::CertificateUnknown | A::CertificateExpired) => {
            format!("the other side does not accept our certificate ({e})")
        }
        E::AlertReceived(A::HandshakeFailure | A::ProtocolVersion) => {
            format!("the other side shares no TLS version or cipher with us ({e})")
        }
        E::AlertReceived(A::CertificateRequired) => {
            "the other side wants a client certificate, and none is configured".to_owned()
        }
        E::AlertReceived(A::NoApplicationProtocol) => {
            "the other side speaks none of the protocols we offer by ALPN".to_owned()
        }
        E::AlertReceived(A::UnrecognisedName) => "the other side does not serve that server name".to_owned(),
        E::InvalidMessage(_) => format!("what came is not TLS ({e})"),
        other => other.to_string(),
    }
}

fn rustls_cause(e: &io::Error) -> Option<&rustls::Error> {
    e.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests;
