//! Routes: which requests go where.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::{CertificateMatch, ListenerName, Middleware, RouteName, Text, UpstreamName, UpstreamProtocol};

/// A rule that takes requests to an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name.
    pub name: RouteName,
    /// The listeners it applies to; never empty (all `http` ones when not given).
    pub listeners: Vec<ListenerName>,
    /// The hosts it applies to; never empty ([`HostPattern::Any`] when not given).
    pub hosts: Vec<HostPattern>,
    /// Which requests it takes.
    pub matcher: Matcher,
    /// What a request passes on its way, outermost first.
    pub middlewares: Vec<Arc<Middleware>>,
    /// Where it ends; `None` only when a middleware answers.
    pub upstream: Option<UpstreamName>,
    /// What is spoken to endpoints; `None`: what the upstream says.
    pub upstream_protocol: Option<UpstreamProtocol>,
    /// Limits of time that replace those of the upstream.
    pub timeouts: RouteTimeouts,
    /// What is tried again.
    pub retry: Retry,
    /// What holds for gRPC calls.
    pub grpc: RouteGrpc,
}

/// What holds for the gRPC calls of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteGrpc {
    /// The longest deadline; a call that asks for more, or for none, gets this one. `None`: no bound.
    pub max_timeout: Option<Duration>,
}

/// What of a route is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Whether a request goes out once more when a pooled connection was closed under it, nothing was answered and it
    /// may be repeated; default true: the endpoint did nothing wrong, and the client would see a 502 for nothing.
    pub idle_race: bool,
}

impl Default for Retry {
    fn default() -> Self {
        Self { idle_race: true }
    }
}

/// A pattern for a host name, in lower case without port or trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This host.
    Exact(Box<str>),
    /// Every host below this one, at any depth: the text after `*.`.
    Below(Box<str>),
    /// Every host.
    Any,
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Below(host) => write!(f, "*.{host}"),
            Self::Any => f.write_str("*"),
        }
    }
}

/// The conditions of a route; all must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matcher {
    /// The path.
    pub path: PathMatch,
    /// Methods; empty: every one.
    pub methods: Vec<String>,
    /// Header fields; names in lower case.
    pub headers: Vec<FieldMatch>,
    /// Query parameters.
    pub query: Vec<FieldMatch>,
    /// Client addresses; empty: every one.
    pub source: Vec<IpNet>,
    /// The client's certificate; `None`: it does not matter.
    pub client_cert: Option<CertificateMatch>,
}

/// A pattern for a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathMatch {
    /// This path.
    Exact(Box<str>),
    /// This path and all below it, by whole segments.
    Prefix(Box<str>),
    /// Segments, of which `{name}` stands for any one and a last `{name...}` for the rest.
    Template(Box<str>),
    /// A regular expression; it matches anywhere in the path unless it is anchored.
    Regex(Box<str>),
}

impl Default for PathMatch {
    fn default() -> Self {
        Self::Prefix(Box::from("/"))
    }
}

impl std::fmt::Display for PathMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "path {text}"),
            Self::Prefix(text) => write!(f, "prefix {text}"),
            Self::Template(text) => write!(f, "template {text}"),
            Self::Regex(text) => write!(f, "regex {text}"),
        }
    }
}

/// A condition on a header field or a query parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldMatch {
    /// The name.
    pub name: Box<str>,
    /// What must hold.
    pub test: FieldTest,
}

/// What must hold for a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldTest {
    /// Its value is this.
    Equals(Text),
    /// Its value matches this, anywhere unless it is anchored.
    Regex(Text),
    /// It is there.
    Present,
    /// It is not there.
    Absent,
}

/// Limits of time of a route; `None`: that of the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTimeouts {
    /// To connect to an endpoint.
    pub connect: Option<Duration>,
    /// From the request's end to the head of the answer.
    pub head: Option<Duration>,
    /// Between two parts of the answer's body.
    pub idle: Option<Duration>,
    /// For the whole request.
    pub request: Option<Duration>,
    /// Without a byte either way on a connection that changed its protocol.
    pub tunnel_idle: Option<Duration>,
}
