//! The control side of the data path: sockets, workers and the current snapshot.
//!
//! Everything that can fail comes before the one swap: a snapshot is built, new sockets are bound, and only then does the
//! new snapshot take effect. What closes afterwards drains.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use yumen_net::drain::Drain;
use yumen_net::listen::{ListenError, ListenOptions, ListenSet};
use yumen_net::rt;
use yumen_telemetry::{AccessLog, Registry};

use crate::plan::ListenerPlan;
use crate::snapshot::Snapshot;
use crate::view::{Key, Shared};
use crate::worker::{self, Order};

/// How long connections that were cut off may take to say so.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// What an apply did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The generation that is now in force.
    pub generation: u64,
    /// Addresses that were opened.
    pub opened: Vec<SocketAddr>,
    /// Addresses that were closed.
    pub closed: Vec<SocketAddr>,
}

/// The data path as the control side holds it.
pub struct Proxy {
    shared: Arc<Shared>,
    orders: Vec<mpsc::UnboundedSender<Order>>,
    threads: Mutex<Vec<rt::Worker>>,
    sockets: Mutex<HashMap<Key, Socket>>,
    draining: Mutex<Vec<(SocketAddr, Drain)>>,
}

struct Socket {
    local: SocketAddr,
    drain: Drain,
}

impl Proxy {
    /// Starts the workers, with nothing to do yet.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start(workers: usize, registry: Arc<Registry>, log: AccessLog) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(Snapshot::empty()),
            generation: AtomicU64::new(0),
            registry,
            log,
        });
        let (mut orders, mut threads) = (Vec::new(), Vec::new());
        for index in 0..workers {
            let (order, inbox) = mpsc::unbounded_channel();
            let shared = Arc::clone(&shared);
            threads.push(rt::spawn_worker("yumen-worker", index, None, move || worker::run(index, shared, inbox))?);
            orders.push(order);
        }
        Ok(Self { shared, orders, threads: Mutex::new(threads), sockets: Mutex::default(), draining: Mutex::default() })
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// The metrics.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    /// Puts a snapshot in force.
    ///
    /// # Errors
    /// An address could not be opened: nothing has changed then.
    pub async fn apply(&self, mut next: Snapshot, drain_timeout: Duration) -> Result<Applied, ListenError> {
        let previous = self.snapshot();
        let plan = ListenerPlan::between(&previous, &next);
        let mut opened = Vec::new();
        for key in &plan.open {
            opened.push((key.clone(), ListenSet::open(&ListenOptions::new(key.addr), self.orders.len())?));
        }
        let mut applied = Applied { generation: next.generation, ..Applied::default() };
        // Nothing below can fail.
        next.commit(&previous, &self.shared.registry);
        let generation = next.generation;
        self.shared.snapshot.store(Arc::new(next));
        self.shared.generation.store(generation, Relaxed);
        for (key, set) in opened {
            applied.opened.push(set.local_addr());
            self.open(key, set);
        }
        for key in plan.close {
            applied.closed.push(key.addr);
            self.close(&key, drain_timeout).await;
        }
        Ok(applied)
    }

    fn open(&self, key: Key, set: ListenSet) {
        let drain = Drain::new();
        let local = set.local_addr();
        for (socket, order) in set.into_listeners().into_iter().zip(&self.orders) {
            let opened = Order::Open { key: key.clone(), socket, drain: drain.clone() };
            if order.send(opened).is_err() {
                tracing::error!(addr = %key.addr, "a worker is gone; its share of connections is lost");
            }
        }
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).insert(key, Socket { local, drain });
    }

    async fn close(&self, key: &Key, drain_timeout: Duration) {
        let socket = self.sockets.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        let Some(socket) = socket else { return };
        let mut closed = Vec::new();
        for order in &self.orders {
            let (done, answer) = oneshot::channel();
            if order.send(Order::Close { key: key.clone(), done }).is_ok() {
                closed.push(answer);
            }
        }
        for answer in closed {
            // An error means that the loop had ended already.
            drop(answer.await);
        }
        socket.drain.start(Some(rt::now() + drain_timeout));
        let waiting = socket.drain.clone();
        let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
        draining.retain(|(_, drain)| drain.holders() > 0);
        draining.push((socket.local, socket.drain));
        drop(draining);
        drop(rt::spawn(async move {
            waiting.wait().await;
        }));
    }

    /// Addresses that are open, with the number of connections on each.
    pub fn open_addresses(&self) -> Vec<(SocketAddr, Option<Arc<str>>, SocketAddr, usize)> {
        let sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.iter().map(|(key, s)| (key.addr, key.name.clone(), s.local, s.drain.holders())).collect()
    }

    /// Addresses that are closed, with the number of connections that have not ended yet.
    pub fn draining(&self) -> Vec<(SocketAddr, usize)> {
        let mut draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
        draining.retain(|(_, drain)| drain.holders() > 0);
        draining.iter().map(|(addr, drain)| (*addr, drain.holders())).collect()
    }

    /// Closes every listener and waits until all connections have ended, or the deadline. The result is how many were
    /// still open.
    pub async fn drain(&self, timeout: Duration) -> usize {
        let keys: Vec<Key> = self.sockets.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for key in &keys {
            self.close(key, timeout).await;
        }
        let drains: Vec<Drain> = self
            .draining
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(_, drain)| drain.clone())
            .collect();
        let mut left = 0;
        for drain in drains {
            left += drain.wait().await.remaining;
            // Those who are cut off reset their connections; a worker that ends before they do would close them as if
            // everything had been said.
            rt::timeout(CUT_GRACE, drain.ended()).await.ok();
        }
        left
    }

    /// Ends the workers and writes out what they still hold.
    pub fn stop(&self) {
        for order in &self.orders {
            // A worker that is gone needs no telling.
            drop(order.send(Order::Stop));
        }
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if let Err(error) = thread.join() {
                tracing::error!(%error, "a worker ended badly");
            }
        }
        self.shared.log.close();
    }
}
