//! When something is done again.

use std::time::Duration;

use yumen_net::rt;

/// The turns of something that is done again and again: at an interval while it goes well, after pauses that double while it
/// does not. Chance is in both, so that many nodes do not ask at once.
#[derive(Debug)]
pub struct Rhythm {
    interval: Duration,
    longest: Duration,
    failures: u32,
}

/// The first pause after a failure.
const FIRST: Duration = Duration::from_secs(1);

impl Rhythm {
    /// Every `interval`. After a failure it is tried again sooner than that, and at least every 5 minutes.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { interval, longest: interval.clamp(FIRST, Duration::from_secs(300)), failures: 0 }
    }

    /// How long to wait after a turn that went well, or did not.
    pub fn pause(&mut self, is_well: bool) -> Duration {
        if is_well {
            self.failures = 0;
            return self.interval.mul_f64(0.9 + 0.2 * rand::random::<f64>());
        }
        let pause = FIRST.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(0.5 + 0.5 * rand::random::<f64>())
    }

    /// Waits for the next turn.
    pub async fn rest(&mut self, is_well: bool) {
        rt::sleep(self.pause(is_well)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_again_after_a_success() {
        let mut rhythm = Rhythm::new(Duration::from_secs(60));
        let pauses: Vec<Duration> = (0..10).map(|_| rhythm.pause(false)).collect();
        for (pause, most) in pauses.iter().zip([1, 2, 4, 8, 16, 32, 60, 60, 60, 60]) {
            let most = Duration::from_secs(most);
            assert!(*pause >= most / 2 && *pause <= most, "{pauses:?}");
        }
        let pause = rhythm.pause(true);
        assert!(pause >= Duration::from_secs(54) && pause <= Duration::from_secs(66), "{pause:?}");
        assert!(rhythm.pause(false) <= Duration::from_secs(1));
    }
}
