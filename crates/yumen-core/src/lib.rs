//! The vocabulary of Yumen: values and ports.
//!
//! Every other room speaks in these words: a [`Conn`] carries exchanges, an [`Exchange`] is one [`Request`] and its
//! [`Response`] in flight, a [`Middleware`] sees both, a [`Source`] keeps telling its latest full state, and an
//! [`Error`] says who is at fault, where, and whether to try again.
//!
//! Nothing here performs I/O, knows an operating system or reads a clock. It almost never changes, because everything
//! is rebuilt when it does.

mod control;
mod middleware;
mod exchange;
mod rpc;
mod conn;
mod certificate;
mod challenge;
mod met;
mod message;
mod body;
mod error;
mod fields;
mod discovery;
mod source;

pub use body::{Body, BodyStream, Frame};
pub use certificate::{AlternativeName, Caller, ClientCertificate};
pub use challenge::Challenges;
pub use conn::{Conn, Proxied, TlsFacts, write_address};
pub use control::{Control, ExplainRequest, Pending};
pub use discovery::{Discovered, DiscoveredEndpoint, Discovery};
pub use error::{Error, Reason, Retry, Side, Stage};
pub use exchange::{Exchange, Finished, Interim, Observer, Timings};
pub use fields::{Fields, Span};
pub use message::{Method, Request, Response, Scheme, Version};
pub use met::Met;
pub use middleware::{Answer, Middleware, Next, Terminal};
pub use rpc::Rpc;
pub use source::Source;
