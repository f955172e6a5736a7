//! A call among requests, and its deadline.

use std::time::{Duration, Instant};

use yumen_core::{Error, Exchange, Fields, Method, Reason, Request, Side, Stage};
use yumen_grpc::{Kind, content_type, encode_timeout, parse_timeout};
use yumen_net::rt;
use yumen_telemetry::reasons;

const TIMEOUT: &str = "grpc-timeout";

/// The kind of call that a request is, and the suffix of its type; `None` when it is none.
pub(crate) fn detect(request: &Request) -> Option<(Kind, &[u8])> {
    if request.method != Method::Post {
        return None;
    }
    kind_of(&request.fields)
}

/// Whether a request is a call of gRPC itself, which needs trailers and thus HTTP/2.
pub(crate) fn is_call(request: &Request) -> bool {
    detect(request).is_some_and(|(kind, _)| kind == Kind::Grpc)
}

pub(super) fn kind_of(fields: &Fields) -> Option<(Kind, &[u8])> {
    content_type(fields.first("content-type")?)
}

/// Takes the deadline of a call into its exchange: what the client asks for, but no more than `max`, and no more than is
/// there already.
///
/// # Errors
/// The client's field is none.
pub(crate) fn bound(exchange: &mut Exchange, request: &Request, max: Option<Duration>) -> Result<(), Error> {
    if exchange.rpc.is_none() {
        return Ok(());
    }
    let invalid = || Error::new(Side::Client, Stage::Route, reasons::INVALID_GRPC_TIMEOUT);
    let mut values = request.fields.all(TIMEOUT);
    let asked = match (values.next(), values.next()) {
        (Some(value), None) => Some(parse_timeout(value).ok_or_else(invalid)?),
        (None, _) => None,
        (Some(_), Some(_)) => return Err(invalid().detail("the field is there twice")),
    };
    let allowed = asked.into_iter().chain(max).min();
    // What is too far away to be counted is no bound.
    let until = allowed.and_then(|allowed| exchange.started.checked_add(allowed));
    exchange.deadline = until.into_iter().chain(exchange.deadline).min();
    Ok(())
}

/// Tells the endpoint how much time is left.
pub(crate) fn forward_timeout(request: &mut Request, deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(rt::now());
        request.fields.set(TIMEOUT, encode_timeout(left).as_bytes());
    }
}

/// Why an exchange ends when its deadline passes; `whole` is what the route allows for any exchange.
pub(crate) fn late(exchange: &Exchange, whole: Option<Duration>) -> Reason {
    let by_route = whole.is_some_and(|whole| exchange.deadline == Some(exchange.started + whole));
    if exchange.rpc.is_some() && !by_route { reasons::GRPC_DEADLINE_EXCEEDED } else { reasons::REQUEST_TIMEOUT }
}

/// A call that would have to go over HTTP/1.1.
pub(crate) fn needs_http2(detail: &str) -> Error {
    Error::new(Side::Us, Stage::Connect, reasons::GRPC_NEEDS_HTTP2).detail(detail)
}

/// The error of a call on a fresh connection: that an endpoint does not speak HTTP/2 means more here than elsewhere.
pub(crate) fn explained(error: Error) -> Error {
    if ![reasons::H2_TO_ENDPOINT_FAILED, reasons::ENDPOINT_PROTOCOL_ERROR].contains(&error.reason()) {
        return error;
    }
    needs_http2(&error.explanation()).retry(error.may_retry())
}
