//! TLS towards clients.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::ServerConfig;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, NoServerSessionStorage, ResolvesServerCert, ServerSessionMemoryCache};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};
use yumen_core::ClientCertificate;

use super::names::{self, CertificateSet, Names};
use super::noting::Noting;
use super::staple::{CertificateChain, Staples};
use super::trust::{ClientAuth, Numbers, Trust, Trusts};
use super::{TlsError, TlsFacts, TlsVersion, explain, facts, identity, provider, rustls_cause};
use crate::rt;
use crate::transport::{Transport, is_reset};

/// How much may wait in one connection's TLS state, in each direction. Full records of 16 KiB pass; more only costs
/// memory.
pub(super) const BUFFER_LIMIT: usize = 64 * 1024;

/// The name of HTTP/3 in ALPN (RFC 9114 section 3.1).
pub(super) const QUIC_ALPN: &[u8] = b"h3";
/// How many sessions are remembered for early data. A client gets two tickets at a time.
const SESSIONS: usize = 16 * 1024;
/// The protocol a CA offers that looks whether a name is ours (RFC 8737 section 6.2).
const ACME_TLS: &[u8] = b"acme-tls/1";
/// A fatal alert `unrecognized_name` as a record (RFC 8446 sections 5.1 and 6, RFC 6066 section 3).
const UNRECOGNISED: [u8; 7] = [21, 3, 3, 0, 2, 2, UNRECOGNISED_NAME];
/// Its number.
pub(super) const UNRECOGNISED_NAME: u8 = 112;

/// Whether early data is accepted, where QUIC is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct QuicTlsOptions {
    /// Accepts early data of clients that resume a session. It never goes together with a policy about clients.
    pub early_data: bool,
}

/// What makes a TLS listener speak as it does, certificates apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServerTlsOptions {
    /// The lowest version spoken. Default TLS 1.2.
    pub min_version: TlsVersion,
    /// Protocols offered by ALPN (RFC 7301), best first, such as `http/1.1`. Empty: not spoken.
    pub alpn: Vec<String>,
    /// Which clients need a certificate. Default: none.
    pub clients: ClientAuth,
    /// Whether QUIC is spoken beside TCP, and how. Default: no.
    pub quic: Option<QuicTlsOptions>,
}

/// TLS of a listener: immutable but for its certificates and those it trusts.
pub struct ServerTls {
    options: ServerTlsOptions,
    names: Arc<Names>,
    numbers: Numbers,
    /// By the number of their policy about clients. Each has ticket keys of its own, so that a session never changes from
    /// one to another.
    configs: ArcSwap<HashMap<u64, Config>>,
    challenges: Option<Challenges>,
}

/// How a CA that looks whether a name is ours is answered.
struct Challenges {
    resolver: Arc<dyn ResolvesServerCert>,
    config: Arc<ServerConfig>,
}

/// How one policy about clients is spoken.
#[derive(Clone)]
struct Config {
    trust: Option<Trust>,
    config: Arc<ServerConfig>,
    quic: Option<Arc<QuicServerConfig>>,
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
    pub fn build(options: &ServerTlsOptions, certificates: CertificateSet, trusts: &Trusts) -> Result<Self, TlsError> {
        let names = Names::build(certificates)?;
        let configs = build_configs(options, &names, trusts, &HashMap::new())?;
        let numbers = Numbers::build(&options.clients);
        let configs = ArcSwap::from_pointee(configs);
        Ok(Self { options: options.clone(), names, numbers, configs, challenges: None })
    }

    /// Answers handshakes of TLS-ALPN-01 (RFC 8737), for names that `resolver` has a certificate for. All others are as
    /// without it.
    ///
    /// # Errors
    /// [`TlsError::Setup`] when the provider fails.
    pub fn with_challenges(mut self, resolver: Arc<dyn ResolvesServerCert>) -> Result<Self, TlsError> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(TlsVersion::Tls12.and_above());
        let builder = builder.map_err(|e| TlsError::Setup(e.to_string()))?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::clone(&resolver));
        config.alpn_protocols = vec![ACME_TLS.to_vec()];
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        self.challenges = Some(Challenges { resolver, config: Arc::new(config) });
        Ok(self)
    }

    /// Puts other certificates in place, and other authorities and lists of revocation, for handshakes from now on.
    /// Connections go on. Clients resume across the swap, unless what their policy trusts has changed: then its ticket
    /// keys are new, and everybody is verified anew.
    ///
    /// # Errors
    /// As [`ServerTls::build`]; everything stays as it was.
    pub fn swap(&self, certificates: CertificateSet, trusts: &Trusts) -> Result<(), TlsError> {
        names::check(&certificates)?;
        let configs = build_configs(&self.options, &self.names, trusts, &self.configs.load())?;
        self.names.put(certificates);
        self.configs.store(Arc::new(configs));
        Ok(())
    }

    /// Shows answers about the status of its certificates, from now on and once for all.
    pub fn staple(&self, staples: &Staples) {
        self.names.staple(staples);
    }

    /// The chains whose status is of interest: those it serves, if it shows answers about them.
    pub fn stapled_chains(&self) -> Vec<CertificateChain> {
        self.names.stapled_chains()
    }

    /// The number of the policy about client certificates for a host, as [`TlsFacts::policy`] has it. Lower case.
    pub fn policy(&self, host: Option<&str>) -> u64 {
        self.numbers.find(host)
    }

    /// How QUIC is spoken with clients of a policy; `None` where it is not.
    pub(super) fn quic_config(&self, policy: u64) -> Option<Arc<QuicServerConfig>> {
        self.configs.load().get(&policy)?.quic.clone()
    }

    /// Whether some certificate answers for a server name, in lower case.
    pub(super) fn is_served(&self, name: Option<&str>) -> bool {
        self.names.is_served(name)
    }

    /// How a handshake goes on that is one of TLS-ALPN-01 for a name that there is something to show for.
    fn challenge(&self, start: &StartHandshake<TcpStream>) -> Option<Arc<ServerConfig>> {
        let challenges = self.challenges.as_ref()?;
        let hello = start.client_hello();
        let mut offered = hello.alpn()?;
        let is_one = offered.next() == Some(ACME_TLS) && offered.next().is_none();
        let is_known = is_one && challenges.resolver.resolve(start.client_hello()).is_some();
        is_known.then(|| Arc::clone(&challenges.config))
    }

    /// Whether any client is asked for a certificate.
    pub fn asks_clients(&self) -> bool {
        self.options.clients != ClientAuth::default()
    }
}

fn build_configs(
    options: &ServerTlsOptions,
    names: &Arc<Names>,
    trusts: &Trusts,
    before: &HashMap<u64, Config>,
) -> Result<HashMap<u64, Config>, TlsError> {
    let ids = options.clients.policies().map(|(id, _)| id).chain([0]);
    ids.map(|id| {
        let trust = trusts.0.get(&id).cloned();
        if trust.is_none() && id != 0 {
            return Err(TlsError::Setup("the authorities of clients were not read".to_owned()));
        }
        if let Some(same) = before.get(&id).filter(|config| config.trust == trust) {
            return Ok((id, same.clone()));
        }
        let failed = |e: rustls::Error| TlsError::Setup(e.to_string());
        let verifier = trust.as_ref().map(|trust| Arc::clone(&trust.verifier));
        let quic = match options.quic {
            Some(quic) => {
                let noting = verifier.clone().map(|verifier| Arc::new(Noting(verifier)) as _);
                let config = base_config(options, names, noting).map_err(failed)?;
                Some(quic_config(config, quic).map_err(|e| TlsError::Setup(format!("QUIC: {e}")))?)
            }
            None => None,
        };
        let mut config = base_config(options, names, verifier).map_err(failed)?;
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(failed)?;
        Ok((id, Config { trust, config: Arc::new(config), quic }))
    })
    .collect()
}

/// A configuration without tickets.
fn base_config(
    options: &ServerTlsOptions,
    names: &Arc<Names>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, rustls::Error> {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_protocol_versions(options.min_version.and_above())?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::clone(names) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = options.alpn.iter().map(|p| p.clone().into_bytes()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// A configuration for QUIC beside that for TCP. Sessions of the two are not those of each other.
fn quic_config(mut config: ServerConfig, options: QuicTlsOptions) -> Result<Arc<QuicServerConfig>, String> {
    config.alpn_protocols = vec![QUIC_ALPN.to_vec()];
    if options.early_data {
        // Tickets that only name a session of this memory, so that each is good for one handshake and what is copied
        // cannot be played back. rustls takes early data with no others.
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
        config.max_early_data_size = u32::MAX;
    } else {
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|e| e.to_string())?;
    }
    QuicServerConfig::try_from(config).map(Arc::new).map_err(|e| e.to_string())
}

/// Takes a client's connection through the handshake. Bound it with [`crate::rt::timeout`]. The server name is put into
/// `sni` as soon as it is known, so that it can be told whatever follows.
///
/// # Errors
/// [`TlsError::Client`], [`TlsError::NoCertificate`], [`TlsError::Io`], [`TlsError::Silent`], or [`TlsError::Challenge`] when
/// all is said; the client has been sent an alert where there is one.
pub async fn handshake_server(
    tls: &ServerTls,
    tcp: TcpStream,
    sni: &mut Option<Box<str>>,
) -> Result<(Transport, TlsFacts), TlsError> {
    let failed = |e: io::Error| match rustls_cause(&e) {
        Some(cause) => {
            let (fault, cause) = ClientFault::told(cause);
            TlsError::Client { fault, cause }
        }
        None => TlsError::Io(e),
    };
    match tcp.peek(&mut [0]).await {
        Ok(0) => return Err(TlsError::Silent),
        // Some load balancers end their look at a port with a reset.
        Err(e) if is_reset(&e) => return Err(TlsError::Silent),
        Err(e) => return Err(TlsError::Io(e)),
        Ok(_) => {}
    }
    let start = LazyConfigAcceptor::new(Acceptor::default(), tcp).await.map_err(failed)?;
    *sni = start.client_hello().server_name().map(|name| name.to_ascii_lowercase().into());
    if let Some(config) = tls.challenge(&start) {
        let mut stream = start.into_stream(config).await.map_err(failed)?;
        // RFC 8737 section 4: nothing else is said on it.
        stream.shutdown().await.map_err(failed)?;
        return Err(TlsError::Challenge);
    }
    if !tls.is_served(sni.as_deref()) {
        let mut tcp = start.io;
        tcp.write_all(&UNRECOGNISED).await.map_err(TlsError::Io)?;
        return Err(TlsError::no_certificate(sni.as_deref()));
    }
    let policy = tls.numbers.find(sni.as_deref());
    let config = tls.configs.load().get(&policy).map(|c| Arc::clone(&c.config));
    let config = config.ok_or_else(|| TlsError::Setup("a policy about clients is missing".to_owned()))?;
    let accepted = start.into_stream_with(config, |c| c.set_buffer_limit(Some(BUFFER_LIMIT))).await;
    let stream = accepted.map_err(failed)?;
    let common = stream.get_ref().1;
    let mut facts = facts(common, common.server_name());
    facts.policy = policy;
    if policy != 0 {
        facts.client = common.peer_certificates().and_then(identity::client).map(Arc::new);
        if let (Some(client), true) = (&facts.client, facts.resumed) {
            is_in_time(client)?;
        }
    }
    Ok((Transport::Tls(Box::new(stream.into())), facts))
}

/// A session that is resumed is not verified again, and may outlive the certificate it began with.
pub(super) fn is_in_time(client: &ClientCertificate) -> Result<(), TlsError> {
    let now = rt::wall().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    if client.not_after < i64::try_from(now).unwrap_or(i64::MAX) {
        let cause = "its certificate has expired since its session began".to_owned();
        return Err(TlsError::Client { fault: ClientFault::CertificateExpired, cause });
    }
    Ok(())
}

/// What a client did wrong in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFault {
    /// It does not speak TLS.
    NotTls,
    /// It showed no certificate where one is required.
    CertificateMissing,
    /// Its certificate is of an authority that is not trusted here.
    CertificateUntrusted,
    /// Its certificate is not valid any more, or not yet.
    CertificateExpired,
    /// Its certificate was revoked, or nobody tells whether it was.
    CertificateRevoked,
    /// Its certificate cannot be used for another reason.
    CertificateRefused,
    /// Anything else: no common version or cipher, distrust of our certificate.
    Other,
}

impl ClientFault {
    fn of(e: &rustls::Error) -> Self {
        use rustls::{CertificateError as C, Error as E};
        match e {
            E::InvalidMessage(_) => Self::NotTls,
            E::NoCertificatesPresented => Self::CertificateMissing,
            E::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => Self::CertificateUntrusted,
            E::InvalidCertificate(
                C::Expired | C::ExpiredContext { .. } | C::NotValidYet | C::NotValidYetContext { .. },
            ) => Self::CertificateExpired,
            E::InvalidCertificate(
                C::Revoked
                | C::UnknownRevocationStatus
                | C::ExpiredRevocationList
                | C::ExpiredRevocationListContext { .. },
            ) => Self::CertificateRevoked,
            E::InvalidCertificate(_) => Self::CertificateRefused,
            _ => Self::Other,
        }
    }

    /// The same with words for an operator.
    pub(super) fn told(e: &rustls::Error) -> (Self, String) {
        (Self::of(e), explain_client(e))
    }

    /// Whether it is about the client's certificate.
    pub fn is_of_certificate(self) -> bool {
        !matches!(self, Self::NotTls | Self::Other)
    }
}

/// A rustls error in the words of an operator, about a client.
fn explain_client(e: &rustls::Error) -> String {
    use rustls::{CertificateError as C, Error as E};
    match e {
        E::NoCertificatesPresented => "it showed no certificate, and one is required".to_owned(),
        E::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "its certificate is signed by an authority that `client_auth.ca` does not name".to_owned()
        }
        E::InvalidCertificate(C::Revoked) => "its certificate was revoked".to_owned(),
        E::InvalidCertificate(C::UnknownRevocationStatus) => {
            "no list of `client_auth.crl` is of the authority that signed its certificate, or one of its chain"
                .to_owned()
        }
        E::InvalidCertificate(C::ExpiredRevocationList | C::ExpiredRevocationListContext { .. }) => {
            "the list of revocation of its authority is overdue; renew it, or say `expired_crl: accept`".to_owned()
        }
        other => explain(other),
    }
}
