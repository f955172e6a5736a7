//! QUIC towards clients (RFC 9000): one endpoint for each worker and address, over a socket of the [`udp`](crate::udp) room.
//!
//! Connection ids say which worker a connection lives on: their first byte leaves that worker's number when divided by the
//! number of workers. Where the system has a filter for the sockets that share a port, it reads that byte and so finds the
//! worker even when the client's address has changed; what a client chooses itself before it knows an id of ours is spread
//! evenly by the same rule. Elsewhere one worker has the only socket.
//!
//! Early data (0-RTT) is never accepted. The library below needs futures that are `Send`; everything else stays on the worker.

mod socket;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig, TokioRuntime, VarInt};

use crate::listen::unmapped;
use crate::tls::{ServerTls, TlsError, TlsFacts, provider};
use crate::udp::{BoundUdp, Steer};
pub use h3_quinn::{Connection as Carrier, RecvStream, SendStream};
pub use socket::Socket;

/// The length of our connection ids.
const ID: usize = 8;
/// The protocol's name in ALPN (RFC 9114 section 3.1).
const ALPN: &[u8] = b"h3";

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
}

impl QuicServer {
    /// Builds it over the certificates of a TLS listener; those that are swapped there are swapped here.
    ///
    /// # Errors
    /// The TLS settings are none that QUIC can have.
    pub fn build(tls: &ServerTls, options: &QuicOptions) -> Result<Self, TlsError> {
        let failed = |e: &dyn std::fmt::Display| TlsError::Setup(format!("QUIC: {e}"));
        let mut config = tls.plain_config().ok_or_else(|| failed(&"the TLS settings are missing"))?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Sessions of TCP and of QUIC are not those of each other.
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|e| failed(&e))?;
        config.max_early_data_size = 0;
        let config = QuicServerConfig::try_from(config).map_err(|e| failed(&e))?;
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(config));
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
        Ok(Self { config: Arc::new(server) })
    }
}

/// Makes connection ids that say whose they are.
struct Ids(Steer);

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; ID];
        // Without random bytes no handshake comes this far either.
        provider().secure_random.fill(&mut bytes).unwrap_or_default();
        bytes[0] = self.0.mark(bytes[0]);
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
    socket: BoundUdp,
}

impl QuicEndpoint {
    /// Takes the socket over into the runtime of the calling worker.
    ///
    /// # Errors
    /// The runtime cannot register it.
    pub fn start(socket: BoundUdp) -> io::Result<Self> {
        let mut config = EndpointConfig::default();
        let steer = socket.steer();
        config.cid_generator(move || Box::new(Ids(steer)));
        let own = Socket::start(socket.try_clone()?.into_std())?;
        let endpoint = quinn::Endpoint::new_with_abstract_socket(config, None, own, Arc::new(TokioRuntime))?;
        Ok(Self { endpoint, socket })
    }

    /// Takes clients of this server from now on.
    pub fn serve(&self, server: &QuicServer) {
        self.endpoint.set_server_config(Some(quinn::ServerConfig::clone(&server.config)));
    }

    /// Waits for the next client; `None` once the endpoint is closed.
    pub async fn accept(&self) -> Option<Incoming> {
        self.endpoint.accept().await.map(Incoming)
    }

    /// Takes no clients any more. Connections go on, and with them the socket.
    pub fn refuse_all(&self) {
        self.endpoint.set_server_config(None);
    }

    /// Ends all connections at once and tells their clients.
    pub fn close(&self) {
        self.endpoint.close(VarInt::from_u32(NO_ERROR), b"");
    }

    /// A second handle on the socket, for another process.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn to_bound(&self) -> io::Result<BoundUdp> {
        self.socket.try_clone()
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

    /// Takes it through the handshake. Bound it with [`crate::rt::timeout`].
    ///
    /// # Errors
    /// What the handshake failed with.
    pub async fn shake(self, server: &QuicServer) -> Result<(Connection, TlsFacts), String> {
        let connecting = self.0.accept_with(Arc::clone(&server.config)).map_err(|e| e.to_string())?;
        let connection = connecting.await.map_err(|e| e.to_string())?;
        let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        let facts = TlsFacts {
            sni: data.as_ref().and_then(|d| d.server_name.as_deref()).map(|n| n.to_ascii_lowercase().into()),
            alpn: data.as_ref().and_then(|d| d.protocol.as_deref()).map(|p| String::from_utf8_lossy(p).into()),
            version: "TLSv1.3",
            ..TlsFacts::default()
        };
        Ok((Connection(connection), facts))
    }
}

/// A connection. Its clones are the same connection.
#[derive(Clone)]
pub struct Connection(quinn::Connection);

impl Connection {
    /// As HTTP/3 is carried by it.
    pub fn carrier(&self) -> Carrier {
        Carrier::new(self.0.clone())
    }

    /// Waits for its end.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// Where the client is now: it may have moved.
    pub fn peer(&self) -> SocketAddr {
        unmapped(self.0.remote_address())
    }

    /// Ends it at once and tells the client.
    pub fn close(&self) {
        self.0.close(VarInt::from_u32(NO_ERROR), b"");
    }
}
