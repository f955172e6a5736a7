//! This machine behind load balancers: one task for each section, which is told to leave before the process stops.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use yumen_cloud::change::Keeper;
use yumen_cloud::registration::{Means, Order, Registered, Registrar};
use yumen_config::config::{Config, Registration};
use yumen_net::rt;
use yumen_telemetry::Registry;

use super::accounts::Accounts;
use super::keepers::Kept;

const KIND: &str = "registration";

/// The registrations of the configuration in force, and those that are leaving.
#[derive(Default)]
pub(crate) struct Registrations {
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    running: BTreeMap<String, Running>,
    /// Those that no configuration wants any more.
    leaving: Vec<(String, Running)>,
    /// The process ends: a configuration that comes late must not bring anything back.
    is_over: bool,
}

struct Running {
    section: Arc<Registration>,
    orders: watch::Sender<Order>,
    task: JoinHandle<()>,
}

impl Running {
    fn order(self, order: Order) -> Self {
        self.orders.send_replace(order);
        self
    }
}

impl Registrations {
    /// Is registered as a configuration says. What stays the same runs on; an entry that only has another weight is never
    /// taken out; one that is no longer wanted leaves.
    pub(crate) fn commit(&self, config: &Config, accounts: &Arc<Accounts>, registry: &Arc<Registry>) {
        let wanted = &config.cloud.registrations;
        let mut now = self.now();
        if now.is_over {
            return;
        }
        let gone: Vec<String> = now
            .running
            .iter()
            .filter(|(name, r)| wanted.get(name.as_str()) != Some(&r.section))
            .map(|(name, _)| name.clone())
            .collect();
        let mut yielded: Vec<Running> = Vec::new();
        for name in gone {
            let Some(old) = now.running.remove(&name) else { continue };
            match wanted.values().any(|new| new.is_same_entry(&old.section)) {
                true => yielded.push(old.order(Order::Yield)),
                false => now.leaving.push((name, old.order(Order::Leave))),
            }
        }
        now.leaving.retain(|(_, running)| !running.task.is_finished());
        for (name, section) in wanted {
            if now.running.contains_key(name.as_str()) {
                continue;
            }
            // Whoever looked after the same entry has to be done first.
            let mut before: Vec<JoinHandle<()>> =
                yielded.extract_if(.., |old| old.section.is_same_entry(section)).map(|old| old.task).collect();
            let again = now.leaving.extract_if(.., |(_, old)| old.section.is_same_entry(section));
            before.extend(again.map(|(_, old)| old.task));
            let (orders, told) = watch::channel(Order::Stay);
            let (accounts, duty) = (Arc::clone(accounts), registry.duty(KIND, name.as_str()));
            let (own, name) = (Arc::clone(section), name.to_string());
            let task_name = name.clone();
            let task = tokio::spawn(async move {
                for task in before {
                    // One that panicked is done as well.
                    task.await.unwrap_or_default();
                }
                let mut told = told;
                let client = tokio::select! {
                    client = accounts.obtain(&own.account, &duty) => client,
                    // Without keys nothing was registered.
                    _ = told.wait_for(|order| *order != Order::Stay) => return,
                };
                match means(client, &accounts, &own) {
                    Ok(means) => Registrar::new(own, task_name, means).run(told, duty).await,
                    Err(error) => {
                        duty.failing(format!("{error:#}"));
                        told.wait_for(|order| *order != Order::Stay).await.map(drop).unwrap_or_default();
                    }
                }
            });
            now.running.insert(name, Running { section: Arc::clone(section), orders, task });
        }
    }

    /// The longest that leaving may take, when connections have so long to finish.
    pub(crate) fn limit(&self, drain: Duration) -> Duration {
        let now = self.now();
        let all = now.running.values().chain(now.leaving.iter().map(|(_, running)| running));
        all.map(|running| running.section.leave_timeout.unwrap_or(drain)).max().unwrap_or_default()
    }

    /// Leaves all groups, each within its limit. Nobody is sent here by a balancer afterwards, unless the log says so.
    pub(crate) async fn leave(&self, drain: Duration) {
        let all: Vec<(String, Running)> = {
            let mut now = self.now();
            now.is_over = true;
            let running = std::mem::take(&mut now.running).into_iter().map(|(name, r)| (name, r.order(Order::Leave)));
            let running: Vec<_> = running.collect();
            running.into_iter().chain(std::mem::take(&mut now.leaving)).collect()
        };
        let begun = rt::now();
        for (name, running) in all {
            let limit = running.section.leave_timeout.unwrap_or(drain);
            let left = limit.saturating_sub(rt::now().saturating_duration_since(begun));
            if rt::timeout(left, running.task).await.is_err() {
                tracing::error!(
                    name,
                    "still registered after {limit:?}: closing anyway; the balancer may send connections here that are \
                     refused, until its health checks notice or the server is removed in the console"
                );
            }
        }
    }

    /// Leaves the entries to the process that takes over.
    pub(crate) fn hand_over(&self) {
        let mut now = self.now();
        now.is_over = true;
        for running in std::mem::take(&mut now.running).into_values() {
            drop(running.order(Order::Yield));
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For who looks once.
pub(super) fn keepers(config: &Config, accounts: &Accounts) -> Vec<Kept> {
    let all = config.cloud.registrations.iter().map(|(name, section)| {
        let client = accounts.client(&section.account);
        let keeper = client.and_then(|client| means(client, accounts, section)).map(|means| {
            Box::new(Registered { section: Arc::clone(section), name: name.to_string(), means }) as Box<dyn Keeper>
        });
        Kept { kind: KIND, name: name.to_string(), keeper }
    });
    all.collect()
}

fn means(client: yumen_alibaba::Client, accounts: &Accounts, section: &Registration) -> anyhow::Result<Means> {
    let metadata = yumen_cloud::account::metadata(&section.account, accounts.transport()?)?;
    Ok(Means { client, metadata: Arc::new(metadata) })
}
