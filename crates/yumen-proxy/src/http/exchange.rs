//! One exchange: find the route, run the chain, write the answer, and leave the connection where the next one begins.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use yumen_config::config::AbsoluteForm;
use yumen_core::{Body, Conn, Error, Exchange, Interim, Next, Reason, Request, Response, Scheme, Side, Stage, Version};
use yumen_http1::{Fault, Framing, TargetForm};
use yumen_net::rt::{self, Deadline};
use yumen_net::transport::IdleState;
use yumen_telemetry::{reasons, trace};

use super::answer::{self, Manner};
use super::content::{ClientContent, Patience, Progress};
use super::request::Received;
use super::{Cut, Shared, headers, hops, respond, upgrade};
use crate::middleware::NoUpstream;
use crate::route::Route;
use crate::snapshot::Listener;
use crate::upstream::Send;
use crate::view::Worker;
use crate::wire::{Content, strip_hop_by_hop};

/// How much unread content is read and thrown away so that a connection can go on.
const DRAIN_LIMIT: u64 = 64 * 1024;
/// How long a closing connection waits for the client to read what was written (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

/// Why a request was refused before there was one.
pub(super) enum Refusal {
    Grammar(Fault),
    HeadLate,
}

/// Answers what could not be read as a request, and ends the connection.
pub(super) async fn refuse(worker: &Rc<Worker>, conn: &Rc<Conn>, link: &Shared, why: Refusal) {
    let mut exchange = Exchange::new(Rc::clone(conn), rt::now(), worker.observer());
    let error = match why {
        Refusal::Grammar(fault) => {
            Error::new(Side::Client, Stage::Receive, Reason::new(fault.reason())).detail(fault.to_string())
        }
        Refusal::HeadLate => Error::new(Side::Client, Stage::Receive, reasons::CLIENT_HEAD_TIMEOUT),
    };
    exchange.failed(&error);
    let manner = Manner {
        version: Version::Http11,
        head_only: false,
        close: true,
        write_idle: Duration::from_secs(5),
        now: exchange.started,
    };
    let response = dated(respond::answer(&error));
    if answer::write(link, &worker.local, &mut exchange, response, manner).await.is_ok() {
        drop(exchange);
        linger(link).await;
    }
}

/// Runs one exchange. The result is when it ended, if the connection goes on.
pub(super) async fn run(
    worker: &Rc<Worker>,
    conn: &Rc<Conn>,
    (link, listener): (&Shared, &Listener),
    received: Received,
    (last, mut cut): (bool, Cut<'_>),
) -> Option<Instant> {
    let mut exchange = Exchange::new(Rc::clone(conn), rt::now(), worker.observer());
    let Received { mut request, framing, keep_alive, form, connection_options } = received;
    let version = request.version;
    request.scheme = if conn.tls.is_some() { Scheme::Https } else { Scheme::Http };
    begin(&mut exchange, &mut request, listener, (form, connection_options), link);
    let awaits_continue = request.expects_continue;
    let progress = Progress::of(framing);
    let outcome = match admit(&request, form, framing, listener) {
        Ok(()) => {
            attach(&mut request, framing, link, &progress, listener);
            dispatch(worker, (link, listener), &mut exchange, request, (&progress, &mut cut)).await
        }
        Err(error) => Err(error),
    };
    exchange.bytes_in = progress.received();
    let mut response = match outcome {
        Ok(response) => response,
        Err(error) if is_client_lost(&error) => {
            exchange.failed(&error);
            return None;
        }
        Err(error) => {
            exchange.failed(&error);
            respond::answer(&error)
        }
    };
    if response.status == 101 {
        Box::pin(upgrade::run(worker, link, exchange, response, (listener, cut))).await;
        return None;
    }
    if !response.fields.contains("date") {
        response = dated(response);
    }
    let unread = !progress.is_done();
    // Content that was waited for with 100-continue and never came may still come: where the next request begins is
    // then unknown.
    // So is it when the endpoint answered in the middle of it: it need not take the rest.
    let unknowable =
        unread && (awaits_continue || progress.is_begun() || framing_len(framing).is_none_or(|n| n > DRAIN_LIMIT));
    let over = {
        let link = link.borrow();
        link.ended && link.ahead.is_empty()
    };
    // What a client sends behind CONNECT is meant for the tunnel it hopes for, and is no request.
    let tunnelled = form == TargetForm::Authority;
    let close = !keep_alive || last || cut.is_draining() || unknowable || over || tunnelled;
    let head_only = answer::is_head(exchange.method.as_ref());
    let manner = Manner { version, head_only, close, write_idle: listener.config.timeouts.write_idle, now: rt::now() };
    let written = deliver(link, worker, &mut exchange, response, (manner, cut)).await;
    let ended = rt::now();
    exchange.timings.total = ended.saturating_duration_since(exchange.started);
    exchange.bytes_in = progress.received();
    match written {
        Ok(true) if progress.is_done() => Some(ended),
        Ok(true) => {
            let goes_on = Box::pin(finish_reading(link, framing, &progress, listener)).await;
            goes_on.then(rt::now)
        }
        Ok(false) => {
            drop(exchange);
            Box::pin(part(link, progress.is_done())).await;
            None
        }
        Err(error) => {
            exchange.failed(&error);
            None
        }
    }
}

/// Writes the answer, for as long as a drain gives it.
async fn deliver(
    link: &Shared,
    worker: &Worker,
    exchange: &mut Exchange,
    response: Response,
    (manner, mut cut): (Manner, Cut<'_>),
) -> Result<bool, Error> {
    let mut write = std::pin::pin!(answer::write(link, &worker.local, exchange, response, manner));
    std::future::poll_fn(|cx| match write.as_mut().poll(cx) {
        Poll::Pending => cut.poll(cx).map(|error| {
            // The client must not take what it has for the whole.
            link.borrow().transport.set_linger_zero();
            Err(error)
        }),
        written => written,
    })
    .await
}

fn is_client_lost(error: &Error) -> bool {
    error.side() == Side::Client && [reasons::CLIENT_GONE, reasons::CLIENT_RESET].contains(&error.reason())
}

fn framing_len(framing: Framing) -> Option<u64> {
    match framing {
        Framing::None => Some(0),
        Framing::Length(length) => Some(length),
        Framing::Chunked | Framing::UntilClose => None,
    }
}

/// Notes what was asked, and makes the request one of ours: hop-by-hop fields off, forwarding fields on.
fn begin(
    exchange: &mut Exchange,
    request: &mut Request,
    listener: &Listener,
    (form, connection_options): (TargetForm, bool),
    link: &Shared,
) {
    let policy = &listener.config.forwarded;
    let peer = exchange.conn.peer.ip().to_canonical();
    let trusted = headers::is_trusted(peer, policy);
    exchange.method = Some(request.method.clone());
    exchange.version = request.version;
    exchange.asked(request.fields.bytes(request.authority_span()), request.path_bytes());
    exchange.client = if trusted { headers::client_address(&request.fields, peer, policy) } else { peer };
    if request.version == Version::Http11 {
        exchange.interim = Some(Rc::clone(link) as Rc<dyn Interim>);
    } else {
        // A client of HTTP/1.0 cannot mean it (RFC 9110 section 10.1.1), and the endpoint must not wait for it.
        request.fields.remove("expect");
    }
    let offer = if request.upgrade { headers::upgrade_offer(&request.fields) } else { Vec::new() };
    // No proxy writes the twins of claims: even behind a trusted one they are what the client sent.
    let is_untrue = |name: &[u8]| headers::is_claim(name) && (!trusted || name.contains(&b'_'));
    strip_hop_by_hop(&mut request.fields, connection_options, false, is_untrue);
    request.upgrade = !offer.is_empty();
    if request.upgrade {
        request.fields.add("Connection", b"Upgrade");
        request.fields.add("Upgrade", &offer);
    }
    if request.authority_span().is_empty() {
        // HTTP/1.0 may come without, HTTP/1.1 may not go on without (RFC 9112 sections 3.2 and 3.3).
        let local = exchange.conn.local;
        let authority = std::net::SocketAddr::new(local.ip(), local.port()).to_string();
        request.fields.set("Host", authority.as_bytes());
    } else if form == TargetForm::Absolute {
        // In any other form the authority is what stands in the Host field.
        let authority = request.authority().as_bytes().to_vec();
        request.fields.set("Host", &authority);
    }
    headers::forward(request, exchange, policy, trusted);
    let given = request.fields.first("traceparent");
    let is_given = given.is_some();
    let own = given.and_then(trace::TraceParent::parse).map_or_else(trace::TraceParent::mint, |p| p.child());
    exchange.trace_id = Some(own.trace_id);
    if is_given {
        request.fields.set("traceparent", &own.render());
    } else {
        request.fields.add("traceparent", &own.render());
    }
}

/// What no route can allow.
fn admit(request: &Request, form: TargetForm, framing: Framing, listener: &Listener) -> Result<(), Error> {
    let refuse = |reason| Err(Error::new(Side::Client, Stage::Route, reason));
    if form == TargetForm::Authority {
        return refuse(reasons::CONNECT_METHOD_REFUSED);
    }
    if form == TargetForm::Absolute && listener.config.absolute_form == AbsoluteForm::Refuse {
        return refuse(reasons::ABSOLUTE_FORM_REFUSED);
    }
    if request.upgrade && framing_len(framing) != Some(0) {
        return refuse(reasons::UPGRADE_REFUSED);
    }
    if let (Some(limit), Some(length)) = (listener.config.limits.body, framing_len(framing))
        && length > limit
    {
        return refuse(reasons::BODY_TOO_LARGE);
    }
    Ok(())
}

fn attach(request: &mut Request, framing: Framing, link: &Shared, progress: &Progress, listener: &Listener) {
    let timeouts = &listener.config.timeouts;
    let patience =
        Patience { idle: timeouts.body_idle, rate: timeouts.min_body_rate, limit: listener.config.limits.body };
    let content = Content::new(framing, &listener.limits);
    if let Some(stream) = ClientContent::new(link, content, progress, patience) {
        request.body = Body::Stream(Box::new(stream));
    }
}

/// Finds the route and runs its chain, watching the client and the clock meanwhile.
async fn dispatch(
    worker: &Rc<Worker>,
    (link, listener): (&Shared, &Listener),
    exchange: &mut Exchange,
    mut request: Request,
    (progress, cut): (&Progress, &mut Cut<'_>),
) -> Result<Response, Error> {
    if let Some(last) = hops::count(&mut request)? {
        return Ok(last);
    }
    let Some(route) = listener.table.find(&request, exchange.client) else {
        let error = Error::new(Side::Client, Stage::Route, reasons::NO_ROUTE);
        exchange.failed(&error);
        return Ok(respond::plain(listener.config.default_status, reasons::NO_ROUTE.code()));
    };
    exchange.route = Some(Arc::clone(route) as _);
    if let Some(whole) = route.phase.request {
        exchange.deadline = Some(exchange.started + whole);
    }
    let mut whole = Deadline::new();
    whole.set(exchange.deadline);
    let mut answer = std::pin::pin!(through(worker, route, exchange, request));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        if whole.poll_expired(cx).is_ready() {
            return Poll::Ready(Err(Error::new(Side::Us, Stage::Receive, reasons::REQUEST_TIMEOUT)));
        }
        if let Poll::Ready(error) = cut.poll(cx) {
            return Poll::Ready(Err(error));
        }
        if progress.is_done()
            && let Poll::Ready(e) = link.borrow_mut().poll_gone(cx)
        {
            return Poll::Ready(Err(answer::write_error(&e)));
        }
        Poll::Pending
    })
    .await
}

async fn through(
    worker: &Rc<Worker>,
    route: &Route,
    exchange: &mut Exchange,
    request: Request,
) -> Result<Response, Error> {
    match &route.upstream {
        Some(upstream) => {
            let (phase, idle_race) = (route.phase, route.config.retry.idle_race);
            let last = Send { local: &worker.local, upstream, phase, idle_race };
            if route.chain.is_empty() {
                // Without a box for what stands behind the chain.
                return last.send(exchange, request).await;
            }
            Next::new(&route.chain, &last).run(exchange, request).await
        }
        None => Next::new(&route.chain, &NoUpstream).run(exchange, request).await,
    }
}

/// Reads away what is left of a small content, so that the next request is found. `false` ends the connection.
async fn finish_reading(link: &Shared, framing: Framing, progress: &Progress, listener: &Listener) -> bool {
    // Only the one who never began still has the whole content in front of him; one that stopped in the middle has lost
    // his place.
    if progress.is_begun() {
        linger(link).await;
        return false;
    }
    let mut content = Content::new(framing, &listener.limits);
    link.borrow().wait_until(Some(rt::now() + LINGER));
    let mut read = 0u64;
    while let Some(part) = std::future::poll_fn(|cx| content.poll_next(&mut link.borrow_mut(), cx)).await {
        let Ok(frame) = part else { return false };
        if let yumen_core::Frame::Data(data) = frame {
            read += data.len() as u64;
        }
        if read > DRAIN_LIMIT {
            return false;
        }
    }
    true
}

/// Ends our side and waits until the client has ended its own, or for a short while: closing at once would reset the
/// connection under unread bytes and the client would lose the answer.
async fn linger(link: &Shared) {
    shutdown(link).await;
    link.borrow().wait_until(Some(rt::now() + LINGER));
    let scratch = RefCell::new(vec![0u8; 4096]);
    let mut left = 256;
    while left > 0 {
        left -= 1;
        let read = std::future::poll_fn(|cx| {
            let link = &mut *link.borrow_mut();
            link.ahead.clear();
            link.poll_scratch(cx, &mut scratch.borrow_mut())
        });
        if !matches!(read.await, Ok(n) if n > 0) {
            return;
        }
    }
}

/// Ends a connection whose answer was its last. Closing a plain socket under which nothing lies unread says all there is to
/// say; TLS takes its leave, and what lies unread wants patience.
async fn part(link: &Shared, read: bool) {
    let calm = {
        let link = &mut *link.borrow_mut();
        read && link.ahead.is_empty()
            && (!link.transport.is_plain() || link.transport.check_idle() != IdleState::UnaskedBytes)
    };
    if !calm {
        linger(link).await;
    } else if !link.borrow().transport.is_plain() {
        shutdown(link).await;
    }
}

async fn shutdown(link: &Shared) {
    link.borrow().wait_until(Some(rt::now() + LINGER));
    let ended = std::future::poll_fn(|cx| {
        let link = &mut *link.borrow_mut();
        match link.transport.poll_shutdown(cx) {
            Poll::Pending => link.poll_late(cx).map(|()| Ok(())),
            ready => ready,
        }
    });
    // The client may have gone first: there is nobody to tell.
    drop(ended.await);
}

fn dated(mut response: Response) -> Response {
    response.fields.add("Date", crate::clock::http_date(rt::wall()).as_bytes());
    response
}
