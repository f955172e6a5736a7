//! HTTP over a transport, the same for both roles.
//!
//! HTTP/1.1: bytes in ([`Link`]), the content of a message out of them ([`Content`]), and bytes out ([`Outgoing`]).
//! HTTP/2, which the `h2` crate speaks: content in ([`Inflow`]) and out ([`Outflow`]) of a stream, and what watches over a
//! client's frames ([`Line`]). Fields of the `http` crate become ours and the other way round in [`map`].
//!
//! It knows the grammar and the transport, and nothing of routes, upstreams or whose side it is on: faults come back as
//! facts ([`BodyFault`], [`Broken`], [`Unsent`]) which the caller turns into an error that names the side.

mod content;
mod hop;
mod inflow;
mod link;
pub(crate) mod map;
mod metered;
mod outflow;
mod outgoing;
pub(crate) mod websocket;

pub(crate) use content::{BodyFault, Content, span};
pub(crate) use hop::strip_hop_by_hop;
pub(crate) use inflow::{Broken, Inflow};
pub(crate) use link::Link;
pub(crate) use metered::{Line, Metered};
pub(crate) use outflow::{Outflow, Unsent};
pub(crate) use outgoing::Outgoing;
