//! All metrics of the process, by the names of what they are about.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::AccessLog;
use crate::catalogue::{self as c, Family};
use crate::duty::{Duties, Duty, DutyReport};
use crate::measures::{
    ByClass, ByCode, BySide, ByVersion, EndpointMetrics, GatewayMetrics, ListenerMetrics, ProcessFacts, RouteMetrics,
    SharedCount, UpstreamMetrics,
};
use crate::metric::{Block, Counter};
use crate::output::{Carries, OutputMetrics, Outputs};
use crate::page::Page;

/// Beyond this many subjects of one kind, those that nothing was ever counted for are left out of the page: a table of
/// 100,000 routes would make it 250 MB.
const SHOW_UNTOUCHED: usize = 1000;

/// Asks the operating system about this process.
pub type ProcessSource = Box<dyn Fn() -> ProcessFacts + Send + Sync>;

/// All metrics of the process. The same name always gives the same handles while anybody holds them, so counts survive
/// a reload; what nobody holds any more is rendered once more and then forgotten.
pub struct Registry {
    shards: usize,
    gateway: GatewayMetrics,
    listeners: Mutex<Subjects<String, ListenerMetrics>>,
    routes: Mutex<Subjects<String, RouteMetrics>>,
    upstreams: Mutex<Subjects<String, UpstreamMetrics>>,
    endpoints: Mutex<Subjects<(String, String), EndpointMetrics>>,
    process: Mutex<Option<ProcessSource>>,
    access_log: Mutex<SharedCount>,
    worker_connections: Mutex<Vec<usize>>,
    duties: Duties,
    outputs: Outputs,
}

impl Registry {
    /// A registry for `shards` workers.
    pub fn new(shards: usize) -> Self {
        Self {
            shards,
            gateway: GatewayMetrics::new(shards),
            listeners: Mutex::default(),
            routes: Mutex::default(),
            upstreams: Mutex::default(),
            endpoints: Mutex::default(),
            process: Mutex::default(),
            access_log: Mutex::new(Arc::new(AtomicU64::new(0))),
            worker_connections: Mutex::default(),
            duties: Duties::default(),
            outputs: Outputs::default(),
        }
    }

    /// What is counted about the gateway as a whole.
    pub fn gateway(&self) -> &GatewayMetrics {
        &self.gateway
    }

    /// What is counted about a listener.
    pub fn listener(&self, name: &str) -> Arc<ListenerMetrics> {
        lock(&self.listeners).take(name.to_owned(), || ListenerMetrics::new(self.shards))
    }

    /// What is counted about a route.
    pub fn route(&self, name: &str) -> Arc<RouteMetrics> {
        lock(&self.routes).take(name.to_owned(), || RouteMetrics::new(self.shards))
    }

    /// What is counted about an upstream.
    pub fn upstream(&self, name: &str) -> Arc<UpstreamMetrics> {
        lock(&self.upstreams).take(name.to_owned(), || UpstreamMetrics::new(self.shards))
    }

    /// What is counted about an endpoint of an upstream; `address` as it stands in the log.
    pub fn endpoint(&self, upstream: &str, address: &str) -> Arc<EndpointMetrics> {
        let name = (upstream.to_owned(), address.to_owned());
        lock(&self.endpoints).take(name, || EndpointMetrics::new(self.shards))
    }

    /// Begins to tell about something that the gateway does beside traffic; `name` is unique in its kind.
    pub fn duty(&self, kind: &'static str, name: &str) -> Duty {
        self.duties.open(kind, name)
    }

    /// What is counted about an output; `name` is unique among those that carry the same.
    pub fn output(&self, carries: Carries, name: &str) -> Arc<OutputMetrics> {
        self.outputs.take(carries, name)
    }

    /// What is done beside traffic, and how it fares.
    pub fn duties(&self) -> Vec<DutyReport> {
        self.duties.list()
    }

    /// Sets who is asked for the facts of process and host at every scrape.
    pub fn set_process_source(&self, source: ProcessSource) {
        *lock(&self.process) = Some(source);
    }

    /// Shows the dropped lines of an access log.
    pub fn set_access_log(&self, log: &AccessLog) {
        *lock(&self.access_log) = log.dropped_count();
    }

    /// Says how many connections each worker serves, for the next page.
    pub fn set_worker_connections(&self, each: Vec<usize>) {
        *lock(&self.worker_connections) = each;
    }

    /// All metrics in the Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut page = Page::new();
        self.render_gateway(&mut page);
        render_listeners(&mut page, &lock(&self.listeners).show());
        render_routes(&mut page, &lock(&self.routes).show());
        render_upstreams(&mut page, &lock(&self.upstreams).show());
        render_endpoints(&mut page, &lock(&self.endpoints).show());
        if let Some(source) = &*lock(&self.process) {
            render_process(&mut page, &source());
        }
        page.finish()
    }

    fn render_gateway(&self, page: &mut Page) {
        let build = [env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH];
        page.family(&c::BUILD_INFO);
        page.sample(&c::BUILD_INFO, &build, 1);
        page.family(&c::CONFIG_GENERATION);
        page.sample(&c::CONFIG_GENERATION, &[], self.gateway.config_generation.value());
        page.family(&c::CONFIG_RELOADS);
        page.sample(&c::CONFIG_RELOADS, &["success"], self.gateway.reload_success.value());
        page.sample(&c::CONFIG_RELOADS, &["failure"], self.gateway.reload_failure.value());
        page.family(&c::CONFIG_LAST_SUCCESS);
        page.sample(&c::CONFIG_LAST_SUCCESS, &[], self.gateway.last_reload_success.value());
        page.family(&c::ACCESS_LOG_DROPPED);
        page.sample(&c::ACCESS_LOG_DROPPED, &[], lock(&self.access_log).load(Ordering::Relaxed));
        self.duties.render(page);
        self.outputs.render(page);
        page.family(&c::WORKER_PANICS);
        page.sample(&c::WORKER_PANICS, &[], self.gateway.worker_panics.value());
        page.family(&c::WORKER_CONNECTIONS);
        for (worker, connections) in lock(&self.worker_connections).iter().enumerate() {
            page.sample(&c::WORKER_CONNECTIONS, &[&worker.to_string()], connections);
        }
    }
}

/// What is counted of one kind of subject.
trait Subject {
    fn block(&self) -> &Block;
}

macro_rules! subjects {
    ($($metrics:ident)*) => {$(impl Subject for $metrics {
        fn block(&self) -> &Block {
            &self.block
        }
    })*};
}

subjects!(ListenerMetrics RouteMetrics UpstreamMetrics EndpointMetrics);

/// The subjects of one kind by name.
struct Subjects<N, M> {
    known: BTreeMap<N, Arc<M>>,
    /// When this many are known, those that nobody holds are forgotten even if nobody scrapes.
    sweep_at: usize,
}

impl<N, M> Default for Subjects<N, M> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), sweep_at: SHOW_UNTOUCHED }
    }
}

impl<N: Ord + Clone, M: Subject> Subjects<N, M> {
    fn take(&mut self, name: N, new: impl FnOnce() -> M) -> Arc<M> {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, metrics| Arc::strong_count(metrics) > 1);
            self.sweep_at = (self.known.len() * 2).max(SHOW_UNTOUCHED);
        }
        Arc::clone(self.known.entry(name).or_insert_with(|| Arc::new(new())))
    }

    /// What is to be rendered. Nobody can take a handle meanwhile, so what only the registry holds is gone for good.
    fn show(&mut self) -> Vec<(N, Arc<M>)> {
        let many = self.known.len() > SHOW_UNTOUCHED;
        let wanted = |metrics: &Arc<M>| !many || metrics.block().is_touched();
        let gone: Vec<N> =
            self.known.iter().filter(|(_, m)| Arc::strong_count(m) == 1).map(|(n, _)| n.clone()).collect();
        let shown =
            self.known.iter().filter(|(_, m)| wanted(m)).map(|(name, m)| (name.clone(), Arc::clone(m))).collect();
        for name in gone {
            self.known.remove(&name);
        }
        shown
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Shown<M> = [(String, Arc<M>)];

/// One counter of every subject.
fn counters<M>(page: &mut Page, family: &Family, shown: &Shown<M>, counter: impl Fn(&M) -> &Counter) {
    page.family(family);
    for (name, metrics) in shown {
        page.sample(family, &[name], counter(metrics).value());
    }
}

fn gauges<M>(page: &mut Page, family: &Family, shown: &Shown<M>, value: impl Fn(&M) -> i64) {
    page.family(family);
    for (name, metrics) in shown {
        page.sample(family, &[name], value(metrics));
    }
}

fn by_version<M>(page: &mut Page, family: &Family, shown: &Shown<M>, requests: impl Fn(&M) -> &ByVersion) {
    page.family(family);
    for (name, metrics) in shown {
        for (version, value) in ByVersion::VERSIONS.iter().zip(requests(metrics).values()) {
            page.sample(family, &[name, version], value);
        }
    }
}

/// One counter for each of two ends.
fn by_end<M>(
    page: &mut Page,
    family: &Family,
    shown: &Shown<M>,
    (other, counters): (&str, impl Fn(&M) -> (&Counter, &Counter)),
) {
    page.family(family);
    for (name, metrics) in shown {
        let (theirs, ours) = counters(metrics);
        page.sample(family, &[name, other], theirs.value());
        page.sample(family, &[name, "us"], ours.value());
    }
}

fn by_code<M>(page: &mut Page, family: &Family, shown: &Shown<M>, calls: impl Fn(&M) -> &ByCode) {
    page.family(family);
    for (name, metrics) in shown {
        for (code, value) in calls(metrics).values() {
            page.sample(family, &[name, code], value);
        }
    }
}

fn by_class<M>(page: &mut Page, family: &Family, shown: &Shown<M>, requests: impl Fn(&M) -> &ByClass) {
    page.family(family);
    for (name, metrics) in shown {
        for (class, value) in ByClass::CLASSES.iter().zip(requests(metrics).values()) {
            page.sample(family, &[name, class], value);
        }
    }
}

fn render_listeners(page: &mut Page, shown: &Shown<ListenerMetrics>) {
    counters(page, &c::LISTENER_ACCEPTED, shown, |m| &m.accepted);
    gauges(page, &c::LISTENER_ACTIVE, shown, |m| m.active.value());
    counters(page, &c::LISTENER_REFUSED, shown, |m| &m.refused);
    counters(page, &c::LISTENER_PROXY_FAILURES, shown, |m| &m.proxy_failures);
    counters(page, &c::LISTENER_HANDSHAKE_FAILURES, shown, |m| &m.handshake_failures);
    counters(page, &c::LISTENER_CLIENT_CERT_FAILURES, shown, |m| &m.client_cert_failures);
    by_version(page, &c::LISTENER_REQUESTS, shown, |m| &m.requests);
    counters(page, &c::LISTENER_EARLY, shown, |m| &m.early);
    gauges(page, &c::LISTENER_STREAMS, shown, |m| m.streams.value());
    by_end(page, &c::LISTENER_RESETS, shown, ("client", |m: &ListenerMetrics| (&m.resets_received, &m.resets_sent)));
    by_end(page, &c::LISTENER_GOAWAYS, shown, ("client", |m: &ListenerMetrics| (&m.goaways_received, &m.goaways_sent)));
    counters(page, &c::LISTENER_BYTES_IN, shown, |m| &m.bytes_in);
    counters(page, &c::LISTENER_BYTES_OUT, shown, |m| &m.bytes_out);
    let datagrams: Vec<_> = shown.iter().filter(|(_, m)| m.is_udp.value() > 0).cloned().collect();
    counters(page, &c::LISTENER_DATAGRAMS_IN, &datagrams, |m| &m.datagrams_in);
    counters(page, &c::LISTENER_DATAGRAMS_OUT, &datagrams, |m| &m.datagrams_out);
    counters(page, &c::LISTENER_DATAGRAMS_DROPPED, &datagrams, |m| &m.dropped);
    counters(page, &c::LISTENER_SESSIONS_EXPIRED, &datagrams, |m| &m.expired);
}

fn render_routes(page: &mut Page, shown: &Shown<RouteMetrics>) {
    by_class(page, &c::ROUTE_REQUESTS, shown, |m| &m.requests);
    page.family(&c::ROUTE_FAILURES);
    for (name, metrics) in shown {
        for (side, value) in BySide::SIDES.iter().zip(metrics.failed.values()) {
            page.sample(&c::ROUTE_FAILURES, &[name, side.as_str()], value);
        }
    }
    page.family(&c::ROUTE_DURATION);
    for (name, metrics) in shown {
        page.histogram(&c::ROUTE_DURATION, &[name], &metrics.duration.value());
    }
    counters(page, &c::ROUTE_BYTES_IN, shown, |m| &m.bytes_in);
    counters(page, &c::ROUTE_BYTES_OUT, shown, |m| &m.bytes_out);
    by_code(page, &c::ROUTE_CALLS, shown, |m| &m.calls);
}

fn render_upstreams(page: &mut Page, shown: &Shown<UpstreamMetrics>) {
    by_class(page, &c::UPSTREAM_REQUESTS, shown, |m| &m.requests);
    by_version(page, &c::UPSTREAM_VERSIONS, shown, |m| &m.versions);
    gauges(page, &c::UPSTREAM_STREAMS, shown, |m| m.streams.value());
    by_end(page, &c::UPSTREAM_RESETS, shown, ("endpoint", |m: &UpstreamMetrics| (&m.resets_received, &m.resets_sent)));
    counters(page, &c::UPSTREAM_GOAWAYS, shown, |m| &m.goaways);
    page.family(&c::UPSTREAM_DURATION);
    for (name, metrics) in shown {
        page.histogram(&c::UPSTREAM_DURATION, &[name], &metrics.duration.value());
    }
    counters(page, &c::UPSTREAM_CONNECTS, shown, |m| &m.connects);
    counters(page, &c::UPSTREAM_CONNECT_FAILURES, shown, |m| &m.connect_failures);
    counters(page, &c::UPSTREAM_REUSED, shown, |m| &m.reused);
    counters(page, &c::UPSTREAM_RETRIES, shown, |m| &m.retries);
    gauges(page, &c::UPSTREAM_ACTIVE, shown, |m| m.active.value());
    gauges(page, &c::UPSTREAM_IDLE, shown, |m| m.idle.value());
    by_code(page, &c::UPSTREAM_CALLS, shown, |m| &m.calls);
}

fn render_endpoints(page: &mut Page, shown: &[((String, String), Arc<EndpointMetrics>)]) {
    let mut each = |family: &Family, value: &dyn Fn(&EndpointMetrics) -> i64| {
        page.family(family);
        for ((upstream, endpoint), metrics) in shown {
            page.sample(family, &[upstream, endpoint], value(metrics));
        }
    };
    each(&c::ENDPOINT_HEALTHY, &|m| m.healthy.value() as i64);
    each(&c::ENDPOINT_WEIGHT, &|m| m.weight.value() as i64);
    each(&c::ENDPOINT_REQUESTS, &|m| m.requests.value() as i64);
    each(&c::ENDPOINT_FAILURES, &|m| m.failures.value() as i64);
    each(&c::ENDPOINT_UNASKED, &|m| m.unasked.value() as i64);
    each(&c::ENDPOINT_ACTIVE, &|m| m.active.value());
}

fn render_process(page: &mut Page, facts: &ProcessFacts) {
    let mut each = |family: &Family, values: &[(&[&str], Option<f64>)]| {
        page.family(family);
        for (labels, value) in values {
            if let Some(value) = value {
                page.sample(family, labels, value);
            }
        }
    };
    let whole = |value: Option<u64>| value.map(|v| v as f64);
    each(&c::PROCESS_CPU, &[(&["user"], facts.cpu_seconds_user), (&["system"], facts.cpu_seconds_system)]);
    each(&c::PROCESS_MEMORY, &[(&[], whole(facts.rss))]);
    each(&c::PROCESS_FDS, &[(&[], whole(facts.fds))]);
    each(&c::PROCESS_FDS_LIMIT, &[(&[], whole(facts.fds_limit))]);
    each(&c::PROCESS_THREADS, &[(&[], whole(facts.threads))]);
    each(&c::PROCESS_START, &[(&[], facts.start_time_seconds)]);
    each(&c::HOST_CPU, &[(&["busy"], facts.host_cpu_seconds_busy), (&["idle"], facts.host_cpu_seconds_idle)]);
    each(&c::HOST_MEMORY_TOTAL, &[(&[], whole(facts.host_memory_total))]);
    each(&c::HOST_MEMORY_AVAILABLE, &[(&[], whole(facts.host_memory_available))]);
}

#[cfg(test)]
mod tests;
