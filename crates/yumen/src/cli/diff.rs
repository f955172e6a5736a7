//! `yumen diff`: what a reload would do.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

/// Say which listeners, routes and upstreams a reload from OLD to NEW would keep, open, close or change.
#[derive(Args)]
pub(super) struct Diff {
    /// The configuration that runs
    old: PathBuf,
    /// The configuration that would be put in force
    new: PathBuf,
}

impl Diff {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let (old, new) = (super::load(&self.old)?, super::load(&self.new)?);
        super::print(&format!("{}", yumen_config::diff(&old.config, &new.config)))
    }
}
