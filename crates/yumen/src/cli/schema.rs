//! `yumen schema`: what an editor needs to complete and check a configuration.

use std::process::ExitCode;

use clap::Args;

/// Print the JSON Schema, or the reference page, of the configuration.
#[derive(Args)]
pub(super) struct Schema {
    /// Print the reference page in Markdown instead
    #[arg(long)]
    markdown: bool,
}

impl Schema {
    pub(super) fn execute(self) -> anyhow::Result<ExitCode> {
        if self.markdown {
            super::print(&yumen_config::reference_markdown())
        } else {
            super::print_json(&yumen_config::schema())
        }
    }
}
