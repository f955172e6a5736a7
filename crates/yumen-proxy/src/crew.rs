//! The workers as the control side holds them: orders go in, sockets come back, and a worker that is no longer wanted
//! leaves only when its last connection has ended.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use yumen_net::drain::Drain;
use yumen_net::listen::{ListenError, ListenSet};
use yumen_net::udp::{BoundUdp, UdpSet};
use yumen_net::{os, rt};

use crate::order::{Bound, Order, Peer, Peers};
use crate::view::{Key, Shared};
use crate::worker;

/// Who accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepting {
    /// Every worker, from a socket of its own; the system spreads connections over them.
    Each,
    /// One worker, which hands connections to all in turn.
    One,
}

impl Accepting {
    /// What this system does well.
    pub fn of_system() -> Self {
        if os::SHARES_PORT { Self::Each } else { Self::One }
    }
}

/// Why the number of workers could not be changed; nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {
    /// A thread could not be started.
    #[error("cannot start another worker: {0}; ask for fewer `runtime.workers` or raise the limit of threads")]
    Thread(#[from] std::io::Error),
    /// A new worker has no socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// A worker.
pub(crate) struct Seat {
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) thread: rt::Worker,
}

impl Seat {
    pub(crate) fn start(index: usize, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::unbounded_channel();
        let shared = Arc::clone(shared);
        let thread = rt::spawn_worker("yumen-worker", index, None, move || worker::run(index, shared, inbox))?;
        Ok(Self { orders, thread })
    }

    /// Asks for something; says whether the worker is there.
    pub(crate) fn order(&self, order: Order) -> bool {
        self.orders.send(order).is_ok()
    }

    /// Its share of a new address.
    pub(crate) fn peer(&self) -> Peer {
        Peer { orders: self.orders.clone(), drain: Drain::new() }
    }

    pub(crate) fn end(self) {
        // A worker that is gone needs no telling.
        self.order(Order::Stop);
        if let Err(error) = self.thread.join() {
            tracing::error!(%error, "a worker ended badly");
        }
    }
}

/// Takes the sockets a worker accepts from. Connections queue up in them meanwhile.
pub(crate) async fn take_sockets(orders: &mpsc::UnboundedSender<Order>) -> Vec<(Key, Bound)> {
    let (give, mut given) = mpsc::unbounded_channel();
    let mut sockets = Vec::new();
    if orders.send(Order::GiveBack { to: give }).is_ok() {
        while let Some(one) = given.recv().await {
            sockets.push(one);
        }
    }
    sockets
}

/// Second handles on the sockets a worker accepts from; it goes on accepting.
pub(crate) async fn share_sockets(orders: &mpsc::UnboundedSender<Order>) -> std::io::Result<Vec<(Key, Bound)>> {
    let (give, mut given) = mpsc::unbounded_channel();
    let mut sockets = Vec::new();
    if orders.send(Order::Share { to: give }).is_ok() {
        while let Some((key, shared)) = given.recv().await {
            sockets.push((key, shared?));
        }
    }
    Ok(sockets)
}

/// Waits until a worker has done all that was asked for before. What its tasks do without waiting is done by then too.
pub(crate) async fn settle(orders: &mpsc::UnboundedSender<Order>) {
    let (done, answer) = oneshot::channel();
    if orders.send(Order::Answer { done }).is_ok() {
        // An error means that the worker has ended, which is settled too.
        answer.await.unwrap_or_default();
    }
}

/// The sockets of an address that was opened just now.
pub(crate) enum Set {
    Tcp(ListenSet),
    Udp(UdpSet),
    Quic(UdpSet),
}

impl Set {
    pub(crate) fn local_addr(&self) -> SocketAddr {
        match self {
            Self::Tcp(set) => set.local_addr(),
            Self::Udp(set) | Self::Quic(set) => set.local_addr(),
        }
    }

    pub(crate) fn into_sockets(self) -> Vec<Bound> {
        match self {
            Self::Tcp(set) => set.into_listeners().into_iter().map(Bound::Tcp).collect(),
            Self::Udp(set) => set.into_sockets().into_iter().map(Bound::Udp).collect(),
            Self::Quic(set) => set.into_sockets().into_iter().map(Bound::Quic).collect(),
        }
    }
}

/// The sockets of QUIC on one port, whose numbers stand in connection ids.
pub(crate) struct Steered {
    /// Handles on all of them: while one is closed before the others, the numbers of these are wrong.
    pub(crate) all: Vec<Arc<BoundUdp>>,
    /// Whether workers that are added may have more of them.
    pub(crate) may_grow: bool,
}

/// An open address. Its peers are the workers, in their order.
pub(crate) struct Socket {
    pub(crate) local: SocketAddr,
    pub(crate) peers: Peers,
    /// A handle for workers that answer through a socket from which another one receives.
    lent: Option<BoundUdp>,
    /// Where QUIC shares the port among several sockets.
    pub(crate) steered: Option<Steered>,
}

impl Socket {
    pub(crate) fn new(local: SocketAddr, seats: &[Seat]) -> Self {
        let peers = Arc::new(ArcSwap::from_pointee(seats.iter().map(Seat::peer).collect()));
        Self { local, peers, lent: None, steered: None }
    }

    /// Connections and sessions that have not ended.
    pub(crate) fn connections(&self) -> usize {
        self.peers.load().iter().map(|p| p.drain.holders()).sum()
    }

    /// Gives all sockets of this address to the workers.
    pub(crate) fn give_all(&mut self, key: &Key, set: Set, accepting: Accepting) {
        let workers = self.peers.load().len().max(1);
        if let (Set::Quic(set), Accepting::Each) = (&set, accepting) {
            match set.to_handles() {
                Ok(all) => {
                    let all = all.into_iter().map(Arc::new).collect();
                    self.steered = Some(Steered { all, may_grow: set.is_whole() });
                }
                Err(error) => {
                    tracing::warn!(addr = %key.addr, %error, "clients may lose their connection when this closes")
                }
            }
        }
        for (index, bound) in set.into_sockets().into_iter().enumerate() {
            if let (Bound::Udp(socket), Accepting::One) = (&bound, accepting) {
                match socket.try_clone() {
                    Ok(handle) => self.lent = Some(handle),
                    Err(error) => tracing::error!(addr = %key.addr, %error, "only one worker serves these datagrams"),
                }
                self.lend(key, self.peers.load().get(1..).unwrap_or_default());
            }
            // A predecessor may have had more workers, and what came waits in each of its sockets.
            self.give(key, bound, index % workers, accepting);
        }
    }

    /// Lends the socket to workers, where it is one for all. They must have it before datagrams are handed to them.
    pub(crate) fn lend(&self, key: &Key, peers: &[Peer]) {
        let Some(lent) = &self.lent else { return };
        for peer in peers {
            match lent.try_clone() {
                // A worker that is gone needs none.
                Ok(socket) => {
                    drop(peer.orders.send(Order::Lend { key: key.clone(), socket, drain: peer.drain.clone() }));
                }
                Err(error) => tracing::error!(addr = %key.addr, %error, "a worker has no part in these datagrams"),
            }
        }
    }

    /// Gives a socket of this address to the worker with that number.
    pub(crate) fn give(&self, key: &Key, socket: Bound, seat: usize, accepting: Accepting) {
        let peers = self.peers.load();
        let Some(peer) = peers.get(seat) else { return };
        let hand_to = (accepting == Accepting::One).then(|| Arc::clone(&self.peers));
        let open = Order::Open { key: key.clone(), socket, drain: peer.drain.clone(), hand_to };
        if peer.orders.send(open).is_err() {
            tracing::error!(addr = %key.addr, "a worker is gone; its share of connections is lost");
        }
    }
}
