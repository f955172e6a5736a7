//! Connections to endpoints at rest, one pool per worker: no locks, and a connection never changes its thread.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;
use yumen_net::transport::IdleState;

use super::endpoint::Endpoint;
use crate::wire::Link;

/// A connection to an endpoint between two exchanges.
pub(crate) struct Idle {
    pub(crate) link: Link,
    /// How many exchanges it has carried.
    pub(crate) served: u32,
    since: Instant,
}

/// The connections at rest of one worker.
pub(crate) struct Pool {
    worker: usize,
    shelves: FxHashMap<u64, Shelf>,
}

struct Shelf {
    endpoint: Weak<Endpoint>,
    idle: Vec<Idle>,
    idle_timeout: Duration,
}

impl Pool {
    /// The empty pool of a worker.
    pub(crate) fn new(worker: usize) -> Self {
        Self { worker, shelves: FxHashMap::default() }
    }

    /// The connection used last, if one is fit for use: the one used last is the least likely to have been closed.
    pub(crate) fn take(&mut self, endpoint: &Endpoint, now: Instant) -> Option<Idle> {
        let shelf = self.shelves.get_mut(&endpoint.id)?;
        while let Some(mut idle) = shelf.idle.pop() {
            if is_fit(&mut idle, shelf.idle_timeout, now, (endpoint, self.worker)) {
                return Some(idle);
            }
        }
        None
    }

    /// Connections to an endpoint at rest.
    pub(crate) fn len(&self, endpoint: &Endpoint) -> usize {
        self.shelves.get(&endpoint.id).map_or(0, |shelf| shelf.idle.len())
    }

    /// Lays a connection down for the next exchange, unless the shelf is full.
    pub(crate) fn put(&mut self, endpoint: &Arc<Endpoint>, mut link: Link, served: u32, now: Instant) {
        let shelf = self.shelves.entry(endpoint.id).or_insert_with(|| Shelf {
            endpoint: Arc::downgrade(endpoint),
            idle: Vec::new(),
            idle_timeout: endpoint.pool.idle_timeout,
        });
        if shelf.idle.len() < endpoint.pool.idle {
            link.rest();
            shelf.idle.push(Idle { link, served, since: now });
        }
    }

    /// Drops what is too old, closed by the endpoint, or belongs to an endpoint that is gone.
    pub(crate) fn sweep(&mut self, now: Instant) {
        self.shelves.retain(|_, shelf| {
            let Some(endpoint) = shelf.endpoint.upgrade() else { return false };
            shelf.idle.retain_mut(|idle| is_fit(idle, shelf.idle_timeout, now, (&endpoint, self.worker)));
            true
        });
    }
}

/// Whether a connection may carry another exchange.
fn is_fit(idle: &mut Idle, timeout: Duration, now: Instant, (endpoint, worker): (&Endpoint, usize)) -> bool {
    if now.saturating_duration_since(idle.since) >= timeout {
        return false;
    }
    match idle.link.transport.check_idle() {
        IdleState::Quiet => true,
        IdleState::UnaskedBytes => {
            endpoint.metrics.unasked.add(worker, 1);
            false
        }
        _ => false,
    }
}
