//! Datagrams: a client's first one chooses an endpoint, and the session that it begins keeps it.
//!
//! Each worker has one [`Port`] for each UDP address, with a table of sessions that it shares with nobody. The system
//! gives a client's datagrams always to the same socket, and so to the same worker; where it has one socket for all, the
//! worker that receives hands on by the client's address. A session has a socket of its own towards its endpoint, whose
//! answers leave through the socket the client asked, from the address it asked.
//!
//! A session ends by silence, when its endpoint owes nothing more (`udp.responses`), when the endpoint is taken out of
//! use, or by a drain. Its end is one line of the access log. A port that is closed goes on for the sessions it has.

mod session;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use yumen_config::config::{ListenerTimeouts, Protocol};
use yumen_core::{Error, Reason, Side, Stage};
use yumen_net::drain::{Drain, DrainWatch};
use yumen_net::rt;
use yumen_net::udp::{Batch, BoundUdp, Flow, LARGEST, Table, UdpListener};
use yumen_telemetry::reasons;

use crate::middleware;
use crate::order::{Ask, Bound, Order, Peer, Peers, Waiting};
use crate::snapshot::Listener;
use crate::view::{Key, Worker};
use session::{Look, Session};

/// In a drain a session is over when nothing was sent for so long: nobody says goodbye with datagrams.
const DRAIN_QUIET: Duration = Duration::from_secs(2);
/// How long an endpoint that failed is passed over by this worker, while there is another one.
const SHUN: Duration = Duration::from_secs(10);
/// Sessions are looked after at least so often, and at most.
const TICK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
/// Between two complaints of one kind in the process log.
const COMPLAIN: Duration = Duration::from_secs(10);
/// How long receiving rests when the socket fails.
const REST: Duration = Duration::from_millis(50);
/// Datagrams that may wait for another worker.
const HANDED: usize = 4096;
/// Buffers kept for answers.
const BUFFERS: usize = 4;

/// The ports of a worker.
#[derive(Default)]
pub(crate) struct Ports(HashMap<Key, Rc<Port>>);

impl Ports {
    /// The port of an address, open for new sessions. One that was closed and still has sessions goes on.
    pub(crate) fn open(&mut self, worker: &Rc<Worker>, key: &Key, drain: Drain) -> Rc<Port> {
        // What was closed and has come to its end is not kept.
        self.0.retain(|at, port| at == key || !port.is_over());
        let port = self.0.entry(key.clone()).or_insert_with(|| Port::new(worker, key));
        port.drain.replace(Some(drain));
        Rc::clone(port)
    }

    /// Begins no more sessions on an address.
    pub(crate) fn close(&mut self, key: &Key) {
        if let Some(port) = self.0.get(key) {
            port.close();
        }
    }

    /// Serves a datagram that another worker has received.
    pub(crate) fn serve(&self, key: &Key, flow: Flow, bytes: &[u8]) {
        let port = self.0.get(key);
        if let Some((port, near)) = port.and_then(|port| Some((port, port.borrowed.borrow().clone()?))) {
            port.take(&near, flow, bytes, rt::now());
        }
    }
}

/// One address on one worker.
pub(crate) struct Port {
    worker: Rc<Worker>,
    key: Key,
    table: RefCell<Table<Flow, Rc<Session>>>,
    /// What new sessions watch; `None`: it is closed.
    drain: RefCell<Option<Drain>>,
    /// A socket from which another worker receives.
    borrowed: RefCell<Option<Rc<UdpListener>>>,
    buffers: RefCell<Vec<Vec<u8>>>,
    /// Endpoints that failed, and until when they are passed over.
    shunned: RefCell<Vec<(u64, Instant)>>,
    /// The listener as last seen; what a closed one said holds for its sessions.
    listener: RefCell<Option<Arc<Listener>>>,
    complained: Cell<Option<Instant>>,
    /// There is a session to look after, or none any more, or the port was closed.
    changed: Rc<Notify>,
    keeper: RefCell<Option<rt::Task<()>>>,
}

impl Port {
    fn new(worker: &Rc<Worker>, key: &Key) -> Rc<Self> {
        let port = Rc::new(Self {
            worker: Rc::clone(worker),
            key: key.clone(),
            table: RefCell::default(),
            drain: RefCell::default(),
            borrowed: RefCell::default(),
            buffers: RefCell::default(),
            shunned: RefCell::default(),
            listener: RefCell::default(),
            complained: Cell::default(),
            changed: Rc::default(),
            keeper: RefCell::default(),
        });
        let keeper = rt::spawn_local(keep(Rc::downgrade(&port), Rc::clone(&port.changed)));
        port.keeper.replace(Some(keeper));
        port
    }

    /// Answers through a socket from which another worker receives.
    pub(crate) fn borrow_socket(&self, socket: BoundUdp) {
        match UdpListener::start(socket) {
            Ok(near) => drop(self.borrowed.replace(Some(Rc::new(near)))),
            Err(error) => tracing::error!(addr = %self.key.addr, %error, "the socket could not be used"),
        }
    }

    /// Receives until the end is asked for and the last session has ended.
    pub(crate) async fn receive(
        self: Rc<Self>,
        socket: BoundUdp,
        hand_to: Option<Peers>,
        mut asked: mpsc::UnboundedReceiver<Ask>,
    ) {
        let near = match UdpListener::start(socket) {
            Ok(near) => Rc::new(near),
            Err(error) => return tracing::error!(addr = %self.key.addr, %error, "the socket could not be used"),
        };
        let hands = hand_to.map(Hands::new);
        let mut batch = Batch::new();
        let (mut is_ending, mut is_shared) = (false, false);
        loop {
            tokio::select! {
                biased;
                ask = asked.recv(), if !is_ending => match ask {
                    Some(Ask::GiveBack(to)) => return self.give_back(&near, &to),
                    Some(Ask::Share(to)) => {
                        is_shared = true;
                        drop(to.send((self.key.clone(), near.to_bound().map(Bound::Udp))));
                    }
                    // Nothing new begins before who asked for it can know.
                    Some(Ask::Close { .. }) | None => {
                        self.close();
                        // What comes now is for the process that took over.
                        if is_shared {
                            return;
                        }
                        is_ending = true;
                    }
                },
                () = self.over(), if is_ending => return,
                received = near.recv(&mut batch) => match received {
                    Ok(()) => {
                        self.take_all(&near, &batch, hands.as_ref());
                        rt::yield_now().await;
                    }
                    Err(error) => {
                        tracing::warn!(addr = %self.key.addr, %error, "receiving rests for a moment");
                        rt::sleep(REST).await;
                    }
                },
            }
        }
    }

    fn give_back(&self, near: &UdpListener, to: &mpsc::UnboundedSender<(Key, Bound)>) {
        self.close();
        match near.to_bound() {
            // Who asked waits for every socket, so it is there.
            Ok(socket) => drop(to.send((self.key.clone(), Bound::Udp(socket)))),
            Err(error) => tracing::error!(addr = %self.key.addr, %error, "a socket was lost with its worker"),
        }
    }

    fn close(&self) {
        self.drain.replace(None);
        self.borrowed.replace(None);
        self.changed.notify_waiters();
    }

    fn is_over(&self) -> bool {
        self.drain.borrow().is_none() && self.table.borrow().is_empty()
    }

    async fn over(&self) {
        while !self.is_over() {
            self.changed.notified().await;
        }
    }

    fn take_all(self: &Rc<Self>, near: &Rc<UdpListener>, batch: &Batch, hands: Option<&Hands>) {
        let now = rt::now();
        for (flow, bytes) in batch.datagrams() {
            match hands.and_then(|hands| hands.peer(&flow)) {
                None => self.take(near, flow, bytes, now),
                Some((hands, peer)) if hands.hand(&self.key, flow, bytes, &peer) => {}
                Some(_) => {
                    self.count(bytes);
                    self.drop_datagram();
                }
            }
        }
    }

    /// Serves a datagram of a client: by its session, or by a new one.
    fn take(self: &Rc<Self>, near: &Rc<UdpListener>, flow: Flow, bytes: &[u8], now: Instant) {
        self.count(bytes);
        let found = self.table.borrow_mut().hear(&flow, now).cloned();
        if let Some(session) = found {
            match self.judge(&session, Look::Quick) {
                Ok(()) => match session.send(bytes, now) {
                    Ok(()) => return,
                    // Of one that was sent before: the endpoint is gone.
                    Err(error) => {
                        if self.go_elsewhere(&session, error) {
                            session.send(bytes, now).unwrap_or_else(|_| session.drop_datagrams(1));
                            return;
                        }
                    }
                },
                Err(reason) => self.end(&session, Some(withdrawn(&session, reason))),
            }
        }
        self.begin(near, flow, bytes, now);
    }

    /// Begins a session with a client's datagram, if it may begin.
    fn begin(self: &Rc<Self>, near: &Rc<UdpListener>, flow: Flow, bytes: &[u8], now: Instant) {
        let listener = self.listener();
        let Some(watch) = self.drain.borrow().as_ref().map(Drain::watch) else { return self.drop_datagram() };
        let Some(listener) = listener else { return };
        if !middleware::is_allowed(&listener.config.access, flow.client().ip()) || !self.make_room(&listener, now) {
            listener.metrics.refused.inc(self.worker.index);
            return self.drop_datagram();
        }
        match Session::open(self, &listener, near, (flow, watch), now) {
            Some(session) => {
                if self.table.borrow().is_empty() {
                    self.changed.notify_waiters();
                }
                self.table.borrow_mut().insert(flow, Rc::clone(&session), now);
                session.send(bytes, now).unwrap_or_else(|_| session.drop_datagrams(1));
            }
            None => {
                listener.metrics.refused.inc(self.worker.index);
                self.drop_datagram();
            }
        }
    }

    /// Whether there may be one more session; one that was never answered gives way if need be.
    fn make_room(&self, listener: &Listener, now: Instant) -> bool {
        if listener.metrics.active.value() < i64::from(listener.config.limits.sessions) {
            return true;
        }
        self.complain(now, "there are as many sessions as there may be (`limits.sessions`)");
        let gone = self.table.borrow_mut().give_way();
        let Some((_, session)) = gone else { return false };
        let error = Error::new(Side::Us, Stage::Accept, reasons::SESSION_DISPLACED);
        session.finish(Some(error));
        true
    }

    /// The listener at this address now, or the last one there was.
    fn listener(&self) -> Option<Arc<Listener>> {
        let view = self.worker.view();
        let current = view.listener_at(&self.key).and_then(|name| view.snapshot.listener(&name));
        if let Some(current) = current.filter(|l| l.config.protocol == Protocol::Udp) {
            self.listener.replace(Some(current));
        }
        self.listener.borrow().clone()
    }

    /// Whether a session may go on with its endpoint.
    fn judge(&self, session: &Session, look: Look) -> Result<(), Reason> {
        let generation = self.worker.generation();
        if session.generation.get() != generation && self.drain.borrow().is_some() {
            let listener = self.listener().ok_or(reasons::ENDPOINT_WITHDRAWN)?;
            if !middleware::is_allowed(&listener.config.access, session.flow.client().ip()) {
                return Err(reasons::IP_DENIED);
            }
            session.carry_over(&listener)?;
            session.generation.set(generation);
        }
        if session.may_stay(look) { Ok(()) } else { Err(reasons::ENDPOINT_WITHDRAWN) }
    }

    /// Sends what a session was not answered to another endpoint, since this one is not there; ends the session when
    /// that is not possible.
    fn go_elsewhere(self: &Rc<Self>, session: &Rc<Session>, error: std::io::Error) -> bool {
        let error = session.fail(error);
        self.shun(session.endpoint().id);
        if session.redirect(self) {
            return true;
        }
        self.end(session, Some(error));
        false
    }

    fn shun(&self, endpoint: u64) {
        let now = rt::now();
        let mut shunned = self.shunned.borrow_mut();
        shunned.retain(|(id, until)| *id != endpoint && *until > now);
        shunned.push((endpoint, now + SHUN));
    }

    /// Endpoints to be passed over.
    fn passed_over(&self, now: Instant) -> Vec<u64> {
        self.shunned.borrow().iter().filter(|(_, until)| *until > now).map(|(id, _)| *id).collect()
    }

    /// Ends a session that is in the table.
    fn end(&self, session: &Session, failure: Option<Error>) {
        drop(self.table.borrow_mut().remove(&session.flow));
        session.finish(failure);
        self.tell_if_over();
    }

    fn tell_if_over(&self) {
        if self.is_over() {
            self.changed.notify_waiters();
        }
    }

    /// Looks after the sessions; says when to come again, or `None` while there is none.
    fn tend(self: &Rc<Self>) -> Option<Duration> {
        let (now, listener) = (rt::now(), self.listener());
        let idle = listener.as_ref().map_or(ListenerTimeouts::of(Protocol::Udp).idle, |l| l.config.timeouts.idle);
        loop {
            let silent = self.table.borrow_mut().expire(now, idle);
            let Some((_, session)) = silent else { break };
            session.expire();
        }
        let all: Vec<Rc<Session>> = self.table.borrow().iter().map(|(_, session)| Rc::clone(session)).collect();
        // Who waits for a closed port to be free waits for its last session.
        let mut patience = if self.drain.borrow().is_none() { idle.min(DRAIN_QUIET) } else { idle };
        for session in &all {
            patience = patience.min(session.patience().unwrap_or(idle));
            let quiet = now.saturating_duration_since(session.heard.get());
            match () {
                () if session.is_forced() => self.end(session, Some(cut())),
                () if session.is_draining() && quiet >= DRAIN_QUIET => self.end(session, None),
                () if session.owes_for_too_long(now) => {
                    self.shun(session.endpoint().id);
                    self.end(session, Some(session.overdue()));
                }
                () => {
                    if let Err(reason) = self.judge(session, Look::Close) {
                        self.end(session, Some(withdrawn(session, reason)));
                    }
                }
            }
        }
        self.tell_if_over();
        if self.table.borrow().is_empty() { None } else { Some((patience / 4).clamp(TICK.0, TICK.1)) }
    }

    /// Room for answers: two of the largest datagrams.
    fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| vec![0; 2 * LARGEST])
    }

    fn give_buffer_back(&self, buffer: Vec<u8>) {
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < BUFFERS {
            buffers.push(buffer);
        }
    }

    /// Counts a datagram of a client.
    fn count(&self, bytes: &[u8]) {
        if self.listener.borrow().is_none() {
            self.listener();
        }
        if let Some(listener) = &*self.listener.borrow() {
            listener.metrics.datagrams_in.inc(self.worker.index);
            listener.metrics.bytes_in.add(self.worker.index, bytes.len() as u64);
        }
    }

    fn drop_datagram(&self) {
        if let Some(listener) = &*self.listener.borrow() {
            listener.metrics.dropped.inc(self.worker.index);
        }
    }

    /// Says something in the process log, but not again and again.
    fn complain(&self, now: Instant, what: &str) {
        if self.complained.get().is_none_or(|at| now.saturating_duration_since(at) > COMPLAIN) {
            self.complained.set(Some(now));
            tracing::warn!(addr = %self.key.addr, "{what}");
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
        }
    }
}

fn cut() -> Error {
    Error::new(Side::Us, Stage::Receive, reasons::DRAINING)
}

fn withdrawn(session: &Session, reason: Reason) -> Error {
    let side = if reason == reasons::IP_DENIED { Side::Client } else { Side::Upstream };
    Error::new(side, Stage::Receive, reason).detail(session.endpoint().name.as_ref())
}

/// Looks after the sessions of a port while there is one.
async fn keep(port: Weak<Port>, changed: Rc<Notify>) {
    loop {
        let Some(wait) = port.upgrade().map(|port| port.tend()) else { return };
        match wait {
            Some(wait) => rt::timeout(wait, changed.notified()).await.unwrap_or_default(),
            None => changed.notified().await,
        }
    }
}

/// Where one worker receives for all.
struct Hands {
    to: Peers,
    waiting: Arc<AtomicUsize>,
    secret: RandomState,
}

impl Hands {
    fn new(to: Peers) -> Self {
        Self { to, waiting: Arc::default(), secret: RandomState::new() }
    }

    /// The worker of a flow; `None`: the one that receives.
    fn peer(&self, flow: &Flow) -> Option<(&Self, Peer)> {
        let peers = self.to.load();
        let at = self.secret.hash_one(flow) % peers.len().max(1) as u64;
        peers.get(usize::try_from(at).ok().filter(|at| *at > 0)?).map(|peer| (self, peer.clone()))
    }

    fn hand(&self, key: &Key, flow: Flow, bytes: &[u8], peer: &Peer) -> bool {
        let Some(waiting) = Waiting::enter(&self.waiting, HANDED) else { return false };
        peer.orders.send(Order::Datagram { key: key.clone(), flow, bytes: bytes.into(), waiting }).is_ok()
    }
}

/// A session's part in a drain.
type Watch = DrainWatch;
