//! What the gateway tells about itself to the admin API.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use yumen_config::config::Config;
use yumen_proxy::Proxy;

/// Seconds since 1970, UTC.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// The status document without what only the reload knows.
pub(crate) fn status(proxy: &Proxy) -> Value {
    let snapshot = proxy.snapshot();
    let mut open = proxy.open_addresses();
    open.sort();
    let listeners: Vec<Value> = open
        .iter()
        .map(|(addr, name, local, connections)| {
            let at_addr = || snapshot.config.listeners.values().find(|l| l.bind.contains(addr));
            let name = name.as_deref().map(str::to_owned).or_else(|| at_addr().map(|l| l.name.to_string()));
            json!({"name": name, "addr": local.to_string(), "connections": connections})
        })
        .collect();
    let draining: Vec<Value> =
        proxy.draining().iter().map(|(addr, n)| json!({"addr": addr.to_string(), "connections": n})).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "generation": snapshot.generation,
        "origin": snapshot.origin.source,
        "loaded_at": seconds(snapshot.time),
        "digest": snapshot.origin.digest,
        "listeners": listeners,
        "upstreams": snapshot.upstreams().map(|u| upstream(u, &snapshot.config)).collect::<Vec<_>>(),
        "draining": draining,
    })
}

fn upstream(upstream: &yumen_proxy::Upstream, config: &Config) -> Value {
    let running = upstream.endpoints();
    let section = config.upstreams.values().find(|u| u.name.as_str() == upstream.name());
    let written = section.map(|u| u.endpoints.as_slice()).unwrap_or_default();
    // Endpoints run in the order of the file. A host name may stand for any number of them, so beside others it cannot
    // be told which are its own; no address is better than a wrong one.
    let literal = written.iter().all(|e| e.address.parse::<std::net::IpAddr>().is_ok());
    let of = |index: usize| match written {
        [only] => Some(only),
        _ if literal && written.len() == running.len() => written.get(index),
        _ => None,
    };
    let endpoints: Vec<Value> = running
        .iter()
        .enumerate()
        .map(|(index, e)| {
            json!({"address": of(index).map(|w| &*w.text), "healthy": e.is_healthy(),
                "weight": of(index).map(|w| w.weight), "active": e.active()})
        })
        .collect();
    json!({"name": upstream.name(), "endpoints": endpoints})
}

/// The configuration in force. Only what cannot hold a secret is shown: names, addresses and matches.
pub(crate) fn config(config: &Config) -> Value {
    let text = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>();
    let listeners = config.listeners.values().map(|l| {
        json!({"name": l.name.as_str(), "bind": text(&mut l.bind.iter().map(ToString::to_string)),
            "protocol": l.protocol.as_str(), "tls": l.tls.is_some(), "upstream": l.upstream.as_ref().map(|u| u.as_str())})
    });
    let routes = config.routes.iter().map(|r| {
        json!({"name": r.name.as_str(), "listeners": text(&mut r.listeners.iter().map(ToString::to_string)),
            "hosts": text(&mut r.hosts.iter().map(ToString::to_string)), "path": r.matcher.path.to_string(),
            "methods": r.matcher.methods, "middlewares": text(&mut r.middlewares.iter().map(|m| m.name.to_string())),
            "upstream": r.upstream.as_ref().map(|u| u.as_str())})
    });
    let middlewares = config.middlewares.values().map(|m| json!({"name": m.name.as_str(), "kind": m.kind.as_str()}));
    let upstreams = config.upstreams.values().map(|u| {
        json!({"name": u.name.as_str(), "balance": u.balance.as_str(), "health": u.health.is_some(),
            "endpoints": text(&mut u.endpoints.iter().map(|e| e.text.to_string()))})
    });
    json!({
        "listeners": listeners.collect::<Vec<_>>(),
        "routes": routes.collect::<Vec<_>>(),
        "middlewares": middlewares.collect::<Vec<_>>(),
        "upstreams": upstreams.collect::<Vec<_>>(),
        "runtime": {"workers": config.runtime.workers, "drain_timeout": config.runtime.drain_timeout.as_secs_f64()},
        "log": {"level": config.log.level},
    })
}
