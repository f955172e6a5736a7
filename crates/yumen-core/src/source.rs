//! Something outside that keeps telling its latest full state: endpoints, certificates, configuration.

use std::sync::Arc;

use tokio::sync::watch;

/// A source of full states; the last one wins, there are no deltas.
pub trait Source: Send + Sync {
    /// What it tells.
    type State: Send + Sync;

    /// The latest state and every later one.
    fn watch(&self) -> watch::Receiver<Arc<Self::State>>;
}
