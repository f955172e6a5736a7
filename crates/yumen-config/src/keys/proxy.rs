//! Listeners, routes and upstreams.

use super::discover::DISCOVER;
use super::middleware::MIDDLEWARE;
use super::udp::{LISTENER_HTTP3, UDP};
use super::{Key, Kind, Table, key};

const NAME: Kind = Kind::Text;

/// The keys of a listener, after those in the brackets; templates of listeners have them too.
macro_rules! listener_keys {
    ($($first:expr),* $(,)?) => {
        &[
            $($first,)*
            key(
                "proxy_protocol",
                Kind::Section(&PROXY_PROTOCOL),
                "",
                "The PROXY protocol of a proxy in front, which then begins every connection.",
            ),
            key("tls", Kind::Section(&TLS), "", "TLS ended here."),
            key("limits", Kind::Section(&LIMITS), "", "What a client may send."),
            key("timeouts", Kind::Section(&LISTENER_TIMEOUTS), "", "How long a client may take."),
            key("http2", Kind::Section(&LISTENER_HTTP2), "", "HTTP/2 with clients; with TLS it is chosen by `tls.alpn`."),
            key(
                "http3",
                Kind::Either(&[Kind::Bool, Kind::Section(&LISTENER_HTTP3)]),
                "false",
                "HTTP/3 with clients, by UDP on the same addresses; needs `tls`.",
            ),
            key("forwarded", Kind::Section(&FORWARDED), "", "Forwarding fields."),
            key(
                "absolute_form",
                Kind::OneOf(&["allow", "refuse"]),
                "allow",
                "Request targets in absolute form: taken when the host is that of `Host`, or refused.",
            ),
            key("default_status", Kind::Number, "404", "The status when no route matches."),
            key("upstream", NAME, "", "For `tcp`, `tls_passthrough` and `udp`: where connections or datagrams go."),
            key("sni", Kind::Map(&NAME), "", "For `tls_passthrough`: upstreams by server name, `*.` for those below."),
            key("access", Kind::Section(&ACCESS), "", "Which client addresses may connect."),
            key("udp", Kind::Section(&UDP), "", "For `udp`: how sessions end."),
        ]
    };
}

pub(crate) static LISTENER: Table = Table {
    name: "listener",
    doc: "Where clients connect.",
    keys: listener_keys![
        key("bind", Kind::List(&Kind::Address), "required", "Addresses; `:8080` is every address, IPv6 and IPv4."),
        key("protocol", Kind::OneOf(PROTOCOLS), "http", "What clients speak."),
    ],
};

const PROTOCOLS: &[&str] = &["http", "tcp", "tls_passthrough", "udp"];

pub(crate) static LISTENER_TEMPLATE: Table = Table {
    name: "accelerator listener",
    doc: "What listeners are made of; addresses and ports come from the accelerator.",
    keys: listener_keys![key(
        "protocol",
        Kind::OneOf(PROTOCOLS),
        "by the accelerator's",
        "What is spoken: under `tcp` also `http` or `tls_passthrough`, since the accelerator hands bytes on as they are.",
    )],
};

pub(crate) static PROXY_PROTOCOL: Table = Table {
    name: "listener proxy_protocol",
    doc: "The PROXY protocol of a proxy in front: every connection begins with a header that names the client.",
    keys: &[
        key("from", Kind::List(&Kind::Network), "required", "The proxies; connections from elsewhere are refused."),
        key("timeout", Kind::Duration, "5s", "The time for a header."),
        key("versions", Kind::List(&Kind::OneOf(PROXY_VERSIONS)), "[v1, v2]", "The versions taken."),
    ],
};

pub(crate) static PROXY_VERSIONS: &[&str] = &["v1", "v2"];

pub(crate) static TLS: Table = Table {
    name: "listener tls",
    doc: "TLS ended at a listener.",
    keys: &[
        key(
            "certificates",
            Kind::List(&Kind::Section(&CERTIFICATE)),
            "required",
            "Chosen by server name; the first when none fits.",
        ),
        key("min_version", Kind::OneOf(&["1.2", "1.3"]), "1.2", "The least version."),
        key("alpn", Kind::List(&Kind::Text), "[h2, http/1.1]", "Protocols offered, best first; none for `tcp`."),
        key("client_auth", Kind::Section(&CLIENT_AUTH), "", "Which clients need a certificate."),
        key(
            "ocsp",
            Kind::OneOf(&["on", "off"]),
            "on",
            "Whether the answer of a certificate's authority about its status is shown to clients (OCSP stapling), where the \
             certificate names who is asked.",
        ),
    ],
};

pub(crate) static CLIENT_AUTH: Table = Table {
    name: "listener tls client_auth",
    doc: "Which clients need a certificate; the policy for server names that `hosts` does not list.",
    keys: &[
        MODE,
        CA,
        CRL,
        EXPIRED_CRL,
        key(
            "hosts",
            Kind::Map(&Kind::Section(&CLIENT_POLICY)),
            "",
            "Other policies by server name, `*.` for those below. A request for a host of another policy gets 421.",
        ),
        key(
            "forward",
            Kind::Bool,
            "false",
            "Tells endpoints the certificate by `Client-Cert` and `Client-Cert-Chain`, RFC 9440.",
        ),
    ],
};

pub(crate) static CLIENT_POLICY: Table = Table {
    name: "client_auth host",
    doc: "Whose certificates are taken for a server name.",
    keys: &[MODE, CA, CRL, EXPIRED_CRL],
};

const MODE: Key = key(
    "mode",
    Kind::OneOf(&["required", "optional", "off"]),
    "required where `ca` is",
    "Whether clients must show a certificate, may, or are not asked. One that is shown must be good.",
);
const CA: Key = key("ca", Kind::List(&Kind::Path), "", "PEM files with the authorities that issue to clients.");
const CRL: Key = key(
    "crl",
    Kind::List(&Kind::Path),
    "",
    "PEM files with lists of revoked certificates, one for each authority below and including the root.",
);
const EXPIRED_CRL: Key = key(
    "expired_crl",
    Kind::OneOf(&["refuse", "accept"]),
    "refuse",
    "What becomes of clients whose authority's list is overdue.",
);

pub(crate) static CERTIFICATE: Table = Table {
    name: "listener tls certificate",
    doc: "A certificate and its key in PEM files, or one that the gateway obtains.",
    keys: &[
        key("cert", Kind::Path, "", "The chain, the end entity's certificate first; goes with `key`."),
        key("key", Kind::Path, "", "The private key."),
        key(
            "name",
            Kind::Text,
            "",
            "One of `certificates`, instead of files. It need not be there yet: until then clients that ask for its names \
             are refused.",
        ),
    ],
};

pub(crate) static LIMITS: Table = Table {
    name: "listener limits",
    doc: "What a client may send.",
    keys: &[
        key("request_line", Kind::Size, "8KiB", "The request line; beyond it 414."),
        key("head", Kind::Size, "32KiB", "The whole head; beyond it 431."),
        key("fields", Kind::Number, "100", "Header fields; beyond it 431."),
        key("body", Kind::OrOff(&Kind::Size), "off", "A request body; beyond it 413."),
        key("connections", Kind::OrOff(&Kind::Number), "off", "Connections at a time."),
        key(
            "requests_per_connection",
            Kind::OrOff(&Kind::Number),
            "off",
            "Requests on one connection, after which it is closed.",
        ),
        key(
            "sessions",
            Kind::Number,
            "65536",
            "For `udp`: sessions at a time; each takes a socket. Beyond it one that was never answered gives way, and \
             without one a new client is refused.",
        ),
    ],
};

pub(crate) static LISTENER_TIMEOUTS: Table = Table {
    name: "listener timeouts",
    doc: "How long a client may take.",
    keys: &[
        key("handshake", Kind::Duration, "10s", "The TLS handshake."),
        key("head", Kind::Duration, "15s", "From the first byte of a request to the end of its head."),
        key(
            "idle",
            Kind::Duration,
            "75s",
            "Between requests; `1h` for `tcp` and `tls_passthrough`, where it is the time without any byte; `60s` for \
             `udp`, where it is the time without any datagram of a session.",
        ),
        key("body_idle", Kind::Duration, "30s", "Between two parts of a request body."),
        key("write_idle", Kind::Duration, "30s", "While the client takes nothing of the answer."),
        key("min_body_rate", Kind::OrOff(&Kind::Rate), "100B/s", "The least rate of a request body."),
    ],
};

pub(crate) static LISTENER_HTTP2: Table = Table {
    name: "listener http2",
    doc: "HTTP/2 with clients.",
    keys: &[
        key(
            "cleartext",
            Kind::Bool,
            "false",
            "Without TLS, with clients that begin with it (prior knowledge); others get HTTP/1.1.",
        ),
        key("max_concurrent_streams", Kind::Number, "100", "Requests at a time on one connection."),
        key("initial_window", Kind::Size, "256KiB", "Request body under way on one stream."),
        key("connection_window", Kind::Size, "1MiB", "Request bodies under way on one connection."),
        key("max_frame_size", Kind::Size, "16KiB", "A frame of a client, at least 16KiB."),
        key(
            "max_header_list",
            Kind::Size,
            "that of `limits.head`",
            "A decoded head, counted with 32 bytes more for each field; beyond it 431.",
        ),
        key("send_buffer", Kind::Size, "64KiB", "Answer that waits for the client on one stream."),
    ],
};

pub(crate) static FORWARDED: Table = Table {
    name: "listener forwarded",
    doc: "Forwarding fields.",
    keys: &[
        key("trust", Kind::List(&Kind::Network), "", "Sources whose forwarding fields are believed."),
        key(
            "emit",
            Kind::OneOf(&["off", "x_forwarded", "forwarded", "both"]),
            "x_forwarded",
            "Which fields endpoints get.",
        ),
        key("via", Kind::OrOff(&Kind::Text), "yumen", "The name in `Via`."),
    ],
};

pub(crate) static ACCESS: Table = Table {
    name: "access",
    doc: "A filter by client address.",
    keys: &[
        key("allow", Kind::List(&Kind::Network), "", "Who may; everybody when empty."),
        key("deny", Kind::List(&Kind::Network), "", "Who may not, even when allowed."),
    ],
};

pub(crate) static ROUTE: Table = Table {
    name: "route",
    doc: "Which requests go where. The most specific route takes a request: by its host (exact, then `*.` with the longest \
          name, then `*`), then by its path (exact, then `template`, compared segment by segment with text before `{name}` \
          before `{name...}`, then `regex`, then `prefix`, the longest first), then by the number of its conditions. \
          Expressions with as many conditions are tried in the order of the file; any other tie is refused.",
    keys: &[
        key("listeners", Kind::List(&NAME), "every http listener", "The listeners it applies to."),
        key("hosts", Kind::List(&Kind::Host), "*", "The hosts: exact, `*.` for those below, `*` for all."),
        key("match", Kind::Section(&MATCH), "", "Further conditions; all must hold."),
        key(
            "middlewares",
            Kind::List(&Kind::Either(&[Kind::Text, Kind::Section(&MIDDLEWARE)])),
            "",
            "Names, or middlewares written in place; outermost first.",
        ),
        key("upstream", NAME, "", "Where requests go; needed unless a middleware answers."),
        key(
            "upstream_protocol",
            Kind::OneOf(UPSTREAM_PROTOCOLS),
            "that of the upstream",
            "What is spoken to endpoints for this route.",
        ),
        key("timeouts", Kind::Section(&ROUTE_TIMEOUTS), "", "Limits that replace those of the upstream."),
        key("retry", Kind::Section(&RETRY), "", "What is tried again."),
        key("grpc", Kind::Section(&ROUTE_GRPC), "", "What holds for gRPC calls."),
    ],
};

pub(crate) static ROUTE_GRPC: Table = Table {
    name: "route grpc",
    doc: "What holds for the gRPC calls of a route, gRPC-Web included.",
    keys: &[key(
        "max_timeout",
        Kind::Duration,
        "",
        "The longest deadline: a call that asks for more, or for none, gets this one.",
    )],
};

pub(crate) static RETRY: Table = Table {
    name: "route retry",
    doc: "What of a route is tried again.",
    keys: &[key(
        "idle_race",
        Kind::Bool,
        "true",
        "A repeatable request whose pooled connection was closed under it, once.",
    )],
};

pub(crate) static MATCH: Table = Table {
    name: "route match",
    doc: "Conditions of a route.",
    keys: &[
        key(
            "path",
            Kind::Either(&[Kind::Text, Kind::Section(&PATH)]),
            "{prefix: /}",
            "The path, exactly; or one of the patterns.",
        ),
        key("methods", Kind::List(&Kind::Text), "", "Methods; all when empty."),
        key("headers", Kind::Map(&Kind::Either(&[Kind::Text, Kind::Section(&FIELD)])), "", "Header fields by name."),
        key("query", Kind::Map(&Kind::Either(&[Kind::Text, Kind::Section(&FIELD)])), "", "Query parameters by name."),
        key("source", Kind::List(&Kind::Network), "", "Client addresses."),
        key("client_cert", Kind::Section(&CLIENT_CERT), "", "The client's certificate."),
    ],
};

pub(crate) static CLIENT_CERT: Table = Table {
    name: "route match client_cert",
    doc: "Conditions on the client's certificate, which `tls.client_auth` of the listener asks for; of each key one value \
          must fit.",
    keys: &[
        key("present", Kind::Bool, "", "Whether there is one; `true` unless given."),
        key("subject", Kind::List(&Kind::Text), "", "Subjects as RFC 4514 writes them: `CN=ann,O=Example`."),
        key("issuer", Kind::List(&Kind::Text), "", "Issuers, written alike."),
        key("san", Kind::List(&Kind::Text), "", "Alternative names: hosts, URIs, addresses of mail, IP addresses."),
        key("fingerprint", Kind::List(&Kind::Text), "", "SHA-256 of certificates in hexadecimal."),
        key("serial", Kind::List(&Kind::Text), "", "Serial numbers in hexadecimal."),
    ],
};

pub(crate) static PATH: Table = Table {
    name: "route match path",
    doc: "A pattern for a path; exactly one of these.",
    keys: &[
        key("exact", Kind::Text, "", "This path."),
        key(
            "prefix",
            Kind::Text,
            "",
            "This path and all below it, by whole segments; `/` takes everything, `OPTIONS *` included.",
        ),
        key("template", Kind::Text, "", "Segments, `{name}` for any one, a last `{name...}` for the rest."),
        key("regex", Kind::Regex, "", "A regular expression; it matches anywhere unless it is anchored."),
    ],
};

pub(crate) static FIELD: Table = Table {
    name: "route match field",
    doc: "A condition on a header field or query parameter; exactly one of these.",
    keys: &[
        key("equals", Kind::Text, "", "A value is this."),
        key("regex", Kind::Regex, "", "A value matches, anywhere unless it is anchored."),
        key("present", Kind::Bool, "", "It is there."),
        key("absent", Kind::Bool, "", "It is not there."),
    ],
};

pub(crate) static ROUTE_TIMEOUTS: Table = Table {
    name: "route timeouts",
    doc: "Limits of time that replace those of the upstream.",
    keys: &[
        key("connect", Kind::Duration, "", "To connect to an endpoint."),
        key("head", Kind::Duration, "", "To the head of the answer."),
        key("idle", Kind::Duration, "", "Between two parts of the answer's body."),
        key("request", Kind::Duration, "", "For the whole request."),
        key("tunnel_idle", Kind::Duration, "", "Without a byte either way on a connection that changed its protocol."),
    ],
};

pub(crate) static UPSTREAM: Table = Table {
    name: "upstream",
    doc: "A set of endpoints that do the same work.",
    keys: &[
        key(
            "endpoints",
            Kind::List(&Kind::Either(&[Kind::Text, Kind::Section(&ENDPOINT)])),
            "required without `discover`",
            "`host:port`, `http://host[:port]` or `https://host[:port]`.",
        ),
        key("discover", Kind::Section(&DISCOVER), "", "Where further endpoints are found."),
        key("balance", Kind::OneOf(BALANCES), "round_robin", "How one is chosen."),
        key("health", Kind::OrOff(&Kind::Section(&HEALTH)), "off", "Active checks."),
        key("panic_threshold", Kind::Percent, "50%", "When less than this is healthy, all endpoints are used."),
        key("pool", Kind::Section(&POOL), "", "Connections kept for later requests."),
        key("timeouts", Kind::Section(&UPSTREAM_TIMEOUTS), "", "How long endpoints may take."),
        key(
            "proxy_protocol",
            Kind::OrOff(&Kind::OneOf(PROXY_VERSIONS)),
            "off",
            "Begins each connection with a PROXY header that names the client; connections are then not kept.",
        ),
        key("tls", Kind::Section(&UPSTREAM_TLS), "", "TLS to `https://` endpoints."),
        key(
            "protocol",
            Kind::OneOf(UPSTREAM_PROTOCOLS),
            "auto",
            "What is spoken to endpoints. `auto`: with TLS what they choose by ALPN, else HTTP/1.1; `http2`: over TLS; \
             `h2c`: HTTP/2 without TLS.",
        ),
        key("http2", Kind::Section(&UPSTREAM_HTTP2), "", "HTTP/2 to endpoints."),
        key("dns", Kind::Section(&DNS), "", "How names are resolved."),
        key(
            "max_connections",
            Kind::OrOff(&Kind::Number),
            "off",
            "Requests and streams in flight at a time, over all endpoints; beyond it 503.",
        ),
    ],
};

pub(crate) static UPSTREAM_PROTOCOLS: &[&str] = &["auto", "http1", "http2", "h2c"];

pub(crate) static UPSTREAM_HTTP2: Table = Table {
    name: "upstream http2",
    doc: "HTTP/2 to endpoints.",
    keys: &[
        key(
            "max_concurrent_streams",
            Kind::Number,
            "100",
            "Requests at a time on one connection, if the endpoint allows as many; further ones open further connections.",
        ),
        key("initial_window", Kind::Size, "256KiB", "Answer under way on one stream."),
        key("connection_window", Kind::Size, "1MiB", "Answers under way on one connection."),
        key(
            "ping",
            Kind::OrOff(&Kind::Duration),
            "30s",
            "How often a connection that carries requests is asked whether it lives.",
        ),
        key("ping_timeout", Kind::Duration, "10s", "How long that answer may take."),
    ],
};

pub(crate) static BALANCES: &[&str] =
    &["round_robin", "weighted_round_robin", "least_connections", "p2c_ewma", "ip_hash"];

pub(crate) static ENDPOINT: Table = Table {
    name: "endpoint",
    doc: "One server.",
    keys: &[
        key("address", Kind::Text, "required", "As in the short form."),
        key("weight", Kind::Number, "1", "Its share, 0 to 65535; 0: it gets nothing."),
    ],
};

pub(crate) static HEALTH: Table = Table {
    name: "upstream health",
    doc: "Active checks; one of `http`, `grpc` and `tcp`.",
    keys: &[
        key("http", Kind::Section(&HEALTH_HTTP), "", "A GET request."),
        key(
            "grpc",
            Kind::Section(&HEALTH_GRPC),
            "",
            "A call of `grpc.health.v1.Health/Check`; `grpc: {}` for the server as a whole.",
        ),
        key("tcp", Kind::Section(&HEALTH_TCP), "", "A connection: `tcp: {}`."),
        key("interval", Kind::Duration, "5s", "Time between checks."),
        key("timeout", Kind::Duration, "2s", "Time for one check."),
        key("rise", Kind::Number, "2", "Good checks in a row that make an endpoint healthy."),
        key("fall", Kind::Number, "3", "Bad checks in a row that make it unhealthy."),
        key("jitter", Kind::Percent, "10%", "How much the interval varies."),
    ],
};

pub(crate) static HEALTH_HTTP: Table = Table {
    name: "upstream health http",
    doc: "A check by GET request.",
    keys: &[
        key("path", Kind::Text, "/health", "The path."),
        key("expect", Kind::List(&Kind::Text), "200-399", "Status codes or ranges that are good."),
        key("host", Kind::Text, "that of the endpoint", "The `Host`."),
    ],
};

pub(crate) static HEALTH_GRPC: Table = Table {
    name: "upstream health grpc",
    doc: "A check by a gRPC call; `SERVING` is good.",
    keys: &[
        key("service", Kind::Text, "", "The service that is asked for; empty: the server as a whole."),
        key("host", Kind::Text, "that of the endpoint", "The `:authority`."),
    ],
};

pub(crate) static HEALTH_TCP: Table = Table { name: "upstream health tcp", doc: "A check by connection.", keys: &[] };

pub(crate) static POOL: Table = Table {
    name: "upstream pool",
    doc: "Connections kept for later requests, for each endpoint and worker.",
    keys: &[
        key("idle", Kind::Number, "64", "How many; 0: none."),
        key("idle_timeout", Kind::Duration, "60s", "How long."),
        key("max_requests", Kind::OrOff(&Kind::Number), "off", "Requests on one, after which it is closed."),
    ],
};

pub(crate) static UPSTREAM_TIMEOUTS: Table = Table {
    name: "upstream timeouts",
    doc: "How long endpoints may take.",
    keys: &[
        key("connect", Kind::Duration, "5s", "To connect, with the TLS handshake."),
        key("head", Kind::OrOff(&Kind::Duration), "60s", "From the request's end to the head of the answer."),
        key("idle", Kind::OrOff(&Kind::Duration), "60s", "Between two parts of the answer's body."),
        key("request", Kind::OrOff(&Kind::Duration), "off", "For the whole request."),
        key(
            "tunnel_idle",
            Kind::OrOff(&Kind::Duration),
            "1h",
            "Without a byte either way on a connection that changed its protocol (WebSocket).",
        ),
    ],
};

pub(crate) static UPSTREAM_TLS: Table = Table {
    name: "upstream tls",
    doc: "TLS to endpoints.",
    keys: &[
        key("sni", Kind::Text, "the endpoint's host", "The server name that is sent and verified."),
        key("ca", Kind::Path, "those of the system", "A PEM file with the certificates that are trusted."),
        key("cert", Kind::Path, "", "The certificate shown to endpoints."),
        key("key", Kind::Path, "", "Its private key."),
        key("verify", Kind::Bool, "true", "Whether certificates are verified."),
    ],
};

pub(crate) static DNS: Table = Table {
    name: "upstream dns",
    doc: "How names are resolved, and how often: by their TTL, within these bounds.",
    keys: &[
        key("servers", Kind::List(&Kind::Text), "those of the system", "Name servers: an address, with a port or 53."),
        key("min", Kind::Duration, "1s", "Not more often."),
        key("max", Kind::Duration, "5m", "Not less often."),
    ],
};
