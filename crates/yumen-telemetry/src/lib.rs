//! The eyes: what the gateway tells about itself.
//!
//! Every metric family is declared in [`catalogue`], every reason code in [`reason`], every field of the access log in
//! [`access_log`]; the reference pages of the guide are written from them. A worker counts into its own shard of a
//! metric and formats its own log lines, so nothing here is contended on the data path; one thread does the writing.
//!
//! This room never decides anything and never touches a socket. The data path, the reload and the admin API call it.

pub mod log;

pub mod registry;

mod duty;
mod output;

pub mod access_log;
mod civil;

pub mod measures;

mod page;

pub mod catalogue;
pub mod metric;
pub mod reason;
pub mod trace;

pub use access_log::{AccessLog, StreamRecord, Tap, Tapped, Taps, WorkerLog};
pub use duty::{Duty, DutyReport, Fare};
pub use measures::{EndpointMetrics, GatewayMetrics, ListenerMetrics, ProcessFacts, RouteMetrics, UpstreamMetrics};
pub use metric::ELSEWHERE;
pub use output::{Carries, OutputMetrics};
pub use reason::reasons;
pub use registry::Registry;
