//! One exchange with an endpoint over HTTP/2.
//!
//! The request is sent and the answer awaited at the same time, as over HTTP/1.1: what is unsent when the answer begins
//! travels on while it is relayed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use h2::Reason;
use h2::client::ResponseFuture;
use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use yumen_core::{Body, Error, Exchange, Fields, Method, Request, Response, Retry, Side, Stage};
use yumen_net::rt::{self, Deadline};
use yumen_telemetry::reasons;

use super::inbound::StreamInbound;
use super::{Place, State};
use crate::upstream::endpoint::Active;
use crate::upstream::tunnel::{Far, StreamHalf, Tunnel};
use crate::upstream::{Endpoint, Local, Phase};
use crate::wire::{Inflow, Outflow, Unsent, map, strip_hop_by_hop, websocket};

/// A request on its way and its answer on its way back.
pub(crate) struct Call {
    pub(super) active: Active,
    place: Place,
    pub(super) phase: Phase,
    /// What is still unsent of the request.
    upload: Option<(Outflow, Body)>,
    /// The endpoint takes no more of it.
    stopped: bool,
    /// The request came with a body that can be had once only.
    streams: bool,
    /// Whether anything of an answer came.
    pub(super) answered: bool,
    pub(super) timer: Deadline,
}

/// Sends a request on a place and waits for the head of the final answer. A request that fails keeps its body where none of
/// it was taken.
pub(crate) async fn send(
    (local, endpoint): (&Local, &Arc<Endpoint>),
    place: Place,
    exchange: &mut Exchange,
    request: &mut Request,
    (phase, begun): (&Phase, Instant),
) -> Result<Response, Error> {
    if request.upgrade {
        // Boxed: a rare case, which should not burden the others.
        Box::pin(may_open_websocket(request, endpoint, &place)).await?;
    }
    let (mut call, mut response, opened) = begin((endpoint, place), request, phase)?;
    let got = std::future::poll_fn(|cx| call.poll_head(&mut response, exchange, cx)).await;
    let got = got.map_err(|error| call.give_back(error, request))?;
    let took = rt::now().saturating_duration_since(begun);
    endpoint.observe(took);
    exchange.timings.head = Some(took);
    match opened {
        Some(opened) if got.status().is_success() => Ok(call.into_tunnel(got, opened, local)),
        // Any other success would have to be of a tunnel.
        _ => call.into_response(got, (local, &request.method)),
    }
}

/// The sending side of a stream that is to become a tunnel, and the key that its client sent.
type Opened = (h2::SendStream<bytes::Bytes>, Box<[u8]>);

/// Sends the head of a request.
fn begin(
    (endpoint, place): (&Arc<Endpoint>, Place),
    request: &mut Request,
    phase: &Phase,
) -> Result<(Call, ResponseFuture, Option<Opened>), Error> {
    let mut head = head(request, endpoint.tls_name.is_some())?;
    let key = request.upgrade.then(|| make_websocket(&mut head, request));
    let ended = request.body.is_empty() && key.is_none();
    let mut call = Call {
        active: endpoint.enter(),
        place,
        phase: *phase,
        upload: None,
        stopped: false,
        streams: matches!(request.body, Body::Stream(_)),
        answered: false,
        timer: Deadline::new(),
    };
    let (response, stream) = call.place.sender.send_request(head, ended).map_err(|error| call.trouble(&error))?;
    let mut opened = None;
    if let Some(key) = key {
        opened = Some((stream, key));
    } else if !ended {
        let mut body = std::mem::take(&mut request.body);
        if let Body::Full(bytes) = &body {
            // The request keeps its content: it may have to be sent once more.
            request.body = Body::Full(bytes.clone());
            body = Body::Full(bytes.clone());
        }
        call.upload = Some((Outflow::new(stream), body));
    }
    Ok((call, response, opened))
}

/// Whether a request that changes the protocol can be sent: it is for a WebSocket, and the endpoint takes one.
async fn may_open_websocket(request: &Request, endpoint: &Endpoint, place: &Place) -> Result<(), Error> {
    let failed = |text: &str| {
        Error::new(Side::Upstream, Stage::Send, reasons::UPGRADE_FAILED).detail(format!("{}: {text}", endpoint.name))
    };
    if !websocket::is_offered(&request.fields) {
        return Err(failed("over HTTP/2 one can change to WebSocket only (RFC 8441)"));
    }
    if !place.takes_extended_connect().await {
        return Err(failed("it takes no WebSocket over HTTP/2 (RFC 8441); let `protocol` be http1 there"));
    }
    Ok(())
}

/// Makes a request for a WebSocket an extended CONNECT (RFC 8441 section 4), and gives the client's key.
fn make_websocket(head: &mut http::Request<()>, request: &Request) -> Box<[u8]> {
    *head.method_mut() = http::Method::CONNECT;
    head.extensions_mut().insert(h2::ext::Protocol::from_static(websocket::PROTOCOL));
    head.headers_mut().remove(header::SEC_WEBSOCKET_KEY);
    request.fields.first("sec-websocket-key").unwrap_or_default().into()
}

impl Call {
    fn poll_head(
        &mut self,
        response: &mut ResponseFuture,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Result<http::Response<h2::RecvStream>, Error>> {
        self.poll_upload(cx)?;
        while let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            let interim = interim.map_err(|error| self.trouble(&error))?;
            if let (Some(to), Some(mut fields)) =
                (&exchange.interim, map::to_fields(interim.headers(), Fields::new(), |_| true))
            {
                strip_hop_by_hop(&mut fields, false, false, |_| false);
                to.send(interim.status().as_u16(), &fields);
            }
        }
        if let Poll::Ready(got) = Pin::new(response).poll(cx) {
            self.timer.set(None);
            return Poll::Ready(got.map_err(|error| self.trouble(&error)));
        }
        // The time runs from the end of the request, while the endpoint takes nothing of it, and before the client sends any of
        // its content: it may wait for the endpoint to say 100.
        let waits = self.stopped || self.upload.as_ref().is_none_or(|(out, _)| out.is_blocked || !out.is_begun);
        match (waits, self.timer.at()) {
            (true, None) => self.timer.set(self.phase.head_by(rt::now())),
            (false, _) => self.timer.set(None),
            _ => {}
        }
        self.timer.poll_expired(cx).map(|()| Err(self.error(reasons::HEAD_TIMEOUT)))
    }

    /// Sends what can be sent now.
    pub(super) fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let Some((out, body)) = self.upload.as_mut().filter(|_| !self.stopped) else { return Ok(()) };
        let before = out.sent;
        let sent = out.poll(body, cx);
        if out.sent != before {
            self.timer.set(None);
        }
        match sent {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => {
                self.timer.set(None);
                self.upload = None;
                Ok(())
            }
            Poll::Ready(Err(Unsent::Source(error))) => {
                // The endpoint must not take what it has for the whole.
                out.reset(Reason::CANCEL);
                Err(error)
            }
            // It may have answered without reading everything, and the answer counts: a stream that has none says so itself.
            Poll::Ready(Err(Unsent::Reset(_) | Unsent::Stream(_))) => {
                self.stopped = true;
                Ok(())
            }
        }
    }

    /// Gives the request its body back if none of it was taken. A body that is gone cannot be sent once more.
    fn give_back(&mut self, error: Error, request: &mut Request) -> Error {
        match self.upload.take() {
            _ if !self.streams => error,
            Some((out, body)) if !out.is_begun => {
                request.body = body;
                error
            }
            _ => error.retry(Retry::Never),
        }
    }

    /// We gave the stream up.
    pub(super) fn note_cancelled(&self) {
        let state: &State = &self.place.state;
        state.metrics.resets_sent.add(state.worker, 1);
    }

    fn into_response(
        self,
        got: http::Response<h2::RecvStream>,
        (local, method): (&Local, &Method),
    ) -> Result<Response, Error> {
        let (parts, content) = got.into_parts();
        let status = parts.status.as_u16();
        if status == 101 {
            // There is no such answer in this version (RFC 9113 section 8.6).
            return Err(self.error(reasons::UPGRADE_FAILED));
        }
        let Some(fields) = map::to_fields(&parts.headers, local.fields(), |_| true) else {
            return Err(self.error(reasons::INVALID_FIELD_VALUE));
        };
        let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
        let mut response = Response::new(status);
        response.fields = fields;
        let keep_length = status == 304 || *method == Method::Head;
        strip_hop_by_hop(&mut response.fields, false, keep_length, |_| false);
        let inflow = Inflow::new(content, length.filter(|_| !keep_length));
        if !inflow.is_over() || self.upload.is_some() && !self.stopped {
            response.body = Body::Stream(Box::new(StreamInbound::new(self, inflow)));
        }
        Ok(response)
    }

    /// The answer as HTTP/1.1 would have it, with the stream as the endpoint's side of the tunnel.
    fn into_tunnel(self, got: http::Response<h2::RecvStream>, (outflow, key): Opened, local: &Local) -> Response {
        let (parts, inflow) = got.into_parts();
        let mut response = Response::new(101);
        response.fields = map::to_fields(&parts.headers, local.fields(), |_| true).unwrap_or_default();
        strip_hop_by_hop(&mut response.fields, false, false, |_| false);
        response.fields.add("Connection", b"Upgrade");
        response.fields.add("Upgrade", websocket::PROTOCOL.as_bytes());
        response.fields.add("Sec-WebSocket-Accept", websocket::accept_of(&key).as_bytes());
        let Self { active, place, phase, .. } = self;
        let far = Far::Stream(StreamHalf::new(inflow, outflow), place);
        response.tunnel = Some(Box::new(Tunnel { far, active, idle: phase.tunnel_idle }));
        response
    }

    pub(super) fn error(&self, reason: yumen_core::Reason) -> Error {
        Error::new(Side::Upstream, Stage::Receive, reason).detail(self.active.endpoint().name.as_ref())
    }

    /// What a failed stream means.
    pub(super) fn trouble(&self, error: &h2::Error) -> Error {
        let state: &State = &self.place.state;
        let again = if self.answered { Retry::Never } else { Retry::IfIdempotent };
        let detail = |error_: Error| error_.detail(format!("{}: {error}", self.active.endpoint().name));
        if error.is_remote() && error.is_go_away() {
            // Only streams that the endpoint has not begun with end so (RFC 9113 section 6.8).
            state.retire(true);
            return detail(self.error(reasons::STREAM_REFUSED)).retry(Retry::Unsent);
        }
        if error.is_remote() {
            state.metrics.resets_received.add(state.worker, 1);
            let refused = error.reason() == Some(Reason::REFUSED_STREAM);
            return match refused {
                true => detail(self.error(reasons::STREAM_REFUSED)).retry(Retry::Unsent),
                false => detail(self.error(reasons::STREAM_RESET)),
            };
        }
        if state.hangs.get() {
            return detail(self.error(reasons::PING_TIMEOUT)).retry(again);
        }
        match error.get_io() {
            Some(io) if yumen_net::transport::is_truncation(io) => {
                detail(self.error(reasons::ENDPOINT_CLOSED_EARLY)).retry(again)
            }
            Some(_) => detail(self.error(reasons::ENDPOINT_RESET)).retry(again),
            None => detail(self.error(reasons::ENDPOINT_PROTOCOL_ERROR)),
        }
    }
}

/// The head of a request as this version carries it.
fn head(request: &Request, is_tls: bool) -> Result<http::Request<()>, Error> {
    let refused = |reason| Error::new(Side::Client, Stage::Send, reason).detail("it cannot be sent over HTTP/2");
    let host = request.fields.first("host").unwrap_or_default();
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(Authority::try_from(host).map_err(|_| refused(reasons::INVALID_AUTHORITY))?);
    let target = PathAndQuery::try_from(request.target_bytes());
    uri.path_and_query = Some(target.map_err(|_| refused(reasons::INVALID_TARGET_BYTE))?);
    let mut head = http::Request::new(());
    *head.uri_mut() = Uri::from_parts(uri).map_err(|_| refused(reasons::INVALID_TARGET_FORM))?;
    *head.method_mut() =
        http::Method::from_bytes(request.method.as_str().as_bytes()).map_err(|_| refused(reasons::INVALID_METHOD))?;
    *head.version_mut() = http::Version::HTTP_2;
    let headers = head.headers_mut();
    *headers = map::to_map(&request.fields, |name| name.eq_ignore_ascii_case(b"host"));
    if request.takes_trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    match request.body.length() {
        Some(0) if !matches!(request.method, Method::Post | Method::Put | Method::Patch) => {}
        Some(length) => drop(headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length))),
        None => {}
    }
    Ok(head)
}
