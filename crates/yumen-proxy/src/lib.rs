//! The data path: from an accepted connection to the last byte.
//!
//! [`Snapshot::build`] compiles a configuration, [`Proxy::apply`] puts it in force with one swap, and the workers serve:
//! `worker` accepts, `conn` shakes hands, `http` or `l4` serves, `route` decides, `middleware` is the onion, `upstream`
//! sends. Each worker is one thread that shares nothing with the others but immutable snapshots and counters.
//!
//! It never reads a file that the configuration does not name, and never talks to the cloud or the admin API.

mod explain;
mod proxy;
mod crew;
mod worker;
mod plan;
mod conn;
mod quic;
mod http;
mod l4;
mod udp;
mod refusal;
mod order;
mod view;
mod snapshot;
mod route;
mod middleware;
mod upstream;
mod wire;
mod grpc;
mod vault;
mod clock;

pub use crew::{Accepting, ResizeError};
pub use explain::explain;
pub use http::forms;
pub use middleware::MiddlewareError;
pub use proxy::{Applied, Draining, OpenAddress, Proxy};
pub use snapshot::{BuildError, Carrier, Origin, Ports, Snapshot, client_auth};
pub use upstream::{Endpoint, Upstream};
pub use vault::{Cell, Vault};
