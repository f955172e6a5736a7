//! The built program as a user runs it: real files, a real client (curl), a real process.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod gateway;
mod guide;

#[cfg(unix)]
mod authority;
#[cfg(unix)]
mod ends;
#[cfg(unix)]
mod nginx;
#[cfg(unix)]
mod site;

#[cfg(unix)]
mod balance;
#[cfg(unix)]
mod change;
#[cfg(unix)]
mod dns;
#[cfg(unix)]
mod drain;
#[cfg(unix)]
mod endpoint_tls;
#[cfg(unix)]
mod metrics;
#[cfg(unix)]
mod middleware;
#[cfg(unix)]
mod passthrough;
#[cfg(unix)]
mod peers;
#[cfg(unix)]
mod reload;
mod explain;
#[cfg(unix)]
mod last_good;
#[cfg(unix)]
mod process;
mod run;
#[cfg(target_os = "linux")]
mod service;
mod watch;
#[cfg(unix)]
mod tls;
mod wire;
