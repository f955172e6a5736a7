//! When a certificate is due, and how long to wait after a failure. Pure: time and chance come from the caller.

use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};

use crate::certificate::Facts;

/// The part of the life, before two thirds of it, over which renewals are spread.
const SPREAD: f64 = 1.0 / 20.0;
/// The part of the life after which no word of the CA keeps a certificate from being renewed.
const LATEST: f64 = 9.0 / 10.0;
/// The pause after the first failure.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause that is taken without being told so.
const LONGEST_PAUSE: Duration = Duration::from_secs(12 * 3600);

/// The time in which a CA wants a certificate renewed (RFC 9773 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its start.
    pub start: SystemTime,
    /// Its end.
    pub end: SystemTime,
}

/// When a certificate is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// The moment.
    pub at: SystemTime,
    /// How long the word of the CA holds; it is asked again after that. `None` when it has no say.
    pub ask_again: Option<Duration>,
}

impl Renewal {
    /// The moment within the window of the CA, or without one two thirds into the life of the certificate, each spread by
    /// the certificate's own [`share`]. A window that ends before it starts counts for nothing, and none reaches into the
    /// last tenth of the life.
    #[must_use]
    pub fn plan(facts: &Facts, window: Option<(Window, Duration)>) -> Self {
        let share = share(&facts.serial);
        match window {
            Some((window, ask_again)) if window.start <= window.end => {
                let life = facts.not_after.duration_since(facts.not_before).unwrap_or_default();
                let latest = facts.not_before + life.mul_f64(LATEST);
                Self { at: between(window.start, window.end, share).min(latest), ask_again: Some(ask_again) }
            }
            _ => Self { at: in_life(facts.not_before, facts.not_after, share), ask_again: None },
        }
    }

    /// Whether the moment has come.
    #[must_use]
    pub fn is_due(&self, now: SystemTime) -> bool {
        self.at <= now
    }
}

/// A number from 0 to below 1 that is always the same for one certificate, so that every node and every restart comes to
/// the same moment, while different certificates come to different ones.
#[must_use]
pub fn share(serial: &[u8]) -> f64 {
    let digest = Sha256::digest(serial);
    let number = digest.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

/// At most two thirds into the life, and up to a twentieth of the life earlier.
fn in_life(not_before: SystemTime, not_after: SystemTime, share: f64) -> SystemTime {
    let life = not_after.duration_since(not_before).unwrap_or_default();
    not_before + life.mul_f64(2.0 / 3.0 - SPREAD * share)
}

fn between(start: SystemTime, end: SystemTime, share: f64) -> SystemTime {
    start + end.duration_since(start).unwrap_or_default().mul_f64(share)
}

/// How long to wait after the `failures`-th failure in a row (counted from 1): a minute, doubled each time, at most twelve
/// hours, shortened by up to a quarter by `share` (0 to 1); never less than the CA told.
#[must_use]
pub fn pause(failures: u32, share: f64, told: Option<Duration>) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    let pause = doubled.min(LONGEST_PAUSE).mul_f64(1.0 - share.clamp(0.0, 1.0) / 4.0);
    pause.max(told.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::tests::self_signed;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn without_a_word_of_the_ca_two_thirds_of_the_life_are_used() {
        let certificate = self_signed(&["a.test"], 90);
        let facts = certificate.facts();
        let renewal = Renewal::plan(facts, None);
        let after = renewal.at.duration_since(facts.not_before).unwrap_or_default();
        assert!(after <= DAY * 60 && after > DAY * 55, "{after:?}");
        assert_eq!((renewal.ask_again, renewal), (None, Renewal::plan(facts, None)));
        assert!(!renewal.is_due(facts.not_before) && renewal.is_due(facts.not_before + DAY * 60));
        let start = SystemTime::UNIX_EPOCH;
        assert_eq!(in_life(start, start + DAY * 60, 0.0), start + DAY * 40);
        assert_eq!(in_life(start, start + DAY * 60, 1.0), start + DAY * 37);
        assert_eq!(in_life(start + DAY, start, 0.5), start + DAY);
    }

    #[test]
    fn the_window_of_the_ca_decides() {
        let certificate = self_signed(&["a.test"], 90);
        let facts = certificate.facts();
        let window = Window { start: facts.not_before, end: facts.not_before + DAY };
        let renewal = Renewal::plan(facts, Some((window, DAY)));
        assert_eq!(renewal.ask_again, Some(DAY));
        assert!(renewal.at >= window.start && renewal.at < window.end);
        let late = Window { start: facts.not_after, end: facts.not_after + DAY };
        assert_eq!(Renewal::plan(facts, Some((late, DAY))).at, facts.not_before + DAY * 81);
        let torn = Window { start: window.end, end: window.start };
        assert_eq!(Renewal::plan(facts, Some((torn, DAY))), Renewal::plan(facts, None));
    }

    #[test]
    fn shares_differ_and_stay() {
        let shares: Vec<f64> = (0..100_u8).map(|serial| share(&[serial])).collect();
        assert!(shares.iter().all(|share| (0.0..1.0).contains(share)));
        assert!(shares.iter().any(|share| *share < 0.2) && shares.iter().any(|share| *share > 0.8));
        assert!((share(&[7]) - share(&[7])).abs() < f64::EPSILON);
    }

    #[test]
    fn pauses_grow_and_obey_the_ca() {
        let minute = Duration::from_secs(60);
        assert_eq!([1, 2, 3].map(|failures| pause(failures, 0.0, None)), [minute, minute * 2, minute * 4]);
        assert_eq!(pause(1, 1.0, None), Duration::from_secs(45));
        assert_eq!(pause(u32::MAX, 0.0, None), LONGEST_PAUSE);
        assert_eq!(pause(1, 0.0, Some(DAY)), DAY);
    }
}
