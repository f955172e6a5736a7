//! Accelerators: what is known of them, who follows them, and the listeners that are laid over the configuration.
//!
//! A state is put in force by the gateway, which owns the listeners; this tells it by a [`Put`]. The last states are kept
//! in the state directory, so that a start while the cloud is away serves what was served before.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::oneshot;
use yumen_cloud::accelerator::{self, Overlay, State};
use yumen_config::Conflict;
use yumen_config::config::{Accelerator, Config, Listener, ListenerName};
use yumen_core::Pending;
use yumen_telemetry::{Duty, Registry};

use super::accounts::Accounts;
use super::roster::Roster;

/// The file beneath the state directory.
const FILE: &str = "accelerators.json";

/// The form of the file.
const FORMAT: u64 = 1;

/// A state that is to be put in force.
pub(crate) struct Put {
    /// The accelerator, by the name of its section.
    pub(crate) name: String,
    pub(crate) state: Arc<State>,
    /// How it went; for people when it did not.
    pub(crate) done: oneshot::Sender<Result<(), String>>,
}

/// Gives a [`Put`] to the gateway.
pub(crate) type Putting = Arc<dyn Fn(Put) + Send + Sync>;

/// States by the names of sections.
pub(crate) type States = BTreeMap<String, Arc<State>>;

/// What became of accelerators in a configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Laid {
    /// The listeners that are served, by accelerator.
    listeners: BTreeMap<String, Vec<Arc<Listener>>>,
    /// What is not served and why, by accelerator.
    conflicts: BTreeMap<String, Vec<Conflict>>,
}

impl Laid {
    /// A listener that is bound to an address.
    pub(crate) fn listener_on(&self, address: SocketAddr) -> Option<ListenerName> {
        let mut all = self.listeners.values().flatten();
        all.find(|l| l.bind.contains(&address)).map(|l| l.name.clone())
    }
}

/// All accelerators of the process.
pub(crate) struct Accelerators {
    registry: Arc<Registry>,
    putting: Putting,
    now: Arc<Mutex<Now>>,
    roster: Roster<Accelerator>,
}

#[derive(Default)]
struct Now {
    /// What is in force.
    states: States,
    duties: BTreeMap<String, Arc<Duty>>,
    laid: Laid,
}

impl Accelerators {
    pub(crate) fn new(registry: Arc<Registry>, putting: Putting) -> Self {
        Self { registry, putting, now: Arc::default(), roster: Roster::default() }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        lock(&self.now)
    }

    /// The states for a configuration: what is in force, and for sections that are new what was kept. Blocks for as long as
    /// the disk takes.
    pub(crate) fn states(&self, config: &Config, dirs: &[PathBuf]) -> States {
        let mut states = self.now().states.clone();
        let all = &config.cloud.accelerators;
        states.retain(|name, state| all.get(name.as_str()).is_some_and(|section| fits(section, state)));
        if all.keys().any(|name| !states.contains_key(name.as_str())) {
            let kept = dirs.iter().find_map(|dir| load(&dir.join(FILE))).unwrap_or_default();
            for (name, state) in kept {
                if all.get(name.as_str()).is_some_and(|section| fits(section, &state)) {
                    states.entry(name).or_insert(state);
                }
            }
        }
        states
    }

    /// Says what is in force now, and keeps it. Blocks for as long as the disk takes.
    pub(crate) fn in_force(&self, states: States, laid: Laid, dir: Option<&Path>) {
        let mut now = self.now();
        if let (true, Some(dir)) = (now.states != states, dir)
            && let Err(error) = keep(&states, dir)
        {
            tracing::warn!(directory = %dir.display(), %error, "what is known of accelerators was not kept");
        }
        let before = std::mem::replace(&mut now.laid, laid);
        now.states = states;
        for (name, conflicts) in &now.laid.conflicts {
            let old = before.conflicts.get(name);
            for conflict in conflicts.iter().filter(|new| old.is_none_or(|old| !old.contains(new))) {
                tracing::warn!(accelerator = name, listener = conflict.listener, "not served: {}", conflict.text);
            }
        }
        now.tell();
    }

    /// Follows the accelerators of a configuration, and no others.
    pub(crate) fn commit(&self, config: &Config, accounts: &Arc<Accounts>) {
        let all = &config.cloud.accelerators;
        let mut now = self.now();
        now.duties.retain(|name, _| all.contains_key(name.as_str()));
        for name in all.keys().map(ToString::to_string) {
            let duty = || Arc::new(self.registry.duty("accelerator", &name));
            now.duties.entry(name.clone()).or_insert_with(duty);
        }
        now.tell();
        let (duties, states) = (now.duties.clone(), now.states.clone());
        drop(now);
        let wanted = all.iter().map(|(name, section)| (name.to_string(), Arc::clone(section)));
        self.roster.set(wanted, |name, section| {
            let (duty, known) = (duties.get(name).cloned(), states.get(name).cloned());
            let (putting, now) = (Arc::clone(&self.putting), Arc::clone(&self.now));
            let port = Port { name: name.to_owned(), known, putting, now };
            let (accounts, section) = (Arc::clone(accounts), Arc::clone(section));
            async move {
                let Some(duty) = duty else { return };
                let client = accounts.obtain(&section.account, &duty).await;
                accelerator::run(section, client, duty, port).await;
            }
        });
    }
}

fn lock(now: &Mutex<Now>) -> MutexGuard<'_, Now> {
    // Nothing under the lock can leave it half changed.
    now.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Now {
    /// Tells the facts of each accelerator.
    fn tell(&self) {
        for (name, duty) in &self.duties {
            let listener = |l: &Arc<Listener>| {
                let bind: Vec<String> = l.bind.iter().map(ToString::to_string).collect();
                json!({"name": l.name.as_str(), "bind": bind, "protocol": l.protocol.as_str(),
                    "proxy_protocol": l.proxy_protocol.is_some()})
            };
            let conflict = |c: &Conflict| json!({"listener": c.listener, "why": c.text});
            let listeners: Value = self.laid.listeners.get(name).into_iter().flatten().map(listener).collect();
            let conflicts: Value = self.laid.conflicts.get(name).into_iter().flatten().map(conflict).collect();
            duty.fact("listeners", listeners);
            duty.fact("conflicts", conflicts);
            if let Some(state) = self.states.get(name) {
                duty.fact("accelerator", json!(state.accelerator));
                duty.fact("version", json!(state.version));
                duty.fact("changed", json!(state.time));
            }
        }
    }
}

fn fits(section: &Accelerator, state: &State) -> bool {
    accelerator::target(section) == state.target
}

/// Lays the listeners of accelerators over a configuration, all but those of `without`, whose reason stands there.
pub(crate) fn lay(config: &Config, states: &States, without: &BTreeMap<ListenerName, String>) -> (Config, Laid) {
    let mut laid = Laid::default();
    let mut merged = config.clone();
    for (name, section) in &config.cloud.accelerators {
        let Some(state) = states.get(name.as_str()) else { continue };
        let made = accelerator::listeners(section, state);
        let mut conflicts: Vec<Conflict> =
            made.problems.into_iter().map(|p| Conflict { listener: p.listener, text: p.text }).collect();
        let (left, wanted): (Vec<_>, Vec<_>) = made.listeners.into_iter().partition(|l| without.contains_key(&l.name));
        let reason = |l: &Arc<Listener>| without.get(&l.name).cloned().unwrap_or_default();
        conflicts.extend(left.iter().map(|l| Conflict { listener: l.name.to_string(), text: reason(l) }));
        let (next, more) = yumen_config::overlay(&merged, wanted);
        conflicts.extend(more);
        merged = next;
        let own = |l: &&Arc<Listener>| l.generated_by.as_ref() == Some(name);
        laid.listeners.insert(name.to_string(), merged.listeners.values().filter(own).cloned().collect());
        laid.conflicts.insert(name.to_string(), conflicts);
    }
    (merged, laid)
}

/// The way of one accelerator's states to the gateway.
struct Port {
    name: String,
    known: Option<Arc<State>>,
    putting: Putting,
    now: Arc<Mutex<Now>>,
}

impl Overlay for Port {
    fn known(&self) -> Option<Arc<State>> {
        self.known.clone()
    }

    fn put(&self, state: Arc<State>) -> Pending<'_, Result<(), String>> {
        Box::pin(async {
            let (done, outcome) = oneshot::channel();
            (self.putting)(Put { name: self.name.clone(), state, done });
            outcome.await.unwrap_or_else(|_| Err("the gateway is stopping".to_owned()))
        })
    }

    fn unserved(&self) -> Vec<String> {
        let now = lock(&self.now);
        let conflicts = now.laid.conflicts.get(&self.name).into_iter().flatten();
        conflicts.map(|c| format!("{} ({})", c.listener, c.text)).collect()
    }
}

fn keep(states: &States, dir: &Path) -> io::Result<()> {
    let states: BTreeMap<&str, &State> = states.iter().map(|(name, state)| (name.as_str(), &**state)).collect();
    let text = json!({"format": FORMAT, "states": states}).to_string();
    let fresh = dir.join(format!("{FILE}.{}.new", std::process::id()));
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    yumen_net::os::create_private(&fresh, text.as_bytes())?;
    yumen_net::os::replace(&fresh, &dir.join(FILE)).inspect_err(|_| {
        // The first error is the one to tell.
        std::fs::remove_file(&fresh).unwrap_or_default();
    })
}

/// What was kept; `None`: nothing that can be read.
fn load(file: &Path) -> Option<States> {
    let document: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    if document["format"] != FORMAT {
        return None;
    }
    let states: BTreeMap<String, State> = serde_json::from_value(document["states"].clone()).ok()?;
    Some(states.into_iter().map(|(name, state)| (name, Arc::new(state))).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn states_come_back_from_the_disk_and_a_damaged_file_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let state = State { accelerator: "ga-1".to_owned(), version: 7, time: 3, ..State::default() };
        let states: States = [("edge".to_owned(), Arc::new(state))].into();
        keep(&states, dir.path()).unwrap();
        keep(&states, dir.path()).unwrap();
        assert_eq!(load(&dir.path().join(FILE)).unwrap(), states);
        std::fs::write(dir.path().join(FILE), "{\"format\": 1, \"states\": {\"edge\"").unwrap();
        assert_eq!(load(&dir.path().join(FILE)), None);
    }
}
