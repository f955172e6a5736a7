//! What holds of gRPC-Web for every input.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub, reason = "tests; shared with fuzz")]

mod smoke;
