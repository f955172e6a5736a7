//! Who looks for the endpoints of upstreams: prepared before a configuration is built, so that a new upstream begins with
//! endpoints, and run once it is in force.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;
use yumen_cloud::discover::{self, Cell, FIRST_ANSWER, Follower, Store};
use yumen_config::config::{Config, Discover};
use yumen_core::{Discovered, Source};
use yumen_net::rt;
use yumen_telemetry::Registry;

use super::accounts::Accounts;
use super::roster::Roster;

/// Those who look for endpoints.
#[derive(Default)]
pub(crate) struct Discovery {
    known: Mutex<Entries>,
    roster: Roster<Discover>,
}

type Entries = BTreeMap<String, Entry>;

/// What is known for an upstream.
#[derive(Clone)]
struct Entry {
    section: Arc<Discover>,
    cell: Arc<Cell>,
    store: Option<Store>,
    /// Whether the cell was filled by an answer that came just now.
    is_fresh: bool,
}

/// What a configuration that may come into force begins with.
pub(crate) struct Candidate(Entries);

impl yumen_core::Discovery for Candidate {
    fn source(&self, upstream: &str) -> Option<Arc<dyn Source<State = Discovered>>> {
        self.0.get(upstream).map(|entry| Arc::clone(&entry.cell) as _)
    }
}

impl Discovery {
    /// Gets what there is to begin with. An upstream that stays goes on; for another one the cloud is asked, and when it is
    /// silent, what was kept on the disk or was known under its name before has to do.
    pub(crate) async fn prepare(&self, config: &Config, state: Option<&Path>, accounts: &Arc<Accounts>) -> Candidate {
        let before = self.known().clone();
        let mut all = Entries::new();
        let mut asked: Vec<(String, JoinHandle<Entry>)> = Vec::new();
        for upstream in config.upstreams.values() {
            let Some(section) = &upstream.discover else { continue };
            let name = upstream.name.to_string();
            let old = before.get(&name);
            if let Some(same) = old.filter(|old| old.section == *section) {
                all.insert(name, Entry { is_fresh: false, ..same.clone() });
                continue;
            }
            let store = state.map(|dir| Store::new(dir, &name));
            let (section, accounts, old) = (Arc::clone(section), Arc::clone(accounts), old.map(|old| old.cell.known()));
            asked.push((name, tokio::spawn(begin(section, store, accounts, old))));
        }
        for (name, task) in asked {
            // A task that panicked leaves its upstream without a source, and with what the section says.
            all.extend(task.await.ok().map(|entry| (name, entry)));
        }
        Candidate(all)
    }

    /// Looks for what the configuration in force wants.
    pub(crate) fn commit(&self, candidate: &Candidate, accounts: &Arc<Accounts>, registry: &Arc<Registry>) {
        let all = &candidate.0;
        self.known().clone_from(all);
        let wanted = all.iter().map(|(name, entry)| (name.clone(), Arc::clone(&entry.section)));
        self.roster.set(wanted, |name, section| {
            let entry = all.get(name).cloned();
            let (section, accounts, duty) =
                (Arc::clone(section), Arc::clone(accounts), registry.duty("discovery", name));
            async move {
                let Some(Entry { cell, store, is_fresh, .. }) = entry else { return };
                let client = accounts.obtain(&section.account, &duty).await;
                Follower { section, cell, store, duty, is_fresh }.run(client).await;
            }
        });
    }

    fn known(&self) -> MutexGuard<'_, Entries> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a section begins with.
async fn begin(
    section: Arc<Discover>,
    store: Option<Store>,
    accounts: Arc<Accounts>,
    old: Option<Arc<Discovered>>,
) -> Entry {
    let kept = match store.clone() {
        Some(store) => {
            let section = Arc::clone(&section);
            tokio::task::spawn_blocking(move || store.load(&section)).await.ok().flatten().map(Arc::new)
        }
        None => None,
    };
    let known = old.filter(|old| !old.endpoints.is_empty()).or(kept).unwrap_or_default();
    let answer = match rt::timeout(FIRST_ANSWER, ask(&section, &accounts)).await {
        Ok(answer) => answer,
        Err(_) => Err("no answer in time".to_owned()),
    };
    let (known, is_fresh) = match answer {
        // An empty answer has to come twice where there is something to lose.
        Ok(answer) if answer.endpoints.is_empty() && !known.endpoints.is_empty() => (known, false),
        Ok(answer) if answer.endpoints == known.endpoints && known.version > 0 => (known, true),
        Ok(answer) => (Arc::new(Discovered { version: known.version + 1, endpoints: answer.endpoints }), true),
        Err(error) => {
            tracing::debug!(error, "no answer to begin with");
            (known, false)
        }
    };
    Entry { section, cell: Arc::new(Cell::new(known)), store, is_fresh }
}

async fn ask(section: &Arc<Discover>, accounts: &Arc<Accounts>) -> Result<discover::Answer, String> {
    let client = accounts.open(&section.account).await?;
    discover::ask(section, &client).await.map_err(|error| error.to_string())
}
