//! Rules between things: addresses that are taken twice, routes that tie.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::ctx::Ctx;
use crate::config::{
    Admin, AdminListen, CertificateMatch, FieldMatch, FieldTest, HostPattern, Listener, ListenerName, Matcher,
    PathMatch, Protocol, Route, Upstream, UpstreamName, overlap,
};
use crate::yaml::{Name, Node, Place};

/// Two listeners on one address. UDP and TCP have ports of their own.
pub(super) fn addresses(ctx: &Ctx<'_>, listeners: &[(Listener, Place)]) {
    let mut taken: Vec<(SocketAddr, &Listener, Place)> = Vec::new();
    for (listener, place) in listeners {
        for address in &listener.bind {
            // Port 0 is a new port each time.
            let other = taken
                .iter()
                .find(|(other, by, _)| address.port() != 0 && by.shares_ports(listener) && overlap(*other, *address));
            if let Some((_, other, first)) = other {
                let message = if other.name == listener.name {
                    format!("listener `{}` has the address {address} twice", listener.name)
                } else {
                    format!("listeners `{}` and `{}` are both on {address}", other.name, listener.name)
                };
                let help = "give one of them another port; `:PORT` and `[::]:PORT` are every address";
                ctx.clash(*place, "address_taken", message, *first, help);
            } else {
                taken.push((*address, listener, *place));
            }
        }
    }
}

/// Listeners and accelerators share their names, since routes name both.
pub(super) fn names_of_listeners(ctx: &Ctx<'_>, nodes: &[(&Name, &Node)]) {
    let mut first: HashMap<&str, Place> = HashMap::with_capacity(nodes.len());
    for (name, _) in nodes {
        if let Some(before) = first.insert(&name.text, name.place) {
            let message = format!("a listener and an accelerator are both called `{}`", name.text);
            ctx.clash(name.place, "duplicate_key", message, before, "rename one of them; routes name both");
        }
    }
}

/// The admin endpoint on an address of a listener.
pub(super) fn admin(ctx: &Ctx<'_>, listeners: &[(Listener, Place)], admin: Option<&Admin>) {
    let Some(Admin { listen: AdminListen::Tcp(address), .. }) = admin else { return };
    for (listener, place) in listeners {
        let is_udp = listener.protocol == Protocol::Udp;
        if !is_udp && address.port() != 0 && listener.bind.iter().any(|bind| overlap(*bind, *address)) {
            let message = format!("listener `{}` and the admin endpoint are both on {address}", listener.name);
            let help = "give one of them another port; `admin: {listen: 127.0.0.1:PORT}` moves the admin endpoint";
            ctx.error_help(*place, "address_taken", message, help.to_owned());
        }
    }
}

/// A route that speaks to its upstream what some endpoint cannot.
pub(super) fn protocols<'u>(
    ctx: &Ctx<'_>,
    routes: &[(Route, Place)],
    upstream: impl Fn(&UpstreamName) -> Option<&'u Upstream>,
) {
    for (route, place) in routes {
        let (Some(protocol), Some(upstream)) = (route.upstream_protocol, route.upstream.as_ref().and_then(&upstream))
        else {
            continue;
        };
        if let Some((problem, help)) = super::upstream::misfit(
            protocol,
            (&upstream.endpoints, upstream.discover.as_deref()),
            upstream.proxy_protocol.is_some(),
        ) {
            ctx.error_help(*place, "conflict", format!("route `{}`: {problem}", route.name), help.to_owned());
        }
    }
}

/// An http listener that no route is for answers everything alike.
pub(super) fn routeless(ctx: &Ctx<'_>, listeners: &[(Arc<Listener>, Place)], routes: &[(Route, Place)]) {
    let used: HashSet<&ListenerName> = routes.iter().flat_map(|(route, _)| &route.listeners).collect();
    for (listener, place) in listeners.iter().filter(|(l, _)| l.protocol == Protocol::Http && !used.contains(&l.name)) {
        let message = format!(
            "no route is for listener `{}`: it answers every request with {}",
            listener.name, listener.default_status
        );
        ctx.warn(*place, "no_route", message, "add a route, or remove the listener");
    }
}

/// Datagrams are sent as they are: what is for connections to endpoints is not for a udp listener.
pub(super) fn datagrams(
    ctx: &Ctx<'_>,
    listeners: &[(Arc<Listener>, Place)],
    upstreams: &BTreeMap<UpstreamName, Arc<Upstream>>,
) {
    for (listener, place) in listeners.iter().filter(|(l, _)| l.protocol == Protocol::Udp) {
        let upstream = listener.upstream.as_ref().and_then(|name| upstreams.get(name));
        let Some(upstream) = upstream else { continue };
        if let Some(endpoint) = upstream.endpoints.iter().find(|e| e.tls) {
            let message =
                format!("udp listener `{}` cannot speak TLS to its endpoint {}", listener.name, endpoint.text);
            let help = format!("write the endpoint as `{}`; datagrams are handed on as they are", endpoint.text);
            ctx.error_help(*place, "wrong_protocol", message, help);
        }
        if upstream.discover.as_ref().is_some_and(|discover| discover.tls) {
            let message = format!("udp listener `{}` cannot speak TLS to discovered endpoints", listener.name);
            let help = "remove `tls` from `discover`; datagrams are handed on as they are".to_owned();
            ctx.error_help(*place, "wrong_protocol", message, help);
        }
        if upstream.proxy_protocol.is_some() {
            let message = format!("udp listener `{}` cannot send the PROXY protocol of its upstream", listener.name);
            let help = "give it an upstream without `proxy_protocol`; datagrams are handed on as they are".to_owned();
            ctx.error_help(*place, "wrong_protocol", message, help);
        }
    }
}

/// Two routes of which neither is more specific, and which one request can meet.
pub(super) fn ties(ctx: &Ctx<'_>, routes: &[(Route, Place)]) {
    let mut paths: HashMap<String, usize> = HashMap::new();
    let mut groups: HashMap<(&str, &HostPattern, usize), Vec<usize>> = HashMap::with_capacity(routes.len());
    for (at, (route, place)) in routes.iter().enumerate() {
        let fresh = paths.len();
        let path = *paths.entry(canonical(&route.matcher.path)).or_insert(fresh);
        let mut complained = false;
        for (listener, host) in route.listeners.iter().flat_map(|l| route.hosts.iter().map(move |h| (l, h))) {
            let group = groups.entry((listener.as_str(), host, path)).or_default();
            let rivals = group.iter().filter(|other| **other != at).filter_map(|other| routes.get(*other));
            for (other, first) in rivals {
                if !complained && tie(&other.matcher, &route.matcher) {
                    complained = true;
                    let message = format!(
                        "routes `{}` and `{}` tie: both take host {host}, {} on listener `{listener}`",
                        other.name, route.name, route.matcher.path
                    );
                    let help = "add a condition to one of them so that it is more specific, or make their conditions exclude each other";
                    ctx.clash(*place, "tie", message, *first, help);
                }
            }
            if group.last() != Some(&at) {
                group.push(at);
            }
        }
    }
}

/// Whether two sets of conditions are equally many and can all hold for one request.
fn tie(a: &Matcher, b: &Matcher) -> bool {
    let count = |m: &Matcher| {
        usize::from(!m.methods.is_empty())
            + m.headers.len()
            + m.query.len()
            + usize::from(!m.source.is_empty())
            + usize::from(m.client_cert.is_some())
    };
    let methods = a.methods.is_empty() || b.methods.is_empty() || a.methods.iter().any(|m| b.methods.contains(m));
    let overlap = |x: &IpNet, y: &IpNet| x.contains(y) || y.contains(x);
    let source =
        a.source.is_empty() || b.source.is_empty() || a.source.iter().any(|x| b.source.iter().any(|y| overlap(x, y)));
    let certificate = match (&a.client_cert, &b.client_cert) {
        (Some(a), Some(b)) => may_agree(a, b),
        _ => true,
    };
    count(a) == count(b)
        && methods
        && source
        && certificate
        && !exclude(&a.headers, &b.headers)
        && !exclude(&a.query, &b.query)
}

/// Whether one certificate can meet both. It has one of each but many alternative names.
fn may_agree(a: &CertificateMatch, b: &CertificateMatch) -> bool {
    fn one<T: PartialEq>(a: &[T], b: &[T]) -> bool {
        a.is_empty() || b.is_empty() || a.iter().any(|x| b.contains(x))
    }
    a.present == b.present
        && one(&a.subject, &b.subject)
        && one(&a.issuer, &b.issuer)
        && one(&a.fingerprint, &b.fingerprint)
        && one(&a.serial, &b.serial)
}

/// Whether no request can meet both.
fn exclude(a: &[FieldMatch], b: &[FieldMatch]) -> bool {
    let pairs = a.iter().flat_map(|x| b.iter().map(move |y| (x, y)));
    pairs.filter(|(x, y)| x.name == y.name).any(|(x, y)| match (&x.test, &y.test) {
        (FieldTest::Equals(x), FieldTest::Equals(y)) => x != y,
        (FieldTest::Absent, FieldTest::Absent) => false,
        (FieldTest::Absent, _) | (_, FieldTest::Absent) => true,
        _ => false,
    })
}

/// A path in one spelling: the names in a template have no meaning, nor has the last slash of a prefix.
fn canonical(path: &PathMatch) -> String {
    match path {
        PathMatch::Template(text) => {
            let plain = |s: &str| match s.starts_with('{') {
                true if s.ends_with("...}") => "{...}".to_owned(),
                true => "{}".to_owned(),
                false => s.to_owned(),
            };
            format!("template {}", text.split('/').map(plain).collect::<Vec<_>>().join("/"))
        }
        PathMatch::Prefix(text) => format!("prefix {}", text.trim_end_matches('/')),
        other => other.to_string(),
    }
}
