//! How control over a name is proved to a CA: the challenges of RFC 8555 section 8 and RFC 8737.
//!
//! The engine collects what the CA wants to see and hands it to a [`Responder`], which makes it visible and hides it again
//! when the CA has looked. [`Http01`] and [`TlsAlpn01`] are tables that a server asks; DNS-01 is in [`dns`](crate::dns).

mod http01;
mod tls_alpn01;

pub use http01::Http01;
pub use tls_alpn01::{ACME_TLS, TlsAlpn01};

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::error::Error;
use crate::store::Label;

/// A boxed future, so that responders and providers can be kept side by side.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// As [`Doing`], for what tells its failures to the log.
pub type Hiding<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The types of challenges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A text at a well-known path (RFC 8555 section 8.3). Not for wildcards.
    Http01,
    /// A TXT record (RFC 8555 section 8.4).
    Dns01,
    /// A certificate in a TLS handshake (RFC 8737). Not for wildcards.
    TlsAlpn01,
}

impl Kind {
    /// Its name in ACME.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::Dns01 => "dns-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }

    /// Whether a wildcard can be proved by it.
    #[must_use]
    pub fn takes_wildcards(self) -> bool {
        self == Self::Dns01
    }
}

/// What the CA wants to see for one name. `Debug` shows the name only.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// The name, without the `*.` of a wildcard.
    pub name: String,
    /// The token of the challenge.
    pub token: String,
    /// The token and the thumbprint of the account key (RFC 8555 section 8.1).
    pub authorization: String,
    /// The SHA-256 digest of `authorization`.
    pub digest: [u8; 32],
    /// The digest in base64url, as a TXT record has it.
    pub text: String,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proof").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Makes proofs visible to the CA. One responder may serve several orders at once.
pub trait Responder: Send + Sync {
    /// Which challenges it answers.
    fn kind(&self) -> Kind;

    /// Makes all proofs of one order visible, and comes back when the CA may look.
    ///
    /// # Errors
    /// It cannot; what became visible already is hidden by [`hide`](Self::hide), which is called in any case.
    fn show<'a>(&'a self, certificate: &'a Label, proofs: &'a [Proof]) -> Doing<'a, ()>;

    /// Hides everything that is visible for a certificate, also what a process left that ended. What cannot be hidden is
    /// told to the log and tried again with the next call.
    fn hide<'a>(&'a self, certificate: &'a Label) -> Hiding<'a>;
}
