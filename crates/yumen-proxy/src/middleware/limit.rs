//! Refuses what is too much, from the wrong place, or too slow.

use std::task::{Context, Poll};
use std::time::Duration;

use yumen_config::config::Access;
use yumen_core::{Answer, Body, BodyStream, Error, Exchange, Frame, Middleware, Next, Reason, Request, Side, Stage};
use yumen_net::rt;
use yumen_telemetry::reasons;

fn refuse(reason: Reason) -> Error {
    Error::new(Side::Client, Stage::Middleware, reason)
}

pub(super) struct BodyLimit(pub(super) u64);

impl Middleware for BodyLimit {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, mut request: Request, next: Next<'a>) -> Answer<'a> {
        match request.body.length() {
            Some(length) if length > self.0 => Box::pin(async { Err(refuse(reasons::BODY_TOO_LARGE)) }),
            Some(_) => next.run(exchange, request),
            None => {
                request.body = Body::Stream(Box::new(Limited { body: request.body, left: self.0 }));
                next.run(exchange, request)
            }
        }
    }
}

/// Content of unknown length, counted as it comes.
struct Limited {
    body: Body,
    left: u64,
}

impl BodyStream for Limited {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame, Error>>> {
        let frame = std::task::ready!(self.body.poll_frame(cx));
        if let Some(Ok(Frame::Data(data))) = &frame {
            match self.left.checked_sub(data.len() as u64) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(refuse(reasons::BODY_TOO_LARGE)))),
            }
        }
        Poll::Ready(frame)
    }

    fn length(&self) -> Option<u64> {
        self.body.length()
    }
}

pub(super) struct Ip(pub(super) Access);

impl Middleware for Ip {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, request: Request, next: Next<'a>) -> Answer<'a> {
        if is_allowed(&self.0, exchange.client) {
            return next.run(exchange, request);
        }
        Box::pin(async { Err(refuse(reasons::IP_DENIED)) })
    }
}

/// Denied wins; an empty allow list allows everyone.
pub(crate) fn is_allowed(access: &Access, ip: std::net::IpAddr) -> bool {
    let ip = ip.to_canonical();
    !access.deny.iter().any(|net| net.contains(&ip))
        && (access.allow.is_empty() || access.allow.iter().any(|net| net.contains(&ip)))
}

pub(super) struct Timeout(pub(super) Duration);

impl Middleware for Timeout {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, request: Request, next: Next<'a>) -> Answer<'a> {
        Box::pin(async move {
            match rt::timeout(self.0, next.run(exchange, request)).await {
                Ok(answer) => answer,
                Err(_) => Err(Error::new(Side::Upstream, Stage::Middleware, reasons::REQUEST_TIMEOUT)),
            }
        })
    }
}
