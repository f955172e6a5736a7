//! The onion: each middleware sees a request on its way in and the answer on its way out.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Error, Exchange, Request, Response};

/// An answer to come. Workers are single-threaded, so it need not be `Send`.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Response, Error>> + 'a>>;

/// Sees every exchange of the routes that name it.
pub trait Middleware: Send + Sync {
    /// Handles a request: answers it, or passes it on with `next.run(…)` and may alter what comes back.
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, request: Request, next: Next<'a>) -> Answer<'a>;
}

/// What stands behind the last middleware: usually an upstream.
pub trait Terminal {
    /// Answers the request.
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, request: Request) -> Answer<'a>;
}

/// The rest of the chain.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    rest: &'a [Arc<dyn Middleware>],
    last: &'a dyn Terminal,
}

impl<'a> Next<'a> {
    /// A chain and what stands behind it.
    pub fn new(rest: &'a [Arc<dyn Middleware>], last: &'a dyn Terminal) -> Self {
        Self { rest, last }
    }

    /// Passes the request on.
    pub fn run(self, exchange: &'a mut Exchange, request: Request) -> Answer<'a> {
        match self.rest.split_first() {
            Some((first, rest)) => first.handle(exchange, request, Next { rest, last: self.last }),
            None => self.last.handle(exchange, request),
        }
    }
}
