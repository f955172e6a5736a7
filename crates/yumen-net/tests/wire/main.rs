//! The wire seen from outside.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "../../../../fuzz/src/smoke.rs"]
mod engine;
mod peek;
mod proxy_header;
mod sessions;
