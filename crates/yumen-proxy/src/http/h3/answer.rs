//! Writes an answer to a stream.

use std::time::Duration;

use h3::error::{Code, StreamError};
use http::header::{self, HeaderValue};
use yumen_core::{Body, Error, Exchange, Frame, Response, Side, Stage};
use yumen_net::quic::Connection;
use yumen_net::rt;
use yumen_telemetry::reasons;

use super::Sending;
use super::stream::{gone, lost};
use crate::upstream::Local;
use crate::wire::map;

/// Writes an answer to its last byte. A client that takes nothing of it for `write_idle` is given up.
pub(super) async fn write(
    stream: &mut Sending,
    (local, quic): (&Local, &Connection),
    exchange: &mut Exchange,
    mut response: Response,
    write_idle: Duration,
) -> Result<(), Error> {
    // A protocol cannot be changed on a stream; no request here asked for it.
    if response.status == 101 {
        response = crate::http::respond::plain(502, reasons::UPGRADE_FAILED.code());
    }
    exchange.status = response.status;
    let mut body = std::mem::take(&mut response.body);
    let bodiless = exchange.method == Some(yumen_core::Method::Head) || matches!(response.status, 204 | 304);
    let length = body.length();
    let mut headers = map::to_map(&response.fields, |_| false);
    // The head of a call without content is its trailers.
    let is_trailers = exchange.rpc.is_some() && length == Some(0);
    if let (Some(length), false) = (length, bodiless || is_trailers) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    local.give_back_fields(response.fields);
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(response.status).unwrap_or(http::StatusCode::BAD_GATEWAY);
    *head.headers_mut() = headers;
    in_time(write_idle, stream.send_response(head)).await?;
    if !bodiless {
        send(stream, quic, exchange, &mut body, write_idle).await?;
    }
    in_time(write_idle, stream.finish()).await
}

async fn send(
    stream: &mut Sending,
    quic: &Connection,
    exchange: &mut Exchange,
    body: &mut Body,
    write_idle: Duration,
) -> Result<(), Error> {
    loop {
        let part = tokio::select! {
            part = body.frame() => part,
            () = quic.closed() => return Err(gone()),
        };
        match part {
            None => return Ok(()),
            Some(Ok(Frame::Data(data))) => {
                let size = data.len() as u64;
                in_time(write_idle, stream.send_data(data)).await?;
                exchange.bytes_out += size;
            }
            Some(Ok(Frame::Trailers(fields))) => {
                return in_time(write_idle, stream.send_trailers(map::to_map(&fields, |_| false))).await;
            }
            Some(Err(error)) => {
                // The client must not take what it has for the whole.
                stream.stop_stream(Code::H3_INTERNAL_ERROR);
                return Err(error);
            }
        }
    }
}

/// Waits for the client to make room, but not for ever.
async fn in_time(write_idle: Duration, sent: impl Future<Output = Result<(), StreamError>>) -> Result<(), Error> {
    match rt::timeout(write_idle, sent).await {
        Ok(sent) => sent.map_err(|error| lost(&error)),
        Err(_) => Err(Error::new(Side::Client, Stage::Receive, reasons::CLIENT_WRITE_TIMEOUT)),
    }
}
