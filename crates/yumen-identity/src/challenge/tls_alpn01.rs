//! TLS-ALPN-01 (RFC 8737): a certificate of its own kind, shown to whoever offers the protocol `acme-tls/1` alone.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs::sign::any_ecdsa_type;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Doing, Hiding, Kind, Proof, Responder};
use crate::error::Error;
use crate::store::Label;

/// The protocol that a CA offers (RFC 8737 section 6.2). The server must choose it, and close after the handshake.
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// The certificates that are wanted at the moment. Clones share the table: one is for the engine, one for the server, which
/// reads it without a lock.
#[derive(Clone, Default)]
pub struct TlsAlpn01 {
    table: Arc<ArcSwap<HashMap<String, Vec<Shown>>>>,
}

#[derive(Clone)]
struct Shown {
    certificate: Label,
    key: Arc<CertifiedKey>,
}

impl TlsAlpn01 {
    /// The certificate for a handshake that offers `acme-tls/1` and no other protocol; `None` for every other handshake,
    /// and for names that no order under way has.
    #[must_use]
    pub fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut offered = hello.alpn()?;
        if offered.next() != Some(ACME_TLS) || offered.next().is_some() {
            return None;
        }
        self.answer_name(hello.server_name()?)
    }

    /// The certificate for a name, when the handshake is known to be one of a CA.
    #[must_use]
    pub fn answer_name(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        let shown = table.get(&name.to_ascii_lowercase())?.last()?;
        Some(shown.key.clone())
    }
}

impl ResolvesServerCert for TlsAlpn01 {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.answer(&hello)
    }
}

impl fmt::Debug for TlsAlpn01 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAlpn01").finish_non_exhaustive()
    }
}

impl Responder for TlsAlpn01 {
    fn kind(&self) -> Kind {
        Kind::TlsAlpn01
    }

    fn show<'a>(&'a self, certificate: &'a Label, proofs: &'a [Proof]) -> Doing<'a, ()> {
        Box::pin(async move {
            for proof in proofs {
                let key = certify(proof).map_err(|reason| Error::Challenge {
                    kind: self.kind().as_str(),
                    identifier: proof.name.clone(),
                    reason,
                })?;
                let shown = Shown { certificate: certificate.clone(), key: Arc::new(key) };
                self.table.rcu(|table| {
                    let mut table = HashMap::clone(table);
                    table.entry(proof.name.to_ascii_lowercase()).or_default().push(shown.clone());
                    table
                });
            }
            Ok(())
        })
    }

    fn hide<'a>(&'a self, certificate: &'a Label) -> Hiding<'a> {
        self.table.rcu(|table| {
            let mut table = HashMap::clone(table);
            for shown in table.values_mut() {
                shown.retain(|shown| shown.certificate != *certificate);
            }
            table.retain(|_, shown| !shown.is_empty());
            table
        });
        Box::pin(std::future::ready(()))
    }
}

/// A certificate for the name alone, signed by its own key, with the digest in the extension acmeIdentifier, which is
/// critical (RFC 8737 section 3).
fn certify(proof: &Proof) -> Result<CertifiedKey, String> {
    let text = |error: rcgen::Error| error.to_string();
    let key = KeyPair::generate().map_err(text)?;
    let mut params = CertificateParams::new(vec![proof.name.clone()]).map_err(text)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&proof.digest)];
    let certificate = params.self_signed(&key).map_err(text)?;
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let signer = any_ecdsa_type(&der).map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use x509_cert::der::Decode as _;

    use super::*;

    #[tokio::test]
    async fn the_certificate_carries_the_digest_and_goes_when_it_is_hidden() {
        let table = TlsAlpn01::default();
        let (label, other) = (Label::parse("www").unwrap(), Label::parse("other").unwrap());
        let proofs = ["a.test", "b.test"].map(|name| Proof {
            name: name.into(),
            token: format!("token-{name}"),
            authorization: String::new(),
            digest: [7; 32],
            text: String::new(),
        });
        table.show(&label, &proofs[..1]).await.unwrap();
        table.show(&other, &proofs[1..]).await.unwrap();
        let shown = table.answer_name("A.test").unwrap();
        let certificate = x509_cert::Certificate::from_der(&shown.cert[0]).unwrap();
        let extensions = certificate.tbs_certificate.extensions.unwrap();
        let acme = extensions.iter().find(|it| it.extn_id.to_string() == "1.3.6.1.5.5.7.1.31").unwrap();
        assert!(acme.critical);
        assert_eq!(acme.extn_value.as_bytes(), [&[4, 32][..], &[7; 32]].concat());
        table.hide(&label).await;
        assert!(table.answer_name("a.test").is_none() && table.answer_name("b.test").is_some());
    }
}
