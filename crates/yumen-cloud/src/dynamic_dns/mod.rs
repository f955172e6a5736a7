//! Dynamic DNS: records in AliDNS that follow the addresses of this machine.
//!
//! Each turn learns the addresses, reads the records of every name and changes what differs, so that what others changed is
//! put right too. Records that are not ours stay as they are, unless the name is said to belong to this machine alone; a
//! source that tells no address changes nothing.

mod address;
mod memory;
mod source;
mod step;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use yumen_alibaba::api::dns::{DEFAULT_LINE, Dns, Wish, Zone, zone_of};
use yumen_alibaba::credential::Metadata;
use yumen_alibaba::transport::Transport;
use yumen_alibaba::{Client, Error};
use yumen_config::config::{AddressSource, DynamicDns, Want};
use yumen_core::Pending;
use yumen_net::rt;
use yumen_telemetry::Duty;

use crate::change::{Change, Keeper};
use crate::rhythm::Rhythm;
use memory::Memory;
use step::{Found, Step, Target, steps};

/// The TTL that every edition takes, in seconds.
const TTL: u32 = 600;
/// How long the list of zones is believed.
const ZONES: Duration = Duration::from_secs(3600);
/// How often the addresses of an interface are looked at between turns.
const LOOK: Duration = Duration::from_secs(5);

/// What is needed of the world.
#[derive(Clone)]
pub struct Means {
    /// The account's.
    pub client: Client,
    /// The metadata service of this instance.
    pub metadata: Arc<Metadata>,
    /// Asks servers what address they see.
    pub transport: Arc<dyn Transport>,
    /// Where it is remembered which records are ours; `None`: nowhere.
    pub state_dir: Option<PathBuf>,
}

impl fmt::Debug for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Means").field("state_dir", &self.state_dir).finish_non_exhaustive()
    }
}

/// Keeps the records of a section until it is dropped.
pub async fn run(section: Arc<DynamicDns>, means: Means, duty: Duty) {
    let mut rhythm = Rhythm::new(section.interval);
    let mut follower = Follower::new(section, means, duty.name());
    loop {
        let outcome = follower.turn(&duty).await;
        let is_well = outcome.is_ok();
        match outcome {
            Ok(text) => duty.well(text),
            Err(text) => duty.failing(text),
        }
        let pause = rhythm.pause(is_well);
        duty.next(rt::wall().checked_add(pause));
        tokio::select! {
            () = rt::sleep(pause) => {}
            () = follower.moved(), if is_well => {}
        }
    }
}

/// The records of a section, for whoever looks once.
#[derive(Debug)]
pub struct Records {
    /// The section.
    pub section: Arc<DynamicDns>,
    /// Its name.
    pub name: String,
    /// What is needed of the world.
    pub means: Means,
}

impl Records {
    fn follower(&self) -> Follower {
        Follower::new(Arc::clone(&self.section), self.means.clone(), &self.name)
    }
}

impl Keeper for Records {
    fn plan(&self) -> Pending<'_, Result<Vec<Change>, String>> {
        Box::pin(async { self.follower().plan().await })
    }

    fn sync(&self) -> Pending<'_, Result<Vec<Change>, String>> {
        Box::pin(async {
            let mut follower = self.follower();
            let addresses = follower.addresses().await?;
            let (changed, failed) = follower.keep_all(&addresses).await;
            if failed.is_empty() { Ok(changed) } else { Err(failed.join("; ")) }
        })
    }
}

const KINDS: [&str; 2] = ["A", "AAAA"];

struct Follower {
    section: Arc<DynamicDns>,
    means: Means,
    dns: Dns,
    memory: Memory,
    zones: Option<(Vec<Zone>, Instant)>,
    /// The shortest TTL of zones, as far as it was learned.
    floors: HashMap<String, u32>,
    /// What the interface had when it was last looked at.
    seen: Vec<IpAddr>,
}

impl Follower {
    fn new(section: Arc<DynamicDns>, means: Means, name: &str) -> Self {
        let memory = Memory::open(means.state_dir.as_deref(), name);
        let dns = Dns::new(means.client.clone());
        Self { section, means, dns, memory, zones: None, floors: HashMap::new(), seen: Vec::new() }
    }

    /// One turn; the text says what is so now, or all that failed.
    async fn turn(&mut self, duty: &Duty) -> Result<String, String> {
        let addresses = self.addresses().await?;
        duty.fact("addresses", serde_json::json!(addresses));
        duty.fact("names", serde_json::json!(self.section.names));
        let (changed, failed) = self.keep_all(&addresses).await;
        if let Some(last) = changed.last() {
            duty.fact("last_change", serde_json::json!(last.to_string()));
        }
        if !failed.is_empty() {
            return Err(failed.join("; "));
        }
        let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
        Ok(format!("{} at {}", self.section.names.join(", "), addresses.join(", ")))
    }

    /// Makes the records of all names say what they shall; tells what was changed and what failed.
    async fn keep_all(&mut self, addresses: &[IpAddr]) -> (Vec<Change>, Vec<String>) {
        let (mut failed, mut changed) = (Vec::new(), Vec::new());
        for name in self.section.names.clone() {
            let outcome = self.keep(&name, addresses, &mut changed).await;
            failed.extend(outcome.err().map(|text| format!("{name}: {text}")));
            failed.extend(self.memory.save().err());
        }
        (changed, failed)
    }

    /// What would be changed.
    async fn plan(&mut self) -> Result<Vec<Change>, String> {
        let addresses = self.addresses().await?;
        let (section, mut changes) = (Arc::clone(&self.section), Vec::new());
        for name in &section.names {
            let (zone, rr) = self.zone(name).await?;
            self.learn_floor(&zone).await;
            for kind in KINDS {
                let Some(target) = target(&section, self.floor(&zone), &rr, (kind, &addresses)) else { continue };
                let found = survey(&self.dns, &zone, &target, &self.memory).await?;
                changes.extend(found.steps.iter().map(|step| told(step, name, kind)));
            }
        }
        Ok(changes)
    }

    /// The addresses that are published.
    async fn addresses(&mut self) -> Result<Vec<IpAddr>, String> {
        let stay = "; the records stay as they are";
        let found = source::addresses(&self.section.source, &self.means).await;
        let found = found.map_err(|why| format!("no address: {why}{stay}"))?;
        self.seen.clone_from(&found);
        let (mut good, refused) = address::sift(found, self.section.private);
        let wants = |address: &IpAddr| match address {
            IpAddr::V4(_) => self.section.a != Want::Never,
            IpAddr::V6(_) => self.section.aaaa != Want::Never,
        };
        good.retain(wants);
        for (want, family, is_there) in [
            (self.section.a, "IPv4", good.iter().any(IpAddr::is_ipv4)),
            (self.section.aaaa, "IPv6", good.iter().any(IpAddr::is_ipv6)),
        ] {
            if want == Want::Must && !is_there || good.is_empty() && want != Want::Never {
                let refused: Vec<String> = refused.iter().map(IpAddr::to_string).collect();
                let only = match refused.as_slice() {
                    [] => String::new(),
                    some => format!(
                        " that may be published, only {}; `private: true` publishes private ones",
                        some.join(", ")
                    ),
                };
                return Err(format!("there is no {family} address{only}{stay}"));
            }
        }
        Ok(good)
    }

    /// Ends when the addresses of the interface are others than those of the last turn.
    async fn moved(&self) {
        let AddressSource::Interface(name) = &self.section.source else { return std::future::pending().await };
        loop {
            rt::sleep(LOOK).await;
            if source::interface(name).await.is_ok_and(|addresses| addresses != self.seen) {
                return;
            }
        }
    }

    /// The zone of a name, and the name below it.
    async fn zone(&mut self, name: &str) -> Result<(Zone, String), String> {
        let is_known = self.zones.as_ref().is_some_and(|(_, since)| rt::now().duration_since(*since) < ZONES);
        if !is_known {
            let zones = match &self.section.zone {
                Some(zone) => self.dns.zone(zone).await.map(|zone| vec![zone]),
                None => self.dns.zones().await,
            };
            let zones = zones.map_err(|error| format!("the zones of AliDNS cannot be read: {error}"))?;
            self.zones = Some((zones, rt::now()));
        }
        let zones = self.zones.as_ref().map(|(zones, _)| zones.as_slice()).unwrap_or_default();
        let found = zone_of(zones, name).map(|(zone, rr)| (zone.clone(), rr));
        if found.is_none() {
            // It may be made meanwhile.
            self.zones = None;
        }
        found.ok_or_else(|| {
            "it lies in no zone of this AliDNS account; add the zone, or name another `account`".to_owned()
        })
    }

    /// The shortest TTL of a zone, as far as it is known.
    fn floor(&self, zone: &Zone) -> u32 {
        self.floors.get(&zone.domain_name).copied().unwrap_or_default()
    }

    /// Makes the records of a name say what they shall.
    async fn keep(&mut self, name: &str, addresses: &[IpAddr], changed: &mut Vec<Change>) -> Result<(), String> {
        let (zone, rr) = self.zone(name).await?;
        self.learn_floor(&zone).await;
        let (section, mut disabled) = (Arc::clone(&self.section), Vec::new());
        for kind in KINDS {
            for is_last in [false, true] {
                let floor = self.floor(&zone);
                let Some(target) = target(&section, floor, &rr, (kind, addresses)) else { break };
                let found = survey(&self.dns, &zone, &target, &self.memory).await?;
                found.kept.iter().for_each(|id| self.memory.add(id));
                match apply(&self.dns, &zone, &target, found.steps, &mut self.memory, (name, changed)).await {
                    Ok(()) => {
                        disabled.extend(found.disabled);
                        break;
                    }
                    // The floor was not told, or is another one.
                    Err(error) if error.is(&["QuotaExceeded.TTL"]) && !is_last => {
                        self.floors.insert(zone.domain_name.clone(), TTL);
                    }
                    Err(error) => return Err(error.to_string()),
                }
            }
        }
        if disabled.is_empty() {
            return Ok(());
        }
        Err(format!("the record for {} is turned off in AliDNS; turn it on there", disabled.join(", ")))
    }

    /// Asks for the shortest TTL of a zone where that matters. Keys without the right to ask learn it from a refusal.
    async fn learn_floor(&mut self, zone: &Zone) {
        let is_short = self.section.ttl.is_some_and(|ttl| ttl < TTL);
        if !is_short || self.floors.contains_key(&zone.domain_name) {
            return;
        }
        let told = if zone.min_ttl > 0 { Ok(zone.clone()) } else { self.dns.zone(&zone.domain_name).await };
        let Some(floor) = told.ok().and_then(|zone| u32::try_from(zone.min_ttl).ok()).filter(|floor| *floor > 0) else {
            return;
        };
        if let Some(ttl) = self.section.ttl.filter(|ttl| *ttl < floor) {
            let zone = &zone.domain_name;
            tracing::warn!("a TTL of {ttl} s is below what the edition of {zone} allows; {floor} s is used");
        }
        self.floors.insert(zone.domain_name.clone(), floor);
    }
}

/// What the records of a type shall say; `None` when they are left alone.
fn target<'a>(
    section: &'a DynamicDns,
    floor: u32,
    rr: &'a str,
    (kind, addresses): (&'static str, &[IpAddr]),
) -> Option<Target<'a>> {
    let addresses: Vec<IpAddr> = addresses.iter().copied().filter(|one| one.is_ipv4() == (kind == "A")).collect();
    let ttl = section.ttl.map(|ttl| ttl.max(floor));
    let target = Target { rr, kind, addresses, ttl, line: &section.line, exclusive: section.exclusive };
    (!target.addresses.is_empty()).then_some(target)
}

/// Compares what shall be with what is.
async fn survey(dns: &Dns, zone: &Zone, target: &Target<'_>, memory: &Memory) -> Result<Found, String> {
    let there = dns.records_of(&zone.domain_name, target.rr, target.kind).await;
    let there = there.map_err(|error| format!("its records cannot be read: {error}"))?;
    Ok(steps(target, &there, memory.ids()))
}

/// Takes the steps, and remembers after each what became of it.
async fn apply(
    dns: &Dns,
    zone: &Zone,
    target: &Target<'_>,
    steps: Vec<Step>,
    memory: &mut Memory,
    (name, changed): (&str, &mut Vec<Change>),
) -> Result<(), Error> {
    let line = (target.line != DEFAULT_LINE).then_some(target.line);
    for step in steps {
        let value = match &step {
            Step::Add(address) | Step::Update { to: address, .. } | Step::Keep { value: address, .. } => {
                address.to_string()
            }
            Step::Delete { .. } => String::new(),
        };
        let wish = Wish { rr: target.rr, kind: target.kind, value: &value, ttl: target.ttl, line };
        let is_change = match &step {
            Step::Add(_) => {
                let added = dns.add(&zone.domain_name, &wish).await?;
                memory.add(added.id());
                matches!(added, yumen_alibaba::api::dns::Added::New(_))
            }
            Step::Update { id, .. } | Step::Keep { id, .. } => {
                let is_change = dns.update(id, &wish).await?;
                memory.add(id);
                is_change
            }
            Step::Delete { id, .. } => {
                let is_change = dns.delete(id).await?;
                memory.remove(id);
                is_change
            }
        };
        if is_change {
            let change = told(&step, name, target.kind);
            tracing::info!("dynamic DNS: {change}");
            changed.push(change);
        }
    }
    Ok(())
}

/// A step as people read it.
fn told(step: &Step, name: &str, kind: &str) -> Change {
    let what = format!("{kind} {name}");
    match step {
        Step::Add(address) => Change::add(what, address.to_string()),
        Step::Update { from, to, .. } => Change::alter(what, from, to.to_string()),
        Step::Keep { value, from, to, .. } => {
            Change::alter(format!("TTL of {what} {value}"), format!("{from}s"), format!("{to}s"))
        }
        Step::Delete { value, .. } => Change::remove(what, value),
    }
}
