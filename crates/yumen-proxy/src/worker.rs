//! One worker: a thread that accepts, serves and relays with what it owns alone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use yumen_core::{Exchange, Observer};
use yumen_net::drain::Drain;
use yumen_net::listen::{self, BoundListener};
use yumen_net::rt;
use yumen_telemetry::{AccessLog, Registry, WorkerLog};

use crate::conn;
use crate::route::Route;
use crate::snapshot::Snapshot;
use crate::upstream::Local;

/// How often a worker hands its log lines over and looks after its pools.
const TICK: Duration = Duration::from_millis(200);
/// How long accepting rests when the process is out of descriptors.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// Connections taken out of the queue of a socket that is being closed.
const LAST_ACCEPTS: usize = 4096;

/// What every worker and the control side share.
pub(crate) struct Shared {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) generation: AtomicU64,
    pub(crate) registry: Arc<Registry>,
    pub(crate) log: AccessLog,
}

/// What the control side asks of a worker.
pub(crate) enum Order {
    /// Accept on a socket.
    Open { key: Key, socket: BoundListener, drain: Drain },
    /// Stop accepting; answers once the socket is closed.
    Close { key: Key, done: oneshot::Sender<()> },
    /// End.
    Stop,
}

/// What a socket is known by: its address as configured, and the listener's name where the port is chosen by the system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) addr: SocketAddr,
    pub(crate) name: Option<Arc<str>>,
}

/// The snapshot a worker sees at one moment.
pub(crate) struct View {
    pub(crate) snapshot: Arc<Snapshot>,
    names: HashMap<Key, Arc<str>>,
    observer: Rc<dyn Observer>,
}

impl View {
    pub(crate) fn observer(&self) -> Rc<dyn Observer> {
        Rc::clone(&self.observer)
    }

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
    view: RefCell<Rc<View>>,
}

impl Key {
    pub(crate) fn new(addr: SocketAddr, name: &Arc<str>) -> Self {
        Self { addr, name: (addr.port() == 0).then(|| Arc::clone(name)) }
    }
}

impl Worker {
    fn new(index: usize, shared: Arc<Shared>) -> Self {
        let log = Rc::new(shared.log.worker(index));
        let observer: Rc<dyn Observer> = Rc::new(Recorder { index, log: Rc::clone(&log) });
        let view = RefCell::new(Rc::new(view_of(shared.snapshot.load_full(), observer)));
        Self { index, local: Rc::new(Local::new(index)), shared, log, view }
    }

    /// The current snapshot. Costs a load and a compare unless it has changed.
    pub(crate) fn view(&self) -> Rc<View> {
        let current = Rc::clone(&self.view.borrow());
        if current.snapshot.generation == self.shared.generation.load(Relaxed) {
            return current;
        }
        let fresh = Rc::new(view_of(self.shared.snapshot.load_full(), current.observer()));
        self.view.replace(Rc::clone(&fresh));
        fresh
    }
}

fn view_of(snapshot: Arc<Snapshot>, observer: Rc<dyn Observer>) -> View {
    let names = snapshot.addresses().map(|(addr, name)| (Key::new(addr, &name), name)).collect();
    View { snapshot, names, observer }
}

/// Writes the log line and counts, once for each exchange.
struct Recorder {
    index: usize,
    log: Rc<WorkerLog>,
}

impl Observer for Recorder {
    fn finished(&self, exchange: &Exchange) {
        self.log.write(exchange);
        let Some(route) = exchange.matched.as_ref().and_then(|route| route.downcast_ref::<Route>()) else { return };
        let metrics = &route.metrics;
        metrics.requests.inc(self.index, exchange.status);
        metrics.duration.observe(self.index, exchange.timings.total);
        metrics.bytes_in.add(self.index, exchange.bytes_in);
        metrics.bytes_out.add(self.index, exchange.bytes_out);
        if let Some(failure) = &exchange.failure {
            metrics.failed.inc(self.index, failure.side);
        }
    }
}

/// Runs a worker until it is told to stop.
pub(crate) async fn run(index: usize, shared: Arc<Shared>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let worker = Rc::new(Worker::new(index, shared));
    let mut accepting: HashMap<Key, oneshot::Sender<oneshot::Sender<()>>> = HashMap::new();
    let housekeeping = rt::spawn_local(keep_house(Rc::clone(&worker)));
    while let Some(order) = orders.recv().await {
        match order {
            Order::Open { key, socket, drain } => {
                let (close, closing) = oneshot::channel();
                accepting.insert(key.clone(), close);
                drop(rt::spawn_local(accept(Rc::clone(&worker), key, socket, drain, closing)));
            }
            Order::Close { key, done } => {
                // A loop that ended by itself has dropped the other end; then `done` is dropped, which answers too.
                if let Some(close) = accepting.remove(&key) {
                    drop(close.send(done));
                }
            }
            Order::Stop => break,
        }
    }
    housekeeping.abort();
    worker.log.flush();
}

async fn keep_house(worker: Rc<Worker>) {
    let mut ticks = 0u32;
    loop {
        rt::sleep(TICK).await;
        worker.log.flush();
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(5) {
            worker.local.sweep();
        }
        // An old snapshot is let go even by a worker that has no traffic.
        drop(worker.view());
    }
}

async fn accept(
    worker: Rc<Worker>,
    key: Key,
    socket: BoundListener,
    drain: Drain,
    mut closing: oneshot::Receiver<oneshot::Sender<()>>,
) {
    let listener = match listen::Listener::start(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(addr = %key.addr, %error, "the socket could not be used"),
    };
    let local = listener.local_addr().unwrap_or(key.addr);
    let serve = |stream: TcpStream, peer: SocketAddr| {
        drop(rt::spawn_local(conn::serve(Rc::clone(&worker), key.clone(), stream, (peer, local), drain.watch())));
    };
    loop {
        tokio::select! {
            biased;
            done = &mut closing => {
                for (stream, peer) in listener.drain_accept(LAST_ACCEPTS) {
                    serve(stream, peer);
                }
                drop(listener);
                if let Ok(done) = done {
                    // The asker may have stopped waiting.
                    drop(done.send(()));
                }
                return;
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => serve(stream, peer),
                Err(error) => {
                    tracing::warn!(addr = %key.addr, %error, "accepting rests for a moment");
                    rt::sleep(EXHAUSTED).await;
                }
            },
        }
    }
}
