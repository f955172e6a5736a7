//! Joins a client and an endpoint that changed their protocol (RFC 9110 section 7.8): WebSocket and its like.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use yumen_core::{Error, Exchange, Fields, Reason, Response, Side, Stage};
use yumen_http1 as http1;
use yumen_net::copy::{self, RelayCounters, RelayEnd, RelayError, RelayOptions};
use yumen_net::rt;
use yumen_telemetry::reasons;

use super::{Cut, Shared, answer};
use crate::snapshot::Listener;
use crate::upstream::{Far, Half, Tunnel, relay};
use crate::view::Worker;
use crate::wire::{Link, Outgoing};

/// An exchange whose endpoint changed the protocol, and its answer.
pub(super) struct Upgraded {
    pub(super) exchange: Exchange,
    pub(super) response: Response,
}

#[expect(clippy::await_holding_refcell_ref, reason = "this future is the only user of the link that is left")]
/// Passes the 101 on and then bytes both ways until both sides ended. The connection never goes on behind it.
pub(super) async fn run(
    worker: &Rc<Worker>,
    link: &Shared,
    mut upgraded: Box<Upgraded>,
    (listener, cut): (&Listener, Cut<'_>),
) {
    let Upgraded { exchange, response } = &mut *upgraded;
    let tunnel = response.tunnel.take().and_then(|t| t.downcast::<Tunnel>().ok());
    let Some(tunnel) = tunnel else {
        exchange.failed(&Error::new(Side::Upstream, Stage::Receive, reasons::UPGRADE_FAILED));
        return;
    };
    let Tunnel { mut far, active, idle } = *tunnel;
    exchange.status = 101;
    // Nobody else reads or writes this connection any more: the request had no content and the answer is this tunnel.
    let near = &mut *link.borrow_mut();
    let counters = RelayCounters::default();
    // Boxed: a tunnel at rest should not carry the room for its beginning.
    let begun = Box::pin(begin(worker, (near, &mut far), std::mem::take(&mut response.fields), (listener, &counters)));
    let result = match begun.await {
        Ok(()) => join(worker, (near, far), (idle, &counters), cut).await,
        Err(error) => Err(error),
    };
    exchange.bytes_in = counters.a_to_b.get();
    exchange.bytes_out = counters.b_to_a.get();
    exchange.timings.total = rt::now().saturating_duration_since(exchange.started);
    if let Err(error) = result {
        exchange.failed(&error);
    }
    drop(active);
}

/// Passes the 101 on, and what either side said before it could be a tunnel.
async fn begin(
    worker: &Rc<Worker>,
    (near, far): (&mut Link, &mut Far),
    fields: Fields,
    (listener, counters): (&Listener, &RelayCounters),
) -> Result<(), Error> {
    let mut out = Outgoing::new(worker.local.buffer());
    http1::encode_status_line(out.text(), 101, None);
    fields.write_lines(out.text());
    out.text().extend_from_slice(b"\r\n");
    if let Far::Link(link) = far {
        // What the endpoint said behind its 101.
        out.text().extend_from_slice(&link.ahead.split());
    }
    let patience = listener.config.timeouts.write_idle;
    near.wait_until(Some(rt::now() + patience));
    std::future::poll_fn(|cx| out.poll_write(near, cx)).await.map_err(|e| answer::write_error(&e))?;
    near.wait_until(None);
    if let Far::Link(far) = far {
        // What the client said before the 101 was held back until now.
        let early = near.ahead.split().freeze();
        counters.a_to_b.set(early.len() as u64);
        out.push(early, false);
        far.wait_until(Some(rt::now() + patience));
        let broken = |reason: Reason, text: String| Error::new(Side::Upstream, Stage::Send, reason).detail(text);
        std::future::poll_fn(|cx| out.poll_write(far, cx))
            .await
            .map_err(|e| broken(reasons::ENDPOINT_RESET, e.to_string()))?;
        near.rest();
        far.rest();
    }
    worker.local.give_back(out.into_buffer());
    worker.local.give_back_fields(fields);
    Ok(())
}

async fn join(
    worker: &Rc<Worker>,
    (near, far): (&mut Link, Far),
    (idle, counters): (Option<Duration>, &RelayCounters),
    cut: Cut<'_>,
) -> Result<(), Error> {
    match far {
        Far::Link(mut far) => {
            let result = {
                // Between two connections, where the kernel may move the bytes.
                let options = RelayOptions { idle, ..RelayOptions::default() };
                let relay = copy::relay(&mut near.transport, &mut far.transport, &options, counters);
                until_cut(std::pin::pin!(relay), cut).await
            };
            if result.is_err() {
                // Neither side may take what it has for the whole.
                near.transport.set_linger_zero();
                far.transport.set_linger_zero();
            }
            result
        }
        Far::Stream(mut far, place) => {
            let result = {
                let relay = relay(near, &mut far, (&worker.local, idle), counters);
                until_cut(std::pin::pin!(relay), cut).await
            };
            if result.is_err() {
                near.tear();
                far.tear();
            }
            drop(place);
            result
        }
    }
}

/// A relay, for as long as a drain gives it.
async fn until_cut(
    mut relay: Pin<&mut impl Future<Output = Result<RelayEnd, RelayError>>>,
    mut cut: Cut<'_>,
) -> Result<(), Error> {
    std::future::poll_fn(|cx| match relay.as_mut().poll(cx) {
        Poll::Pending => cut.poll(cx).map(Err),
        Poll::Ready(ended) => Poll::Ready(crate::l4::ending(ended)),
    })
    .await
}
