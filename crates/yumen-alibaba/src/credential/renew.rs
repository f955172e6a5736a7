//! Keeps a key fresh: one fetch at a time, renewed in the background, the old one served until it ends.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::{Mutex as Flight, OwnedMutexGuard};
use tokio::time::Instant;

use super::{CredentialError, Fetching, Provider};
use crate::clock::Clock;
use crate::{AccessKey, Timestamp};

/// A key is renewed this long before it ends, or at half of its life when that is earlier.
const EARLY: Duration = Duration::from_secs(900);
/// A key without an end is taken anew this often: its file may have changed.
const LASTING: Duration = Duration::from_secs(300);
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What a status page says about keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialStatus {
    /// The source.
    pub source_name: String,
    /// The id of the key that is served now.
    pub id: Option<String>,
    /// When that key ends.
    pub expires: Option<Timestamp>,
    /// Since when the source fails, and why it failed last.
    pub failing: Option<(Timestamp, CredentialError)>,
}

/// Keys of one source. Clones share them.
#[derive(Clone)]
pub struct Credentials(Arc<Inner>);

struct Inner {
    provider: Arc<dyn Provider>,
    clock: Clock,
    state: Mutex<State>,
    flight: Arc<Flight<()>>,
}

#[derive(Default)]
struct State {
    key: Option<AccessKey>,
    renew_at: Option<Timestamp>,
    failures: u32,
    failing: Option<(Timestamp, CredentialError)>,
    next_try: Option<Instant>,
}

enum Held {
    Fresh(AccessKey),
    Stale(AccessKey),
    Nothing,
}

impl Credentials {
    /// Keys of a provider; it is asked when the first key is needed.
    pub fn new(provider: impl Provider + 'static, clock: Clock) -> Self {
        Self::of(Arc::new(provider), clock)
    }

    /// Keys of a provider that is shared.
    #[must_use]
    pub fn of(provider: Arc<dyn Provider>, clock: Clock) -> Self {
        Self(Arc::new(Inner { provider, clock, state: Mutex::default(), flight: Arc::default() }))
    }

    /// A key that works now. It is waited for only when there is none.
    ///
    /// # Errors
    /// When there is no key that works and the source gives none. After a failure the source is left alone for a while,
    /// 1 s at first and a minute at most, and the same error is told.
    pub async fn key(&self) -> Result<AccessKey, CredentialError> {
        match self.0.held() {
            Held::Fresh(key) => return Ok(key),
            Held::Stale(key) => {
                self.renew_behind();
                return Ok(key);
            }
            Held::Nothing => {}
        }
        let _flight = self.0.flight.lock().await;
        // Somebody else may have landed meanwhile.
        match self.0.held() {
            Held::Fresh(key) | Held::Stale(key) => return Ok(key),
            Held::Nothing => {}
        }
        if let Some(error) = self.0.recent_failure() {
            return Err(error);
        }
        self.0.fetch().await
    }

    /// Says that a service did not take `key`, so that it is not served again. Another key that is there by now stays.
    pub fn reject(&self, key: &AccessKey) {
        let mut state = self.0.state();
        if state.key.as_ref() == Some(key) {
            state.key = None;
        }
    }

    /// What there is to know, without asking the source.
    #[must_use]
    pub fn status(&self) -> CredentialStatus {
        let state = self.0.state();
        CredentialStatus {
            source_name: self.0.provider.name().to_owned(),
            id: state.key.as_ref().map(|key| key.id.clone()),
            expires: state.key.as_ref().and_then(|key| key.expires),
            failing: state.failing.clone(),
        }
    }

    /// Renews keys for as long as the future is polled, so that not even the first request after an idle hour waits.
    pub async fn keep_fresh(&self) {
        loop {
            // The outcome is in the status; whoever needs a key hears of a failure.
            drop(self.key().await);
            let pause = rand::rng().random_range(20..40);
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
    }

    fn renew_behind(&self) {
        let Ok(flight) = self.0.flight.clone().try_lock_owned() else { return };
        if self.0.recent_failure().is_some() {
            return;
        }
        let inner = self.0.clone();
        tokio::spawn(async move { inner.renew(flight).await });
    }
}

impl Inner {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> Held {
        let (state, now) = (self.state(), self.clock.now());
        match &state.key {
            Some(key) if !key.is_valid_at(now) => Held::Nothing,
            Some(key) if state.renew_at.is_some_and(|at| at <= now) => Held::Stale(key.clone()),
            Some(key) => Held::Fresh(key.clone()),
            None => Held::Nothing,
        }
    }

    fn recent_failure(&self) -> Option<CredentialError> {
        let state = self.state();
        let is_recent = state.next_try.is_some_and(|at| Instant::now() < at);
        state.failing.as_ref().filter(|_| is_recent).map(|(_, error)| error.clone())
    }

    async fn renew(&self, _flight: OwnedMutexGuard<()>) {
        if let Err(error) = self.fetch().await {
            tracing::warn!("{error}; the key that is there is used until it ends");
        }
    }

    async fn fetch(&self) -> Result<AccessKey, CredentialError> {
        let outcome = self.provider.fetch().await;
        let now = self.clock.now();
        let outcome = outcome.and_then(|key| match key.is_valid_at(now) {
            true => Ok(key),
            false => Err(CredentialError::failed(self.provider.name(), "it gave a key that has ended already")),
        });
        let mut state = self.state();
        match &outcome {
            Ok(key) => {
                *state = State { key: Some(key.clone()), renew_at: Some(renewal(key, now)), ..State::default() };
            }
            Err(error) => {
                let since = state.failing.as_ref().map_or(now, |(since, _)| *since);
                state.failing = Some((since, error.clone()));
                state.failures = state.failures.saturating_add(1);
                state.next_try = Some(Instant::now() + pause(state.failures));
            }
        }
        outcome
    }
}

/// When to look for a successor: at half of the life of a key, at the latest 15 minutes before its end if it has that much.
fn renewal(key: &AccessKey, now: Timestamp) -> Timestamp {
    let Some(end) = key.expires else { return now.plus(LASTING) };
    let life = now.until(end);
    now.plus((life / 2).min(life.saturating_sub(EARLY)).max(life / 4))
}

/// How long to wait after so many failures, half of it by chance.
fn pause(failures: u32) -> Duration {
    let whole = SHORTEST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(LONGEST_WAIT);
    whole.mul_f64(rand::rng().random_range(0.5..=1.0))
}

impl Provider for Credentials {
    fn name(&self) -> &str {
        self.0.provider.name()
    }

    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.key())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Credentials").field(&self.0.provider.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_renewed_at_half_of_its_life_or_a_quarter_of_an_hour_before_its_end() {
        let now = Timestamp::from_unix(1000);
        let after = |life: u64| {
            let key = AccessKey::new("i", "s").with_end(Some(now.plus(Duration::from_secs(life))));
            now.until(renewal(&key, now)).as_secs()
        };
        assert_eq!(after(3600), 1800);
        assert_eq!(after(1500), 600);
        assert_eq!(after(900), 225, "a key that lasts no longer than the margin is not renewed at once");
        assert_eq!(now.until(renewal(&AccessKey::new("i", "s"), now)), LASTING);
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        for (failures, longest) in [(1, 1), (2, 2), (6, 32), (7, 60), (u32::MAX, 60)] {
            let pause = pause(failures);
            let longest = Duration::from_secs(longest);
            assert!(pause <= longest && pause >= longest / 2, "{failures}: {pause:?}");
        }
    }
}
