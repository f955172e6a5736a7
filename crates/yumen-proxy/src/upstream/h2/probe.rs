//! A health check by a call of gRPC.

use std::io;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::HeaderMap;
use http::header::{self, HeaderValue};
use yumen_config::config::UpstreamHttp2;
use yumen_grpc::health::{self, Serving};
use yumen_grpc::{Code, decode_message, parse_status};
use yumen_net::transport::Transport;

use super::check::{drive, head};

/// What an answer may hold; a sound one has a few bytes.
const LIMIT: usize = 4096;

/// Calls `grpc.health.v1.Health/Check` on a connection of its own. The caller bounds the time.
///
/// # Errors
/// The endpoint says that it does not serve, or says nothing of the kind; the text tells which.
pub(crate) async fn probe(transport: Transport, service: &str, host: &str, is_tls: bool) -> io::Result<()> {
    let (mut sender, connection) =
        super::builder(&UpstreamHttp2::default()).handshake::<_, Bytes>(transport).await.map_err(io::Error::other)?;
    let mut request = head(health::PATH, host, is_tls)?;
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    let (answer, mut stream) = sender.send_request(request, false).map_err(io::Error::other)?;
    stream.send_data(Bytes::from(health::request(service)), true).map_err(io::Error::other)?;
    let call = async {
        let (parts, content) = answer.await.map_err(io::Error::other)?.into_parts();
        if parts.status != http::StatusCode::OK {
            return Err(io::Error::other(format!("the health service answered {}", parts.status.as_u16())));
        }
        let (content, trailers) = whole(content).await?;
        judge(trailers.as_ref().unwrap_or(&parts.headers), &content)
    };
    drive(connection, call).await
}

async fn whole(mut stream: RecvStream) -> io::Result<(Bytes, Option<HeaderMap>)> {
    let mut content = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(io::Error::other)?;
        content.extend_from_slice(&data);
        if content.len() > LIMIT {
            return Err(io::Error::other("the answer of the health service is too long"));
        }
        stream.flow_control().release_capacity(data.len()).map_err(io::Error::other)?;
    }
    let trailers = stream.trailers().await.map_err(io::Error::other)?;
    Ok((content.freeze(), trailers))
}

fn judge(status: &HeaderMap, content: &[u8]) -> io::Result<()> {
    let code = status.get("grpc-status").and_then(|value| parse_status(value.as_bytes()));
    if code != Some(Code::OK) {
        let code = code.map_or("none".to_owned(), |code| code.0.to_string());
        let message = status.get("grpc-message").map(|m| decode_message(m.as_bytes(), 256)).unwrap_or_default();
        return Err(io::Error::other(format!("the health service answered with grpc-status {code} {message}")));
    }
    match health::response(content) {
        Some(Serving::Serving) => Ok(()),
        Some(other) => Err(io::Error::other(format!("the health service says {other:?}"))),
        None => Err(io::Error::other("the health service answered with something else")),
    }
}
