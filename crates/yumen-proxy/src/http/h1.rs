//! Serves one HTTP/1.1 connection: reads a request, lets it through the onion, writes the answer, and again.
//!
//! A connection at rest is this future and a [`Link`] without memory; what an exchange needs is boxed while it lasts.
//! Each request sees the snapshot that is current when its head is complete.

mod turn;
mod upgrade;
mod answer;
mod content;

use std::cell::RefCell;
use std::io;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use yumen_core::{Conn, Error, Fields, Interim, Side, Stage};
use yumen_http1::{self as http1, Parsed};
use yumen_net::drain::{DrainWatch, Signaled};
use yumen_net::rt;
use yumen_net::transport::Transport;
use yumen_telemetry::reasons;

use turn::Turned;

use super::refresh;
use super::request::Received;
use crate::snapshot::Listener;
use crate::view::Worker;
use crate::wire::{Link, Outgoing};

/// How long a connection at rest is kept when its listener drains: long enough for a request that was already on its
/// way to be answered with `Connection: close`.
const REST_WHILE_DRAINING: Duration = Duration::from_secs(2);

/// One client connection, shared by the reader of a request's content, the writer of its answer and whoever sends
/// informational ones.
pub(super) type Shared = Rc<Client>;

/// The bytes of a client connection.
pub(super) struct Client(RefCell<Link>);

impl Deref for Client {
    type Target = RefCell<Link>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// They are small: what the socket does not take at once is not worth waiting for. Since an answer cut in half would spoil
/// the connection, it is given up then.
impl Interim for Client {
    fn send(&self, status: u16, fields: &Fields) {
        let mut out = Outgoing::new(Vec::new());
        http1::encode_status_line(out.text(), status, None);
        fields.write_lines(out.text());
        out.text().extend_from_slice(b"\r\n");
        let mut cx = Context::from_waker(Waker::noop());
        let Ok(mut link) = self.0.try_borrow_mut() else { return };
        if out.poll_write(&mut link, &mut cx).is_pending() {
            link.transport.set_linger_zero();
            link.ended = true;
        }
    }
}

/// Serves a connection until either side is done with it.
pub(super) fn serve(
    worker: Rc<Worker>,
    conn: Rc<Conn>,
    transport: Transport,
    mut listener: Arc<Listener>,
    drain: DrainWatch,
) -> impl Future<Output = ()> {
    let link: Shared = Rc::new(Client(RefCell::new(Link::new(transport))));
    async move {
        let mut served = 0u32;
        let mut generation = conn.generation;
        // When the connection came to rest: the clock as it was last read.
        let mut rested = rt::now();
        let mut signaled = pin!(drain.signaled());
        loop {
            refresh(&worker, &conn, &mut listener, &mut generation);
            let timeouts = &listener.config.timeouts;
            let wait = if served == 0 { timeouts.head } else { timeouts.idle };
            link.borrow().wait_until(Some(rested + wait));
            let mut told = false;
            let outcome = std::future::poll_fn(|cx| {
                if !told && signaled.as_mut().poll(cx).is_ready() {
                    told = true;
                    shorten(&mut link.borrow_mut());
                }
                poll_request(&mut link.borrow_mut(), &worker, &listener, cx)
            })
            .await;
            let received = match outcome {
                Outcome::Request(received) => received,
                Outcome::Quiet => return,
                Outcome::Late => {
                    let begun = !link.borrow().ahead.is_empty();
                    if begun {
                        Box::pin(turn::refuse(&worker, &conn, &link, turn::Refusal::HeadLate)).await;
                    }
                    return;
                }
                Outcome::Fault(fault) => {
                    Box::pin(turn::refuse(&worker, &conn, &link, turn::Refusal::Grammar(fault))).await;
                    return;
                }
            };
            served = served.saturating_add(1);
            let last = listener.config.limits.requests_per_connection.is_some_and(|max| served >= max);
            // A reload may have come while the connection rested.
            refresh(&worker, &conn, &mut listener, &mut generation);
            let cut = Cut { drain: &drain, signaled: signaled.as_mut(), forced: None };
            match Box::pin(turn::run(&worker, &conn, (&link, &listener), *received, (last, cut))).await {
                Turned::On(ended) => rested = ended,
                Turned::Over => return,
                // Behind the turn: a tunnel may last for days, and should not carry the room of a request.
                Turned::Upgraded(upgraded) => {
                    let cut = Cut { drain: &drain, signaled: signaled.as_mut(), forced: None };
                    return Box::pin(upgrade::run(&worker, &link, upgraded, (&listener, cut))).await;
                }
            }
            link.borrow_mut().rest();
        }
    }
}

/// The end of the time that a drain gives to exchanges under way.
pub(super) struct Cut<'a> {
    drain: &'a DrainWatch,
    /// Of the connection: before a drain begins, looking here costs a load.
    signaled: Pin<&'a mut Signaled>,
    forced: Option<Signaled>,
}

impl Cut<'_> {
    /// Whether the connection is asked to end behind the answer.
    fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }

    /// Ready with an error once the time is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        ready!(self.signaled.as_mut().poll(cx));
        let forced = self.forced.get_or_insert_with(|| self.drain.forced());
        ready!(Pin::new(forced).poll(cx));
        Poll::Ready(Error::new(Side::Us, Stage::Receive, reasons::DRAINING))
    }
}

/// What came of waiting for a request.
enum Outcome {
    Request(Box<Received>),
    /// The client ended between two requests, or failed: nobody is there to be told.
    Quiet,
    /// The time for a head, or for rest, is over.
    Late,
    Fault(http1::Fault),
}

fn shorten(link: &mut Link) {
    if link.ahead.is_empty() {
        let soon = rt::now() + REST_WHILE_DRAINING;
        let at = link.deadline.at().map_or(soon, |at| at.min(soon));
        link.wait_until(Some(at));
    }
}

fn poll_request(link: &mut Link, worker: &Worker, listener: &Listener, cx: &mut Context<'_>) -> Poll<Outcome> {
    let scratch = &mut *worker.local.scratch.borrow_mut();
    let limits = &listener.limits;
    loop {
        if link.ahead.is_empty() {
            let read = match link.poll_scratch(cx, &mut scratch.input) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Outcome::Quiet),
                Poll::Ready(Ok(n)) => n,
                Poll::Ready(Err(e)) => return Poll::Ready(failed(&e)),
            };
            let got = scratch.input.get(..read).unwrap_or_default();
            match http1::parse_request(got, limits, &mut scratch.request) {
                Ok(Parsed::Complete) => {
                    let (block, rest) = got.split_at(scratch.request.len);
                    link.ahead.extend_from_slice(rest);
                    return Poll::Ready(Outcome::Request(Received::new(
                        &scratch.request,
                        block,
                        worker.local.fields(),
                    )));
                }
                Ok(Parsed::Partial) => {
                    link.ahead.extend_from_slice(got);
                    // The head has begun: it has its own time, whatever the rest had left.
                    link.wait_until(Some(rt::now() + listener.config.timeouts.head));
                }
                Err(fault) => return Poll::Ready(Outcome::Fault(fault)),
            }
        } else {
            match http1::parse_request(&link.ahead, limits, &mut scratch.request) {
                Ok(Parsed::Complete) => {
                    let block = link.ahead.split_to(scratch.request.len);
                    return Poll::Ready(Outcome::Request(Received::new(
                        &scratch.request,
                        &block,
                        worker.local.fields(),
                    )));
                }
                Ok(Parsed::Partial) => {}
                Err(fault) => return Poll::Ready(Outcome::Fault(fault)),
            }
        }
        match link.poll_fill(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => return Poll::Ready(Outcome::Quiet),
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(e)) => return Poll::Ready(failed(&e)),
        }
    }
}

fn failed(e: &io::Error) -> Outcome {
    if e.kind() == io::ErrorKind::TimedOut { Outcome::Late } else { Outcome::Quiet }
}
