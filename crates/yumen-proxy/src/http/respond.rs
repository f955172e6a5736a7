//! The only place where an [`Error`] becomes a status.

use yumen_core::{Error, Response, Side};
use yumen_telemetry::reason;

/// The answer to an error: its status comes from the catalogue of reasons, its text names the reason and nothing else.
pub(crate) fn answer(error: &Error) -> Response {
    let code = error.reason().code();
    let status = match reason::explain(code) {
        // The rules of a client's message hold for an endpoint's answer too, and then the client is not to blame.
        Some(entry) if error.side() == Side::Upstream && entry.side == Side::Client => 502,
        entry => entry.and_then(|entry| entry.status).unwrap_or(500),
    };
    let mut response = plain(status, code);
    if status == 405 {
        // CONNECT, whose target is a host and a port of which we serve no method: RFC 9110 sections 10.2.1 and 15.5.6.
        response.fields.add("Allow", b"");
    }
    response
}

/// A short text answer of ours.
pub(crate) fn plain(status: u16, reason: &str) -> Response {
    let phrase = yumen_http1::reason_phrase(status);
    Response::text(status, "text/plain; charset=utf-8", format!("{status} {phrase}\nreason: {reason}\n"))
}
