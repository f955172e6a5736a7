//! Sends an exchange to an upstream: choose, take or make a connection, call, and try again where that is safe.

use std::rc::Rc;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use yumen_core::{Answer, Body, Error, Exchange, Request, Response, Retry, Side, Stage, Terminal};
use yumen_http1::tokens;
use yumen_net::dial::{self, DialError, DialErrorKind, DialOptions};
use yumen_net::rt;
use yumen_net::tls;
use yumen_net::transport::Transport;
use yumen_telemetry::reasons;

use super::h1::Call;
use super::{Beside, Endpoint, Local, Phase, Upstream, introduce};
use crate::wire::Link;

/// How many endpoints are tried when none could be connected to.
const ATTEMPTS: u32 = 3;

/// The end of a chain that leads to an upstream.
pub(crate) struct Send<'s> {
    pub(crate) local: &'s Rc<Local>,
    pub(crate) upstream: &'s Arc<Upstream>,
    pub(crate) phase: Phase,
    /// Whether a request that met a connection closed at rest is sent once more.
    pub(crate) idle_race: bool,
}

impl Terminal for Send<'_> {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, request: Request) -> Answer<'a> {
        Box::pin(self.send(exchange, request))
    }
}

impl Send<'_> {
    /// Sends an exchange that begins at this moment, and answers with what came back.
    pub(crate) async fn send(&self, exchange: &mut Exchange, mut request: Request) -> Result<Response, Error> {
        exchange.upstream = Some(Arc::clone(self.upstream) as _);
        if self.upstream.is_full() {
            return Err(full(self.upstream));
        }
        let mut tried = Vec::new();
        let mut raced = false;
        loop {
            let Some(endpoint) = self.upstream.choose(self.local, exchange.client, &tried) else {
                return Err(nobody(self.upstream));
            };
            exchange.endpoint = Some(Arc::clone(&endpoint) as _);
            exchange.attempts += 1;
            let streams = matches!(request.body, Body::Stream(_));
            let (error, pooled) = match self.attempt(exchange, &mut request, &endpoint, raced).await {
                Ok(response) => {
                    self.local.give_back_fields(request.fields);
                    return Ok(response);
                }
                Err(failed) => failed,
            };
            endpoint.metrics.failures.add(self.local.index, 1);
            let again = match error.may_retry() {
                Retry::Never => false,
                Retry::Unsent => {
                    tried.push(endpoint.id);
                    exchange.attempts < ATTEMPTS
                }
                // The idle race: the endpoint closed a connection at rest just as the request went out.
                Retry::IfIdempotent => {
                    self.idle_race
                        && pooled
                        && !streams
                        && request.method.is_idempotent()
                        && !std::mem::replace(&mut raced, true)
                }
            };
            if !again {
                return Err(error);
            }
            self.upstream.metrics.retries.add(self.local.index, 1);
        }
    }

    /// One attempt. The flag of a failure says whether the connection had been at rest before.
    async fn attempt(
        &self,
        exchange: &mut Exchange,
        request: &mut Request,
        endpoint: &Arc<Endpoint>,
        fresh: bool,
    ) -> Result<Response, (Error, bool)> {
        let index = self.local.index;
        let begun = rt::now();
        let pooled = if fresh { None } else { self.local.pool.borrow_mut().take(endpoint, begun) };
        let reused = pooled.is_some();
        let (connection, begun) = match pooled {
            Some(idle) => {
                self.upstream.metrics.reused.add(index, 1);
                ((idle.link, idle.served), begun)
            }
            None => {
                // Boxed: a connection is made rarely, and the room for making one should not burden every exchange.
                let beside = Beside { sni: None, request_id: exchange.request_id.as_deref() };
                let hello = introduce(self.upstream, &exchange.conn, beside);
                let dialled = Box::pin(dial(self.upstream, endpoint, &self.phase, index, &hello));
                let transport = dialled.await.map_err(|e| (e, false))?;
                let connected = rt::now();
                exchange.timings.connect = Some(connected.saturating_duration_since(begun));
                ((Link::new(transport), 0), connected)
            }
        };
        endpoint.metrics.requests.add(index, 1);
        let mut call = Call::new(self.local, endpoint, connection, request, (self.phase, begun));
        let head = call.head(exchange, &request.method).await.map_err(|e| (e, reused))?;
        if head.response.status == 101 && !(request.upgrade && head.upgrade && is_offered(request, &head.response)) {
            let error = Error::new(Side::Upstream, Stage::Receive, reasons::UPGRADE_FAILED)
                .detail(format!("{} changed the protocol unasked, or to another one", endpoint.name));
            return Err((error, reused));
        }
        Ok(call.into_response(head))
    }
}

/// Whether an endpoint changed to nothing but what the client offered (RFC 9110 section 7.8).
fn is_offered(request: &Request, response: &Response) -> bool {
    let is_in_offer =
        |protocol: &[u8]| request.fields.all("upgrade").flat_map(tokens).any(|o| o.eq_ignore_ascii_case(protocol));
    response.fields.all("upgrade").flat_map(tokens).all(is_in_offer)
}

/// Connects to an endpoint, with TLS where its address says so. `hello` is sent before everything else.
pub(crate) async fn dial(
    upstream: &Upstream,
    endpoint: &Endpoint,
    phase: &Phase,
    index: usize,
    hello: &[u8],
) -> Result<Transport, Error> {
    upstream.metrics.connects.add(index, 1);
    let connected = async {
        let options = DialOptions { timeout: phase.connect, ..DialOptions::default() };
        let mut stream = dial::connect(endpoint.addr, &options).await.map_err(|e| dial_error(endpoint, e))?;
        if !hello.is_empty() {
            // A fresh connection has room for it: this waits for nothing.
            let failed = |e| connect_error(endpoint, reasons::CONNECT_FAILED).source(e);
            stream.write_all(hello).await.map_err(failed)?;
        }
        let (Some(tls), Some(name)) = (&upstream.tls, &endpoint.tls_name) else {
            return Ok(Transport::plain(stream));
        };
        match rt::timeout(phase.connect, tls::connect(tls, name, stream)).await {
            Ok(Ok((transport, _))) => Ok(transport),
            Ok(Err(e)) => Err(connect_error(endpoint, reasons::TLS_TO_ENDPOINT_FAILED).source(e)),
            Err(_) => Err(connect_error(endpoint, reasons::CONNECT_TIMEOUT).detail(format!("{}: TLS", endpoint.name))),
        }
    };
    connected.await.inspect_err(|_| upstream.metrics.connect_failures.add(index, 1))
}

/// The upstream has as much in flight as it may.
pub(crate) fn full(upstream: &Upstream) -> Error {
    Error::new(Side::Us, Stage::Connect, reasons::UPSTREAM_FULL).detail(format!("upstream {}", upstream.name))
}

/// The upstream has no endpoint to choose.
pub(crate) fn nobody(upstream: &Upstream) -> Error {
    // Every upstream has endpoints in its section; those that have no address yet are names.
    let unresolved = upstream.endpoints().is_empty();
    let reason = if unresolved { reasons::RESOLVE_FAILED } else { reasons::NO_HEALTHY_ENDPOINT };
    Error::new(Side::Upstream, Stage::Connect, reason).detail(format!("upstream {}", upstream.name))
}

fn connect_error(endpoint: &Endpoint, reason: yumen_core::Reason) -> Error {
    Error::new(Side::Upstream, Stage::Connect, reason).retry(Retry::Unsent).detail(endpoint.name.as_ref())
}

fn dial_error(endpoint: &Endpoint, e: DialError) -> Error {
    let reason = match e.kind {
        DialErrorKind::Refused => reasons::CONNECT_REFUSED,
        DialErrorKind::TimedOut => reasons::CONNECT_TIMEOUT,
        DialErrorKind::Unreachable => reasons::CONNECT_UNREACHABLE,
        DialErrorKind::OutOfPorts => reasons::OUT_OF_PORTS,
        DialErrorKind::Other => reasons::CONNECT_FAILED,
    };
    connect_error(endpoint, reason).source(e)
}
