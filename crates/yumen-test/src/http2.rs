//! The client's end of an HTTP/2 connection, frame by frame. Fields are literals that are never indexed (RFC 7541 section
//! 6.2.2), so that a test can say exactly what goes on the wire, however wrong.

use std::net::{SocketAddr, TcpStream};

use crate::peer::{End, Peer};

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its type.
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// Its stream.
    pub stream: u32,
    /// What is in it.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The error code of RST_STREAM and GOAWAY.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            3 => 0,
            7 => 4,
            _ => return None,
        };
        self.number(at)
    }

    /// How much more a WINDOW_UPDATE grants.
    #[must_use]
    pub fn increment(&self) -> Option<u32> {
        if self.kind == 8 { self.number(0) } else { None }
    }

    /// The value of a setting in SETTINGS; the last one counts.
    #[must_use]
    pub fn setting(&self, id: u16) -> Option<u32> {
        let is_it = |at: &usize| self.payload.get(*at..at + 2) == Some(&id.to_be_bytes());
        let places = if self.kind == 4 { 0..self.payload.len() } else { 0..0 };
        places.step_by(6).rfind(is_it).and_then(|at| self.number(at + 2))
    }

    fn number(&self, at: usize) -> Option<u32> {
        let bytes = self.payload.get(at..at + 4)?;
        Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }
}

/// The bytes of a frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// A header block of literals.
#[must_use]
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        text(&mut out, name.as_ref());
        text(&mut out, value.as_ref());
    }
    out
}

/// A string without Huffman's code; its length as RFC 7541 section 5.1 writes it.
fn text(out: &mut Vec<u8>, text: &[u8]) {
    let mut length = text.len();
    if length < 127 {
        out.push(length as u8);
    } else {
        out.push(127);
        length -= 127;
        while length >= 128 {
            out.push(length as u8 | 0x80);
            length >>= 7;
        }
        out.push(length as u8);
    }
    out.extend(text);
}

/// The status of a header block, which comes first in it.
#[must_use]
pub fn status(block: &[u8]) -> Option<u16> {
    let mut rest = block;
    // Changes of the table's size stand before everything.
    while let [first, tail @ ..] = rest
        && first & 0xe0 == 0x20
    {
        rest = tail;
    }
    const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    match rest {
        [first @ 0x88..=0x8e, ..] => Some(INDEXED[usize::from(first - 0x88)]),
        [_, length, text @ ..] => {
            let coded = text.get(..usize::from(length & 0x7f))?;
            let digits = if length & 0x80 == 0 { coded.to_vec() } else { huffman_digits(coded) };
            std::str::from_utf8(&digits).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// Digits in Huffman's code (RFC 7541 appendix B): the first three take five bits, the others six.
fn huffman_digits(coded: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = coded.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let mut digits = Vec::new();
    let mut at = 0;
    while let Some(five) = bits.get(at..at + 5) {
        let code = five.iter().fold(0, |sum, bit| sum << 1 | bit);
        if code <= 2 {
            digits.push(b'0' + code);
            at += 5;
            continue;
        }
        let Some(sixth) = bits.get(at + 5) else { break };
        let code = code << 1 | sixth;
        if !(0x19..=0x1f).contains(&code) {
            break;
        }
        digits.push(b'3' + code - 0x19);
        at += 6;
    }
    digits
}

/// The client's end of a connection.
pub struct Http2 {
    /// The bytes beneath.
    pub peer: Peer,
    /// How many bytes of DATA the other side has granted the connection so far. Whoever sends DATA and heeds flow control
    /// takes them off.
    pub room: i64,
    /// How many it grants each stream from its beginning on.
    pub initial_room: i64,
}

impl Http2 {
    /// What both sides begin with (RFC 9113 section 6.9.2).
    fn over(peer: Peer) -> Self {
        Self { peer, room: 65_535, initial_room: 65_535 }
    }

    /// Connects and says nothing yet.
    #[must_use]
    pub fn connect(to: SocketAddr) -> Self {
        Self::over(Peer::connect(to))
    }

    /// Connects and begins: preface, SETTINGS that forbid a table of fields, and their mutual acknowledgement.
    ///
    /// # Panics
    /// When the other side does not begin as it should.
    #[must_use]
    pub fn open(to: SocketAddr) -> Self {
        Self::open_with(to, &[])
    }

    /// As [`Http2::open`] with further settings, each six bytes.
    ///
    /// # Panics
    /// As [`Http2::open`].
    #[must_use]
    pub fn open_with(to: SocketAddr, settings: &[u8]) -> Self {
        let mut client = Self::connect(to);
        let all = [&[0, 1, 0, 0, 0, 0], settings].concat();
        client.send(&[PREFACE, &frame(4, 0, 0, &all)].concat());
        let mut acknowledged = (false, false);
        while acknowledged != (true, true) {
            match client.read() {
                Ok(Frame { kind: 4, flags: 0, .. }) => {
                    client.send(&frame(4, 1, 0, b""));
                    acknowledged.0 = true;
                }
                Ok(Frame { kind: 4, .. }) => acknowledged.1 = true,
                Ok(Frame { kind: 8, .. }) => {}
                other => panic!("the beginning of a connection is no {other:?}"),
            }
        }
        client
    }

    /// The server's end of a connection that was accepted: reads the preface, and sends SETTINGS that forbid a table of
    /// fields and these further ones.
    ///
    /// # Panics
    /// When the client does not begin as it should.
    #[must_use]
    pub fn accept(stream: TcpStream, settings: &[u8]) -> Self {
        let mut server = Self::over(Peer::of(stream));
        let (preface, _) = server.peer.read(PREFACE.len());
        assert_eq!(preface, PREFACE, "the beginning of a connection of HTTP/2");
        server.send(&[&frame(4, 0, 0, &[&[0, 1, 0, 0, 0, 0], settings].concat())[..], &frame(4, 1, 0, b"")].concat());
        server
    }

    /// The stream of the next request, whose head it skips.
    ///
    /// # Panics
    /// When none comes.
    pub fn request(&mut self) -> u32 {
        self.until("a request", |f| f.kind == 1).last().map_or(0, |f| f.stream)
    }

    /// Writes bytes. That the other side takes no more is found out by reading.
    pub fn send(&mut self, bytes: &[u8]) {
        self.peer.send(bytes).ok();
    }

    /// The next frame, or how the stream ended.
    ///
    /// # Errors
    /// There is none.
    pub fn read(&mut self) -> Result<Frame, End> {
        let (head, end) = self.peer.read(9);
        if let Some(end) = end {
            return Err(end);
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        let (payload, end) = self.peer.read(length);
        if let Some(end) = end {
            return Err(end);
        }
        let frame = Frame { kind: head[3], flags: head[4], stream, payload };
        if stream == 0 {
            self.room += frame.increment().map_or(0, i64::from);
            self.initial_room = frame.setting(4).map_or(self.initial_room, i64::from);
        }
        Ok(frame)
    }

    /// Frames up to and with one that fits.
    ///
    /// # Panics
    /// When the stream ends before.
    pub fn until(&mut self, what: &str, fits: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut all = Vec::new();
        loop {
            match self.read() {
                Ok(frame) => {
                    let found = fits(&frame);
                    all.push(frame);
                    if found {
                        return all;
                    }
                }
                Err(end) => panic!("waited for {what}, got {end:?} after {all:?}"),
            }
        }
    }

    /// The status and content of the answer on a stream.
    ///
    /// # Panics
    /// When none comes to its end.
    pub fn answer(&mut self, stream: u32) -> (u16, Vec<u8>) {
        let frames = self.until("an answer", |f| f.stream == stream && (f.kind == 3 || f.kind < 2 && f.flags & 1 == 1));
        let own = frames.iter().filter(|f| f.stream == stream);
        let code = own.clone().filter(|f| f.kind == 1).find_map(|f| status(&f.payload)).unwrap_or_default();
        (code, own.filter(|f| f.kind == 0).flat_map(|f| f.payload.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_in_every_form() {
        assert_eq!(status(&[0x88]), Some(200));
        assert_eq!(status(&[0x20, 0x8c]), Some(400));
        assert_eq!(status(b"\x48\x03431"), Some(431));
        // RFC 7541 appendix C.6.1.
        assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
        assert_eq!(status(&[0x48, 0x83, 0x69, 0x90, 0xff]), Some(431));
    }

    #[test]
    fn window_and_settings_are_read() {
        let frame = |kind, payload: &[u8]| Frame { kind, flags: 0, stream: 0, payload: payload.to_vec() };
        assert_eq!(frame(8, &[0, 1, 0, 0]).increment(), Some(65_536));
        assert_eq!(frame(0, &[0, 1, 0, 0]).increment(), None);
        let settings = frame(4, &[0, 3, 0, 0, 0, 9, 0, 4, 0, 1, 0, 0]);
        assert_eq!((settings.setting(4), settings.setting(1)), (Some(65_536), None));
    }

    #[test]
    fn long_string_has_its_length_in_more_bytes() {
        let value = "x".repeat(300);
        assert_eq!(block(&[("a", value.as_str())])[..5], [0, 1, b'a', 127, 173]);
    }
}
