//! What is done in the cloud beside traffic: who runs, for which sections of the configuration in force.
//!
//! A reload keeps what its section did not change. Nothing here can refuse a configuration or hold one up: what fails says
//! so in the status, and is tried again.

pub(crate) mod accelerators;
pub(crate) mod accounts;
mod dynamic_dns;
mod outputs;
pub(crate) mod keepers;
pub(crate) mod discovery;
mod nat;
mod registration;
pub(crate) mod ocsp;
pub(crate) mod roster;
pub(crate) mod secret;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use yumen_config::config::{Config, MetricOutput, NatGateway};
use yumen_proxy::Vault;
use yumen_telemetry::{Registry, Taps};

use accelerators::{Accelerators, Putting};
use accounts::Accounts;
use discovery::{Candidate, Discovery};
use registration::Registrations;
use roster::Roster;
use secret::Secrets;

/// All that runs in the cloud for this process.
pub(crate) struct Cloud {
    /// Where duties tell how they fare.
    registry: Arc<Registry>,
    accounts: Arc<Accounts>,
    discovery: Discovery,
    registrations: Registrations,
    secrets: Secrets,
    dynamic_dns: Roster<dynamic_dns::Wanted>,
    /// Where outputs get the lines of the access log.
    taps: Taps,
    log_outputs: Roster<outputs::Lines>,
    metric_outputs: Roster<MetricOutput>,
    pub(crate) accelerators: Accelerators,
    nat_gateways: Roster<NatGateway>,
}

impl Cloud {
    /// Nothing runs yet; users whose passwords KMS keeps go into `vault`, states of accelerators to `putting`.
    pub(crate) fn new(registry: Arc<Registry>, vault: Arc<Vault>, putting: Putting, taps: Taps) -> Self {
        Self {
            accounts: Arc::default(),
            discovery: Discovery::default(),
            registrations: Registrations::default(),
            secrets: Secrets::new(vault),
            accelerators: Accelerators::new(Arc::clone(&registry), putting),
            nat_gateways: Roster::default(),
            dynamic_dns: Roster::default(),
            taps,
            log_outputs: Roster::default(),
            metric_outputs: Roster::default(),
            registry,
        }
    }

    /// Gets what a configuration that may come into force needs to begin with; nothing that runs is touched.
    pub(crate) async fn prepare(&self, config: &Config, state: Option<&Path>) -> Candidate {
        self.discovery.prepare(config, state, &self.accounts).await
    }

    /// The clients for its accounts.
    pub(crate) fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.accounts)
    }

    /// Runs what a configuration that was put in force wants, and no more.
    pub(crate) fn commit(&self, config: &Config, candidate: &Candidate) {
        self.accounts.keep(&config.cloud);
        self.secrets.commit(config, &self.accounts, &self.registry);
        self.discovery.commit(candidate, &self.accounts, &self.registry);
        dynamic_dns::commit(self, config);
        outputs::commit(self, config);
        self.accelerators.commit(config, &self.accounts);
        nat::commit(&self.nat_gateways, &self.registry, &self.accounts, config);
        self.registrations.commit(config, &self.accounts, &self.registry);
    }

    /// The longest that leaving load balancers may take, when connections have so long to finish.
    pub(crate) fn leave_limit(&self, drain: Duration) -> Duration {
        self.registrations.limit(drain)
    }

    /// Leaves load balancers, before listeners close.
    pub(crate) async fn leave(&self, drain: Duration) {
        self.registrations.leave(drain).await;
    }

    /// Leaves the places behind load balancers to the process that takes over.
    pub(crate) fn hand_over(&self) {
        self.registrations.hand_over();
    }
}
