//! A WebSocket on a stream (RFC 8441): the request was an extended CONNECT and has become an upgrade on its way in; what the
//! endpoint answered becomes the answer to a CONNECT on its way back.

use std::rc::Rc;

use h2::RecvStream;
use yumen_core::{Error, Exchange, Response, Side, Stage};
use yumen_net::copy::RelayCounters;
use yumen_telemetry::reasons;

use super::common::Seat;
use super::stream::{Answering, draining, head_of, lost};
use crate::upstream::{Far, Half, StreamHalf, Tunnel, relay};
use crate::view::Worker;
use crate::wire::{map, websocket};

/// Whether an endpoint took the offer as the standard wants it: an answer to the key that was sent.
pub(super) fn is_accepted(response: &Response, key: &[u8]) -> bool {
    response.fields.first("sec-websocket-accept") == Some(websocket::accept_of(key).as_bytes())
}

/// Answers the CONNECT and passes bytes both ways until both sides have ended.
pub(super) async fn run(
    (worker, seat): (&Rc<Worker>, &Seat),
    (answering, content): (&Answering, RecvStream),
    exchange: &mut Exchange,
    mut response: Response,
) -> Result<(), Error> {
    let tunnel = response.tunnel.take().and_then(|t| t.downcast::<Tunnel>().ok());
    let Some(tunnel) = tunnel else {
        return Err(Error::new(Side::Upstream, Stage::Receive, reasons::UPGRADE_FAILED));
    };
    exchange.status = 200;
    let headers = map::to_map(&response.fields, websocket::is_of_http1);
    let out = answering.send(head_of(200, headers), false).map_err(|error| lost(&error))?;
    let mut near = StreamHalf::new(content, out);
    let Tunnel { far, active, idle } = *tunnel;
    let counters = RelayCounters::default();
    let limits = (&*worker.local, idle);
    let result = match far {
        Far::Link(mut far) => join(&mut near, &mut *far, seat, limits, &counters).await,
        Far::Stream(mut far, place) => {
            let result = join(&mut near, &mut far, seat, limits, &counters).await;
            drop(place);
            result
        }
    };
    exchange.bytes_in = counters.a_to_b.get();
    exchange.bytes_out = counters.b_to_a.get();
    drop(active);
    result
}

async fn join(
    near: &mut StreamHalf,
    far: &mut impl Half,
    seat: &Seat,
    limits: (&crate::upstream::Local, Option<std::time::Duration>),
    counters: &RelayCounters,
) -> Result<(), Error> {
    let result = {
        let mut relay = std::pin::pin!(relay(near, far, limits, counters));
        std::future::poll_fn(|cx| match relay.as_mut().poll(cx) {
            std::task::Poll::Pending => seat.poll_forced(cx).map(|()| Err(draining())),
            std::task::Poll::Ready(ended) => std::task::Poll::Ready(crate::l4::ending(ended)),
        })
        .await
    };
    if result.is_err() {
        near.tear();
        far.tear();
    }
    result
}
