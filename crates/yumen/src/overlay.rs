//! Listeners of accelerators, laid over the configuration of the files.
//!
//! They go the way of every configuration: build, plan, swap; what did not change stays on its sockets. When one of them
//! cannot be opened it is left out, and told: no file and no other listener suffers for it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use yumen_config::config::ListenerName;
use yumen_net::listen::ListenError;
use yumen_proxy::{Applied, Origin, Ports, Snapshot};

use crate::cloud::accelerators::{self, Laid, Put, States};
use crate::cloud::discovery::Candidate;
use crate::compose::{self, Wish};
use crate::reload::Gateway;

/// What was put in force, and with which listeners.
pub(crate) struct InForce {
    pub(crate) applied: Applied,
    pub(crate) states: States,
    pub(crate) laid: Laid,
    /// What its upstreams were found by.
    pub(crate) candidate: Arc<Candidate>,
}

impl Gateway {
    /// What is known of the accelerators of a configuration.
    pub(crate) async fn states_for(self: &Arc<Self>, wish: &Wish) -> States {
        if wish.config.cloud.accelerators.is_empty() {
            return States::new();
        }
        let (gateway, config) = (Arc::clone(self), Arc::clone(&wish.config));
        let read = move || {
            let mut dirs: Vec<_> = gateway.process.state_dir().into_iter().collect();
            dirs.extend(compose::state_dirs(&config));
            gateway.cloud.accelerators.states(&config, &dirs)
        };
        tokio::task::spawn_blocking(read).await.unwrap_or_default()
    }

    /// Builds a configuration with the listeners of accelerators, and makes it the one in force.
    pub(crate) async fn lay(&self, wish: &Wish, states: States, state_dir: Option<&Path>) -> Result<InForce, String> {
        let candidate = Arc::new(self.cloud.prepare(&wish.config, state_dir).await);
        let ports = Ports { discovery: Arc::clone(&candidate) as _, ..self.ports.clone() };
        let mut without = BTreeMap::new();
        loop {
            let previous = self.proxy.snapshot();
            let (config, laid) = accelerators::lay(&wish.config, &states, &without);
            let origin = Origin { source: wish.name.clone(), digest: wish.digest.clone() };
            let next = Snapshot::build(Arc::new(config), origin, &ports, &previous).await;
            let next = next.map_err(|e| e.to_string())?;
            let error = match self.apply(next, wish).await {
                Ok(applied) => return Ok(InForce { applied, states, laid, candidate }),
                Err(error) => error,
            };
            // A listener of a file has to be there; one that was made can wait.
            let culprit = error.downcast_ref::<ListenError>().and_then(|error| {
                laid.listener_on(error.addr).filter(|name| !without.contains_key(name)).zip(Some(error.to_string()))
            });
            let (name, text): (ListenerName, String) = culprit.ok_or_else(|| format!("{error:#}"))?;
            without.insert(name, text);
        }
    }

    /// Puts a state of an accelerator in force, over the configuration that was read last.
    pub(crate) async fn overlay_for(self: &Arc<Self>, put: Put) {
        let Put { name, state, done } = put;
        let outcome = self.put_over(&name, state).await;
        // Who asked has left when its section was changed.
        drop(done.send(outcome));
    }

    async fn put_over(self: &Arc<Self>, name: &str, state: Arc<yumen_cloud::accelerator::State>) -> Result<(), String> {
        let wish = self.wish.borrow().clone().ok_or("nothing is in force yet")?;
        if self.draining.load(std::sync::atomic::Ordering::Relaxed) {
            return Err("the gateway is stopping".to_owned());
        }
        let section = wish.config.cloud.accelerators.get(name);
        if section.is_none_or(|section| yumen_cloud::accelerator::target(section) != state.target) {
            return Err("its section has changed".to_owned());
        }
        let mut states = self.states_for(&wish).await;
        let version = state.version;
        states.insert(name.to_owned(), state);
        let in_force = self.lay(&wish, states, self.process.state_dir().as_deref()).await?;
        let list = |all: &[std::net::SocketAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let (opened, closed) = (list(&in_force.applied.opened), list(&in_force.applied.closed));
        let generation = in_force.applied.generation;
        tracing::info!(
            accelerator = name,
            version,
            generation,
            opened,
            closed,
            "listeners of an accelerator put in force"
        );
        self.ports.registry.gateway().config_generation.set(generation);
        let candidate = Arc::clone(&in_force.candidate);
        self.tell_laid(in_force).await;
        self.cloud.commit(&wish.config, &candidate);
        Ok(())
    }

    /// Remembers, keeps and tells which listeners are laid over the configuration; gives what was opened and closed.
    pub(crate) async fn tell_laid(self: &Arc<Self>, in_force: InForce) -> Applied {
        let InForce { applied, states, laid, .. } = in_force;
        let gateway = Arc::clone(self);
        let told = move || gateway.cloud.accelerators.in_force(states, laid, gateway.process.state_dir().as_deref());
        if let Err(error) = tokio::task::spawn_blocking(told).await {
            tracing::error!(%error, "the state of the accelerators cannot be told");
        }
        applied
    }
}
