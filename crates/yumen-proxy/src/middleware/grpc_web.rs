//! Makes gRPC of gRPC-Web, and lets pages of other origins call.

use yumen_config::config::Cors;
use yumen_core::{Answer, Error, Exchange, Fields, Method, Middleware, Next, Request, Response, Side, Stage};
use yumen_telemetry::reasons;

use crate::grpc::web;

/// Fields of an answer that tell how a call ended.
const STATUS: &str = "grpc-status, grpc-message, grpc-status-details-bin";
/// The longest list of fields that a preflight may ask for.
const LIST: usize = 4096;

pub(super) struct GrpcWeb {
    pub(super) cors: Option<Cors>,
}

impl Middleware for GrpcWeb {
    fn handle<'a>(&'a self, exchange: &'a mut Exchange, mut request: Request, next: Next<'a>) -> Answer<'a> {
        if let Some(cors) = &self.cors {
            if is_preflight(&request) {
                let answer = preflight(cors, &request);
                return Box::pin(async { answer });
            }
            allow(cors, exchange, &request);
        }
        match web::inward(&mut request) {
            None => next.run(exchange, request),
            Some(kind) => Box::pin(async move {
                let mut response = next.run(exchange, request).await?;
                web::outward(&mut response, kind);
                Ok(response)
            }),
        }
    }
}

/// Whether a browser asks if a page may do something (Fetch, section 3.2.2).
fn is_preflight(request: &Request) -> bool {
    request.method == Method::Options
        && request.fields.contains("origin")
        && request.fields.contains("access-control-request-method")
}

/// What stands for the request's origin in `Access-Control-Allow-Origin`, if it may call.
fn allowed<'a>(cors: &'a Cors, request: &'a Request) -> Option<&'a [u8]> {
    let mut origins = request.fields.all("origin");
    let origin = origins.next().filter(|_| origins.next().is_none())?;
    let may = |one: &String| one == "*" || one.as_bytes() == origin;
    cors.origins.iter().find(|one| may(one)).map(|one| one.as_bytes())
}

fn grant(cors: &Cors, fields: &mut Fields, origin: &[u8]) {
    fields.add("Access-Control-Allow-Origin", origin);
    if cors.credentials {
        fields.add("Access-Control-Allow-Credentials", b"true");
    }
}

/// The answer to a preflight.
fn preflight(cors: &Cors, request: &Request) -> Result<Response, Error> {
    let Some(origin) = allowed(cors, request) else {
        return Err(Error::new(Side::Client, Stage::Middleware, reasons::ORIGIN_DENIED));
    };
    let mut response = Response::new(204);
    grant(cors, &mut response.fields, origin);
    response.fields.add("Access-Control-Allow-Methods", b"POST");
    // Any metadata of a call is a field, so what is asked for is allowed.
    let wanted = request.fields.all("access-control-request-headers").collect::<Vec<_>>().join(&b", "[..]);
    let is_list = wanted.len() <= LIST && wanted.split(|b| *b == b',').all(|name| is_token(name.trim_ascii()));
    if is_list {
        response.fields.add("Access-Control-Allow-Headers", &wanted);
    }
    response.fields.add("Access-Control-Max-Age", cors.max_age.as_secs().to_string().as_bytes());
    response.fields.add("Vary", b"Origin, Access-Control-Request-Headers");
    Ok(response)
}

fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// Lets the page read the answer, whatever it will be.
fn allow(cors: &Cors, exchange: &mut Exchange, request: &Request) {
    let Some(origin) = allowed(cors, request) else { return };
    let fields = exchange.always.get_or_insert_default();
    grant(cors, fields, origin);
    let mut expose = STATUS.to_owned();
    for name in &cors.expose {
        expose.push_str(", ");
        expose.push_str(name);
    }
    fields.add("Access-Control-Expose-Headers", expose.as_bytes());
    if origin != b"*" {
        fields.add("Vary", b"Origin");
    }
}
