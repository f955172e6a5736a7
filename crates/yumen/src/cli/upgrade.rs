//! `yumen upgrade`: exit 1 when the new process did not come up; the old one goes on then.

use std::process::ExitCode;

use clap::Args;

use super::Target;

/// Start the program anew in the place of the running one, without closing a socket.
#[derive(Args)]
pub(super) struct Upgrade {
    #[command(flatten)]
    target: Target,
}

impl Upgrade {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        let client = self.target.client(true)?;
        super::block_on(async {
            match client.upgrade().await {
                Ok(report) => {
                    let version = report["version"].as_str().unwrap_or_default();
                    super::print(&format!(
                        "yumen {version} has taken over as process {}; the old one leaves when its connections have ended\n",
                        report["process"]
                    ))
                }
                Err(error) => {
                    eprintln!("error: {error}");
                    Ok(ExitCode::FAILURE)
                }
            }
        })
    }
}
