//! Rules between things: addresses that are taken twice, routes that tie.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::ctx::Ctx;
use crate::config::{Listener, Route};
use crate::yaml::Place;

/// Two listeners on one address.
pub(super) fn addresses(ctx: &Ctx<'_>, listeners: &[(Listener, Place)]) {
    let mut taken: Vec<(SocketAddr, &Listener, Place)> = Vec::new();
    for (listener, place) in listeners {
        for address in &listener.bind {
            // Port 0 is a new port each time.
            let other = taken.iter().find(|(other, _, _)| address.port() != 0 && overlap(*other, *address));
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

/// Whether one socket would take the other's connections: the IPv6 wildcard is bound for IPv4 too.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    if a.port() != b.port() {
        return false;
    }
    let every = |x: SocketAddr, y: SocketAddr| x.ip().is_unspecified() && (x.is_ipv6() || y.is_ipv4());
    a.ip() == b.ip() || every(a, b) || every(b, a)
}

/// Two routes of which neither is more specific: the same listener, host, path and conditions.
pub(super) fn ties(ctx: &Ctx<'_>, routes: &[(Route, Place)]) {
    let mut first: HashMap<String, (&Route, Place)> = HashMap::new();
    for (route, place) in routes {
        let conditions = conditions(route);
        let mut complained = false;
        for listener in &route.listeners {
            for host in &route.hosts {
                let key = format!("{listener}\n{host}\n{conditions}");
                match first.get(&key) {
                    Some((other, before)) if other.name != route.name && !complained => {
                        complained = true;
                        let message = format!(
                            "routes `{}` and `{}` tie: both take host {host}, {} on listener `{listener}`",
                            other.name, route.name, route.matcher.path
                        );
                        ctx.clash(*place, "tie", message, *before, "change a condition of one of them, or remove it");
                    }
                    Some(_) => {}
                    None => {
                        first.insert(key, (route, *place));
                    }
                }
            }
        }
    }
}

/// The conditions in one spelling: their order has no meaning, nor have the names in a template.
fn conditions(route: &Route) -> String {
    let mut matcher = route.matcher.clone();
    matcher.methods.sort();
    matcher.methods.dedup();
    matcher.headers.sort();
    matcher.query.sort();
    matcher.source.sort();
    matcher.source.dedup();
    let path = match &matcher.path {
        crate::config::PathMatch::Template(text) => {
            let plain = |s: &str| match s.starts_with('{') {
                true if s.ends_with("...}") => "{...}".to_owned(),
                true => "{}".to_owned(),
                false => s.to_owned(),
            };
            format!("template {}", text.split('/').map(plain).collect::<Vec<_>>().join("/"))
        }
        other => other.to_string(),
    };
    format!("{path}\n{:?}\n{:?}\n{:?}\n{:?}", matcher.methods, matcher.headers, matcher.query, matcher.source)
}
