//! One connection, from accept to its end: may it come in, does it speak TLS, is it HTTP or a stream.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::net::TcpStream;
use yumen_config::config::Protocol;
use yumen_core::{Conn, TlsFacts};
use yumen_net::drain::DrainWatch;
use yumen_net::rt;
use yumen_net::tls::{self, ServerTls};
use yumen_net::transport::Transport;

use crate::snapshot::{Door, Listener};
use crate::view::{Key, Worker};
use crate::{http, l4, middleware};

/// Serves a connection from now on. The listener is that of this moment: a connection taken out of the queue of a
/// listener that is being closed is still served by it.
pub(crate) fn serve(
    worker: &Rc<Worker>,
    key: &Key,
    stream: TcpStream,
    ends: (SocketAddr, SocketAddr),
    drain: DrainWatch,
) {
    let view = worker.view();
    let Some(name) = view.listener_at(key) else { return };
    let Some(listener) = view.snapshot.listener(&name) else { return };
    let met = Met { name, listener, generation: view.snapshot.generation };
    drop(rt::spawn_local(run(Rc::clone(worker), met, stream, ends, drain)));
}

/// What a connection met when it was accepted.
struct Met {
    name: Arc<str>,
    listener: Arc<Listener>,
    generation: u64,
}

async fn run(
    worker: Rc<Worker>,
    Met { name, listener, generation }: Met,
    stream: TcpStream,
    (peer, local): (SocketAddr, SocketAddr),
    drain: DrainWatch,
) {
    let metrics = &listener.metrics;
    metrics.accepted.inc(worker.index);
    let full = listener.config.limits.connections.is_some_and(|max| metrics.active.value() >= i64::from(max));
    if full || !middleware::is_allowed(&listener.config.access, peer.ip()) {
        metrics.refused.inc(worker.index);
        return;
    }
    let _open = Open::new(&listener, worker.index);
    let (transport, tls) = match &listener.tls {
        None => (Transport::plain(stream), None),
        // Boxed: a connection at rest should not carry the room of a handshake or a relay.
        Some(server) => match Box::pin(shake(&listener, server, stream)).await {
            Ok((transport, facts)) => (transport, Some(facts)),
            Err(why) => {
                metrics.handshake_failures.inc(worker.index);
                return tracing::debug!(%peer, listener = %name, "{why}");
            }
        },
    };
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = NEXT.fetch_add(1, Relaxed);
    let door: Arc<Door> = Arc::clone(&listener.door);
    let conn = Rc::new(Conn { id, peer, local, listener: door, generation, tls });
    match listener.config.protocol {
        Protocol::Http => http::serve(worker, conn, transport, Arc::clone(&listener), drain).await,
        Protocol::Tcp | Protocol::TlsPassthrough => {
            Box::pin(l4::serve(&worker, &conn, &listener, transport, drain)).await
        }
    }
}

/// The handshake. It runs in the connection's own task: nobody waits behind it.
async fn shake(listener: &Listener, server: &ServerTls, stream: TcpStream) -> Result<(Transport, TlsFacts), String> {
    let shaken = rt::timeout(listener.config.timeouts.handshake, tls::handshake_server(server, stream)).await;
    match shaken {
        Ok(Ok(both)) => Ok(both),
        Ok(Err(e)) => Err(format!("handshake failed: {e}")),
        Err(_) => Err("handshake took too long".to_owned()),
    }
}

/// Counts a connection while it is open.
struct Open<'a>(&'a Listener, usize);

impl<'a> Open<'a> {
    fn new(listener: &'a Listener, worker: usize) -> Self {
        listener.metrics.active.inc(worker);
        Self(listener, worker)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.metrics.active.dec(self.1);
    }
}
