//! Streams: matched, checked, dialled, copied.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use yumen_config::config::{HostPattern, Protocol};
use yumen_core::{Conn, Error, Finished, Reason, Retry, Side, Stage};
use yumen_net::copy::{self, RelayCounters, RelayEnd, RelayOptions};
use yumen_net::drain::DrainWatch;
use yumen_net::rt;
use yumen_net::sni::{self, Sni};
use yumen_net::transport::Transport;
use yumen_telemetry::{StreamRecord, reasons};

use crate::snapshot::Listener;
use crate::upstream::{self, Beside, Endpoint, Phase, Upstream};
use crate::view::Worker;

/// How many endpoints are tried.
const ATTEMPTS: u32 = 3;
/// The largest ClientHello that is waited for.
const HELLO: usize = 16 * 1024;

/// Relays a stream to its end, and writes its log line.
pub(crate) async fn serve(
    worker: &Worker,
    conn: &Rc<Conn>,
    listener: &Listener,
    mut near: Transport,
    drain: DrainWatch,
) {
    let started = rt::now();
    let counters = RelayCounters::default();
    let mut record = StreamRecord {
        datagrams: None,
        conn,
        protocol: "tcp",
        route: None,
        upstream: None,
        endpoint: None,
        attempts: 0,
        sni: None,
        started,
        duration: Duration::ZERO,
        connect: None,
        bytes_in: 0,
        bytes_out: 0,
        failure: None,
    };
    let mut met = Met::default();
    let result = relay(worker, (conn, &drain), listener, &mut near, (&counters, &mut met)).await;
    let failure = result.err().map(|e| Finished {
        side: e.side(),
        stage: e.stage(),
        reason: e.reason(),
        detail: e.explanation().into(),
    });
    if failure.is_some() {
        near.set_linger_zero();
    }
    record.upstream = met.upstream.as_deref().map(Upstream::name);
    record.endpoint = met.endpoint.as_deref().map(|e| &*e.name);
    record.attempts = met.attempts;
    record.sni = met.sni.as_deref();
    record.connect = met.connect;
    record.duration = rt::now().saturating_duration_since(started);
    record.bytes_in = counters.a_to_b.get();
    record.bytes_out = counters.b_to_a.get();
    record.failure = failure.as_ref();
    listener.metrics.bytes_in.add(worker.index, record.bytes_in);
    listener.metrics.bytes_out.add(worker.index, record.bytes_out);
    worker.log.write_stream(&record);
}

/// What a stream met on its way.
#[derive(Default)]
struct Met {
    upstream: Option<Arc<Upstream>>,
    endpoint: Option<Arc<Endpoint>>,
    sni: Option<Box<str>>,
    attempts: u32,
    connect: Option<Duration>,
}

async fn relay(
    worker: &Worker,
    (conn, drain): (&Conn, &DrainWatch),
    listener: &Listener,
    near: &mut Transport,
    (counters, met): (&RelayCounters, &mut Met),
) -> Result<(), Error> {
    let cut = || Error::new(Side::Us, Stage::Receive, reasons::DRAINING);
    let reached = tokio::select! {
        reached = reach(worker, conn, listener, near, met) => reached,
        () = drain.forced() => Err(cut()),
    };
    let (mut far, endpoint) = reached?;
    let _active = endpoint.enter();
    let options = RelayOptions { idle: Some(listener.config.timeouts.idle), ..RelayOptions::default() };
    let result = tokio::select! {
        ended = copy::relay(near, &mut far, &options, counters) => ending(ended),
        () = drain.forced() => Err(cut()),
    };
    if result.is_err() {
        // The endpoint must not take what it has for the whole, any more than the client.
        far.set_linger_zero();
    }
    result
}

/// A connection to an endpoint of the upstream that the stream is for.
async fn reach(
    worker: &Worker,
    conn: &Conn,
    listener: &Listener,
    near: &Transport,
    met: &mut Met,
) -> Result<(Transport, Arc<Endpoint>), Error> {
    let upstream = find_upstream(listener, near, met).await?;
    met.upstream = Some(Arc::clone(&upstream));
    if upstream.is_full() {
        return Err(upstream::full(&upstream));
    }
    let begun = rt::now();
    let found = dial(worker, &upstream, conn, met).await?;
    met.connect = Some(rt::now().saturating_duration_since(begun));
    Ok(found)
}

/// What a relay's end means.
pub(crate) fn ending(ended: Result<RelayEnd, copy::RelayError>) -> Result<(), Error> {
    let reset = |side, reason: Reason| Err(Error::new(side, Stage::Receive, reason));
    match ended.map_err(|e| relay_error(&e))? {
        RelayEnd::Closed => Ok(()),
        RelayEnd::Idle => reset(Side::Us, reasons::TUNNEL_IDLE_TIMEOUT),
        RelayEnd::Reset(copy::End::A) => reset(Side::Client, reasons::CLIENT_RESET),
        RelayEnd::Reset(copy::End::B) => reset(Side::Upstream, reasons::ENDPOINT_RESET),
    }
}

/// What a relay's failure means.
fn relay_error(e: &copy::RelayError) -> Error {
    match e.side {
        copy::End::A => Error::new(Side::Client, Stage::Receive, reasons::CLIENT_GONE).detail(e.to_string()),
        copy::End::B => Error::new(Side::Upstream, Stage::Receive, reasons::ENDPOINT_RESET).detail(e.to_string()),
    }
}

async fn find_upstream(listener: &Listener, near: &Transport, met: &mut Met) -> Result<Arc<Upstream>, Error> {
    let refuse = |reason: Reason| Error::new(Side::Client, Stage::Route, reason);
    if listener.config.protocol == Protocol::TlsPassthrough {
        let peeked = rt::timeout(listener.config.timeouts.handshake, peek(near)).await;
        let name = peeked.map_err(|_| refuse(reasons::HANDSHAKE_TIMEOUT))??;
        met.sni = name.clone();
        let found = name.as_deref().and_then(|name| by_name(listener, name));
        return match found.or_else(|| listener.upstream.clone()) {
            Some(upstream) => Ok(upstream),
            None if name.is_some() => Err(refuse(reasons::SNI_UNKNOWN)),
            None => Err(refuse(reasons::SNI_MISSING)),
        };
    }
    listener.upstream.clone().ok_or_else(|| Error::new(Side::Us, Stage::Route, reasons::NO_UPSTREAM))
}

/// Exact names first, then the longest `*.`.
fn by_name(listener: &Listener, name: &str) -> Option<Arc<Upstream>> {
    let takes = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(host) => (**host == *name).then_some(usize::MAX),
        HostPattern::Below(host) => {
            let below = name.strip_suffix(&**host).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1);
            below.then_some(host.len() + 1)
        }
        HostPattern::Any => Some(0),
    };
    let best = listener.sni.iter().filter_map(|(p, u)| Some((takes(p)?, u))).max_by_key(|(weight, _)| *weight);
    best.map(|(_, upstream)| Arc::clone(upstream))
}

/// The server name a client asks for, without taking anything out of the socket.
async fn peek(near: &Transport) -> Result<Option<Box<str>>, Error> {
    let refuse = |reason: Reason| Error::new(Side::Client, Stage::Handshake, reason);
    let mut hello = vec![0u8; HELLO];
    let mut seen = 0;
    loop {
        let got = near.peek(&mut hello, seen).await.map_err(|e| refuse(reasons::CLIENT_RESET).source(e))?;
        if got <= seen {
            return Err(refuse(reasons::CLIENT_GONE));
        }
        seen = got;
        match sni::peek_sni(hello.get(..seen).unwrap_or_default()) {
            Sni::Name(name) => return Ok(Some(name)),
            Sni::None => return Ok(None),
            Sni::NeedMore if seen < HELLO => {}
            _ => return Err(refuse(reasons::NOT_TLS)),
        }
    }
}

async fn dial(
    worker: &Worker,
    upstream: &Upstream,
    conn: &Conn,
    met: &mut Met,
) -> Result<(Transport, Arc<Endpoint>), Error> {
    let timeouts = &upstream.config.timeouts;
    let phase = Phase { connect: timeouts.connect, ..Phase::default() };
    let hello = upstream::introduce(upstream, conn, Beside { sni: met.sni.as_deref(), request_id: None });
    let mut tried = Vec::new();
    loop {
        let Some(endpoint) = upstream.choose(&worker.local, conn.peer.ip(), &tried) else {
            return Err(upstream::nobody(upstream));
        };
        met.endpoint = Some(Arc::clone(&endpoint));
        met.attempts += 1;
        endpoint.metrics.requests.add(worker.index, 1);
        match upstream::dial(upstream, &endpoint, &phase, worker.index, &hello).await {
            Ok(transport) => return Ok((transport, endpoint)),
            Err(error) => {
                endpoint.metrics.failures.add(worker.index, 1);
                tried.push(endpoint.id);
                if error.may_retry() != Retry::Unsent || met.attempts >= ATTEMPTS {
                    return Err(error);
                }
            }
        }
    }
}
