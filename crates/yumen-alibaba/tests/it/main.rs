//! The client against what the vendor's own libraries sent, and against a cloud that keeps state.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, clippy::string_slice, reason = "tests; shared with fuzz")]

mod api;
mod client;
mod cloud;
mod credential;
mod model;
mod script;
mod sign;
mod smoke;
mod transport;
mod vector;
