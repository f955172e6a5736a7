//! Writes an answer to the client.

use std::io;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use yumen_core::{Body, Error, Exchange, Frame, Method, Response, Side, Stage, Version};
use yumen_http1 as http1;
use yumen_net::copy::Conveyor;
use yumen_net::rt;
use yumen_telemetry::reasons;

use super::Shared;
use crate::upstream::{Conveyed, Inbound, Local};
use crate::wire::Outgoing;

/// How an answer is to be written.
pub(super) struct Manner {
    pub(super) version: Version,
    pub(super) head_only: bool,
    /// Whether the connection ends behind this answer.
    pub(super) close: bool,
    pub(super) write_idle: Duration,
    /// The clock as it was read when the answer was at hand.
    pub(super) now: Instant,
}

/// Writes an answer to its last byte. The result says whether the connection may go on.
pub(super) async fn write(
    link: &Shared,
    local: &Local,
    exchange: &mut Exchange,
    mut response: Response,
    manner: Manner,
) -> Result<bool, Error> {
    exchange.status = response.status;
    let mut body = std::mem::take(&mut response.body);
    let bodiless = manner.head_only || matches!(response.status, 204 | 304);
    let length = if bodiless { Some(0) } else { body.length() };
    let chunked = length.is_none() && manner.version == Version::Http11;
    // Without a length and without chunks the end of the connection is the end of the message (RFC 9112 section 6.3).
    let close = manner.close || length.is_none() && !chunked;
    let mut out = Outgoing::new(local.buffer());
    encode_head(out.text(), &response, &manner, (length, bodiless, chunked, close));
    let result = match body {
        _ if bodiless => flush(link, &mut out, manner.now + manner.write_idle).await,
        // Boxed: the room for relaying a stream should not burden the many answers that are at hand.
        Body::Stream(_) => Box::pin(copy(link, &mut out, &mut body, (chunked, manner.write_idle), exchange)).await,
        Body::Empty => flush(link, &mut out, manner.now + manner.write_idle).await,
        Body::Full(data) => {
            exchange.bytes_out += data.len() as u64;
            out.push(data, false);
            flush(link, &mut out, manner.now + manner.write_idle).await
        }
    };
    local.give_back_fields(response.fields);
    local.give_back(out.into_buffer());
    result.map(|()| !close)
}

fn encode_head(
    out: &mut Vec<u8>,
    response: &Response,
    manner: &Manner,
    (length, bodiless, chunked, close): (Option<u64>, bool, bool, bool),
) {
    http1::encode_status_line(out, response.status, response.phrase.map(|p| response.fields.bytes(p)));
    response.fields.write_lines(out);
    if chunked {
        http1::encode_field(out, b"Transfer-Encoding", b"chunked");
    } else if let (Some(length), false) = (length, bodiless) {
        http1::encode_content_length(out, length);
    }
    if close {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if manner.version == Version::Http10 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

async fn copy(
    link: &Shared,
    out: &mut Outgoing,
    body: &mut Body,
    (chunked, write_idle): (bool, Duration),
    exchange: &mut Exchange,
) -> Result<(), Error> {
    let mut ends_itself = false;
    let mut ended = false;
    while !ended {
        if out.is_empty() && convey(link, body, write_idle, exchange).await? {
            return Ok(());
        }
        // What is at hand shares a write with what waits; when nothing is, what waits leaves at once (events, long
        // polls). Content of a known length is usually right behind: it gets one turn of the loop to arrive.
        let mut part = at_hand(body).await;
        if part.is_none() && !chunked && !out.is_empty() {
            rt::yield_now().await;
            part = at_hand(body).await;
        }
        let part = match part {
            Some(part) => part,
            None => {
                flush(link, out, rt::now() + write_idle).await?;
                body.frame().await
            }
        };
        match part {
            Some(Ok(frame)) => {
                match &frame {
                    Frame::Data(data) => exchange.bytes_out += data.len() as u64,
                    Frame::Trailers(_) => ends_itself = true,
                }
                out.push_frame(frame, chunked);
            }
            Some(Err(error)) => {
                // The client must not take what it has for the whole: the connection ends in the middle.
                flush(link, out, rt::now() + write_idle).await?;
                link.borrow().transport.set_linger_zero();
                return Err(error);
            }
            None => {
                ended = true;
                if chunked && !ends_itself {
                    http1::encode_last_chunk(out.text());
                }
            }
        }
        if ended || !out.has_room() {
            flush(link, out, rt::now() + write_idle).await?;
        }
    }
    Ok(())
}

/// Moves bulk from the endpoint to the client inside the kernel, if that is what the rest of the body is, and says whether
/// it did so to the end.
async fn convey(link: &Shared, body: &mut Body, write_idle: Duration, exchange: &mut Exchange) -> Result<bool, Error> {
    let Body::Stream(stream) = body else { return Ok(false) };
    let Some(inbound) = stream.shortcut().and_then(|stream| stream.downcast_mut::<Inbound>()) else { return Ok(false) };
    if !inbound.is_bulk(&link.borrow().transport) {
        return Ok(false);
    }
    let mut conveyor = Conveyor::default();
    link.borrow().wait_until(Some(rt::now() + write_idle));
    let moved = std::future::poll_fn(|cx| {
        loop {
            let client = &mut *link.borrow_mut();
            match inbound.poll_convey(cx, &mut conveyor, &client.transport) {
                Poll::Ready(Ok(Some(bytes))) => {
                    exchange.bytes_out += bytes;
                    client.wait_until(Some(rt::now() + write_idle));
                    if inbound.is_over() {
                        return Poll::Ready(Ok(true));
                    }
                }
                Poll::Ready(Ok(None)) => return Poll::Ready(Ok(false)),
                Poll::Ready(Err(Conveyed::Unread(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(Err(Conveyed::Unwritten(e))) => return Poll::Ready(Err(write_error(&e))),
                Poll::Pending if conveyor.is_loaded() => {
                    ready!(client.poll_late(cx));
                    return Poll::Ready(Err(write_error(&io::ErrorKind::TimedOut.into())));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    // The client must not take what it has for the whole: the connection ends in the middle.
    moved.await.inspect_err(|_| link.borrow().transport.set_linger_zero())
}

/// The next part if it is there already; the outer `None` means it is not.
async fn at_hand(body: &mut Body) -> Option<Option<Result<Frame, Error>>> {
    std::future::poll_fn(|cx| match body.poll_frame(cx) {
        Poll::Ready(part) => Poll::Ready(Some(part)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn flush(link: &Shared, out: &mut Outgoing, by: Instant) -> Result<(), Error> {
    link.borrow().wait_until(Some(by));
    std::future::poll_fn(|cx| out.poll_write(&mut link.borrow_mut(), cx)).await.map_err(|e| write_error(&e))
}

/// What a failed write to the client means.
pub(super) fn write_error(e: &io::Error) -> Error {
    let reason = match e.kind() {
        io::ErrorKind::TimedOut => reasons::CLIENT_WRITE_TIMEOUT,
        io::ErrorKind::ConnectionReset => reasons::CLIENT_RESET,
        _ => reasons::CLIENT_GONE,
    };
    Error::new(Side::Client, Stage::Receive, reason).detail(e.to_string())
}

/// Whether the answer to a method has no content.
pub(super) fn is_head(method: Option<&Method>) -> bool {
    method == Some(&Method::Head)
}
