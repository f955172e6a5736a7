//! TLS towards endpoints: verified unless the operator says otherwise in so many words.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::certificate::{Certificate, CertificateError, CertificateFiles, CertificateWarning, read_chain};
use super::server::BUFFER_LIMIT;
use super::{TlsError, TlsFacts, TlsVersion, explain, facts, provider, rustls_cause};
use crate::transport::Transport;

/// Whose signatures on an endpoint's certificate count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Roots {
    /// Those the operating system trusts. The default.
    #[default]
    System,
    /// Those in a PEM file, and no others.
    File(PathBuf),
}

/// How to speak TLS to an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ClientTlsOptions {
    /// Whom to trust.
    pub roots: Roots,
    /// The name asked for and verified, instead of the endpoint's host name.
    pub server_name: Option<String>,
    /// Our certificate, if the endpoint wants one.
    pub certificate: Option<CertificateFiles>,
    /// The lowest version spoken. Default TLS 1.2.
    pub min_version: TlsVersion,
    /// Protocols offered by ALPN, best first. Empty: not spoken.
    pub alpn: Vec<String>,
    /// Accept any certificate: whoever answers is believed. Default false; for tests and emergencies.
    pub insecure_skip_verify: bool,
}

/// TLS towards the endpoints of an upstream, with its own store of resumable sessions. Cheap to clone.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
    /// What it was built from: the options and what their files held.
    source: Arc<(ClientTlsOptions, Vec<CertificateDer<'static>>, Option<Certificate>)>,
}

/// Built from the same options and the same content of files.
impl PartialEq for ClientTls {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl std::fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Builds it. Blocking, as it reads files and the system's trust store: belongs to the control side.
    ///
    /// # Errors
    /// [`TlsError::Certificate`] for the files named, [`TlsError::Setup`] for the rest.
    pub fn build(options: &ClientTlsOptions) -> Result<(Self, Vec<CertificateWarning>), TlsError> {
        let setup = |e: rustls::Error| TlsError::Setup(e.to_string());
        if let Some(name) = &options.server_name
            && ServerName::try_from(name.as_str()).is_err()
        {
            return Err(TlsError::Setup(format!("server_name {name:?} is neither a DNS name nor an IP address")));
        }
        let trusted = match &options.roots {
            Roots::File(file) if !options.insecure_skip_verify => read_chain(file)?,
            _ => Vec::new(),
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(options.min_version.and_above())
            .map_err(setup)?
            .dangerous()
            .with_custom_certificate_verifier(verifier(options, &trusted)?);
        let mut warnings = Vec::new();
        let mut own = None;
        let mut config = match &options.certificate {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let (certificate, found) = Certificate::load(files)?;
                warnings = found;
                own = Some(certificate.clone());
                builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(certificate.key)))
            }
        };
        config.alpn_protocols = options.alpn.iter().map(|p| p.clone().into_bytes()).collect();
        let source = Arc::new((options.clone(), trusted, own));
        Ok((Self { config: Arc::new(config), server_name: options.server_name.clone(), source }, warnings))
    }
}

fn verifier(
    options: &ClientTlsOptions,
    trusted: &[CertificateDer<'static>],
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    if options.insecure_skip_verify {
        return Ok(Arc::new(AnyCertificate(provider())));
    }
    match &options.roots {
        Roots::System => {
            let system = rustls_platform_verifier::Verifier::new(provider()).map_err(|e| {
                TlsError::Setup(format!(
                    "this system has no trusted certificates ({e}); install them (package ca-certificates) or name `tls.ca`"
                ))
            })?;
            Ok(Arc::new(system))
        }
        Roots::File(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in trusted {
                roots.add(certificate.clone()).map_err(|e| CertificateError {
                    file: file.clone(),
                    problem: format!("a certificate in it cannot be trusted ({e})"),
                    remedy: "it must hold certificates of authorities",
                })?;
            }
            let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            verifier.map(|v| v as Arc<dyn ServerCertVerifier>).map_err(|e| TlsError::Setup(e.to_string()))
        }
    }
}

/// Takes a connection to an endpoint through the handshake. `host` is the endpoint's host name or IP address, used unless
/// [`ClientTlsOptions::server_name`] says otherwise. Bound it with [`crate::rt::timeout`].
///
/// # Errors
/// [`TlsError::Endpoint`] with cause and remedy, or [`TlsError::Io`].
pub async fn connect(tls: &ClientTls, host: &str, tcp: TcpStream) -> Result<(Transport, TlsFacts), TlsError> {
    connect_offering(tls, host, tcp, &[]).await
}

/// As [`connect`], offering other protocols by ALPN than the options say, best first; none means those of the options.
///
/// # Errors
/// As [`connect`].
pub async fn connect_offering(
    tls: &ClientTls,
    host: &str,
    tcp: TcpStream,
    alpn: &[&str],
) -> Result<(Transport, TlsFacts), TlsError> {
    let name = tls.server_name.as_deref().unwrap_or(host);
    let fail = |cause: String| TlsError::Endpoint { name: name.to_owned(), cause };
    let server_name = ServerName::try_from(name.to_owned())
        .map_err(|_| fail("this is neither a DNS name nor an IP address; set `tls.sni`".to_owned()))?;
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    let connected = if alpn.is_empty() {
        connector.connect_with(server_name, tcp, |c| c.set_buffer_limit(Some(BUFFER_LIMIT))).await
    } else {
        let offer = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let connector = connector.with_alpn(offer);
        connector.connect_with(server_name, tcp, |c| c.set_buffer_limit(Some(BUFFER_LIMIT))).await
    };
    let stream = connected.map_err(|e| match rustls_cause(&e) {
        Some(cause) => fail(explain(cause)),
        None => TlsError::Io(e),
    })?;
    let facts = facts(stream.get_ref().1, Some(name));
    Ok((Transport::Tls(Box::new(stream.into())), facts))
}

/// Believes whoever answers, but still checks that the handshake is signed with the key it shows.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
