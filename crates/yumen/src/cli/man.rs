//! `yumen man`: the manual pages, one for the program and one for each command.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, CommandFactory};

use super::Cli;

/// Write the manual pages into a directory.
#[derive(Args)]
pub(super) struct Man {
    /// The directory, made if it is not there; pages with the same names are replaced
    #[arg(value_name = "DIR", value_parser = super::local_path())]
    dir: PathBuf,
}

impl Man {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let shown = self.dir.display();
        std::fs::create_dir_all(&self.dir).with_context(|| format!("cannot make the directory {shown}"))?;
        clap_mangen::generate_to(Cli::command(), &self.dir)
            .with_context(|| format!("cannot write the manual pages into {shown}"))?;
        Ok(ExitCode::SUCCESS)
    }
}
