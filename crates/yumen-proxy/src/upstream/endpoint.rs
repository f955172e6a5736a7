//! One endpoint as the data path sees it: an address, a health verdict and a few counters, shared by all workers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use yumen_config::config::{self, Pool as PoolLimits};
use yumen_core::Met;
use yumen_telemetry::EndpointMetrics;

/// What is expected of an endpoint that has work and has never answered: it must not be given more as if it were quick.
const UNPROVEN: u64 = 1_000_000_000;
/// How quickly the latency estimate forgets: each answer moves it by an eighth.
const EWMA_SHIFT: u32 = 3;

/// An endpoint of an upstream. Survives a reload when its upstream's section did not change.
pub struct Endpoint {
    /// Unique within the process; the key of its pooled connections.
    pub(crate) id: u64,
    /// As written in the configuration, with the address where that is a name; for logs and metrics.
    pub(crate) name: Arc<str>,
    /// `host:port` as written in the configuration.
    pub(crate) authority: Arc<str>,
    /// Where to connect.
    pub(crate) addr: SocketAddr,
    /// The share of traffic relative to its neighbours; 0 takes none. Changes while it runs only where it is known outside.
    weight: AtomicU32,
    /// What is told of it outside.
    labels: ArcSwap<BTreeMap<String, String>>,
    /// Whether connections use TLS, and with which name.
    pub(crate) tls_name: Option<Arc<str>>,
    pub(crate) pool: PoolLimits,
    pub(crate) metrics: Arc<EndpointMetrics>,
    healthy: AtomicBool,
    active: AtomicU32,
    /// Smoothed time to the head of an answer in nanoseconds; 0 until the first.
    latency: AtomicU64,
}

impl Endpoint {
    pub(crate) fn new(
        name: Arc<str>,
        addr: SocketAddr,
        section: &config::Endpoint,
        pool: PoolLimits,
        metrics: Arc<EndpointMetrics>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        metrics.healthy.set(1);
        Self {
            id: NEXT.fetch_add(1, Relaxed),
            name,
            authority: Arc::from(&*section.text),
            addr,
            weight: AtomicU32::new(section.weight),
            labels: ArcSwap::default(),
            tls_name: section.tls.then(|| Arc::from(&*section.address)),
            pool,
            metrics,
            healthy: AtomicBool::new(true),
            active: AtomicU32::new(0),
            latency: AtomicU64::new(0),
        }
    }

    /// Takes over what is known about the same address from an endpoint that this one replaces. Its connections are not
    /// taken over.
    pub(crate) fn succeed(&self, before: &Self) {
        self.judge(before.is_healthy());
        self.latency.store(before.latency.load(Relaxed), Relaxed);
    }

    /// As written in the configuration, for logs and metrics; a name with the address it stands for.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The share of traffic relative to its neighbours; 0 takes none.
    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// What is told of it where it was discovered: `zone`, tags.
    pub fn labels(&self) -> Arc<BTreeMap<String, String>> {
        self.labels.load_full()
    }

    /// Takes over what is told of it outside; its connections and counters stay.
    pub(crate) fn tell(&self, weight: u32, labels: &Arc<BTreeMap<String, String>>) {
        self.weight.store(weight, Relaxed);
        self.metrics.weight.set(u64::from(weight));
        self.labels.store(Arc::clone(labels));
    }

    /// The smoothed time to the head of an answer; `None` until the first.
    pub fn latency(&self) -> Option<Duration> {
        Some(self.latency.load(Relaxed)).filter(|n| *n > 0).map(Duration::from_nanos)
    }

    /// Whether it may be given traffic, as far as health checks know.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    /// Notes a verdict of the health checks.
    pub(crate) fn judge(&self, healthy: bool) {
        self.metrics.healthy.set(u64::from(healthy));
        self.healthy.store(healthy, Relaxed);
    }

    /// Exchanges and streams in flight.
    pub fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    /// Counts one more in flight until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> Active {
        self.active.fetch_add(1, Relaxed);
        Active(Arc::clone(self))
    }

    /// Takes the time to an answer's head into the estimate. Lost updates between workers do no harm.
    pub(crate) fn observe(&self, took: Duration) {
        let new = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let old = self.latency.load(Relaxed);
        let next = if old == 0 { new } else { old - (old >> EWMA_SHIFT) + (new >> EWMA_SHIFT) };
        self.latency.store(next.max(1), Relaxed);
    }

    /// What one more request would cost here: expected latency times the queue in front of it.
    pub(crate) fn cost(&self) -> u64 {
        let active = u64::from(self.active());
        let expected = match self.latency.load(Relaxed) {
            0 if active > 0 => UNPROVEN,
            known => known.max(1),
        };
        expected.saturating_mul(active + 1)
    }
}

impl Met for Endpoint {
    fn name(&self) -> &str {
        &self.name
    }
}

/// One exchange or stream in flight on an endpoint.
pub(crate) struct Active(Arc<Endpoint>);

impl Active {
    /// The endpoint.
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An endpoint nobody connects to.
    pub(crate) fn endpoint(name: &str, weight: u32) -> Endpoint {
        let metrics = yumen_telemetry::Registry::new(1).endpoint("test", name);
        let section =
            config::Endpoint { address: "127.0.0.1".into(), port: 1, tls: false, weight, text: "127.0.0.1:1".into() };
        Endpoint::new(name.into(), ([127, 0, 0, 1], 1).into(), &section, PoolLimits::default(), metrics)
    }

    #[test]
    fn endpoint_that_has_never_answered_is_not_taken_for_a_quick_one() {
        let (hangs, quick) = (Arc::new(endpoint("a", 1)), endpoint("b", 1));
        assert!(hangs.cost() <= quick.cost(), "it gets its chance");
        let _asked = hangs.enter();
        quick.observe(Duration::from_millis(20));
        assert!(hangs.cost() > quick.cost());
    }

    #[test]
    fn latency_estimate_moves_towards_what_is_seen() {
        let e = endpoint("a", 1);
        e.observe(Duration::from_millis(8));
        let first = e.cost();
        for _ in 0..50 {
            e.observe(Duration::from_millis(1));
        }
        assert!(e.cost() < first / 4 && e.cost() >= 1_000_000);
    }
}
