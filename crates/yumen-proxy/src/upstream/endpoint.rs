//! One endpoint as the data path sees it: an address, a health verdict and a few counters, shared by all workers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use yumen_config::config::Pool as PoolLimits;
use yumen_telemetry::EndpointMetrics;

/// How quickly the latency estimate forgets: each answer moves it by an eighth.
const EWMA_SHIFT: u32 = 3;

/// An endpoint of an upstream. Survives a reload when its upstream's section did not change.
pub struct Endpoint {
    /// Unique within the process; the key of its pooled connections.
    pub(crate) id: u64,
    /// As written in the configuration, for logs and metrics.
    pub(crate) name: Arc<str>,
    /// Where to connect.
    pub(crate) addr: SocketAddr,
    /// The share of traffic relative to its neighbours; 0 takes none.
    pub(crate) weight: u32,
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
        weight: u32,
        tls_name: Option<Arc<str>>,
        pool: PoolLimits,
        metrics: Arc<EndpointMetrics>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        metrics.healthy.set(1);
        Self {
            id: NEXT.fetch_add(1, Relaxed),
            name,
            addr,
            weight,
            tls_name,
            pool,
            metrics,
            healthy: AtomicBool::new(true),
            active: AtomicU32::new(0),
            latency: AtomicU64::new(0),
        }
    }

    /// Whether it may be given traffic, as far as health checks know.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    /// Notes a verdict of the health checks; says whether it is news.
    pub(crate) fn judge(&self, healthy: bool) -> bool {
        self.metrics.healthy.set(u64::from(healthy));
        self.healthy.swap(healthy, Relaxed) != healthy
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
        self.latency.load(Relaxed).max(1).saturating_mul(u64::from(self.active()) + 1)
    }
}

/// One exchange or stream in flight on an endpoint.
pub(crate) struct Active(Arc<Endpoint>);

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
        Endpoint::new(name.into(), ([127, 0, 0, 1], 1).into(), weight, None, PoolLimits::default(), metrics)
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
