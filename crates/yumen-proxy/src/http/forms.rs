//! Heads of requests in the form of HTTP/2 and HTTP/3, and in that of HTTP/1.1: the translation in both directions, as the data
//! path does it. Public for those who judge it.

use http::header::HeaderMap;
use http::request::Parts;
use yumen_core::Fields;
use yumen_http1::{Limits, Parsed, RequestHead, parse_request};

use super::head;
use super::request::Received;
use crate::wire::map;

/// The HTTP/1.1 head that a head of pseudo fields and fields means.
///
/// # Errors
/// The code of the reason for which it is refused.
pub fn to_http1(parts: &Parts, limits: &Limits) -> Result<Vec<u8>, &'static str> {
    let mut block = Vec::new();
    match head::translate(parts, limits, &mut block, &mut RequestHead::default()) {
        Ok(()) => Ok(block),
        Err(error) => Err(error.reason().code()),
    }
}

/// The fields that go to an endpoint by HTTP/2 for an HTTP/1.1 head, beside the pseudo fields. `None` when it is none.
pub fn to_http2(block: &[u8], limits: &Limits) -> Option<HeaderMap> {
    let mut head = RequestHead::default();
    match parse_request(block, limits, &mut head) {
        Ok(Parsed::Complete) => {
            let fields = Received::new(&head, block, Fields::new()).request.fields;
            Some(map::to_map(&fields, |name| name.eq_ignore_ascii_case(b"host")))
        }
        _ => None,
    }
}
