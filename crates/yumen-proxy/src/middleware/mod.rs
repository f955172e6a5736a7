//! The built-in middlewares, one file each, and the end of a chain that has no upstream.

mod auth;
mod grpc_web;
mod header;
mod limit;
mod path;
mod reply;
mod request_id;

pub(crate) use limit::is_allowed;

use std::sync::Arc;

use yumen_config::config::{self, MiddlewareKind};
use yumen_core::{Answer, Error, Exchange, Middleware, Request, Side, Stage, Terminal};
use yumen_telemetry::reasons;

use crate::vault::Vault;

/// Why a middleware could not be built; the text is for the operator.
#[derive(Debug, thiserror::Error)]
#[error("middleware {name}: {problem}")]
pub struct MiddlewareError {
    name: String,
    problem: String,
}

/// Whether what a middleware does may change while its section stays the same.
pub(crate) fn reads_files(config: &config::Middleware) -> bool {
    matches!(config.kind, MiddlewareKind::BasicAuth { .. })
}

/// Builds a middleware from its section; users of secrets that are kept elsewhere come from `vault`.
pub(crate) fn build(config: &config::Middleware, vault: &Vault) -> Result<Arc<dyn Middleware>, MiddlewareError> {
    let failed = |problem: String| MiddlewareError { name: config.name.to_string(), problem };
    Ok(match &config.kind {
        MiddlewareKind::RequestId { header, accept } => {
            Arc::new(request_id::RequestId { header: header.clone(), accept: *accept })
        }
        MiddlewareKind::Headers { request, response } => Arc::new(header::Headers::new(request, response)),
        MiddlewareKind::Rewrite(rewrite) => Arc::new(path::Rewrite::build(rewrite).map_err(|e| failed(e.to_string()))?),
        MiddlewareKind::StripPrefix(prefix) => Arc::new(path::StripPrefix::new(prefix)),
        MiddlewareKind::Redirect { to, status } => Arc::new(reply::Redirect { to: to.to_string(), status: *status }),
        MiddlewareKind::Respond { status, body, content_type, headers } => Arc::new(reply::Respond {
            status: *status,
            body: body.to_string().into(),
            content_type: content_type.to_string(),
            headers: headers.clone(),
        }),
        MiddlewareKind::BodyLimit(limit) => Arc::new(limit::BodyLimit(*limit)),
        MiddlewareKind::Ip(access) => Arc::new(limit::Ip(access.clone())),
        MiddlewareKind::BasicAuth { file, users, realm } => {
            Arc::new(auth::BasicAuth::build(file.as_deref(), users, realm, vault).map_err(failed)?)
        }
        MiddlewareKind::Timeout(after) => Arc::new(limit::Timeout(*after)),
        MiddlewareKind::GrpcWeb { cors } => Arc::new(grpc_web::GrpcWeb { cors: cors.clone() }),
    })
}

/// The end of a chain without an upstream. The configuration makes sure that a middleware answers before it.
pub(crate) struct NoUpstream;

impl Terminal for NoUpstream {
    fn handle<'a>(&'a self, _: &'a mut Exchange, _: Request) -> Answer<'a> {
        Box::pin(async { Err(Error::new(Side::Us, Stage::Route, reasons::NO_UPSTREAM)) })
    }
}
