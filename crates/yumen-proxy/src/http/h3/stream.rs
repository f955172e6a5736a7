//! One exchange on a stream of HTTP/3.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::RequestResolver;
use http::request::Parts;
use yumen_core::{Body, Conn, Error, Exchange, Method, Response, Scheme, Side, Stage, Version};
use yumen_http1::TargetForm;
use yumen_net::quic::{self, Connection};
use yumen_net::rt;
use yumen_telemetry::reasons;

use super::content::{Beginning, StreamContent, look};
use super::{Receiving, Seat, answer};
use crate::grpc;
use crate::http::exchange::{self, Asked, Client};
use crate::http::intake::{Patience, Progress};
use crate::http::{head, respond};
use crate::snapshot::Listener;
use crate::view::Worker;

/// What a stream met.
pub(super) struct Met {
    pub(super) worker: Rc<Worker>,
    pub(super) conn: Rc<Conn>,
    pub(super) quic: Connection,
    pub(super) seat: Seat,
}

/// A client that waits for its answer.
struct Waiting<'a>(Pin<Box<dyn Future<Output = ()> + 'a>>);

impl Client for Waiting<'_> {
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        self.0.as_mut().poll(cx).map(|()| gone())
    }
}

/// Runs the exchange of a stream to its end.
pub(super) async fn run(met: Met, listener: Arc<Listener>, resolver: RequestResolver<quic::Carrier, Bytes>) {
    let Met { worker, conn, quic, seat: _seat } = met;
    let mut exchange = Exchange::new(Rc::clone(&conn), rt::now(), worker.observer());
    exchange.version = Version::Http3;
    let resolved = rt::timeout(listener.config.timeouts.head, resolver.resolve_request()).await;
    let (parts, stream) = match resolved {
        Ok(Ok((request, stream))) => (request.into_parts().0, stream),
        Ok(Err(error)) => return exchange.failed(&unread(&error)),
        Err(_) => return exchange.failed(&Error::new(Side::Client, Stage::Route, reasons::CLIENT_HEAD_TIMEOUT)),
    };
    exchange.method = Some(Method::from_token(parts.method.as_str().as_bytes()));
    let (mut sending, receiving) = stream.split();
    let progress = Progress::new(true);
    let response = ask(&worker, &listener, (&mut exchange, &quic), &parts, (receiving, &progress)).await;
    exchange.bytes_in = progress.received();
    if let Some(response) = response {
        let response = if response.fields.contains("date") { response } else { exchange::dated(response) };
        let write_idle = listener.config.timeouts.write_idle;
        let local = (&*worker.local, &quic);
        if let Err(error) = answer::write(&mut sending, local, &mut exchange, response, write_idle).await {
            exchange.failed(&error);
        }
    } else {
        sending.stop_stream(Code::H3_REQUEST_CANCELLED);
    }
    exchange.bytes_in = progress.received();
    exchange.timings.total = rt::now().saturating_duration_since(exchange.started);
}

/// Asks what was asked, and gives the answer that is to be written.
async fn ask(
    worker: &Rc<Worker>,
    listener: &Arc<Listener>,
    (exchange, quic): (&mut Exchange, &Connection),
    parts: &Parts,
    (mut receiving, progress): (Receiving, &Progress),
) -> Option<Response> {
    // The end of a stream comes with the head where there is no content, but is not part of it.
    let is_rare = matches!(parts.method, http::Method::GET | http::Method::HEAD | http::Method::OPTIONS);
    let is_announced = parts.headers.contains_key(http::header::CONTENT_LENGTH);
    let read = match look(&mut receiving, is_rare && !is_announced).await {
        Ok(beginning) => {
            let ended = matches!(beginning, Beginning::Nothing);
            head::read(parts, (Version::Http3, ended), &listener.limits, &worker.local).map(|read| (read, beginning))
        }
        Err(error) => Err(error),
    };
    let (mut received, beginning) = match read {
        Ok(read) => read,
        Err(error) => {
            exchange.failed(&error);
            return Some(respond::answer(&error));
        }
    };
    let length = received.length;
    let is_bare = matches!(beginning, Beginning::Nothing);
    let content = (beginning, length);
    let patience = if grpc::is_call(&received.request) { Patience::with_call } else { Patience::of };
    if let Some(stream) = StreamContent::new(receiving, content, progress, patience(&listener.config)) {
        received.request.body = Body::Stream(Box::new(stream));
    }
    received.request.scheme = Scheme::Https;
    if quic.is_early() {
        let is_safe = matches!(received.request.method, Method::Get | Method::Head | Method::Options);
        if is_safe && is_bare {
            exchange.early = true;
            listener.metrics.early.inc(worker.index);
            // Whatever the client says of it: one is enough (RFC 8470 section 5.1).
            received.request.fields.set("Early-Data", b"1");
        } else {
            // The handshake is about to be complete: that costs no round trip more, a 425 would.
            proven(quic, listener.config.timeouts.handshake).await.map_err(|error| exchange.failed(&error)).ok()?;
        }
    }
    let form = if received.form == TargetForm::Authority { received.form } else { TargetForm::Origin };
    let asked = Asked { form, connection_options: false, length, interim: None };
    let mut waiting = Waiting(Box::pin(quic.closed()));
    exchange::answer((worker, listener), exchange, received.request, asked, &mut waiting).await
}

/// Waits until a client has proven that it is there, and no copy of what it said once.
async fn proven(quic: &Connection, bound: Duration) -> Result<(), Error> {
    let complete = async {
        tokio::select! {
            biased;
            () = quic.complete() => Ok(()),
            () = quic.closed() => Err(gone()),
        }
    };
    rt::timeout(bound, complete).await.unwrap_or_else(|_| Err(gone()))
}

/// The connection is gone.
pub(super) fn gone() -> Error {
    Error::new(Side::Client, Stage::Receive, reasons::CLIENT_GONE)
}

/// What a failed stream means.
pub(super) fn lost(error: &StreamError) -> Error {
    let reason = match error {
        StreamError::RemoteTerminate { .. } => reasons::CLIENT_CANCELLED,
        StreamError::StreamError { .. } => reasons::H3_MESSAGE_ERROR,
        _ => reasons::CLIENT_GONE,
    };
    Error::new(Side::Client, Stage::Receive, reason).detail(error.to_string())
}

/// What a head that could not be read means. The library has told the client.
fn unread(error: &StreamError) -> Error {
    match error {
        StreamError::HeaderTooBig { .. } => Error::new(Side::Client, Stage::Route, reasons::HEAD_TOO_LARGE),
        other => lost(other),
    }
}
