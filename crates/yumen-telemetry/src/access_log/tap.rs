//! Others who want the lines, beside the output of the log.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use super::Shared;

/// Takes lines of the access log as JSON, whatever the log itself looks like and even when it is off.
pub trait Tap: Send + Sync {
    /// Whole lines, and how many. Called on a worker: it must not wait for anything, and drops and counts what it has no room
    /// for.
    fn take(&self, lines: &[u8], count: u64);
}

/// Where others get the lines of an access log.
#[derive(Clone)]
pub struct Taps(pub(super) Arc<Shared>);

impl Taps {
    /// Gives the lines to somebody too, until what is returned is dropped.
    pub fn tap(&self, tap: Arc<dyn Tap>) -> Tapped {
        self.0.add(Arc::clone(&tap));
        Tapped { shared: Arc::clone(&self.0), tap }
    }
}

/// A tap that is fed until this is dropped.
pub struct Tapped {
    shared: Arc<Shared>,
    tap: Arc<dyn Tap>,
}

impl Drop for Tapped {
    fn drop(&mut self) {
        let mut taps = self.shared.taps.write().unwrap_or_else(PoisonError::into_inner);
        taps.retain(|tap| !Arc::ptr_eq(tap, &self.tap));
        self.shared.is_tapped.store(!taps.is_empty(), Ordering::Relaxed);
    }
}

impl Shared {
    /// Workers format for taps from the next line on.
    pub(super) fn add(&self, tap: Arc<dyn Tap>) {
        let mut taps = self.taps.write().unwrap_or_else(PoisonError::into_inner);
        taps.push(tap);
        self.is_tapped.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_tapped(&self) -> bool {
        self.is_tapped.load(Ordering::Relaxed)
    }

    /// Lines for all taps.
    pub(super) fn feed(&self, lines: &[u8], count: u64) {
        // Written to only when a tap comes or goes, so no worker ever waits here for another one.
        for tap in self.taps.read().unwrap_or_else(PoisonError::into_inner).iter() {
            tap.take(lines, count);
        }
    }
}
