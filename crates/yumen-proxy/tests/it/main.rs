//! The whole data path over real sockets: scripted clients and origins that speak raw bytes.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests")]

mod stage;

#[path = "../../../../fuzz/src/smoke.rs"]
mod engine;

mod fields;
mod http;
mod reload;
mod route;
mod stream;
mod workers;
