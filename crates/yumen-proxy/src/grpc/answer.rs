//! Answers of our own to calls: a client of gRPC reads the status of gRPC, and that of HTTP only where there is none.

use yumen_core::{Body, Exchange, Fields, Reason, Response};
use yumen_grpc::{Code, Kind, encode_message};
use yumen_telemetry::reasons;

/// Makes an answer of ours one without content whose head holds the status ("Trailers-Only"). One that says that all is
/// well stays as it is.
pub(crate) fn own(exchange: &Exchange, mut response: Response, kind: Kind) -> Response {
    if response.status == 200 {
        return response;
    }
    let (code, text) = match &exchange.failure {
        Some(failure) => (code_of(failure.reason, response.status), explain(failure.reason)),
        None => (Code::from_http(response.status), yumen_http1::reason_phrase(response.status).to_owned()),
    };
    if let Some(rpc) = &exchange.rpc {
        rpc.note(code.0, &*text);
    }
    response.status = 200;
    response.phrase = None;
    response.body = Body::Empty;
    response.fields.set("Content-Type", kind.media_type().as_bytes());
    for (name, value) in status_fields(code, &text).iter() {
        // Names of ours are text.
        response.fields.add(std::str::from_utf8(name).unwrap_or_default(), value);
    }
    response
}

/// What a client is told of a reason.
pub(super) fn explain(reason: Reason) -> String {
    format!("reason: {}", reason.code())
}

/// A status as fields.
pub(super) fn status_fields(code: Code, text: &str) -> Fields {
    let mut fields = Fields::new();
    fields.add("grpc-status", code.0.to_string().as_bytes());
    fields.add("grpc-message", encode_message(text).as_bytes());
    fields
}

/// The code for a failure that is answered with a status of HTTP.
fn code_of(reason: Reason, status: u16) -> Code {
    if [reasons::GRPC_DEADLINE_EXCEEDED, reasons::REQUEST_TIMEOUT].contains(&reason) {
        Code::DEADLINE_EXCEEDED
    } else if reason == reasons::BODY_TOO_LARGE {
        Code::RESOURCE_EXHAUSTED
    } else if reason == reasons::STREAM_RESET {
        // As a client takes a reset that is not meant for it.
        Code::INTERNAL
    } else {
        Code::from_http(status)
    }
}

/// The status that an exchange which is over counts for; what nobody noted is what its client has to think. `None` when it
/// is no call, and for one whose status is in a content that nobody looked into.
pub(crate) fn settle(exchange: &Exchange) -> Option<u32> {
    let rpc = exchange.rpc.as_ref()?;
    if rpc.status().is_none() {
        let code = match &exchange.failure {
            Some(failure) if is_gone(failure.reason) => Code::CANCELLED,
            // It broke off in the middle.
            Some(failure) if exchange.status == 200 => code_of(failure.reason, 400),
            Some(failure) => code_of(failure.reason, exchange.status),
            None if exchange.status == 200 => return None,
            None => Code::from_http(exchange.status),
        };
        rpc.note(code.0, "");
    }
    rpc.status()
}

/// Whether there was nobody to be told any more.
fn is_gone(reason: Reason) -> bool {
    use reasons::{CLIENT_CANCELLED, CLIENT_GONE, CLIENT_RESET, CLIENT_WRITE_TIMEOUT};
    [CLIENT_CANCELLED, CLIENT_GONE, CLIENT_RESET, CLIENT_WRITE_TIMEOUT].contains(&reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_with_a_meaning_of_their_own_do_not_follow_their_status() {
        for (reason, status, code) in [
            (reasons::REQUEST_TIMEOUT, 504, Code::DEADLINE_EXCEEDED),
            (reasons::GRPC_DEADLINE_EXCEEDED, 504, Code::DEADLINE_EXCEEDED),
            (reasons::HEAD_TIMEOUT, 504, Code::UNAVAILABLE),
            (reasons::BODY_TOO_LARGE, 413, Code::RESOURCE_EXHAUSTED),
            (reasons::NO_ROUTE, 404, Code::UNIMPLEMENTED),
            (reasons::IP_DENIED, 403, Code::PERMISSION_DENIED),
            (reasons::AUTH_REQUIRED, 401, Code::UNAUTHENTICATED),
            (reasons::INVALID_GRPC_TIMEOUT, 400, Code::INTERNAL),
            (reasons::NO_HEALTHY_ENDPOINT, 503, Code::UNAVAILABLE),
        ] {
            assert_eq!(code_of(reason, status), code, "{reason}");
        }
    }
}
