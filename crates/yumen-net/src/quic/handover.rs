//! A socket that one process takes over from another one, while connections of the first go on there.
//!
//! Both have the same socket, with one queue. At any time one of them reads it: the old process until it leaves, then the
//! new one. Connection ids name the process they are of, so the new one knows which packets are not its own, and sends them
//! to the old one by a line of their own. The old one answers by the socket itself.

use std::io::{IoSliceMut, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::task::{Context, Poll, Waker};

use quinn::udp::{EcnCodepoint, RecvMeta};

use super::ID;
use crate::listen::{Line, Tag};
use crate::os::Passage;
use crate::udp::LARGEST;

/// What stands before a datagram on the line: flags, ECN, the client's port, scope and address, the address it sent to.
const HEAD: usize = 40;
/// The message that says that the old process reads no more.
const LEAVES: &[u8] = b"leaves";

/// The processes before and after this one, as far as they share the socket.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    before: Option<Before>,
    after: Option<After>,
    /// Of whoever reads.
    reader: Option<Waker>,
}

#[derive(Debug)]
struct Before {
    passage: Passage,
    tags: Vec<Tag>,
    has_left: bool,
}

#[derive(Debug)]
struct After {
    passage: Passage,
    reads: bool,
}

/// Where the next datagrams come from.
pub(super) enum Turn {
    /// The socket.
    Socket,
    /// They are here: so many.
    Filled(usize),
    /// Nowhere yet; the reader is woken.
    Wait,
}

impl Neighbours {
    /// With a process before this one, when there is a line to it.
    pub(super) fn start(line: Option<Line>) -> Result<Self> {
        let before = match line {
            Some(Line { end, tags }) => Some(Before { passage: Passage::start(end)?, tags, has_left: false }),
            None => None,
        };
        Ok(Self { before, ..Self::default() })
    }

    /// A line for a process that is to take over. Until it does, everything stays as it is.
    pub(super) fn prepare(&mut self, own: Tag) -> Result<Line> {
        let (ours, theirs) = Passage::pair()?;
        self.after = Some(After { passage: Passage::start(ours)?, reads: false });
        let older = self.before.iter().flat_map(|before| before.tags.iter().copied());
        Ok(Line { end: theirs, tags: std::iter::once(own).chain(older).collect() })
    }

    /// Leaves the socket to the process after this one. Whether there is one.
    pub(super) fn hand_over(&mut self) -> bool {
        let Some(after) = &mut self.after else { return false };
        after.reads = after.passage.try_send(LEAVES).is_ok();
        if !after.reads {
            self.after = None;
            return false;
        }
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        true
    }

    /// Whose turn it is, for the one that reads.
    pub(super) fn turn(&mut self, cx: &mut Context<'_>, bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> Turn {
        if self.reader.as_ref().is_none_or(|reader| !reader.will_wake(cx.waker())) {
            self.reader = Some(cx.waker().clone());
        }
        if let Some(after) = self.after.as_ref().filter(|after| after.reads) {
            let filled = relayed(&after.passage, self.before.as_ref(), cx, bufs, metas);
            match filled {
                Some(0) => return Turn::Wait,
                Some(filled) => return Turn::Filled(filled),
                // It is gone, and what comes is for this process again.
                None => self.after = None,
            }
        }
        if let Some(before) = self.before.as_mut().filter(|before| !before.has_left) {
            match before.passage.poll_recv(cx, &mut [0; LEAVES.len()]) {
                Poll::Pending => return Turn::Wait,
                Poll::Ready(Ok(n)) if n > 0 => before.has_left = true,
                Poll::Ready(_) => self.before = None,
            }
        }
        Turn::Socket
    }

    /// Passes on what is for the process before this one, and leaves the rest.
    pub(super) fn divert(&mut self, bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) {
        let Some(before) = &self.before else { return };
        let mut is_there = true;
        for (buf, meta) in bufs.iter_mut().zip(metas) {
            let (mut read, mut kept) = (0, 0);
            while read < meta.len {
                let end = (read + meta.stride.max(1)).min(meta.len);
                if let Some(datagram) = buf.get(read..end).filter(|datagram| before.has(datagram)) {
                    is_there &= before.pass(datagram, meta);
                } else {
                    if kept < read {
                        buf.copy_within(read..end, kept);
                    }
                    kept += end - read;
                }
                read = end;
            }
            meta.len = kept;
        }
        if !is_there {
            self.before = None;
        }
    }
}

impl Before {
    /// Whether a datagram is of a connection that began there.
    fn has(&self, datagram: &[u8]) -> bool {
        tag_of(datagram).is_some_and(|tag| self.tags.contains(&tag))
    }

    /// Whether the process is there still. A datagram for which there is no room is lost, as on any way.
    fn pass(&self, datagram: &[u8], meta: &RecvMeta) -> bool {
        match self.passage.try_send(&message(datagram, meta)) {
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            Ok(()) => true,
        }
    }
}

/// Takes what comes by the line: how much, or that it has ended. What is for a process that is older still is passed on.
fn relayed(
    passage: &Passage,
    before: Option<&Before>,
    cx: &mut Context<'_>,
    bufs: &mut [IoSliceMut<'_>],
    metas: &mut [RecvMeta],
) -> Option<usize> {
    let mut message = vec![0; HEAD + LARGEST];
    let mut filled = 0;
    while let (Some(buf), Some(meta)) = (bufs.get_mut(filled), metas.get_mut(filled)) {
        let Poll::Ready(read) = passage.poll_recv(cx, &mut message) else { break };
        let length = read.ok().filter(|n| *n > 0);
        let Some((datagram, of)) = length.and_then(|n| parse(message.get(..n)?)) else {
            // Nothing but datagrams comes here: it is the end.
            if filled == 0 {
                return None;
            }
            cx.waker().wake_by_ref();
            break;
        };
        if let Some(before) = before.filter(|before| before.has(datagram)) {
            before.pass(datagram, &of);
            continue;
        }
        if let Some(room) = buf.get_mut(..datagram.len()) {
            room.copy_from_slice(datagram);
            *meta = of;
            filled += 1;
        }
    }
    Some(filled)
}

/// The process in the connection id that a packet is for, if it may be one of ours (RFC 9000 sections 5.1 and 17).
fn tag_of(datagram: &[u8]) -> Option<Tag> {
    let id = match datagram.first()? {
        long if long & 0x80 != 0 => {
            let length = usize::from(*datagram.get(5)?);
            datagram.get(6..6 + length).filter(|id| id.len() == ID)?
        }
        _ => datagram.get(1..=ID)?,
    };
    id.get(1..5)?.try_into().ok()
}

fn message(datagram: &[u8], meta: &RecvMeta) -> Vec<u8> {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => {
            let mut all = [0; 16];
            all[..4].copy_from_slice(&ip.octets());
            (all, false)
        }
        IpAddr::V6(ip) => (ip.octets(), true),
    };
    let (from, is_v6) = octets(meta.addr.ip());
    let (to, to_v6) = octets(meta.dst_ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    let scope = if let SocketAddr::V6(addr) = meta.addr { addr.scope_id() } else { 0 };
    let flags = u8::from(is_v6) | u8::from(meta.dst_ip.is_some()) << 1 | u8::from(to_v6) << 2;
    let ecn = meta.ecn.map_or(0, |ecn| ecn as u8);
    let mut all = Vec::with_capacity(HEAD + datagram.len());
    all.extend_from_slice(&[flags, ecn]);
    all.extend_from_slice(&meta.addr.port().to_be_bytes());
    all.extend_from_slice(&scope.to_be_bytes());
    all.extend_from_slice(&from);
    all.extend_from_slice(&to);
    all.extend_from_slice(datagram);
    all
}

fn parse(message: &[u8]) -> Option<(&[u8], RecvMeta)> {
    let (head, datagram) = message.split_first_chunk::<HEAD>()?;
    let [flags, ecn, p0, p1, s0, s1, s2, s3, addresses @ ..] = head;
    let address = |bytes: &[u8], is_v6: bool| -> Option<IpAddr> {
        let octets: [u8; 16] = bytes.try_into().ok()?;
        let [a, b, c, d, ..] = octets;
        Some(if is_v6 { Ipv6Addr::from(octets).into() } else { Ipv4Addr::new(a, b, c, d).into() })
    };
    let (from, to) = addresses.split_at_checked(16)?;
    let port = u16::from_be_bytes([*p0, *p1]);
    let addr = match address(from, flags & 1 != 0)? {
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, u32::from_be_bytes([*s0, *s1, *s2, *s3])).into(),
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, port),
    };
    let dst_ip = if flags & 2 != 0 { Some(address(to, flags & 4 != 0)?) } else { None };
    let (len, ecn) = (datagram.len(), EcnCodepoint::from_bits(*ecn));
    Some((datagram, RecvMeta { addr, len, stride: len, ecn, dst_ip }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn meta(addr: &str, dst_ip: Option<&str>) -> RecvMeta {
        RecvMeta {
            addr: addr.parse().unwrap(),
            len: 3,
            stride: 3,
            ecn: EcnCodepoint::from_bits(2),
            dst_ip: dst_ip.map(|ip| ip.parse().unwrap()),
        }
    }

    #[test]
    fn datagram_comes_out_of_the_line_as_it_went_in() {
        for meta in [
            meta("192.0.2.1:5", Some("198.51.100.7")),
            meta("[2001:db8::1%3]:65535", Some("::1")),
            meta("[::ffff:192.0.2.1]:1", None),
        ] {
            let message = message(b"abc", &meta);
            let (datagram, got) = parse(&message).unwrap();
            assert_eq!(datagram, b"abc");
            assert_eq!(format!("{got:?}"), format!("{meta:?}"));
        }
        assert!(parse(LEAVES).is_none() && parse(b"").is_none());
    }

    #[test]
    fn process_of_a_packet_is_read_from_its_connection_id() {
        let id = *b"wTAG!abcdefg";
        assert_eq!(id.len(), ID);
        let short = [&[0x40][..], &id, b"rest"].concat();
        assert_eq!(tag_of(&short), Some(*b"TAG!"));
        let long = [&[0xe0, 0, 0, 0, 1, 12][..], &id, &[0, 0]].concat();
        assert_eq!(tag_of(&long), Some(*b"TAG!"));
        // A client's own choice of another length, and what is cut off.
        assert_eq!(tag_of(&[&[0xc0, 0, 0, 0, 1, 8][..], &id].concat()), None);
        assert_eq!(tag_of(&long[..10]), None);
        assert_eq!(tag_of(&short[..8]), None);
        assert_eq!(tag_of(b""), None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn old_process_gets_its_own_once_it_has_left_and_the_new_one_the_rest() {
        use std::future::poll_fn;

        fn read(at: &mut Neighbours, cx: &mut Context<'_>) -> Poll<Vec<Vec<u8>>> {
            let mut room = vec![vec![0; 2048]; 4];
            let mut metas = [RecvMeta::default(); 4];
            let mut bufs: Vec<_> = room.iter_mut().map(|room| IoSliceMut::new(room)).collect();
            match at.turn(cx, &mut bufs, &mut metas) {
                Turn::Filled(n) => Poll::Ready((0..n).map(|i| room[i][..metas[i].len].to_vec()).collect()),
                Turn::Socket => Poll::Ready(Vec::new()),
                Turn::Wait => Poll::Pending,
            }
        }

        let mut old = Neighbours::start(None).unwrap();
        let line = old.prepare(*b"old!").unwrap();
        assert_eq!(line.tags, [*b"old!"]);
        let mut new = Neighbours::start(Some(line)).unwrap();
        let waits = |at: &mut Neighbours| {
            let mut cx = Context::from_waker(Waker::noop());
            read(at, &mut cx).is_pending()
        };
        assert!(waits(&mut new), "the old process reads the socket");
        assert!(!waits(&mut old));
        assert!(old.hand_over());
        assert_eq!(poll_fn(|cx| read(&mut new, cx)).await, Vec::<Vec<u8>>::new(), "the new one reads the socket");
        assert!(waits(&mut old));
        // Three datagrams that the system joined, the second of them of the old process.
        let packet = |tag: &[u8; 4]| [&[0x40, 0][..], tag, b"abcdefg"].concat();
        let mut joined = [packet(b"new!"), packet(b"old!"), packet(b"mine")].concat();
        let mut metas = [RecvMeta { len: joined.len(), stride: 13, ..meta("192.0.2.1:5", None) }];
        new.divert(&mut [IoSliceMut::new(&mut joined)], &mut metas);
        assert_eq!(&joined[..metas[0].len], [packet(b"new!"), packet(b"mine")].concat());
        assert_eq!(poll_fn(|cx| read(&mut old, cx)).await, [packet(b"old!")]);
        // Once the new one is gone the socket is the old one's again.
        drop(new);
        assert_eq!(poll_fn(|cx| read(&mut old, cx)).await, Vec::<Vec<u8>>::new());
        // A process that never took over leaves nobody without packets.
        drop(old.prepare(*b"old!").unwrap());
        assert!(!old.hand_over());
        assert!(!waits(&mut old));
    }
}
