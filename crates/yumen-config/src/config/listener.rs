//! Listeners: where clients connect and what they may ask for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::{CertificateName, ClientAuth, HostPattern, ListenerName, UpstreamName};

/// A set of addresses and what is done with connections to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its name.
    pub name: ListenerName,
    /// The addresses it is bound to; never empty.
    pub bind: Vec<SocketAddr>,
    /// What clients speak.
    pub protocol: Protocol,
    /// The PROXY protocol, which then begins every connection; `None`: nobody is asked for it.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// TLS ended here; `None`: plain text.
    pub tls: Option<Tls>,
    /// What a client may send.
    pub limits: Limits,
    /// How long a client may take.
    pub timeouts: ListenerTimeouts,
    /// HTTP/2.
    pub http2: ListenerHttp2,
    /// HTTP/3, over UDP on the same addresses; `None`: not spoken. Only with `tls`.
    pub http3: Option<ListenerHttp3>,
    /// Forwarding fields: which are believed and which are sent on.
    pub forwarded: Forwarded,
    /// What is done with a request target in absolute form (RFC 9112 section 3.2.2).
    pub absolute_form: AbsoluteForm,
    /// The status of the answer when no route matches; default 404.
    pub default_status: u16,
    /// Where connections go when no `sni` entry matches, and where datagrams go; not for `http`.
    pub upstream: Option<UpstreamName>,
    /// Upstreams by the server name of the client's TLS hello; only for `tls_passthrough`.
    pub sni: Vec<(HostPattern, UpstreamName)>,
    /// Which client addresses may connect.
    pub access: Access,
    /// Sessions of datagrams; only for `udp`.
    pub udp: Udp,
    /// What made it when no file did: the accelerator by whose name routes mean all listeners it made.
    pub generated_by: Option<ListenerName>,
}

impl Listener {
    /// Whether a route with these listeners is for this one: by its own name, or by that of what made it.
    pub fn is_among(&self, names: &[ListenerName]) -> bool {
        names.contains(&self.name) || self.generated_by.as_ref().is_some_and(|by| names.contains(by))
    }

    /// Whether an address of this one can be an address of the other: ports of UDP and of TCP are not the same.
    pub(crate) fn shares_ports(&self, other: &Self) -> bool {
        // By UDP, and by TCP.
        let ways = |l: &Self| (l.protocol == Protocol::Udp || l.http3.is_some(), l.protocol != Protocol::Udp);
        let ((a, b), (c, d)) = (ways(self), ways(other));
        (a && c) || (b && d)
    }

    /// The address of this listener that both would be bound to; `None` when they can stand side by side. Port 0 is a new
    /// port each time.
    pub fn meets(&self, other: &Self) -> Option<SocketAddr> {
        let taken = |address: &&SocketAddr| address.port() != 0 && other.bind.iter().any(|o| overlap(*o, **address));
        self.bind.iter().find(taken).copied().filter(|_| self.shares_ports(other))
    }

    /// 404: nothing is here, RFC 9110 section 15.5.5.
    pub const DEFAULT_STATUS: u16 = 404;
}

/// Whether one socket would take the other's connections: the IPv6 wildcard is bound for IPv4 too.
pub(crate) fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    if a.port() != b.port() {
        return false;
    }
    let every = |x: SocketAddr, y: SocketAddr| x.ip().is_unspecified() && (x.is_ipv6() || y.is_ipv4());
    a.ip() == b.ip() || every(a, b) || every(b, a)
}

/// What clients of a listener speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP, routed by request.
    #[default]
    Http,
    /// Bytes, handed to one upstream.
    Tcp,
    /// TLS that is not ended here, handed on by server name.
    TlsPassthrough,
    /// Datagrams, handed to one upstream by sessions.
    Udp,
}

impl Protocol {
    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::TlsPassthrough => "tls_passthrough",
            Self::Udp => "udp",
        }
    }
}

/// The PROXY protocol in front of everything else on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// The proxies that speak it; others may not connect. Never empty.
    pub from: Vec<IpNet>,
    /// The time for a header; default 5 s.
    pub timeout: Duration,
    /// The versions taken; default both. Never empty.
    pub versions: Vec<ProxyVersion>,
}

impl ProxyProtocol {
    /// The default of `timeout`: a proxy sends its header with the connection, so that only lost packets delay it.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary, with more about the connection.
    V2,
}

impl ProxyVersion {
    /// As in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }
}

/// How sessions of datagrams end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Udp {
    /// Answers to each datagram, after which a session is over; 0: there are none, so silence is no fault; default
    /// `None`: unknown, sessions end by silence only.
    pub responses: Option<u32>,
}

/// TLS ended at a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Certificates; the one that fits the server name is used, the first one when none does. Never empty.
    pub certificates: Vec<Served>,
    /// The least version; default 1.2.
    pub min_version: TlsVersion,
    /// Protocols offered by ALPN, best first; default `h2` and `http/1.1` for `http`, none for `tcp`.
    pub alpn: Vec<String>,
    /// Which clients need a certificate; `None`: nobody is asked for one.
    pub clients: Option<ClientAuth>,
    /// Whether clients are shown what their authorities say about the certificates (OCSP stapling); default yes, where a
    /// certificate names who is asked.
    pub ocsp: bool,
}

/// A certificate of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// One in files.
    Files(Certificate),
    /// One that the gateway obtains; it may not be there yet.
    Obtained(CertificateName),
}

impl Served {
    /// Its files, if it has some.
    pub fn files(&self) -> Option<&Certificate> {
        match self {
            Self::Files(pair) => Some(pair),
            Self::Obtained(_) => None,
        }
    }
}

/// A certificate chain with its key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The chain, the end entity's certificate first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246.
    #[default]
    V12,
    /// TLS 1.3, RFC 8446.
    V13,
}

/// What a client may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request line; default 8 KiB. Beyond it: 414.
    pub request_line: usize,
    /// Bytes of the whole head; default 32 KiB. Beyond it: 431.
    pub head: usize,
    /// Header fields; default 100. Beyond it: 431.
    pub fields: usize,
    /// Bytes of a request body; `None`: no limit. Beyond it: 413.
    pub body: Option<u64>,
    /// Connections at a time; `None`: no limit.
    pub connections: Option<u32>,
    /// Requests on one connection, after which it is closed; `None`: no limit.
    pub requests_per_connection: Option<u32>,
    /// Sessions of datagrams at a time; default 65536.
    pub sessions: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line: 8 << 10,
            head: 32 << 10,
            fields: 100,
            body: None,
            connections: None,
            requests_per_connection: None,
            sessions: 65_536,
        }
    }
}

/// HTTP/2 of a listener. What a client may send is bounded by [`Limits`] too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerHttp2 {
    /// Whether it is spoken without TLS with clients that begin with it ("prior knowledge"); default false.
    pub cleartext: bool,
    /// Streams at a time on one connection; default 100.
    pub max_concurrent_streams: u32,
    /// Bytes of a request body that may be under way on one stream; default 256 KiB.
    pub initial_window: u32,
    /// Bytes of request bodies that may be under way on one connection; default 1 MiB.
    pub connection_window: u32,
    /// Bytes of a frame a client may send, 16 KiB to 16 MiB - 1; default 16 KiB.
    pub max_frame_size: u32,
    /// Bytes of a decoded head, 32 more for each field (RFC 9113 section 6.5.2); `None`: that of `limits.head`.
    pub max_header_list: Option<usize>,
    /// Bytes of an answer that wait for the client on one stream; default 64 KiB.
    pub send_buffer: usize,
}

impl ListenerHttp2 {
    /// Frames of these sizes may be allowed (RFC 9113 section 4.2).
    pub const FRAME_SIZES: std::ops::RangeInclusive<u64> = 1 << 14..=(1 << 24) - 1;
    /// Windows of these sizes are possible: the largest by RFC 9113 section 6.9.1, the smallest so that something passes.
    pub const WINDOWS: std::ops::RangeInclusive<u64> = 1024..=(1 << 31) - 1;
}

impl Default for ListenerHttp2 {
    fn default() -> Self {
        Self {
            cleartext: false,
            max_concurrent_streams: 100,
            initial_window: 256 << 10,
            connection_window: 1 << 20,
            max_frame_size: 16 << 10,
            max_header_list: None,
            send_buffer: 64 << 10,
        }
    }
}

/// HTTP/3 of a listener. What a client may send is bounded by [`Limits`] too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerHttp3 {
    /// Requests at a time on one connection; default 100.
    pub max_concurrent_streams: u32,
    /// Bytes of a request body that may be under way; default 256 KiB.
    pub initial_window: u32,
    /// Bytes of request bodies that may be under way on one connection; default 1 MiB.
    pub connection_window: u32,
    /// How long clients of the other versions may remember that HTTP/3 is spoken here (RFC 7838 section 3.1); `None`: they
    /// are not told; default 1 day.
    pub alt_svc: Option<Duration>,
    /// When a client has to prove its address before anything is done for it; default when many have not.
    pub retry: QuicRetry,
    /// Whether requests with a safe method may come in early data (RFC 8470); default no.
    pub early_data: bool,
}

impl Default for ListenerHttp3 {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 100,
            initial_window: 256 << 10,
            connection_window: 1 << 20,
            alt_svc: Some(Duration::from_secs(86_400)),
            retry: QuicRetry::default(),
            early_data: false,
        }
    }
}

/// When a client of QUIC has to prove its address first (RFC 9000 section 8.1.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QuicRetry {
    /// While many handshakes are under way.
    #[default]
    Auto,
    /// Always.
    Always,
}

/// How long a client may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTimeouts {
    /// The TLS handshake, or the client's hello for `tls_passthrough`; default 10 s.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head; default 15 s.
    pub head: Duration,
    /// Between requests; default 75 s. For `tcp` and `tls_passthrough` without any byte; default 1 h. For `udp` without
    /// any datagram of a session; default 60 s.
    pub idle: Duration,
    /// Between two parts of a request body; default 30 s.
    pub body_idle: Duration,
    /// While the client takes nothing of the answer; default 30 s.
    pub write_idle: Duration,
    /// The least rate of a request body in bytes per second, so that trickled ones end; default 100, 0: off.
    pub min_body_rate: u64,
}

impl ListenerTimeouts {
    /// The defaults of a protocol, which differ in `idle`.
    pub fn of(protocol: Protocol) -> Self {
        let idle = match protocol {
            Protocol::Http => 75,
            Protocol::Tcp | Protocol::TlsPassthrough => 3600,
            Protocol::Udp => 60,
        };
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(15),
            idle: Duration::from_secs(idle),
            body_idle: Duration::from_secs(30),
            write_idle: Duration::from_secs(30),
            min_body_rate: 100,
        }
    }
}

impl Default for ListenerTimeouts {
    fn default() -> Self {
        Self::of(Protocol::Http)
    }
}

/// Forwarding fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Sources whose forwarding fields are believed; everybody else's are replaced. Default: none.
    pub trust: Vec<IpNet>,
    /// Which fields endpoints get; default `x_forwarded`.
    pub emit: ForwardedEmit,
    /// The name put in `Via` (RFC 9110 section 7.6.3); default `yumen`; `None`: no `Via`.
    pub via: Option<String>,
}

impl Default for Forwarded {
    fn default() -> Self {
        Self { trust: Vec::new(), emit: ForwardedEmit::default(), via: Some("yumen".to_owned()) }
    }
}

/// Which forwarding fields endpoints get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedEmit {
    /// None; a client's are removed.
    Off,
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    #[default]
    XForwarded,
    /// `Forwarded`, RFC 7239.
    Forwarded,
    /// All of them.
    Both,
}

/// What is done with a request target in absolute form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AbsoluteForm {
    /// Taken when its host is that of `Host`, refused otherwise.
    #[default]
    SameHost,
    /// Refused.
    Refuse,
}

/// A filter by client address: refused when in `deny`, or when `allow` is not empty and it is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Who may; empty: everybody.
    pub allow: Vec<IpNet>,
    /// Who may not, even when in `allow`.
    pub deny: Vec<IpNet>,
}
