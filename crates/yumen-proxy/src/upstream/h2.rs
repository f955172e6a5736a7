//! Connections to endpoints over HTTP/2: each carries many exchanges, and a worker keeps its own.
//!
//! A [`Channel`] is a connection with a task that drives it. An exchange takes a place on one that has room; where none has,
//! a further connection is made, and those who come meanwhile wait for it instead of making theirs. How much room a
//! connection has is told by the endpoint's settings, the first thing it sends; before they are there it carries one
//! exchange only, since more might be refused. A connection on which the endpoint said GOAWAY, or that broke, is not chosen
//! again; what is still under way on it ends there.

mod call;
mod check;
mod inbound;
mod probe;

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Weak as SharedWeak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use yumen_config::config::UpstreamHttp2;
use yumen_net::rt::{self, Deadline};
use yumen_net::transport::Transport;
use yumen_telemetry::UpstreamMetrics;

pub(crate) use call::send;
pub(crate) use check::ask;
pub(crate) use probe::probe;

use super::endpoint::Endpoint;

/// What an endpoint may send as a head, decoded.
const HEAD: u32 = 64 * 1024;
/// What waits on one stream for the endpoint to take it.
const SEND_BUFFER: usize = 64 * 1024;

/// How long the endpoint's settings are waited for on a new connection.
const SETTINGS: Duration = Duration::from_secs(1);
/// What `h2` holds for the endpoint's limit of streams until its settings are there, and no endpoint can say.
const UNTOLD: usize = usize::MAX - 1;

/// A connection to an endpoint.
pub(crate) struct Channel {
    sender: SendRequest<Bytes>,
    state: Rc<State>,
}

/// What is known of a connection by all who use it.
struct State {
    /// Exchanges under way.
    open: Cell<u32>,
    limit: u32,
    served: Cell<u32>,
    max_requests: Option<u32>,
    /// It takes no more exchanges.
    gone: Cell<bool>,
    /// It was given up because a PING was not answered.
    hangs: Cell<bool>,
    /// Since when nothing has been under way.
    rested: Cell<Instant>,
    /// The endpoint's settings are there, or will not be waited for any longer.
    told: Notify,
    metrics: Arc<UpstreamMetrics>,
    worker: usize,
}

impl State {
    /// It takes no more exchanges, and `said` so itself.
    fn retire(&self, said: bool) {
        if !self.gone.replace(true) && said {
            self.metrics.goaways.add(self.worker, 1);
        }
    }
}

/// A place on a connection.
pub(crate) struct Place {
    sender: SendRequest<Bytes>,
    state: Rc<State>,
}

impl Place {
    fn new(channel: &Channel) -> Self {
        let state = &channel.state;
        state.open.set(state.open.get() + 1);
        state.served.set(state.served.get().saturating_add(1));
        state.metrics.streams.inc(state.worker);
        Self { sender: channel.sender.clone(), state: Rc::clone(state) }
    }

    /// Whether the endpoint takes an extended CONNECT. It says so in its settings, which may still be on their way.
    async fn takes_extended_connect(&self) -> bool {
        if !has_told(&self.sender) && !self.state.gone.get() {
            rt::timeout(SETTINGS, self.state.told.notified()).await.unwrap_or_default();
        }
        self.sender.is_extended_connect_protocol_enabled()
    }

    /// Whether the connection carried another exchange before.
    pub(crate) fn is_reused(&self) -> bool {
        self.state.served.get() > 1
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let state = &self.state;
        state.open.set(state.open.get().saturating_sub(1));
        state.metrics.streams.dec(state.worker);
        if state.open.get() == 0 {
            state.rested.set(rt::now());
        }
    }
}

/// Whether the endpoint's settings are there.
fn has_told(sender: &SendRequest<Bytes>) -> bool {
    sender.current_max_send_streams() != UNTOLD
}

/// A connection on which HTTP/2 is spoken, and that nobody drives yet.
pub(crate) struct Started {
    channel: Channel,
    connection: Connection<Transport, Bytes>,
    pulse: Option<Pulse>,
}

impl Channel {
    /// Speaks HTTP/2 on a connection from now on.
    ///
    /// # Errors
    /// The endpoint took not even the first bytes.
    pub(crate) async fn start(
        transport: Transport,
        settings: &UpstreamHttp2,
        max_requests: Option<u32>,
        (metrics, worker): (&Arc<UpstreamMetrics>, usize),
    ) -> Result<Started, h2::Error> {
        let (sender, mut connection) = builder(settings).handshake(transport).await?;
        let state = Rc::new(State {
            open: Cell::new(0),
            limit: settings.max_concurrent_streams,
            served: Cell::new(0),
            max_requests,
            gone: Cell::new(false),
            hangs: Cell::new(false),
            rested: Cell::new(rt::now()),
            told: Notify::new(),
            metrics: Arc::clone(metrics),
            worker,
        });
        let pulse = connection.ping_pong().zip(settings.ping).map(|(ping_pong, every)| Pulse {
            ping_pong,
            every,
            patience: settings.ping_timeout,
            asked: false,
            timer: Deadline::new(),
        });
        Ok(Started { channel: Self { sender, state }, connection, pulse })
    }

    /// A place, if there is one.
    fn enter(&mut self) -> Option<Place> {
        let state = &self.state;
        if state.gone.get() || state.open.get() >= state.limit {
            return None;
        }
        // Never pending: this handle has no request of its own that waits.
        if let Poll::Ready(Err(error)) = self.sender.poll_ready(&mut Context::from_waker(std::task::Waker::noop())) {
            state.retire(error.is_go_away() && error.is_remote());
            return None;
        }
        let room = if has_told(&self.sender) { self.sender.current_max_send_streams() } else { 1 };
        if state.open.get() as usize >= room {
            return None;
        }
        let place = Place::new(self);
        if state.max_requests.is_some_and(|max| state.served.get() >= max) {
            state.retire(false);
        }
        Some(place)
    }
}

/// How `h2` is to speak with an endpoint.
pub(super) fn builder(settings: &UpstreamHttp2) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(UNTOLD)
        .initial_window_size(settings.initial_window)
        .initial_connection_window_size(settings.connection_window)
        .max_header_list_size(HEAD)
        .max_send_buffer_size(SEND_BUFFER)
        // As with clients: many small messages may wait while a client is slow.
        .data_frame_budget(4 * settings.connection_window as usize)
        .max_concurrent_reset_streams(64);
    builder
}

/// Asks now and then whether the endpoint still lives.
struct Pulse {
    ping_pong: PingPong,
    every: Duration,
    patience: Duration,
    asked: bool,
    timer: Deadline,
}

impl Pulse {
    /// Ready when the endpoint has not answered in time.
    fn poll(&mut self, is_busy: bool, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.asked && self.ping_pong.poll_pong(cx).is_ready() {
                self.asked = false;
                self.timer.set(None);
            }
            if self.timer.at().is_none() {
                self.timer.set_in(if self.asked { self.patience } else { self.every });
            }
            if self.timer.poll_expired(cx).is_pending() {
                return Poll::Pending;
            }
            self.timer.set(None);
            if self.asked {
                return Poll::Ready(());
            }
            // On a connection at rest nobody waits for anything.
            self.asked = is_busy && self.ping_pong.send_ping(Ping::opaque()).is_ok();
        }
    }
}

/// A connection whose endpoint has not told its settings. Those who wait for the connection go on when this is dropped.
struct Untold {
    sender: SendRequest<Bytes>,
    timer: Deadline,
    _dialling: Dialling,
}

impl Untold {
    fn new(sender: SendRequest<Bytes>, dialling: Dialling) -> Self {
        let timer = Deadline::new();
        timer.set_in(SETTINGS);
        Self { sender, timer, _dialling: dialling }
    }

    /// Ready when the settings are there, or overdue.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if has_told(&self.sender) { Poll::Ready(()) } else { self.timer.poll_expired(cx) }
    }
}

/// Drives a connection to its end.
async fn drive(
    mut connection: Connection<Transport, Bytes>,
    mut pulse: Option<Pulse>,
    untold: Untold,
    state: Weak<State>,
) {
    let mut untold = Some(untold);
    let ended = std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(ended.map_err(Some));
            }
            if untold.as_mut().is_some_and(|untold| untold.poll(cx).is_ready()) {
                untold = None;
                if let Some(state) = state.upgrade() {
                    state.told.notify_waiters();
                }
            }
            let Some(pulse) = &mut pulse else { return Poll::Pending };
            let was_asked = pulse.asked;
            let is_busy = state.upgrade().is_some_and(|state| state.open.get() > 0);
            if pulse.poll(is_busy, cx).is_ready() {
                return Poll::Ready(Err(None));
            }
            if was_asked == pulse.asked {
                return Poll::Pending;
            }
        }
    });
    let ended = ended.await;
    if let Some(state) = state.upgrade() {
        state.hangs.set(matches!(ended, Err(None)));
        state.retire(matches!(&ended, Err(Some(error)) if error.is_go_away() && error.is_remote()));
        state.told.notify_waiters();
    }
}

/// The connections of one worker.
#[derive(Default)]
pub(crate) struct Channels {
    shelves: RefCell<FxHashMap<u64, Shelf>>,
}

struct Shelf {
    endpoint: SharedWeak<Endpoint>,
    channels: Vec<Channel>,
    dials: Vec<Rc<Dial>>,
    /// The endpoint chose HTTP/1.1 when it was last asked.
    is_http1: bool,
    idle_timeout: Duration,
}

/// A connection that is being made.
#[derive(Default)]
struct Dial {
    done: Notify,
    waiting: Cell<u32>,
}

/// What is to be done for a place.
pub(crate) enum Turn {
    /// There is one.
    Place(Place),
    /// Make a connection: others wait for it.
    Dial(Dialling),
}

/// The right to make a connection; those who wait go on when it is dropped.
pub(crate) struct Dialling {
    channels: Rc<Channels>,
    endpoint: u64,
    dial: Rc<Dial>,
}

impl Drop for Dialling {
    fn drop(&mut self) {
        if let Some(shelf) = self.channels.shelves.borrow_mut().get_mut(&self.endpoint) {
            shelf.dials.retain(|dial| !Rc::ptr_eq(dial, &self.dial));
        }
        self.dial.done.notify_waiters();
    }
}

impl Dialling {
    /// The connection was made: gives a place on it, and lets those in who wait once there is known to be room for them.
    pub(crate) fn made(self, Started { mut channel, connection, pulse }: Started) -> Option<Place> {
        let (place, state, sender) = (channel.enter(), Rc::downgrade(&channel.state), channel.sender.clone());
        if let Some(shelf) = self.channels.shelves.borrow_mut().get_mut(&self.endpoint) {
            shelf.is_http1 = false;
            shelf.channels.push(channel);
        }
        drop(rt::spawn_local(drive(connection, pulse, Untold::new(sender, self), state)));
        place
    }

    /// The connection was made, and the endpoint chose HTTP/1.1 on it.
    pub(crate) fn made_http1(self) {
        if let Some(shelf) = self.channels.shelves.borrow_mut().get_mut(&self.endpoint) {
            shelf.is_http1 = true;
        }
    }
}

/// How often somebody waits for a connection that another one makes.
const ROUNDS: u32 = 3;

impl Channels {
    /// A place if there is one at once.
    pub(crate) fn take(&self, endpoint: &Endpoint) -> Option<Place> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.get_mut(&endpoint.id)?;
        let place = shelf.channels.iter_mut().find_map(Channel::enter);
        shelf.channels.retain(|channel| !channel.state.gone.get());
        place
    }

    /// A place, or the task of making a connection. `limit` is how many may wait for one.
    pub(crate) async fn turn(self: &Rc<Self>, endpoint: &Arc<Endpoint>, limit: u32) -> Turn {
        let mut rounds = ROUNDS;
        loop {
            if let Some(place) = self.take(endpoint) {
                return Turn::Place(place);
            }
            let dial = match self.join(endpoint, limit, rounds > 0) {
                Ok(dial) => dial,
                Err(mine) => return Turn::Dial(mine),
            };
            dial.done.notified().await;
            rounds = rounds.saturating_sub(1);
        }
    }

    fn join(self: &Rc<Self>, endpoint: &Arc<Endpoint>, limit: u32, may_wait: bool) -> Result<Rc<Dial>, Dialling> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(endpoint.id).or_insert_with(|| Shelf {
            endpoint: Arc::downgrade(endpoint),
            channels: Vec::new(),
            dials: Vec::new(),
            is_http1: false,
            idle_timeout: endpoint.pool.idle_timeout,
        });
        // Who makes it has a place on it too.
        if let Some(dial) =
            shelf.dials.iter().find(|dial| may_wait && !shelf.is_http1 && dial.waiting.get() + 1 < limit)
        {
            dial.waiting.set(dial.waiting.get() + 1);
            return Ok(Rc::clone(dial));
        }
        let dial = Rc::new(Dial::default());
        shelf.dials.push(Rc::clone(&dial));
        Err(Dialling { channels: Rc::clone(self), endpoint: endpoint.id, dial })
    }

    /// Connections to an endpoint with nothing under way.
    pub(crate) fn idle(&self, endpoint: &Endpoint) -> usize {
        let shelves = self.shelves.borrow();
        let Some(shelf) = shelves.get(&endpoint.id) else { return 0 };
        shelf.channels.iter().filter(|channel| channel.state.open.get() == 0).count()
    }

    /// Lets go of what has rested too long, takes no more, or belongs to an endpoint that is gone. A connection that is let
    /// go ends by itself once nothing is under way.
    pub(crate) fn sweep(&self, now: Instant) {
        self.shelves.borrow_mut().retain(|_, shelf| {
            let timeout = shelf.idle_timeout;
            shelf.channels.retain(|Channel { state, .. }| {
                let rests = state.open.get() == 0 && now.saturating_duration_since(state.rested.get()) >= timeout;
                !rests && !state.gone.get()
            });
            shelf.endpoint.strong_count() > 0 || !shelf.dials.is_empty()
        });
    }
}
