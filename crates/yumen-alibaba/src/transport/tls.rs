//! The client side of TLS: the trust store of the operating system, or authorities that the caller names.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up TLS: {0}")]
pub struct TlsError(String);

/// Trusts what the operating system trusts, or only the authorities in `roots` (PEM) when there are some.
pub(super) fn config(roots: Option<&[u8]>) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError(error.to_string()))?;
    let mut config = match roots {
        Some(pem) => builder.with_root_certificates(store(pem)?).with_no_client_auth(),
        None => builder.with_platform_verifier().map_err(|error| TlsError(error.to_string()))?.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn store(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| TlsError(format!("an authority is no PEM: {error}")))?;
        store.add(certificate).map_err(|error| TlsError(format!("an authority is not usable: {error}")))?;
    }
    if store.is_empty() {
        return Err(TlsError("the authorities hold no certificate".to_owned()));
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_have_to_be_certificates() {
        assert!(config(None).is_ok());
        assert!(config(Some(b"")).is_err());
        assert!(config(Some(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")).is_err());
    }
}
