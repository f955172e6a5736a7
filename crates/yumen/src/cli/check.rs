//! `yumen check`: every mistake at once.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use yumen_config::Diagnostic;

use super::Format;
use crate::{compose, files};

/// Say everything that is wrong with a configuration; exit 1 when it would be refused.
#[derive(Args)]
pub(super) struct Check {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", value_parser = super::local_path())]
    config: PathBuf,
    /// Leave out the files that the configuration names: certificates, keys, password files
    #[arg(long)]
    text_only: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Check {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let mut found = match compose::read(&self.config) {
            Ok(loaded) if self.text_only => loaded.warnings,
            Ok(loaded) => [files::check(&loaded), loaded.warnings].concat(),
            Err(found) => found,
        };
        found.sort_by_key(|d| d.severity);
        let taken = !found.iter().any(Diagnostic::is_error);
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
