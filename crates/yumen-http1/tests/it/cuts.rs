//! How the input was cut into reads changes nothing: first partial, then one answer that stays.

use yumen_http1::{Fault, Limits, Parsed, RequestHead, ResponseHead, parse_request, parse_response};

use crate::properties::dechunk;
use crate::{chunked, request, response, show};

/// Grows the buffer byte by byte. `read` gives `None` for partial.
fn grow<T: PartialEq + std::fmt::Debug>(input: &[u8], read: impl Fn(&[u8]) -> Option<T>) {
    let mut settled: Option<T> = None;
    for arrived in 0..=input.len() {
        let now = read(&input[..arrived]);
        if settled.is_some() {
            assert_eq!(now, settled, "{arrived} bytes of {}", show(input));
        }
        settled = now;
    }
    assert!(settled.is_some(), "never decided: {}", show(input));
}

fn request_at(buf: &[u8], limits: &Limits) -> Option<Result<RequestHead, Fault>> {
    let mut head = RequestHead::default();
    match parse_request(buf, limits, &mut head) {
        Ok(Parsed::Partial) => None,
        Ok(Parsed::Complete) => Some(Ok(head)),
        Err(fault) => Some(Err(fault)),
    }
}

fn response_at(buf: &[u8], method: &[u8], limits: &Limits) -> Option<Result<ResponseHead, Fault>> {
    let mut head = ResponseHead::default();
    match parse_response(buf, limits, method, &mut head) {
        Ok(Parsed::Partial) => None,
        Ok(Parsed::Complete) => Some(Ok(head)),
        Err(fault) => Some(Err(fault)),
    }
}

/// The default limits, and limits that cut into the samples.
fn limits() -> [Limits; 4] {
    [(8192, 32768, 100), (20, 48, 3), (10, 40, 1), (100, 30, 100)].map(|(request_line, head, fields)| Limits {
        request_line,
        head,
        fields,
    })
}

#[test]
fn requests_at_every_byte() {
    let refused = request::REFUSED.iter().map(|row| row.1);
    for input in refused.chain(request::ACCEPTED.iter().map(|row| row.1)) {
        for limits in limits() {
            grow(input, |buf| request_at(buf, &limits));
        }
    }
}

#[test]
fn responses_at_every_byte() {
    let refused = response::REFUSED.iter().map(|row| (&b"GET"[..], row.1));
    for (method, input) in refused.chain(response::ACCEPTED.iter().map(|row| response::split(row.1))) {
        for limits in limits() {
            grow(input, |buf| response_at(buf, method, &limits));
        }
    }
}

#[test]
fn chunked_at_every_byte() {
    let refused = chunked::REFUSED.iter().map(|row| row.1);
    for input in refused.chain(chunked::ACCEPTED.iter().map(|row| row.1)) {
        for limits in limits() {
            let whole = dechunk(input, [], &limits);
            assert_eq!(dechunk(input, 0..input.len(), &limits), whole, "byte by byte: {}", show(input));
            for cut in 0..input.len() {
                assert_eq!(dechunk(input, [cut], &limits), whole, "cut at {cut}: {}", show(input));
            }
        }
    }
}
