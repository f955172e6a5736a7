//! Automation of the workspace: `cargo xtask COMMAND`.
//!
//! Everything a person or a machine does to this repository besides plain `cargo` starts here, so that it is written in
//! one language and runs the same on every desk. Each command is one file; none of them is part of the product.

#![allow(
    clippy::disallowed_methods,
    reason = "automation: it has no runtime, reads the real clock and waits for other processes"
)]

mod ci;
mod windows;
mod test;

mod layers;
mod sizes;

mod bench;

mod dist;

mod editor;

mod source;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test     run every test of the workspace; further arguments go to the test runner
  ci       all checks and tests, as .ci/run does: installs what is missing, formats, lints, docs, licences, tests
  layers   who may import whom: crates, modules, OS words, unsafe
  sizes    files, functions and argument lists within their budgets; prints the medians
  windows  the same for Windows: build, lint and test under Wine; see `cargo xtask windows help`
  dist     packages, sums and the SBOM of a release; see `cargo xtask dist --help`
  bench    Yumen beside nginx, HAProxy, Caddy and nghttpx in one run; see `cargo xtask bench --help`
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let rest: Vec<String> = words.collect();
    let outcome = match command.as_str() {
        "test" => test::run(&rest),
        "ci" => ci::run(),
        "layers" => layers::run(),
        "sizes" => sizes::run(),
        "windows" => windows::run(&rest),
        "dist" => dist::run(&rest),
        "bench" => bench::run(&rest),
        "" | "help" | "--help" | "-h" => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => Err(anyhow::anyhow!("there is no command `{other}`\n\n{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace, wherever the command was started.
fn root() -> Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map(PathBuf::from).ok_or_else(|| anyhow::anyhow!("{} has no parent folder", here.display()))
}
