//! Answers about the status of certificates, shown in handshakes (RFC 6066 section 8).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::rt;

/// The answers for all certificates of the process. The control side puts them in; a handshake takes what is there and
/// never waits. Clones share them.
#[derive(Clone, Debug)]
pub struct Staples {
    all: Arc<ArcSwap<HashMap<CertificateDigest, Arc<Staple>>>>,
    served: watch::Sender<()>,
}

/// Certificates, the one that is served first.
pub type CertificateChain = Vec<CertificateDer<'static>>;

/// The SHA-256 of a certificate.
pub type CertificateDigest = [u8; 32];

#[derive(Debug)]
struct Staple {
    response: Vec<u8>,
    until: SystemTime,
}

impl Default for Staples {
    fn default() -> Self {
        Self { all: Arc::default(), served: watch::Sender::new(()) }
    }
}

impl Staples {
    /// Shows an answer with a certificate from now on, until that time.
    pub fn put(&self, certificate: CertificateDigest, response: Vec<u8>, until: SystemTime) {
        let staple = Arc::new(Staple { response, until });
        self.all.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.insert(certificate, Arc::clone(&staple));
            all
        });
    }

    /// Shows none any more.
    pub fn remove(&self, certificate: &CertificateDigest) {
        self.all.rcu(|all| {
            let mut all = HashMap::clone(all);
            all.remove(certificate);
            all
        });
    }

    /// Tells when other certificates may be served than before.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.served.subscribe()
    }

    /// Says that other certificates may be served than before.
    pub fn changed(&self) {
        self.served.send_replace(());
    }

    fn find(&self, certificate: &CertificateDigest) -> Option<Arc<Staple>> {
        self.all.load().get(certificate).filter(|staple| staple.until > rt::wall()).cloned()
    }
}

/// What identifies a certificate here.
pub fn digest(certificate: &CertificateDer<'_>) -> CertificateDigest {
    Sha256::digest(certificate).into()
}

/// A certificate as clients are shown it: without an answer, and with the latest.
#[derive(Debug)]
pub(super) struct Shown {
    key: Arc<CertifiedKey>,
    digest: CertificateDigest,
    stapled: ArcSwapOption<(Arc<Staple>, Arc<CertifiedKey>)>,
}

impl Shown {
    pub(super) fn new(key: &Arc<CertifiedKey>) -> Self {
        let digest = key.cert.first().map(digest).unwrap_or_default();
        Self { key: Arc::clone(key), digest, stapled: ArcSwapOption::empty() }
    }

    pub(super) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// What a client is shown.
    pub(super) fn show(&self, staples: Option<&Staples>) -> Arc<CertifiedKey> {
        let Some(staple) = staples.and_then(|staples| staples.find(&self.digest)) else {
            return Arc::clone(&self.key);
        };
        if let Some(made) = self.stapled.load().as_ref().filter(|made| Arc::ptr_eq(&made.0, &staple)) {
            return Arc::clone(&made.1);
        }
        let key = CertifiedKey { ocsp: Some(staple.response.clone()), ..CertifiedKey::clone(&self.key) };
        let key = Arc::new(key);
        self.stapled.store(Some(Arc::new((staple, Arc::clone(&key)))));
        key
    }
}
