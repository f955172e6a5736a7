//! The wish compiled: what is running.
//!
//! A snapshot is built whole before anything of it is used, and never patched. What did not change is carried over from
//! the one before by name, so an untouched upstream keeps its health, latencies and connections and an untouched
//! listener its ticket keys.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use yumen_config::config::{self, Config, HostPattern};
use yumen_core::{Challenges, Discovery, Met};
use yumen_http1::Limits;
use yumen_net::dial::Resolver;
use yumen_net::quic::{QuicOptions, QuicServer};
use yumen_net::rt;
use yumen_net::tls::{
    Certificate, CertificateChain, CertificateFiles, CertificateSet, ClientAuth, ClientPolicy, ClientTls,
    ClientTlsOptions, Keyring, QuicTlsOptions, Roots, Served, ServerTls, ServerTlsOptions, Staples, TlsError,
    TlsVersion, Trusts,
};
use yumen_telemetry::{ListenerMetrics, Registry};

use crate::middleware;
use crate::route::{Route, Table};
use crate::upstream::{self, Upstream};
use crate::vault::Vault;

/// Why a snapshot could not be built; the text says what to mend.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A listener's certificates.
    #[error("listener {listener}: {problem}")]
    Listener {
        /// The listener.
        listener: String,
        /// What is wrong.
        problem: String,
    },
    /// An upstream's TLS.
    #[error("upstream {upstream}: {problem}")]
    Upstream {
        /// The upstream.
        upstream: String,
        /// What is wrong.
        problem: String,
    },
    /// A middleware.
    #[error(transparent)]
    Middleware(#[from] middleware::MiddlewareError),
    /// A route's expression.
    #[error("route expression: {0}")]
    Regex(#[from] regex::Error),
}

/// Where a configuration came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// A file's path, or words such as `built-in`.
    pub source: String,
    /// SHA-256 of its text in hexadecimal.
    pub digest: String,
}

/// What a build needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// Metrics.
    pub registry: Arc<Registry>,
    /// Names to addresses.
    pub resolver: Arc<Resolver>,
    /// Users that are kept elsewhere.
    pub vault: Arc<Vault>,
    /// Endpoints that are known outside.
    pub discovery: Arc<dyn Discovery>,
    /// Certificates that are obtained while the gateway runs.
    pub keyring: Arc<Keyring>,
    /// What plain listeners show to a CA.
    pub challenges: Option<Arc<dyn Challenges>>,
    /// Answers about the status of certificates.
    pub staples: Staples,
}

impl Ports {
    /// With nothing else outside.
    pub fn alone(registry: Arc<Registry>, resolver: Arc<Resolver>) -> Self {
        let (vault, keyring, staples) = (Arc::default(), Arc::default(), Staples::default());
        Self { registry, resolver, vault, discovery: Arc::new(()), keyring, challenges: None, staples }
    }
}

/// What is running.
pub struct Snapshot {
    /// Counts up from 1; 0 is the empty snapshot.
    pub generation: u64,
    /// Where it came from.
    pub origin: Origin,
    /// When it was built.
    pub time: SystemTime,
    /// What it was compiled from.
    pub config: Arc<Config>,
    listeners: HashMap<Arc<str>, Arc<Listener>>,
    routes: Arc<Vec<Arc<Route>>>,
    upstreams: BTreeMap<Arc<str>, Arc<Upstream>>,
    /// Certificates to put in place when this snapshot is.
    pending: Vec<(Arc<ServerTls>, CertificateSet, Trusts)>,
    /// Upstreams to start when this snapshot is put in force.
    fresh: Vec<Fresh>,
}

/// An upstream that was not there before.
struct Fresh {
    upstream: Arc<Upstream>,
    /// Where its endpoints come from.
    supply: upstream::resolve::Supply,
}

/// A listener, compiled.
pub(crate) struct Listener {
    pub(crate) config: Arc<config::Listener>,
    pub(crate) limits: Limits,
    pub(crate) table: Table,
    pub(crate) tls: Option<Arc<ServerTls>>,
    pub(crate) quic: Option<Arc<QuicServer>>,
    pub(crate) metrics: Arc<ListenerMetrics>,
    /// What its connections know of it.
    pub(crate) door: Arc<Door>,
    /// Where datagrams go, and streams whose server name is not listed.
    pub(crate) upstream: Option<Arc<Upstream>>,
    pub(crate) sni: Vec<(HostPattern, Arc<Upstream>)>,
    /// Where a CA may look whether a name is ours, which it does without TLS (RFC 8555 section 8.3).
    pub(crate) challenges: Option<Arc<dyn Challenges>>,
}

/// A listener as its connections know it: they may outlive its tables by far, and must not keep them.
pub(crate) struct Door {
    name: Arc<str>,
    pub(crate) metrics: Arc<ListenerMetrics>,
}

impl Met for Door {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Snapshot {
    /// What runs before anything does, and after everything has stopped.
    pub fn empty() -> Self {
        Self {
            generation: 0,
            origin: Origin { source: "empty".to_owned(), digest: String::new() },
            time: SystemTime::UNIX_EPOCH,
            config: Arc::new(Config::default()),
            listeners: HashMap::new(),
            routes: Arc::default(),
            upstreams: BTreeMap::new(),
            pending: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// Compiles a configuration. Nothing that runs is touched.
    ///
    /// # Errors
    /// [`BuildError`]: a file is missing or wrong. The caller keeps what it has.
    pub async fn build(
        config: Arc<Config>,
        origin: Origin,
        ports: &Ports,
        previous: &Self,
    ) -> Result<Self, BuildError> {
        let (upstreams, fresh) = build_upstreams(&config, ports, previous).await?;
        let routes = build_routes(&config, &upstreams, ports, previous)?;
        let mut listeners = HashMap::new();
        let mut pending = Vec::new();
        for (name, section) in &config.listeners {
            let tls = build_tls(section, (&config, ports), previous, &mut pending)?;
            let find = |name: &config::UpstreamName| upstreams.get(name.as_str()).cloned();
            let limits = &section.limits;
            let metrics = ports.registry.listener(name.as_str());
            metrics.is_udp.set(u64::from(section.protocol == config::Protocol::Udp));
            let quic = build_quic(section, tls.as_ref(), previous)?;
            let listener = Listener {
                limits: Limits { request_line: limits.request_line, head: limits.head, fields: limits.fields },
                table: Table::build(&routes, section)?,
                tls,
                quic,
                door: Arc::new(Door { name: name.arc(), metrics: Arc::clone(&metrics) }),
                metrics,
                upstream: section.upstream.as_ref().and_then(find),
                sni: section.sni.iter().filter_map(|(host, name)| Some((host.clone(), find(name)?))).collect(),
                challenges: ports.challenges.clone().filter(|_| section.tls.is_none()),
                config: Arc::clone(section),
            };
            listeners.insert(name.arc(), Arc::new(listener));
        }
        let generation = previous.generation + 1;
        let time = rt::wall();
        Ok(Self { generation, origin, time, config, listeners, routes, upstreams, pending, fresh })
    }

    /// Puts certificates in place that were read anew for listeners which did not change otherwise, and lets new upstreams
    /// take the place of old ones. Comes right before the snapshot is put in force.
    pub(crate) fn commit(&mut self, previous: &Self, registry: &Arc<Registry>) {
        for (name, old) in &previous.upstreams {
            if self.upstreams.get(name).is_none_or(|new| !Arc::ptr_eq(old, new)) {
                old.retire();
            }
        }
        for Fresh { upstream, supply } in self.fresh.drain(..) {
            upstream.begin();
            upstream::watch(&upstream);
            upstream::resolve::watch(&upstream, supply, Arc::clone(registry));
        }
        for (tls, certificates, trusts) in self.pending.drain(..) {
            if let Err(error) = tls.swap(certificates, &trusts) {
                tracing::error!(%error, "certificates were not replaced");
            }
        }
    }

    pub(crate) fn listener(&self, name: &str) -> Option<Arc<Listener>> {
        self.listeners.get(name).cloned()
    }

    /// The chains of certificates about which clients are shown what their authorities say.
    pub fn stapled_chains(&self) -> Vec<CertificateChain> {
        self.listeners
            .values()
            .filter_map(|listener| listener.tls.as_ref())
            .flat_map(|tls| tls.stapled_chains())
            .collect()
    }

    /// The upstreams by name.
    pub fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.values()
    }

    /// Every address a listener is bound to, with its name.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (Carrier, SocketAddr, Arc<str>)> {
        self.config.listeners.iter().flat_map(|(name, l)| {
            let carriers = Carrier::of(l).iter();
            carriers.flat_map(move |carrier| l.bind.iter().map(move |addr| (*carrier, *addr, name.arc())))
        })
    }
}

/// What carries the traffic of a socket. Ports of one are not those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Carrier {
    /// Streams.
    Tcp,
    /// Datagrams, by sessions.
    Udp,
    /// QUIC, by UDP.
    Quic,
}

impl Carrier {
    /// What a listener needs sockets for.
    pub fn of(listener: &config::Listener) -> &'static [Self] {
        match listener.protocol {
            config::Protocol::Udp => &[Self::Udp],
            config::Protocol::Http if listener.http3.is_some() => &[Self::Tcp, Self::Quic],
            config::Protocol::Http | config::Protocol::Tcp | config::Protocol::TlsPassthrough => &[Self::Tcp],
        }
    }
}

/// The routes: the one there was before while neither its section nor its upstream changed, and nothing in its chain reads
/// files, which may have changed under the same section.
fn build_routes(
    config: &Config,
    upstreams: &BTreeMap<Arc<str>, Arc<Upstream>>,
    ports: &Ports,
    previous: &Snapshot,
) -> Result<Arc<Vec<Arc<Route>>>, BuildError> {
    let before: HashMap<&str, &Arc<Route>> = previous.routes.iter().map(|r| (&*r.name, r)).collect();
    let mut routes = Vec::with_capacity(config.routes.len());
    for section in &config.routes {
        let upstream = section.upstream.as_ref().and_then(|name| upstreams.get(name.as_str()).cloned());
        let same = before.get(section.name.as_str()).filter(|old| {
            let same_upstream = old.upstream.as_ref().map(Arc::as_ptr) == upstream.as_ref().map(Arc::as_ptr);
            same_upstream && old.config == *section && !section.middlewares.iter().any(|m| middleware::reads_files(m))
        });
        if let Some(same) = same {
            routes.push(Arc::clone(same));
            continue;
        }
        let chain =
            section.middlewares.iter().map(|m| middleware::build(m, &ports.vault)).collect::<Result<Vec<_>, _>>()?;
        let metrics = ports.registry.route(section.name.as_str());
        routes.push(Arc::new(Route::build(section, chain, upstream, metrics)?));
    }
    Ok(Arc::new(routes))
}

async fn build_upstreams(
    config: &Config,
    ports: &Ports,
    previous: &Snapshot,
) -> Result<(BTreeMap<Arc<str>, Arc<Upstream>>, Vec<Fresh>), BuildError> {
    let (mut upstreams, mut changed, mut all_fresh) = (BTreeMap::new(), Vec::new(), Vec::new());
    for (name, section) in &config.upstreams {
        let before = previous.upstreams.get(name.as_str());
        let tls = build_client_tls(section, before)?;
        let same_tls = before.is_some_and(|u| match (&u.tls, &tls) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (old, new) => old.is_none() && new.is_none(),
        });
        if let Some(same) = before.filter(|u| same_tls && u.config == *section) {
            upstreams.insert(name.arc(), Arc::clone(same));
            continue;
        }
        // A pooled connection was made and verified under the settings of its time.
        let anew = !same_tls || before.is_none_or(|u| u.config.pool != section.pool || u.config.http2 != section.http2);
        let resolver = resolver(section, ports)?;
        // All names at the same time, whichever upstream they are of.
        let (own, asking) = (Arc::clone(section), Arc::clone(&resolver));
        let asked = rt::spawn(async move { upstream::resolve::addresses(&own, &asking).await });
        changed.push((section, before, tls, anew, resolver, asked));
    }
    for (section, before, tls, anew, resolver, asked) in changed {
        let (addresses, ttl) = asked.await.map_err(|e| failed(section, &e))?;
        let source = section.discover.as_ref().and_then(|_| ports.discovery.source(section.name.as_str()));
        let supply = upstream::resolve::Supply::new(resolver, (addresses, ttl), source.as_deref());
        let kept = before.map(|u| u.endpoints()).unwrap_or_default();
        let endpoints = upstream::resolve::endpoints(section, supply.told(), (&kept, anew), &ports.registry);
        let built = upstream::build(section, endpoints, tls, &ports.registry);
        all_fresh.push(Fresh { upstream: Arc::clone(&built), supply });
        upstreams.insert(section.name.arc(), built);
    }
    Ok((upstreams, all_fresh))
}

/// Who is asked for the names of an upstream.
fn resolver(section: &config::Upstream, ports: &Ports) -> Result<Arc<Resolver>, BuildError> {
    match section.dns.servers.as_slice() {
        [] => Ok(Arc::clone(&ports.resolver)),
        servers => Resolver::asking(servers).map(Arc::new).map_err(|e| failed(section, &e)),
    }
}

fn failed(section: &config::Upstream, problem: &dyn std::fmt::Display) -> BuildError {
    BuildError::Upstream { upstream: section.name.to_string(), problem: problem.to_string() }
}

/// TLS towards the endpoints that use it: the one there was before while nothing about it changed, its files included.
fn build_client_tls(
    section: &config::Upstream,
    before: Option<&Arc<Upstream>>,
) -> Result<Option<Arc<ClientTls>>, BuildError> {
    if !section.uses_tls() {
        return Ok(None);
    }
    let old = before.filter(|u| u.config.tls == section.tls).and_then(|u| u.tls.as_ref());
    let has_files = section.tls.ca.is_some() || section.tls.client.is_some();
    if let (Some(old), false) = (old, has_files) {
        return Ok(Some(Arc::clone(old)));
    }
    let options = ClientTlsOptions {
        roots: section.tls.ca.clone().map_or(Roots::System, Roots::File),
        server_name: section.tls.sni.clone(),
        certificate: section.tls.client.as_ref().map(files),
        insecure_skip_verify: !section.tls.verify,
        ..ClientTlsOptions::default()
    };
    let (tls, warnings) = ClientTls::build(&options).map_err(|e| failed(section, &e))?;
    for warning in warnings {
        tracing::warn!(upstream = %section.name, "{warning}");
    }
    Ok(Some(old.filter(|old| ***old == tls).map_or_else(|| Arc::new(tls), Arc::clone)))
}

fn files(certificate: &config::Certificate) -> CertificateFiles {
    CertificateFiles { chain: certificate.cert.clone(), key: certificate.key.clone() }
}

/// The policies about client certificates in the words of the wire.
pub fn client_auth(section: &config::ClientAuth) -> ClientAuth {
    let policy = |p: &config::ClientPolicy| ClientPolicy {
        required: p.required,
        ca: p.ca.clone(),
        crl: p.crl.clone(),
        expired_crl: p.expired_crl,
    };
    let host =
        |(host, p): &(HostPattern, Option<config::ClientPolicy>)| (host.to_string().into(), p.as_ref().map(policy));
    ClientAuth { default: section.default.as_ref().map(policy), hosts: section.hosts.iter().map(host).collect() }
}

/// QUIC: what there was before while nothing about it changed, so that the sessions of clients go on.
fn build_quic(
    section: &config::Listener,
    tls: Option<&Arc<ServerTls>>,
    previous: &Snapshot,
) -> Result<Option<Arc<QuicServer>>, BuildError> {
    let (Some(http3), Some(tls)) = (&section.http3, tls) else { return Ok(None) };
    let before = previous.listeners.get(section.name.as_str()).filter(|before| {
        let same_tls = before.tls.as_ref().is_some_and(|old| Arc::ptr_eq(old, tls));
        same_tls && before.config.http3 == section.http3 && before.config.timeouts.idle == section.timeouts.idle
    });
    if let Some(same) = before.and_then(|before| before.quic.clone()) {
        return Ok(Some(same));
    }
    let options = QuicOptions {
        streams: http3.max_concurrent_streams,
        stream_window: http3.initial_window,
        connection_window: http3.connection_window,
        idle: section.timeouts.idle,
    };
    let failed = |e: TlsError| BuildError::Listener { listener: section.name.to_string(), problem: e.to_string() };
    QuicServer::build(tls, &options).map(|server| Some(Arc::new(server))).map_err(failed)
}

fn build_tls(
    section: &config::Listener,
    (config, ports): (&Config, &Ports),
    previous: &Snapshot,
    pending: &mut Vec<(Arc<ServerTls>, CertificateSet, Trusts)>,
) -> Result<Option<Arc<ServerTls>>, BuildError> {
    let Some(tls) = &section.tls else { return Ok(None) };
    let failed =
        |e: &dyn std::fmt::Display| BuildError::Listener { listener: section.name.to_string(), problem: e.to_string() };
    let mut certificates = Vec::new();
    for certificate in &tls.certificates {
        let pair = match certificate {
            config::Served::Files(pair) => pair,
            config::Served::Obtained(name) => {
                let section = config.cloud.certificates.get(name);
                let names = section.map(|s| s.names.iter().map(|n| n.as_str().into()).collect()).unwrap_or_default();
                certificates.push(Served::Kept { cell: ports.keyring.cell(name.as_str()), names });
                continue;
            }
        };
        let (loaded, warnings) = Certificate::load(&files(pair)).map_err(|e| failed(&e))?;
        for warning in warnings {
            tracing::warn!(listener = %section.name, "{warning}");
        }
        certificates.push(Served::Fixed(loaded));
    }
    let set = CertificateSet { certificates, default: Some(0) };
    let clients = tls.clients.as_ref().map(client_auth).unwrap_or_default();
    let trusts = Trusts::load(&clients).map_err(|e| failed(&e))?;
    let quic = |l: &config::Listener| l.http3.as_ref().map(|http3| QuicTlsOptions { early_data: http3.early_data });
    let before = previous.listeners.get(section.name.as_str());
    let before = before.filter(|l| l.config.tls.as_ref() == Some(tls) && quic(&l.config) == quic(section));
    if let Some(same) = before.and_then(|l| l.tls.clone()) {
        pending.push((Arc::clone(&same), set, trusts));
        return Ok(Some(same));
    }
    let min_version = match tls.min_version {
        config::TlsVersion::V12 => TlsVersion::Tls12,
        config::TlsVersion::V13 => TlsVersion::Tls13,
    };
    let options = ServerTlsOptions { min_version, alpn: tls.alpn.clone(), clients, quic: quic(section) };
    let mut built = ServerTls::build(&options, set, &trusts).map_err(|e| failed(&e))?;
    if let Some(challenges) = ports.keyring.challenges() {
        built = built.with_challenges(challenges).map_err(|e| failed(&e))?;
    }
    if tls.ocsp {
        built.staple(&ports.staples);
    }
    Ok(Some(Arc::new(built)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    async fn built(text: &str, ports: &Ports, previous: &Snapshot) -> Snapshot {
        let loaded = yumen_config::parse_str("test.yaml", text, &|_| None).unwrap();
        let origin = Origin { source: "test".to_owned(), digest: String::new() };
        Snapshot::build(Arc::new(loaded.config), origin, ports, previous).await.unwrap()
    }

    #[tokio::test]
    async fn route_is_carried_over_while_its_section_its_upstream_and_what_it_reads_stay_the_same() {
        let ports = Ports::alone(Arc::new(Registry::new(1)), Arc::new(Resolver::start()));
        let text = |path: &str, balance: &str| {
            format!(
                "listeners: {{ web: {{ bind: '127.0.0.1:0' }} }}\n\
                 upstreams:\n  a: {{ endpoints: ['127.0.0.1:1'], balance: {balance} }}\n  b: {{ endpoints: ['127.0.0.1:2'] }}\n\
                 routes:\n  one: {{ match: {{ path: /one }}, upstream: a }}\n  two: {{ match: {{ path: {path} }}, upstream: b }}\n  \
                 three: {{ match: {{ path: /three }}, upstream: b, \
                 middlewares: [basic_auth: {{ users: ['${{HASH:-x:$2y$05$a}}'], realm: r }}] }}\n"
            )
        };
        let first = built(&text("/two", "round_robin"), &ports, &Snapshot::empty()).await;
        let kept = |old: &Snapshot, new: &Snapshot| -> Vec<bool> {
            old.routes.iter().zip(new.routes.iter()).map(|(old, new)| Arc::ptr_eq(old, new)).collect()
        };
        let same = built(&text("/two", "round_robin"), &ports, &first).await;
        assert_eq!(kept(&first, &same), [true, true, false], "passwords are read anew");
        let moved = built(&text("/moved", "round_robin"), &ports, &same).await;
        assert_eq!(kept(&same, &moved), [true, false, false]);
        let rebuilt = built(&text("/moved", "ip_hash"), &ports, &moved).await;
        assert_eq!(kept(&moved, &rebuilt), [false, true, false], "its upstream is another one now");
    }
}
