//! A secret that is followed while it is rotated.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Flight;
use tokio::time::Instant;

use super::{CURRENT, PREVIOUS, SecretValue, secret};
use crate::Timestamp;
use crate::client::Client;
use crate::error::Error;

/// After a server refused a secret it is read anew at most this often, so that a server that refuses everything costs no
/// storm of calls.
const SOONEST: Duration = Duration::from_secs(5);

/// A secret of KMS, read now and then. What was read last is served while KMS is away. Clones share it.
#[derive(Clone)]
pub struct FollowedSecret(Arc<Inner>);

struct Inner {
    client: Client,
    name: String,
    every: Duration,
    state: Mutex<State>,
    flight: Arc<Flight<()>>,
}

#[derive(Default)]
struct State {
    current: Option<Arc<SecretValue>>,
    /// When KMS was asked last, with success or without.
    asked: Option<Instant>,
    failing: Option<(Timestamp, Error)>,
}

impl FollowedSecret {
    /// Follows a secret; it is read when it is needed first, and then every so often. Five minutes are a good measure: a
    /// refused secret is read at once anyway.
    pub fn new(client: Client, name: impl Into<String>, every: Duration) -> Self {
        let name = name.into();
        Self(Arc::new(Inner { client, name, every, state: Mutex::default(), flight: Arc::default() }))
    }

    /// The version in force, as far as it is known. It is waited for only the first time.
    ///
    /// # Errors
    /// Each of [`Error`], as long as the secret was never read.
    pub async fn value(&self) -> Result<Arc<SecretValue>, Error> {
        if let Some((value, is_old)) = self.known() {
            if is_old {
                self.read_behind();
            }
            return Ok(value);
        }
        let _flight = self.0.flight.lock().await;
        match self.known() {
            Some((value, _)) => Ok(value),
            None => self.0.read().await,
        }
    }

    /// The version in force, asked for now, unless that was done moments ago.
    ///
    /// # Errors
    /// Each of [`Error`]; what was read before is still what [`value`](Self::value) gives.
    pub async fn renewed(&self) -> Result<Arc<SecretValue>, Error> {
        let _flight = self.0.flight.lock().await;
        let was_asked = self.0.state().asked.is_some_and(|at| at.elapsed() < SOONEST);
        match self.known().filter(|_| was_asked && self.failing().is_none()) {
            Some((value, _)) => Ok(value),
            None => self.0.read().await,
        }
    }

    /// The version that was in force before `unusable`; `None` when there is none.
    ///
    /// # Errors
    /// Each of [`Error`].
    pub async fn before(&self, unusable: &SecretValue) -> Result<Option<Arc<SecretValue>>, Error> {
        self.0.previous(unusable).await
    }

    /// What to try after a server refused `refused`: the version in force when that is another one, else the one before it,
    /// which the server may still have. `None` when there is nothing else to try. Try what comes back once, not in a circle.
    ///
    /// # Errors
    /// Each of [`Error`], when KMS has to be asked and cannot be.
    pub async fn after_refusal(&self, refused: &SecretValue) -> Result<Option<Arc<SecretValue>>, Error> {
        let _flight = self.0.flight.lock().await;
        let known = self.known().map(|(value, _)| value).filter(|value| value.version != refused.version);
        if known.is_some() {
            return Ok(known);
        }
        if self.0.state().asked.is_some_and(|at| at.elapsed() < SOONEST) && self.0.was_renewed_for(refused) {
            return self.0.previous(refused).await;
        }
        let current = self.0.read().await?;
        if current.version != refused.version {
            return Ok(Some(current));
        }
        self.0.previous(refused).await
    }

    /// Since when KMS does not give the secret, and why; `None` when it does.
    #[must_use]
    pub fn failing(&self) -> Option<(Timestamp, Error)> {
        self.0.state().failing.clone()
    }

    /// What is known, and whether it is time to look again.
    fn known(&self) -> Option<(Arc<SecretValue>, bool)> {
        let state = self.0.state();
        let value = state.current.clone()?;
        Some((value, state.asked.is_none_or(|at| at.elapsed() >= self.0.every)))
    }

    fn read_behind(&self) {
        let Ok(flight) = self.0.flight.clone().try_lock_owned() else { return };
        let inner = self.0.clone();
        tokio::spawn(async move {
            if let Err(error) = inner.read().await {
                tracing::warn!("the secret {} is used as it was read last: {error}", inner.name);
            }
            drop(flight);
        });
    }
}

impl Inner {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is known is what was refused, so that reading it again so soon tells nothing new.
    fn was_renewed_for(&self, refused: &SecretValue) -> bool {
        self.state().current.as_ref().is_some_and(|value| value.version == refused.version)
    }

    async fn read(&self) -> Result<Arc<SecretValue>, Error> {
        let outcome = secret(&self.client, &self.name, CURRENT).await;
        let now = self.client.clock().now();
        let mut state = self.state();
        state.asked = Some(Instant::now());
        match outcome {
            Ok(value) => {
                let value = Arc::new(value);
                state.current = Some(value.clone());
                state.failing = None;
                Ok(value)
            }
            Err(error) => {
                let since = state.failing.as_ref().map_or(now, |(since, _)| *since);
                state.failing = Some((since, error.clone()));
                Err(error)
            }
        }
    }

    async fn previous(&self, refused: &SecretValue) -> Result<Option<Arc<SecretValue>>, Error> {
        match secret(&self.client, &self.name, PREVIOUS).await {
            Ok(value) => Ok(Some(Arc::new(value)).filter(|value| value.version != refused.version)),
            // A secret that was never rotated has none.
            Err(error) if error.is(&["Forbidden.ResourceNotFound"]) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for FollowedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FollowedSecret").field(&self.0.name).finish()
    }
}
