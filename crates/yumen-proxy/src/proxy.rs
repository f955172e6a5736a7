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
use yumen_net::listen::{self, Inherited, ListenError, ListenOptions, ListenSet};
use yumen_net::os::{self, Parcel};
use yumen_net::rt;
use yumen_telemetry::{AccessLog, ELSEWHERE, Registry};

use crate::crew::{self, Accepting, ResizeError, Seat, Socket};
use crate::plan::{self, ListenerPlan};
use crate::snapshot::Snapshot;
use crate::view::{Key, Shared};
use crate::worker::Order;

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
    /// As configured.
    pub addr: SocketAddr,
    /// The listener's name where the port is chosen by the system.
    pub name: Option<Arc<str>>,
    /// As it is, with the real port.
    pub local: SocketAddr,
    /// Connections that have not ended.
    pub connections: usize,
}

/// What is left of an address that was closed, or of a worker that is leaving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draining {
    /// The address.
    pub local: SocketAddr,
    /// Connections that have not ended.
    pub connections: usize,
    /// The time after which they are cut off; `None`: they may take as long as they want.
    pub left: Option<Duration>,
}

/// The data path as the control side holds it.
pub struct Proxy {
    shared: Arc<Shared>,
    accepting: Accepting,
    seats: Mutex<Vec<Seat>>,
    /// Workers that end with their last connection, or have ended.
    leaving: Mutex<Vec<Seat>>,
    sockets: Mutex<HashMap<Key, Socket>>,
    draining: Mutex<Vec<(SocketAddr, Drain)>>,
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
        let open: Vec<SocketAddr> = lock(&self.sockets).values().map(|s| s.local).collect();
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
                if !self.inherited.is_activated(key.addr) {
                    parcels.push(Inherited::parcel(key.addr, key.name.as_deref(), socket.into_socket()));
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
        for (_, socket) in closed {
            self.end_connections(&socket, drain_timeout);
        }
        Ok(applied)
    }

    fn keys(&self) -> Vec<Key> {
        lock(&self.sockets).keys().cloned().collect()
    }

    /// Opens what a plan asks for, and closes what is in the way of it; the second list is what was closed.
    ///
    /// Where the system lets nobody share a port, `0.0.0.0:80` cannot be opened beside `127.0.0.1:80` of our own, which
    /// goes away. That one is closed first then, when all else is open, and put back when it was in vain.
    async fn open_new(&self, plan: &ListenerPlan) -> Result<(Vec<(Key, ListenSet)>, Vec<(Key, Socket)>), ListenError> {
        let (mut opened, mut blocked, mut in_way) = (Vec::new(), Vec::new(), Vec::new());
        for key in &plan.open {
            let before: Vec<Key> = self.in_the_way(key, &plan.close);
            let first = if before.is_empty() {
                listen::patiently(|| self.listen(key.addr, key.name.as_deref())).await
            } else {
                self.listen(key.addr, key.name.as_deref())
            };
            match first {
                Ok(set) => opened.push((key.clone(), set)),
                Err(error) if !before.is_empty() && error.is_taken() => {
                    blocked.push(key);
                    in_way.extend(before.into_iter().filter(|key| !in_way.contains(key)).collect::<Vec<_>>());
                }
                Err(error) => return Err(error),
            }
        }
        if blocked.is_empty() {
            return Ok((opened, Vec::new()));
        }
        let closed = self.stop_accepting(&in_way).await;
        for key in blocked {
            match listen::patiently(|| self.listen_anew(key.addr, key.name.as_deref())).await {
                Ok(set) => opened.push((key.clone(), set)),
                Err(error) => {
                    // They may be in the way of what is put back.
                    drop(opened);
                    return Err(error.and(&self.put_back(closed).await));
                }
            }
        }
        for (_, socket) in &closed {
            tracing::info!(addr = %socket.local, "closed before its port was opened anew: this system lets nobody share it");
        }
        Ok((opened, closed))
    }

    /// Which addresses that are to be closed may keep another one from being opened.
    fn in_the_way(&self, key: &Key, close: &[Key]) -> Vec<Key> {
        if self.accepting == Accepting::Each && os::SHARES_PORT {
            return Vec::new();
        }
        let sockets = lock(&self.sockets);
        let is_in_way = |old: &&Key| sockets.get(old).is_some_and(|socket| plan::overlap(socket.local, key.addr));
        close.iter().filter(is_in_way).cloned().collect()
    }

    /// Opens addresses once more that were closed a moment ago. Their connections were left alone. The result says how
    /// it went, for people.
    async fn put_back(&self, closed: Vec<(Key, Socket)>) -> String {
        let mut told = Vec::new();
        for (key, socket) in closed {
            let local = socket.local;
            match listen::patiently_for(PUT_BACK, || self.listen_anew(local, key.name.as_deref())).await {
                Ok(set) => {
                    for (index, bound) in set.into_listeners().into_iter().enumerate() {
                        socket.give(&key, bound, index, self.accepting);
                    }
                    lock(&self.sockets).insert(key, socket);
                    told.push(format!("{local}, which was closed to make room for it, is open again"));
                }
                Err(error) => {
                    let drains: Vec<Drain> = socket.peers.load().iter().map(|p| p.drain.clone()).collect();
                    drains.iter().for_each(|drain| drain.start(None));
                    self.watch(local, drains);
                    told.push(format!(
                        "{local}, which was closed to make room for it, IS CLOSED NOW: {error}; a reload opens it"
                    ));
                }
            }
        }
        told.join("; ")
    }

    /// Opens an address whose port was ours until now. Connections that were accepted there keep an exclusive port taken
    /// until they end, but do not keep anybody from opening it like everyone does.
    fn listen_anew(&self, addr: SocketAddr, name: Option<&str>) -> Result<ListenSet, ListenError> {
        match self.listen(addr, name) {
            Err(error) if error.is_taken() && !os::SHARES_PORT => {
                let options = ListenOptions { exclusive: false, ..self.options(addr) };
                ListenSet::open(&options, self.workers()).inspect(|_| {
                    tracing::info!(%addr, "opened without exclusive use, because connections from before hold the port");
                })
            }
            done => done,
        }
    }

    fn listen(&self, addr: SocketAddr, name: Option<&str>) -> Result<ListenSet, ListenError> {
        let (options, workers) = (self.options(addr), self.workers());
        if let Some(set) = self.open_inherited(&options, name, workers) {
            return set;
        }
        // `0.0.0.0:80` beside `127.0.0.1:80` of our own: a conflict only when we ask for the port alone.
        let beside = addr.port() != 0 && lock(&self.sockets).values().any(|s| s.local.port() == addr.port());
        if beside { ListenSet::open_beside(&options, workers) } else { ListenSet::open(&options, workers) }
    }

    fn open_inherited(
        &self,
        options: &ListenOptions,
        name: Option<&str>,
        workers: usize,
    ) -> Option<Result<ListenSet, ListenError>> {
        let handles = if self.accepting == Accepting::Each { workers } else { 1 };
        self.inherited.open(options, name, workers, handles)
    }

    fn options(&self, addr: SocketAddr) -> ListenOptions {
        ListenOptions { reuse_port: self.accepting == Accepting::Each, ..ListenOptions::new(addr) }
    }

    fn open(&self, key: Key, set: ListenSet) {
        let socket = Socket::new(set.local_addr(), &lock(&self.seats));
        let workers = self.workers().max(1);
        for (index, bound) in set.into_listeners().into_iter().enumerate() {
            // A predecessor may have had more workers, and connections wait in each of its sockets.
            socket.give(&key, bound, index % workers, self.accepting);
        }
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
    fn end_connections(&self, socket: &Socket, drain_timeout: Duration) {
        let deadline = Some(rt::now() + drain_timeout);
        let drains: Vec<Drain> = socket.peers.load().iter().map(|p| p.drain.clone()).collect();
        for drain in &drains {
            drain.start(deadline);
        }
        // Connections that stayed with workers which are leaving.
        for (local, drain) in lock(&self.draining).iter().filter(|(local, _)| *local == socket.local) {
            tracing::debug!(addr = %local, "closed for workers that are leaving as well");
            drain.start(deadline);
        }
        self.watch(socket.local, drains);
    }

    /// Keeps drains in sight until they have ended, and sees that their deadlines are kept.
    fn watch(&self, local: SocketAddr, drains: Vec<Drain>) {
        let mut draining = lock(&self.draining);
        draining.retain(|(_, drain)| drain.holders() > 0);
        for drain in drains {
            let waiting = drain.clone();
            draining.push((local, drain));
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
                let set = match self.open_inherited(&options, None, new.len()) {
                    Some(set) => set?,
                    None => ListenSet::open_beside(&options, new.len())?,
                };
                sets.push((key.clone(), set));
            }
        }
        // Nothing below can fail.
        let mut seats = lock(&self.seats);
        seats.extend(new);
        for socket in sockets.values_mut() {
            let mut peers = Vec::clone(&socket.peers.load());
            peers.extend(seats.iter().skip(from).map(Seat::peer));
            socket.peers.store(Arc::new(peers));
        }
        for (key, set) in sets {
            let Some(socket) = sockets.get(&key) else { continue };
            for (index, bound) in set.into_listeners().into_iter().enumerate() {
                socket.give(&key, bound, from + index, self.accepting);
            }
        }
        Ok(())
    }

    async fn shrink(&self, to: usize) {
        let going = lock(&self.seats).split_off(to);
        let mut drains: Vec<Vec<(SocketAddr, Drain)>> = going.iter().map(|_| Vec::new()).collect();
        for socket in lock(&self.sockets).values() {
            let mut peers = Vec::clone(&socket.peers.load());
            for (of_seat, peer) in drains.iter_mut().zip(peers.split_off(to.min(peers.len()))) {
                of_seat.push((socket.local, peer.drain));
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
    fn retire(&self, seat: Seat, drains: Vec<(SocketAddr, Drain)>) {
        let orders = seat.orders.clone();
        lock(&self.leaving).push(seat);
        for (local, drain) in &drains {
            drain.start(None);
            self.watch(*local, vec![drain.clone()]);
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
            addr: key.addr,
            name: key.name.clone(),
            local: socket.local,
            connections: socket.connections(),
        });
        let mut open: Vec<OpenAddress> = open.collect();
        open.sort_by(|a, b| (a.local, &a.name).cmp(&(b.local, &b.name)));
        open
    }

    /// Connections of closed addresses and leaving workers that have not ended yet.
    pub fn draining(&self) -> Vec<Draining> {
        let mut draining = lock(&self.draining);
        draining.retain(|(_, drain)| drain.holders() > 0);
        let now = rt::now();
        let mut all: Vec<Draining> = Vec::new();
        for (local, drain) in draining.iter() {
            let left = drain.deadline().map(|d| d.saturating_duration_since(now));
            match all.iter_mut().find(|d| d.local == *local && d.left.is_some() == left.is_some()) {
                Some(same) => {
                    same.connections += drain.holders();
                    same.left = same.left.max(left);
                }
                None => all.push(Draining { local: *local, connections: drain.holders(), left }),
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
        for (_, socket) in self.stop_accepting(&self.keys()).await {
            self.end_connections(&socket, timeout);
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
