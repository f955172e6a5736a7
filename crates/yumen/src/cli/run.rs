//! `yumen run`: the gateway itself.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::boot::{self, Start};
use crate::service::Surroundings;

/// Run the gateway.
#[derive(Args)]
pub(super) struct Run {
    /// The configuration file; without one, a demo runs on 127.0.0.1:8080
    #[arg(short, long, value_name = "FILE", value_parser = super::local_path())]
    config: Option<PathBuf>,
}

impl Run {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let start = self.config.map_or(Start::Demo, Start::File);
        boot::run(start, Surroundings::of_environment()).map_err(|failure| failure.error)
    }
}
