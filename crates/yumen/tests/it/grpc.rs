//! gRPC and gRPC-Web through the gateway, judged by clients and servers that nobody here wrote.

mod peer;

mod calls;
mod errors;
mod health;
mod web;

pub(crate) use peer::{Client, Server};
