//! One exchange on a stream of HTTP/2.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use yumen_core::{Body, Conn, Error, Exchange, Fields, Interim, Method, Response, Scheme, Side, Stage, Version};
use yumen_http1::TargetForm;
use yumen_net::rt;
use yumen_telemetry::reasons;

use super::answer;
use super::common::Seat;
use super::content::StreamContent;
use super::tunnel;
use crate::grpc;
use crate::http::exchange::{self, Asked, Client};
use crate::http::intake::{Patience, Progress};
use crate::http::request::Received;
use crate::http::{head, respond};
use crate::snapshot::Listener;
use crate::view::Worker;
use crate::wire::{Inflow, map};

/// How long a client has to take in an answer that came before its content had ended.
const PART: Duration = Duration::from_millis(200);

/// What a stream met.
pub(super) struct Met {
    pub(super) worker: Rc<Worker>,
    pub(super) conn: Rc<Conn>,
    pub(super) seat: Seat,
}

/// The answering side of a stream, shared by whoever writes the answer and whoever sends informational ones.
pub(super) struct Answering(RefCell<SendResponse<Bytes>>);

impl Answering {
    /// The client's interest: ready with an error once it is gone.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<Error> {
        self.0.borrow_mut().poll_reset(cx).map(|reset| match reset {
            Ok(reason) => cancelled(reason),
            Err(error) => lost(&error),
        })
    }

    /// Begins the answer.
    pub(super) fn send(&self, head: http::Response<()>, ended: bool) -> Result<h2::SendStream<Bytes>, h2::Error> {
        self.0.borrow_mut().send_response(head, ended)
    }

    /// Breaks an answer off that was begun.
    fn break_off(&self) {
        self.0.borrow_mut().send_reset(Reason::INTERNAL_ERROR);
    }
}

impl Interim for Answering {
    fn send(&self, status: u16, fields: &Fields) {
        let Ok(status) = http::StatusCode::from_u16(status) else { return };
        let mut head = http::Response::new(());
        *head.status_mut() = status;
        *head.headers_mut() = map::to_map(fields, |_| false);
        // The final answer will notice a client that is gone.
        self.0.borrow_mut().send_informational(head).unwrap_or_default();
    }
}

/// A client that waits for its answer.
struct Waiting<'a> {
    answering: &'a Answering,
    seat: &'a Seat,
}

impl Client for Waiting<'_> {
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if self.seat.poll_forced(cx).is_ready() {
            return Poll::Ready(draining());
        }
        self.answering.poll_gone(cx)
    }
}

/// Runs the exchange of a stream to its end. The head is read at once, so that it need not be carried along.
pub(super) fn run(
    met: Met,
    listener: Arc<Listener>,
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
) -> impl Future<Output = ()> {
    let Met { worker, conn, seat } = met;
    let mut exchange = Exchange::new(Rc::clone(&conn), rt::now(), worker.observer());
    exchange.version = Version::Http2;
    let (parts, content) = request.into_parts();
    exchange.method = Some(Method::from_token(parts.method.as_str().as_bytes()));
    let answering = Rc::new(Answering(RefCell::new(respond)));
    let ended = content.is_end_stream();
    let opens = head::is_websocket(&parts).unwrap_or(false);
    let progress = Progress::new(!ended && !opens);
    let read = head::read(&parts, (Version::Http2, ended), &listener.limits, &worker.local);
    async move {
        let mut socket = None;
        let response = match read {
            Ok(received) => {
                let content = if opens {
                    let key = received.request.fields.first("sec-websocket-key").unwrap_or_default();
                    socket = Some((content, Box::<[u8]>::from(key)));
                    None
                } else {
                    Some(content)
                };
                let (request, asked) = ask(*received, content, (&listener, &progress, &conn), &answering);
                let mut waiting = Waiting { answering: &answering, seat: &seat };
                exchange::answer((&worker, &listener), &mut exchange, request, asked, &mut waiting).await
            }
            Err(error) => {
                exchange.failed(&error);
                Some(respond::answer(&error))
            }
        };
        exchange.bytes_in = progress.received();
        if let Some(mut response) = response {
            if let Some((content, key)) = socket {
                if response.status == 101 && tunnel::is_accepted(&response, &key) {
                    // Boxed: what few streams need.
                    let run = tunnel::run((&worker, &seat), (&answering, content), &mut exchange, response);
                    if let Err(error) = Box::pin(run).await {
                        exchange.failed(&error);
                    }
                    note_total(&mut exchange);
                    return;
                }
                if response.status < 300 {
                    // To a CONNECT that would mean that the tunnel stands.
                    let error = Error::new(Side::Upstream, Stage::Receive, reasons::UPGRADE_FAILED);
                    exchange.failed(&error);
                    response = respond::answer(&error);
                }
            }
            let written = deliver(&worker, (&answering, &seat), &mut exchange, response, &listener).await;
            if let Err(error) = written {
                exchange.failed(&error);
            }
        }
        exchange.bytes_in = progress.received();
        note_total(&mut exchange);
        let answered = exchange.failure.is_none() || exchange.status != 0;
        drop(exchange);
        if answered && !progress.is_done() {
            // The stream is reset with NO_ERROR once nobody holds it (RFC 9113 section 8.1). Clients exist that forget the
            // answer when both come at once.
            rt::sleep(PART).await;
        }
    }
}

fn note_total(exchange: &mut Exchange) {
    exchange.timings.total = rt::now().saturating_duration_since(exchange.started);
}

fn ask(
    received: Received,
    content: Option<RecvStream>,
    (listener, progress, conn): (&Listener, &Progress, &Conn),
    answering: &Rc<Answering>,
) -> (yumen_core::Request, Asked) {
    let Received { mut request, length, form, connection_options, .. } = received;
    request.scheme = if conn.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let inflow = content.map(|content| Inflow::new(content, length));
    let patience = if grpc::is_call(&request) { Patience::with_call } else { Patience::of };
    let stream = inflow.and_then(|inflow| StreamContent::new(inflow, progress, patience(&listener.config)));
    if let Some(stream) = stream {
        request.body = Body::Stream(Box::new(stream));
    }
    // The authority stands where a Host field stands, whichever of the two it came in.
    let form = if form == TargetForm::Authority { form } else { TargetForm::Origin };
    let interim = Some(Rc::clone(answering) as Rc<dyn Interim>);
    (request, Asked { form, connection_options, length, interim })
}

/// Writes the answer, for as long as a drain gives it.
async fn deliver(
    worker: &Worker,
    (answering, seat): (&Answering, &Seat),
    exchange: &mut Exchange,
    response: Response,
    listener: &Listener,
) -> Result<(), Error> {
    let response = if response.fields.contains("date") { response } else { exchange::dated(response) };
    let forced = exchange.failure.as_ref().is_some_and(|failure| failure.reason == reasons::DRAINING);
    let write = answer::write(answering, &worker.local, exchange, response, listener.config.timeouts.write_idle);
    let mut write = std::pin::pin!(write);
    std::future::poll_fn(|cx| match write.as_mut().poll(cx) {
        // That it was told so is the answer itself.
        Poll::Pending if forced => Poll::Pending,
        Poll::Pending => seat.poll_forced(cx).map(|()| {
            // It is not the client who gave it up.
            answering.break_off();
            Err(draining())
        }),
        written => written,
    })
    .await
}

pub(super) fn draining() -> Error {
    Error::new(Side::Us, Stage::Receive, reasons::DRAINING)
}

/// The client reset the stream.
pub(super) fn cancelled(reason: Reason) -> Error {
    Error::new(Side::Client, Stage::Receive, reasons::CLIENT_CANCELLED).detail(reason.to_string())
}

/// What a failed stream means.
pub(super) fn lost(error: &h2::Error) -> Error {
    if error.is_reset() && error.is_remote() {
        return cancelled(error.reason().unwrap_or(Reason::CANCEL));
    }
    if error.is_reset() && error.is_library() {
        return Error::new(Side::Client, Stage::Receive, reasons::H2_STREAM_ERROR).detail(error.to_string());
    }
    super::broken(error)
}

/// Trailers of a request that are none.
pub(super) fn bad_trailers() -> Error {
    Error::new(Side::Client, Stage::Receive, reasons::INVALID_FIELD_VALUE).detail("in the trailers")
}

/// The head of an answer.
pub(super) fn head_of(status: u16, headers: HeaderMap) -> http::Response<()> {
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    *head.headers_mut() = headers;
    head
}
