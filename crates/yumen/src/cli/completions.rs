//! `yumen completions`: what a shell needs to complete a command line.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

/// Print the completions of a shell.
#[derive(Args)]
pub(super) struct Completions {
    /// The shell that will read them
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        // Into memory first: the generator panics when its writer fails, and a reader may leave (`| head`).
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "yumen", &mut script);
        super::print(&String::from_utf8_lossy(&script))
    }
}
