//! One exchange with an endpoint over HTTP/1.1.
//!
//! The request is sent and the answer awaited at the same time: an endpoint may answer before it has read everything.
//! What is still unsent then travels on while the answer is relayed. A connection goes back to its pool only when both
//! messages ended exactly where they said they would.

mod inbound;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use yumen_core::{Body, Error, Exchange, Fields, Frame, Method, Reason, Request, Response, Retry, Side, Stage};
use yumen_http1::{self as http1, Parsed, ResponseHead};
use yumen_net::rt;
use yumen_telemetry::reasons;

pub(crate) use inbound::{Conveyed, Inbound};

use super::endpoint::{Active, Endpoint};
use super::tunnel::{Far, Tunnel};
use super::{Local, Phase};
use crate::wire::{BodyFault, Content, Link, Outgoing, span, strip_hop_by_hop};

/// A request on its way and its answer on its way back.
pub(crate) struct Call {
    local: Rc<Local>,
    active: Active,
    link: Link,
    served: u32,
    out: Outgoing,
    /// What is still unsent of the request's content.
    unsent: Body,
    chunked: bool,
    sent: bool,
    /// Whether any of the content has come from the client. Before that it may wait for the endpoint to say 100.
    flows: bool,
    /// Whether any byte of an answer came.
    pub(crate) answered: bool,
    phase: Phase,
    /// The clock as it was last read: at the start, then when the head came.
    moment: Instant,
}

impl Call {
    /// A call over a connection; encodes the head and what is at hand of the content.
    pub(crate) fn new(
        local: &Rc<Local>,
        endpoint: &Arc<Endpoint>,
        (link, served): (Link, u32),
        request: &mut Request,
        (phase, begun): (Phase, Instant),
    ) -> Self {
        let mut out = Outgoing::new(local.buffer());
        let length = request.body.length();
        encode_head(out.text(), request, length);
        let mut unsent = std::mem::take(&mut request.body);
        if let Body::Full(bytes) = &unsent {
            // The request keeps its content: it may have to be sent once more.
            request.body = Body::Full(bytes.clone());
            out.push(bytes.clone(), false);
            unsent = Body::Empty;
        }
        Self {
            local: Rc::clone(local),
            active: endpoint.enter(),
            link,
            served,
            out,
            chunked: length.is_none(),
            sent: false,
            flows: false,
            unsent,
            answered: false,
            phase,
            moment: begun,
        }
    }

    /// Sends, and waits for the head of the final answer; informational ones are passed on.
    pub(crate) async fn head(&mut self, exchange: &mut Exchange, method: &Method) -> Result<Head, Error> {
        let begun = self.moment;
        self.link.wait_until(self.phase.head_by(begun));
        let head = std::future::poll_fn(|cx| self.poll_head(cx, exchange, method)).await?;
        self.moment = rt::now();
        let took = self.moment.saturating_duration_since(begun);
        self.active.endpoint().observe(took);
        exchange.timings.head = Some(took);
        Ok(head)
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        method: &Method,
    ) -> Poll<Result<Head, Error>> {
        let unsendable = match self.poll_send(cx) {
            Poll::Ready(Err(Trouble::Ours(e))) => return Poll::Ready(Err(e)),
            // It may have answered and closed without reading everything: the answer counts.
            Poll::Ready(Err(Trouble::Theirs(e))) => Some(e),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        };
        loop {
            match self.poll_one_head(cx, method) {
                Poll::Pending => {
                    return match unsendable {
                        Some(e) => Poll::Ready(Err(self.io_error(e, Stage::Send))),
                        None => Poll::Pending,
                    };
                }
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Ready(Ok(head)) => match head.response.status {
                    100..=199 if head.response.status != 101 => {
                        if let Some(interim) = &exchange.interim {
                            interim.send(head.response.status, &head.response.fields);
                        }
                    }
                    _ => return Poll::Ready(Ok(head)),
                },
            }
        }
    }

    fn poll_one_head(&mut self, cx: &mut Context<'_>, method: &Method) -> Poll<Result<Head, Error>> {
        let local = Rc::clone(&self.local);
        let scratch = &mut *local.scratch.borrow_mut();
        let limits = &local.answer_limits;
        let mut fresh = !self.link.ahead.is_empty();
        loop {
            if fresh {
                match http1::parse_response(&self.link.ahead, limits, method.as_str().as_bytes(), &mut scratch.response)
                {
                    Ok(Parsed::Complete) => {
                        let block = self.link.ahead.split_to(scratch.response.len);
                        return Poll::Ready(Ok(Head::new(
                            &scratch.response,
                            &block,
                            (method, local.fields()),
                            Bytes::new(),
                        )));
                    }
                    Ok(Parsed::Partial) => {}
                    Err(fault) => return Poll::Ready(Err(self.grammar_error(fault))),
                }
            }
            if self.link.ahead.is_empty() {
                // The common case: the whole head, and often the whole answer, in one read into shared memory.
                let read = match self.link.poll_scratch(cx, &mut scratch.input) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.ended_error())),
                    Poll::Ready(Ok(n)) => n,
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(self.io_error(e, Stage::Receive))),
                };
                self.answered = true;
                let got = scratch.input.get(..read).unwrap_or_default();
                match http1::parse_response(got, limits, method.as_str().as_bytes(), &mut scratch.response) {
                    Ok(Parsed::Complete) => {
                        let (block, rest) = got.split_at(scratch.response.len);
                        let whole = scratch.response.framing == http1::Framing::Length(rest.len() as u64);
                        let content = if whole { Bytes::copy_from_slice(rest) } else { Bytes::new() };
                        if !whole {
                            self.link.ahead.extend_from_slice(rest);
                        }
                        return Poll::Ready(Ok(Head::new(&scratch.response, block, (method, local.fields()), content)));
                    }
                    Ok(Parsed::Partial) => self.link.ahead.extend_from_slice(got),
                    Err(fault) => return Poll::Ready(Err(self.grammar_error(fault))),
                }
            }
            match self.link.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.ended_error())),
                Poll::Ready(Ok(_)) => self.answered = true,
                Poll::Ready(Err(e)) => return Poll::Ready(Err(self.io_error(e, Stage::Receive))),
            }
            fresh = true;
        }
    }

    /// Sends what can be sent now. Ready once everything is sent.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        loop {
            // What is at hand of the content shares a write with what waits.
            let mut starved = false;
            while !self.sent && !starved && self.out.has_room() {
                match self.unsent.poll_frame(cx) {
                    Poll::Pending => starved = true,
                    Poll::Ready(Some(Ok(frame))) => {
                        let last = matches!(frame, Frame::Trailers(_));
                        self.out.push_frame(frame, self.chunked);
                        // Trailers bring the last chunk with them.
                        self.chunked &= !last;
                        self.flows = true;
                        self.link.wait_until(self.phase.head_by(rt::now()));
                    }
                    Poll::Ready(Some(Err(e))) => return Poll::Ready(Err(Trouble::Ours(e))),
                    Poll::Ready(None) => self.finish_sending(),
                }
            }
            if let Err(e) = ready!(self.out.poll_write(&mut self.link, cx)) {
                return Poll::Ready(Err(Trouble::Theirs(e)));
            }
            if self.sent {
                break;
            }
            if starved {
                if self.flows {
                    // All that has come is sent: the client is who is waited for, with a patience of its own.
                    self.link.wait_until(None);
                }
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    fn finish_sending(&mut self) {
        if self.chunked {
            http1::encode_last_chunk(self.out.text());
            self.chunked = false;
        }
        self.sent = true;
        // The time for the head counts from the end of the content; without content that is now.
        if !matches!(self.unsent, Body::Empty) {
            self.unsent = Body::Empty;
            self.link.wait_until(self.phase.head_by(rt::now()));
        }
    }

    /// The answer to a head: its content at hand, or a stream that owns the rest of the call.
    pub(crate) fn into_response(mut self, head: Head) -> Response {
        let Head { mut response, framing, keep_alive, whole, .. } = head;
        let content = Content::new(framing, &self.local.answer_limits);
        if response.status == 101 {
            let (far, idle) = (Far::Link(Box::new(self.link)), self.phase.tunnel_idle);
            response.tunnel = Some(Box::new(Tunnel { far, active: self.active, idle }));
            return response;
        }
        match content {
            Content::Done => self.finish(keep_alive),
            Content::Length(_) if !whole.is_empty() && self.sent && self.out.is_empty() => {
                response.body = Body::Full(whole);
                self.finish(keep_alive);
            }
            Content::Length(length) if self.sent && self.out.is_empty() && self.link.ahead.len() as u64 >= length => {
                let body = self.link.ahead.split_to(length as usize);
                response.body = Body::Full(Bytes::copy_from_slice(&body));
                drop(body);
                self.finish(keep_alive);
            }
            content => {
                self.link.ahead.extend_from_slice(&whole);
                response.body = Body::Stream(Box::new(Inbound { call: Some(self), content, keep_alive }));
            }
        }
        response
    }

    /// Both messages are over, as far as this side can tell: the connection may serve again.
    fn finish(self, keep_alive: bool) {
        if !self.link.ahead.is_empty() {
            self.active.endpoint().metrics.unasked.add(self.local.index, 1);
        }
        let clean = self.sent && self.out.is_empty() && keep_alive && self.link.ahead.is_empty() && !self.link.ended;
        let served = self.served.saturating_add(1);
        let within = self.active.endpoint().pool.max_requests.is_none_or(|max| served < max);
        self.local.give_back(self.out.into_buffer());
        if clean && within {
            self.local.pool.borrow_mut().put(self.active.endpoint(), self.link, served, self.moment);
        }
    }

    fn error(&self, stage: Stage, reason: Reason) -> Error {
        let retry = if self.answered { Retry::Never } else { Retry::IfIdempotent };
        Error::new(Side::Upstream, stage, reason).retry(retry).detail(self.active.endpoint().name.as_ref())
    }

    fn ended_error(&self) -> Error {
        self.error(Stage::Receive, reasons::ENDPOINT_CLOSED_EARLY)
    }

    fn grammar_error(&self, fault: http1::Fault) -> Error {
        self.error(Stage::Receive, Reason::new(fault.reason())).retry(Retry::Never).detail(format!(
            "{}: {}",
            self.active.endpoint().name,
            fault
        ))
    }

    fn io_error(&self, e: io::Error, stage: Stage) -> Error {
        match e.kind() {
            io::ErrorKind::TimedOut => self.error(stage, reasons::HEAD_TIMEOUT).retry(Retry::Never),
            io::ErrorKind::UnexpectedEof => self.ended_error(),
            _ => self.error(stage, reasons::ENDPOINT_RESET).source(e),
        }
    }

    fn body_error(&self, fault: BodyFault) -> Error {
        let error = match fault {
            BodyFault::Truncated => self.error(Stage::Receive, reasons::BODY_TRUNCATED),
            BodyFault::Late => self.error(Stage::Receive, reasons::BODY_IDLE_TIMEOUT),
            BodyFault::Io(e) => self.error(Stage::Receive, reasons::ENDPOINT_RESET).source(e),
            BodyFault::Grammar(fault) => self.grammar_error(fault),
        };
        error.retry(Retry::Never)
    }
}

/// Whose trouble stopped the sending.
enum Trouble {
    /// The request's content failed on the client's side.
    Ours(Error),
    /// The endpoint takes no more.
    Theirs(io::Error),
}

/// The head of an answer, and how its content is framed.
pub(crate) struct Head {
    pub(crate) response: Response,
    framing: http1::Framing,
    keep_alive: bool,
    pub(crate) upgrade: bool,
    /// All of the content, when it came with the head and has a length.
    whole: Bytes,
}

impl Head {
    fn new(head: &ResponseHead, block: &[u8], (method, fields): (&Method, Fields), whole: Bytes) -> Self {
        let mut response = Response::new(head.status);
        response.fields = fields;
        response.fields.reset(block, head.fields.len());
        response.fields.extend_spans(head.fields.iter().map(|field| (span(field.name), span(field.value))));
        // The length of content that is not sent is a fact about the resource and stays (RFC 9110 section 8.6).
        let keep_length = head.status == 304 || *method == Method::Head;
        if head.status != 101 {
            strip_hop_by_hop(&mut response.fields, head.connection_options, keep_length, |_| false);
        }
        if !head.reason.is_empty() {
            response.phrase = Some(span(head.reason));
        }
        Self { response, framing: head.framing, keep_alive: head.keep_alive, upgrade: head.upgrade, whole }
    }
}

/// Request line and fields; the framing is ours (RFC 9112 section 6).
fn encode_head(out: &mut Vec<u8>, request: &Request, length: Option<u64>) {
    http1::encode_request_line(out, request.method.as_str().as_bytes(), request.target_bytes());
    request.fields.write_lines(out);
    match length {
        None => http1::encode_field(out, b"Transfer-Encoding", b"chunked"),
        Some(0) if matches!(request.method, Method::Get | Method::Head | Method::Options | Method::Delete) => {}
        Some(0) if !matches!(request.method, Method::Post | Method::Put | Method::Patch) => {}
        Some(length) => http1::encode_content_length(out, length),
    }
    out.extend_from_slice(b"\r\n");
}

/// When a call began and how long its phases may last.
impl Phase {
    pub(super) fn head_by(&self, now: Instant) -> Option<Instant> {
        self.head.map(|d| now + d)
    }

    fn idle_by(&self) -> Option<Instant> {
        self.idle.map(|d| rt::now() + d)
    }
}
