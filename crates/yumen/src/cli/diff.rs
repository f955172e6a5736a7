//! `yumen diff`: what a reload would do.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::Format;

/// Say which listeners, routes and upstreams a reload from OLD to NEW would keep, open, close or change.
#[derive(Args)]
pub(super) struct Diff {
    /// The configuration that runs
    #[arg(value_parser = super::local_path())]
    old: PathBuf,
    /// The configuration that would be put in force
    #[arg(value_parser = super::local_path())]
    new: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Diff {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let (old, new) = (super::load(&self.old)?, super::load(&self.new)?);
        let diff = yumen_config::diff(&old.config, &new.config);
        match self.format {
            Format::Json => super::print_json(&diff.to_json()),
            Format::Text => super::print(&format!("{diff}\n")),
        }
    }
}
