//! The stage: what tests put around the gateway, and nothing that ships.
//!
//! * [`Origin`] is a server that follows a script of raw bytes and fails the test that meets it in a way nobody planned;
//!   its constructors are named after the vice they have.
//! * [`Peer`] is one end of a connection, read and written byte by byte.
//! * [`Program`] is the built `yumen` as a process.
//! * [`Flow`] is a script of both sides in one file, with [`Pattern`]s for what must come.
//! * [`Pebble`] is a CA and [`Knot`] a name server: [`Server`]s of others, as processes.
//! * [`Http2`] is the client's end of an HTTP/2 connection, frame by frame.
//! * [`until`] waits for a condition.
//!
//! No HTTP library stands here: what a library would correct or refuse is what has to be sent. Everything blocks and
//! panics: its callers are tests.
#![allow(clippy::unwrap_used, reason = "a peer that cannot work fails its test")]

mod flow;
mod knot;
mod pebble;
mod http2;
mod program;
mod vice;
mod origin;
mod pattern;
mod server;
mod peer;
mod wait;

pub use flow::{Case, Config, Entry, Flow, Step, What, Who};
pub use http2::{Frame, Http2, block, frame, status};
pub use knot::Knot;
pub use origin::{Origin, Play};
pub use pattern::{Pattern, diff, shown};
pub use pebble::{Pebble, PebbleSetup};
pub use peer::{End, Peer};
pub use program::Program;
pub use server::{Server, free_port, on_free_port, write};
pub use wait::{PATIENCE, until, within};
