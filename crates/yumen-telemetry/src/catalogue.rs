//! Every metric family, declared once. The page `docs/guide/metrics.md` is written from here.

/// What kind of series a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; begins again at 0 when the process begins.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Cumulative buckets, a sum and a count.
    Histogram,
}

impl Kind {
    /// The word of the Prometheus text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name, with its unit and, for a counter, `_total`.
    pub name: &'static str,
    /// The kind.
    pub kind: Kind,
    /// The labels, in the order they are written.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

macro_rules! families {
    ($($id:ident = $name:literal $kind:ident [$($label:literal)*] $help:literal;)*) => {
        $(#[doc = $help]
        pub const $id: Family = Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*

        /// Every family, in the order it is rendered.
        pub const FAMILIES: &[Family] = &[$($id),*];
    };
}

families! {
    BUILD_INFO = "yumen_build_info" Gauge ["version" "os" "arch"]
        "Always 1; the labels say what runs.";
    CONFIG_GENERATION = "yumen_config_generation" Gauge []
        "Generation of the configuration in force.";
    CONFIG_RELOADS = "yumen_config_reload_total" Counter ["result"]
        "Configurations loaded, by result: success or failure.";
    CONFIG_LAST_SUCCESS = "yumen_config_last_reload_success_timestamp_seconds" Gauge []
        "When a configuration was last put in force, in seconds since 1970.";
    ACCESS_LOG_DROPPED = "yumen_access_log_dropped_total" Counter []
        "Access log lines lost because the disk or the reader of standard output was too slow or failed.";
    DUTY_FAILING = "yumen_duty_failing" Gauge ["kind" "name"]
        "1 while something that the gateway does beside traffic fails, such as the renewal of a certificate.";
    DUTY_LAST_SUCCESS = "yumen_duty_last_success_timestamp_seconds" Gauge ["kind" "name"]
        "When it was last done, in seconds since 1970; not there before the first time.";
    LOG_OUTPUT_SENT = "yumen_log_output_sent_lines_total" Counter ["name"]
        "Lines of the access log that a service has taken.";
    LOG_OUTPUT_SENT_BYTES = "yumen_log_output_sent_bytes_total" Counter ["name"]
        "What these lines came to, before it was compressed.";
    LOG_OUTPUT_DROPPED = "yumen_log_output_dropped_lines_total" Counter ["name"]
        "Lines that will never be sent: the queue or the spill was full, the disk failed, or the service refused them.";
    LOG_OUTPUT_SPILLED = "yumen_log_output_spilled_bytes" Gauge ["name"]
        "What waits on the disk until the service is there again.";
    METRIC_OUTPUT_SENT = "yumen_metric_output_sent_samples_total" Counter ["name"]
        "Samples of this page that a receiver has taken.";
    METRIC_OUTPUT_SENT_BYTES = "yumen_metric_output_sent_bytes_total" Counter ["name"]
        "What these samples came to, after they were compressed.";
    METRIC_OUTPUT_DROPPED = "yumen_metric_output_dropped_samples_total" Counter ["name"]
        "Samples that will never be sent: too many waited, or the receiver refused them.";
    WORKER_PANICS = "yumen_worker_panics_total" Counter []
        "Tasks of workers that ended by a panic; each is a defect worth a report.";
    WORKER_CONNECTIONS = "yumen_worker_connections" Gauge ["worker"]
        "Client connections that a worker serves now; they should be spread evenly.";

    LISTENER_ACCEPTED = "yumen_listener_connections_total" Counter ["listener"]
        "Connections accepted; sessions begun on UDP listeners.";
    LISTENER_ACTIVE = "yumen_listener_active_connections" Gauge ["listener"]
        "Connections open now; sessions on UDP listeners.";
    LISTENER_REFUSED = "yumen_listener_refused_connections_total" Counter ["listener"]
        "Connections closed at once, and datagrams that could not begin a session: a limit was reached or the address is denied.";
    LISTENER_PROXY_FAILURES = "yumen_listener_proxy_header_failures_total" Counter ["listener"]
        "Connections closed because no good PROXY header came in time, or they came from elsewhere than the proxies named.";
    LISTENER_HANDSHAKE_FAILURES = "yumen_listener_handshake_failures_total" Counter ["listener"]
        "TLS handshakes with clients that failed.";
    LISTENER_CLIENT_CERT_FAILURES = "yumen_listener_client_certificate_failures_total" Counter ["listener"]
        "TLS handshakes with clients that failed by the client's certificate: missing, untrusted, expired or revoked.";
    LISTENER_REQUESTS = "yumen_listener_requests_total" Counter ["listener" "version"]
        "Requests by the version of HTTP they came in.";
    LISTENER_EARLY = "yumen_listener_early_data_requests_total" Counter ["listener"]
        "Requests that were answered from early data, before the handshake was complete.";
    LISTENER_STREAMS = "yumen_listener_http2_open_streams" Gauge ["listener"]
        "Requests over HTTP/2 that are worked on now.";
    LISTENER_RESETS = "yumen_listener_http2_resets_total" Counter ["listener" "by"]
        "Streams that were reset, by whom: client or us; counted when their connection ends.";
    LISTENER_GOAWAYS = "yumen_listener_http2_goaways_total" Counter ["listener" "by"]
        "GOAWAY frames, by whom: client or us; counted when their connection ends.";
    LISTENER_BYTES_IN = "yumen_listener_received_bytes_total" Counter ["listener"]
        "Bytes received from clients: content of requests, everything on TCP and UDP listeners.";
    LISTENER_BYTES_OUT = "yumen_listener_sent_bytes_total" Counter ["listener"]
        "Bytes sent to clients: content of answers, everything on TCP and UDP listeners.";
    LISTENER_DATAGRAMS_IN = "yumen_listener_received_datagrams_total" Counter ["listener"]
        "Datagrams received from clients, on UDP listeners.";
    LISTENER_DATAGRAMS_OUT = "yumen_listener_sent_datagrams_total" Counter ["listener"]
        "Datagrams sent to clients, on UDP listeners.";
    LISTENER_DATAGRAMS_DROPPED = "yumen_listener_dropped_datagrams_total" Counter ["listener"]
        "Datagrams of either direction that went nowhere, on UDP listeners: no session could begin, or the system had no room.";
    LISTENER_SESSIONS_EXPIRED = "yumen_listener_expired_sessions_total" Counter ["listener"]
        "Sessions of UDP listeners that ended because nothing was sent for their idle time.";

    ROUTE_REQUESTS = "yumen_route_requests_total" Counter ["route" "class"]
        "Requests by the class of the status sent to the client; none when nothing was sent.";
    ROUTE_FAILURES = "yumen_route_failures_total" Counter ["route" "side"]
        "Requests that did not end as meant, by the side at fault: client, upstream or us.";
    ROUTE_DURATION = "yumen_route_request_duration_seconds" Histogram ["route"]
        "From the first byte of a request to the last byte of its answer.";
    ROUTE_BYTES_IN = "yumen_route_received_bytes_total" Counter ["route"]
        "Bytes of content received from clients.";
    ROUTE_BYTES_OUT = "yumen_route_sent_bytes_total" Counter ["route"]
        "Bytes of content sent to clients.";
    ROUTE_CALLS = "yumen_route_grpc_calls_total" Counter ["route" "code"]
        "gRPC calls by the status code the client was told; codes that never occurred are left out.";

    UPSTREAM_REQUESTS = "yumen_upstream_requests_total" Counter ["upstream" "class"]
        "Requests sent to endpoints by the class of the status they answered; every attempt counts, none when nothing was answered.";
    UPSTREAM_VERSIONS = "yumen_upstream_version_requests_total" Counter ["upstream" "version"]
        "Requests sent to endpoints by the version of HTTP; every attempt counts.";
    UPSTREAM_STREAMS = "yumen_upstream_http2_open_streams" Gauge ["upstream"]
        "Requests over HTTP/2 that endpoints work on now.";
    UPSTREAM_RESETS = "yumen_upstream_http2_resets_total" Counter ["upstream" "by"]
        "Streams that were reset before their end, by whom: endpoint or us.";
    UPSTREAM_GOAWAYS = "yumen_upstream_http2_goaways_total" Counter ["upstream"]
        "Connections that endpoints said GOAWAY on.";
    UPSTREAM_DURATION = "yumen_upstream_head_duration_seconds" Histogram ["upstream"]
        "From the first byte sent to an endpoint until the head of its answer.";
    UPSTREAM_CONNECTS = "yumen_upstream_connects_total" Counter ["upstream"]
        "Connections made to endpoints.";
    UPSTREAM_CONNECT_FAILURES = "yumen_upstream_connect_failures_total" Counter ["upstream"]
        "Connections to endpoints that could not be made.";
    UPSTREAM_REUSED = "yumen_upstream_reused_connections_total" Counter ["upstream"]
        "Requests sent on a connection that had been used before.";
    UPSTREAM_RETRIES = "yumen_upstream_retries_total" Counter ["upstream"]
        "Requests sent once more.";
    UPSTREAM_ACTIVE = "yumen_upstream_active_connections" Gauge ["upstream"]
        "Connections to endpoints that carry a request or a stream now.";
    UPSTREAM_IDLE = "yumen_upstream_idle_connections" Gauge ["upstream"]
        "Connections to endpoints that wait in the pools now.";
    UPSTREAM_CALLS = "yumen_upstream_grpc_calls_total" Counter ["upstream" "code"]
        "gRPC calls sent to endpoints by the status code the client was told; codes that never occurred are left out.";

    ENDPOINT_HEALTHY = "yumen_endpoint_healthy" Gauge ["upstream" "endpoint"]
        "1 while the endpoint may be sent new traffic, 0 while it may not.";
    ENDPOINT_WEIGHT = "yumen_endpoint_weight" Gauge ["upstream" "endpoint"]
        "Weight of the endpoint in balancing.";
    ENDPOINT_REQUESTS = "yumen_endpoint_requests_total" Counter ["upstream" "endpoint"]
        "Requests or streams sent to the endpoint.";
    ENDPOINT_FAILURES = "yumen_endpoint_failures_total" Counter ["upstream" "endpoint"]
        "Requests or streams that failed through the endpoint's fault.";
    ENDPOINT_UNASKED = "yumen_endpoint_unasked_bytes_total" Counter ["upstream" "endpoint"]
        "Connections closed because the endpoint sent bytes on them that belong to no request: more than it announced, or an answer nobody asked for. Such a service can mix up the answers of different users.";
    ENDPOINT_ACTIVE = "yumen_endpoint_active_requests" Gauge ["upstream" "endpoint"]
        "Requests or streams the endpoint is working on now.";

    PROCESS_CPU = "yumen_process_cpu_seconds_total" Counter ["mode"]
        "Processor time of this process, by mode: user or system.";
    PROCESS_MEMORY = "yumen_process_resident_memory_bytes" Gauge []
        "Resident memory of this process.";
    PROCESS_FDS = "yumen_process_open_fds" Gauge []
        "Open file descriptors of this process; handles on Windows.";
    PROCESS_FDS_LIMIT = "yumen_process_max_fds" Gauge []
        "How many file descriptors this process may have open.";
    PROCESS_THREADS = "yumen_process_threads" Gauge []
        "Threads of this process.";
    PROCESS_START = "yumen_process_start_time_seconds" Gauge []
        "When this process began, in seconds since 1970.";
    HOST_CPU = "yumen_host_cpu_seconds_total" Counter ["mode"]
        "Processor time of the host, all processors together, by mode: busy or idle.";
    HOST_MEMORY_TOTAL = "yumen_host_memory_size_bytes" Gauge []
        "Memory of the host.";
    HOST_MEMORY_AVAILABLE = "yumen_host_memory_available_bytes" Gauge []
        "Memory of the host that could be had without swapping.";
}
