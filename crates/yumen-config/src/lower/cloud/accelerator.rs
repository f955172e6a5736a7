//! An accelerator and its templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::listener::Names;
use super::super::names::Known;
use super::super::{listener, value};
use super::account::Accounts;
use crate::config::{Accelerator, Listener, ListenerName, Protocol, Templates, UpstreamName};
use crate::keys;
use crate::lower::ctx::Ctx;
use crate::lower::section::Section;
use crate::yaml::{Name, Node, Place};

/// The accelerators by name, each with its place.
pub(in crate::lower) fn read<'n>(
    ctx: &Ctx<'_>,
    nodes: &[(&'n Name, &'n Node)],
    accounts: &Accounts<'_>,
    names: Names<'_, '_, '_>,
) -> Vec<(Arc<Accelerator>, Place)> {
    let read = |(name, node): &(&Name, &Node)| {
        let section = Section::open(ctx, node, &keys::ACCELERATOR)?;
        accelerator(&section, &name.text, accounts, names).map(|a| (Arc::new(a), name.place))
    };
    nodes.iter().filter_map(read).collect()
}

fn accelerator(
    section: &Section<'_>,
    name: &str,
    accounts: &Accounts<'_>,
    names: Names<'_, '_, '_>,
) -> Option<Accelerator> {
    let account = accounts.of(section);
    let (id, title, tags) = (section.read("id", word), section.read("title", word), tags(section));
    if ["id", "title", "tags"].into_iter().all(|key| section.get(key).is_none() && !section.was_meant(key)) {
        let help = "add `id: ga-…`, or `title` or `tags`";
        section.ctx.error_help(section.place, "missing_key", "it is not said which accelerator is meant", help);
    }
    let bind = section.some("bind", value::ip);
    let template =
        section.need("template", |ctx, node| Some(templates(&Section::open(ctx, node, &keys::TEMPLATE)?, names)));
    Some(Accelerator {
        name: ListenerName::from(name),
        id,
        title,
        tags,
        endpoint: section.some("endpoint", word),
        interval: section.read("interval", value::duration).unwrap_or(Accelerator::INTERVAL),
        bind: if bind.is_empty() { vec![Accelerator::BIND] } else { bind },
        max_ports: section.read("max_ports", value::amount).unwrap_or(Accelerator::MAX_PORTS),
        by_source: by_source(section, names.0),
        account: account?,
        template: template?,
    })
}

fn word(ctx: &Ctx<'_>, node: &Node) -> Option<String> {
    value::wanted(ctx, node, "a text that is not empty", |text| (!text.trim().is_empty()).then(|| text.to_owned()))
}

fn tags(section: &Section<'_>) -> BTreeMap<String, String> {
    let pairs = section.map("tags").into_iter();
    pairs.filter_map(|(key, node)| Some((key.text.to_string(), section.ctx.text(node)?.into_owned()))).collect()
}

fn by_source(section: &Section<'_>, upstreams: &Known<'_>) -> BTreeMap<UpstreamName, UpstreamName> {
    let mut all = BTreeMap::new();
    for (name, node) in section.map("by_source") {
        let Some(of) = upstreams.named(section.ctx, name) else { continue };
        all.extend(upstreams.find(section.ctx, node).map(|to| (UpstreamName::from(of), UpstreamName::from(to))));
    }
    all
}

fn templates(section: &Section<'_>, names: Names<'_, '_, '_>) -> Templates {
    if section.is_blank() {
        let help = "add one, such as `tcp: {upstream: NAME}` or `http: {}`";
        section.ctx.error_help(section.place, "missing_key", "there is no template", help);
    }
    let one = |key| template(section, key, names);
    Templates { tcp: one("tcp"), udp: one("udp"), http: one("http"), https: one("https") }
}

/// A template. What the accelerator ends itself cannot be spoken here otherwise; bytes can be anything.
fn template(section: &Section<'_>, key: &'static str, names: Names<'_, '_, '_>) -> Option<Listener> {
    let (name, node) = section.entry(key)?;
    let section = Section::open(section.ctx, node, &keys::LISTENER_TEMPLATE)?;
    let (usual, possible): (Protocol, &[Protocol]) = match key {
        "tcp" => (Protocol::Tcp, &[Protocol::Tcp, Protocol::Http, Protocol::TlsPassthrough]),
        "udp" => (Protocol::Udp, &[Protocol::Udp]),
        _ => (Protocol::Http, &[Protocol::Http]),
    };
    let said = section.read("protocol", listener::protocol);
    let protocol = said.unwrap_or(usual);
    if let (Some((at, _)), false) = (section.entry("protocol"), possible.contains(&protocol)) {
        let words: Vec<String> = possible.iter().map(|p| format!("`{}`", p.as_str())).collect();
        let message = format!("listeners for {key} cannot be `protocol: {}`", protocol.as_str());
        section.ctx.error_help(at.place, "wrong_protocol", message, format!("possible: {}", words.join(", ")));
    }
    if key == "https" && section.get("tls").is_none() && !section.was_meant("tls") {
        let help = "add `tls: {certificates: …}`; the accelerator speaks TLS to them";
        section.ctx.error_help(name.place, "missing_key", "listeners for https need `tls`", help);
    }
    if let (Some((at, _)), "http") = (section.entry("tls"), key) {
        let help = "put it under `https`; under `http` the accelerator speaks plain text";
        section.ctx.error_help(at.place, "wrong_protocol", "listeners for http have no `tls`", help);
    }
    Some(listener::template(&section, &format!("template `{key}`"), protocol, names))
}

/// The accelerators as listeners, for rules between listeners and what they lead to.
pub(in crate::lower) fn as_listeners(all: &[(Arc<Accelerator>, Place)]) -> Vec<(Arc<Listener>, Place)> {
    let named = |accelerator: &Accelerator, template: &Listener| {
        Arc::new(Listener { name: accelerator.name.clone(), ..template.clone() })
    };
    all.iter().flat_map(|(a, place)| a.template.all().map(|template| (named(a, template), *place))).collect()
}

/// Whether routes can be for an accelerator.
pub(in crate::lower) fn is_http(accelerator: &Accelerator) -> bool {
    accelerator.template.all().any(|template| template.protocol == Protocol::Http)
}
