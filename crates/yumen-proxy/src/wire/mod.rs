//! HTTP/1.1 over a transport, the same for both roles: bytes in ([`Link`]), the content of a message out of them
//! ([`Content`]), and bytes out ([`Outgoing`]).
//!
//! It knows the grammar and the transport, and nothing of routes, upstreams or whose side it is on: faults come back as
//! facts ([`BodyFault`]) which the caller turns into an error that names the side.

mod content;
mod hop;
mod link;
mod outgoing;

pub(crate) use content::{BodyFault, Content, span};
pub(crate) use hop::strip_hop_by_hop;
pub(crate) use link::Link;
pub(crate) use outgoing::Outgoing;
