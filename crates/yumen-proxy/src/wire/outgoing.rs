//! Bytes on their way out: text made here, then a part of a body.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use yumen_core::Frame;
use yumen_http1 as http1;

use super::Link;

/// A part of a body up to this size is copied behind the text before it, so that both leave in one write.
const COPY_UP_TO: usize = 8 * 1024;

/// What is still to be written to one link.
pub(crate) struct Outgoing {
    text: Vec<u8>,
    written: usize,
    data: Bytes,
    /// What closes the part: the line end of a chunk.
    tail: &'static [u8],
}

impl Outgoing {
    /// Starts with a buffer that may be used again; it must be empty.
    pub(crate) fn new(text: Vec<u8>) -> Self {
        Self { text, written: 0, data: Bytes::new(), tail: b"" }
    }

    /// The buffer back, emptied.
    pub(crate) fn into_buffer(mut self) -> Vec<u8> {
        self.text.clear();
        self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.written == self.text.len() && self.data.is_empty() && self.tail.is_empty()
    }

    /// Where text is encoded. Only while no data waits: text would overtake it.
    pub(crate) fn text(&mut self) -> &mut Vec<u8> {
        if self.written == self.text.len() {
            self.text.clear();
            self.written = 0;
        }
        &mut self.text
    }

    /// Queues a part of a body behind the text. Only while no other data waits.
    pub(crate) fn push(&mut self, data: Bytes, chunked: bool) {
        let small = data.len() <= COPY_UP_TO;
        let text = self.text();
        if chunked {
            http1::encode_chunk_header(text, data.len() as u64);
        }
        if small {
            text.extend_from_slice(&data);
            if chunked {
                text.extend_from_slice(b"\r\n");
            }
            return;
        }
        self.data = data;
        self.tail = if chunked { b"\r\n" } else { b"" };
    }

    /// Queues a part or the trailers of a body.
    pub(crate) fn push_frame(&mut self, frame: Frame, chunked: bool) {
        match frame {
            Frame::Data(data) => self.push(data, chunked),
            Frame::Trailers(fields) if chunked => {
                let text = self.text();
                text.extend_from_slice(b"0\r\n");
                fields.write_lines(text);
                text.extend_from_slice(b"\r\n");
            }
            Frame::Trailers(_) => {}
        }
    }

    /// Whether another part may be queued without waiting.
    pub(crate) fn has_room(&self) -> bool {
        self.data.is_empty() && self.tail.is_empty() && self.text.len() - self.written < COPY_UP_TO
    }

    /// Writes until nothing is left. A passed deadline of the link is `TimedOut`.
    pub(crate) fn poll_write(&mut self, link: &mut Link, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let text = self.text.get(self.written..).unwrap_or_default();
            let wrote = if self.data.is_empty() && self.tail.is_empty() {
                link.transport.poll_write(cx, text)
            } else {
                let parts = [IoSlice::new(text), IoSlice::new(&self.data), IoSlice::new(self.tail)];
                link.transport.poll_write_vectored(cx, &parts)
            };
            match wrote {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(n)) => self.advance(n),
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                Poll::Pending => {
                    ready!(link.poll_late(cx));
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        link.transport.poll_flush(cx)
    }

    fn advance(&mut self, mut n: usize) {
        let text = n.min(self.text.len() - self.written);
        self.written += text;
        n -= text;
        let data = n.min(self.data.len());
        self.data.advance(data);
        n -= data;
        self.tail = self.tail.get(n..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_writes_never_lose_or_repeat_a_byte() {
        for step in 1..40 {
            let mut out = Outgoing::new(Vec::new());
            out.text().extend_from_slice(b"head\r\n\r\n");
            out.push(Bytes::from(vec![b'x'; COPY_UP_TO + 1]), true);
            let mut seen = Vec::new();
            while !out.is_empty() {
                let all: Vec<u8> = [out.text.get(out.written..).unwrap_or_default(), &out.data, out.tail].concat();
                let n = (step * 97).min(all.len());
                seen.extend_from_slice(all.get(..n).unwrap_or_default());
                out.advance(n);
            }
            assert!(seen.starts_with(b"head\r\n\r\n2001\r\nxxx") && seen.ends_with(b"xxx\r\n"));
            assert_eq!(seen.len(), 8 + 6 + COPY_UP_TO + 1 + 2);
        }
    }

    #[test]
    fn small_part_shares_the_write_with_its_head() {
        let mut out = Outgoing::new(Vec::new());
        out.text().extend_from_slice(b"head");
        out.push(Bytes::from_static(b"body"), false);
        assert_eq!(out.text, b"headbody");
        assert!(out.data.is_empty());
    }
}
