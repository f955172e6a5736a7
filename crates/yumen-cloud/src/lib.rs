//! THE FOLLOWER. What the gateway does in the cloud beside traffic.
//!
//! Each duty is a future that runs on the control side for as long as its section of the configuration stays the same. It
//! follows full states, never differences; what it learns for others goes out through a `watch` cell; and it says how it
//! fares through a [`yumen_telemetry::Duty`]. Nothing here may be called from a worker, and nothing here can cost a request:
//! when the cloud is away, what was learned before goes on serving.

pub mod accelerator;
pub mod nat;
pub mod account;
pub mod dynamic_dns;
pub mod log_output;
pub mod metric_output;
pub mod deploy;
pub mod policy;
pub mod secret;
pub mod discover;
pub mod registration;
pub mod change;
pub mod rhythm;
