//! What is done in the cloud beside traffic: who runs, for which sections of the configuration in force.
//!
//! A reload keeps what its section did not change. Nothing here can refuse a configuration or hold one up: what fails says
//! so in the status, and is tried again.

pub(crate) mod accounts;
pub(crate) mod keepers;
pub(crate) mod roster;

use std::sync::Arc;

use yumen_config::config::Config;
use yumen_telemetry::Registry;

use accounts::Accounts;

/// All that runs in the cloud for this process.
pub(crate) struct Cloud {
    /// Where duties tell how they fare.
    #[allow(dead_code, reason = "kinds of duties use it")]
    registry: Arc<Registry>,
    accounts: Accounts,
}

impl Cloud {
    /// Nothing runs yet.
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, accounts: Accounts::default() }
    }

    /// Runs what a configuration that was put in force wants, and no more.
    pub(crate) fn commit(&self, config: &Config) {
        self.accounts.keep(&config.cloud);
    }
}
