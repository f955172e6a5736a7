//! TLS towards clients.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Certificate, TlsError, TlsFacts, TlsVersion, explain, facts, provider, rustls_cause};
use crate::transport::Transport;

/// How much may wait in one connection's TLS state, in each direction. Full records of 16 KiB pass; more only costs
/// memory.
pub(super) const BUFFER_LIMIT: usize = 64 * 1024;

/// What makes a TLS listener speak as it does, certificates apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServerTlsOptions {
    /// The lowest version spoken. Default TLS 1.2.
    pub min_version: TlsVersion,
    /// Protocols offered by ALPN (RFC 7301), best first, such as `http/1.1`. Empty: not spoken.
    pub alpn: Vec<String>,
}

/// The certificates of a listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CertificateSet {
    /// All of them. When two have the same name the first one answers for it.
    pub certificates: Vec<Certificate>,
    /// Which one answers clients that send no name or an unknown one. `None`: they are refused.
    pub default: Option<usize>,
}

/// TLS of a listener: immutable but for its certificates. Cheap to clone.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    names: Arc<Names>,
}

impl std::fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerTls").field("names", &self.names).finish_non_exhaustive()
    }
}

impl ServerTls {
    /// Builds it, with new ticket keys. Sessions are resumed by tickets only, so there is no state per client; a key
    /// makes tickets for 6 hours and opens them for 6 more (RFC 5077 section 5.5).
    ///
    /// # Errors
    /// [`TlsError::Setup`] without certificates, with a default that does not exist, or when the provider fails.
    pub fn build(options: &ServerTlsOptions, certificates: CertificateSet) -> Result<Self, TlsError> {
        let setup = |e: rustls::Error| TlsError::Setup(e.to_string());
        let names = Arc::new(Names { table: ArcSwap::from_pointee(Table::build(certificates)?) });
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(options.min_version.and_above())
            .map_err(setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&names) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = options.alpn.iter().map(|p| p.clone().into_bytes()).collect();
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(setup)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { config: Arc::new(config), names })
    }

    /// Puts other certificates in place, for handshakes from now on. Connections go on, and so do ticket keys: clients
    /// resume across the swap.
    ///
    /// # Errors
    /// As [`ServerTls::build`]; the old certificates stay.
    pub fn swap(&self, certificates: CertificateSet) -> Result<(), TlsError> {
        self.names.table.store(Arc::new(Table::build(certificates)?));
        Ok(())
    }
}

/// Takes a client's connection through the handshake. Bound it with [`crate::rt::timeout`].
///
/// # Errors
/// [`TlsError::Client`] or [`TlsError::Io`]; the client has been sent an alert where there is one.
pub async fn handshake_server(tls: &ServerTls, tcp: TcpStream) -> Result<(Transport, TlsFacts), TlsError> {
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.config));
    let accepted = acceptor.accept_with(tcp, |c| c.set_buffer_limit(Some(BUFFER_LIMIT))).await;
    let stream = accepted.map_err(|e| match rustls_cause(&e) {
        Some(cause) => TlsError::Client(explain(cause)),
        None => TlsError::Io(e),
    })?;
    let common = stream.get_ref().1;
    let facts = facts(common, common.server_name());
    Ok((Transport::Tls(Box::new(stream.into())), facts))
}

/// Chooses a certificate by name; the table is swapped whole.
#[derive(Debug)]
struct Names {
    table: ArcSwap<Table>,
}

#[derive(Debug)]
struct Table {
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, Arc<CertifiedKey>>,
    default: Option<Arc<CertifiedKey>>,
}

impl Table {
    fn build(set: CertificateSet) -> Result<Self, TlsError> {
        if set.certificates.is_empty() {
            return Err(TlsError::Setup("a TLS listener needs at least one certificate".to_owned()));
        }
        let default = match set.default.map(|i| set.certificates.get(i)) {
            None => None,
            Some(Some(certificate)) => Some(Arc::clone(&certificate.key)),
            Some(None) => return Err(TlsError::Setup("the default certificate is not in the list".to_owned())),
        };
        let mut table = Self { exact: HashMap::new(), wildcard: HashMap::new(), default };
        for certificate in &set.certificates {
            for name in certificate.names() {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(parent) => (&mut table.wildcard, parent),
                    None => (&mut table.exact, name.as_ref()),
                };
                names.entry(name.into()).or_insert_with(|| Arc::clone(&certificate.key));
            }
        }
        Ok(table)
    }

    /// Exact before wildcard before default. A wildcard stands for exactly one label (RFC 9525 section 6.3).
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let named = name.and_then(|name| self.exact.get(name).or_else(|| self.wildcard.get(name.split_once('.')?.1)));
        named.or(self.default.as_ref()).cloned()
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls gives the name in lower case.
        self.table.load().choose(hello.server_name())
    }
}
