//! How fast and whether at all a service is asked: a bucket of tokens for each operation, a breaker for each host.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Timestamp;

/// How many calls of one operation are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// In the long run, in a second.
    pub per_second: f64,
    /// At once.
    pub burst: u32,
}

impl Default for Rate {
    /// 10 in a second and 20 at once, which is below the limits of all operations that are known.
    fn default() -> Self {
        Self { per_second: 10.0, burst: 20 }
    }
}

struct Bucket {
    tokens: f64,
    at: Instant,
    /// Until when the service said to be left alone.
    closed_until: Option<Instant>,
}

/// The buckets of all operations.
#[derive(Default)]
pub(super) struct Buckets(Mutex<HashMap<String, Bucket>>);

impl Buckets {
    /// Takes a token for an operation and says when it may be used. A token is taken also when that is later, so that
    /// those who come later wait longer; [`Buckets::give_back`] undoes it.
    pub(super) fn take(&self, operation: &str, rate: Rate, now: Instant) -> Duration {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = f64::from(rate.burst.max(1));
        let bucket =
            buckets.entry(operation.to_owned()).or_insert_with(|| Bucket { tokens: full, at: now, closed_until: None });
        let speed = rate.per_second.max(0.001);
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = passed.mul_add(speed, bucket.tokens).min(full) - 1.0;
        bucket.at = now;
        let own = Duration::from_secs_f64((-bucket.tokens).max(0.0) / speed);
        let closed = bucket.closed_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        own.max(closed)
    }

    /// Gives a token back that was not used.
    pub(super) fn give_back(&self, operation: &str) {
        if let Some(bucket) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(operation) {
            bucket.tokens += 1.0;
        }
    }

    /// Sends nothing more of an operation for a while.
    pub(super) fn close(&self, operation: &str, until: Instant) {
        if let Some(bucket) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(operation) {
            bucket.closed_until = Some(bucket.closed_until.map_or(until, |old| old.max(until)));
        }
    }
}

/// After so many failures in a row a host is left alone.
const PATIENCE: u32 = 5;

#[derive(Default)]
struct Breaker {
    failures: u32,
    since: Option<Timestamp>,
    text: String,
    rest_until: Option<Instant>,
}

/// The breakers of all hosts.
pub(super) struct Breakers {
    hosts: Mutex<HashMap<String, Breaker>>,
    /// The first rest of a host.
    rest: Duration,
}

impl Breakers {
    pub(super) fn new(rest: Duration) -> Self {
        Self { hosts: Mutex::default(), rest }
    }

    /// The rest after so many failures: it doubles to sixteen times the first one.
    fn rest(&self, failures: u32) -> Duration {
        self.rest.saturating_mul(1 << failures.saturating_sub(PATIENCE).min(4))
    }

    /// Whether a host may be asked. When its rest is over one caller is let through to see, and the others a rest later.
    pub(super) fn check(&self, host: &str, now: Instant) -> Result<(), (Timestamp, String)> {
        let mut breakers = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(breaker) = breakers.get_mut(host) else { return Ok(()) };
        let (Some(until), Some(since)) = (breaker.rest_until, breaker.since) else { return Ok(()) };
        if now < until {
            return Err((since, breaker.text.clone()));
        }
        breaker.rest_until = Some(now + self.rest(breaker.failures));
        Ok(())
    }

    /// The host answered.
    pub(super) fn succeed(&self, host: &str) {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }

    /// The host did not answer, or only that it is broken.
    pub(super) fn fail(&self, host: &str, text: String, (now, date): (Instant, Timestamp)) {
        let mut breakers = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let breaker = breakers.entry(host.to_owned()).or_default();
        breaker.failures = breaker.failures.saturating_add(1);
        breaker.since.get_or_insert(date);
        breaker.text = text;
        if breaker.failures >= PATIENCE {
            breaker.rest_until = Some(now + self.rest(breaker.failures));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_REST: Duration = Duration::from_secs(10);

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_one_after_another() {
        let (buckets, now) = (Buckets::default(), Instant::now());
        let rate = Rate { per_second: 2.0, burst: 3 };
        let waits: Vec<u128> = (0..5).map(|_| buckets.take("a", rate, now).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 500, 1000]);
        assert_eq!(buckets.take("b", rate, now), Duration::ZERO, "another operation has another bucket");
        buckets.give_back("a");
        assert_eq!(buckets.take("a", rate, now).as_millis(), 1000);
        assert_eq!(buckets.take("a", rate, now + Duration::from_secs(10)), Duration::ZERO);
        buckets.close("a", now + Duration::from_secs(20));
        assert_eq!(buckets.take("a", rate, now + Duration::from_secs(12)), Duration::from_secs(8));
    }

    #[test]
    fn a_host_that_fails_again_and_again_is_left_alone_and_tried_by_one() {
        let (breakers, now, date) = (Breakers::new(FIRST_REST), Instant::now(), Timestamp::from_unix(5));
        for _ in 0..4 {
            breakers.fail("h", "x".into(), (now, date));
            assert!(breakers.check("h", now).is_ok());
        }
        breakers.fail("h", "last".into(), (now, date));
        assert_eq!(breakers.check("h", now), Err((date, "last".to_owned())));
        let later = now + FIRST_REST;
        assert!(breakers.check("h", later).is_ok(), "one is let through");
        assert!(breakers.check("h", later).is_err(), "and no other");
        breakers.fail("h", "last".into(), (later, date));
        assert!(breakers.check("h", later + FIRST_REST).is_err(), "it rests longer now");
        assert!(breakers.check("h", later + FIRST_REST * 2).is_ok());
        breakers.succeed("h");
        assert!(breakers.check("h", now).is_ok());
        assert_eq!(breakers.rest(u32::MAX), FIRST_REST * 16);
    }
}
