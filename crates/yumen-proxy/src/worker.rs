//! One worker: a thread that accepts, serves and relays with what it owns alone.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use yumen_net::drain::Drain;
use yumen_net::listen::{self, BoundListener};
use yumen_net::rt;

use crate::conn;
use crate::view::{Key, Shared, Worker};

/// How often a worker hands its log lines over and looks after its pools.
const TICK: Duration = Duration::from_millis(200);
/// How long accepting rests when the process is out of descriptors.
const EXHAUSTED: Duration = Duration::from_millis(50);
/// Connections taken out of the queue of a socket that is being closed.
const LAST_ACCEPTS: usize = 4096;

/// What the control side asks of a worker.
pub(crate) enum Order {
    /// Accept on a socket.
    Open { key: Key, socket: BoundListener, drain: Drain },
    /// Stop accepting; answers once the socket is closed.
    Close { key: Key, done: oneshot::Sender<()> },
    /// End.
    Stop,
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
                    done.send(()).ok();
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
