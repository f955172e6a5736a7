//! What the admin API serves, by exact path.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use yumen_core::{Control, ExplainRequest};

use crate::Token;
use crate::answer::{Answer, Refusal, json_answer, text};
use crate::gate::{self, Wall};

/// The largest content of a request, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// How long a client may take to send it.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

const INDEX: &str = "\
Yumen admin API

GET  /status   what runs: version, generation, listeners, upstreams and their health
GET  /config   the configuration in force, secrets masked
GET  /metrics  metrics in the Prometheus text format
GET  /healthz  200 while the process lives
GET  /readyz   200 while traffic is welcome, 503 before and after
POST /explain  which route a request would meet and why; JSON in, nothing is sent anywhere
POST /renew    renews a certificate that the gateway obtains; JSON in; needs the token
POST /reload   loads the configuration again; needs the token
POST /upgrade  starts the program anew, hands it the sockets and leaves when it serves; needs the token
";

/// What the routes serve from.
pub(crate) struct Desk {
    pub(crate) control: Arc<dyn Control>,
    pub(crate) token: RwLock<Token>,
    pub(crate) wall: Wall,
}

impl Desk {
    /// Answers one request, whatever it is.
    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        match self.serve(&head, body).await {
            Ok(answer) => answer,
            Err(refusal) => {
                tracing::debug!(path = head.uri.path(), reason = refusal.reason, "refused an admin request");
                refusal.answer()
            }
        }
    }

    async fn serve(&self, head: &Parts, body: Incoming) -> Result<Answer, Refusal> {
        gate::admit(head, &self.wall)?;
        let path = head.uri.path();
        let is_write = matches!(path, "/reload" | "/upgrade" | "/renew" | "/explain");
        match path {
            "/" | "/status" | "/config" | "/metrics" | "/healthz" | "/readyz" => {}
            _ if is_write => {}
            _ => return Err(unknown_path()),
        }
        if is_write && head.method != hyper::Method::POST {
            return Err(Refusal::method("POST"));
        }
        if !is_write && !gate::is_read(&head.method) {
            return Err(Refusal::method("GET, HEAD"));
        }
        match path {
            "/reload" | "/upgrade" | "/renew" => {
                gate::authorise(&head.headers, &self.token.read().unwrap_or_else(PoisonError::into_inner))?;
                let body = read_body(head, body).await?;
                match path {
                    "/reload" => self.reload().await,
                    "/renew" => self.renew(&body).await,
                    _ => self.upgrade().await,
                }
            }
            "/explain" => self.explain(&read_body(head, body).await?).await,
            _ => self.read(path).await,
        }
    }

    async fn read(&self, path: &str) -> Result<Answer, Refusal> {
        let ok = |value: &Value| json_answer(StatusCode::OK, value);
        Ok(match path {
            "/status" => ok(&self.ask(|control| control.status()).await?),
            "/config" => ok(&self.ask(|control| control.config()).await?),
            "/metrics" => {
                text("text/plain; version=0.0.4; charset=utf-8", self.ask(|control| control.metrics()).await?)
            }
            "/healthz" => ok(&json!({ "healthy": true })),
            "/readyz" => {
                let is_ready = self.control.is_ready();
                let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                json_answer(status, &json!({ "ready": is_ready }))
            }
            _ => text("text/plain; charset=utf-8", INDEX.to_owned()),
        })
    }

    /// Asks on a thread that may take its time: a page of metrics of a large configuration does.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Control) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let control = Arc::clone(&self.control);
        tokio::task::spawn_blocking(move || question(&*control)).await.map_err(|_| defect())
    }

    /// In a task of its own: a client that leaves must not stop a reload half-way.
    async fn reload(&self) -> Result<Answer, Refusal> {
        let control = Arc::clone(&self.control);
        let outcome = tokio::spawn(async move { control.reload().await }).await.map_err(|_| defect())?;
        outcome.map(|report| json_answer(StatusCode::OK, &report)).map_err(|diagnostics| {
            Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "config_refused",
                "the configuration was refused; what ran goes on running",
                "correct what the diagnostics name and reload again",
            )
            .with(diagnostics)
        })
    }

    /// In a task of its own, as a reload.
    async fn upgrade(&self) -> Result<Answer, Refusal> {
        let control = Arc::clone(&self.control);
        let outcome = tokio::spawn(async move { control.upgrade().await }).await.map_err(|_| defect())?;
        outcome.map(|report| json_answer(StatusCode::OK, &report)).map_err(|why| {
            Refusal::new(
                StatusCode::CONFLICT,
                "upgrade_failed",
                why,
                "what ran goes on running; mend what is named and upgrade again",
            )
        })
    }

    /// In a task of its own, as a reload.
    async fn renew(&self, body: &[u8]) -> Result<Answer, Refusal> {
        let refused = |error: serde_json::Error| {
            let help = r#"send {"certificate": "NAME"} and, if wanted, "now": true"#;
            Refusal::new(
                StatusCode::BAD_REQUEST,
                "question_invalid",
                format!("cannot read what to renew: {error}"),
                help,
            )
        };
        let Renewal { certificate, now } = serde_json::from_slice(body).map_err(refused)?;
        let control = Arc::clone(&self.control);
        let outcome =
            tokio::spawn(async move { control.renew(&certificate, now).await }).await.map_err(|_| defect())?;
        outcome.map(|report| json_answer(StatusCode::OK, &report)).map_err(|why| {
            let help = "what was served goes on being served; mend what is named, the gateway tries again by itself";
            Refusal::new(StatusCode::CONFLICT, "renewal_failed", why, help)
        })
    }

    async fn explain(&self, body: &[u8]) -> Result<Answer, Refusal> {
        let refused = |error: String| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                "question_invalid",
                error,
                r#"send {"url": "https://host/path"} and, if wanted, "method", "fields" as pairs, "source", "client_cert" in PEM, "listener""#,
            )
        };
        let question: Question =
            serde_json::from_slice(body).map_err(|error| refused(format!("cannot read the question: {error}")))?;
        let answer = self.ask(move |control| control.explain(&question.into())).await?;
        answer.map(|value| json_answer(StatusCode::OK, &value)).map_err(refused)
    }
}

/// The body of `POST /renew`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renewal {
    certificate: String,
    #[serde(default)]
    now: bool,
}

/// The body of `POST /explain`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    fields: Vec<(String, String)>,
    source: Option<IpAddr>,
    client_cert: Option<String>,
    listener: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

impl From<Question> for ExplainRequest {
    fn from(q: Question) -> Self {
        Self {
            method: q.method,
            url: q.url,
            fields: q.fields,
            source: q.source,
            client_cert: q.client_cert,
            listener: q.listener,
        }
    }
}

/// The content of a request. Content must be declared as JSON; none needs no declaration.
async fn read_body(head: &Parts, body: Incoming) -> Result<Bytes, Refusal> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    gate::check_content_type(&head.headers)?;
    if body.size_hint().lower() > BODY_LIMIT as u64 {
        return Err(too_large());
    }
    let whole = tokio::time::timeout(BODY_PATIENCE, Limited::new(body, BODY_LIMIT).collect());
    match whole.await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(broken(format!("the content could not be read: {error}"))),
        Err(_) => Err(broken(format!("the content did not arrive within {BODY_PATIENCE:?}"))),
    }
}

fn broken(error: String) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "content_broken", error, "send the request again")
}

fn too_large() -> Refusal {
    let error = format!("the content is larger than {BODY_LIMIT} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "content_too_large", error, "nothing here needs as much")
}

fn unknown_path() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "no_such_path", "nothing is served at this path", "GET / lists what is served")
}

fn defect() -> Refusal {
    Refusal::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the gateway failed by a defect of its own while it answered",
        "report it with the process log, which shows the place",
    )
}
