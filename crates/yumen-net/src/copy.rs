//! The relay of layer 4, and its way of moving bulk for the content of a message ([`Conveyor`]).

use std::cell::Cell;
use std::io;
use std::time::Duration;

use crate::transport::Transport;

/// How to relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayOptions {
    /// End the relay when nothing moved in either direction for so long. Default none.
    pub idle: Option<Duration>,
    /// Let the kernel move bulk where it can. Default true.
    pub splice: bool,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self { idle: None, splice: true }
    }
}

/// Bytes moved, kept up to date while the relay runs. Belongs to the relay's worker.
#[derive(Debug, Default)]
pub struct RelayCounters {
    /// From the first transport to the second, in bytes.
    pub a_to_b: Cell<u64>,
    /// From the second transport to the first, in bytes.
    pub b_to_a: Cell<u64>,
}

/// One of the two transports of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first.
    A,
    /// The second.
    B,
}

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayEnd {
    /// Both sides ended their streams and everything was delivered.
    Closed,
    /// Nothing moved for [`RelayOptions::idle`].
    Idle,
    /// This side reset its connection; dropping the other one passes that on.
    Reset(End),
}

/// A relay that failed for a reason other than a reset.
#[derive(Debug, thiserror::Error)]
#[error("relay failed on side {side:?}: {source}")]
pub struct RelayError {
    /// Whose transport failed.
    pub side: End,
    /// What the system or TLS said.
    pub source: io::Error,
}

/// Moves bytes both ways until both streams have ended.
///
/// # Errors
/// [`RelayError`]; both transports are of no more use.
pub async fn relay(
    a: &mut Transport,
    b: &mut Transport,
    options: &RelayOptions,
    counters: &RelayCounters,
) -> Result<RelayEnd, RelayError> {
    engine::Relay::new(a, b, options, counters).run().await
}

mod engine;
mod conveyor;
mod pipe;

pub use conveyor::{ConveyError, Conveyor};

#[cfg(test)]
mod tests;
