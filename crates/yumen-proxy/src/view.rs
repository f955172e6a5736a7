//! What a worker owns and what it sees: the current snapshot, its pools, its part of the log.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use yumen_core::{Exchange, Observer};
use yumen_telemetry::{AccessLog, Registry, WorkerLog};

use crate::grpc;
use crate::route::Route;
use crate::snapshot::{Carrier, Door, Snapshot};
use crate::upstream::Local;

/// What every worker and the control side share.
pub(crate) struct Shared {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) generation: AtomicU64,
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: AccessLog,
}

/// What a socket is known by: what it carries, its address as configured, and the listener's name where the port is
/// chosen by the system.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) carrier: Carrier,
    pub(crate) addr: SocketAddr,
    pub(crate) name: Option<Arc<str>>,
}

/// The snapshot a worker sees at one moment.
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    names: HashMap<Key, Arc<str>>,
}

impl View {
    pub(crate) fn listener_at(&self, key: &Key) -> Option<Arc<str>> {
        self.names.get(key).cloned()
    }
}

/// One worker's own things.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) local: Rc<Local>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Rc<WorkerLog>,
    observer: Rc<dyn Observer>,
    view: RefCell<Rc<View>>,
}

impl Key {
    pub(crate) fn new(carrier: Carrier, addr: SocketAddr, name: &Arc<str>) -> Self {
        Self { carrier, addr, name: (addr.port() == 0).then(|| Arc::clone(name)) }
    }
}

impl Worker {
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Self {
        let log = Rc::new(shared.log.worker(index));
        let observer: Rc<dyn Observer> = Rc::new(Recorder { index, log: Rc::clone(&log) });
        let view = RefCell::new(Rc::new(view_of(shared.snapshot.load_full())));
        Self { index, local: Rc::new(Local::new(index)), shared, log, observer, view }
    }

    /// Who hears of the end of each exchange.
    pub(crate) fn observer(&self) -> Rc<dyn Observer> {
        Rc::clone(&self.observer)
    }

    /// The generation in force: whoever keeps something of a snapshot asks whether it is still the current one.
    pub(crate) fn generation(&self) -> u64 {
        self.shared.generation.load(Relaxed)
    }

    /// The current snapshot. Costs a load and a compare unless it has changed.
    pub(crate) fn view(&self) -> Rc<View> {
        let current = Rc::clone(&self.view.borrow());
        if current.snapshot.generation == self.generation() {
            return current;
        }
        let fresh = Rc::new(view_of(self.shared.snapshot.load_full()));
        self.view.replace(Rc::clone(&fresh));
        fresh
    }
}

impl Worker {
    /// Tells how many connections rest in this worker's pools. Counted now and then, so that it costs no request.
    pub(crate) fn tell_idle(&self) {
        let pool = self.local.pool.borrow();
        for upstream in self.view().snapshot.upstreams() {
            let idle: usize = upstream.endpoints().iter().map(|e| pool.len(e) + self.local.channels.idle(e)).sum();
            upstream.metrics.idle.set(self.index, i64::try_from(idle).unwrap_or(i64::MAX));
        }
    }
}

/// A number for a connection or a session, unique within the process.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

fn view_of(snapshot: Arc<Snapshot>) -> View {
    let names = snapshot.addresses().map(|(carrier, addr, name)| (Key::new(carrier, addr, &name), name)).collect();
    View { snapshot, names }
}

/// Writes the log line and counts, once for each exchange.
struct Recorder {
    index: usize,
    log: Rc<WorkerLog>,
}

impl Observer for Recorder {
    fn finished(&self, exchange: &Exchange) {
        let code = grpc::settle(exchange);
        self.log.write(exchange);
        if let Some(door) = (&*exchange.conn.listener as &dyn Any).downcast_ref::<Door>() {
            door.metrics.requests.inc(self.index, exchange.version);
            door.metrics.bytes_in.add(self.index, exchange.bytes_in);
            door.metrics.bytes_out.add(self.index, exchange.bytes_out);
        }
        let Some(met) = exchange.route.as_deref() else { return };
        let Some(route) = (met as &dyn Any).downcast_ref::<Route>() else { return };
        let metrics = &route.metrics;
        metrics.requests.inc(self.index, exchange.status);
        metrics.duration.observe(self.index, exchange.timings.total);
        metrics.bytes_in.add(self.index, exchange.bytes_in);
        metrics.bytes_out.add(self.index, exchange.bytes_out);
        if let Some(code) = code {
            metrics.calls.inc(self.index, code);
        }
        if let Some(failure) = &exchange.failure {
            metrics.failed.inc(self.index, failure.side);
        }
        if let Some(upstream) = route.upstream.as_ref().filter(|_| exchange.attempts > 0) {
            let head = exchange.timings.head;
            if let Some(code) = code {
                upstream.metrics.calls.inc(self.index, code);
            }
            // Attempts that were followed by another one were not answered.
            for _ in 1..exchange.attempts {
                upstream.metrics.requests.inc(self.index, 0);
            }
            upstream.metrics.requests.inc(self.index, if head.is_some() { exchange.status } else { 0 });
            if let Some(head) = head {
                upstream.metrics.duration.observe(self.index, head);
            }
        }
    }
}
