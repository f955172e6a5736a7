//! One exchange, whatever version of HTTP carries it: from the request to the response that is to be written.
//!
//! It reads and writes no connection. Who calls it (see [`super`]) has attached the request's content, writes the response,
//! and tells by a [`Client`] when nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use yumen_config::config::AbsoluteForm;
use yumen_core::{
    Answer, Caller, Conn, Error, Exchange, Interim, Next, Reason, Request, Response, Side, Stage, Version,
};
use yumen_http1::{TargetForm, tokens};
use yumen_net::rt::{self, Deadline};
use yumen_telemetry::{reasons, trace};

use super::{headers, hops, respond};
use crate::grpc;
use crate::middleware::NoUpstream;
use crate::route::Route;
use crate::snapshot::Listener;
use crate::upstream::{Send, Upstream};
use crate::view::Worker;
use crate::wire::strip_hop_by_hop;

/// The client's side of an exchange, as the version of HTTP that carries it knows it.
pub(crate) trait Client {
    /// Ready once there is nobody to answer any more, or no time left for it; the error says which. Asked whenever the
    /// answer is not there yet.
    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<Error>;
}

/// What was asked beside what stands in the [`Request`].
pub(crate) struct Asked {
    /// The form of the target. Versions that split it up themselves say [`TargetForm::Origin`], or
    /// [`TargetForm::Authority`] for a plain CONNECT.
    pub(crate) form: TargetForm,
    /// Whether some field is named `Connection`. HTTP/2 and later refuse such a request.
    pub(crate) connection_options: bool,
    /// How much content there is, when the head says so.
    pub(crate) length: Option<u64>,
    /// Where informational answers go; `None` when the client cannot take them.
    pub(crate) interim: Option<Rc<dyn Interim>>,
}

/// Runs an exchange up to its response, our own answer to an error included. `None` when there is nobody to answer; the
/// exchange knows why.
///
/// What needs no waiting is done at once, outside of the future: every level of futures that holds a request is one more
/// place it is copied to.
pub(crate) fn answer<'a>(
    (worker, listener): (&'a Rc<Worker>, &'a Listener),
    exchange: &'a mut Exchange,
    mut request: Request,
    asked: Asked,
    client: &'a mut impl Client,
) -> impl Future<Output = Option<Response>> + 'a {
    let Asked { form, connection_options, length, interim } = asked;
    exchange.interim = interim;
    let call = grpc::detect(&request).map(|(kind, _)| kind);
    exchange.rpc = call.map(|_| Rc::default());
    begin(exchange, &mut request, listener, (form, connection_options));
    let directed = match admit(&request, form, length, (listener, &exchange.conn)) {
        Ok(()) => direct(listener, exchange, &mut request),
        Err(error) => Err(error),
    };
    async move {
        let outcome = match directed {
            Ok(Directed::To(route, late)) => {
                let until = (exchange.deadline, late);
                match &route.upstream {
                    // Without a box for what stands behind the chain.
                    Some(upstream) if route.chain.is_empty() => {
                        let last = end_of(&route, upstream, worker);
                        watched(std::pin::pin!(last.send(exchange, request)), until, client).await
                    }
                    _ => watched(through(worker, &route, exchange, request).as_mut(), until, client).await,
                }
            }
            Ok(Directed::Answered(response)) => Ok(*response),
            Err(error) => Err(error),
        };
        conclude(outcome, exchange, call, listener)
    }
}

/// The response to what came of an exchange.
fn conclude(
    outcome: Result<Response, Error>,
    exchange: &mut Exchange,
    call: Option<yumen_grpc::Kind>,
    listener: &Listener,
) -> Option<Response> {
    let is_ours = outcome.is_err() || exchange.timings.head.is_none();
    let mut response = match outcome {
        Ok(response) => response,
        Err(error) => {
            exchange.failed(&error);
            if is_client_lost(&error) {
                return None;
            }
            respond::answer(&error)
        }
    };
    if let (Some(kind), true) = (call, is_ours) {
        response = grpc::own(exchange, response, kind);
    }
    for (name, value) in exchange.always.iter().flat_map(|fields| fields.iter()) {
        // Names of ours are text.
        response.fields.add(std::str::from_utf8(name).unwrap_or_default(), value);
    }
    Some(headers::advertise(response, exchange, listener))
}

fn is_client_lost(error: &Error) -> bool {
    error.side() == Side::Client
        && [reasons::CLIENT_GONE, reasons::CLIENT_RESET, reasons::CLIENT_CANCELLED].contains(&error.reason())
}

/// Notes what was asked, and makes the request one of ours: hop-by-hop fields off, forwarding fields on.
fn begin(
    exchange: &mut Exchange,
    request: &mut Request,
    listener: &Listener,
    (form, connection_options): (TargetForm, bool),
) {
    let policy = &listener.config.forwarded;
    let peer = exchange.conn.peer.ip().to_canonical();
    let trusted = headers::is_trusted(peer, policy);
    exchange.method = Some(request.method.clone());
    exchange.version = request.version;
    exchange.asked(request.fields.bytes(request.authority_span()), request.path_bytes());
    exchange.client = if trusted { headers::client_address(&request.fields, peer, policy) } else { peer };
    if request.version == Version::Http10 {
        // A client of HTTP/1.0 cannot mean it (RFC 9110 section 10.1.1), and the endpoint must not wait for it.
        request.fields.remove("expect");
    }
    // HTTP/1.1 has to name TE in Connection, later versions have no other way to use it.
    if connection_options || request.version > Version::Http11 {
        let takes = |value: &[u8]| tokens(value).any(|option| option.eq_ignore_ascii_case(b"trailers"));
        request.takes_trailers = request.fields.all("te").any(takes);
    }
    let offer = if request.upgrade { headers::upgrade_offer(&request.fields) } else { Vec::new() };
    // No proxy writes the twins of claims: even behind a trusted one they are what the client sent.
    let is_untrue = |name: &[u8]| headers::is_claim(name) && (!trusted || name.contains(&b'_'));
    strip_hop_by_hop(&mut request.fields, connection_options, false, is_untrue);
    request.upgrade = !offer.is_empty();
    if request.upgrade {
        request.fields.add("Connection", b"Upgrade");
        request.fields.add("Upgrade", &offer);
    }
    if request.authority_span().is_empty() {
        // HTTP/1.0 may come without, HTTP/1.1 may not go on without (RFC 9112 sections 3.2 and 3.3).
        let local = exchange.conn.local;
        let authority = std::net::SocketAddr::new(local.ip(), local.port()).to_string();
        request.fields.set("Host", authority.as_bytes());
    } else if form == TargetForm::Absolute {
        // In any other form the authority is what stands in the Host field.
        let authority = request.authority().as_bytes().to_vec();
        request.fields.set("Host", &authority);
    }
    headers::forward(request, exchange, policy, trusted);
    if listener.config.tls.as_ref().and_then(|tls| tls.clients.as_ref()).is_some_and(|clients| clients.forward) {
        let shown = exchange.conn.tls.as_ref().and_then(|tls| tls.client.as_deref());
        headers::forward_certificate(&mut request.fields, shown);
    }
    let given = request.fields.first("traceparent");
    let is_given = given.is_some();
    let own = given.and_then(trace::TraceParent::parse).map_or_else(trace::TraceParent::mint, |p| p.child());
    exchange.trace_id = Some(own.trace_id);
    if is_given {
        request.fields.set("traceparent", &own.render());
    } else {
        request.fields.add("traceparent", &own.render());
    }
}

/// Whose request it is.
fn caller(exchange: &Exchange) -> Caller<'_> {
    let certificate = exchange.conn.tls.as_ref().and_then(|tls| tls.client.as_deref());
    Caller { address: exchange.client, certificate }
}

/// Whether the handshake met the policy about client certificates that the host of the request has now. Where it did not,
/// the client may not be who the host's policy asks for (RFC 9110 section 15.5.20).
fn is_directed(request: &Request, conn: &Conn, listener: &Listener) -> bool {
    let (Some(tls), Some(facts)) = (&listener.tls, &conn.tls) else { return true };
    if facts.policy == 0 && !tls.asks_clients() {
        return true;
    }
    let host = request.host();
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    tls.policy(Some(&host)) == facts.policy
}

/// What no route can allow.
fn admit(
    request: &Request,
    form: TargetForm,
    length: Option<u64>,
    (listener, conn): (&Listener, &Conn),
) -> Result<(), Error> {
    let refuse = |reason| Err(Error::new(Side::Client, Stage::Route, reason));
    if form == TargetForm::Authority {
        return refuse(reasons::CONNECT_METHOD_REFUSED);
    }
    if !is_directed(request, conn, listener) {
        return refuse(reasons::MISDIRECTED_REQUEST);
    }
    if form == TargetForm::Absolute && listener.config.absolute_form == AbsoluteForm::Refuse {
        return refuse(reasons::ABSOLUTE_FORM_REFUSED);
    }
    if request.upgrade && length != Some(0) {
        return refuse(reasons::UPGRADE_REFUSED);
    }
    if let (Some(limit), Some(length)) = (listener.config.limits.body, length)
        && length > limit
    {
        return refuse(reasons::BODY_TOO_LARGE);
    }
    Ok(())
}

/// Where a request goes.
enum Directed {
    /// To a route; the reason is that of a request that takes longer than it may.
    To(Arc<Route>, Reason),
    /// Nowhere: it is answered.
    Answered(Box<Response>),
}

/// Finds the route.
fn direct(listener: &Listener, exchange: &mut Exchange, request: &mut Request) -> Result<Directed, Error> {
    if let Some(shown) = challenge(listener, request) {
        return Ok(Directed::Answered(Box::new(shown)));
    }
    if let Some(last) = hops::count(request)? {
        return Ok(Directed::Answered(Box::new(last)));
    }
    let Some(route) = listener.table.find(request, caller(exchange)) else {
        let error = Error::new(Side::Client, Stage::Route, reasons::NO_ROUTE);
        exchange.failed(&error);
        let last = respond::plain(listener.config.default_status, reasons::NO_ROUTE.code());
        return Ok(Directed::Answered(Box::new(last)));
    };
    exchange.route = Some(Arc::clone(route) as _);
    if let Some(whole) = route.phase.request {
        exchange.deadline = Some(exchange.started + whole);
    }
    grpc::bound(exchange, request, route.config.grpc.max_timeout)?;
    let late = grpc::late(exchange, route.phase.request);
    Ok(Directed::To(Arc::clone(route), late))
}

/// The answer to a CA that looks whether a name is ours, where an order waits for just this path.
fn challenge(listener: &Listener, request: &Request) -> Option<Response> {
    const FOLDER: &str = "/.well-known/acme-challenge/";
    let challenges = listener.challenges.as_ref()?;
    let is_asked = request.path().starts_with(FOLDER) && matches!(request.method.as_str(), "GET" | "HEAD");
    let text = is_asked.then(|| challenges.answer(request.path())).flatten()?;
    Some(Response::text(200, "application/octet-stream", text))
}

/// Waits for an answer, and watches the client and the clock meanwhile.
async fn watched<F: Future<Output = Result<Response, Error>> + ?Sized>(
    mut answer: Pin<&mut F>,
    (until, late): (Option<Instant>, Reason),
    client: &mut impl Client,
) -> Result<Response, Error> {
    let mut whole = Deadline::new();
    whole.set(until);
    std::future::poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        if whole.poll_expired(cx).is_ready() {
            return Poll::Ready(Err(Error::new(Side::Us, Stage::Receive, late)));
        }
        client.poll_lost(cx).map(Err)
    })
    .await
}

/// Runs the chain of a route.
fn through<'a>(worker: &'a Rc<Worker>, route: &'a Route, exchange: &'a mut Exchange, request: Request) -> Answer<'a> {
    match &route.upstream {
        Some(upstream) => Box::pin(async move {
            let last = end_of(route, upstream, worker);
            Next::new(&route.chain, &last).run(exchange, request).await
        }),
        None => Next::new(&route.chain, &NoUpstream).run(exchange, request),
    }
}

/// What stands behind the chain of a route.
fn end_of<'a>(route: &'a Route, upstream: &'a Arc<Upstream>, worker: &'a Worker) -> Send<'a> {
    Send { local: &worker.local, upstream, phase: &route.phase, idle_race: route.config.retry.idle_race }
}

/// The response with the time at which we wrote it (RFC 9110 section 6.6.1).
pub(super) fn dated(mut response: Response) -> Response {
    response.fields.add("Date", crate::clock::http_date(rt::wall()).as_bytes());
    response
}
