//! The clients' end of a WebSocket, byte by byte, over either version.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use yumen_test::{Frame, Http2, block, frame as h2_frame, status};

/// What a client asks for.
pub(super) struct Wish<'a> {
    pub(super) path: &'a str,
    /// What it offers, if anything.
    pub(super) extensions: Option<&'a str>,
}

impl Wish<'_> {
    pub(super) const CHAT: Self = Self { path: "/chat", extensions: None };
}

/// An open WebSocket of a client.
pub(crate) trait Socket {
    fn send(&mut self, bytes: &[u8]);
    /// Exactly so many bytes.
    fn exactly(&mut self, n: usize) -> Vec<u8>;
    /// All that comes up to the end.
    fn rest(&mut self) -> Vec<u8>;
}

/// Over HTTP/1.1.
pub(crate) struct Plain(BufReader<TcpStream>);

impl Plain {
    /// The head of the answer, and the socket behind it.
    pub(super) fn ask(to: SocketAddr, wish: &Wish<'_>) -> (String, Self) {
        let mut stream = TcpStream::connect(to).unwrap();
        // Each write is to arrive by itself.
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let Wish { path, extensions } = wish;
        let extensions = extensions.map(|offer| format!("Sec-WebSocket-Extensions: {offer}\r\n")).unwrap_or_default();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "the answer ended in its head: {head}");
        }
        (head, Self(reader))
    }

    pub(crate) fn open(to: SocketAddr) -> Self {
        Self::open_as(to, &Wish::CHAT)
    }

    pub(super) fn open_as(to: SocketAddr, wish: &Wish<'_>) -> Self {
        let (head, socket) = Self::ask(to, wish);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let lower = head.to_ascii_lowercase();
        for field in ["sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=", "upgrade: websocket", "protocol: chat"] {
            assert!(lower.contains(field), "{field} in {head}");
        }
        socket
    }
}

impl Socket for Plain {
    fn send(&mut self, bytes: &[u8]) {
        // A server that has failed the connection may take no more.
        self.0.get_mut().write_all(bytes).ok();
    }

    fn exactly(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }

    fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // What came before a reset counts.
        self.0.read_to_end(&mut bytes).ok();
        bytes
    }
}

/// Over HTTP/2, by an extended CONNECT.
pub(crate) struct Stream {
    client: Http2,
    came: Vec<u8>,
    has_ended: bool,
    /// With which code, if the other side broke it off.
    code: Option<u32>,
    /// How much more than the setting says the stream may carry: what it was granted less what it sent.
    granted: i64,
}

impl Stream {
    /// The status of the answer, and the socket behind it.
    pub(super) fn ask(to: SocketAddr, protocol: &str, wish: &Wish<'_>) -> (u16, Self) {
        let mut client = Http2::open(to);
        let mut fields = vec![
            (":method", "CONNECT"),
            (":protocol", protocol),
            (":scheme", "http"),
            (":path", wish.path),
            (":authority", "x"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat"),
        ];
        fields.extend(wish.extensions.map(|offer| ("sec-websocket-extensions", offer)));
        client.send(&h2_frame(1, 4, 1, &block(&fields)));
        let frames = client.until("an answer", |frame| frame.stream == 1 && matches!(frame.kind, 1 | 3));
        let status = frames.last().filter(|frame| frame.kind == 1).and_then(|frame| status(&frame.payload));
        let granted = frames.iter().filter(|frame| frame.stream == 1).filter_map(Frame::increment).map(i64::from).sum();
        (status.unwrap_or_default(), Self { client, came: Vec::new(), has_ended: false, code: None, granted })
    }

    pub(crate) fn open(to: SocketAddr) -> Self {
        Self::open_as(to, &Wish::CHAT)
    }

    pub(super) fn open_as(to: SocketAddr, wish: &Wish<'_>) -> Self {
        let (status, socket) = Self::ask(to, "websocket", wish);
        assert_eq!(status, 200);
        socket
    }

    /// Takes a frame; `false` at the end of the stream.
    fn take(&mut self) -> bool {
        if self.has_ended {
            return false;
        }
        let Ok(frame) = self.client.read() else {
            self.has_ended = true;
            return false;
        };
        self.code = self.code.or(frame.code());
        if frame.stream != 1 {
            return true;
        }
        self.granted += frame.increment().map_or(0, i64::from);
        if frame.kind == 0 && !frame.payload.is_empty() {
            let room = (frame.payload.len() as u32).to_be_bytes();
            self.came.extend(&frame.payload);
            self.client.send(&[h2_frame(8, 0, 0, &room), h2_frame(8, 0, 1, &room)].concat());
        }
        self.has_ended = frame.kind == 3 || frame.kind == 0 && frame.flags & 1 == 1;
        !self.has_ended
    }
}

impl Socket for Stream {
    fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.client.room.min(self.client.initial_room + self.granted).clamp(0, 16_384);
            let (part, rest) = bytes.split_at(bytes.len().min(room as usize));
            if part.is_empty() {
                // The server grants more when it has read what it got; one that has failed the connection takes no more.
                if !self.take() {
                    return;
                }
                continue;
            }
            self.client.send(&h2_frame(0, 0, 1, part));
            self.client.room -= part.len() as i64;
            self.granted -= part.len() as i64;
            bytes = rest;
        }
    }

    fn exactly(&mut self, n: usize) -> Vec<u8> {
        while self.came.len() < n {
            assert!(self.take(), "the stream ended after {} bytes of {n}, {:?}", self.came.len(), self.code);
        }
        self.came.drain(..n).collect()
    }

    fn rest(&mut self) -> Vec<u8> {
        while self.take() {}
        std::mem::take(&mut self.came)
    }
}
