//! `yumen status`: what runs. Exit 0 it runs, 1 it does not answer, 3 it runs but refused the last configuration.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::{Format, Target};

/// Show what the running gateway does.
#[derive(Args)]
pub(super) struct Status {
    #[command(flatten)]
    target: Target,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Status {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let client = self.target.client(false)?;
        let status = super::block_on(async { Ok(client.status().await?) })?;
        match self.format {
            Format::Json => super::print_json(&status)?,
            Format::Text => super::print(&readable(&status))?,
        };
        Ok(if status["last_refused"].is_null() { ExitCode::SUCCESS } else { ExitCode::from(3) })
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

/// Writing to a `String` cannot fail, so the results of `write!` carry nothing.
pub(super) fn readable(status: &Value) -> String {
    let mut out = String::new();
    let name = |key| word(status, key);
    _ = writeln!(out, "yumen {}: {}", name("version"), name("state"));
    let loaded = status["loaded_at"].as_u64().map_or_else(|| "-".to_owned(), ago);
    _ = writeln!(out, "configuration  generation {}, {}, {loaded}", status["generation"], name("origin"));
    _ = writeln!(out, "               digest {:.12}", name("digest"));
    let workers: Vec<String> = list(status, "workers").map(|w| w["connections"].to_string()).collect();
    _ = writeln!(out, "workers        {}, with {} connections", workers.len(), workers.join(" + "));
    if status["access_log"]["dropped"].as_u64().unwrap_or(0) > 0 {
        _ = writeln!(out, "access log     {} lines LOST", status["access_log"]["dropped"]);
    }
    if list(status, "listeners").next().is_some() {
        _ = writeln!(out, "\n{:<20} {:<24} {:<16} {:>11}", "LISTENER", "ADDRESS", "PROTOCOL", "CONNECTIONS");
    }
    for l in list(status, "listeners") {
        let protocol = format!("{}{}", word(l, "protocol"), if l["tls"] == true { " (tls)" } else { "" });
        let (name, addr, connections) = (word(l, "name"), word(l, "addr"), l["connections"].to_string());
        _ = writeln!(out, "{name:<20} {addr:<24} {protocol:<16} {connections:>11}");
    }
    upstreams(&mut out, status);
    duties(&mut out, status);
    draining(&mut out, status);
    let refused = &status["last_refused"];
    if !refused.is_null() {
        let when = refused["time"].as_u64().map_or_else(String::new, ago);
        _ = writeln!(
            out,
            "\nThe configuration offered {when} ({}) was REFUSED and is not in force:",
            word(refused, "by")
        );
        out.push_str(&super::print_refused(&refused["diagnostics"]));
    }
    out
}

fn upstreams(out: &mut String, status: &Value) {
    if list(status, "upstreams").next().is_some() {
        let heads = ("UPSTREAM", "ENDPOINT", "HEALTH", "WEIGHT", "ACTIVE", "LATENCY");
        _ = writeln!(
            out,
            "\n{:<20} {:<30} {:<10} {:>6} {:>6} {:>10}",
            heads.0, heads.1, heads.2, heads.3, heads.4, heads.5
        );
    }
    for upstream in list(status, "upstreams") {
        for e in list(upstream, "endpoints") {
            let health = if e["healthy"] == true { "healthy" } else { "UNHEALTHY" };
            let (weight, active) = (e["weight"].to_string(), e["active"].to_string());
            let latency = e["latency_ms"].as_f64().map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms"));
            let (name, address) = (word(upstream, "name"), word(e, "address"));
            _ = writeln!(out, "{name:<20} {address:<30} {health:<10} {weight:>6} {active:>6} {latency:>10}");
        }
        if list(upstream, "endpoints").next().is_none() {
            _ = writeln!(out, "{:<20} no endpoint: its names have no address", word(upstream, "name"));
        }
    }
}

fn duties(out: &mut String, status: &Value) {
    if list(status, "duties").next().is_some() {
        _ = writeln!(out, "\n{:<34} {:<8} {:<12} NOW", "DUTY", "STATE", "SINCE");
    }
    for d in list(status, "duties") {
        let name = format!("{} {}", word(d, "kind"), word(d, "name"));
        let state = if d["state"] == "failing" { "FAILING" } else { word(d, "state") };
        let since = d["since"].as_u64().map_or_else(|| "-".to_owned(), ago);
        _ = writeln!(out, "{name:<34} {state:<8} {since:<12} {}", d["text"].as_str().unwrap_or_default());
    }
}

fn draining(out: &mut String, status: &Value) {
    if list(status, "draining").next().is_some() {
        _ = writeln!(out, "\n{:<45} {:>11} {:>10}", "DRAINING", "CONNECTIONS", "CUT OFF IN");
    }
    for d in list(status, "draining") {
        let left = d["seconds_left"].as_u64().map_or_else(|| "never".to_owned(), |s| format!("{s} s"));
        let connections = d["connections"].to_string();
        _ = writeln!(out, "{:<45} {connections:>11} {left:>10}", word(d, "addr"));
    }
}

/// `3 min ago`, of seconds since 1970.
fn ago(then: u64) -> String {
    let now = crate::report::seconds(yumen_net::rt::wall());
    match now.saturating_sub(then) {
        s @ 0..120 => format!("{s} s ago"),
        s @ 120..7200 => format!("{} min ago", s / 60),
        s @ 7200..172_800 => format!("{} h ago", s / 3600),
        s => format!("{} days ago", s / 86_400),
    }
}
