//! Serves one HTTP/3 connection (RFC 9114): accepts requests, each of which is a task of its own, and sees to rest, drains
//! and the end.
//!
//! The `h3` crate speaks the protocol over QUIC, whose limits bound what a client can have under way: streams, windows, the
//! time of silence. QPACK is used without a dynamic table, so that no field costs memory beyond its request.

mod answer;
mod content;
mod stream;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use yumen_core::Conn;
use yumen_net::drain::DrainWatch;
use yumen_net::quic::{self, Connection};
use yumen_net::rt;

use super::refresh;
use crate::snapshot::Listener;
use crate::view::Worker;

/// The sending half of a request's stream.
type Sending = h3::server::RequestStream<quic::SendStream<Bytes>, Bytes>;
/// The receiving half.
type Receiving = h3::server::RequestStream<quic::RecvStream, Bytes>;

/// How long a connection without requests is kept when it is to end: the client has to hear of it, and to take in what was
/// answered last, for the end of a connection throws away what is on its way.
const LEAVE: Duration = Duration::from_secs(1);

/// The requests of one connection whose work is not over.
#[derive(Default)]
struct Streams {
    open: Cell<usize>,
    ended: Notify,
}

impl Streams {
    fn enter(all: &Rc<Self>, listener: &Arc<Listener>, worker: usize) -> Seat {
        all.open.set(all.open.get() + 1);
        listener.metrics.streams.inc(worker);
        Seat { all: Rc::clone(all), listener: Arc::clone(listener), worker }
    }

    /// Waits until there has been none for a while.
    async fn rest(&self) {
        loop {
            while self.open.get() > 0 {
                self.ended.notified().await;
            }
            rt::sleep(LEAVE).await;
            if self.open.get() == 0 {
                return;
            }
        }
    }
}

/// A request's place on its connection.
struct Seat {
    all: Rc<Streams>,
    listener: Arc<Listener>,
    worker: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.all.open.set(self.all.open.get() - 1);
        self.listener.metrics.streams.dec(self.worker);
        self.all.ended.notify_waiters();
    }
}

/// Serves a connection until either side is done with it.
pub(crate) async fn serve(
    (worker, conn): (Rc<Worker>, Rc<Conn>),
    connection: Connection,
    mut listener: Arc<Listener>,
    drain: DrainWatch,
) {
    let limit = u64::try_from(listener.config.limits.head).unwrap_or(u64::MAX);
    let mut builder = h3::server::builder();
    builder.max_field_section_size(limit);
    let built = rt::timeout(listener.config.timeouts.head, builder.build::<_, Bytes>(connection.carrier())).await;
    let Ok(Ok(mut h3)) = built else { return connection.close() };
    let mut generation = conn.generation;
    let mut signaled = Box::pin(drain.signaled());
    let mut forced = Box::pin(drain.forced());
    let mut is_leaving = false;
    let streams = Rc::new(Streams::default());
    let mut served = 0u32;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut forced, if is_leaving => break,
            () = streams.rest(), if is_leaving => break,
            () = &mut signaled, if !is_leaving => None,
            accepted = h3.accept() => Some(accepted),
        };
        match accepted {
            Some(Ok(Some(resolver))) => {
                refresh(&worker, &conn, &mut listener, &mut generation);
                let seat = Streams::enter(&streams, &listener, worker.index);
                let (worker, conn) = (Rc::clone(&worker), Rc::clone(&conn));
                let met = stream::Met { worker, conn, quic: connection.clone(), seat };
                drop(rt::spawn_local(stream::run(met, Arc::clone(&listener), resolver)));
                served = served.saturating_add(1);
                if is_leaving || listener.config.limits.requests_per_connection.is_none_or(|max| served < max) {
                    continue;
                }
            }
            // The client asks nothing more. The last answers may still be on their way.
            Some(Ok(None)) => {
                tokio::select! {
                    () = streams.rest() => {}
                    () = &mut forced => {}
                    () = connection.closed() => {}
                }
                break;
            }
            Some(Err(_)) => break,
            None => {}
        }
        // New requests belong on another connection (RFC 9114 section 5.2). What the client sent before it can know is
        // answered: as much as it may have under way. The end itself says what came too late for that.
        is_leaving = true;
        let under_way = listener.config.http3.as_ref().map_or(0, |http3| http3.max_concurrent_streams);
        if h3.shutdown(under_way as usize).await.is_err() {
            break;
        }
    }
    connection.close();
}
