//! The desk: the admin API over the [`Control`](yumen_core::Control) port, and the client that the commands
//! `yumen status`, `yumen reload` and `yumen explain --live` use.
//!
//! It is for people and programs of the same host: it listens on a loopback address, a Unix socket or a named pipe,
//! refuses what a browser sends on behalf of a foreign page, and changes something only for those who can read the token
//! file. It carries JSON documents and does not understand them. Not on the data path, so it uses hyper.

mod server;

mod route;

mod client;

mod door;

mod gate;

mod answer;
mod token;

pub use client::{AdminClient, ClientError};
pub use door::{AdminError, Door, Listen};
pub use server::AdminServer;
pub use token::{Token, TokenError};
