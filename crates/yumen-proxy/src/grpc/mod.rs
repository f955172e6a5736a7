//! gRPC on the data path: what is told apart from other requests, and what becomes of it.
//!
//! * [`call`] recognises a call, and minds its deadline.
//! * [`relay`] sees the answer of an endpoint pass by: it learns the status, and ends what takes too long.
//! * [`answer`] makes answers of our own such that a client of gRPC understands them.
//! * [`web`] makes gRPC of gRPC-Web, and the other way round.
//!
//! What stands here knows no version of HTTP: status and messages are trailers and content. `http` recognises and answers,
//! `upstream` relays, the middleware `grpc_web` translates. The grammar is that of `yumen-grpc`.

pub(crate) mod web;
mod relay;
mod answer;
mod call;

pub(crate) use answer::{own, settle};
pub(crate) use call::{bound, detect, explained, forward_timeout, is_call, late, needs_http2};
pub(crate) use relay::relay;
