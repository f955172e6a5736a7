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
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(if is_tls { Scheme::HTTPS } else { Scheme::HTTP });
    uri.authority = Some(Authority::try_from(host).map_err(io::Error::other)?);
    uri.path_and_query = Some(PathAndQuery::try_from(path).map_err(io::Error::other)?);
    let mut request = http::Request::new(());
    *request.uri_mut() = Uri::from_parts(uri).map_err(io::Error::other)?;
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("yumen-health"));
    let (answer, _) = sender.send_request(request, true).map_err(io::Error::other)?;
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    std::future::poll_fn(|cx| {
        // Its end is seen by the answer too.
        let ended = connection.as_mut().poll(cx).is_ready();
        match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(answer.map(|a| a.status().as_u16()).map_err(io::Error::other)),
            Poll::Pending if ended => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
