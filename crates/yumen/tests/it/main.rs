//! The built program as a user runs it: real files, a real client (curl), a real process.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[cfg(unix)]
mod acme;
mod accelerator;
mod alibaba;
mod dynamic_dns;
mod gateway;
mod grpc;
mod guide;
mod h2;

mod authority;
mod ends;
mod haproxy;
mod nginx;
mod site;

mod balance;
#[cfg(unix)]
mod cert;
mod change;
mod cloud;
mod client_certificates;
mod discovery;
mod dns;
mod drain;
mod drills;
mod endpoint_tls;
mod metrics;
mod nat;
mod middleware;
mod passthrough;
mod policy;
mod path;
mod port;
mod peers;
mod registration;
mod reload;
mod explain;
mod held;
mod http3;
mod last_good;
mod log_output;
mod metric_output;
mod mixed;
mod process;
mod proxy_protocol;
mod run;
mod secret;
#[cfg(unix)]
mod ocsp;
#[cfg(windows)]
mod resources;
#[cfg(any(target_os = "linux", windows))]
mod service;
#[cfg(target_os = "linux")]
mod upgrade;
mod watch;
mod slow;
mod tls;
mod udp;
mod websocket;
mod wire;
