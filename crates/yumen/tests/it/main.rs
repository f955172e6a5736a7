//! The built program as a user runs it: real files, a real client (curl), a real process.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod gateway;

mod run;
mod wire;
