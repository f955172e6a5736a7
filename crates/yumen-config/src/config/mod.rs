//! The valid, typed configuration: plain immutable data with every name resolved and every default
//! filled in. Nothing in here can be wrong; what could be was refused on the way.

mod client;
mod cloud;
mod discover;
mod listener;
mod middleware;
mod names;
mod process;
mod route;
mod secret;
mod template;
mod upstream;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

pub use client::{CertificateMatch, ClientAuth, ClientPolicy};
pub use cloud::{
    Accelerator, Account, AddressSource, AssumedRole, Authority, CertificateKey, Challenge, Cloud, CloudKeys,
    DnsProvider, DnsProviderKind, DynamicDns, ExternalAccount, MetadataAddress, MetricLogin, MetricOutput, NatGateway,
    Obtained, Propagation, RegisteredServer, Registration, Signature, SlsOutput, SnatSource, SnatWish, Spill,
    Templates, TsigAlgorithm, TsigKey, Want,
};
pub use discover::{BalancerKind, Discover, DiscoverFrom, InstanceAddress, Instances, ServerGroup};
pub(crate) use listener::overlap;
pub use listener::{
    AbsoluteForm, Access, Certificate, Forwarded, ForwardedEmit, Limits, Listener, ListenerHttp2, ListenerHttp3,
    ListenerTimeouts, Protocol, ProxyProtocol, ProxyVersion, QuicRetry, Served, Tls, TlsVersion, Udp,
};
pub use middleware::{Accept, Cors, FieldEdits, Middleware, MiddlewareKind, Rewrite};
pub use names::{
    AccountName, AuthorityName, CertificateName, DnsProviderName, DynamicDnsName, ListenerName, LogOutputName,
    MetricOutputName, MiddlewareName, NatGatewayName, RegistrationName, RouteName, UpstreamName,
};
pub use process::{AccessLog, Admin, AdminListen, Log, LogFormat, LogOutput, Rotate, Runtime};
pub use route::{FieldMatch, FieldTest, HostPattern, Matcher, PathMatch, Retry, Route, RouteGrpc, RouteTimeouts};
pub(crate) use secret::is_htpasswd_hash;
pub use secret::{KmsSecret, KmsUse, Secret, Text};
pub use template::{Fact, Piece, pieces};
pub use upstream::{
    Balance, Dns, Endpoint, Health, HealthCheck, Pool, Upstream, UpstreamHttp2, UpstreamProtocol, UpstreamTimeouts,
    UpstreamTls,
};

/// A whole configuration, valid and complete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The listeners by name.
    pub listeners: BTreeMap<ListenerName, Arc<Listener>>,
    /// The routes in the order of the file (the order has no meaning for matching).
    pub routes: Vec<Arc<Route>>,
    /// The named middlewares; inline ones live in their route only.
    pub middlewares: BTreeMap<MiddlewareName, Arc<Middleware>>,
    /// The upstreams by name.
    pub upstreams: BTreeMap<UpstreamName, Arc<Upstream>>,
    /// Workers and draining.
    pub runtime: Runtime,
    /// The admin endpoint; `None` when it is off.
    pub admin: Option<Admin>,
    /// The process log and the access log.
    pub log: Log,
    /// Where the last good configuration is kept; `None`: nowhere.
    pub state_dir: Option<PathBuf>,
    /// What is done in the cloud beside traffic.
    pub cloud: Cloud,
}

impl Config {
    /// The listeners, and those that accelerators have as templates.
    pub fn listeners_and_templates(&self) -> impl Iterator<Item = &Listener> {
        let templates = self.cloud.accelerators.values().flat_map(|accelerator| accelerator.template.all());
        self.listeners.values().map(Arc::as_ref).chain(templates)
    }
}
