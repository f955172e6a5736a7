//! Looks after a NAT gateway: its SNAT entries and its addresses beside what the configuration wants of them.
//!
//! What differs is told, and makes the duty fail. Entries that are missing are created where the section says so, or by
//! `yumen alibaba sync`: one at a time, each waited for, because a gateway takes no two at once. Nothing is ever changed
//! or deleted.

mod compare;

use std::sync::Arc;

use serde_json::json;
use yumen_alibaba::Client;
use yumen_alibaba::api::vpc::{self, Eip, SnatEntry, Source};
use yumen_config::config::{NatGateway, SnatSource, SnatWish};
use yumen_core::Pending;
use yumen_net::rt;
use yumen_telemetry::Duty;

use crate::change::{Change, Keeper};
use crate::rhythm::Rhythm;
use compare::{Drift, drift};

/// What was found at one look.
struct Look {
    /// The table that entries are created in.
    table: Option<String>,
    status: String,
    entries: Vec<SnatEntry>,
    eips: Vec<Eip>,
}

/// Looks after a gateway for as long as its section stays the same.
pub async fn run(section: Arc<NatGateway>, client: Client, duty: Duty) {
    let mut rhythm = Rhythm::new(section.interval);
    loop {
        let outcome = turn(&section, &client, &duty).await;
        let is_well = outcome.is_ok();
        // What differs is there until somebody ends it: looking more often than usual would not.
        let is_reached = !matches!(outcome, Err(Trouble::Call(_)));
        match outcome {
            Ok(text) => duty.well(text),
            Err(Trouble::Call(text) | Trouble::Drift(text)) => duty.failing(text),
        }
        let pause = rhythm.pause(is_well || is_reached);
        duty.next(Some(rt::wall() + pause));
        rt::sleep(pause).await;
    }
}

/// Why a turn did not go well.
enum Trouble {
    /// The cloud could not be asked, or refused.
    Call(String),
    /// It is not as wanted.
    Drift(String),
}

async fn turn(section: &NatGateway, client: &Client, duty: &Duty) -> Result<String, Trouble> {
    let mut now = look(section, client).await.map_err(Trouble::Call)?;
    let mut found = drift(section, &now);
    tell(section, &now, &found, duty);
    let mut refusal = None;
    if section.create && !found.missing.is_empty() {
        refusal = create(section, client, &now, &found, &mut Vec::new()).await.err();
        now = look(section, client).await.map_err(Trouble::Call)?;
        found = drift(section, &now);
        tell(section, &now, &found, duty);
    }
    match (found.told(section), refusal) {
        (_, Some(text)) => Err(Trouble::Call(text)),
        (Some(text), None) => Err(Trouble::Drift(text)),
        (None, None) => Ok(format!("{} entries, {} addresses, as wanted", now.entries.len(), now.eips.len())),
    }
}

fn tell(section: &NatGateway, now: &Look, found: &Drift<'_>, duty: &Duty) {
    let entry = |one: &SnatEntry| {
        let source = if one.source_v_switch_id.is_empty() { &one.source_cidr } else { &one.source_v_switch_id };
        json!({"id": one.snat_entry_id, "source": source, "addresses": compare::addresses(&one.snat_ip),
            "status": one.status})
    };
    let eip = |one: &Eip| json!({"id": one.allocation_id, "address": one.ip_address, "status": one.status});
    duty.fact("gateway", json!(section.gateway));
    duty.fact("status", json!(now.status));
    duty.fact("entries", now.entries.iter().map(entry).collect::<serde_json::Value>());
    duty.fact("eips", now.eips.iter().map(eip).collect::<serde_json::Value>());
    duty.fact("egress", json!(section.egress));
    duty.fact("drift", json!(found.all()));
}

async fn look(section: &NatGateway, client: &Client) -> Result<Look, String> {
    let told = |error: yumen_alibaba::Error| error.to_string();
    let all = vpc::nat_gateways(client, None).await.map_err(told)?;
    let gateway = all
        .into_iter()
        .find(|one| one.nat_gateway_id == section.gateway)
        .ok_or_else(|| format!("there is no NAT gateway {} in {}", section.gateway, client.region()))?;
    let entries = vpc::snat_entries(client, &section.gateway).await.map_err(told)?;
    let eips = vpc::eips(client, Some(&section.gateway)).await.map_err(told)?;
    Ok(Look { table: gateway.snat_table_ids.into_iter().next(), status: gateway.status, entries, eips })
}

/// Creates what is missing, one after the other. What was created is put into `done`.
async fn create(
    section: &NatGateway,
    client: &Client,
    now: &Look,
    found: &Drift<'_>,
    done: &mut Vec<Change>,
) -> Result<(), String> {
    if let Some(busy) = now.busy() {
        return Err(format!("no entry was created: {busy}; the next turn tries again"));
    }
    let table = now.table.as_deref().ok_or_else(|| format!("gateway {} has no SNAT table", section.gateway))?;
    for wish in &found.missing {
        // Without its address the entry would be refused by a code that says less.
        if let Some(unbound) =
            wish.addresses.iter().find(|a| !now.eips.iter().any(|eip| eip.ip_address == a.to_string()))
        {
            let of = &section.gateway;
            return Err(format!("{} was not created: {unbound} is no EIP of {of}; bind it first", what(section, wish)));
        }
        let cidr;
        let source = match &wish.source {
            SnatSource::Network(net) => {
                cidr = net.to_string();
                Source::Cidr(&cidr)
            }
            SnatSource::Switch(id) => Source::VSwitch(id),
        };
        let addresses: Vec<String> = wish.addresses.iter().map(ToString::to_string).collect();
        let name = format!("yumen-{}", section.name);
        let id = vpc::create_snat(client, table, &source, &addresses, Some(&name)).await.map_err(|e| e.to_string())?;
        tracing::info!(gateway = section.gateway, entry = id, "SNAT entry created for {}", wish.source);
        done.push(change(section, wish));
    }
    Ok(())
}

impl Look {
    /// Why no entry can be created at the moment.
    fn busy(&self) -> Option<String> {
        if self.status != "Available" {
            return Some(format!("the gateway is {}", self.status));
        }
        let entry = self.entries.iter().find(|entry| entry.status != "Available")?;
        Some(format!("entry {} is {}", entry.snat_entry_id, entry.status))
    }
}

fn what(section: &NatGateway, wish: &SnatWish) -> String {
    format!("SNAT entry {} of {}", wish.source, section.gateway)
}

fn change(section: &NatGateway, wish: &SnatWish) -> Change {
    Change::add(what(section, wish), compare::list(&wish.addresses))
}

/// The SNAT entries of a section.
pub struct NatKeeper {
    section: Arc<NatGateway>,
    client: Client,
}

impl NatKeeper {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(section: Arc<NatGateway>, client: Client) -> Self {
        Self { section, client }
    }
}

impl Keeper for NatKeeper {
    fn plan(&self) -> Pending<'_, Result<Vec<Change>, String>> {
        Box::pin(async {
            let now = look(&self.section, &self.client).await?;
            let found = drift(&self.section, &now);
            Ok(found.missing.iter().map(|wish| change(&self.section, wish)).collect())
        })
    }

    fn sync(&self) -> Pending<'_, Result<Vec<Change>, String>> {
        Box::pin(async {
            let now = look(&self.section, &self.client).await?;
            let found = drift(&self.section, &now);
            let mut done = Vec::new();
            let outcome = match found.missing.is_empty() {
                true => Ok(()),
                false => create(&self.section, &self.client, &now, &found, &mut done).await,
            };
            let before = done.iter().map(Change::to_string).collect::<Vec<_>>().join("; ");
            match outcome {
                Ok(()) => Ok(done),
                Err(text) if done.is_empty() => Err(text),
                Err(text) => Err(format!("{text} (done before: {before})")),
            }
        })
    }
}
