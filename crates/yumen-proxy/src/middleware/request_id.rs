//! `X-Request-ID`: accepted or minted, sent on and sent back.

use yumen_config::config::Accept;
use yumen_core::{Answer, Exchange, Middleware, Next, Request};
use yumen_telemetry::trace;

pub(super) struct RequestId {
    pub(super) header: String,
    pub(super) accept: Accept,
}

impl Middleware for RequestId {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, mut request: Request, next: Next<'a>) -> Answer<'a> {
        // A peer that speaks for others is a trusted proxy: its claims about the client were believed.
        let believed = match self.accept {
            Accept::Always => true,
            Accept::Never => false,
            Accept::Trusted => exchange.client != exchange.conn.peer.ip().to_canonical(),
        };
        let given = request.fields.first(&self.header).filter(|_| believed);
        let id: Box<str> = match given.and_then(trace::accept_request_id) {
            Some(id) => id.into(),
            None => trace::mint_request_id(),
        };
        request.fields.set(&self.header, id.as_bytes());
        exchange.request_id = Some(id.clone());
        Box::pin(async move {
            let mut response = next.run(exchange, request).await?;
            response.fields.set(&self.header, id.as_bytes());
            Ok(response)
        })
    }
}
