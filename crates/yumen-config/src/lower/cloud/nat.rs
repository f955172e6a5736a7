//! A NAT gateway and the entries it should have.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::super::{named, value};
use super::account::Accounts;
use crate::config::{NatGateway, NatGatewayName, SnatSource, SnatWish};
use crate::keys;
use crate::lower::ctx::Ctx;
use crate::lower::section::Section;
use crate::yaml::{Node, Place, Value};

/// The NAT gateways by name.
pub(super) fn read(
    ctx: &Ctx<'_>,
    files: &[Section<'_>],
    accounts: &Accounts<'_>,
) -> BTreeMap<NatGatewayName, Arc<NatGateway>> {
    named(ctx, files, "nat_gateways")
        .iter()
        .filter_map(|(name, node)| gateway(&Section::open(ctx, node, &keys::NAT_GATEWAY)?, &name.text, accounts))
        .map(|gateway| (gateway.name.clone(), Arc::new(gateway)))
        .collect()
}

fn gateway(section: &Section<'_>, name: &str, accounts: &Accounts<'_>) -> Option<NatGateway> {
    let account = accounts.of(section);
    let id = section.need("gateway", |ctx, node| resource(ctx, node, "ngw-"));
    let placed = section.list("entries", |ctx, node| Some((entry(ctx, node)?, node.place)));
    let mut first: HashMap<&SnatSource, Place> = HashMap::new();
    for (wish, place) in &placed {
        // A switch or an address is in one entry only; the cloud would refuse the second.
        if let Some(before) = first.insert(&wish.source, *place) {
            let message = format!("there are two entries for {}", wish.source);
            section.ctx.clash(*place, "duplicate_key", message, before, "join their addresses in one entry");
        }
    }
    let create = section.read("create", value::boolean).unwrap_or(false);
    if let (Some((key, _)), true, true) = (section.entry("create"), create, placed.is_empty()) {
        let help = "name the entries that there should be under `entries`";
        section.ctx.warn(key.place, "no_effect", "`create` has no effect without `entries`", help);
    }
    Some(NatGateway {
        name: NatGatewayName::from(name),
        entries: placed.into_iter().map(|(wish, _)| wish).collect(),
        egress: section.some("egress", value::ip),
        create,
        interval: section.read("interval", value::duration).unwrap_or(NatGateway::INTERVAL),
        account: account?,
        gateway: id?,
    })
}

fn entry(ctx: &Ctx<'_>, node: &Node) -> Option<SnatWish> {
    let section = Section::open(ctx, node, &keys::SNAT_ENTRY)?;
    let network = section.read("network", value::cidr).map(SnatSource::Network);
    let switch = section.read("vswitch", |ctx, node| resource(ctx, node, "vsw-")).map(SnatSource::Switch);
    let addresses = section.need("addresses", |ctx, node| {
        if matches!(&node.value, Value::List(all) if all.is_empty()) {
            ctx.error(node.place, "empty_list", "an entry needs at least one address");
        }
        Some(section.set("addresses", value::ip))
    });
    if section.get("network").is_some() == section.get("vswitch").is_some() {
        let message = "an entry has either `network` or `vswitch`";
        section.ctx.error_help(section.place, "one_way", message, "say whose traffic it takes by one of them");
    }
    Some(SnatWish { source: network.or(switch)?, addresses: addresses? })
}

/// An id of the cloud.
fn resource(ctx: &Ctx<'_>, node: &Node, prefix: &str) -> Option<String> {
    value::wanted(ctx, node, &format!("an id such as `{prefix}bp1…`"), |text| {
        let fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        (text.starts_with(prefix) && text.len() > prefix.len() && text.bytes().all(fine)).then(|| text.to_owned())
    })
}
