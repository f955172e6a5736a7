//! Graceful shutdown as one small idea: ask everybody to finish, wait, and at a deadline stop asking.
//!
//! One [`Drain`] stands for a thing that may be shut (a listener, the process); each connection holds a [`DrainWatch`]
//! and so counts as a holder. Both are `Send + Sync`. A connection pays an atomic addition at each end of its life, a
//! load per question, and one short lock when it first waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use slab::Slab;

use crate::rt;

// Counting down and then reading the phase meets asking and then reading the count: that needs one order for all, so every
// access but the plain count up is SeqCst.
const DRAINING: u8 = 1;
const FORCED: u8 = 2;

#[derive(Debug, Default)]
struct Shared {
    phase: AtomicU8,
    holders: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: Slab<Waker>,
    deadline: Option<Instant>,
    /// Holders that were forced.
    cut: usize,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing under the lock can leave it half changed.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn phase(&self) -> u8 {
        self.phase.load(Ordering::SeqCst)
    }

    fn advance(&self, phase: u8) {
        self.phase.fetch_max(phase, Ordering::SeqCst);
        self.wake_all();
    }

    fn wake_all(&self) {
        let wakers: Vec<Waker> = self.waiting().wakers.iter().map(|(_, w)| w.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The side that asks. Cloning it gives another handle on the same drain.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    shared: Arc<Shared>,
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Holders that were still there at the deadline; 0 is a clean end.
    pub remaining: usize,
}

impl Drain {
    /// A drain that has not been asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// A new holder, for one connection or one task.
    pub fn watch(&self) -> DrainWatch {
        self.shared.holders.fetch_add(1, Ordering::Relaxed);
        DrainWatch { shared: Arc::clone(&self.shared) }
    }

    /// Asks every holder to finish, by `deadline` if there is one. Asking again can only bring the deadline nearer.
    pub fn start(&self, deadline: Option<Instant>) {
        {
            let mut waiting = self.shared.waiting();
            waiting.deadline = match (waiting.deadline, deadline) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        self.shared.advance(DRAINING);
    }

    /// Stops asking: holders that watch for it end now.
    pub fn force(&self) {
        let left = self.holders();
        if self.shared.phase() < FORCED {
            let mut waiting = self.shared.waiting();
            waiting.cut = waiting.cut.max(left);
        }
        self.shared.advance(FORCED);
    }

    /// Whether [`Drain::start`] was called.
    pub fn is_draining(&self) -> bool {
        self.shared.phase() >= DRAINING
    }

    /// Holders at this moment.
    pub fn holders(&self) -> usize {
        self.shared.holders.load(Ordering::SeqCst)
    }

    /// The deadline as it stands.
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.waiting().deadline
    }

    /// Waits until the drain was asked for and no holder is left, or until the deadline, at which the rest is forced.
    pub async fn wait(&self) -> DrainReport {
        let mut signal = Signal::new(&self.shared);
        let mut timer = rt::Deadline::new();
        std::future::poll_fn(|cx| {
            signal.register(cx);
            if self.is_draining() {
                timer.set(self.deadline());
                if self.shared.phase() < FORCED && self.holders() > 0 && timer.poll_expired(cx).is_ready() {
                    self.force();
                }
                // Those who were forced may be gone by now, and others may wait here too: all are told the same.
                if self.shared.phase() == FORCED {
                    return Poll::Ready(DrainReport { remaining: self.shared.waiting().cut });
                }
                if self.holders() == 0 {
                    return Poll::Ready(DrainReport { remaining: 0 });
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits until the drain was asked for and no holder is left, whatever the deadline: those who were forced still have
    /// to say so to the other side.
    pub async fn ended(&self) {
        let mut signal = Signal::new(&self.shared);
        std::future::poll_fn(|cx| {
            signal.register(cx);
            if self.is_draining() && self.holders() == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await
    }
}

/// The side that is asked; it counts as one holder until it is dropped.
#[derive(Debug)]
pub struct DrainWatch {
    shared: Arc<Shared>,
}

impl Clone for DrainWatch {
    fn clone(&self) -> Self {
        self.shared.holders.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl Drop for DrainWatch {
    fn drop(&mut self) {
        // The last one of a drain wakes those who wait for it; before that nobody cares.
        if self.shared.holders.fetch_sub(1, Ordering::SeqCst) == 1 && self.shared.phase() >= DRAINING {
            self.shared.wake_all();
        }
    }
}

impl DrainWatch {
    /// Whether to finish. One load.
    pub fn is_draining(&self) -> bool {
        self.shared.phase() >= DRAINING
    }

    /// Whether the time to finish is over.
    pub fn is_forced(&self) -> bool {
        self.shared.phase() == FORCED
    }

    /// Waits until asked to finish. Made once per connection and polled again and again it costs one load per poll.
    pub fn signaled(&self) -> Signaled {
        Signaled { signal: Signal::new(&self.shared), phase: DRAINING }
    }

    /// Waits until the time to finish is over.
    pub fn forced(&self) -> Signaled {
        Signaled { signal: Signal::new(&self.shared), phase: FORCED }
    }
}

/// Waits for a phase of a drain; see [`DrainWatch::signaled`]. It is no holder.
#[derive(Debug)]
pub struct Signaled {
    signal: Signal,
    phase: u8,
}

impl Future for Signaled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.signal.shared.phase() >= self.phase {
            return Poll::Ready(());
        }
        self.signal.register(cx);
        // The phase may have changed before the waker stood in the list.
        if self.signal.shared.phase() >= self.phase { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A place in the list of wakers, taken at the first wait and kept.
#[derive(Debug)]
struct Signal {
    shared: Arc<Shared>,
    place: Option<(usize, Waker)>,
}

impl Signal {
    fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), place: None }
    }

    fn register(&mut self, cx: &Context<'_>) {
        match &mut self.place {
            Some((_, waker)) if waker.will_wake(cx.waker()) => {}
            Some((key, waker)) => {
                waker.clone_from(cx.waker());
                if let Some(slot) = self.shared.waiting().wakers.get_mut(*key) {
                    slot.clone_from(cx.waker());
                }
            }
            None => {
                let key = self.shared.waiting().wakers.insert(cx.waker().clone());
                self.place = Some((key, cx.waker().clone()));
            }
        }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        if let Some((key, _)) = self.place.take() {
            self.shared.waiting().wakers.try_remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
