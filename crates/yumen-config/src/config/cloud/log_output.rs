//! Where lines of the access log go beside the log's own output.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Account;

/// A store of the log service (SLS) that gets the lines of the access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlsOutput {
    /// Whose project it is.
    pub account: Arc<Account>,
    /// The project, in the region of the account.
    pub project: String,
    /// The store.
    pub store: String,
    /// The topic of the logs; default empty.
    pub topic: String,
    /// Which machine they are of; default empty.
    pub source: String,
    /// A batch is sent when it has so many bytes of lines; default 1 MiB.
    pub batch_size: u64,
    /// A batch is sent after so long; default 2 s.
    pub batch_time: Duration,
    /// Where batches wait while the service is away; `None`: only some in memory.
    pub spill: Option<Spill>,
}

/// Batches on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spill {
    /// The folder; `None`: one of its own in the state directory, or none without that.
    pub dir: Option<PathBuf>,
    /// How much may wait there; default 256 MiB.
    pub max: u64,
}

impl Default for Spill {
    fn default() -> Self {
        Self { dir: None, max: 256 << 20 }
    }
}
