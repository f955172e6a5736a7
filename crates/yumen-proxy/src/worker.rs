//! One worker: a thread that accepts, serves and relays with what it owns alone.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use yumen_net::drain::{Drain, DrainWatch};
use yumen_net::listen::{BoundListener, HandedOver, Listener};
use yumen_net::rt;

use crate::order::{Ask, Bound, Order, Peers};
use crate::view::{Key, Shared, Worker};
use crate::{conn, quic, udp};

/// How often a worker hands its log lines over and looks after its pools.
const TICK: Duration = Duration::from_millis(200);
/// How long accepting rests when the process is out of descriptors.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// Connections taken out of the queue of a socket that is being closed.
const LAST_ACCEPTS: usize = 4096;

/// Runs a worker until it is told to stop.
pub(crate) async fn run(index: usize, shared: Arc<Shared>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let worker = Rc::new(Worker::new(index, shared));
    let mut accepting: Vec<(Key, mpsc::UnboundedSender<Ask>)> = Vec::new();
    let mut ports = udp::Ports::default();
    let housekeeping = rt::spawn_local(keep_house(Rc::clone(&worker)));
    while let Some(order) = orders.recv().await {
        match order {
            Order::Open { key, socket, drain, hand_to } => {
                let (ask, asked) = mpsc::unbounded_channel();
                accepting.push((key.clone(), ask));
                match socket {
                    Bound::Tcp(socket) => {
                        let desk = Desk { worker: Rc::clone(&worker), key, drain, hand_to };
                        drop(rt::spawn_local(desk.accept(socket, asked)));
                    }
                    Bound::Udp(socket) => {
                        let port = ports.open(&worker, &key, drain);
                        drop(rt::spawn_local(port.receive(socket, hand_to, asked)));
                    }
                    Bound::Quic(socket) => {
                        drop(rt::spawn_local(quic::accept(Rc::clone(&worker), key, socket, drain, asked)));
                    }
                }
            }
            Order::Lend { key, socket, drain } => ports.open(&worker, &key, drain).borrow_socket(socket),
            Order::Datagram { key, flow, bytes, waiting } => {
                drop(waiting);
                ports.serve(&key, flow, &bytes);
            }
            Order::Serve { key, stream, ends, watch } => match stream.unpack() {
                Ok(stream) => conn::serve(&worker, &key, stream, ends, watch),
                Err(error) => tracing::warn!(addr = %key.addr, %error, "a connection could not be handed over"),
            },
            Order::Close { key, done } => {
                ports.close(&key);
                // A task that ended by itself has dropped the other end, and with it nothing is left to wait for.
                for (_, ask) in accepting.extract_if(.., |(at, _)| *at == key) {
                    drop(ask.send(Ask::Close { _done: done.clone() }));
                }
            }
            Order::GiveBack { to } => {
                for (_, ask) in accepting.drain(..) {
                    drop(ask.send(Ask::GiveBack(to.clone())));
                }
            }
            Order::Share { to } => {
                for (_, ask) in &accepting {
                    drop(ask.send(Ask::Share(to.clone())));
                }
            }
            // Who asked may have stopped waiting.
            Order::Answer { done } => done.send(()).unwrap_or_default(),
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
            worker.tell_idle();
        }
        // An old snapshot is let go even by a worker that has no traffic.
        drop(worker.view());
    }
}

/// One socket being accepted from.
struct Desk {
    worker: Rc<Worker>,
    key: Key,
    drain: Drain,
    hand_to: Option<Peers>,
}

impl Desk {
    async fn accept(self, socket: BoundListener, mut asked: mpsc::UnboundedReceiver<Ask>) {
        let listener = match Listener::start(socket) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(addr = %self.key.addr, %error, "the socket could not be used"),
        };
        let local = listener.local_addr().unwrap_or(self.key.addr);
        let mut turn = 0;
        loop {
            tokio::select! {
                biased;
                ask = asked.recv() => {
                    match &ask {
                        // Who asked may have left.
                        Some(Ask::Share(to)) => {
                            drop(to.send((self.key.clone(), listener.share().map(Bound::Tcp))));
                            continue;
                        }
                        Some(Ask::GiveBack(to)) => return self.give_back(listener, to),
                        Some(Ask::Close { .. }) | None => {}
                    }
                    for (stream, peer) in listener.drain_accept(LAST_ACCEPTS) {
                        self.serve(stream, (peer, local), &mut turn);
                    }
                    // The socket is closed before who asked for it can know.
                    drop(listener);
                    return drop(ask);
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.serve(stream, (peer, local), &mut turn),
                    Err(error) => {
                        tracing::warn!(addr = %self.key.addr, %error, "accepting rests for a moment");
                        rt::sleep(EXHAUSTED).await;
                    }
                },
            }
        }
    }

    fn give_back(&self, listener: Listener, to: &mpsc::UnboundedSender<(Key, Bound)>) {
        match listener.release() {
            // Who asked waits for every socket, so it is there.
            Ok(socket) => drop(to.send((self.key.clone(), Bound::Tcp(socket)))),
            Err(error) => tracing::error!(addr = %self.key.addr, %error, "a socket was lost with its worker"),
        }
    }

    /// Serves a connection, here or on the worker whose turn it is. Not async on purpose: once the list of workers was
    /// read, the connection is on its way before anything else happens on this thread.
    fn serve(&self, stream: TcpStream, ends: (SocketAddr, SocketAddr), turn: &mut usize) {
        let Some(peers) = &self.hand_to else { return self.serve_here(stream, ends, self.drain.watch()) };
        let peers = peers.load();
        let at = *turn % peers.len().max(1);
        *turn = turn.wrapping_add(1);
        // The first worker is the one that accepts.
        let Some(peer) = peers.get(at).filter(|_| at > 0) else {
            return self.serve_here(stream, ends, self.drain.watch());
        };
        let stream = match HandedOver::pack(stream) {
            Ok(stream) => stream,
            Err(error) => {
                return tracing::warn!(addr = %self.key.addr, %error, "a connection could not be handed over");
            }
        };
        let handed = Order::Serve { key: self.key.clone(), stream, ends, watch: peer.drain.watch() };
        if let Err(mpsc::error::SendError(Order::Serve { stream, ends, .. })) = peer.orders.send(handed)
            && let Ok(stream) = stream.unpack()
        {
            self.serve_here(stream, ends, self.drain.watch());
        }
    }

    fn serve_here(&self, stream: TcpStream, ends: (SocketAddr, SocketAddr), watch: DrainWatch) {
        conn::serve(&self.worker, &self.key, stream, ends, watch);
    }
}
