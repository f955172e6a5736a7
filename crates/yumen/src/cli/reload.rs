//! `yumen reload`: exit 1 when the configuration was refused.

use std::process::ExitCode;

use clap::Args;
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
                Ok(report) => super::print(&format!("generation {} is in force\n", report["generation"])),
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
