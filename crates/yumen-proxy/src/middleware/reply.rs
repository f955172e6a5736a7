//! Answers without asking anyone.

use bytes::Bytes;
use yumen_config::config::Text;
use yumen_core::{Answer, Exchange, Middleware, Next, Request, Response};

pub(super) struct Respond {
    pub(super) status: u16,
    pub(super) body: Bytes,
    pub(super) content_type: String,
    pub(super) headers: Vec<(String, Text)>,
}

impl Middleware for Respond {
    fn handle<'a>(&'a self, _: &'a mut Exchange, _: Request, _: Next<'a>) -> Answer<'a> {
        let mut response = Response::text(self.status, &self.content_type, self.body.clone());
        for (name, value) in &self.headers {
            response.fields.add(name, value.as_bytes());
        }
        Box::pin(async { Ok(response) })
    }
}

pub(super) struct Redirect {
    pub(super) to: String,
    pub(super) status: u16,
}

impl Middleware for Redirect {
    fn handle<'a>(&'a self, _: &'a mut Exchange, request: Request, _: Next<'a>) -> Answer<'a> {
        let query = request.query().map(|q| format!("?{q}")).unwrap_or_default();
        let location = self
            .to
            .replace("{scheme}", request.scheme.as_str())
            .replace("{host}", request.host())
            // `OPTIONS *` is written as a URL without a path (RFC 9112 section 3.2.4).
            .replace("{path}", request.path().trim_start_matches('*'))
            .replace("{query}", &query);
        let mut response = Response::new(self.status);
        response.fields.add("Location", location.as_bytes());
        Box::pin(async { Ok(response) })
    }
}
