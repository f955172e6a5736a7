//! Sends an exchange to an upstream: choose, take or make a connection, call, and try again where that is safe.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use yumen_config::config::UpstreamProtocol;
use yumen_core::{Answer, Body, Error, Exchange, Request, Response, Retry, Side, Stage, Terminal, Version};
use yumen_http1::tokens;
use yumen_net::dial::{self, DialError, DialErrorKind, DialOptions};
use yumen_net::rt;
use yumen_net::tls;
use yumen_net::transport::Transport;
use yumen_telemetry::reasons;

use super::h1::Call;
use super::h2::{self, Channel, Dialling, Place, Turn};
use super::{Beside, Endpoint, Local, Phase, Upstream, introduce};
use crate::grpc;
use crate::wire::Link;

/// How many endpoints are tried when none could be connected to.
const ATTEMPTS: u32 = 3;

/// The end of a chain that leads to an upstream.
#[derive(Clone, Copy)]
pub(crate) struct Send<'s> {
    pub(crate) local: &'s Rc<Local>,
    pub(crate) upstream: &'s Arc<Upstream>,
    pub(crate) phase: &'s Phase,
    /// Whether a request that met a connection closed at rest is sent once more.
    pub(crate) idle_race: bool,
}

impl Terminal for Send<'_> {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, request: Request) -> Answer<'a> {
        Box::pin((*self).send(exchange, request))
    }
}

impl<'s> Send<'s> {
    /// Sends an exchange that begins at this moment, and answers with what came back.
    ///
    /// No `async fn`: that would hold the request twice.
    pub(crate) fn send<'a>(
        self,
        exchange: &'a mut Exchange,
        mut request: Request,
    ) -> impl Future<Output = Result<Response, Error>> + use<'a, 's> {
        exchange.upstream = Some(Arc::clone(self.upstream) as _);
        let is_call = exchange.rpc.is_some() && grpc::is_call(&request);
        async move {
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
                if exchange.rpc.is_some() {
                    grpc::forward_timeout(&mut request, exchange.deadline);
                }
                let (error, pooled) = match self.attempt(exchange, &mut request, &endpoint, (raced, is_call)).await {
                    Ok(mut response) => {
                        self.local.give_back_fields(request.fields);
                        grpc::relay(exchange, &mut response, grpc::late(exchange, self.phase.request));
                        return Ok(response);
                    }
                    Err((error, false)) if is_call => (grpc::explained(error), false),
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
    }

    /// One attempt. The flag of a failure says whether the connection had been at rest before.
    async fn attempt(
        &self,
        exchange: &mut Exchange,
        request: &mut Request,
        endpoint: &Arc<Endpoint>,
        (fresh, is_call): (bool, bool),
    ) -> Result<Response, (Error, bool)> {
        let index = self.local.index;
        let begun = rt::now();
        let (connection, reused, begun) = match self.speaks(endpoint, request, is_call).map_err(|e| (e, false))? {
            Speaks::Http1 => {
                let pooled = if fresh { None } else { self.local.pool.borrow_mut().take(endpoint, begun) };
                match pooled {
                    Some(idle) => ((idle.link, idle.served), true, begun),
                    None => {
                        // Boxed: a connection is made rarely, and the room for making one should not burden every exchange.
                        let beside = Beside { sni: None, request_id: exchange.request_id.as_deref() };
                        let hello = introduce(self.upstream, &exchange.conn, beside);
                        let dialled = Box::pin(dial(self.upstream, endpoint, self.phase, index, &hello));
                        let transport = dialled.await.map_err(|e| (e, false))?;
                        let connected = rt::now();
                        exchange.timings.connect = Some(connected.saturating_duration_since(begun));
                        ((Link::new(transport), 0), false, connected)
                    }
                }
            }
            // Boxed, since most exchanges do without.
            speaks => match Box::pin(self.over_http2(exchange, request, endpoint, (speaks, fresh, begun))).await? {
                Way::Answered(response) => return Ok(response),
                Way::Http1(link, served) => ((link, served), served > 0, rt::now()),
            },
        };
        if reused {
            self.upstream.metrics.reused.add(index, 1);
        }
        self.upstream.metrics.versions.inc(index, Version::Http11);
        endpoint.metrics.requests.add(index, 1);
        let mut call = Call::new(self.local, endpoint, connection, request, (*self.phase, begun));
        let head = call.head(exchange, &request.method).await.map_err(|e| (e, reused))?;
        if head.response.status == 101 && !(request.upgrade && head.upgrade && is_offered(request, &head.response)) {
            let error = Error::new(Side::Upstream, Stage::Receive, reasons::UPGRADE_FAILED)
                .detail(format!("{} changed the protocol unasked, or to another one", endpoint.name));
            return Err((error, reused));
        }
        Ok(call.into_response(head))
    }

    /// What may be spoken to an endpoint for a request.
    fn speaks(&self, endpoint: &Endpoint, request: &Request, is_call: bool) -> Result<Speaks, Error> {
        let protocol = self.phase.protocol;
        if let Some(why) = self.upstream.bars_http2(protocol).filter(|_| is_call) {
            return Err(grpc::needs_http2(&format!("upstream {} has `{why}`", self.upstream.name)));
        }
        let introduces = self.upstream.config.proxy_protocol.is_some();
        Ok(match protocol {
            // There is nothing to choose.
            UpstreamProtocol::Auto if is_call => Speaks::Http2,
            UpstreamProtocol::Http1 => Speaks::Http1,
            UpstreamProtocol::H2c | UpstreamProtocol::Http2 => Speaks::Http2,
            // To another protocol one changes from HTTP/1.1 only (RFC 9113 section 8.6).
            // A connection that names its client is for that client alone.
            UpstreamProtocol::Auto if introduces => Speaks::Http1,
            UpstreamProtocol::Auto if endpoint.tls_name.is_none() || request.upgrade => Speaks::Http1,
            UpstreamProtocol::Auto => Speaks::Either,
        })
    }

    /// One attempt over HTTP/2, or a connection on which the endpoint chose HTTP/1.1.
    async fn over_http2(
        &self,
        exchange: &mut Exchange,
        request: &mut Request,
        endpoint: &Arc<Endpoint>,
        (speaks, fresh, begun): (Speaks, bool, Instant),
    ) -> Result<Way, (Error, bool)> {
        let index = self.local.index;
        let channels = &self.local.channels;
        if speaks == Speaks::Either && !fresh {
            // A place on a connection that is there is worth more than a connection of HTTP/1.1 that is there.
            let rests = self.local.pool.borrow().len(endpoint) > 0;
            let pooled = if rests { self.local.pool.borrow_mut().take(endpoint, begun) } else { None };
            if let Some(idle) = pooled {
                return Ok(Way::Http1(idle.link, idle.served));
            }
        }
        let (place, begun) = match channels.take(endpoint) {
            Some(place) => (place, begun),
            // Boxed, as every connection that is made.
            None => match Box::pin(self.place(endpoint, speaks)).await.map_err(|e| (e, false))? {
                Made::Waited(place) => (place, rt::now()),
                made => {
                    let connected = rt::now();
                    exchange.timings.connect = Some(connected.saturating_duration_since(begun));
                    match made {
                        Made::Place(place) | Made::Waited(place) => (place, connected),
                        Made::Http1(link) => return Ok(Way::Http1(link, 0)),
                    }
                }
            },
        };
        let reused = place.is_reused();
        if reused {
            self.upstream.metrics.reused.add(index, 1);
        }
        self.upstream.metrics.versions.inc(index, Version::Http2);
        endpoint.metrics.requests.add(index, 1);
        let sent = h2::send((self.local, endpoint), place, exchange, request, (self.phase, begun)).await;
        sent.map(Way::Answered).map_err(|error| (error, reused))
    }

    /// A place where there is none at once: on a connection that others make, or on one made now.
    async fn place(&self, endpoint: &Arc<Endpoint>, speaks: Speaks) -> Result<Made, Error> {
        match self.local.channels.turn(endpoint, self.upstream.config.http2.max_concurrent_streams).await {
            Turn::Place(place) => Ok(Made::Waited(place)),
            Turn::Dial(dialling) => self.make(endpoint, dialling, speaks).await,
        }
    }

    /// Makes a connection for HTTP/2, if that is what the endpoint chooses.
    async fn make(&self, endpoint: &Arc<Endpoint>, dialling: Dialling, speaks: Speaks) -> Result<Made, Error> {
        let (index, upstream) = (self.local.index, self.upstream);
        let alpn: &[&str] = if speaks == Speaks::Either { &["h2", "http/1.1"] } else { &["h2"] };
        let (transport, chosen) = dial_offering(upstream, endpoint, (self.phase, index), (&[], alpn)).await?;
        let is_tls = endpoint.tls_name.is_some();
        if is_tls && chosen.as_deref() != Some("h2") {
            if speaks == Speaks::Either {
                dialling.made_http1();
                return Ok(Made::Http1(Link::new(transport)));
            }
            return Err(Error::new(Side::Upstream, Stage::Connect, reasons::H2_TO_ENDPOINT_FAILED)
                .detail(format!("{} chose another protocol by ALPN", endpoint.name)));
        }
        let failed = |detail: String| {
            let error = Error::new(Side::Upstream, Stage::Connect, reasons::H2_TO_ENDPOINT_FAILED);
            error.retry(Retry::Unsent).detail(format!("{}: {detail}", endpoint.name))
        };
        let started =
            Channel::start(transport, &upstream.config.http2, endpoint.pool.max_requests, (&upstream.metrics, index));
        let started = match rt::timeout(self.phase.connect, started).await {
            Ok(started) => started.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed("it took nothing in time".to_owned())),
        };
        dialling.made(started).map(Made::Place).ok_or_else(|| failed("it takes no request".to_owned()))
    }
}

/// What may be spoken to an endpoint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http1,
    Http2,
    /// What it chooses.
    Either,
}

/// What came of an attempt over HTTP/2.
enum Way {
    Answered(Response),
    /// The endpoint speaks HTTP/1.1, on this connection which has carried so many exchanges.
    Http1(Link, u32),
}

/// A connection that was made.
enum Made {
    Place(Place),
    /// A place on a connection that somebody else made.
    Waited(Place),
    Http1(Link),
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
    Ok(dial_offering(upstream, endpoint, (phase, index), (hello, &[])).await?.0)
}

/// As [`dial`], offering protocols by ALPN where there is TLS; what was chosen comes with the connection.
async fn dial_offering(
    upstream: &Upstream,
    endpoint: &Endpoint,
    (phase, index): (&Phase, usize),
    (hello, alpn): (&[u8], &[&str]),
) -> Result<(Transport, Option<Box<str>>), Error> {
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
            return Ok((Transport::plain(stream), None));
        };
        match rt::timeout(phase.connect, tls::connect_offering(tls, name, stream, alpn)).await {
            Ok(Ok((transport, facts))) => Ok((transport, facts.alpn)),
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
    let reason = match upstream.endpoints().is_empty() {
        true if upstream.config.endpoints.is_empty() => reasons::NOTHING_DISCOVERED,
        // Those of the section that have no address yet are names.
        true => reasons::RESOLVE_FAILED,
        false => reasons::NO_HEALTHY_ENDPOINT,
    };
    Error::new(Side::Upstream, Stage::Connect, reason).detail(format!("upstream {}", upstream.name))
}

fn connect_error(endpoint: &Endpoint, reason: yumen_core::Reason) -> Error {
    Error::new(Side::Upstream, Stage::Connect, reason).retry(Retry::Unsent).detail(endpoint.name.as_ref())
}

/// What a connection that could not be made means.
pub(crate) fn dial_error(endpoint: &Endpoint, e: DialError) -> Error {
    let reason = match e.kind {
        DialErrorKind::Refused => reasons::CONNECT_REFUSED,
        DialErrorKind::TimedOut => reasons::CONNECT_TIMEOUT,
        DialErrorKind::Unreachable => reasons::CONNECT_UNREACHABLE,
        DialErrorKind::OutOfPorts => reasons::OUT_OF_PORTS,
        DialErrorKind::Other => reasons::CONNECT_FAILED,
    };
    connect_error(endpoint, reason).source(e)
}
