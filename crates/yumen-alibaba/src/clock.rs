//! The time of the cloud, and nonces.
//!
//! Requests that are more than 15 minutes off are refused, so a machine whose clock is wrong corrects it from the `Date`
//! header of the refusal, for its requests only.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use rand::RngCore;

use crate::{Timestamp, encode};

/// When and with what nonce a request is signed. Every attempt needs another one: a nonce is taken once.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The time in the request.
    pub time: Timestamp,
    /// A text that was never sent before.
    pub nonce: String,
}

/// Differences up to this, in seconds, are left alone: services accept 15 minutes.
const TOLERATED: u64 = 600;

/// 128 random bits in hexadecimal.
#[must_use]
pub fn nonce() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    encode::hex(&bytes)
}

/// The clock of this machine, corrected by what the cloud says. Clones share the correction.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// Seconds that the cloud is ahead of this machine.
    ahead: Arc<AtomicI64>,
    fixed: Option<Timestamp>,
}

impl Clock {
    /// A clock that stands still but for corrections, for callers that need the same request twice.
    #[must_use]
    pub fn fixed(at: Timestamp) -> Self {
        Self { ahead: Arc::default(), fixed: Some(at) }
    }

    /// The corrected time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed);
        Timestamp::from_unix(self.machine().unix().saturating_add_signed(ahead))
    }

    /// A time and a fresh nonce for one attempt.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp { time: self.now(), nonce: nonce() }
    }

    /// Takes the `Date` header of an answer as the time; says whether that moved the clock by more than a minute. A text
    /// that is no date changes nothing.
    pub fn correct(&self, date: &str) -> bool {
        let Some(theirs) = Timestamp::parse_http(date) else { return false };
        let before = self.now();
        let ahead = theirs.unix().cast_signed() - self.machine().unix().cast_signed();
        self.ahead.store(ahead, Ordering::Relaxed);
        before.unix().abs_diff(theirs.unix()) > 60
    }

    /// Takes the `Date` header of an answer as the time when it is so far off that requests would be refused.
    pub(crate) fn correct_large(&self, date: &str) {
        let far = |theirs: Timestamp| theirs.unix().abs_diff(self.now().unix()) > TOLERATED;
        if Timestamp::parse_http(date).is_some_and(far) {
            self.correct(date);
        }
    }

    /// How many seconds the cloud is ahead of this machine.
    #[must_use]
    pub fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place of this crate that reads the date")]
    fn machine(&self) -> Timestamp {
        self.fixed.unwrap_or_else(|| Timestamp::of(SystemTime::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_an_answer_corrects_the_clock() {
        let clock = Clock::fixed(Timestamp::from_unix(1_767_323_045 + 7200));
        let other = clock.clone();
        assert!(clock.correct("Fri, 02 Jan 2026 03:04:05 GMT"));
        assert_eq!(other.now().unix(), 1_767_323_045);
        assert_eq!(other.ahead(), -7200);
        assert!(!clock.correct("Fri, 02 Jan 2026 03:04:35 GMT"), "half a minute is not worth another try");
        assert!(!clock.correct("yesterday"));
        assert_eq!(clock.now().unix(), 1_767_323_075);
        clock.correct_large("Fri, 02 Jan 2026 03:14:35 GMT");
        assert_eq!(clock.now().unix(), 1_767_323_075, "ten minutes are tolerated");
        clock.correct_large("Fri, 02 Jan 2026 03:14:36 GMT");
        assert_eq!(clock.now().unix(), 1_767_323_676);
    }

    #[test]
    fn no_nonce_comes_twice() {
        let mut seen = std::collections::HashSet::new();
        assert!((0..1000).all(|_| seen.insert(nonce())));
        assert!(seen.iter().all(|text| text.len() == 32));
    }
}
