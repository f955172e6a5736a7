//! The control side of the data path: sockets, workers and the current snapshot.
//!
//! Everything that can fail comes before the one swap: a snapshot is built, new sockets are bound, and only then does the
//! new snapshot take effect. What closes afterwards drains.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use yumen_net::drain::Drain;
use yumen_net::listen::{Inherited, ListenError, ListenSet};
use yumen_net::os::Parcel;
use yumen_net::rt;
use yumen_net::udp::UdpSet;
use yumen_telemetry::{AccessLog, ELSEWHERE, Registry};

use crate::crew::{self, Accepting, ResizeError, Seat, Set, Socket};
use crate::order::Order;
use crate::plan::ListenerPlan;
use crate::snapshot::{Carrier, Snapshot};
use crate::view::{Key, Shared};

mod open;

/// How long connections that were cut off may take to say so.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// How long it is tried to put back an address that was closed in vain.
const PUT_BACK: Duration = Duration::from_secs(10);

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

/// An address with connections: whether it is still open, or how long its connections may take to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAddress {
    /// What it carries.
    pub carrier: Carrier,
    /// As configured.
    pub addr: SocketAddr,
    /// The listener's name where the port is chosen by the system.
    pub name: Option<Arc<str>>,
    /// As it is, with the real port.
    pub local: SocketAddr,
    /// Connections or sessions that have not ended.
    pub connections: usize,
}

impl std::fmt::Display for OpenAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.carrier {
            Carrier::Tcp => write!(f, "{}", self.local),
            Carrier::Udp => write!(f, "{}/udp", self.local),
            Carrier::Quic => write!(f, "{}/quic", self.local),
        }
    }
}

/// What is left of an address that was closed, or of a worker that is leaving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draining {
    /// What it carries.
    pub carrier: Carrier,
    /// The address.
    pub local: SocketAddr,
    /// Connections that have not ended.
    pub connections: usize,
    /// The time after which they are cut off; `None`: they may take as long as they want.
    pub left: Option<Duration>,
}

/// What an address carries, and the address with its real port.
type Place = (Carrier, SocketAddr);

/// The data path as the control side holds it.
pub struct Proxy {
    shared: Arc<Shared>,
    accepting: Accepting,
    seats: Mutex<Vec<Seat>>,
    /// Workers that end with their last connection, or have ended.
    leaving: Mutex<Vec<Seat>>,
    sockets: Mutex<HashMap<Key, Socket>>,
    draining: Mutex<Vec<(Place, Drain)>>,
    is_draining: AtomicBool,
    inherited: Inherited,
}

impl Proxy {
    /// Starts the workers, with nothing to do yet.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start(workers: usize, registry: Arc<Registry>, log: AccessLog) -> std::io::Result<Self> {
        Self::start_accepting(Accepting::of_system(), workers, registry, log)
    }

    /// Like [`Proxy::start`], with another way to accept than the one that suits this system.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start_accepting(
        accepting: Accepting,
        workers: usize,
        registry: Arc<Registry>,
        log: AccessLog,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(Snapshot::empty()),
            generation: AtomicU64::new(0),
            registry,
            log,
        });
        let seats = (0..workers).map(|index| Seat::start(index, &shared)).collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self {
            shared,
            accepting,
            seats: Mutex::new(seats),
            leaving: Mutex::default(),
            sockets: Mutex::default(),
            draining: Mutex::default(),
            is_draining: AtomicBool::new(false),
            inherited: Inherited::default(),
        })
    }

    /// Uses sockets that are open already for the addresses they are bound to.
    #[must_use]
    pub fn with_inherited(self, inherited: Inherited) -> Self {
        Self { inherited, ..self }
    }

    /// What is wrong with the sockets that were open already, with remedies.
    pub fn complaints_of_inherited(&self) -> Vec<String> {
        let sockets = lock(&self.sockets);
        let open = sockets.iter().filter(|(key, _)| key.carrier == Carrier::Tcp).map(|(_, s)| s.local);
        let open: Vec<SocketAddr> = open.collect();
        self.inherited.complaints(&open)
    }

    /// Second handles on every socket, labelled for a process that takes over. What is accepted here meanwhile is served here.
    ///
    /// # Errors
    /// Out of descriptors.
    pub async fn parcels(&self) -> std::io::Result<Vec<Parcel>> {
        let seats: Vec<_> = lock(&self.seats).iter().map(|s| s.orders.clone()).collect();
        let mut parcels = self.inherited.parcels()?;
        for orders in &seats {
            for (key, socket) in crew::share_sockets(orders).await? {
                if key.carrier != Carrier::Tcp || !self.inherited.is_activated(key.addr) {
                    parcels.extend(socket.into_parcels(&key));
                }
            }
        }
        Ok(parcels)
    }

    /// Closes what was handed over and no listener of the snapshot in force has; says which addresses these were.
    pub fn close_unused(&self) -> Vec<SocketAddr> {
        self.inherited.close_unused()
    }

    /// Waits until every worker has done what it was doing and looked up: proof that none hangs.
    pub async fn answered(&self) {
        let seats: Vec<_> = lock(&self.seats).iter().map(|s| s.orders.clone()).collect();
        for orders in &seats {
            crew::settle(orders).await;
        }
    }

    /// The snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// The metrics.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.shared.registry
    }

    /// All metrics in the Prometheus text format. What endpoints have in flight is taken from themselves at this moment.
    pub fn metrics(&self) -> String {
        for upstream in self.snapshot().upstreams() {
            let mut all = 0;
            for endpoint in upstream.endpoints().iter() {
                let active = i64::from(endpoint.active());
                endpoint.metrics.active.set(ELSEWHERE, active);
                all += active;
            }
            upstream.metrics.active.set(ELSEWHERE, all);
        }
        self.shared.registry.set_worker_connections(self.connections());
        self.shared.registry.render()
    }

    /// The access log.
    pub fn log(&self) -> &AccessLog {
        &self.shared.log
    }

    /// How many workers there are, those that are leaving apart.
    pub fn workers(&self) -> usize {
        lock(&self.seats).len()
    }

    /// Connections on open addresses, for each worker.
    pub fn connections(&self) -> Vec<usize> {
        let mut all = vec![0; self.workers()];
        for socket in lock(&self.sockets).values() {
            for (sum, peer) in all.iter_mut().zip(socket.peers.load().iter()) {
                *sum += peer.drain.holders();
            }
        }
        all
    }

    /// Puts a snapshot in force.
    ///
    /// # Errors
    /// An address could not be opened: nothing has changed then.
    pub async fn apply(&self, mut next: Snapshot, drain_timeout: Duration) -> Result<Applied, ListenError> {
        let previous = self.snapshot();
        let plan = ListenerPlan::between(self.keys().into_iter(), &next);
        let (opened, mut closed) = self.open_new(&plan).await?;
        let mut applied = Applied { generation: next.generation, ..Applied::default() };
        // Nothing below can fail. What waits in the queue of a listener that closes is met by the snapshot it came for.
        applied.closed.extend(plan.close.iter().map(|key| key.addr));
        closed.extend(self.stop_accepting(&plan.close).await);
        next.commit(&previous, &self.shared.registry);
        let generation = next.generation;
        self.shared.snapshot.store(Arc::new(next));
        self.shared.generation.store(generation, Relaxed);
        for (key, set) in opened {
            applied.opened.push(set.local_addr());
            self.open(key, set);
        }
        for (key, socket) in closed {
            self.end_connections((key.carrier, socket.local), &socket, drain_timeout);
        }
        Ok(applied)
    }

    fn keys(&self) -> Vec<Key> {
        lock(&self.sockets).keys().cloned().collect()
    }

    fn open(&self, key: Key, set: Set) {
        let mut socket = Socket::new(set.local_addr(), &lock(&self.seats));
        socket.give_all(&key, set, self.accepting);
        lock(&self.sockets).insert(key, socket);
    }

    /// Closes addresses. What was in their queues is being served afterwards.
    async fn stop_accepting(&self, keys: &[Key]) -> Vec<(Key, Socket)> {
        let (done, mut closed) = mpsc::channel::<()>(1);
        let seats: Vec<_> = lock(&self.seats).iter().map(|s| s.orders.clone()).collect();
        let mut sockets = Vec::new();
        for key in keys {
            sockets.extend(lock(&self.sockets).remove_entry(key));
            for orders in &seats {
                // A worker that is gone has no socket either.
                drop(orders.send(Order::Close { key: key.clone(), done: done.clone() }));
            }
        }
        drop(done);
        // Nobody ever sends: the end comes when every worker has dropped its half.
        while closed.recv().await.is_some() {}
        if self.accepting == Accepting::One {
            for orders in &seats {
                crew::settle(orders).await;
            }
        }
        sockets
    }

    /// Asks the connections of a closed address to end, and cuts them off at the deadline.
    fn end_connections(&self, place: Place, socket: &Socket, drain_timeout: Duration) {
        let deadline = Some(rt::now() + drain_timeout);
        let drains: Vec<Drain> = socket.peers.load().iter().map(|p| p.drain.clone()).collect();
        for drain in &drains {
            drain.start(deadline);
        }
        // Connections that stayed with workers which are leaving.
        for (_, drain) in lock(&self.draining).iter().filter(|(leaving, _)| *leaving == place) {
            tracing::debug!(addr = %place.1, "closed for workers that are leaving as well");
            drain.start(deadline);
        }
        let kept: Vec<_> = socket.steered.iter().flat_map(|steered| steered.all.iter().cloned()).collect();
        if !kept.is_empty() {
            let waiting = drains.clone();
            drop(rt::spawn(async move {
                for drain in &waiting {
                    drain.ended().await;
                }
                drop(kept);
            }));
        }
        self.watch(place, drains);
    }

    /// Keeps drains in sight until they have ended, and sees that their deadlines are kept.
    fn watch(&self, place: Place, drains: Vec<Drain>) {
        let mut draining = lock(&self.draining);
        draining.retain(|(_, drain)| drain.holders() > 0);
        for drain in drains {
            let waiting = drain.clone();
            draining.push((place, drain));
            drop(rt::spawn(async move {
                waiting.wait().await;
            }));
        }
    }

    /// Starts workers, or lets some leave: their sockets go to those that stay, so that no connection in a queue is
    /// lost, their clients are asked to connect again when they are idle, and nobody is cut off.
    ///
    /// # Errors
    /// [`ResizeError`]: more workers could not be started. Nothing has changed then.
    pub async fn resize(&self, workers: usize) -> Result<(), ResizeError> {
        let now = self.workers();
        match workers.max(1) {
            more if more > now => self.grow(now, more),
            fewer if fewer < now => {
                self.shrink(fewer).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn grow(&self, from: usize, to: usize) -> Result<(), ResizeError> {
        let new = (from..to).map(|index| Seat::start(index, &self.shared)).collect::<std::io::Result<Vec<_>>>()?;
        let mut sockets = lock(&self.sockets);
        let mut sets = Vec::new();
        if self.accepting == Accepting::Each {
            for (key, socket) in sockets.iter() {
                let options = self.options(socket.local);
                let set = match key.carrier {
                    Carrier::Tcp => Set::Tcp(match self.open_inherited(&options, None, new.len()) {
                        Some(set) => set?,
                        None => ListenSet::open_beside(&options, new.len())?,
                    }),
                    Carrier::Udp => Set::Udp(UdpSet::open_beside(&options, new.len())?),
                    Carrier::Quic => match socket.steered.as_ref().filter(|steered| steered.may_grow) {
                        Some(steered) => Set::Quic(UdpSet::open_more(&options, steered.all.len(), new.len())?),
                        // The sockets of workers that left are in the way.
                        None => continue,
                    },
                };
                sets.push((key.clone(), set));
            }
        }
        // Nothing below can fail.
        let mut seats = lock(&self.seats);
        seats.extend(new);
        for (key, socket) in sockets.iter() {
            let mut peers = Vec::clone(&socket.peers.load());
            let newcomers: Vec<_> = seats.iter().skip(from).map(Seat::peer).collect();
            socket.lend(key, &newcomers);
            peers.extend(newcomers);
            socket.peers.store(Arc::new(peers));
        }
        for (key, set) in sets {
            let Some(socket) = sockets.get_mut(&key) else { continue };
            if let (Set::Quic(set), Some(steered)) = (&set, &mut socket.steered) {
                match set.to_handles() {
                    Ok(more) => steered.all.extend(more.into_iter().map(Arc::new)),
                    Err(error) => {
                        tracing::warn!(addr = %key.addr, %error, "clients may lose their connection when this closes");
                        steered.may_grow = false;
                    }
                }
            }
            for (index, bound) in set.into_sockets().into_iter().enumerate() {
                socket.give(&key, bound, from + index, self.accepting);
            }
        }
        Ok(())
    }

    async fn shrink(&self, to: usize) {
        let going = lock(&self.seats).split_off(to);
        let mut drains: Vec<Vec<(Place, Drain)>> = going.iter().map(|_| Vec::new()).collect();
        for (key, socket) in lock(&self.sockets).iter_mut() {
            if let Some(steered) = &mut socket.steered {
                steered.may_grow = false;
                if let Some(first) = steered.all.first() {
                    first.spread(steered.all.len(), to);
                }
            }
            let mut peers = Vec::clone(&socket.peers.load());
            for (of_seat, peer) in drains.iter_mut().zip(peers.split_off(to.min(peers.len()))) {
                of_seat.push(((key.carrier, socket.local), peer.drain));
            }
            socket.peers.store(Arc::new(peers));
        }
        // Who hands connections out must have let go of the old list.
        let stays = lock(&self.seats).first().map(|s| s.orders.clone());
        if let Some(orders) = stays {
            crew::settle(&orders).await;
        }
        for (index, (seat, drains)) in going.into_iter().zip(drains).enumerate() {
            for (key, bound) in crew::take_sockets(&seat.orders).await {
                if let Some(socket) = lock(&self.sockets).get(&key) {
                    socket.give(&key, bound, index % to, self.accepting);
                }
            }
            self.retire(seat, drains);
        }
    }

    /// Ends a worker when its last connection has ended.
    fn retire(&self, seat: Seat, drains: Vec<(Place, Drain)>) {
        let orders = seat.orders.clone();
        lock(&self.leaving).push(seat);
        for (place, drain) in &drains {
            drain.start(None);
            self.watch(*place, vec![drain.clone()]);
        }
        drop(rt::spawn(async move {
            for (_, drain) in drains {
                drain.wait().await;
            }
            // A worker that is gone needs no telling.
            drop(orders.send(Order::Stop));
        }));
    }

    /// Addresses that are open, with the number of connections on each.
    pub fn open_addresses(&self) -> Vec<OpenAddress> {
        let sockets = lock(&self.sockets);
        let open = sockets.iter().map(|(key, socket)| OpenAddress {
            carrier: key.carrier,
            addr: key.addr,
            name: key.name.clone(),
            local: socket.local,
            connections: socket.connections(),
        });
        let mut open: Vec<OpenAddress> = open.collect();
        open.sort_by(|a, b| (a.local, a.carrier, &a.name).cmp(&(b.local, b.carrier, &b.name)));
        open
    }

    /// Connections of closed addresses and leaving workers that have not ended yet.
    pub fn draining(&self) -> Vec<Draining> {
        let mut draining = lock(&self.draining);
        draining.retain(|(_, drain)| drain.holders() > 0);
        let now = rt::now();
        let mut all: Vec<Draining> = Vec::new();
        for ((carrier, local), drain) in draining.iter() {
            let left = drain.deadline().map(|d| d.saturating_duration_since(now));
            match all
                .iter_mut()
                .find(|d| (d.carrier, d.local) == (*carrier, *local) && d.left.is_some() == left.is_some())
            {
                Some(same) => {
                    same.connections += drain.holders();
                    same.left = same.left.max(left);
                }
                None => all.push(Draining { carrier: *carrier, local: *local, connections: drain.holders(), left }),
            }
        }
        all
    }

    /// Whether everybody has been asked to finish, as by [`Proxy::drain`].
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Relaxed)
    }

    /// Closes every listener and waits until all connections have ended, or the deadline. The result is how many were
    /// still open.
    pub async fn drain(&self, timeout: Duration) -> usize {
        let deadline = rt::now() + timeout;
        for (key, socket) in self.stop_accepting(&self.keys()).await {
            self.end_connections((key.carrier, socket.local), &socket, timeout);
        }
        let drains: Vec<Drain> = lock(&self.draining).iter().map(|(_, drain)| drain.clone()).collect();
        for drain in &drains {
            drain.start(Some(deadline));
        }
        self.is_draining.store(true, Relaxed);
        let mut left = 0;
        for drain in &drains {
            left += drain.wait().await.remaining;
        }
        // Those who are cut off reset their connections; a worker that ends before they do would close them as if
        // everything had been said.
        let all = async {
            for drain in &drains {
                drain.ended().await;
            }
        };
        rt::timeout(CUT_GRACE, all).await.ok();
        left
    }

    /// Ends the workers and writes out what they still hold.
    pub fn stop(&self) {
        let mut seats = std::mem::take(&mut *lock(&self.seats));
        seats.append(&mut lock(&self.leaving));
        for seat in &seats {
            seat.order(Order::Stop);
        }
        seats.into_iter().for_each(Seat::end);
        self.shared.log.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks can leave things half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
