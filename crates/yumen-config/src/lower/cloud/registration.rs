//! This machine as a server behind a load balancer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::account::Accounts;
use crate::config::{BalancerKind, Listener, ListenerName, RegisteredServer, Registration, RegistrationName};
use crate::keys;
use crate::lower::ctx::Ctx;
use crate::lower::section::Section;
use crate::lower::{discover, named, nearest, value};
use crate::yaml::Node;

type Listeners = BTreeMap<ListenerName, Arc<Listener>>;

/// The registrations of all files.
pub(in crate::lower) fn read(
    ctx: &Ctx<'_>,
    files: &[Section<'_>],
    accounts: &Accounts<'_>,
    listeners: &Listeners,
) -> BTreeMap<RegistrationName, Arc<Registration>> {
    named(ctx, files, "registrations")
        .into_iter()
        .filter_map(|(name, node)| {
            let section = Section::open(ctx, node, &keys::REGISTRATION)?;
            Some((RegistrationName::from(&*name.text), Arc::new(registration(&section, accounts, listeners)?)))
        })
        .collect()
}

fn registration(section: &Section<'_>, accounts: &Accounts<'_>, listeners: &Listeners) -> Option<Registration> {
    let account = accounts.of(section);
    let kind = section.need("kind", discover::kind);
    let (group, balancer) = (section.read("group", discover::id), section.read("balancer", discover::id));
    let is_classic = kind == Some(BalancerKind::Clb);
    if kind.is_some() {
        place(section, is_classic);
    }
    let health = section.read("health", value::boolean).unwrap_or(false);
    let listener_id = section.read("listener_id", discover::id);
    if health && kind.is_some() {
        checks(section, is_classic);
    }
    let server = server(section, is_classic);
    let is_default_group = is_classic && section.get("group").is_none();
    let port = port(section, listeners, is_default_group);
    let duration = |key| section.read(key, value::duration);
    Some(Registration {
        server: server?,
        port: port?,
        weight: section.read("weight", weight).unwrap_or(Registration::WEIGHT),
        description: section.read("description", description).unwrap_or_else(|| Registration::DESCRIPTION.to_owned()),
        interval: section.read("interval", discover::interval).unwrap_or(Registration::INTERVAL),
        settle: duration("settle").unwrap_or(Registration::SETTLE),
        leave_timeout: duration("leave_timeout"),
        account: account?,
        kind: kind?,
        group,
        balancer,
        health,
        listener_id,
    })
}

/// The group, and where that is.
fn place(section: &Section<'_>, is_classic: bool) {
    if section.get("group").is_some() || section.was_meant("group") {
        return;
    }
    if !is_classic {
        section.need("group", discover::id);
    } else if section.get("balancer").is_none() && !section.was_meant("balancer") {
        let help = "`group: rsp-…` for a vserver group, `balancer: lb-…` for the default group of a balancer";
        section.ctx.error_help(section.place, "missing_key", "registration needs `group` or `balancer`", help);
    }
}

/// Who checks the health of the server.
fn checks(section: &Section<'_>, is_classic: bool) {
    let (key, help) = match is_classic {
        true => ("balancer", "write the id of the balancer, `lb-…`; or remove `health`"),
        false => ("listener_id", "write the id of a listener of the balancer, `lsn-…`; or remove `health`"),
    };
    if section.get(key).is_none() && !section.was_meant(key) {
        let message = format!("`health` needs `{key}`");
        section.ctx.error_help(section.place, "missing_key", message, help);
    }
}

fn server(section: &Section<'_>, is_classic: bool) -> Option<RegisteredServer> {
    if let (Some((name, _)), true) = (section.entry("instance"), section.get("eni").or(section.get("ip")).is_some()) {
        let help = "keep `instance`, or `eni` with or without `ip`, or `ip`";
        section.ctx.error_help(name.place, "conflict", "a registration is of one server", help);
        return None;
    }
    let ip = |ctx: &Ctx<'_>, node: &Node| value::wanted(ctx, node, "an IP address", |text| text.parse::<IpAddr>().ok());
    match (section.entry("eni"), section.entry("ip")) {
        (Some(_), Some(_)) => {
            Some(RegisteredServer::Interface(section.read("eni", discover::id)?, Some(section.read("ip", ip)?)))
        }
        (Some(_), None) => Some(RegisteredServer::Interface(section.read("eni", discover::id)?, None)),
        (None, Some((name, _))) if is_classic => {
            let help = "write `instance` or `eni`; groups of addresses are of `alb` and `nlb`";
            section.ctx.error_help(name.place, "conflict", "a classic balancer has no servers by address", help);
            None
        }
        (None, Some(_)) => section.read("ip", ip).map(RegisteredServer::Address),
        (None, None) => {
            let read = |ctx: &Ctx<'_>, node: &Node| {
                if value::is_word(ctx, node, "auto") { Some(None) } else { discover::id(ctx, node).map(Some) }
            };
            match section.get("instance") {
                Some(_) => section.read("instance", read).map(RegisteredServer::Instance),
                None => Some(RegisteredServer::Instance(None)),
            }
        }
    }
}

/// The port, or none in a default group.
fn port(section: &Section<'_>, listeners: &Listeners, is_default_group: bool) -> Option<Option<u16>> {
    match (section.entry("port"), section.entry("listener")) {
        (Some((name, _)), _) | (None, Some((name, _))) if is_default_group => {
            let help = "remove it; the listeners of the balancer say where they send to";
            section.ctx.error_help(
                name.place,
                "conflict",
                "servers of a default group have no port of their own",
                help,
            );
            None
        }
        (Some(_), Some((name, _))) => {
            section.ctx.error_help(name.place, "conflict", "`port` and `listener` say the same", "keep one of them");
            None
        }
        (Some(_), None) => section.read("port", discover::port).map(Some),
        (None, Some(_)) => section.read("listener", |ctx, node| port_of(ctx, node, listeners)).map(Some),
        (None, None) if is_default_group => Some(None),
        (None, None) => section.need("port", discover::port).map(Some),
    }
}

fn port_of(ctx: &Ctx<'_>, node: &Node, listeners: &Listeners) -> Option<u16> {
    let name = ctx.text(node)?;
    let Some(listener) = listeners.get(&*name) else {
        let help = nearest::among(&name, listeners.keys().map(ListenerName::as_str));
        ctx.error_help(node.place, "unknown_name", format!("there is no listener {}", value::found(node)), help);
        return None;
    };
    let first = listener.bind.first().map(|addr| addr.port())?;
    if first == 0 || listener.bind.iter().any(|addr| addr.port() != first) {
        let why = if first == 0 { "a port that the system chooses" } else { "more than one port" };
        let help = "write the one that the balancer sends to as `port`";
        ctx.error_help(node.place, "conflict", format!("listener `{name}` has {why}"), help);
        return None;
    }
    Some(first)
}

fn weight(ctx: &Ctx<'_>, node: &Node) -> Option<u8> {
    value::wanted(ctx, node, "a weight from 1 to 100", |text| text.parse().ok().filter(|w| (1..=100).contains(w)))
}

fn description(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "2 to 80 letters, digits, blanks and `.,_/-`", |text| {
        let fine = |c: char| c.is_alphanumeric() || " .,_/-;".contains(c);
        ((2..=80).contains(&text.chars().count()) && text.chars().all(fine)).then(|| text.to_owned())
    })
}
