//! What the control side asks of a worker, and the worker of its tasks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use yumen_net::drain::{Drain, DrainWatch};
use yumen_net::listen::{BoundListener, HandedOver, Inherited};
use yumen_net::os::Parcel;
use yumen_net::udp::{BoundUdp, Flow};

use crate::view::Key;

/// An open socket on its way to a worker.
pub(crate) enum Bound {
    Tcp(BoundListener),
    Udp(BoundUdp),
    Quic(BoundUdp),
}

impl Bound {
    /// Labelled for a process that takes over.
    pub(crate) fn into_parcels(self, key: &Key) -> Vec<Parcel> {
        let name = key.name.as_deref();
        let socket = match self {
            Self::Tcp(bound) => bound.into_socket(),
            Self::Udp(bound) => bound.into_socket(),
            Self::Quic(bound) => return bound.into_parcels(key.addr, name),
        };
        vec![Inherited::parcel(key.addr, name, socket)]
    }
}

/// The workers of an address, where one of them takes in for all.
pub(crate) type Peers = Arc<ArcSwap<Vec<Peer>>>;

/// What the control side asks of a worker.
pub(crate) enum Order {
    /// Take in from a socket; `hand_to` are all workers of the address when what comes is for them too.
    Open { key: Key, socket: Bound, drain: Drain, hand_to: Option<Peers> },
    /// Answer through a socket from which another worker takes in.
    Lend { key: Key, socket: BoundUdp, drain: Drain },
    /// Serve a connection that another worker has accepted.
    Serve { key: Key, stream: HandedOver, ends: (SocketAddr, SocketAddr), watch: DrainWatch },
    /// Serve a datagram that another worker has received.
    Datagram { key: Key, flow: Flow, bytes: Box<[u8]>, waiting: Waiting },
    /// Take nothing new in; `done` is dropped once this is so.
    Close { key: Key, done: mpsc::Sender<()> },
    /// Take nothing in on any socket and give the sockets back, open.
    GiveBack { to: mpsc::UnboundedSender<(Key, Bound)> },
    /// Hand out a second handle on every socket that is taken in from.
    Share { to: mpsc::UnboundedSender<Shared> },
    /// Say that all orders before this one are done.
    Answer { done: oneshot::Sender<()> },
    /// End.
    Stop,
}

/// A worker's share of one address: where its orders go, and what its connections there watch.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    pub(crate) drain: Drain,
}

/// What is asked of a task that takes in from a socket. All but the last are its end.
pub(crate) enum Ask {
    Close { _done: mpsc::Sender<()> },
    GiveBack(mpsc::UnboundedSender<(Key, Bound)>),
    Share(mpsc::UnboundedSender<Shared>),
}

/// A second handle on a socket, or why there is none.
pub(crate) type Shared = (Key, io::Result<Bound>);

/// A place among what was handed to other workers and not taken by them yet.
pub(crate) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// A place, unless there are as many as there may be.
    pub(crate) fn enter(all: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        if all.fetch_add(1, Relaxed) < most {
            return Some(Self(Arc::clone(all)));
        }
        all.fetch_sub(1, Relaxed);
        None
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
