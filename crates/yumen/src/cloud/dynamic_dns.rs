//! Dynamic DNS: one task for each section.

use std::path::PathBuf;
use std::sync::Arc;

use yumen_alibaba::Client;
use yumen_cloud::change::Keeper;
use yumen_cloud::dynamic_dns::{Means, Records, run};
use yumen_config::config::{Config, DynamicDns};

use super::Cloud;
use super::accounts::Accounts;
use super::keepers::Kept;

const KIND: &str = "dynamic_dns";

/// What one is started for: remembering elsewhere is another one.
#[derive(PartialEq)]
pub(super) struct Wanted {
    section: Arc<DynamicDns>,
    state_dir: Option<PathBuf>,
}

pub(super) fn commit(cloud: &Cloud, config: &Config) {
    let wanted = config.cloud.dynamic_dns.iter().map(|(name, section)| {
        let wanted = Wanted { section: Arc::clone(section), state_dir: config.state_dir.clone() };
        (name.to_string(), Arc::new(wanted))
    });
    cloud.dynamic_dns.set(wanted, |name, wanted| {
        let duty = cloud.registry.duty(KIND, name);
        let (section, state_dir) = (Arc::clone(&wanted.section), wanted.state_dir.clone());
        let accounts = Arc::clone(&cloud.accounts);
        async move {
            let client = accounts.obtain(&section.account, &duty).await;
            match means(client, &accounts, &section, state_dir) {
                Ok(means) => run(section, means, duty).await,
                Err(error) => {
                    duty.failing(format!("{error:#}"));
                    std::future::pending().await
                }
            }
        }
    });
}

/// For who looks once.
pub(super) fn keepers(config: &Config, accounts: &Accounts) -> Vec<Kept> {
    let all = config.cloud.dynamic_dns.iter().map(|(name, section)| {
        let client = accounts.client(&section.account);
        let means = client.and_then(|client| means(client, accounts, section, config.state_dir.clone()));
        let keeper = means.map(|means| {
            Box::new(Records { section: Arc::clone(section), name: name.to_string(), means }) as Box<dyn Keeper>
        });
        Kept { kind: KIND, name: name.to_string(), keeper }
    });
    all.collect()
}

fn means(
    client: Client,
    accounts: &Accounts,
    section: &DynamicDns,
    state_dir: Option<PathBuf>,
) -> anyhow::Result<Means> {
    let transport = accounts.transport()?;
    let metadata = yumen_cloud::account::metadata(&section.account, Arc::clone(&transport))?;
    let metadata = Arc::new(metadata);
    Ok(Means { client, metadata, transport, state_dir })
}
