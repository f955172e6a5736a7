//! This machine as a server behind load balancers: added when the gateway serves, looked after while it does, removed
//! before it stops.
//!
//! One task for each section does all of it, one step after another, so that no change overtakes another: an entry that is
//! being added is not taken for one that is not there.

mod entry;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use yumen_alibaba::Client;
use yumen_alibaba::credential::Metadata;
use yumen_config::config::{RegisteredServer, Registration};
use yumen_core::Pending;
use yumen_net::rt;
use yumen_telemetry::Duty;

use crate::change::{Change, Keeper};
use crate::rhythm::Rhythm;
use entry::{Entry, Found, Health};

/// What a registration has to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Be there.
    #[default]
    Stay,
    /// Leave the group, then end.
    Leave,
    /// End; the entry stays, for another one that looks after it.
    Yield,
}

/// What a registration works with.
#[derive(Clone, Debug)]
pub struct Means {
    /// Asks the cloud.
    pub client: Client,
    /// Tells which instance this is.
    pub metadata: Arc<Metadata>,
}

/// So often a group is looked at until an entry is gone.
const LOOK: Duration = Duration::from_secs(1);

/// One registration.
pub struct Registrar {
    section: Arc<Registration>,
    name: String,
    means: Means,
    /// Which server this is, once it is known.
    server: Option<String>,
    /// Whether an entry of this machine was seen or asked for: only then there is one to take out.
    was_there: bool,
    /// Whether the entry was as it should be: what somebody changes after that was meant.
    is_settled: bool,
}

impl Registrar {
    /// A registration by its name; nothing is sent.
    #[must_use]
    pub fn new(section: Arc<Registration>, name: impl Into<String>, means: Means) -> Self {
        Self { section, name: name.into(), means, server: None, was_there: false, is_settled: false }
    }

    /// Is there until it is told otherwise.
    pub async fn run(mut self, mut orders: watch::Receiver<Order>, duty: Duty) {
        let mut rhythm = Rhythm::new(self.section.interval);
        loop {
            // Nobody to give orders is as being told to end.
            let order = *orders.borrow_and_update();
            match order {
                Order::Stay => {}
                Order::Leave => return self.leave(&duty).await,
                Order::Yield => return,
            }
            let is_well = match self.keep(&duty).await {
                Ok(text) => {
                    duty.well(text);
                    true
                }
                Err(text) => {
                    duty.failing(text);
                    false
                }
            };
            let pause = rhythm.pause(is_well);
            duty.next(rt::wall().checked_add(pause));
            tokio::select! {
                () = rt::sleep(pause) => {}
                changed = orders.changed() => if changed.is_err() { return },
            }
        }
    }

    /// One look, and what follows from it.
    async fn keep(&mut self, duty: &Duty) -> Result<String, String> {
        let entry = self.entry().await?;
        let found = entry.find().await.map_err(told)?;
        self.was_there = true;
        let mut text = match self.step(found.as_ref()) {
            Step::Wait => return Err(format!("{} is still being removed from {}", entry.name(), entry.place())),
            Step::Add => {
                entry.add().await.map_err(told)?;
                tracing::info!(name = self.name, server = entry.name(), "registered in {}", entry.place());
                "registered".to_owned()
            }
            Step::Correct => {
                entry.set(self.section.weight).await.map_err(told)?;
                tracing::info!(name = self.name, server = entry.name(), "corrected in {}", entry.place());
                "registered".to_owned()
            }
            Step::None => match found.filter(|found| found.weight != i64::from(self.section.weight)) {
                Some(found) => format!(
                    "somebody gave it weight {} in place of {}; `yumen alibaba sync` sets it back",
                    found.weight, self.section.weight
                ),
                None => "registered".to_owned(),
            },
        };
        let (place, name) = (entry.place(), entry.name());
        let health = if self.section.health { Some(entry.health().await) } else { None };
        self.is_settled = true;
        duty.fact("server", serde_json::json!(name));
        duty.fact("group", serde_json::json!(place));
        text += &format!(" as {name} in {place}");
        match health {
            None => Ok(text),
            Some(Ok(health)) => tell(&health, text, duty),
            Some(Err(error)) => {
                duty.forget("health");
                Err(format!("{text}; its health cannot be read: {error}"))
            }
        }
    }

    fn step(&self, found: Option<&Found>) -> Step {
        match found {
            None => Step::Add,
            Some(found) if found.status == "Removing" => Step::Wait,
            Some(_) if self.is_settled => Step::None,
            Some(found) if differs(&self.section, found) => Step::Correct,
            Some(_) => Step::None,
        }
    }

    /// Leaves the group: no new connections, then none at all, and back only when the balancer says so. Tried until it is
    /// done; whoever called has a limit.
    async fn leave(&mut self, duty: &Duty) {
        let mut rhythm = Rhythm::new(Duration::from_secs(5));
        loop {
            match self.leave_once(duty).await {
                Ok(()) => {
                    tracing::info!(name = self.name, "left the group; the balancer sends nothing here any more");
                    return;
                }
                Err(text) if !self.was_there => {
                    // A service that was away all the time must not hold up every stop.
                    tracing::warn!(name = self.name, "there is nothing to leave that this process knows of: {text}");
                    return;
                }
                Err(text) => duty.failing(format!("leaving: {text}")),
            }
            rhythm.rest(false).await;
        }
    }

    async fn leave_once(&mut self, duty: &Duty) -> Result<(), String> {
        let entry = self.entry().await?;
        let Some(found) = entry.find().await.map_err(told)? else { return Ok(()) };
        if found.status != "Removing" {
            if found.weight != 0 {
                entry.set(0).await.map_err(told)?;
                tracing::info!(name = self.name, "weight 0: the balancer opens no new connections");
                duty.well("leaving: weight 0");
                rt::sleep(self.section.settle).await;
            }
            entry.remove().await.map_err(told)?;
        }
        while entry.find().await.map_err(told)?.is_some() {
            duty.well("leaving: removed, and the balancer does not see it yet");
            rt::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn entry(&mut self) -> Result<Entry, String> {
        let server = self.server().await?;
        Ok(Entry { section: Arc::clone(&self.section), client: self.means.client.clone(), server })
    }

    /// Which server this machine is.
    async fn server(&mut self) -> Result<String, String> {
        let known = match &self.section.server {
            RegisteredServer::Instance(Some(id)) | RegisteredServer::Interface(id, _) => Some(id.clone()),
            RegisteredServer::Address(ip) => Some(ip.to_string()),
            RegisteredServer::Instance(None) => self.server.clone(),
        };
        if let Some(known) = known {
            return Ok(known);
        }
        let hint = "write the id of the instance as `instance`";
        let id = match self.means.metadata.item("instance-id").await {
            Ok(Some(id)) => id.trim().to_owned(),
            Ok(None) => return Err(format!("the metadata service does not say which instance this is; {hint}")),
            Err(error) => return Err(format!("it is not known which instance this is: {error}; or {hint}")),
        };
        self.server = Some(id.clone());
        Ok(id)
    }

    /// What would have to change.
    async fn changes(&mut self) -> Result<Vec<Change>, String> {
        let entry = self.entry().await?;
        let what = format!("{} in {}", entry.name(), entry.place());
        let found = entry.find().await.map_err(told)?;
        let wanted = format!("weight {}", self.section.weight);
        Ok(match self.step(found.as_ref()) {
            Step::None => Vec::new(),
            Step::Wait => return Err(format!("{what} is still being removed; ask again later")),
            Step::Add => vec![Change::add(what, wanted)],
            Step::Correct => {
                let found = found.map(|found| format!("weight {} ({})", found.weight, found.description));
                vec![Change::alter(what, found.unwrap_or_default(), format!("{wanted} ({})", self.section.description))]
            }
        })
    }
}

/// What follows from a look.
enum Step {
    None,
    Add,
    Correct,
    Wait,
}

fn differs(section: &Registration, found: &Found) -> bool {
    found.weight != i64::from(section.weight) || found.description != section.description
}

fn told(error: yumen_alibaba::Error) -> String {
    error.to_string()
}

fn tell(health: &Health, text: String, duty: &Duty) -> Result<String, String> {
    let (word, outcome) = match health {
        Health::Normal => ("normal".to_owned(), Ok(format!("{text}; the balancer finds it well"))),
        Health::Unknown(why) => (why.clone(), Ok(format!("{text}; the balancer does not say that it is well: {why}"))),
        Health::Bad(why) => {
            (why.clone(), Err(format!("{text}, but the balancer finds it unwell and sends nothing: {why}")))
        }
    };
    duty.fact("health", serde_json::json!(word));
    outcome
}

/// A registration for who looks once.
pub struct Registered {
    /// The section.
    pub section: Arc<Registration>,
    /// Its name.
    pub name: String,
    /// What is worked with.
    pub means: Means,
}

impl Registered {
    fn registrar(&self) -> Registrar {
        Registrar::new(Arc::clone(&self.section), self.name.clone(), self.means.clone())
    }
}

impl Keeper for Registered {
    fn plan(&self) -> Pending<'_, Result<Vec<Change>, String>> {
        Box::pin(async { self.registrar().changes().await })
    }

    fn sync(&self) -> Pending<'_, Result<Vec<Change>, String>> {
        Box::pin(async {
            let mut registrar = self.registrar();
            let changes = registrar.changes().await?;
            let entry = registrar.entry().await?;
            match changes.first() {
                None => {}
                Some(Change { from: None, .. }) => entry.add().await.map_err(told)?,
                Some(_) => entry.set(registrar.section.weight).await.map_err(told)?,
            }
            Ok(changes)
        })
    }
}
