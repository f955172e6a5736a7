//! One request and its answer in flight, and the record being written about it.
//!
//! The exchange tells its [`Observer`] when it is dropped, so no path through the gateway can forget the access log or
//! the metrics.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{Conn, Error, Fields, Met, Method, Reason, Rpc, Side, Stage, Version};

/// When the phases of an exchange ended; all are offsets from [`Exchange::started`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// How long it took until a connection to the endpoint was at hand (zero when pooled).
    pub connect: Option<Duration>,
    /// From the first byte sent to the endpoint until the head of its answer.
    pub head: Option<Duration>,
    /// Until everything was written to the client; filled in by the data path at the end.
    pub total: Duration,
}

/// Why an exchange did not end as the client and the upstream meant it.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Who was at fault.
    pub side: Side,
    /// Where.
    pub stage: Stage,
    /// The stable code.
    pub reason: Reason,
    /// A text for the operator.
    pub detail: Box<str>,
}

/// Is told of every exchange, once, when it is over. One per worker.
pub trait Observer {
    /// The exchange is over and its record complete.
    fn finished(&self, exchange: &Exchange);
}

/// Passes informational answers (RFC 9110 section 15.2) on to the client while the final one is still awaited.
pub trait Interim {
    /// Queues a `1xx` answer other than 101. Fails only when the client is gone, which the final answer will notice too.
    fn send(&self, status: u16, fields: &Fields);
}

/// One request and its answer in flight.
pub struct Exchange {
    /// The connection it came on.
    pub conn: Rc<Conn>,
    /// When its first byte was seen.
    pub started: Instant,
    /// The address of the client: the connection's peer, or what a trusted proxy says it is.
    pub client: IpAddr,
    /// The method; `None` until the head was understood.
    pub method: Option<Method>,
    /// The version.
    pub version: Version,
    /// Whether it was asked in early data, before the handshake was complete (RFC 8470).
    pub early: bool,
    /// Authority, then path, as received and before any rewrite; without the query, which may hold secrets.
    line: Vec<u8>,
    authority_len: usize,
    /// The route that was met.
    pub route: Option<Arc<dyn Met>>,
    /// The upstream it was sent to.
    pub upstream: Option<Arc<dyn Met>>,
    /// The endpoint that answered or failed last.
    pub endpoint: Option<Arc<dyn Met>>,
    /// How many times it was sent.
    pub attempts: u32,
    /// The request id, accepted or minted.
    pub request_id: Option<Box<str>>,
    /// The W3C trace id in hexadecimal, taken from `traceparent` or minted.
    pub trace_id: Option<[u8; 32]>,
    /// Name of the user a middleware authenticated.
    pub user: Option<Box<str>>,
    /// When the whole exchange must be over.
    pub deadline: Option<Instant>,
    /// The status sent to the client; 0 when nothing was.
    pub status: u16,
    /// Bytes of content received from the client.
    pub bytes_in: u64,
    /// Bytes of content sent to the client.
    pub bytes_out: u64,
    /// When its phases ended.
    pub timings: Timings,
    /// Why it did not end as meant; `None` when it did.
    pub failure: Option<Finished>,
    /// Where informational answers go; `None` when the client cannot take them (HTTP/1.0).
    pub interim: Option<Rc<dyn Interim>>,
    /// What is known of the gRPC call that it is; `None` for all else.
    pub rpc: Option<Rc<Rpc>>,
    /// Fields that whatever is answered gets, our own answer to an error included.
    pub always: Option<Box<Fields>>,
    observer: Rc<dyn Observer>,
}

impl Exchange {
    /// An exchange that begins at `started`; `observer` hears of its end.
    pub fn new(conn: Rc<Conn>, started: Instant, observer: Rc<dyn Observer>) -> Self {
        let client = conn.peer.ip();
        Self {
            conn,
            started,
            client,
            method: None,
            version: Version::Http11,
            early: false,
            line: Vec::new(),
            authority_len: 0,
            route: None,
            upstream: None,
            endpoint: None,
            attempts: 0,
            request_id: None,
            trace_id: None,
            user: None,
            deadline: None,
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            timings: Timings::default(),
            failure: None,
            interim: None,
            rpc: None,
            always: None,
            observer,
        }
    }

    /// Remembers what was asked for, before anything rewrites it. The query is left out: it may hold secrets.
    pub fn asked(&mut self, authority: &[u8], path: &[u8]) {
        self.line.clear();
        self.line.reserve(authority.len() + path.len());
        self.line.extend_from_slice(authority);
        self.line.extend_from_slice(path);
        self.authority_len = authority.len();
    }

    /// The authority asked for.
    pub fn authority(&self) -> &str {
        self.line.get(..self.authority_len).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }

    /// The path asked for.
    pub fn path(&self) -> &str {
        self.line.get(self.authority_len..).and_then(|b| std::str::from_utf8(b).ok()).unwrap_or_default()
    }

    /// Notes why the exchange failed. The first failure stays: what follows is its consequence.
    pub fn failed(&mut self, error: &Error) {
        if self.failure.is_none() {
            self.failure = Some(Finished {
                side: error.side(),
                stage: error.stage(),
                reason: error.reason(),
                detail: error.explanation().into_boxed_str(),
            });
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(error) = self.rpc.as_ref().and_then(|rpc| rpc.take_failure()) {
            self.failed(&error);
        }
        let observer = Rc::clone(&self.observer);
        observer.finished(self);
    }
}
