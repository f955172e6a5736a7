//! The wire seen from outside.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod peek;
