//! The head of a frame (RFC 9113 section 4.1), and a walk from one to the next.

/// What a client sends first (RFC 9113 section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The frame ends its side of the stream (DATA and HEADERS).
pub const FLAG_END_STREAM: u8 = 0x1;
/// The frame answers another one (SETTINGS and PING).
pub const FLAG_ACK: u8 = 0x1;
/// The frame is the last of its header block (HEADERS, PUSH_PROMISE and CONTINUATION).
pub const FLAG_END_HEADERS: u8 = 0x4;
/// The frame is padded (DATA, HEADERS and PUSH_PROMISE).
pub const FLAG_PADDED: u8 = 0x8;

/// How long the head of a frame is.
const HEAD: usize = 9;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the variants are the types themselves")]
pub enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// Any other one; receivers pass over it (RFC 9113 section 5.5).
    Other(u8),
}

impl From<u8> for Kind {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::RstStream,
            4 => Self::Settings,
            5 => Self::PushPromise,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            other => Self::Other(other),
        }
    }
}

/// The head of a frame, and the code of an error where the frame carries one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of payload.
    pub length: u32,
    /// The type.
    pub kind: Kind,
    /// The flags.
    pub flags: u8,
    /// The stream, 0 for the connection.
    pub stream: u32,
    /// The error code of RST_STREAM and GOAWAY (RFC 9113 section 7); 0 for all others, and where the frame is too short.
    pub code: u32,
}

impl Head {
    /// Whether a flag is set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn parse(bytes: &[u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, d, e, f, g] = *bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind: Kind::from(kind),
            flags,
            stream: u32::from_be_bytes([d & 0x7f, e, f, g]),
            code: 0,
        }
    }

    /// How many bytes of the payload hold the error code, and how many stand before it.
    fn code_at(&self) -> Option<(u32, u32)> {
        match self.kind {
            Kind::RstStream if self.length >= 4 => Some((0, 4)),
            Kind::GoAway if self.length >= 8 => Some((4, 8)),
            _ => None,
        }
    }
}

/// Walks along a stream of frames, however it is cut into pieces.
#[derive(Debug)]
pub struct Walker {
    /// The part of a head, or of the bytes up to an error code, that came so far.
    part: [u8; HEAD],
    have: u8,
    /// A head whose error code is still to come.
    open: Option<Head>,
    /// Bytes to pass over before the next head.
    skip: u32,
}

impl Walker {
    /// At the beginning of a connection. A client's has a preface before its first frame.
    pub fn new(is_client: bool) -> Self {
        let skip = if is_client { PREFACE.len() as u32 } else { 0 };
        Self { part: [0; HEAD], have: 0, open: None, skip }
    }

    /// Takes the next head out of `bytes`, which go on where the last ones ended, and moves `bytes` behind it. `None` when
    /// all of `bytes` was used. A frame that carries an error code is given once its code has come.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Head> {
        loop {
            let skip = (self.skip as usize).min(bytes.len());
            *bytes = bytes.get(skip..).unwrap_or_default();
            self.skip -= skip as u32;
            if self.skip > 0 || bytes.is_empty() {
                return None;
            }
            let want = self.open.and_then(|head| head.code_at()).map_or(HEAD, |(_, end)| end as usize);
            let have = usize::from(self.have);
            let take = (want - have).min(bytes.len());
            let (new, rest) = bytes.split_at(take);
            self.part.get_mut(have..have + take)?.copy_from_slice(new);
            *bytes = rest;
            self.have += take as u8;
            if usize::from(self.have) < want {
                return None;
            }
            self.have = 0;
            if let Some(mut head) = self.open.take() {
                let (from, end) = head.code_at()?;
                let code = self.part.get(from as usize..end as usize)?;
                head.code = code.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
                self.skip = head.length - end;
                return Some(head);
            }
            let head = Head::parse(&self.part);
            if head.code_at().is_none() {
                self.skip = head.length;
                return Some(head);
            }
            self.open = Some(head);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, flags]);
        out.extend(stream.to_be_bytes());
        out.extend(payload);
        out
    }

    fn walk(pieces: &[&[u8]]) -> Vec<Head> {
        let mut walker = Walker::new(true);
        let mut heads = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while let Some(head) = walker.next(&mut rest) {
                heads.push(head);
            }
            assert!(rest.is_empty());
        }
        heads
    }

    #[test]
    fn every_cut_gives_the_same_heads() {
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frame(4, 0, 0, &[0; 12]));
        bytes.extend(frame(1, 0x5, 1, b"block"));
        bytes.extend(frame(3, 0, 0x8000_0001, &[0, 0, 0, 8]));
        bytes.extend(frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 11, b'd', b'e']));
        bytes.extend(frame(3, 0, 3, &[1]));
        bytes.extend(frame(200, 0xff, 5, b""));
        let whole = walk(&[&bytes]);
        let told: Vec<_> = whole.iter().map(|h| (h.kind, h.length, h.stream, h.code)).collect();
        assert_eq!(
            told,
            [
                (Kind::Settings, 12, 0, 0),
                (Kind::Headers, 5, 1, 0),
                (Kind::RstStream, 4, 1, 8),
                (Kind::GoAway, 10, 0, 11),
                (Kind::RstStream, 1, 3, 0),
                (Kind::Other(200), 0, 5, 0),
            ]
        );
        for at in 0..=bytes.len() {
            let (a, b) = bytes.split_at(at);
            assert_eq!(walk(&[a, b]), whole, "cut at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(walk(&single), whole);
    }

    #[test]
    fn length_of_a_frame_that_never_comes_is_no_loss() {
        let mut bytes = PREFACE.to_vec();
        bytes.extend([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]);
        let heads = walk(&[&bytes, b"a little of it"]);
        assert_eq!((heads.len(), heads[0].length), (1, 0xff_ffff));
    }
}
