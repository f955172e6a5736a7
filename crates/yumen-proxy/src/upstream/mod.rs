//! Upstreams: named groups of endpoints, with a balancer, health and connections.
//!
//! An [`Upstream`] is shared by all workers and survives a reload when its section did not change. What a worker keeps
//! for itself (connections at rest, its place in the round, buffers) stands in [`Local`].

mod send;
mod introduce;
mod health;
mod h1;
mod tunnel;
mod h2;
mod pool;
pub(crate) mod resolve;
mod metadata;
mod balance;
mod endpoint;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rustc_hash::FxHashMap;
use yumen_config::config::{self, UpstreamProtocol};
use yumen_core::{Fields, Met};
use yumen_http1 as http1;
use yumen_net::tls::ClientTls;
use yumen_telemetry::{Registry, UpstreamMetrics};

pub(crate) use endpoint::Active;
pub use endpoint::Endpoint;
pub(crate) use h1::{Conveyed, Inbound};
pub(crate) use health::watch;
pub(crate) use introduce::{Beside, introduce};
pub(crate) use send::{Send, dial, dial_error, full, nobody};
pub(crate) use tunnel::{Far, Half, StreamHalf, Tunnel, relay};

use balance::Turn;
use h2::Channels;
use pool::Pool;

/// How long the phases of one call may last; `None` is for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Phase {
    pub(crate) connect: Duration,
    pub(crate) head: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) request: Option<Duration>,
    pub(crate) tunnel_idle: Option<Duration>,
    pub(crate) protocol: UpstreamProtocol,
}

/// A named group of endpoints.
pub struct Upstream {
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<config::Upstream>,
    /// All endpoints, in the order of the file.
    pub(crate) endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    /// Those that may be chosen now.
    usable: ArcSwap<Vec<Arc<Endpoint>>>,
    pub(crate) tls: Option<Arc<ClientTls>>,
    pub(crate) metrics: Arc<UpstreamMetrics>,
    /// Whether another one has taken its place. Exchanges and streams that began with it may keep it alive for long, but
    /// what it shares with its successor is no longer its to change.
    retired: Mutex<bool>,
}

impl Upstream {
    /// Takes it out of force.
    pub(crate) fn retire(&self) {
        *self.retired.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Whether it is out of force.
    pub(crate) fn is_retired(&self) -> bool {
        *self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something that must not happen out of force; says whether it was done.
    pub(crate) fn if_in_force(&self, act: impl FnOnce()) -> bool {
        let retired = self.retired.lock().unwrap_or_else(PoisonError::into_inner);
        if !*retired {
            act();
        }
        !*retired
    }

    /// Comes into force: what its predecessor found out meanwhile counts, and what nobody checks is well.
    pub(crate) fn begin(&self) {
        if self.config.health.is_none() {
            for endpoint in self.endpoints.load().iter() {
                endpoint.judge(true);
            }
        }
        self.refresh();
    }

    /// The parts of one endpoint's health have changed, or the endpoints themselves: chooses anew who may be chosen.
    pub(crate) fn refresh(&self) {
        self.choose_among(Endpoint::is_healthy);
    }

    /// A verdict of the health checks. Who sees it may rely on it: it counts before it is told.
    pub(crate) fn judge(&self, endpoint: &Endpoint, healthy: bool) {
        self.choose_among(|e| if e.id == endpoint.id { healthy } else { e.is_healthy() });
        endpoint.judge(healthy);
        // New addresses may have come in between.
        self.refresh();
    }

    fn choose_among(&self, is_healthy: impl Fn(&Endpoint) -> bool) {
        let all = self.endpoints.load();
        let healthy: Vec<_> = all.iter().filter(|e| is_healthy(e) && e.weight() > 0).cloned().collect();
        let weighty = all.iter().filter(|e| e.weight() > 0).count();
        let share = (healthy.len() * 100).checked_div(weighty).unwrap_or(0);
        // Below the threshold the checks are believed to be wrong rather than nearly everyone to be ill: spreading over
        // all is better than drowning the few.
        let panic = share < usize::from(self.config.panic_threshold);
        let usable = if panic { all.iter().filter(|e| e.weight() > 0).cloned().collect() } else { healthy };
        self.usable.store(Arc::new(usable));
    }

    /// Chooses an endpoint, not one of `tried` if there is any other.
    pub(crate) fn choose(&self, local: &Local, client: IpAddr, tried: &[u64]) -> Option<Arc<Endpoint>> {
        let usable = self.usable.load();
        let mut turns = local.turns.borrow_mut();
        let (_, turn) = turns
            .entry(Arc::as_ptr(&self.name).cast::<u8>() as usize)
            .or_insert_with(|| (Arc::downgrade(&self.name), Turn::default()));
        let rng = &mut *local.rng.borrow_mut();
        if tried.is_empty() {
            return balance::choose(self.config.balance, &usable, turn, client, rng).cloned();
        }
        let others: Vec<_> = usable.iter().filter(|e| !tried.contains(&e.id)).cloned().collect();
        let from = if others.is_empty() { &**usable } else { &others };
        balance::choose(self.config.balance, from, turn, client, rng).cloned()
    }

    /// Whether an endpoint may be sent anything: it is one of ours, and well, or nearly nobody is.
    pub(crate) fn may_use(&self, endpoint: &Endpoint) -> bool {
        let is_it = |e: &Arc<Endpoint>| e.id == endpoint.id;
        self.usable.load().iter().any(is_it) || (endpoint.weight() == 0 && self.endpoints.load().iter().any(is_it))
    }

    /// Whether it has as many exchanges and streams in flight as it may.
    pub(crate) fn is_full(&self) -> bool {
        let limit = self.config.max_connections;
        limit.is_some_and(|max| self.endpoints.load().iter().map(|e| e.active()).sum::<u32>() >= max)
    }

    /// The key for which nothing but HTTP/1.1 is spoken to its endpoints; `protocol` is that of the route.
    pub(crate) fn bars_http2(&self, protocol: UpstreamProtocol) -> Option<&'static str> {
        match protocol {
            UpstreamProtocol::Http1 => Some("protocol: http1"),
            // A connection that names its client is for that client alone.
            UpstreamProtocol::Auto if self.config.proxy_protocol.is_some() => Some("proxy_protocol"),
            UpstreamProtocol::Auto | UpstreamProtocol::Http2 | UpstreamProtocol::H2c => None,
        }
    }

    /// Every endpoint, for status and explain.
    pub fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// What is spoken to its endpoints unless a route says otherwise, as in the configuration.
    pub fn protocol(&self) -> &'static str {
        self.config.protocol.as_str()
    }

    /// The upstream's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Met for Upstream {
    fn name(&self) -> &str {
        &self.name
    }
}

/// What one worker keeps for its calls to endpoints.
pub(crate) struct Local {
    pub(crate) index: usize,
    pub(crate) pool: RefCell<Pool>,
    pub(crate) channels: Rc<Channels>,
    pub(crate) scratch: RefCell<Scratch>,
    pub(crate) answer_limits: http1::Limits,
    /// By the address of the upstream's name, which stays taken while it is known here.
    turns: RefCell<FxHashMap<usize, (Weak<str>, Turn)>>,
    rng: RefCell<SmallRng>,
    buffers: RefCell<Vec<Vec<u8>>>,
    fields: RefCell<Vec<Fields>>,
}

/// Memory every connection of a worker shares while it is being polled, so that one at rest needs none.
pub(crate) struct Scratch {
    pub(crate) input: Vec<u8>,
    pub(crate) request: http1::RequestHead,
    pub(crate) response: http1::ResponseHead,
}

const SCRATCH: usize = 32 * 1024;
const BUFFERS: usize = 64;
const BUFFER: usize = 64 * 1024;

impl Local {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            index,
            pool: RefCell::new(Pool::new(index)),
            channels: Rc::default(),
            scratch: RefCell::new(Scratch {
                input: vec![0; SCRATCH],
                request: http1::RequestHead::default(),
                response: http1::ResponseHead::default(),
            }),
            answer_limits: http1::Limits { head: 64 * 1024, ..http1::Limits::default() },
            turns: RefCell::default(),
            rng: RefCell::new(SmallRng::from_os_rng()),
            buffers: RefCell::default(),
            fields: RefCell::default(),
        }
    }

    /// An empty buffer, used before if there is one.
    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(1024))
    }

    /// Gives a buffer back. Large ones and those beyond a small stock are dropped.
    pub(crate) fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut buffers = self.buffers.borrow_mut();
        if buffers.len() < BUFFERS && buffer.capacity() <= BUFFER {
            buffers.push(buffer);
        }
    }

    /// Fields to be filled, with memory used before if there is some.
    pub(crate) fn fields(&self) -> Fields {
        self.fields.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives the memory of fields back, within the same bounds as buffers.
    pub(crate) fn give_back_fields(&self, fields: Fields) {
        let mut stock = self.fields.borrow_mut();
        if stock.len() < BUFFERS && (1..=BUFFER).contains(&fields.capacity()) {
            stock.push(fields);
        }
    }

    /// Housekeeping, once a second.
    pub(crate) fn sweep(&self) {
        let now = yumen_net::rt::now();
        self.pool.borrow_mut().sweep(now);
        self.channels.sweep(now);
        self.turns.borrow_mut().retain(|_, (name, _)| name.strong_count() > 0);
    }
}

/// Builds an upstream whose addresses are known; health checks are started by the caller.
pub(crate) fn build(
    config: &Arc<config::Upstream>,
    endpoints: Vec<Arc<Endpoint>>,
    tls: Option<Arc<ClientTls>>,
    registry: &Registry,
) -> Arc<Upstream> {
    let name: Arc<str> = Arc::from(config.name.as_str());
    let upstream = Arc::new(Upstream {
        metrics: registry.upstream(&name),
        name,
        config: Arc::clone(config),
        endpoints: ArcSwap::from_pointee(endpoints),
        usable: ArcSwap::default(),
        tls,
        retired: Mutex::new(false),
    });
    upstream.refresh();
    upstream
}
