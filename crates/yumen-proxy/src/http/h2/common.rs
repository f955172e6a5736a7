//! What the streams of a connection and its driver share.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::snapshot::Listener;

/// Shared by the streams of one connection and its driver.
pub(super) struct Common {
    /// A stream counts until its work is over, which may be later than its end on the wire.
    streams: RefCell<Slab<Waker>>,
    limit: usize,
    forced: Cell<bool>,
    driver: RefCell<Waker>,
}

impl Common {
    pub(super) fn new(max_concurrent_streams: u32) -> Rc<Self> {
        Rc::new(Self {
            streams: RefCell::default(),
            // A stream that the client has reset is noticed by its task a moment later.
            limit: max_concurrent_streams as usize * 2,
            forced: Cell::new(false),
            driver: RefCell::new(Waker::noop().clone()),
        })
    }

    /// Streams whose work is not over.
    pub(super) fn live(&self) -> usize {
        self.streams.borrow().len()
    }

    /// Whether there is more unfinished work than open streams can explain.
    pub(super) fn is_full(&self) -> bool {
        self.live() >= self.limit
    }

    /// Tells every stream that the time a drain gives is over.
    pub(super) fn force(&self) {
        if !self.forced.replace(true) {
            let wakers: Vec<Waker> = self.streams.borrow().iter().map(|(_, waker)| waker.clone()).collect();
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// The driver is woken when the last stream ends.
    pub(super) fn watch(&self, cx: &Context<'_>) {
        self.driver.borrow_mut().clone_from(cx.waker());
    }

    pub(super) fn enter(self: &Rc<Self>, (listener, worker): (&Arc<Listener>, usize)) -> Seat {
        let key = self.streams.borrow_mut().insert(Waker::noop().clone());
        listener.metrics.streams.inc(worker);
        Seat { common: Rc::clone(self), key, listener: Arc::clone(listener), worker }
    }
}

/// A stream's place on its connection.
pub(super) struct Seat {
    common: Rc<Common>,
    key: usize,
    listener: Arc<Listener>,
    worker: usize,
}

impl Seat {
    /// Ready once the time a drain gives is over.
    pub(super) fn poll_forced(&self, cx: &Context<'_>) -> Poll<()> {
        if self.common.forced.get() {
            return Poll::Ready(());
        }
        if let Some(waker) = self.common.streams.borrow_mut().get_mut(self.key) {
            waker.clone_from(cx.waker());
        }
        Poll::Pending
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.listener.metrics.streams.dec(self.worker);
        let mut streams = self.common.streams.borrow_mut();
        streams.remove(self.key);
        if streams.is_empty() {
            *streams = Slab::new();
            self.common.driver.borrow().wake_by_ref();
        }
    }
}
