//! One question over HTTP (RFC 6960 appendix A.1). The answer is bounded in size and time.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest answer that is read; one has some thousand bytes.
const LARGEST: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a question and returns the answer.
pub(super) async fn post(url: &str, question: &[u8]) -> Result<Vec<u8>, String> {
    let outcome = timeout(PATIENCE, exchange(url, question)).await;
    outcome.map_err(|_| format!("{url} does not answer in time"))?.map_err(|why| format!("{url}: {why}"))
}

async fn exchange(url: &str, question: &[u8]) -> Result<Vec<u8>, String> {
    let uri: Uri = url.parse().map_err(|error| format!("this is no URL: {error}"))?;
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(80);
    let tcp = TcpStream::connect((host, port)).await.map_err(|error| format!("no connection: {error}"))?;
    let (mut sender, connection) = handshake(TokioIo::new(tcp)).await.map_err(|error| error.to_string())?;
    // What goes wrong on the connection is told to whoever waits for an answer on it.
    tokio::spawn(async move { drop(connection.await) });
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let request = Request::post(target)
        .header(HOST, uri.authority().map_or(host, |authority| authority.as_str()))
        .header(CONTENT_TYPE, "application/ocsp-request")
        .header(ACCEPT, "application/ocsp-response")
        .body(Full::new(Bytes::copy_from_slice(question)))
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("it answers {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes().to_vec())
}
