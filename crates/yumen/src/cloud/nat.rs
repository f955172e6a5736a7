//! NAT gateways: who looks after them.

use std::sync::Arc;

use yumen_cloud::change::Keeper;
use yumen_cloud::nat::{self, NatKeeper};
use yumen_config::config::{Config, NatGateway};
use yumen_telemetry::Registry;

use super::accounts::Accounts;
use super::keepers::Kept;
use super::roster::Roster;

/// Looks after the NAT gateways of a configuration, and no others.
pub(super) fn commit(roster: &Roster<NatGateway>, registry: &Registry, accounts: &Arc<Accounts>, config: &Config) {
    let all = config.cloud.nat_gateways.iter().map(|(name, section)| (name.to_string(), Arc::clone(section)));
    roster.set(all, |name, section| {
        let (duty, accounts, section) = (registry.duty("nat", name), Arc::clone(accounts), Arc::clone(section));
        async move {
            let client = accounts.obtain(&section.account, &duty).await;
            nat::run(section, client, duty).await;
        }
    });
}

/// Who keeps the entries of the NAT gateways.
pub(super) fn keepers(config: &Config, accounts: &Accounts) -> Vec<Kept> {
    let keeper = |section: &Arc<NatGateway>| -> anyhow::Result<Box<dyn Keeper>> {
        Ok(Box::new(NatKeeper::new(Arc::clone(section), accounts.client(&section.account)?)))
    };
    let kept = |section: &Arc<NatGateway>| Kept {
        kind: "nat_gateway",
        name: section.name.to_string(),
        keeper: keeper(section),
    };
    config.cloud.nat_gateways.values().map(kept).collect()
}
