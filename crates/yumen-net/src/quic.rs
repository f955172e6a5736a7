//! QUIC towards clients (RFC 9000): one endpoint for each worker and address, over a socket of the [`udp`](crate::udp) room.
//!
//! Connection ids say which worker a connection lives on: their first byte is the number of that worker's socket. Where the
//! system has a filter for the sockets that share a port, it reads that byte and so finds the worker even when the client's
//! address has changed; what a client chooses itself before it knows an id of ours is spread. Elsewhere one worker has the only
//! socket. The bytes that follow say which process a connection is of, for the time in which another one takes over.
//!
//! Early data (0-RTT) is accepted where the TLS settings say so. A client that sends some is served before its handshake is
//! complete; [`Connection::is_early`] says whether it still is not. The library below needs futures that are `Send`; everything
//! else stays on the worker.

mod socket;
mod handover;

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use quinn::{ConnectionError, ConnectionId, ConnectionIdGenerator, EndpointConfig, TokioRuntime, VarInt};
use tokio::sync::Notify;

use crate::listen::{Tag, unmapped};
use crate::tls::quic::{QuicTls, Told, facts};
use crate::tls::{ClientFault, ServerTls, TlsError, TlsFacts, provider};
use crate::udp::{BoundUdp, QUIC_ID};
pub use h3_quinn::{Connection as Carrier, RecvStream, SendStream};
pub use socket::Socket;

/// The length of our connection ids.
const ID: usize = QUIC_ID as usize;

/// What a client may use of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuicOptions {
    /// Requests at a time.
    pub streams: u32,
    /// Bytes of content that may be on their way for each request.
    pub stream_window: u32,
    /// The same for all requests together.
    pub connection_window: u32,
    /// How long a connection may be silent.
    pub idle: Duration,
}

/// QUIC of a listener.
pub struct QuicServer {
    config: Arc<quinn::ServerConfig>,
    tls: QuicTls,
}

impl QuicServer {
    /// Builds it over the TLS of a listener: certificates, and whom it trusts, are swapped there.
    ///
    /// # Errors
    /// The TLS settings are none that QUIC can have.
    pub fn build(tls: &Arc<ServerTls>, options: &QuicOptions) -> Result<Self, TlsError> {
        let tls = QuicTls::build(tls)?;
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(tls.another()));
        let mut transport = quinn::TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(options.streams.into())
            // Control and the two of QPACK, and some that are to be ignored.
            .max_concurrent_uni_streams(8u32.into())
            .stream_receive_window(options.stream_window.into())
            .receive_window(options.connection_window.into())
            .send_window(u64::from(options.connection_window))
            .datagram_receive_buffer_size(None)
            .max_idle_timeout(options.idle.try_into().ok());
        server.transport_config(Arc::new(transport));
        server.migration(true);
        Ok(Self { config: Arc::new(server), tls })
    }
}

/// What names this process in connection ids. Whoever sees two of them sees that they are of one process, and no more.
fn tag() -> Tag {
    static TAG: LazyLock<Tag> = LazyLock::new(|| {
        let mut tag = Tag::default();
        // Without random bytes no handshake comes far enough to need it.
        provider().secure_random.fill(&mut tag).unwrap_or_default();
        tag
    });
    *TAG
}

/// Makes connection ids that say whose they are.
struct Ids(u8);

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; ID];
        let [worker, process @ ..] = &mut bytes;
        *worker = self.0;
        let (process, rest) = process.split_at_mut(size_of::<Tag>());
        process.copy_from_slice(&tag());
        // Without random bytes no handshake comes this far either.
        provider().secure_random.fill(rest).unwrap_or_default();
        ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        ID
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// One socket that speaks QUIC, on its worker.
pub struct QuicEndpoint {
    endpoint: quinn::Endpoint,
    bound: BoundUdp,
    io: Arc<Socket>,
}

impl QuicEndpoint {
    /// Takes the socket over into the runtime of the calling worker.
    ///
    /// # Errors
    /// The runtime cannot register it.
    pub fn start(bound: BoundUdp) -> io::Result<Self> {
        let mut config = EndpointConfig::default();
        let steer = bound.steer;
        config.cid_generator(move || Box::new(Ids(steer)));
        let kept = bound.try_clone()?;
        let io = Socket::start_beside(bound.inner, bound.line)?;
        let own = Arc::clone(&io) as _;
        let endpoint = quinn::Endpoint::new_with_abstract_socket(config, None, own, Arc::new(TokioRuntime))?;
        Ok(Self { endpoint, bound: kept, io })
    }

    /// Takes clients of this server from now on.
    pub fn serve(&self, server: &QuicServer) {
        self.endpoint.set_server_config(Some(quinn::ServerConfig::clone(&server.config)));
    }

    /// Waits for the next client; `None` once the endpoint is closed.
    pub async fn accept(&self) -> Option<Incoming> {
        self.endpoint.accept().await.map(Incoming)
    }

    /// The next client, if one has come.
    pub fn next(&self) -> Option<Incoming> {
        let mut accept = pin!(self.endpoint.accept());
        match accept.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(incoming) => incoming.map(Incoming),
            Poll::Pending => None,
        }
    }

    /// Takes no clients any more. Connections go on, and with them the socket.
    pub fn refuse_all(&self) {
        self.endpoint.set_server_config(None);
    }

    /// A second handle on the socket, with a line on which another process gives back what is for connections of this one.
    /// Nothing changes until [`QuicEndpoint::hand_over`].
    ///
    /// # Errors
    /// Out of descriptors, or there is no such process on this system.
    pub fn share(&self) -> io::Result<BoundUdp> {
        let line = self.io.neighbours().prepare(tag())?;
        Ok(BoundUdp { line: Some(line), ..self.bound.try_clone()? })
    }

    /// Leaves the socket to the process that was given the last handle, if it is there: new clients are that one's, and the
    /// connections of this one go on. Whether it is.
    pub fn hand_over(&self) -> bool {
        self.io.neighbours().hand_over()
    }

    /// The address it is bound to.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }
}

/// `H3_NO_ERROR`, RFC 9114 section 8.1.
const NO_ERROR: u32 = 0x100;

/// A client that wants to connect.
pub struct Incoming(quinn::Incoming);

impl Incoming {
    /// Where it says it is.
    pub fn peer(&self) -> SocketAddr {
        unmapped(self.0.remote_address())
    }

    /// Which of our addresses it sent to, where the system tells.
    pub fn local_ip(&self) -> Option<IpAddr> {
        self.0.local_ip()
    }

    /// Whether it is known to be there, because it came again with a token.
    pub fn is_validated(&self) -> bool {
        self.0.remote_address_validated()
    }

    /// Asks it to come again with a token (RFC 9000 section 8.1.2), which costs nothing to remember.
    pub fn retry(self) {
        if let Err(error) = self.0.retry() {
            error.into_incoming().refuse();
        }
    }

    /// Tells it to go away.
    pub fn refuse(self) {
        self.0.refuse();
    }

    /// Takes it through the handshake, or as far as to the early data of a client that sends some: then [`Shaken::rest`] is
    /// the rest of it. Bound both with [`crate::rt::timeout`]. The server name is put into `sni` as soon as it is known.
    ///
    /// # Errors
    /// [`TlsError::Client`] with what the handshake failed with, or [`TlsError::NoCertificate`].
    pub async fn shake(self, server: &QuicServer, sni: &mut Option<Box<str>>) -> Result<Shaken, TlsError> {
        let tls = Arc::new(server.tls.another());
        let mut config = quinn::ServerConfig::clone(&server.config);
        config.crypto = Arc::clone(&tls) as _;
        let failed = |cause: String| match tls.told() {
            Told { is_unserved: true, sni, .. } => TlsError::no_certificate(sni.as_deref()),
            Told { fault: Some((fault, cause)), .. } => TlsError::Client { fault, cause },
            _ => TlsError::Client { fault: ClientFault::Other, cause },
        };
        // The first packet is read here already.
        let accepted = self.0.accept_with(Arc::new(config)).map_err(|e| failed(e.to_string()));
        sni.clone_from(&tls.told().sni);
        let mut connecting = accepted?;
        let greeted = connecting.handshake_data().await;
        let told = tls.told();
        sni.clone_from(&told.sni);
        let (quinn, rest) = match (greeted, told.is_early) {
            (Ok(_), true) => match connecting.into_0rtt() {
                Ok((connection, accepted)) => (Ok(connection), Some(accepted)),
                Err(connecting) => (connecting.await, None),
            },
            (Ok(_), false) => (connecting.await, None),
            (Err(error), _) => (Err(error), None),
        };
        let quinn = quinn.map_err(|error| failed(error.to_string()))?;
        let facts = facts(&quinn, told).inspect_err(|_| quinn.close(VarInt::from_u32(NO_ERROR), b""))?;
        let early = rest.is_some().then(Rc::default);
        let rest = rest.zip(early.clone()).map(|(ended, early)| Rest { ended, quinn: quinn.clone(), early });
        Ok(Shaken { connection: Connection { quinn, early }, facts, rest })
    }
}

/// A client that may be served.
pub struct Shaken {
    /// Its connection.
    pub connection: Connection,
    /// What the handshake said.
    pub facts: TlsFacts,
    /// What is left of the handshake, when early data has come before its end.
    pub rest: Option<Rest>,
}

/// The end of a handshake that has not come yet.
pub struct Rest {
    ended: quinn::ZeroRttAccepted,
    quinn: quinn::Connection,
    early: Rc<Early>,
}

impl Rest {
    /// Waits for it. Whether it came: if not, the connection is lost. A client that says good-bye before has not failed.
    pub async fn complete(self) -> bool {
        // What it says is about clients only.
        self.ended.await;
        match self.quinn.close_reason() {
            None => {
                self.early.is_over.set(true);
                self.early.over.notify_waiters();
                true
            }
            Some(reason) => matches!(reason, ConnectionError::ApplicationClosed(_) | ConnectionError::LocallyClosed),
        }
    }
}

/// What a connection with early data knows of its handshake.
#[derive(Default)]
struct Early {
    is_over: Cell<bool>,
    over: Notify,
}

/// A connection. Its clones are the same connection.
#[derive(Clone)]
pub struct Connection {
    quinn: quinn::Connection,
    early: Option<Rc<Early>>,
}

impl Connection {
    /// As HTTP/3 is carried by it.
    pub fn carrier(&self) -> Carrier {
        Carrier::new(self.quinn.clone())
    }

    /// Whether the handshake is not complete yet: what has come so far may be a copy of what a client said once
    /// (RFC 8470 section 3).
    pub fn is_early(&self) -> bool {
        self.early.as_ref().is_some_and(|early| !early.is_over.get())
    }

    /// Waits until the handshake is complete, or for ever if it fails.
    pub async fn complete(&self) {
        while let Some(early) = self.early.as_ref().filter(|early| !early.is_over.get()) {
            early.over.notified().await;
        }
    }

    /// Waits for its end.
    pub async fn closed(&self) {
        self.quinn.closed().await;
    }

    /// Where the client is now: it may have moved.
    pub fn peer(&self) -> SocketAddr {
        unmapped(self.quinn.remote_address())
    }

    /// Ends it at once and tells the client.
    pub fn close(&self) {
        self.quinn.close(VarInt::from_u32(NO_ERROR), b"");
    }
}
