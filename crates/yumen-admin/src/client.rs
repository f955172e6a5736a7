//! The client of the admin API that the commands use. One connection per question.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use yumen_core::ExplainRequest;

use crate::Token;
use crate::door::{self, Listen};

/// How long an answer may take. A reload builds a whole configuration and resolves names, and an upgrade waits as long for the
/// new process.
const PATIENCE: Duration = Duration::from_secs(90);

/// The largest answer that is read, in bytes.
const ANSWER_LIMIT: usize = 256 << 20;

/// A question could not be asked or was refused.
#[derive(Debug)]
pub enum ClientError {
    /// Nobody answers there.
    Unreachable {
        /// Where.
        listen: Listen,
        /// The cause.
        source: io::Error,
    },
    /// Somebody answers, but not as the admin API does.
    Broken {
        /// Where.
        listen: Listen,
        /// What was wrong.
        error: String,
    },
    /// The gateway refused. The document has `error`, `reason`, `help` and, after a reload, `diagnostics`.
    Refused {
        /// The status code.
        status: u16,
        /// The document.
        document: Value,
    },
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { listen, source } => {
                write!(
                    f,
                    "cannot reach the admin API at {listen}: {source}; is yumen running, and does it listen there?"
                )
            }
            Self::Broken { listen, error } => {
                write!(f, "what answers at {listen} is not the admin API of yumen: {error}")
            }
            Self::Refused { document, .. } => {
                let text = |key: &str| document[key].as_str().unwrap_or_default().to_owned();
                write!(f, "{}; {}", text("error"), text("help"))
            }
        }
    }
}

/// The cause stands in the message, so it is not told a second time as a source.
impl std::error::Error for ClientError {}

/// Asks a running gateway.
#[derive(Clone, Debug)]
pub struct AdminClient {
    listen: Listen,
    token: Option<Token>,
}

impl AdminClient {
    /// A client for a gateway that listens there; only [`AdminClient::reload`],
    /// [`AdminClient::upgrade`] and [`AdminClient::renew`] need the token.
    pub fn new(listen: Listen, token: Option<Token>) -> Self {
        Self { listen, token }
    }

    /// What runs.
    pub async fn status(&self) -> Result<Value, ClientError> {
        self.json(Method::GET, "/status", None).await
    }

    /// The configuration in force, secrets masked.
    pub async fn config(&self) -> Result<Value, ClientError> {
        self.json(Method::GET, "/config", None).await
    }

    /// All metrics in the Prometheus text format.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let (status, body) = self.ask(Method::GET, "/metrics", None).await?;
        self.expect_success(status, &body)?;
        String::from_utf8(body.into()).map_err(|_| self.broken("its answer is not UTF-8"))
    }

    /// Whether traffic is welcome.
    pub async fn is_ready(&self) -> Result<bool, ClientError> {
        let (status, _) = self.ask(Method::GET, "/readyz", None).await?;
        Ok(status == StatusCode::OK)
    }

    /// Loads the configuration again. A refusal holds the diagnostics.
    pub async fn reload(&self) -> Result<Value, ClientError> {
        self.json(Method::POST, "/reload", None).await
    }

    /// Starts the program anew in the place of the one that runs. A refusal says why it goes on running.
    pub async fn upgrade(&self) -> Result<Value, ClientError> {
        self.json(Method::POST, "/upgrade", None).await
    }

    /// Renews a certificate that the gateway obtains; in any case by `now`.
    pub async fn renew(&self, certificate: &str, now: bool) -> Result<Value, ClientError> {
        self.json(Method::POST, "/renew", Some(json!({"certificate": certificate, "now": now}))).await
    }

    /// Which route a request would meet, and why.
    pub async fn explain(&self, request: &ExplainRequest) -> Result<Value, ClientError> {
        let method = if request.method.is_empty() { "GET" } else { &request.method };
        let question = json!({
            "method": method,
            "url": request.url,
            "fields": request.fields,
            "source": request.source,
            "client_cert": request.client_cert,
            "listener": request.listener,
        });
        self.json(Method::POST, "/explain", Some(question)).await
    }

    async fn json(&self, method: Method, path: &str, question: Option<Value>) -> Result<Value, ClientError> {
        let (status, body) = self.ask(method, path, question).await?;
        self.expect_success(status, &body)?;
        serde_json::from_slice(&body).map_err(|error| self.broken(error))
    }

    fn expect_success(&self, status: StatusCode, body: &[u8]) -> Result<(), ClientError> {
        if status.is_success() {
            return Ok(());
        }
        match serde_json::from_slice::<Value>(body) {
            Ok(document) if document["error"].is_string() => {
                Err(ClientError::Refused { status: status.as_u16(), document })
            }
            _ => Err(self.broken(format_args!("it answered {status}"))),
        }
    }

    /// One exchange.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        question: Option<Value>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let whole = tokio::time::timeout(PATIENCE, self.exchange(method, path, question)).await;
        whole.unwrap_or_else(|_| Err(self.broken(format_args!("no answer within {PATIENCE:?}"))))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        question: Option<Value>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let stream = door::connect(&self.listen)
            .await
            .map_err(|source| ClientError::Unreachable { listen: self.listen.clone(), source })?;
        let request = self.request(method, path, question).map_err(|e| self.broken(e))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|e| self.broken(e))?;
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|e| self.broken(e))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await.map_err(|e| self.broken(e))?;
            Ok((status, body.to_bytes()))
        };
        // The connection moves the bytes of the exchange; when it ends first, the exchange has the news.
        let moving = async {
            if let Err(error) = connection.await {
                tracing::debug!("the connection to the admin API ended: {error}");
            }
            std::future::pending().await
        };
        tokio::select! {
            outcome = exchange => outcome,
            () = moving => Err(self.broken("the connection ended")),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        question: Option<Value>,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let host = match &self.listen {
            Listen::Tcp(address) => format!("{}:{}", door::host_name(*address), address.port()),
            Listen::Unix(_) | Listen::Pipe(_) => "localhost".to_owned(),
        };
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, host);
        if let Some(token) = self.token.as_ref().filter(|_| matches!(path, "/reload" | "/upgrade" | "/renew")) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.text()));
        }
        let body = match question {
            None => Bytes::new(),
            Some(question) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                question.to_string().into()
            }
        };
        request.body(Full::new(body))
    }

    fn broken(&self, error: impl fmt::Display) -> ClientError {
        ClientError::Broken { listen: self.listen.clone(), error: error.to_string() }
    }
}
