//! gRPC and gRPC-Web through the gateway, judged by clients and servers that nobody here wrote.

mod peer;

mod calls;
mod errors;
mod health;
#[cfg(unix)]
mod node;
mod web;

pub(crate) use peer::{Client, Server};
