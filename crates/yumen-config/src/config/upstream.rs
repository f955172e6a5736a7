//! Upstreams: sets of endpoints that do the same work.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Certificate, Discover, ProxyVersion, UpstreamName};

/// A set of endpoints and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct Upstream {
    /// Its name.
    pub name: UpstreamName,
    /// The endpoints; empty only where they are discovered.
    pub endpoints: Vec<Endpoint>,
    /// Where further endpoints are found; `None`: there are no others.
    pub discover: Option<Arc<Discover>>,
    /// How one is chosen.
    pub balance: Balance,
    /// Active checks; `None`: every endpoint counts as healthy.
    pub health: Option<Health>,
    /// When less than this percentage is healthy, all are used; 0..=100, default 50.
    pub panic_threshold: u8,
    /// Connections kept for later requests.
    pub pool: Pool,
    /// How long endpoints may take.
    pub timeouts: UpstreamTimeouts,
    /// The header of the PROXY protocol that each connection begins with; `None`: none. Connections are then not kept.
    pub proxy_protocol: Option<ProxyVersion>,
    /// TLS to the endpoints that use it.
    pub tls: UpstreamTls,
    /// What is spoken to endpoints.
    pub protocol: UpstreamProtocol,
    /// HTTP/2 to the endpoints that it is spoken to.
    pub http2: UpstreamHttp2,
    /// How names are resolved.
    pub dns: Dns,
    /// Connections at a time to each endpoint; `None`: no limit.
    pub max_connections: Option<u32>,
}

impl Upstream {
    /// The default of `panic_threshold`: with half of the endpoints gone the other half would rather break than carry all.
    pub const PANIC_THRESHOLD: u8 = 50;

    /// Whether TLS is spoken to some endpoint.
    pub fn uses_tls(&self) -> bool {
        self.discover.as_ref().is_some_and(|d| d.tls) || self.endpoints.iter().any(|e| e.tls)
    }
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The host: a name or an IP address without brackets.
    pub address: Box<str>,
    /// The port.
    pub port: u16,
    /// Whether TLS is spoken to it.
    pub tls: bool,
    /// Its share, 0..=65535; default 1; 0: it gets nothing.
    pub weight: u32,
    /// As it is shown in logs and metrics: `host:port`.
    pub text: Box<str>,
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// One after the other by weight, smoothly.
    WeightedRoundRobin,
    /// The one with the fewest requests.
    LeastConnections,
    /// The better of two, by latency and load.
    P2cEwma,
    /// By the client's address.
    IpHash,
}

impl Balance {
    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "round_robin",
            Self::WeightedRoundRobin => "weighted_round_robin",
            Self::LeastConnections => "least_connections",
            Self::P2cEwma => "p2c_ewma",
            Self::IpHash => "ip_hash",
        }
    }
}

/// The version of HTTP that is spoken to endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// With TLS what the endpoint chooses by ALPN, HTTP/2 before HTTP/1.1; HTTP/1.1 without TLS.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 over TLS; an endpoint that does not choose it fails.
    Http2,
    /// HTTP/2 without TLS, as prior knowledge (RFC 9113 section 3.3).
    H2c,
}

impl UpstreamProtocol {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Http1, Self::Http2, Self::H2c];

    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Http1 => "http1",
            Self::Http2 => "http2",
            Self::H2c => "h2c",
        }
    }
}

/// HTTP/2 to endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamHttp2 {
    /// Requests at a time on one connection, if the endpoint allows as many; further ones open further connections. Default
    /// 100.
    pub max_concurrent_streams: u32,
    /// Bytes of an answer that may be under way on one stream; default 256 KiB.
    pub initial_window: u32,
    /// Bytes of answers that may be under way on one connection; default 1 MiB.
    pub connection_window: u32,
    /// A connection on which nothing came for so long is asked whether it lives; default 30 s; `None`: never.
    pub ping: Option<Duration>,
    /// How long the answer may take, after which the connection is given up; default 10 s.
    pub ping_timeout: Duration,
}

impl Default for UpstreamHttp2 {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 100,
            initial_window: 256 << 10,
            connection_window: 1 << 20,
            ping: Some(Duration::from_secs(30)),
            ping_timeout: Duration::from_secs(10),
        }
    }
}

/// Active health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What is done to check.
    pub check: HealthCheck,
    /// Time between checks; default 5 s.
    pub interval: Duration,
    /// Time for one check; default 2 s.
    pub timeout: Duration,
    /// Good checks in a row that make an endpoint healthy; default 2.
    pub rise: u32,
    /// Bad checks in a row that make it unhealthy; default 3.
    pub fall: u32,
    /// How much the interval varies, in percent; default 10.
    pub jitter: u8,
}

impl Health {
    /// The default of `interval`: an endpoint that breaks gets no new traffic after `FALL` of these.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// The default of `timeout`: well below the interval, so that checks never overlap.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// The default of `rise`: one lucky answer of a starting server is not enough.
    pub const RISE: u32 = 2;
    /// The default of `fall`: one lost packet is not an outage.
    pub const FALL: u32 = 3;
    /// The default of `jitter`, in percent.
    pub const JITTER: u8 = 10;
    /// The default path of a check by HTTP.
    pub const PATH: &'static str = "/health";
    /// The default range of good status codes.
    pub const EXPECT: (u16, u16) = (200, 399);
}

/// What a health check does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthCheck {
    /// A GET request.
    Http {
        /// The path; default `/health`.
        path: String,
        /// Ranges of status codes that are good, both ends included; default 200-399.
        expect: Vec<(u16, u16)>,
        /// The `Host`; `None`: that of the endpoint.
        host: Option<String>,
    },
    /// A call of `grpc.health.v1.Health/Check`.
    Grpc {
        /// The service that is asked for; default empty: the server as a whole.
        service: String,
        /// The `:authority`; `None`: that of the endpoint.
        host: Option<String>,
    },
    /// A connection.
    Tcp,
}

/// Connections kept for later requests, for each endpoint and worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// How many; default 64.
    pub idle: usize,
    /// How long; default 60 s.
    pub idle_timeout: Duration,
    /// Requests on one, after which it is closed; `None`: no limit.
    pub max_requests: Option<u32>,
}

impl Default for Pool {
    fn default() -> Self {
        Self { idle: 64, idle_timeout: Duration::from_secs(60), max_requests: None }
    }
}

/// How long endpoints may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// To connect, with the TLS handshake; default 5 s.
    pub connect: Duration,
    /// From the request's end to the head of the answer; default 60 s; `None`: no limit.
    pub head: Option<Duration>,
    /// Between two parts of the answer's body; default 60 s; `None`: no limit.
    pub idle: Option<Duration>,
    /// For the whole request; default `None`: no limit.
    pub request: Option<Duration>,
    /// Without a byte either way on a connection that changed its protocol (WebSocket); default 1 h; `None`: no limit.
    pub tunnel_idle: Option<Duration>,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            head: Some(Duration::from_secs(60)),
            idle: Some(Duration::from_secs(60)),
            request: None,
            tunnel_idle: Some(Duration::from_secs(3600)),
        }
    }
}

/// TLS to endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The server name that is sent and verified; `None`: the endpoint's host.
    pub sni: Option<String>,
    /// A PEM file with the certificates that are trusted; `None`: those of the system.
    pub ca: Option<PathBuf>,
    /// The certificate shown to endpoints.
    pub client: Option<Certificate>,
    /// Whether certificates are verified; default true.
    pub verify: bool,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self { sni: None, ca: None, client: None, verify: true }
    }
}

/// How names are resolved, and how often: by their TTL, within these bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The name servers that are asked; empty: those of the system, and its hosts file.
    pub servers: Vec<SocketAddr>,
    /// Not more often; default 1 s.
    pub min: Duration,
    /// Not less often; default 5 min.
    pub max: Duration,
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: Vec::new(), min: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}
