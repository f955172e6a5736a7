//! Yumen, a network gateway: the binary that joins the rooms.
//!
//! `cli` reads the command line, `boot` starts and stops what runs, `reload` puts configurations in force, `upgrade` puts
//! another program in the place of this one, `overlay` lays listeners of
//! accelerators over configurations, `process` changes what stands beside the data path, `certificates` obtains and renews certificates, `cloud` runs what is
//! done in the cloud, `last_good` keeps what worked, `compose` translates between rooms, `watch`
//! sees files change, `service` hears the operating system.

mod cli;
mod boot;
mod upgrade;
mod overlay;
mod reload;
mod process;
mod certificates;
mod cloud;
mod program;
mod last_good;
mod report;
mod watch;
mod compose;
mod files;
mod demo;
mod service;

use std::process::ExitCode;

use clap::Parser;

/// The allocators of the systems differ, and those of Windows and of glibc are slow for what a request leaves behind: a few
/// short-lived pieces of some KiB.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    yumen_net::os::prepare_console();
    yumen_net::os::raise_file_limit();
    match cli::Cli::parse().execute() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
