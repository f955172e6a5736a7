//! Where lines and metrics go: one task for each section.

use std::path::PathBuf;
use std::sync::Arc;

use yumen_cloud::{log_output, metric_output};
use yumen_config::config::{Config, MetricLogin, SlsOutput};
use yumen_telemetry::{Carries, Duty};

use super::Cloud;

/// What an output of lines is started for: waiting elsewhere is another one.
#[derive(PartialEq)]
pub(super) struct Lines {
    section: Arc<SlsOutput>,
    state_dir: Option<PathBuf>,
}

pub(super) fn commit(cloud: &Cloud, config: &Config) {
    let lines = config.cloud.log_outputs.iter().map(|(name, section)| {
        let lines = Lines { section: Arc::clone(section), state_dir: config.state_dir.clone() };
        (name.to_string(), Arc::new(lines))
    });
    cloud.log_outputs.set(lines, |name, lines| {
        let intake = log_output::Intake::open(&cloud.taps, cloud.registry.output(Carries::Lines, name));
        let duty = cloud.registry.duty("log_output", name);
        let accounts = Arc::clone(&cloud.accounts);
        let (section, state_dir) = (Arc::clone(&lines.section), lines.state_dir.clone());
        async move {
            let client = accounts.obtain(&section.account, &duty).await;
            log_output::run(section, log_output::Means { client, intake, state_dir }, duty).await;
        }
    });
    let samples = config.cloud.metric_outputs.iter().map(|(name, section)| (name.to_string(), Arc::clone(section)));
    cloud.metric_outputs.set(samples, |name, section| {
        let duty = cloud.registry.duty("metric_output", name);
        let metrics = cloud.registry.output(Carries::Samples, name);
        let (accounts, registry) = (Arc::clone(&cloud.accounts), Arc::clone(&cloud.registry));
        let section = Arc::clone(section);
        async move {
            let client = match &section.login {
                MetricLogin::Account(account) => Some(accounts.obtain(account, &duty).await),
                MetricLogin::None | MetricLogin::Basic { .. } => None,
            };
            match accounts.transport() {
                Ok(transport) => {
                    let means = metric_output::Means { client, transport, registry, metrics };
                    metric_output::run(section, means, duty).await;
                }
                Err(error) => fail(duty, &error).await,
            }
        }
    });
}

/// Says what is wrong for as long as the section stands.
async fn fail(duty: Duty, error: &anyhow::Error) {
    duty.failing(format!("{error:#}"));
    std::future::pending().await
}
