//! A token bucket that reads the clock only when it is empty.

use std::time::Instant;

/// Tokens that are taken one by one and grow back with time, up to where they began.
#[derive(Debug)]
pub(crate) struct Bucket {
    burst: u32,
    /// Tokens that grow back in a second.
    rate: u32,
    left: u32,
    /// Since when tokens have grown that are not counted yet; `None` until it was first empty.
    since: Option<Instant>,
}

impl Bucket {
    pub(crate) fn new((burst, rate): (u32, u32)) -> Self {
        Self { burst, rate, left: burst, since: None }
    }

    /// Takes a token; `false` when there is none.
    pub(crate) fn take(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.left == 0 {
            let now = now();
            // The first time it began full, whenever that was: what has grown since counts from here.
            let grown = match self.since {
                None => 0,
                Some(since) => now.saturating_duration_since(since).as_millis() * u128::from(self.rate) / 1000,
            };
            if self.since.is_none() || grown > 0 {
                self.since = Some(now);
            }
            self.left = u32::try_from(grown).unwrap_or(u32::MAX).min(self.burst);
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }

    /// Gives tokens back, as far as there is room.
    pub(crate) fn give(&mut self, tokens: u32) {
        self.left = self.left.saturating_add(tokens).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
    fn burst_then_rate() {
        let start = Instant::now();
        let at = |ms| move || start + Duration::from_millis(ms);
        let mut bucket = Bucket::new((3, 10));
        assert_eq!([0, 0, 0, 0].map(|ms| bucket.take(at(ms))), [true, true, true, false]);
        assert_eq!([50, 100, 150, 200].map(|ms| bucket.take(at(ms))), [false, true, false, true]);
        assert_eq!([60_000; 5].map(|ms| bucket.take(at(ms))), [true, true, true, false, false]);
        bucket.give(100);
        assert_eq!([60_000; 4].map(|ms| bucket.take(at(ms))), [true, true, true, false]);
    }
}
