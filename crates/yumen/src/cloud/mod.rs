//! What is done in the cloud beside traffic: who runs, for which sections of the configuration in force.
//!
//! A reload keeps what its section did not change. Nothing here can refuse a configuration or hold one up: what fails says
//! so in the status, and is tried again.

pub(crate) mod secret;
pub(crate) mod accounts;
pub(crate) mod keepers;
pub(crate) mod roster;

use std::sync::Arc;

use yumen_config::config::Config;
use yumen_proxy::Vault;
use yumen_telemetry::Registry;

use accounts::Accounts;
use secret::Secrets;

/// All that runs in the cloud for this process.
pub(crate) struct Cloud {
    /// Where duties tell how they fare.
    registry: Arc<Registry>,
    accounts: Accounts,
    secrets: Secrets,
}

impl Cloud {
    /// Nothing runs yet; users whose passwords KMS keeps go into `vault`.
    pub(crate) fn new(registry: Arc<Registry>, vault: Arc<Vault>) -> Self {
        Self { registry, accounts: Accounts::default(), secrets: Secrets::new(vault) }
    }

    /// Runs what a configuration that was put in force wants, and no more.
    pub(crate) fn commit(&self, config: &Config) {
        self.accounts.keep(&config.cloud);
        self.secrets.commit(config, &self.accounts, &self.registry);
    }
}
