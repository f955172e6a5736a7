//! HTTP to the CA. One connection is kept; answers are bounded in size and time.
//!
//! The ACME library does not tell how long the CA wants to be left alone, nor which other chains it offers, so both are
//! noted here as answers pass.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, LINK, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error as AcmeError, HttpClient};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Authority;
use crate::error::Error;

/// The largest answer that is read; a chain has some thousand bytes.
const LARGEST: usize = 1 << 20;

type Sender = SendRequest<Full<Bytes>>;

/// Clones share the connection and the notes.
#[derive(Clone)]
pub(super) struct Wire {
    shared: Arc<Shared>,
}

struct Shared {
    tls: Arc<ClientConfig>,
    directory: String,
    patience: Duration,
    idle: Mutex<Option<(String, Sender)>>,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    told: Option<Duration>,
    alternates: HashMap<String, Vec<String>>,
    detours: HashMap<String, String>,
}

impl Wire {
    pub(super) fn new(authority: &Authority) -> Result<Self, Error> {
        let unusable = |reason: String| Error::Unreachable {
            directory: authority.directory.clone(),
            what: "TLS".to_owned(),
            reason,
        };
        let tls = tls(authority.roots.as_deref()).map_err(unusable)?;
        let shared = Shared {
            tls: Arc::new(tls),
            directory: authority.directory.clone(),
            patience: authority.patience.answer,
            idle: Mutex::default(),
            notes: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(super) fn boxed(&self) -> Box<dyn HttpClient> {
        Box::new(self.clone())
    }

    /// The `Retry-After` of the last answer.
    pub(super) fn told(&self) -> Option<Duration> {
        self.notes().told
    }

    /// Where the other chains of a certificate are found (RFC 8555 section 7.4.2), once it was fetched.
    pub(super) fn take_alternates(&self, certificate: &str) -> Vec<String> {
        self.notes().alternates.remove(certificate).unwrap_or_default()
    }

    /// Makes orders name the certificate at `to` instead of that at `from`. The ACME library fetches only what an order
    /// names, and other chains are not named there.
    pub(super) fn detour(&self, from: &str, to: Option<&str>) {
        let mut notes = self.notes();
        match to {
            Some(to) => notes.detours.insert(from.to_owned(), to.to_owned()),
            None => notes.detours.remove(from),
        };
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.shared.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn exchange(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, AcmeError> {
        let url = request.uri().to_string();
        let (mut head, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let authority = head.uri.authority().map(ToString::to_string).unwrap_or_default();
        head.headers.insert(HOST, authority.parse().map_err(|_| other("the CA has no host name"))?);
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let uri = head.uri.clone();
        head.uri = target.parse()?;
        let is_get = head.method == Method::GET;
        let answer =
            timeout(self.shared.patience, self.send(&uri, &authority, Request::from_parts(head, Full::new(body))));
        let (head, body) = answer.await.map_err(|_| other(format!("{authority} does not answer in time")))??;
        if is_get && !head.status.is_success() && url == self.shared.directory {
            return Err(other(format!("it answers {}", head.status)));
        }
        let body = self.note(&url, head.status, &head.headers, body);
        Ok(BytesResponse::from(Response::from_parts(head, Full::new(body))))
    }

    async fn send(
        &self,
        uri: &Uri,
        authority: &str,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(http::response::Parts, Bytes), AcmeError> {
        let kept = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((_, mut sender)) = kept.filter(|(whose, sender)| whose == authority && sender.is_ready()) {
            match sender.try_send_request(request).await {
                Ok(answer) => return self.finish(authority, sender, answer).await,
                // Closed by the server before the request went out: a new connection takes it.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(other(error.into_error())),
                },
            }
        }
        let mut sender = self.dial(uri).await?;
        let answer = sender.send_request(request).await.map_err(other)?;
        self.finish(authority, sender, answer).await
    }

    async fn finish(
        &self,
        authority: &str,
        sender: Sender,
        answer: Response<hyper::body::Incoming>,
    ) -> Result<(http::response::Parts, Bytes), AcmeError> {
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.map_err(AcmeError::Other)?.to_bytes();
        *self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some((authority.to_owned(), sender));
        Ok((head, body))
    }

    async fn dial(&self, uri: &Uri) -> Result<Sender, AcmeError> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        // RFC 8555 section 6.1: HTTPS, always.
        if uri.scheme_str() != Some("https") {
            return Err(other(format!("{uri} is not https")));
        }
        let port = uri.port_u16().unwrap_or(443);
        let tcp = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|error| other(format!("no connection to {host}:{port}: {error}")))?;
        let name = ServerName::try_from(host.clone()).map_err(other)?;
        let tls = TlsConnector::from(self.shared.tls.clone()).connect(name, tcp).await;
        let tls = tls.map_err(|error| other(format!("TLS with {host}:{port} failed: {error}")))?;
        let (sender, connection) = handshake(TokioIo::new(tls)).await.map_err(other)?;
        // What goes wrong on the connection is told to whoever waits for an answer on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    /// Notes what the ACME library does not tell, and gives the body that it shall see.
    fn note(&self, url: &str, status: StatusCode, headers: &HeaderMap, body: Bytes) -> Bytes {
        let mut notes = self.notes();
        notes.told = headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, super::now()));
        if status.is_client_error() || status.is_server_error() {
            return problem(status, body);
        }
        let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok()).flat_map(alternates);
        let links: Vec<String> = links.collect();
        let is_pem = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/pem"));
        if is_pem && !links.is_empty() {
            notes.alternates.insert(url.to_owned(), links);
        }
        // Only orders name certificates, and only those have no Location apart from the first answer.
        if notes.detours.is_empty() || headers.contains_key(LOCATION) {
            return body;
        }
        detoured(&body, &notes.detours).unwrap_or(body)
    }
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, AcmeError>> + Send>> {
        Box::pin(self.clone().exchange(request))
    }
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AcmeError {
    AcmeError::Other(error.into())
}

fn tls(roots: Option<&[u8]>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let Some(pem) = roots else {
        return Ok(builder.with_platform_verifier().map_err(|error| error.to_string())?.with_no_client_auth());
    };
    let mut store = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(pem) {
        let root = root.map_err(|error| format!("an authority is no PEM: {error:?}"))?;
        store.add(root).map_err(|error| format!("an authority is not usable: {error}"))?;
    }
    if store.is_empty() {
        return Err("the authorities hold no certificate".to_owned());
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// A refusal as a problem document, also when something between us and the CA refused in its own way.
fn problem(status: StatusCode, body: Bytes) -> Bytes {
    let parsed = serde_json::from_slice::<serde_json::Value>(&body).ok().filter(serde_json::Value::is_object);
    let mut document = parsed.unwrap_or_else(|| serde_json::json!({ "detail": format!("HTTP status {status}") }));
    if document.get("status").is_none() {
        document["status"] = status.as_u16().into();
    }
    document.to_string().into()
}

fn detoured(body: &Bytes, detours: &HashMap<String, String>) -> Option<Bytes> {
    let mut order = serde_json::from_slice::<serde_json::Value>(body).ok()?;
    let to = detours.get(order.get("certificate")?.as_str()?)?;
    order["certificate"] = to.as_str().into();
    Some(order.to_string().into())
}

/// The targets of a `Link` field that are alternates (RFC 8288 section 3).
fn alternates(field: &str) -> Vec<String> {
    let links = field.split(',').filter_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_alternate = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("alternate")
        });
        is_alternate.then(|| target.to_owned())
    });
    links.collect()
}

/// How long a `Retry-After` says to wait (RFC 9110 section 10.2.3).
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_beside_the_body_is_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_717);
        assert_eq!(retry_after(" 120 ", now), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        let links =
            r#"<https://ca.test/c/1>;rel="alternate", <https://ca.test/up>; rel=up,<https://ca.test/2>; REL=alternate"#;
        assert_eq!(alternates(links), ["https://ca.test/c/1", "https://ca.test/2"]);
        assert!(alternates("alternate").is_empty());
    }

    #[test]
    fn every_refusal_is_a_problem_document() {
        let kept = problem(StatusCode::BAD_REQUEST, r#"{"type":"t","detail":"d"}"#.into());
        assert_eq!(&kept[..], br#"{"type":"t","detail":"d","status":400}"#);
        let made = problem(StatusCode::BAD_GATEWAY, "<html>".into());
        assert_eq!(&made[..], br#"{"detail":"HTTP status 502 Bad Gateway","status":502}"#);
    }

    #[test]
    fn roots_have_to_be_certificates() {
        assert!(tls(None).is_ok());
        assert!(tls(Some(b"")).is_err() && tls(Some(b"-----BEGIN CERTIFICATE-----\n")).is_err());
    }
}
