//! A health check over HTTP/2.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::Poll;

use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use yumen_config::config::UpstreamHttp2;
use yumen_net::transport::Transport;

/// Asks for a path on a connection of its own, and gives the status of the answer. The caller bounds the time.
pub(crate) async fn ask(transport: Transport, path: &str, host: &str, is_tls: bool) -> io::Result<u16> {
    let (mut sender, connection) = super::builder(&UpstreamHttp2::default())
        .handshake::<_, bytes::Bytes>(transport)
        .await
        .map_err(io::Error::other)?;
    let (answer, _) = sender.send_request(head(path, host, is_tls)?, true).map_err(io::Error::other)?;
    drive(connection, async { Ok(answer.await.map_err(io::Error::other)?.status().as_u16()) }).await
}

/// The head of a check.
pub(super) fn head(path: &str, host: &str, is_tls: bool) -> io::Result<http::Request<()>> {
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(Authority::try_from(host).map_err(io::Error::other)?);
    uri.path_and_query = Some(PathAndQuery::try_from(path).map_err(io::Error::other)?);
    let mut request = http::Request::new(());
    *request.uri_mut() = Uri::from_parts(uri).map_err(io::Error::other)?;
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("yumen-health"));
    Ok(request)
}

/// Does some work on a connection.
pub(super) async fn drive<T>(connection: impl Future, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let (mut work, mut connection) = (pin!(work), pin!(connection));
    std::future::poll_fn(|cx| {
        // Its end is seen by the work too.
        let ended = connection.as_mut().poll(cx).is_ready();
        match work.as_mut().poll(cx) {
            Poll::Pending if ended => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            done => done,
        }
    })
    .await
}
