//! Where endpoints are found.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cloud::account::Accounts;
use super::ctx::Ctx;
use super::section::Section;
use super::value;
use crate::config::{BalancerKind, Discover, DiscoverFrom, InstanceAddress, Instances, ServerGroup};
use crate::keys;
use crate::yaml::Node;

pub(super) fn discover(section: &Section<'_>, accounts: &Accounts<'_>) -> Option<Discover> {
    match (section.entry("ecs"), section.entry("server_group")) {
        (Some((_, node)), None) => {
            Section::open(section.ctx, node, &keys::DISCOVER_ECS).and_then(|s| ecs(&s, accounts))
        }
        (None, Some((_, node))) => {
            Section::open(section.ctx, node, &keys::DISCOVER_GROUP).and_then(|s| server_group(&s, accounts))
        }
        (Some(_), Some((name, _))) => {
            section.ctx.error_help(
                name.place,
                "conflict",
                "`discover` is one of `ecs` and `server_group`",
                "write a second upstream for the other one",
            );
            None
        }
        (None, None) => {
            if !section.was_meant("ecs") && !section.was_meant("server_group") {
                let help = "such as `ecs: {tags: {app: web}, port: 8080}`";
                section.ctx.error_help(section.place, "missing_key", "`discover` needs `ecs` or `server_group`", help);
            }
            None
        }
    }
}

fn ecs(section: &Section<'_>, accounts: &Accounts<'_>) -> Option<Discover> {
    const MOST_TAGS: usize = 20;
    let (account, port) = (accounts.of(section), section.need("port", port));
    let mut tags = BTreeMap::new();
    for (name, node) in section.map("tags") {
        tags.extend(tag_text(section.ctx, node).map(|value| (name.text.to_string(), value)));
    }
    if let Some((name, _)) = section.entry("tags").filter(|_| tags.len() > MOST_TAGS) {
        section.ctx.error(name.place, "bad_value", "the service takes at most 20 tags in one question");
    }
    let narrows = ["tags", "vpc", "zone", "security_group"];
    let is_narrow = narrows.iter().any(|key| section.get(key).is_some_and(|node| !node.is_blank()));
    if !is_narrow && !narrows.iter().any(|key| section.was_meant(key)) {
        let help = "add `tags: {app: web}`, or `vpc`, `zone` or `security_group`";
        let message = "every instance of the region would be an endpoint";
        section.ctx.error_help(section.place, "missing_key", message, help);
    }
    let address = section.read("address", |ctx, node| {
        value::one_of(ctx, node, &InstanceAddress::ALL.map(|address| (address.as_str(), address)))
    });
    let instances = Instances {
        tags,
        vpc: section.read("vpc", id),
        zones: section.some("zone", id),
        security_group: section.read("security_group", id),
        address: address.unwrap_or_default(),
        weight_tag: section.read("weight_tag", tag_text),
        labels: section.set("labels", tag_text),
    };
    finish(section, DiscoverFrom::Ecs(instances), (account, port)).filter(|_| port.is_some())
}

fn server_group(section: &Section<'_>, accounts: &Accounts<'_>) -> Option<Discover> {
    let account = accounts.of(section);
    let (kind, id) = (section.need("kind", kind), section.need("id", id));
    let port = section.read("port", port);
    let (kind, id) = (kind?, id?);
    if kind == BalancerKind::Clb && is_balancer(&id) && port.is_none() && section.get("port").is_none() {
        let help = "write the port that the balancer's servers listen on";
        section.ctx.error_help(
            section.place,
            "missing_key",
            "servers of a default group have no port of their own, so `port` is needed",
            help,
        );
    }
    finish(section, DiscoverFrom::ServerGroup(ServerGroup { kind, id }), (account, port))
}

fn finish(
    section: &Section<'_>,
    from: DiscoverFrom,
    (account, port): (Option<Arc<crate::config::Account>>, Option<u16>),
) -> Option<Discover> {
    let interval = section.read("interval", interval).unwrap_or(Discover::INTERVAL);
    let tls = section.read("tls", value::boolean).unwrap_or(false);
    Some(Discover { from, account: account?, port, tls, interval })
}

/// Whether an id is that of a classic balancer, whose default group is meant.
pub(super) fn is_balancer(id: &str) -> bool {
    id.starts_with("lb-")
}

/// Time between questions to the cloud.
pub(super) fn interval(ctx: &Ctx<'_>, node: &Node) -> Option<Duration> {
    let interval = value::duration(ctx, node)?;
    if interval < Duration::from_secs(1) {
        ctx.error_help(node.place, "bad_value", "the cloud is asked at most once a second", "write `30s` or more");
        return None;
    }
    if interval < Duration::from_secs(10) {
        let help = "write `30s` or more; the limits are for all callers of the account together";
        ctx.warn(node.place, "too_often", "the cloud may throttle who asks so often", help);
    }
    Some(interval)
}

pub(super) fn kind(ctx: &Ctx<'_>, node: &Node) -> Option<BalancerKind> {
    value::one_of(ctx, node, &BalancerKind::ALL.map(|kind| (kind.as_str(), kind)))
}

pub(super) fn port(ctx: &Ctx<'_>, node: &Node) -> Option<u16> {
    value::wanted(ctx, node, "a port from 1 to 65535", |text| text.parse::<u16>().ok().filter(|port| *port > 0))
}

/// The id of something in the cloud.
pub(super) fn id(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "an id such as `vpc-bp1x` or `sgp-atst`", |text| {
        let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        ((1..=128).contains(&text.len()) && text.bytes().all(fine)).then(|| text.to_owned())
    })
}

fn tag_text(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "1 to 128 characters of a tag", |text| {
        let fine = (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        fine.then(|| text.to_owned())
    })
}
