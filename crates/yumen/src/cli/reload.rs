//! `yumen reload`: exit 1 when the configuration was refused.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use yumen_admin::ClientError;

use super::Target;

/// Tell the running gateway to read its configuration again.
#[derive(Args)]
pub(super) struct Reload {
    #[command(flatten)]
    target: Target,
}

impl Reload {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let client = self.target.client(true)?;
        super::block_on(async {
            match client.reload().await {
                Ok(report) => super::print(&readable(&report)),
                Err(error) => {
                    eprintln!("error: {error}");
                    if let ClientError::Refused { document, .. } = &error {
                        eprint!("{}", super::print_refused(&document["diagnostics"]));
                    }
                    Ok(ExitCode::FAILURE)
                }
            }
        })
    }
}

/// What was put in force, what changed by it, and what is probably not meant.
fn readable(report: &Value) -> String {
    let mut out = format!("generation {} is in force\n", report["generation"]);
    let list = |key: &str| report[key].as_array().cloned().unwrap_or_default();
    for change in list("changes") {
        let word = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
        let keys: Vec<&str> = change["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let keys = if keys.is_empty() { String::new() } else { format!(" ({})", keys.join(", ")) };
        out.push_str(&format!("  {} {} {}{keys}\n", word("change"), word("noun"), word("name")));
    }
    out.push_str(&super::print_refused(&report["warnings"]));
    out
}
