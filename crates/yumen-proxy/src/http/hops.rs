//! `Max-Forwards`: how many more a TRACE or an OPTIONS may be forwarded (RFC 9110 section 7.6.2).

use yumen_core::{Error, Method, Request, Response, Side, Stage};
use yumen_telemetry::reasons;

/// Counts one hop. `Some` is our answer to a request that may go no further.
pub(super) fn count(request: &mut Request) -> Result<Option<Response>, Error> {
    // In other methods it means nothing, and passes.
    if !matches!(request.method, Method::Options | Method::Trace) || !request.fields.contains("max-forwards") {
        return Ok(None);
    }
    let refuse = |reason| Err(Error::new(Side::Client, Stage::Route, reason));
    let only = {
        let mut values = request.fields.all("max-forwards");
        values.next().and_then(number).filter(|_| values.next().is_none())
    };
    let Some(left) = only else { return refuse(reasons::INVALID_MAX_FORWARDS) };
    match left.checked_sub(1) {
        Some(left) => {
            request.fields.set("Max-Forwards", left.to_string().as_bytes());
            Ok(None)
        }
        None if request.method == Method::Options => Ok(Some(Response::new(200))),
        // What it would reflect holds fields that are not the client's to see.
        None => refuse(reasons::TRACE_NOT_SERVED),
    }
}

/// `1*DIGIT`; what is too large to count is as large as can be.
fn number(value: &[u8]) -> Option<u32> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits
        .then(|| value.iter().fold(0, |sum: u32, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0'))))
}
