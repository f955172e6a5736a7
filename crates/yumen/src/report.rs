//! What the gateway tells about itself to the admin API.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use yumen_config::config::{Config, Listener};
use yumen_proxy::{Carrier, Draining, Endpoint, OpenAddress, Proxy, Upstream};
use yumen_telemetry::DutyReport;

/// Seconds since 1970, UTC.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

/// The status document without what only the reload knows.
pub(crate) fn status(proxy: &Proxy) -> Value {
    let snapshot = proxy.snapshot();
    let listener = |open: &OpenAddress| {
        let is_there = |l: &&Arc<Listener>| l.bind.contains(&open.addr) && Carrier::of(l).contains(&open.carrier);
        let at_addr = || snapshot.config.listeners.values().find(is_there);
        let section = match open.name.as_deref() {
            Some(name) => snapshot.config.listeners.get(name),
            None => at_addr(),
        };
        json!({
            "name": section.map(|l| l.name.as_str()),
            "addr": open.local.to_string(),
            "protocol": section.map(|l| if open.carrier == Carrier::Quic { "http3" } else { l.protocol.as_str() }),
            "tls": section.is_some_and(|l| l.tls.is_some()),
            "generated_by": section.and_then(|l| l.generated_by.as_ref()).map(|by| by.as_str()),
            "connections": open.connections,
        })
    };
    let draining = |d: &Draining| {
        let left = d.left.map(|t| t.as_secs());
        json!({"addr": d.local.to_string(), "connections": d.connections, "seconds_left": left})
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "generation": snapshot.generation,
        "origin": snapshot.origin.source,
        "loaded_at": seconds(snapshot.time),
        "digest": snapshot.origin.digest,
        "workers": proxy.connections().iter().map(|n| json!({"connections": n})).collect::<Vec<_>>(),
        "listeners": proxy.open_addresses().iter().map(listener).collect::<Vec<_>>(),
        "upstreams": snapshot.upstreams().map(|u| upstream(u)).collect::<Vec<_>>(),
        "draining": proxy.draining().iter().map(draining).collect::<Vec<_>>(),
        "duties": proxy.registry().duties().iter().map(duty).collect::<Vec<_>>(),
        "access_log": {"dropped": proxy.log().dropped()},
    })
}

fn duty(duty: &DutyReport) -> Value {
    let fact = |(name, json): (&&str, &String)| {
        let value = serde_json::from_str(json).unwrap_or_else(|_| json!(json));
        ((*name).to_owned(), value)
    };
    json!({
        "kind": duty.kind,
        "name": duty.name,
        "state": duty.fare.as_str(),
        "since": seconds(duty.since),
        "last_success": duty.last_success.map(seconds),
        "next": duty.next.map(seconds),
        "text": duty.text,
        "facts": duty.facts.iter().map(fact).collect::<serde_json::Map<_, _>>(),
    })
}

fn upstream(upstream: &Upstream) -> Value {
    let endpoint = |e: &Arc<Endpoint>| {
        let mut told = json!({
            "address": e.name(),
            "healthy": e.is_healthy(),
            "weight": e.weight(),
            "active": e.active(),
            "latency_ms": e.latency().map(|t| t.as_micros() as f64 / 1000.0),
        });
        let labels = e.labels();
        if !labels.is_empty() {
            told["labels"] = json!(*labels);
        }
        told
    };
    json!({"name": upstream.name(), "protocol": upstream.protocol(),
        "endpoints": upstream.endpoints().iter().map(endpoint).collect::<Vec<_>>()})
}

/// What is not the same in two configurations: `section runtime: workers`, `route api`.
pub(crate) fn changes(old: &Config, new: &Config) -> Value {
    let diff = yumen_config::diff(old, new);
    let parts = diff.parts.iter().filter(|p| p.change != yumen_config::Change::Kept);
    parts.map(|p| json!({"noun": p.noun, "name": p.name, "change": p.change.as_str(), "keys": p.fields})).collect()
}
