//! What is there beside what is wanted.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use yumen_alibaba::api::vpc::SnatEntry;
use yumen_config::config::{NatGateway, SnatSource, SnatWish};

use super::Look;

/// What is not as wanted.
#[derive(Debug, Default)]
pub(super) struct Drift<'s> {
    /// Entries that are not there.
    pub(super) missing: Vec<&'s SnatWish>,
    /// All else, in words.
    pub(super) others: Vec<String>,
}

impl Drift<'_> {
    /// Everything in words.
    pub(super) fn all(&self) -> Vec<String> {
        let missing = self.missing.iter().map(|wish| format!("there is no entry for {}", wish.source));
        missing.chain(self.others.iter().cloned()).collect()
    }

    /// All of it in one line; `None` when all is as wanted.
    pub(super) fn told(&self, section: &NatGateway) -> Option<String> {
        let all = self.all();
        let help = match (self.missing.is_empty(), section.create) {
            (false, false) => "; `yumen alibaba sync` or `create: true` creates what is missing",
            _ => "",
        };
        (!all.is_empty()).then(|| format!("not as wanted: {}{help}", all.join("; ")))
    }
}

/// Compares.
pub(super) fn drift<'s>(section: &'s NatGateway, now: &Look) -> Drift<'s> {
    let mut drift = Drift::default();
    for wish in &section.entries {
        let Some(entry) = now.entries.iter().find(|entry| is_of(entry, &wish.source)) else {
            drift.missing.push(wish);
            continue;
        };
        let (is, wanted) = (addresses(&entry.snat_ip), wish.addresses.iter().copied().collect::<BTreeSet<_>>());
        let is_set: BTreeSet<IpAddr> = is.iter().copied().collect();
        if is_set != wanted {
            let wanted: Vec<IpAddr> = wanted.into_iter().collect();
            let (id, source) = (&entry.snat_entry_id, &wish.source);
            drift.others.push(format!("entry {id} for {source} uses {}, not {}", list(&is), list(&wanted)));
        }
    }
    // Without a list nothing was said about what may be there.
    let strangers = now.entries.iter().filter(|entry| !section.entries.iter().any(|wish| is_of(entry, &wish.source)));
    for entry in strangers.filter(|_| !section.entries.is_empty()) {
        let source = if entry.source_v_switch_id.is_empty() { &entry.source_cidr } else { &entry.source_v_switch_id };
        drift.others.push(format!("entry {} for {source} is not in the configuration", entry.snat_entry_id));
    }
    pool(section, now, &mut drift);
    drift
}

/// The addresses of the gateway beside those that traffic is said to come from.
fn pool(section: &NatGateway, now: &Look, drift: &mut Drift<'_>) {
    if section.egress.is_empty() {
        return;
    }
    let there: BTreeSet<IpAddr> = now.eips.iter().filter_map(|eip| eip.ip_address.parse().ok()).collect();
    let wanted: BTreeSet<IpAddr> = section.egress.iter().copied().collect();
    for address in wanted.difference(&there) {
        drift.others.push(format!("{address} is in `egress`, but no EIP of the gateway"));
    }
    for address in there.difference(&wanted) {
        drift.others.push(format!("EIP {address} of the gateway is not in `egress`"));
    }
}

/// Whether an entry is for a source. One for a switch has the network of the switch as well.
fn is_of(entry: &SnatEntry, source: &SnatSource) -> bool {
    match source {
        SnatSource::Switch(id) => entry.source_v_switch_id == *id,
        SnatSource::Network(net) => {
            let of = entry.source_cidr.parse::<IpNet>().ok();
            let of = of.or_else(|| entry.source_cidr.parse::<IpAddr>().ok().map(IpNet::from));
            of.is_some_and(|of| of == *net)
        }
    }
}

/// The addresses of an entry.
pub(super) fn addresses(text: &str) -> Vec<IpAddr> {
    text.split(',').filter_map(|one| one.trim().parse().ok()).collect()
}

/// Addresses in one text.
pub(super) fn list(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
