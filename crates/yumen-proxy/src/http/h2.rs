//! Serves one HTTP/2 connection (RFC 9113): accepts streams, each of which is a task of its own, and watches over the
//! connection as a whole: floods, rest, reloads, drains and the end.
//!
//! The `h2` crate speaks the protocol. Between it and the socket stands a meter that counts frames by kind
//! ([`Line`]); what is too much ends the connection with GOAWAY and a reason in the log.

mod answer;
mod common;
mod content;
mod driver;
mod stream;
mod tunnel;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Connection};
use yumen_core::{Conn, Error, Exchange, Side, Stage, Version};
use yumen_http2::{Budgets, Excess, Meter, PREFACE};
use yumen_net::drain::DrainWatch;
use yumen_net::rt;
use yumen_net::transport::Transport;
use yumen_telemetry::reasons;

use super::refresh;
use crate::snapshot::Listener;
use crate::view::Worker;
use crate::wire::{Line, Metered};
use common::Common;
use driver::{Driver, Event};

/// How long an ended connection waits for the client to read what was written.
const LINGER: Duration = Duration::from_secs(2);

/// The protocol's name in ALPN.
pub(super) const ALPN: &str = "h2";

/// Whether a connection without TLS begins as only HTTP/2 does (RFC 9113 section 3.4). Takes nothing from it.
pub(super) async fn is_preface(transport: &Transport, listener: &Listener) -> bool {
    let mut seen = [0; PREFACE.len()];
    let mut have = 0;
    let told = rt::timeout(listener.config.timeouts.head, async {
        loop {
            let got = match transport.peek(&mut seen, have).await {
                Ok(got) if got > have => got,
                _ => return false,
            };
            have = got;
            let (begun, whole) = (seen.get(..have), have >= PREFACE.len());
            if begun != PREFACE.get(..have) || whole {
                return begun == PREFACE.get(..have);
            }
        }
    });
    told.await.unwrap_or(false)
}

/// Serves a connection until either side is done with it.
pub(super) async fn serve(
    worker: Rc<Worker>,
    conn: Rc<Conn>,
    transport: Transport,
    mut listener: Arc<Listener>,
    drain: DrainWatch,
) {
    let settings = &listener.config.http2;
    // The crate allows as many continuations; its end of the connection would have no name.
    let continuations = (header_list(&listener) / settings.max_frame_size).saturating_mul(5) / 4;
    let budgets = Budgets {
        header_block: header_list(&listener).saturating_mul(2),
        continuations: continuations.max(5),
        ..Budgets::default()
    };
    let line = Line::new(transport, Meter::new(budgets));
    let common = Common::new(settings.max_concurrent_streams);
    // Boxed: a connection at rest should not carry the room for its beginning.
    let begun = Box::pin(begin(&listener, &line)).await;
    let ended = match begun {
        Err(error) => Err(error),
        Ok(connection) => {
            let mut generation = conn.generation;
            let mut driver = Driver::new(connection, (&line, &common), &drain);
            loop {
                match driver.next(&listener).await {
                    Event::End(ended) => break ended,
                    Event::Stream(request, respond) => {
                        refresh(&worker, &conn, &mut listener, &mut generation);
                        let seat = common.enter((&listener, worker.index));
                        let met = stream::Met { worker: Rc::clone(&worker), conn: Rc::clone(&conn), seat };
                        drop(rt::spawn_local(stream::run(met, Arc::clone(&listener), request, respond)));
                    }
                }
            }
        }
    };
    count(&line, &listener, worker.index);
    if let Err(error) = ended
        && !is_quiet(&error)
    {
        let mut exchange = Exchange::new(Rc::clone(&conn), rt::now(), worker.observer());
        exchange.version = Version::Http2;
        exchange.failed(&error);
    }
    linger(&line).await;
}

/// Speaks HTTP/2 on a connection from now on.
async fn begin(listener: &Listener, line: &Rc<Line>) -> Result<Box<Wire>, Error> {
    match rt::timeout(listener.config.timeouts.head, builder(listener).handshake(line.metered())).await {
        Err(_) => Err(Error::new(Side::Client, Stage::Receive, reasons::CLIENT_HEAD_TIMEOUT)),
        Ok(Err(error)) => Err(broken(&error)),
        Ok(Ok(connection)) => Ok(Box::new(connection)),
    }
}

/// A client that left between two requests is nothing to tell of.
fn is_quiet(error: &Error) -> bool {
    [reasons::CLIENT_GONE, reasons::CLIENT_RESET].contains(&error.reason())
}

fn count(line: &Line, listener: &Listener, worker: usize) {
    let (tally, metrics) = (line.tally(), &listener.metrics);
    metrics.resets_received.add(worker, u64::from(tally.resets_received));
    metrics.resets_sent.add(worker, u64::from(tally.resets_sent));
    metrics.goaways_received.add(worker, u64::from(tally.goaways_received));
    metrics.goaways_sent.add(worker, u64::from(tally.goaways_sent));
}

fn header_list(listener: &Listener) -> u32 {
    let list = listener.config.http2.max_header_list.unwrap_or(listener.config.limits.head);
    u32::try_from(list).unwrap_or(u32::MAX)
}

fn builder(listener: &Listener) -> Builder {
    let settings = &listener.config.http2;
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(settings.max_concurrent_streams)
        .initial_window_size(settings.initial_window)
        .initial_connection_window_size(settings.connection_window)
        .max_frame_size(settings.max_frame_size)
        .max_header_list_size(header_list(listener))
        .max_send_buffer_size(settings.send_buffer)
        .enable_connect_protocol()
        // Small messages of WebSockets are small frames. While an endpoint is slow, as many of 64 bytes as the window lets
        // through may wait (192 bytes of the budget each); the crate's own limit would end the connection with all streams.
        .data_frame_budget(4 * settings.connection_window as usize)
        // The second line behind the meter, which has names for what it ends: what the crate keeps of streams that were
        // reset.
        .max_concurrent_reset_streams(32)
        .max_pending_accept_reset_streams(256)
        // Counted for as long as a connection lasts, and so no measure of a flood on one that lasts for days.
        .max_local_error_reset_streams(Some(10_000))
        .reset_stream_duration(Duration::from_secs(2));
    builder
}

/// What a failed connection means.
fn broken(error: &h2::Error) -> Error {
    let of = |reason| Error::new(Side::Client, Stage::Receive, reason).detail(error.to_string());
    match error.get_io() {
        Some(io) if io.kind() == std::io::ErrorKind::ConnectionReset => of(reasons::CLIENT_RESET),
        Some(_) => of(reasons::CLIENT_GONE),
        None if error.is_remote() => of(reasons::CLIENT_GONE),
        None if error.reason() == Some(Reason::ENHANCE_YOUR_CALM) => of(reasons::H2_FLOOD),
        None => of(reasons::H2_PROTOCOL_ERROR),
    }
}

/// What a connection ends with on which there is too much of something, and its name.
fn excessive(excess: Excess) -> (Reason, Error) {
    let error = |reason| Error::new(Side::Client, Stage::Receive, reason);
    let reason = match excess {
        Excess::Resets => reasons::H2_RAPID_RESET,
        Excess::InducedResets => reasons::H2_INDUCED_RESETS,
        Excess::Continuations => reasons::H2_CONTINUATION_FLOOD,
        Excess::HeaderBlock => reasons::HEAD_TOO_LARGE,
        Excess::Settings => reasons::H2_SETTINGS_FLOOD,
        Excess::Pings => reasons::H2_PING_FLOOD,
        Excess::Priorities => reasons::H2_PRIORITY_FLOOD,
        Excess::WindowUpdates => reasons::H2_WINDOW_UPDATE_FLOOD,
        Excess::Empty => reasons::H2_EMPTY_FRAMES,
        Excess::Unknown => reasons::H2_UNKNOWN_FRAMES,
        Excess::Beginning => {
            return (
                Reason::PROTOCOL_ERROR,
                error(reasons::H2_PROTOCOL_ERROR).detail("the first frame is no SETTINGS"),
            );
        }
        Excess::Size => {
            return (
                Reason::FRAME_SIZE_ERROR,
                error(reasons::H2_PROTOCOL_ERROR).detail("a frame of an impossible size"),
            );
        }
    };
    (Reason::ENHANCE_YOUR_CALM, error(reason))
}

/// Ends our side and waits until the client has ended its own, or for a short while: closing at once would reset the
/// connection under unread bytes and the client would lose the GOAWAY.
async fn linger(line: &Line) {
    let ended = rt::timeout(LINGER, async {
        let shut = std::future::poll_fn(|cx| line.transport().borrow_mut().poll_shutdown(cx));
        if shut.await.is_err() {
            return;
        }
        let mut scratch = vec![0u8; 4096];
        for _ in 0..256 {
            let read = std::future::poll_fn(|cx| line.transport().borrow_mut().poll_read(cx, &mut scratch));
            if !matches!(read.await, Ok(n) if n > 0) {
                return;
            }
        }
    });
    // Who does not end in time is left.
    ended.await.unwrap_or_default();
}

type Wire = Connection<Metered, Bytes>;
