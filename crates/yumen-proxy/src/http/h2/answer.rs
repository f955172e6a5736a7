//! Writes an answer to a stream.

use std::task::Poll;
use std::time::Duration;

use h2::Reason;
use http::header::{self, HeaderValue};
use yumen_core::{Body, Error, Exchange, Response, Side, Stage};
use yumen_net::rt::{self, Deadline};
use yumen_telemetry::reasons;

use super::stream::{Answering, cancelled, head_of, lost};
use crate::upstream::Local;
use crate::wire::{Outflow, Unsent, map};

/// Writes an answer to its last byte. A client that takes nothing of it for `write_idle` is given up.
pub(super) async fn write(
    answering: &Answering,
    local: &Local,
    exchange: &mut Exchange,
    mut response: Response,
    write_idle: Duration,
) -> Result<(), Error> {
    // A protocol cannot be changed on a stream (RFC 9113 section 8.6); no request here asked for it.
    if response.status == 101 {
        response = crate::http::respond::plain(502, reasons::UPGRADE_FAILED.code());
    }
    exchange.status = response.status;
    let mut body = std::mem::take(&mut response.body);
    let bodiless = exchange.method == Some(yumen_core::Method::Head) || matches!(response.status, 204 | 304);
    let length = body.length();
    let mut headers = map::to_map(&response.fields, |_| false);
    // The head of a call without content is its trailers.
    let is_trailers = exchange.rpc.is_some() && length == Some(0);
    if let (Some(length), false) = (length, bodiless || is_trailers) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    local.give_back_fields(response.fields);
    let ended = bodiless || length == Some(0);
    let head = head_of(response.status, headers);
    let stream = answering.send(head, ended).map_err(|error| lost(&error))?;
    if ended {
        return Ok(());
    }
    let mut out = Outflow::new(stream);
    let sent = send(&mut out, &mut body, write_idle).await;
    exchange.bytes_out = out.sent;
    sent
}

async fn send(out: &mut Outflow, body: &mut Body, write_idle: Duration) -> Result<(), Error> {
    let mut deadline = Deadline::new();
    let mut seen = 0;
    let mut was_blocked = false;
    let sent = std::future::poll_fn(|cx| {
        if let Poll::Ready(sent) = out.poll(body, cx) {
            return Poll::Ready(sent.map_err(Some));
        }
        // The time runs only while the client is the one who is waited for, and anew with all that it takes.
        if !out.is_blocked {
            deadline.set(None);
        } else if !was_blocked || out.sent != seen {
            deadline.set(Some(rt::now() + write_idle));
        }
        (was_blocked, seen) = (out.is_blocked, out.sent);
        deadline.poll_expired(cx).map(|()| Err(None))
    });
    match sent.await {
        Ok(()) => Ok(()),
        Err(None) => {
            out.reset(Reason::CANCEL);
            Err(Error::new(Side::Client, Stage::Receive, reasons::CLIENT_WRITE_TIMEOUT))
        }
        Err(Some(Unsent::Source(error))) => {
            // The client must not take what it has for the whole.
            out.reset(Reason::INTERNAL_ERROR);
            Err(error)
        }
        Err(Some(Unsent::Reset(reason))) => Err(cancelled(reason)),
        Err(Some(Unsent::Stream(error))) => Err(lost(&error)),
    }
}
