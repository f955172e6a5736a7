//! `yumen check`: every mistake at once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Format;
use crate::compose;

/// Say everything that is wrong with a configuration; exit 1 when it would be refused.
#[derive(Args)]
pub(super) struct Check {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Check {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let (found, taken) = match compose::load_file(&self.config) {
            Ok(wish) => (wish.warnings, true),
            Err(found) => (found, false),
        };
        match self.format {
            Format::Json => {
                super::print_json(&json!({"valid": taken, "diagnostics": yumen_config::to_json(&found)}))?;
            }
            Format::Text => {
                super::print(&yumen_config::render(&found))?;
                if taken {
                    super::print(&format!("{}: valid\n", self.config.display()))?;
                }
            }
        }
        Ok(if taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
