//! `yumen proxy`: a reverse proxy without any file.

use std::process::ExitCode;

use clap::Args;

use crate::boot::{self, Start};
use crate::service::Surroundings;

/// Run a reverse proxy from one address to one or more endpoints.
#[derive(Args)]
pub(super) struct Proxy {
    /// Where to listen: ADDRESS:PORT, or :PORT for every address
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// Where to send requests: a URL; may be given more than once
    #[arg(long, value_name = "URL", required = true, num_args = 1..)]
    to: Vec<String>,
}

impl Proxy {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let start = Start::Quick { from: self.from, to: self.to };
        boot::run(start, Surroundings::of_environment()).map_err(|failure| failure.error)
    }
}
