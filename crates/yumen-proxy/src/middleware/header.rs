//! Sets, adds and removes fields.

use yumen_config::config::FieldEdits;
use yumen_core::{Answer, Exchange, Fields, Middleware, Next, Request};

pub(super) struct Headers {
    pub(super) request: FieldEdits,
    pub(super) response: FieldEdits,
}

impl Middleware for Headers {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, mut request: Request, next: Next<'a>) -> Answer<'a> {
        edit(&mut request.fields, &self.request);
        Box::pin(async move {
            let mut response = next.run(exchange, request).await?;
            edit(&mut response.fields, &self.response);
            Ok(response)
        })
    }
}

fn edit(fields: &mut Fields, edits: &FieldEdits) {
    for name in &edits.remove {
        fields.remove(name);
    }
    for (name, value) in &edits.set {
        fields.set(name, value.as_bytes());
    }
    for (name, value) in &edits.add {
        fields.add(name, value.as_bytes());
    }
}
