//! What is counted about each listener, route, upstream and endpoint, and about the gateway as a whole.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use yumen_core::{Side, Version};

use crate::metric::{Block, Carver, Counter, Gauge, HISTOGRAM_CELLS, Histogram, Level};

/// One counter per class of status code.
pub struct ByClass([Counter; 6]);

impl ByClass {
    /// The classes as the label `class` shows them; `none` means that no status was sent or received.
    pub const CLASSES: [&'static str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

    fn carve(carver: &mut Carver) -> Self {
        Self(std::array::from_fn(|_| carver.counter()))
    }

    /// Counts one answer with this status; 0 means that there was none.
    #[inline]
    pub fn inc(&self, shard: usize, status: u16) {
        let class = usize::from(status / 100);
        self.0[if class < 6 { class } else { 0 }].inc(shard);
    }

    /// The sums, in the order of [`Self::CLASSES`].
    pub fn values(&self) -> [u64; 6] {
        std::array::from_fn(|i| self.0[i].value())
    }
}

/// One counter per version of HTTP.
pub struct ByVersion([Counter; 4]);

impl ByVersion {
    /// The versions as the label `version` shows them.
    pub const VERSIONS: [&'static str; 4] = ["1.0", "1.1", "2", "3"];

    fn carve(carver: &mut Carver) -> Self {
        Self(std::array::from_fn(|_| carver.counter()))
    }

    /// Counts one request.
    #[inline]
    pub fn inc(&self, shard: usize, version: Version) {
        let at = match version {
            Version::Http10 => 0,
            Version::Http11 => 1,
            Version::Http2 => 2,
            Version::Http3 => 3,
        };
        self.0[at].inc(shard);
    }

    /// The sums, in the order of [`Self::VERSIONS`].
    pub fn values(&self) -> [u64; 4] {
        std::array::from_fn(|i| self.0[i].value())
    }
}

/// One counter per side that may be at fault.
pub struct BySide([Counter; 3]);

impl BySide {
    /// The sides, in the order of [`Self::values`].
    pub const SIDES: [Side; 3] = [Side::Client, Side::Upstream, Side::Us];

    fn carve(carver: &mut Carver) -> Self {
        Self(std::array::from_fn(|_| carver.counter()))
    }

    /// Counts one failure.
    #[inline]
    pub fn inc(&self, shard: usize, side: Side) {
        let at = match side {
            Side::Client => 0,
            Side::Upstream => 1,
            Side::Us => 2,
        };
        self.0[at].inc(shard);
    }

    /// The sums, in the order of [`Self::SIDES`].
    pub fn values(&self) -> [u64; 3] {
        std::array::from_fn(|i| self.0[i].value())
    }
}

/// One counter per status code of gRPC. It takes no memory until the first call.
pub struct ByCode {
    shards: usize,
    counters: OnceLock<Box<[Counter]>>,
}

impl ByCode {
    /// The codes as the label `code` shows them, by number; the last one stands for all numbers without a name.
    pub const CODES: [&'static str; 18] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
        "other",
    ];

    fn new(shards: usize) -> Self {
        Self { shards, counters: OnceLock::new() }
    }

    /// The name of a code.
    pub fn name(code: u32) -> &'static str {
        Self::CODES[Self::at(code)]
    }

    fn at(code: u32) -> usize {
        usize::try_from(code).unwrap_or(usize::MAX).min(Self::CODES.len() - 1)
    }

    /// Counts one call.
    pub fn inc(&self, shard: usize, code: u32) {
        let counters = self.counters.get_or_init(|| {
            let mut c = Carver::new(self.shards, Self::CODES.len());
            (0..Self::CODES.len()).map(|_| c.counter()).collect()
        });
        counters[Self::at(code)].inc(shard);
    }

    /// The sums of the codes that were met, by name.
    pub fn values(&self) -> Vec<(&'static str, u64)> {
        let counters = self.counters.get().into_iter().flatten();
        let sums = Self::CODES.into_iter().zip(counters).map(|(code, counter)| (code, counter.value()));
        sums.filter(|(_, sum)| *sum > 0).collect()
    }
}

/// What is counted about a listener.
pub struct ListenerMetrics {
    /// Connections accepted; sessions begun on UDP listeners.
    pub accepted: Counter,
    /// Connections or sessions open now.
    pub active: Gauge,
    /// Connections closed at once, sessions not begun: a limit was reached, or the address is denied.
    pub refused: Counter,
    /// Connections closed for want of a good PROXY header, or because they came from elsewhere.
    pub proxy_failures: Counter,
    /// TLS handshakes with clients that failed.
    pub handshake_failures: Counter,
    /// Those of them that failed by the client's certificate.
    pub client_cert_failures: Counter,
    /// Requests by version.
    pub requests: ByVersion,
    /// Requests that came in early data.
    pub early: Counter,
    /// Streams of HTTP/2 whose work is not over.
    pub streams: Gauge,
    /// Streams that clients reset.
    pub resets_received: Counter,
    /// Streams that we reset.
    pub resets_sent: Counter,
    /// GOAWAY frames of clients.
    pub goaways_received: Counter,
    /// GOAWAY frames of ours.
    pub goaways_sent: Counter,
    /// Bytes received from clients: content of requests, everything on TCP and UDP listeners.
    pub bytes_in: Counter,
    /// Bytes sent to clients: content of answers, everything on TCP and UDP listeners.
    pub bytes_out: Counter,
    /// Datagrams received from clients.
    pub datagrams_in: Counter,
    /// Datagrams sent to clients.
    pub datagrams_out: Counter,
    /// Datagrams of either direction that went nowhere: no session may begin, or the system had no room for them.
    pub dropped: Counter,
    /// Sessions of datagrams that ended because nothing was sent for their idle time.
    pub expired: Counter,
    /// 1 where there are datagrams to be counted.
    pub is_udp: Level,
    pub(crate) block: Arc<Block>,
}

impl ListenerMetrics {
    pub(crate) fn new(shards: usize) -> Self {
        let mut c = Carver::new(shards, 8 + 4 + 6 + 4);
        Self {
            accepted: c.counter(),
            active: c.gauge(),
            refused: c.counter(),
            proxy_failures: c.counter(),
            handshake_failures: c.counter(),
            client_cert_failures: c.counter(),
            requests: ByVersion::carve(&mut c),
            early: c.counter(),
            streams: c.gauge(),
            resets_received: c.counter(),
            resets_sent: c.counter(),
            goaways_received: c.counter(),
            goaways_sent: c.counter(),
            bytes_in: c.counter(),
            bytes_out: c.counter(),
            datagrams_in: c.counter(),
            datagrams_out: c.counter(),
            dropped: c.counter(),
            expired: c.counter(),
            is_udp: Level::default(),
            block: c.block(),
        }
    }
}

/// What is counted about a route.
pub struct RouteMetrics {
    /// Requests by the class of the status sent to the client.
    pub requests: ByClass,
    /// Requests that did not end as meant, by the side at fault.
    pub failed: BySide,
    /// From the first byte of a request to the last byte of its answer.
    pub duration: Histogram,
    /// Bytes of content received from clients.
    pub bytes_in: Counter,
    /// Bytes of content sent to clients.
    pub bytes_out: Counter,
    /// gRPC calls by the status the client was told.
    pub calls: ByCode,
    pub(crate) block: Arc<Block>,
}

impl RouteMetrics {
    pub(crate) fn new(shards: usize) -> Self {
        let mut c = Carver::new(shards, 6 + 3 + HISTOGRAM_CELLS + 2);
        Self {
            requests: ByClass::carve(&mut c),
            failed: BySide::carve(&mut c),
            duration: c.histogram(),
            bytes_in: c.counter(),
            bytes_out: c.counter(),
            calls: ByCode::new(shards),
            block: c.block(),
        }
    }
}

/// What is counted about an upstream.
pub struct UpstreamMetrics {
    /// Requests sent to its endpoints by the class of the status they answered; each attempt counts.
    pub requests: ByClass,
    /// Requests sent by version; each attempt counts.
    pub versions: ByVersion,
    /// Streams of HTTP/2 that are open now.
    pub streams: Gauge,
    /// Streams that endpoints reset.
    pub resets_received: Counter,
    /// Streams that we gave up.
    pub resets_sent: Counter,
    /// Connections on which endpoints said GOAWAY.
    pub goaways: Counter,
    /// From the first byte sent until the head of the answer.
    pub duration: Histogram,
    /// Connections made.
    pub connects: Counter,
    /// Connections that could not be made.
    pub connect_failures: Counter,
    /// Requests sent on a connection that had been used before.
    pub reused: Counter,
    /// Requests sent once more.
    pub retries: Counter,
    /// Connections carrying a request or a stream now.
    pub active: Gauge,
    /// Connections waiting in the pools now.
    pub idle: Gauge,
    /// gRPC calls sent to its endpoints by the status the client was told.
    pub calls: ByCode,
    pub(crate) block: Arc<Block>,
}

impl UpstreamMetrics {
    pub(crate) fn new(shards: usize) -> Self {
        let mut c = Carver::new(shards, 6 + 4 + 4 + HISTOGRAM_CELLS + 6);
        Self {
            requests: ByClass::carve(&mut c),
            versions: ByVersion::carve(&mut c),
            streams: c.gauge(),
            resets_received: c.counter(),
            resets_sent: c.counter(),
            goaways: c.counter(),
            duration: c.histogram(),
            connects: c.counter(),
            connect_failures: c.counter(),
            reused: c.counter(),
            retries: c.counter(),
            active: c.gauge(),
            idle: c.gauge(),
            calls: ByCode::new(shards),
            block: c.block(),
        }
    }
}

/// What is counted about an endpoint.
pub struct EndpointMetrics {
    /// 1 while it may be sent new traffic, 0 while it may not.
    pub healthy: Level,
    /// Its weight in balancing.
    pub weight: Level,
    /// Requests or streams sent to it.
    pub requests: Counter,
    /// Those that failed through its fault.
    pub failures: Counter,
    /// Connections closed because bytes came on them that belong to no request.
    pub unasked: Counter,
    /// Requests or streams it is working on now.
    pub active: Gauge,
    pub(crate) block: Arc<Block>,
}

impl EndpointMetrics {
    pub(crate) fn new(shards: usize) -> Self {
        let mut c = Carver::new(shards, 4);
        Self {
            healthy: Level::default(),
            weight: Level::default(),
            requests: c.counter(),
            failures: c.counter(),
            unasked: c.counter(),
            active: c.gauge(),
            block: c.block(),
        }
    }
}

/// What is counted about the gateway as a whole.
pub struct GatewayMetrics {
    /// The generation of the configuration in force.
    pub config_generation: Level,
    /// Configurations put in force.
    pub reload_success: Counter,
    /// Configurations refused.
    pub reload_failure: Counter,
    /// When a configuration was last put in force: seconds since 1970, UTC.
    pub last_reload_success: Level,
    /// Tasks of workers that ended by a panic. Each is a defect.
    pub worker_panics: Counter,
}

impl GatewayMetrics {
    pub(crate) fn new(shards: usize) -> Self {
        let mut c = Carver::new(shards, 3);
        Self {
            config_generation: Level::default(),
            reload_success: c.counter(),
            reload_failure: c.counter(),
            last_reload_success: Level::default(),
            worker_panics: c.counter(),
        }
    }
}

/// What the operating system tells about this process and its host, asked at every scrape. What it does not tell is
/// `None` and left out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProcessFacts {
    /// Resident memory in bytes.
    pub rss: Option<u64>,
    /// Processor time spent in user mode, in seconds.
    pub cpu_seconds_user: Option<f64>,
    /// Processor time spent in the kernel, in seconds.
    pub cpu_seconds_system: Option<f64>,
    /// Open file descriptors; handles on Windows.
    pub fds: Option<u64>,
    /// How many file descriptors may be open.
    pub fds_limit: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// When the process began: seconds since 1970, UTC.
    pub start_time_seconds: Option<f64>,
    /// Time the host's processors worked, all together, in seconds.
    pub host_cpu_seconds_busy: Option<f64>,
    /// Time the host's processors were idle, waiting for disks included, in seconds.
    pub host_cpu_seconds_idle: Option<f64>,
    /// Memory of the host in bytes.
    pub host_memory_total: Option<u64>,
    /// Memory of the host that could be had without swapping, in bytes.
    pub host_memory_available: Option<u64>,
}

/// A count kept elsewhere (the access log) and shown with the metrics.
pub(crate) type SharedCount = Arc<AtomicU64>;
