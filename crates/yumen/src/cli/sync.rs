//! `yumen alibaba sync`: once in the cloud what a gateway with this configuration would do there.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};
use yumen_cloud::change::Change;

use super::Format;
use crate::cloud::accounts::Accounts;
use crate::cloud::keepers::{Kept, keepers};
use crate::compose;

/// Bring about once in the cloud what a configuration keeps there: records, memberships, entries.
#[derive(Args)]
pub(super) struct Sync {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Only say what would be changed
    #[arg(long)]
    dry_run: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What became of one section.
struct Told {
    kind: &'static str,
    name: String,
    outcome: Result<Vec<Change>, String>,
}

impl Sync {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let wish = compose::load_file(&self.config).map_err(|found| super::refusal(&found))?;
        let all = keepers(&wish.config, &Accounts::default());
        let all = super::block_on(async { Ok(self.work(all).await) })?;
        match self.format {
            Format::Json => super::print_json(&json(&all))?,
            Format::Text => super::print(&readable(&all, self.dry_run))?,
        };
        let is_done = all.iter().all(|one| one.outcome.is_ok());
        Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// One after the other: that order is also that of a gateway's log.
    async fn work(&self, all: Vec<Kept>) -> Vec<Told> {
        let mut told = Vec::new();
        for Kept { kind, name, keeper } in all {
            let outcome = match keeper {
                Ok(keeper) if self.dry_run => keeper.plan().await,
                Ok(keeper) => keeper.sync().await,
                Err(error) => Err(format!("{error:#}")),
            };
            told.push(Told { kind, name, outcome });
        }
        told
    }
}

fn json(all: &[Told]) -> Value {
    let change = |c: &Change| json!({"what": c.what, "from": c.from, "to": c.to});
    let one = |told: &Told| {
        let (changes, error) = match &told.outcome {
            Ok(changes) => (changes.iter().map(change).collect(), None),
            Err(text) => (Vec::new(), Some(text)),
        };
        json!({"kind": told.kind, "name": told.name, "changes": changes, "error": error})
    };
    all.iter().map(one).collect()
}

/// Writing to a `String` cannot fail, so the results of `write!` carry nothing.
fn readable(all: &[Told], is_dry: bool) -> String {
    let mut out = String::new();
    for Told { kind, name, outcome } in all {
        _ = match outcome {
            Err(text) => writeln!(out, "{kind} {name}: FAILED: {text}"),
            Ok(changes) if changes.is_empty() => writeln!(out, "{kind} {name}: as wanted"),
            Ok(changes) => writeln!(out, "{kind} {name}: {}", count(changes.len(), is_dry)),
        };
        for change in outcome.iter().flatten() {
            _ = writeln!(out, "  {change}");
        }
    }
    if all.is_empty() {
        out.push_str("the configuration keeps nothing in the cloud\n");
    }
    out
}

fn count(n: usize, is_dry: bool) -> String {
    let noun = if n == 1 { "change" } else { "changes" };
    if is_dry { format!("{n} {noun} would be made") } else { format!("{n} {noun} made") }
}
