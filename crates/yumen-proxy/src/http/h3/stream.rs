//! One exchange on a stream of HTTP/3.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h3::error::{Code, StreamError};
use h3::server::RequestResolver;
use http::request::Parts;
use tokio::sync::Notify;
use yumen_core::{Body, Conn, Error, Exchange, Fields, Interim, Method, Response, Scheme, Side, Stage, Version};
use yumen_http1::TargetForm;
use yumen_net::quic::{self, Connection};
use yumen_net::rt;
use yumen_telemetry::reasons;

use super::content::{Beginning, StreamContent, look};
use super::{Receiving, Seat, Sending, answer};
use crate::grpc;
use crate::http::exchange::{self, Asked, Client};
use crate::http::intake::{Patience, Progress};
use crate::http::{head, respond};
use crate::snapshot::Listener;
use crate::view::Worker;
use crate::wire::map;

/// What a stream met.
pub(super) struct Met {
    pub(super) worker: Rc<Worker>,
    pub(super) conn: Rc<Conn>,
    pub(super) quic: Connection,
    pub(super) seat: Seat,
}

/// How many informational answers may wait for a client. What comes beyond is left out: nobody may rely on them.
const WAITING: usize = 8;

/// Informational answers on their way to a client (RFC 9114 section 4.1).
#[derive(Default)]
struct Interims {
    heads: RefCell<VecDeque<http::Response<()>>>,
    is_over: Cell<bool>,
    news: Notify,
}

impl Interims {
    /// The next one; `None` once there will be no other.
    async fn next(&self) -> Option<http::Response<()>> {
        loop {
            let head = self.heads.borrow_mut().pop_front();
            if head.is_some() || self.is_over.get() {
                return head;
            }
            self.news.notified().await;
        }
    }

    fn end(&self) {
        self.is_over.set(true);
        self.news.notify_one();
    }
}

impl Interim for Interims {
    fn send(&self, status: u16, fields: &Fields) {
        let Ok(status) = http::StatusCode::from_u16(status) else { return };
        let mut head = http::Response::new(());
        *head.status_mut() = status;
        *head.headers_mut() = map::to_map(fields, |_| false);
        let mut heads = self.heads.borrow_mut();
        if heads.len() < WAITING {
            heads.push_back(head);
            self.news.notify_one();
        }
    }
}

/// Writes informational answers until there will be no other, and not before. One that was begun has to be written to its
/// end.
async fn write_interims(sending: &mut Sending, interims: &Interims) {
    while let Some(head) = interims.next().await {
        // The final answer will notice a client that is gone.
        sending.send_response(head).await.unwrap_or_default();
    }
}

/// A client that waits for its answer, and gets informational ones meanwhile.
struct Waiting<'a> {
    closed: Pin<Box<dyn Future<Output = ()> + 'a>>,
    writing: Pin<&'a mut dyn Future<Output = ()>>,
}

impl Client for Waiting<'_> {
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        // It ends after the answer is there.
        let _pending = self.writing.as_mut().poll(cx);
        self.closed.as_mut().poll(cx).map(|()| gone())
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
    let interims = Rc::new(Interims::default());
    let response = {
        let mut writing = Box::pin(write_interims(&mut sending, &interims));
        let content = (receiving, &progress);
        let client = (&quic, &interims, writing.as_mut() as Pin<&mut dyn Future<Output = ()>>);
        let response = ask(&worker, &listener, (&mut exchange, client), &parts, content).await;
        interims.end();
        if response.is_some() && rt::timeout(listener.config.timeouts.write_idle, writing).await.is_err() {
            exchange.failed(&Error::new(Side::Client, Stage::Receive, reasons::CLIENT_WRITE_TIMEOUT));
            None
        } else {
            response
        }
    };
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

/// The client's connection, and where informational answers are put and written.
type Answered<'a> = (&'a Connection, &'a Rc<Interims>, Pin<&'a mut dyn Future<Output = ()>>);

/// Asks what was asked, and gives the answer that is to be written.
async fn ask(
    worker: &Rc<Worker>,
    listener: &Arc<Listener>,
    (exchange, (quic, interims, writing)): (&mut Exchange, Answered<'_>),
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
    let interim = Some(Rc::clone(interims) as Rc<dyn Interim>);
    let asked = Asked { form, connection_options: false, length, interim };
    let mut waiting = Waiting { closed: Box::pin(quic.closed()), writing };
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
