//! HTTP/1.1 over hyper, with connections that are kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::tls::{self, TlsError};
use super::{Answer, Endpoint, Outgoing, Sending, Stage, Transport, TransportError};
use crate::{Draft, Headers};

/// The largest answer that is read.
const LARGEST: usize = 32 << 20;
/// How long a connection that nobody uses is kept; servers close theirs later.
const IDLE: Duration = Duration::from_secs(20);
/// How long a kept connection may take to become ready again.
const SETTLING: Duration = Duration::from_millis(50);
/// So long an address has before the next one is tried beside it.
const APART: Duration = Duration::from_millis(250);
/// How many connections to one endpoint are kept.
const KEPT: usize = 4;

type Sender = SendRequest<Full<Bytes>>;

/// The transport of this crate: HTTP/1.1, TLS by rustls, connections kept for the next request.
pub struct HttpTransport {
    tls: Arc<ClientConfig>,
    idle: Mutex<HashMap<Endpoint, Vec<(Sender, Instant)>>>,
}

impl HttpTransport {
    /// Trusts what the operating system trusts.
    ///
    /// # Errors
    /// When the trust store cannot be read.
    pub fn new() -> Result<Self, TlsError> {
        Ok(Self { tls: tls::config(None)?, idle: Mutex::default() })
    }

    /// Trusts the authorities in `pem` and no other, as an instance of KMS with an authority of its own wants it.
    ///
    /// # Errors
    /// When `pem` holds no usable certificate.
    pub fn with_authorities(pem: &[u8]) -> Result<Self, TlsError> {
        Ok(Self { tls: tls::config(Some(pem))?, idle: Mutex::default() })
    }

    /// A kept connection that can take a request.
    async fn take(&self, endpoint: &Endpoint) -> Option<Sender> {
        loop {
            let (mut sender, since) = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.get_mut(endpoint)?.pop()?
            };
            // One that has just carried an answer needs a moment.
            let is_ready = timeout(SETTLING, sender.ready());
            if since.elapsed() < IDLE && is_ready.await.is_ok_and(|ready| ready.is_ok()) {
                return Some(sender);
            }
        }
    }

    fn keep(&self, endpoint: Endpoint, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let list = idle.entry(endpoint).or_default();
        list.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < IDLE);
        if list.len() < KEPT {
            list.push((sender, Instant::now()));
        }
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<Sender, TransportError> {
        let (host, port) = endpoint.address();
        let stream = connect(&host, port)
            .await
            .map_err(|error| fault(Stage::Connect, false, format!("cannot connect to {endpoint}: {error}")))?;
        // Losing this only costs time.
        _ = stream.set_nodelay(true);
        if !endpoint.tls {
            return start(stream, endpoint).await;
        }
        let name = ServerName::try_from(host)
            .map_err(|_| fault(Stage::Tls, false, format!("{endpoint} has no name that a certificate can be for")))?;
        let stream = TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await
            .map_err(|error| fault(Stage::Tls, false, format!("TLS with {endpoint} failed: {error}")))?;
        start(stream, endpoint).await
    }

    async fn exchange(&self, outgoing: Outgoing) -> Result<Answer, TransportError> {
        let Outgoing { endpoint, draft, timeouts } = outgoing;
        let mut request = message(&draft)?;
        // A kept connection that closed meanwhile gives the request back; a new one is tried then.
        while let Some(mut sender) = self.take(&endpoint).await {
            let until = Instant::now() + timeouts.answer;
            match timeout_at(until, sender.try_send_request(request)).await {
                Err(_) => return Err(late(&endpoint)),
                Ok(Ok(response)) => return self.finish(endpoint, sender, response, until).await,
                Ok(Err(mut error)) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(&endpoint, error.error())),
                },
            }
        }
        let mut sender = timeout(timeouts.connect, self.dial(&endpoint)).await.map_err(|_| {
            let time = timeouts.connect.as_secs_f32();
            fault(Stage::Connect, false, format!("no connection to {endpoint} within {time} s"))
        })??;
        let until = Instant::now() + timeouts.answer;
        let response = timeout_at(until, sender.send_request(request)).await.map_err(|_| late(&endpoint))?;
        let response = response.map_err(|error| broken(&endpoint, &error))?;
        self.finish(endpoint, sender, response, until).await
    }

    /// Reads the whole answer; the connection is kept when it can carry another request.
    async fn finish(
        &self,
        endpoint: Endpoint,
        sender: Sender,
        response: Response<Incoming>,
        until: Instant,
    ) -> Result<Answer, TransportError> {
        let (head, mut body) = response.into_parts();
        let mut bytes = BytesMut::new();
        let read = async {
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| broken(&endpoint, &error))?;
                let Ok(data) = frame.into_data() else { continue };
                if bytes.len() + data.len() > LARGEST {
                    let text = format!("the answer of {endpoint} is larger than {LARGEST} bytes");
                    return Err(fault(Stage::TooLarge, true, text));
                }
                bytes.extend_from_slice(&data);
            }
            Ok(())
        };
        timeout_at(until, read).await.map_err(|_| late(&endpoint))??;
        let mut headers = Headers::default();
        for (name, value) in &head.headers {
            headers.set(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
        self.keep(endpoint, sender);
        Ok(Answer { status: head.status.as_u16(), headers, body: bytes.freeze() })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Outgoing) -> Sending<'_> {
        Box::pin(self.exchange(request))
    }
}

/// Connects to the first of the addresses of a host that answers. Each gets a little time before the next one is tried
/// beside it, so that a family of addresses that leads nowhere costs little (RFC 8305 section 5).
async fn connect(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut addresses = lookup_host((host, port)).await?;
    let mut attempts = JoinSet::new();
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    loop {
        let next = addresses.next();
        let is_last = next.is_none();
        if let Some(address) = next {
            attempts.spawn(TcpStream::connect(address));
        }
        let wait = async { if is_last { std::future::pending().await } else { tokio::time::sleep(APART).await } };
        tokio::select! {
            outcome = attempts.join_next() => match outcome {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => last = error,
                Some(Err(error)) => last = std::io::Error::other(error),
                None if is_last => return Err(last),
                None => {}
            },
            () = wait => {}
        }
    }
}

async fn start<S>(stream: S, endpoint: &Endpoint) -> Result<Sender, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| fault(Stage::Connect, false, format!("cannot speak HTTP with {endpoint}: {error}")))?;
    // What goes wrong on the connection is told to whoever waits for an answer on it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// The request as hyper takes it.
fn message(draft: &Draft) -> Result<Request<Full<Bytes>>, TransportError> {
    let mut builder = Request::builder().method(draft.method).uri(draft.target()).header("host", &draft.host);
    for (name, value) in draft.headers.iter() {
        builder = builder.header(name, value);
    }
    for (name, value) in
        [("accept-encoding", "identity"), ("user-agent", concat!("yumen-alibaba/", env!("CARGO_PKG_VERSION")))]
    {
        if draft.headers.value(name).is_none() {
            builder = builder.header(name, value);
        }
    }
    builder.body(Full::new(draft.body.clone())).map_err(|error| {
        let text = format!("the request to {} cannot be sent: {error}", draft.host);
        fault(Stage::Invalid, false, text)
    })
}

fn fault(stage: Stage, may_have_arrived: bool, text: String) -> TransportError {
    TransportError { stage, may_have_arrived, text }
}

fn late(endpoint: &Endpoint) -> TransportError {
    fault(Stage::Timeout, true, format!("no answer of {endpoint} in time"))
}

fn broken(endpoint: &Endpoint, error: &hyper::Error) -> TransportError {
    fault(Stage::Exchange, true, format!("the exchange with {endpoint} broke off: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_http_does_not_allow_is_not_sent_and_not_shown() {
        let mut draft = Draft::new("GET", "h", "/");
        draft.headers.set("x-acs-security-token", "hush\nhush");
        let error = message(&draft).err().map(|error| (error.stage, error.may_have_arrived, error.text));
        let Some((Stage::Invalid, false, text)) = error else { panic!("{error:?}") };
        assert!(!text.contains("hush"), "{text}");
        assert!(message(&Draft::new("GET", "h", "/a b")).is_err());
    }
}
