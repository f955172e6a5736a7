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
fn readable(status: &Value) -> String {
    let mut out = String::new();
    let name = |key| word(status, key);
    _ = writeln!(out, "yumen {}: {}, generation {}", name("version"), name("state"), status["generation"]);
    _ = writeln!(out, "configuration {} ({:.12})", name("origin"), name("digest"));
    for l in list(status, "listeners") {
        _ = writeln!(out, "listener {:<16} {:<22} {} connections", word(l, "name"), word(l, "addr"), l["connections"]);
    }
    for upstream in list(status, "upstreams") {
        _ = writeln!(out, "upstream {}", word(upstream, "name"));
        for e in list(upstream, "endpoints") {
            let health = if e["healthy"] == true { "healthy" } else { "unhealthy" };
            let address = word(e, "address");
            _ = writeln!(out, "  {address:<30} {health:<10} weight {} active {}", e["weight"], e["active"]);
        }
    }
    for d in list(status, "draining") {
        _ = writeln!(out, "draining {} {} connections", word(d, "addr"), d["connections"]);
    }
    let refused = &status["last_refused"];
    if !refused.is_null() {
        _ = writeln!(out, "the last configuration offered was REFUSED and is not in force:");
        out.push_str(&super::print_refused(&refused["diagnostics"]));
    }
    out
}
