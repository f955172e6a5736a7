//! One exchange on a connection of HTTP/1.1: run it, write its answer, and leave the connection where the next one begins.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use yumen_core::{Body, Conn, Error, Exchange, Interim, Reason, Request, Response, Scheme, Side, Stage, Version};
use yumen_http1::{Fault, Framing, TargetForm};
use yumen_net::rt;
use yumen_net::transport::IdleState;
use yumen_telemetry::reasons;

use super::answer::{self, Manner};
use super::content::ClientContent;
use super::upgrade::Upgraded;
use super::{Cut, Shared};
use crate::http::exchange::{self, Asked, Client};
use crate::http::intake::{Patience, Progress};
use crate::http::request::Received;
use crate::http::respond;
use crate::snapshot::Listener;
use crate::view::Worker;
use crate::wire::Content;

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
    let response = exchange::dated(respond::answer(&error));
    if answer::write(link, &worker.local, &mut exchange, response, manner).await.is_ok() {
        drop(exchange);
        linger(link).await;
    }
}

/// How an exchange left its connection.
pub(super) enum Turned {
    /// It goes on; the exchange ended at this moment.
    On(Instant),
    /// It is over.
    Over,
    /// It is to be a tunnel.
    Upgraded(Box<Upgraded>),
}

/// Runs one exchange.
pub(super) async fn run(
    worker: &Rc<Worker>,
    conn: &Rc<Conn>,
    (link, listener): (&Shared, &Listener),
    received: Received,
    (last, mut cut): (bool, Cut<'_>),
) -> Turned {
    let mut exchange = Exchange::new(Rc::clone(conn), rt::now(), worker.observer());
    let Received { mut request, framing, length, keep_alive, form, connection_options } = received;
    let version = request.version;
    request.scheme = if conn.tls.is_some() { Scheme::Https } else { Scheme::Http };
    let interim = (version == Version::Http11).then(|| Rc::clone(link) as Rc<dyn Interim>);
    let asked = Asked { form, connection_options, length, interim };
    let awaits_continue = request.expects_continue;
    let progress = Progress::new(length != Some(0));
    attach(&mut request, framing, link, &progress, listener);
    let mut waiting = Waiting { link, progress: &progress, cut: &mut cut };
    let answered = exchange::answer((worker, listener), &mut exchange, request, asked, &mut waiting).await;
    exchange.bytes_in = progress.received();
    let Some(mut response) = answered else { return Turned::Over };
    if response.status == 101 {
        return Turned::Upgraded(Box::new(Upgraded { exchange, response }));
    }
    if !response.fields.contains("date") {
        response = exchange::dated(response);
    }
    let unread = !progress.is_done();
    // Content that was waited for with 100-continue and never came may still come: where the next request begins is
    // then unknown.
    // So is it when the endpoint answered in the middle of it: it need not take the rest.
    let unknowable = unread && (awaits_continue || progress.is_begun() || length.is_none_or(|n| n > DRAIN_LIMIT));
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
        Ok(true) if progress.is_done() => Turned::On(ended),
        Ok(true) => {
            let goes_on = Box::pin(finish_reading(link, framing, &progress, listener)).await;
            if goes_on { Turned::On(rt::now()) } else { Turned::Over }
        }
        Ok(false) => {
            drop(exchange);
            Box::pin(part(link, progress.is_done())).await;
            Turned::Over
        }
        Err(error) => {
            exchange.failed(&error);
            Turned::Over
        }
    }
}

/// A client that waits for its answer.
struct Waiting<'a, 'c> {
    link: &'a Shared,
    progress: &'a Progress,
    cut: &'a mut Cut<'c>,
}

impl Client for Waiting<'_, '_> {
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        if let Poll::Ready(error) = self.cut.poll(cx) {
            return Poll::Ready(error);
        }
        // While its content is still being read, the reader notices.
        if self.progress.is_done()
            && let Poll::Ready(e) = self.link.borrow_mut().poll_gone(cx)
        {
            return Poll::Ready(answer::write_error(&e));
        }
        Poll::Pending
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

fn attach(request: &mut Request, framing: Framing, link: &Shared, progress: &Progress, listener: &Listener) {
    let patience = Patience::of(&listener.config);
    let content = Content::new(framing, &listener.limits);
    if let Some(stream) = ClientContent::new(link, content, progress, patience) {
        request.body = Body::Stream(Box::new(stream));
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
