//! Clients that come by QUIC: may they come in, do they have to prove their address, the handshake, and then HTTP/3.
//!
//! Each worker has an endpoint of its own for each address. A listener that is closed takes nobody in any more; its
//! connections are told to go, and the socket stays for them.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use yumen_config::config::QuicRetry;
use yumen_core::{Conn, Error, Side, Stage};
use yumen_net::drain::{Drain, DrainWatch};
use yumen_net::quic::{Connection, Incoming, QuicEndpoint, QuicServer, Rest, Shaken};
use yumen_net::rt;
use yumen_net::udp::BoundUdp;
use yumen_telemetry::reasons;

use crate::order::{Ask, Bound};
use crate::snapshot::{Door, Listener};
use crate::view::{Key, Worker, next_id};
use crate::{http, middleware, refusal};

/// Handshakes under way on one worker and address, beyond which clients have to prove their address first.
const UNPROVEN: u32 = 64;

/// Takes clients in until the end is asked for.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    key: Key,
    socket: BoundUdp,
    drain: Drain,
    mut asked: mpsc::UnboundedReceiver<Ask>,
) {
    let endpoint = match QuicEndpoint::start(socket) {
        Ok(endpoint) => endpoint,
        Err(error) => return tracing::error!(addr = %key.addr, %error, "the socket could not be used"),
    };
    let local = endpoint.local_addr().unwrap_or(key.addr);
    let mut desk = Desk { worker, key, local, drain, shaking: Rc::default(), serving: None };
    desk.follow(&endpoint);
    loop {
        tokio::select! {
            biased;
            ask = asked.recv() => match ask {
                Some(Ask::Share(to)) => {
                    drop(to.send((desk.key.clone(), endpoint.share().map(Bound::Quic))));
                }
                // An endpoint cannot change its worker: it stays until its connections have ended.
                Some(Ask::GiveBack(_) | Ask::Close { .. }) | None => break,
            },
            incoming = endpoint.accept() => match incoming {
                Some(incoming) => desk.take(&endpoint, incoming),
                None => return,
            },
        }
    }
    if endpoint.hand_over() {
        tracing::debug!(addr = %desk.key.addr, "the process that takes over reads the socket of HTTP/3 now");
    }
    // Who came before the end is served.
    while let Some(incoming) = endpoint.next() {
        desk.take(&endpoint, incoming);
    }
    endpoint.refuse_all();
}

/// Where clients come in.
struct Desk {
    worker: Rc<Worker>,
    key: Key,
    local: SocketAddr,
    drain: Drain,
    shaking: Rc<Cell<u32>>,
    /// What the endpoint has been told to serve with.
    serving: Option<Arc<QuicServer>>,
}

impl Desk {
    /// The listener of this moment. The endpoint follows it.
    fn follow(&mut self, endpoint: &QuicEndpoint) -> Option<(Arc<Listener>, Arc<QuicServer>)> {
        let view = self.worker.view();
        let listener = view.snapshot.listener(&view.listener_at(&self.key)?)?;
        let server = Arc::clone(listener.quic.as_ref()?);
        if self.serving.as_ref().is_none_or(|old| !Arc::ptr_eq(old, &server)) {
            endpoint.serve(&server);
            self.serving = Some(Arc::clone(&server));
        }
        Some((listener, server))
    }

    fn take(&mut self, endpoint: &QuicEndpoint, incoming: Incoming) {
        let Some((listener, server)) = self.follow(endpoint) else { return incoming.refuse() };
        let always = listener.config.http3.as_ref().is_some_and(|http3| http3.retry == QuicRetry::Always);
        if !incoming.is_validated() && (always || self.shaking.get() >= UNPROVEN) {
            return incoming.retry();
        }
        let (metrics, index) = (&listener.metrics, self.worker.index);
        metrics.accepted.inc(index);
        let full = listener.config.limits.connections.is_some_and(|max| metrics.active.value() >= i64::from(max));
        if full || !middleware::is_allowed(&listener.config.access, incoming.peer().ip()) {
            metrics.refused.inc(index);
            return incoming.refuse();
        }
        let local = incoming.local_ip().map_or(self.local, |ip| SocketAddr::new(ip, self.local.port()));
        let conn = Conn {
            id: next_id(),
            peer: incoming.peer(),
            local: SocketAddr::new(local.ip().to_canonical(), local.port()),
            listener: Arc::<Door>::clone(&listener.door),
            generation: self.worker.generation(),
            proxied: None,
            tls: None,
        };
        let client = Client { worker: Rc::clone(&self.worker), conn, watch: self.drain.watch() };
        drop(rt::spawn_local(client.run(incoming, listener, server, Rc::clone(&self.shaking))));
    }
}

/// One client from its first packet on.
struct Client {
    worker: Rc<Worker>,
    conn: Conn,
    watch: DrainWatch,
}

impl Client {
    async fn run(
        mut self,
        incoming: Incoming,
        listener: Arc<Listener>,
        server: Arc<QuicServer>,
        shaking: Rc<Cell<u32>>,
    ) {
        let index = self.worker.index;
        let _open = Open::new(&listener, index);
        let started = rt::now();
        let mut sni = None;
        let bound = listener.config.timeouts.handshake;
        let shaken = {
            let _one = Shaking::new(&shaking);
            rt::timeout(bound, incoming.shake(&server, &mut sni)).await
        };
        let failed = |reason, why: String| Error::new(Side::Client, Stage::Handshake, reason).detail(why);
        let error = match shaken {
            Ok(Ok(Shaken { connection, facts, rest })) => {
                self.conn.tls = Some(facts);
                let conn = Rc::new(self.conn);
                if let Some(rest) = rest {
                    let proof = Proof { worker: Rc::clone(&self.worker), conn: Rc::clone(&conn), started };
                    let (connection, listener) = (connection.clone(), Arc::clone(&listener));
                    drop(rt::spawn_local(proof.wait(rest, connection, listener, Rc::clone(&shaking))));
                }
                return http::h3::serve((self.worker, conn), connection, Arc::clone(&listener), self.watch).await;
            }
            Ok(Err(error)) => refusal::handshake(&error),
            Err(_) => failed(reasons::HANDSHAKE_TIMEOUT, "handshake took too long".to_owned()),
        };
        refusal::count(&listener.metrics, index, &error);
        refusal::write(&self.worker, &self.conn, (started, "quic", sni.as_deref()), &error);
    }
}

/// A connection that is served while the end of its handshake is still to come.
struct Proof {
    worker: Rc<Worker>,
    conn: Rc<Conn>,
    started: Instant,
}

impl Proof {
    /// Waits for the end of the handshake; without one the connection is over.
    async fn wait(self, rest: Rest, connection: Connection, listener: Arc<Listener>, shaking: Rc<Cell<u32>>) {
        let _one = Shaking::new(&shaking);
        let left = listener.config.timeouts.handshake.saturating_sub(rt::now().saturating_duration_since(self.started));
        let (reason, why) = match rt::timeout(left, rest.complete()).await {
            Ok(true) => return,
            Ok(false) => (reasons::HANDSHAKE_FAILED, "handshake failed after early data"),
            Err(_) => (reasons::HANDSHAKE_TIMEOUT, "handshake took too long after early data"),
        };
        connection.close();
        let error = Error::new(Side::Client, Stage::Handshake, reason).detail(why);
        refusal::count(&listener.metrics, self.worker.index, &error);
        refusal::write(&self.worker, &self.conn, (self.started, "quic", None), &error);
    }
}

/// Counts a handshake while it is under way.
struct Shaking<'a>(&'a Cell<u32>);

impl<'a> Shaking<'a> {
    fn new(all: &'a Cell<u32>) -> Self {
        all.set(all.get() + 1);
        Self(all)
    }
}

impl Drop for Shaking<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
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
