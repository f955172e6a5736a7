//! One session: a client's datagrams to one endpoint, and what it answers.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use yumen_core::{Conn, Error, Finished, Reason, Side, Stage};
use yumen_net::dial::DialError;
use yumen_net::rt;
use yumen_net::udp::{Flow, LARGEST, UdpLink, UdpListener, is_too_large};
use yumen_telemetry::{StreamRecord, reasons};

use super::{Port, Watch};
use crate::snapshot::{Door, Listener};
use crate::upstream::{self, Active, Endpoint, Upstream};
use crate::view::{Worker, next_id};

/// How many endpoints are tried.
const ATTEMPTS: u32 = 3;
/// Datagrams kept until the first answer, in case the endpoint is not there.
const KEPT: usize = 4;
/// Answers of one session that are passed on before others have their turn.
const TURN: usize = 64;
/// The most that is sent at once: with its head it must fit into one packet of the largest size.
const JOINED: usize = 64_000;

/// How closely an endpoint is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// For every datagram.
    Quick,
    /// Now and then.
    Close,
}

/// What a client and an endpoint say to each other.
pub(super) struct Session {
    worker: Rc<Worker>,
    conn: Conn,
    pub(super) flow: Flow,
    near: Rc<UdpListener>,
    way: RefCell<Way>,
    far: RefCell<Rc<UdpLink>>,
    task: RefCell<Option<rt::Task<()>>>,
    /// The configuration under which it was last found to be in order.
    pub(super) generation: Cell<u64>,
    started: Instant,
    /// When something was sent last, by either side.
    pub(super) heard: Cell<Instant>,
    /// Since when the endpoint owes an answer.
    owes: Cell<Option<Instant>>,
    unanswered: RefCell<Vec<Box<[u8]>>>,
    attempts: Cell<u32>,
    counts: Counts,
    watch: RefCell<Option<Watch>>,
}

/// Where the datagrams go.
struct Way {
    listener: Arc<Listener>,
    upstream: Arc<Upstream>,
    active: Option<Active>,
    endpoint: Arc<Endpoint>,
}

impl Way {
    fn find(
        port: &Port,
        listener: &Arc<Listener>,
        conn: &Conn,
        attempts: &mut u32,
    ) -> Result<(UdpLink, Self), NotReached> {
        let nowhere = || (Error::new(Side::Us, Stage::Route, reasons::NO_UPSTREAM), None);
        let upstream = Arc::clone(listener.upstream.as_ref().ok_or_else(nowhere)?);
        let (far, endpoint) = reach(port, &upstream, conn, attempts)?;
        Ok((far, Self { listener: Arc::clone(listener), upstream, active: Some(endpoint.enter()), endpoint }))
    }
}

#[derive(Default)]
struct Counts {
    received: Cell<u64>,
    sent: Cell<u64>,
    bytes_in: Cell<u64>,
    bytes_out: Cell<u64>,
}

fn add(to: &Cell<u64>, n: u64) {
    to.set(to.get() + n);
}

impl Session {
    /// Chooses an endpoint and opens a socket to it. What stands in the way is in the access log afterwards.
    pub(super) fn open(
        port: &Rc<Port>,
        listener: &Arc<Listener>,
        near: &Rc<UdpListener>,
        (flow, watch): (Flow, Watch),
        now: Instant,
    ) -> Option<Rc<Self>> {
        let worker = &port.worker;
        let conn = Conn {
            id: next_id(),
            peer: flow.client(),
            local: flow.local(near.local_addr()),
            listener: Arc::<Door>::clone(&listener.door),
            generation: worker.generation(),
            proxied: None,
            tls: None,
        };
        let mut attempts = 0;
        let (far, way) = match Way::find(port, listener, &conn, &mut attempts) {
            Ok(found) => found,
            Err((error, endpoint)) => {
                let met = Ended { conn: &conn, upstream: listener.upstream.as_deref(), endpoint: endpoint.as_deref() };
                write(worker, &met, (attempts, now), &Counts::default(), Some(error));
                return None;
            }
        };
        let keeps = way.upstream.endpoints().len() > 1;
        listener.metrics.accepted.inc(worker.index);
        listener.metrics.active.inc(worker.index);
        let session = Rc::new(Self {
            worker: Rc::clone(worker),
            generation: Cell::new(conn.generation),
            conn,
            flow,
            near: Rc::clone(near),
            way: RefCell::new(way),
            far: RefCell::new(Rc::new(far)),
            task: RefCell::default(),
            started: now,
            heard: Cell::new(now),
            owes: Cell::default(),
            unanswered: RefCell::new(Vec::with_capacity(usize::from(keeps))),
            attempts: Cell::new(attempts),
            counts: Counts::default(),
            watch: RefCell::new(Some(watch)),
        });
        session.listen(port);
        Some(session)
    }

    /// Passes on what the endpoint answers, from now on.
    fn listen(self: &Rc<Self>, port: &Rc<Port>) {
        let far = Rc::clone(&self.far.borrow());
        let task = rt::spawn_local(answers(Rc::clone(port), Rc::clone(self), far));
        if let Some(before) = self.task.replace(Some(task)) {
            before.abort();
        }
    }

    /// Sends a datagram of the client.
    ///
    /// # Errors
    /// The endpoint did not take an earlier one; this one was not sent.
    pub(super) fn send(&self, bytes: &[u8], now: Instant) -> io::Result<()> {
        match self.far.borrow().try_send(bytes) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock || is_too_large(&e) => {
                self.drop_datagrams(1);
                return Ok(());
            }
            Err(e) => return Err(e),
        }
        self.heard.set(now);
        add(&self.counts.received, 1);
        add(&self.counts.bytes_in, bytes.len() as u64);
        let way = self.way.borrow();
        if way.listener.config.udp.responses.is_some_and(|n| n > 0) && self.owes.get().is_none() {
            self.owes.set(Some(now));
        }
        self.keep(bytes);
        Ok(())
    }

    /// Keeps a datagram while nothing was answered, where there is another endpoint it could go to.
    fn keep(&self, bytes: &[u8]) {
        let mut kept = self.unanswered.borrow_mut();
        if kept.capacity() == 0 {
            return;
        }
        if kept.len() < KEPT && self.counts.sent.get() == 0 {
            kept.push(bytes.into());
        } else {
            // Some of them would be no better than none.
            *kept = Vec::new();
        }
    }

    /// Counts datagrams that went nowhere.
    pub(super) fn drop_datagrams(&self, count: u64) {
        self.way.borrow().listener.metrics.dropped.add(self.worker.index, count);
    }

    /// The endpoint as of now.
    pub(super) fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.way.borrow().endpoint)
    }

    /// Whether its endpoint may be sent anything. One that is healthy may be out of use all the same, which a look at all
    /// endpoints shows.
    pub(super) fn may_stay(&self, look: Look) -> bool {
        let way = self.way.borrow();
        (look == Look::Quick && way.endpoint.is_healthy()) || way.upstream.may_use(&way.endpoint)
    }

    /// Goes on under another configuration of its listener.
    ///
    /// # Errors
    /// The upstream is another one, or has no such endpoint any more.
    pub(super) fn carry_over(&self, listener: &Arc<Listener>) -> Result<(), Reason> {
        let mut way = self.way.borrow_mut();
        let upstream = listener.upstream.as_ref().filter(|u| u.name() == way.upstream.name());
        let upstream = upstream.ok_or(reasons::ENDPOINT_WITHDRAWN)?;
        let endpoints = upstream.endpoints();
        let same = endpoints.iter().find(|e| e.addr == way.endpoint.addr && e.name == way.endpoint.name);
        let same = same.ok_or(reasons::ENDPOINT_WITHDRAWN)?;
        if same.id != way.endpoint.id {
            way.active = Some(same.enter());
            way.endpoint = Arc::clone(same);
        }
        if !Arc::ptr_eq(&listener.metrics, &way.listener.metrics) {
            way.listener.metrics.active.dec(self.worker.index);
            listener.metrics.active.inc(self.worker.index);
        }
        way.upstream = Arc::clone(upstream);
        way.listener = Arc::clone(listener);
        Ok(())
    }

    /// Counts a failure of the endpoint, and says what it is.
    pub(super) fn fail(&self, error: io::Error) -> Error {
        let way = self.way.borrow();
        way.endpoint.metrics.failures.inc(self.worker.index);
        way.upstream.metrics.connect_failures.inc(self.worker.index);
        upstream::dial_error(&way.endpoint, DialError::new(way.endpoint.addr, error))
    }

    /// Sends what was not answered to another endpoint; says whether there was one.
    pub(super) fn redirect(self: &Rc<Self>, port: &Rc<Port>) -> bool {
        let kept = std::mem::take(&mut *self.unanswered.borrow_mut());
        let mut attempts = self.attempts.get();
        if kept.is_empty() || attempts >= ATTEMPTS || self.counts.sent.get() > 0 {
            return false;
        }
        let upstream = Arc::clone(&self.way.borrow().upstream);
        let before = self.endpoint().id;
        let reached = reach(port, &upstream, &self.conn, &mut attempts);
        self.attempts.set(attempts);
        let Some((far, endpoint)) = reached.ok().filter(|(_, endpoint)| endpoint.id != before) else { return false };
        upstream.metrics.retries.inc(self.worker.index);
        for bytes in &kept {
            far.try_send(bytes).unwrap_or_else(|_| self.drop_datagrams(1));
        }
        *self.unanswered.borrow_mut() = kept;
        {
            let mut way = self.way.borrow_mut();
            way.active = Some(endpoint.enter());
            way.endpoint = endpoint;
        }
        self.far.replace(Rc::new(far));
        self.listen(port);
        true
    }

    pub(super) fn is_draining(&self) -> bool {
        self.watch.borrow().as_ref().is_some_and(Watch::is_draining)
    }

    pub(super) fn is_forced(&self) -> bool {
        self.watch.borrow().as_ref().is_some_and(Watch::is_forced)
    }

    /// How long the endpoint may owe an answer; `None` where it owes none, or for ever.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.owes.get()?;
        self.way.borrow().upstream.config.timeouts.head
    }

    pub(super) fn owes_for_too_long(&self, now: Instant) -> bool {
        let since = self.owes.get().map(|at| now.saturating_duration_since(at));
        since.zip(self.patience()).is_some_and(|(since, patience)| since >= patience)
    }

    /// The endpoint did not answer: counts that as its failure, and says what it is.
    pub(super) fn overdue(&self) -> Error {
        let endpoint = self.endpoint();
        endpoint.metrics.failures.inc(self.worker.index);
        Error::new(Side::Upstream, Stage::Receive, reasons::HEAD_TIMEOUT).detail(endpoint.name.as_ref())
    }

    /// Ends by silence. An endpoint that still owes an answer has failed.
    pub(super) fn expire(&self) {
        self.way.borrow().listener.metrics.expired.inc(self.worker.index);
        let failure = self.owes.get().map(|_| self.overdue());
        self.finish(failure);
    }

    /// Ends it, and writes its log line.
    pub(super) fn finish(&self, failure: Option<Error>) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        let mut way = self.way.borrow_mut();
        let Some(_active) = way.active.take() else { return };
        way.listener.metrics.active.dec(self.worker.index);
        let met = Ended { conn: &self.conn, upstream: Some(&way.upstream), endpoint: Some(&way.endpoint) };
        write(&self.worker, &met, (self.attempts.get(), self.started), &self.counts, failure);
        drop(self.watch.take());
    }

    /// Takes in that so many answers of so many bytes were passed on; says whether the session is over.
    fn answered(&self, port: &Port, count: u64, bytes: u64) -> bool {
        let now = rt::now();
        if self.counts.sent.get() == 0 {
            self.way.borrow().endpoint.observe(now.saturating_duration_since(self.heard.get()));
            self.unanswered.take();
        }
        self.heard.set(now);
        port.table.borrow_mut().answer(&self.flow, now);
        add(&self.counts.sent, count);
        add(&self.counts.bytes_out, bytes);
        let way = self.way.borrow();
        way.listener.metrics.datagrams_out.add(self.worker.index, count);
        way.listener.metrics.bytes_out.add(self.worker.index, bytes);
        let due = way.listener.config.udp.responses.filter(|n| *n > 0);
        let due = due.map(|n| self.counts.received.get().saturating_mul(u64::from(n)));
        match due {
            Some(due) if self.counts.sent.get() >= due => true,
            Some(_) => {
                self.owes.set(Some(now));
                false
            }
            None => false,
        }
    }
}

/// A socket to an endpoint.
type Reached = (UdpLink, Arc<Endpoint>);
/// Why there is none, and the endpoint that was tried last.
type NotReached = (Error, Option<Arc<Endpoint>>);

/// An endpoint of an upstream with a socket to it; those that failed lately are passed over. What cannot be had is told
/// with the endpoint that was tried last.
fn reach(port: &Port, upstream: &Arc<Upstream>, conn: &Conn, attempts: &mut u32) -> Result<Reached, NotReached> {
    let index = port.worker.index;
    if upstream.is_full() {
        return Err((upstream::full(upstream), None));
    }
    let mut passed_over = port.passed_over(rt::now());
    loop {
        let chosen = upstream.choose(&port.worker.local, conn.peer.ip(), &passed_over);
        let Some(endpoint) = chosen else { return Err((upstream::nobody(upstream), None)) };
        *attempts += 1;
        endpoint.metrics.requests.inc(index);
        upstream.metrics.connects.inc(index);
        match UdpLink::connect(endpoint.addr) {
            Ok(far) => return Ok((far, endpoint)),
            Err(error) => {
                endpoint.metrics.failures.inc(index);
                upstream.metrics.connect_failures.inc(index);
                passed_over.push(endpoint.id);
                if *attempts >= ATTEMPTS {
                    return Err((upstream::dial_error(&endpoint, error), Some(endpoint)));
                }
            }
        }
    }
}

/// Passes on what an endpoint answers, until the session ends.
async fn answers(port: Rc<Port>, session: Rc<Session>, far: Rc<UdpLink>) {
    while far.readable().await.is_ok() {
        let mut buffer = port.buffer();
        let passed = pass_on(&port, &session, &far, &mut buffer).await;
        port.give_buffer_back(buffer);
        match passed {
            Ok(false) => {}
            Ok(true) => return port.end(&session, None),
            // Another endpoint has another task.
            Err(error) => {
                port.go_elsewhere(&session, error);
                return;
            }
        }
        rt::yield_now().await;
    }
}

/// Answers in a row that can be sent at once.
#[derive(Clone, Copy, Default)]
struct Run {
    count: usize,
    len: usize,
    /// That of each but the last, which may be shorter.
    size: usize,
}

impl Run {
    fn takes(self, next: usize) -> bool {
        self.count == 0 || (self.len == self.count * self.size && (1..=self.size).contains(&next))
    }

    fn and(self, next: usize) -> Self {
        let size = if self.count == 0 { next } else { self.size };
        Self { count: self.count + 1, len: self.len + next, size }
    }

    fn is_full(self) -> bool {
        self.count > 0 && (self.len + self.size > JOINED || self.size == 0 || self.count == TURN)
    }
}

/// Passes on what is there; says whether the session is over.
///
/// # Errors
/// What the endpoint's machine, or one on the way there, said to a datagram.
async fn pass_on(port: &Port, session: &Session, far: &UdpLink, buffer: &mut [u8]) -> io::Result<bool> {
    let mut run = Run::default();
    for _ in 0..TURN {
        let free = buffer.get_mut(run.len..run.len + LARGEST).unwrap_or_default();
        let next = match far.try_recv(free) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            Err(e) => {
                flush(port, session, buffer, run).await;
                return Err(e);
            }
        };
        if !run.takes(next) {
            if flush(port, session, buffer, run).await {
                return Ok(true);
            }
            buffer.copy_within(run.len..run.len + next, 0);
            run = Run::default();
        }
        run = run.and(next);
        if run.is_full() {
            if flush(port, session, buffer, run).await {
                return Ok(true);
            }
            run = Run::default();
        }
    }
    Ok(flush(port, session, buffer, run).await)
}

/// Sends answers to the client, waiting for the system's room; says whether the session is over.
async fn flush(port: &Port, session: &Session, buffer: &[u8], run: Run) -> bool {
    if run.count == 0 {
        return false;
    }
    let bytes = buffer.get(..run.len).unwrap_or_default();
    let piece = (run.count > 1).then_some(run.size);
    let mut sent = 0;
    loop {
        match session.near.try_send(session.flow, bytes.get(sent..).unwrap_or_default(), piece) {
            Ok(part) => {
                sent += part;
                if sent >= bytes.len() {
                    return session.answered(port, run.count as u64, run.len as u64);
                }
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                if session.near.writable().await.is_err() {
                    return true;
                }
            }
            Err(error) => {
                tracing::debug!(client = %session.conn.peer, %error, "an answer could not be sent");
                session.drop_datagrams(run.count as u64);
                return false;
            }
        }
    }
}

/// Whose end a log line is about.
struct Ended<'a> {
    conn: &'a Conn,
    upstream: Option<&'a Upstream>,
    endpoint: Option<&'a Endpoint>,
}

fn write(worker: &Worker, met: &Ended<'_>, (attempts, started): (u32, Instant), counts: &Counts, error: Option<Error>) {
    let failure = error.map(|e| Finished {
        side: e.side(),
        stage: e.stage(),
        reason: e.reason(),
        detail: e.explanation().into(),
    });
    worker.log.write_stream(&StreamRecord {
        protocol: "udp",
        conn: met.conn,
        route: None,
        upstream: met.upstream.map(Upstream::name),
        endpoint: met.endpoint.map(|e| &*e.name),
        attempts,
        sni: None,
        started,
        duration: rt::now().saturating_duration_since(started),
        connect: None,
        bytes_in: counts.bytes_in.get(),
        bytes_out: counts.bytes_out.get(),
        datagrams: Some((counts.received.get(), counts.sent.get())),
        failure: failure.as_ref(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_one_size_go_together_and_a_shorter_one_ends_the_row() {
        let run = Run::default().and(100).and(100);
        assert!(run.takes(100) && run.takes(40) && !run.takes(101) && !run.takes(0));
        let ended = run.and(40);
        assert!(!ended.takes(40) && !ended.takes(100));
        assert_eq!((ended.count, ended.len, ended.size), (3, 240, 100));
        assert!(Run::default().and(0).is_full(), "an empty one goes alone");
        assert!(Run::default().and(65_000).is_full() && !run.is_full());
    }
}
