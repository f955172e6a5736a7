//! Endpoints of upstreams that the cloud knows: instances of ECS that run, servers of the groups of load balancers.
//!
//! Each section is asked for again and again, and what is found goes out as a full state through a [`Cell`]. What was found
//! before stays while an answer fails, and while an empty one was seen only once; it is kept on the disk, so that a gateway
//! that starts while the cloud is away begins with it.

mod ecs;
mod group;
mod store;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use yumen_alibaba::{Client, Error};
use yumen_config::config::{Discover, DiscoverFrom};
use yumen_core::{Discovered, DiscoveredEndpoint, Source};
use yumen_net::rt;
use yumen_telemetry::Duty;

use crate::rhythm::Rhythm;

pub use store::Store;

/// So long a start or a reload waits for the first answer of a section that nothing is known of.
pub const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// What is known for one section, for who follows it.
#[derive(Debug)]
pub struct Cell(watch::Sender<Arc<Discovered>>);

impl Cell {
    /// A cell that begins with what is known already.
    pub fn new(known: Arc<Discovered>) -> Self {
        Self(watch::Sender::new(known))
    }

    /// What is known now.
    pub fn known(&self) -> Arc<Discovered> {
        Arc::clone(&self.0.borrow())
    }
}

impl Source for Cell {
    type State = Discovered;

    fn watch(&self) -> watch::Receiver<Arc<Discovered>> {
        self.0.subscribe()
    }
}

/// One complete answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The endpoints, sorted, each address once.
    pub endpoints: Vec<DiscoveredEndpoint>,
    /// What was left out and why.
    pub left_out: Vec<String>,
}

/// Asks once for all endpoints of a section.
///
/// # Errors
/// Each of [`Error`]: a part of an answer is none.
pub async fn ask(section: &Discover, client: &Client) -> Result<Answer, Error> {
    let mut answer = match &section.from {
        DiscoverFrom::Ecs(instances) => ecs::ask(instances, section.port, client).await?,
        DiscoverFrom::ServerGroup(group) => group::ask(group, section.port, client).await?,
    };
    answer.endpoints.sort_by(|a, b| (&a.id, a.addr).cmp(&(&b.id, b.addr)));
    let mut seen = std::collections::HashSet::new();
    answer.endpoints.retain(|endpoint| seen.insert(endpoint.addr));
    Ok(answer)
}

/// Follows one section.
pub struct Follower {
    /// What is asked for.
    pub section: Arc<Discover>,
    /// Where what is found goes.
    pub cell: Arc<Cell>,
    /// Where it is kept; `None`: nowhere.
    pub store: Option<Store>,
    /// Where it is told how this fares.
    pub duty: Duty,
    /// Whether the cell holds an answer that came just now.
    pub is_fresh: bool,
}

impl Follower {
    /// Asks until it is dropped.
    pub async fn run(mut self, client: Client) {
        let mut rhythm = Rhythm::new(self.section.interval);
        let mut was_empty = false;
        if self.is_fresh {
            self.told(&Answer::default());
            self.keep().await;
            self.rest(&mut rhythm, true).await;
        }
        loop {
            let answered = ask(&self.section, &client).await;
            let is_well = match answered {
                Ok(answer) => {
                    was_empty = self.take(answer, was_empty).await;
                    true
                }
                Err(error) => {
                    was_empty = false;
                    self.duty.failing(format!("{error}; {} stay", count(self.cell.known().endpoints.len())));
                    false
                }
            };
            self.rest(&mut rhythm, is_well).await;
        }
    }

    async fn rest(&self, rhythm: &mut Rhythm, is_well: bool) {
        let pause = rhythm.pause(is_well);
        self.duty.next(rt::wall().checked_add(pause));
        rt::sleep(pause).await;
    }

    /// Takes an answer in; says whether it is an empty one that has to come again before it counts.
    async fn take(&mut self, answer: Answer, was_empty: bool) -> bool {
        let known = self.cell.known();
        if answer.endpoints.is_empty() && !known.endpoints.is_empty() && !was_empty {
            let stay = count(known.endpoints.len());
            self.duty.well(format!("the answer was empty; {stay} stay unless the next one is empty too"));
            return true;
        }
        if answer.endpoints != known.endpoints || known.version == 0 {
            let next = Discovered { version: known.version + 1, endpoints: answer.endpoints.clone() };
            self.cell.0.send_replace(Arc::new(next));
            self.keep().await;
        }
        self.told(&answer);
        false
    }

    fn told(&self, answer: &Answer) {
        let known = self.cell.known();
        let mut text = count(known.endpoints.len());
        if let Some(first) = answer.left_out.first() {
            text += &format!("; left out {}: {first}", answer.left_out.len());
        }
        self.duty.fact("endpoints", known.endpoints.len());
        self.duty.fact("version", known.version);
        self.duty.well(text);
    }

    /// Keeps what is known for the next start. That it cannot be kept is told, and is no failure of what serves now.
    async fn keep(&self) {
        let changed = rt::wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.duty.fact("changed", changed);
        let Some(store) = self.store.clone() else { return };
        let (section, known) = (Arc::clone(&self.section), self.cell.known());
        let kept = tokio::task::spawn_blocking(move || store.keep(&section, &known)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(upstream = self.duty.name(), %error, "discovered endpoints were not kept for the next start");
        }
    }
}

fn count(endpoints: usize) -> String {
    match endpoints {
        1 => "1 endpoint".to_owned(),
        n => format!("{n} endpoints"),
    }
}
