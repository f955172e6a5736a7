//! TLS as QUIC carries it (RFC 9001). The server name in a client's first message chooses the policy about clients, as it
//! does over TCP.
//!
//! The QUIC library takes one TLS configuration before it knows the name. [`QuicTls`] stands in its place: a session begins
//! without a configuration, gathers the ClientHello, and from then on is the session of the policy that fits.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::QuicServerConfig;
use quinn::crypto::{self, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, UnsupportedVersion};
use quinn::{ConnectionId, Side};
use quinn_proto::TransportError;
use quinn_proto::transport_parameters::TransportParameters;
use rustls::server::Acceptor;
use rustls_pki_types::CertificateDer;

use super::server::{ClientFault, QUIC_ALPN, ServerTls, UNRECOGNISED_NAME};
use super::{TlsError, TlsFacts, noting};

/// The most of a handshake message that is one record of TLS over TCP.
const RECORD: usize = 1 << 14;
/// `certificate_required`, RFC 8446 section 6.
const CERTIFICATE_REQUIRED: u8 = 116;
/// `internal_error`.
const INTERNAL_ERROR: u8 = 80;

/// What is known of a handshake so far, whatever becomes of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The server name, in lower case.
    pub(crate) sni: Option<Box<str>>,
    /// The policy about clients that was met.
    pub(crate) policy: u64,
    /// Whether the client sends early data and we take it.
    pub(crate) is_early: bool,
    /// What the client did wrong.
    pub(crate) fault: Option<(ClientFault, String)>,
    /// No certificate answers for the name.
    pub(crate) is_unserved: bool,
}

/// TLS for one connection. What it learns is told by [`QuicTls::told`].
pub(crate) struct QuicTls {
    tls: Arc<ServerTls>,
    /// For what no policy changes: the keys of first packets.
    initial: Arc<QuicServerConfig>,
    told: Arc<Mutex<Told>>,
}

impl QuicTls {
    /// # Errors
    /// The TLS settings are not for QUIC.
    pub(crate) fn build(tls: &Arc<ServerTls>) -> Result<Self, TlsError> {
        let missing = || TlsError::Setup("QUIC: the TLS settings are not for it".to_owned());
        let initial = tls.quic_config(0).ok_or_else(missing)?;
        Ok(Self { tls: Arc::clone(tls), initial, told: Arc::default() })
    }

    /// The same for another connection.
    pub(crate) fn another(&self) -> Self {
        Self { tls: Arc::clone(&self.tls), initial: Arc::clone(&self.initial), told: Arc::default() }
    }

    /// What is known now.
    pub(crate) fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl crypto::ServerConfig for QuicTls {
    fn initial_keys(&self, version: u32, id: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.initial.initial_keys(version, id)
    }

    fn retry_tag(&self, version: u32, id: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.initial.retry_tag(version, id, packet)
    }

    fn start_session(self: Arc<Self>, version: u32, params: &TransportParameters) -> Box<dyn crypto::Session> {
        let hello = Hello { acceptor: Acceptor::default(), bytes: Vec::new() };
        let start = Start { version, params: *params };
        Box::new(Session { tls: self, start, state: State::Hello(Box::new(hello)) })
    }
}

/// What a session of a policy begins with.
struct Start {
    version: u32,
    params: TransportParameters,
}

/// A ClientHello that is not whole yet.
struct Hello {
    acceptor: Acceptor,
    bytes: Vec<u8>,
}

impl Hello {
    /// Takes more of it; `None` when it is not whole, else the server name in lower case if there is one.
    fn read(&mut self, part: &[u8]) -> Result<Option<Option<Box<str>>>, (u8, String)> {
        self.bytes.extend_from_slice(part);
        for piece in part.chunks(RECORD) {
            // As it would come over TCP, so that the same code says what the name is.
            let length = u16::try_from(piece.len()).unwrap_or_default().to_be_bytes();
            let record = [&[22, 3, 1, length[0], length[1]], piece].concat();
            let mut rest = &record[..];
            while !rest.is_empty() {
                match self.acceptor.read_tls(&mut rest) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(e) => return Err((INTERNAL_ERROR, e.to_string())),
                }
            }
        }
        match self.acceptor.accept() {
            Ok(None) => Ok(None),
            Ok(Some(accepted)) => {
                Ok(Some(accepted.client_hello().server_name().map(|name| name.to_ascii_lowercase().into())))
            }
            Err((error, alert)) => {
                let mut bytes = Vec::new();
                let written = { alert }.write(&mut bytes);
                // A record of an alert: type, version, length, level, description.
                let code = written.ok().and_then(|_| bytes.get(6).copied()).unwrap_or(INTERNAL_ERROR);
                Err((code, error.to_string()))
            }
        }
    }
}

enum State {
    Hello(Box<Hello>),
    Chosen(Box<dyn crypto::Session>),
}

struct Session {
    tls: Arc<QuicTls>,
    start: Start,
    state: State,
}

impl Session {
    fn chosen(&self) -> Option<&dyn crypto::Session> {
        match &self.state {
            State::Hello(_) => None,
            State::Chosen(session) => Some(&**session),
        }
    }

    fn tell(&self, tell: impl FnOnce(&mut Told)) {
        tell(&mut self.tls.told.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Passes on to the session of a policy, and notes what comes of it.
    fn pass(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        let State::Chosen(session) = &mut self.state else { return Ok(false) };
        drop(noting::take());
        let read = session.read_handshake(bytes);
        if let Err(error) = &read {
            let refused = match noting::take() {
                None if error.code == quinn::TransportErrorCode::crypto(CERTIFICATE_REQUIRED) => {
                    Some(rustls::Error::NoCertificatesPresented)
                }
                refused => refused,
            };
            let fault = refused.map_or_else(|| (ClientFault::Other, error.reason.clone()), |e| ClientFault::told(&e));
            self.tell(|told| told.fault = Some(fault));
        }
        read
    }
}

fn failed(code: u8, reason: String) -> TransportError {
    TransportError { code: quinn::TransportErrorCode::crypto(code), frame: None, reason }
}

impl crypto::Session for Session {
    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        // The library has asked the same of the configuration before, so the version is one that it knows.
        match (&self.state, crypto::ServerConfig::initial_keys(&*self.tls, self.start.version, id)) {
            (State::Chosen(session), _) => session.initial_keys(id, side),
            (State::Hello(_), Ok(keys)) => keys,
            (State::Hello(_), Err(_)) => self.fresh().initial_keys(id, side),
        }
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.chosen()?.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.chosen()?.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.chosen()?.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.chosen()?.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.chosen().is_none_or(|session| session.is_handshaking())
    }

    fn read_handshake(&mut self, part: &[u8]) -> Result<bool, TransportError> {
        let State::Hello(hello) = &mut self.state else { return self.pass(part) };
        let sni = match hello.read(part) {
            Ok(None) => return Ok(false),
            Ok(Some(sni)) => sni,
            Err((code, reason)) => {
                self.tell(|told| told.fault = Some((ClientFault::Other, reason.clone())));
                return Err(failed(code, reason));
            }
        };
        let bytes = std::mem::take(&mut hello.bytes);
        let policy = self.tls.tls.policy(sni.as_deref());
        let missing = || failed(INTERNAL_ERROR, "a policy about clients is missing".to_owned());
        let config = self.tls.tls.quic_config(policy).ok_or_else(missing)?;
        let is_unserved = !self.tls.tls.is_served(sni.as_deref());
        self.tell(|told| (told.sni, told.policy, told.is_unserved) = (sni, policy, is_unserved));
        if is_unserved {
            return Err(failed(UNRECOGNISED_NAME, "no certificate is here for the server name".to_owned()));
        }
        self.state = State::Chosen(crypto::ServerConfig::start_session(config, self.start.version, &self.start.params));
        let read = self.pass(&bytes)?;
        let is_early = self.early_crypto().is_some();
        self.tell(|told| told.is_early = is_early);
        Ok(read)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.chosen().map_or(Ok(None), |session| session.transport_parameters())
    }

    fn write_handshake(&mut self, bytes: &mut Vec<u8>) -> Option<Keys> {
        match &mut self.state {
            State::Hello(_) => None,
            State::Chosen(session) => session.write_handshake(bytes),
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        match &mut self.state {
            State::Hello(_) => None,
            State::Chosen(session) => session.next_1rtt_keys(),
        }
    }

    fn is_valid_retry(&self, id: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.chosen().is_some_and(|session| session.is_valid_retry(id, header, payload))
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.chosen().ok_or(ExportKeyingMaterialError)?.export_keying_material(output, label, context)
    }
}

impl Session {
    /// A session of no policy.
    fn fresh(&self) -> Box<dyn crypto::Session> {
        let initial = Arc::clone(&self.tls.initial);
        crypto::ServerConfig::start_session(initial, self.start.version, &self.start.params)
    }
}

/// What a handshake that is over says of the client.
///
/// # Errors
/// [`TlsError::Client`] when its certificate has expired since the session began that it resumes.
pub(crate) fn facts(connection: &quinn::Connection, told: Told) -> Result<TlsFacts, TlsError> {
    let mut facts = TlsFacts {
        sni: told.sni,
        alpn: Some(String::from_utf8_lossy(QUIC_ALPN).into()),
        version: "TLSv1.3",
        policy: told.policy,
        ..TlsFacts::default()
    };
    if told.policy != 0 {
        let identity = connection.peer_identity().and_then(|all| all.downcast::<Vec<CertificateDer<'static>>>().ok());
        facts.client = identity.and_then(|chain| super::identity::client(&chain)).map(Arc::new);
        if let Some(client) = &facts.client {
            super::server::is_in_time(client)?;
        }
    }
    Ok(facts)
}
