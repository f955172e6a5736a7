//! HTTP towards clients: each version reads requests and writes answers in its own way, and what happens in between is the
//! same for all.
//!
//! * [`exchange`] is that middle: it knows of no version. Give it an [`Exchange`](yumen_core::Exchange), a
//!   [`Request`](yumen_core::Request) whose body is attached, what was [`Asked`](exchange::Asked) beside it, and a
//!   [`Client`](exchange::Client) that tells when nobody waits any more; it gives back the response to write, or nothing
//!   when there is nobody to write it to. It strips what concerns one connection only, adds what the next hop should know,
//!   finds the route and runs its chain.
//! * `h1` is a connection of HTTP/1.1: one exchange after the other on a link, run by its `turn`.
//! * `h2` is a connection of HTTP/2: each exchange is a task of its own, run by its `stream`.
//! * [`head`] reads heads that came as pseudo fields, for HTTP/2 and whatever comes after it.
//! * [`intake`] watches over the content of a request: its amount, its rate, whether it ended.
//! * [`respond`] is the only place where an error becomes a status.
//!
//! A version has to: make a [`Request`](yumen_core::Request) with a `Host` field that agrees with its authority (whatever
//! the version carries it in), send informational answers through an [`Interim`](yumen_core::Interim), and read the current
//! listener with [`refresh`] for each request.

pub(crate) mod exchange;
mod h1;
mod h2;
pub(crate) mod h3;
pub mod forms;
mod head;
mod intake;
mod respond;
mod headers;
mod hops;
mod request;

use std::rc::Rc;
use std::sync::Arc;

use yumen_core::Conn;
use yumen_net::drain::DrainWatch;
use yumen_net::transport::Transport;

use crate::snapshot::Listener;
use crate::view::Worker;

/// Serves a connection until either side is done with it. The version is what ALPN chose; without TLS it is HTTP/1.1 unless
/// the listener takes HTTP/2 in clear and the client begins with its preface.
///
/// No `async fn`, here and in `h1`: that would hold all of these twice for as long as a connection rests.
pub(crate) fn serve(
    worker: Rc<Worker>,
    conn: Rc<Conn>,
    transport: Transport,
    listener: Arc<Listener>,
    drain: DrainWatch,
) -> impl Future<Output = ()> {
    let by_alpn = conn.tls.as_ref().map(|tls| tls.alpn.as_deref() == Some(h2::ALPN));
    async move {
        let is_h2 = match by_alpn {
            Some(chosen) => chosen,
            None => listener.config.http2.cleartext && Box::pin(h2::is_preface(&transport, &listener)).await,
        };
        if is_h2 {
            // Boxed: a connection of HTTP/1.1 should not carry the room of one of HTTP/2.
            Box::pin(h2::serve(worker, conn, transport, listener, drain)).await;
        } else {
            h1::serve(worker, conn, transport, listener, drain).await;
        }
    }
}

/// Follows a reload: `listener` is the current one afterwards. A listener that is gone serves the connections it had to their end.
fn refresh(worker: &Worker, conn: &Conn, listener: &mut Arc<Listener>, generation: &mut u64) {
    if *generation == worker.generation() {
        return;
    }
    let view = worker.view();
    *generation = view.snapshot.generation;
    if let Some(current) = view.snapshot.listener(conn.listener.name()) {
        *listener = current;
    }
}
