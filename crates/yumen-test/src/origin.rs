//! A server that follows a script.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use socket2::{Domain, Socket, Type};

use crate::pattern::shown;
use crate::peer::{End, Peer};
use crate::wait::until;

/// One step of what an origin does on a connection.
#[derive(Clone, Debug)]
pub enum Play {
    /// Reads exactly these bytes; others are a fault.
    Expect(Vec<u8>),
    /// Reads to the empty line behind a head.
    ReadHead,
    /// Reads up to and with these bytes.
    ReadThrough(Vec<u8>),
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Reads until the other side has ended.
    AwaitEnd,
    /// Ends the own side of the stream.
    End,
    /// Resets the connection.
    Reset,
    /// From the first step again, until the other side has ended.
    Again,
}

/// A server on port 0 of the loopback that follows one script on each connection. At the end of a script the connection
/// is closed.
///
/// It fails the test when it is dropped after a connection nobody planned, or bytes nobody expected.
pub struct Origin {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    scripts: Scripts,
    /// The connection behind which no other is looked at.
    last: Mutex<Option<SocketAddr>>,
    record: Mutex<Record>,
}

/// Who gets which script.
enum Scripts {
    Each(Vec<Vec<Play>>),
    Every(Vec<Play>),
}

#[derive(Default)]
struct Record {
    received: Vec<Vec<u8>>,
    faults: Vec<String>,
}

impl Shared {
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Origin {
    /// An origin that gets exactly as many connections as there are scripts, the first of them first.
    #[must_use]
    pub fn each(scripts: impl IntoIterator<Item = Vec<Play>>) -> Self {
        Self::start(Scripts::Each(scripts.into_iter().collect()))
    }

    /// An origin that follows the same script on every connection, however many come.
    #[must_use]
    pub fn every(script: Vec<Play>) -> Self {
        Self::start(Scripts::Every(script))
    }

    /// An origin nobody may connect to.
    #[must_use]
    pub fn untouched() -> Self {
        Self::each([])
    }

    fn start(scripts: Scripts) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { scripts, last: Mutex::default(), record: Mutex::default() });
        let theirs = Arc::clone(&shared);
        let accepting = Some(std::thread::spawn(move || accept(&listener, &theirs)));
        Self { addr, shared, accepting }
    }

    /// Wakes the thread that accepts with a connection it knows by its address.
    fn call_last(&self) -> io::Result<()> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        *self.shared.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = socket.local_addr()?.as_socket();
        socket.connect(&self.addr.into())
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How many connections came so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.record().received.len()
    }

    /// The bytes read so far on a connection, 0 being the first; empty when there is no such connection.
    #[must_use]
    pub fn received(&self, connection: usize) -> Vec<u8> {
        self.shared.record().received.get(connection).cloned().unwrap_or_default()
    }

    /// Waits until what was read on a connection ends with these bytes, and gives all of it as text.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`](crate::PATIENCE).
    #[must_use]
    pub fn received_through(&self, connection: usize, mark: &str) -> String {
        until(&format!("{mark:?} at the origin"), || {
            let bytes = self.received(connection);
            bytes.ends_with(mark.as_bytes()).then(|| String::from_utf8_lossy(&bytes).into_owned())
        })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // What waits in the backlog is judged before this.
        if let (Some(accepting), Ok(())) = (self.accepting.take(), self.call_last()) {
            accepting.join().ok();
        }
        let faults = std::mem::take(&mut self.shared.record().faults);
        if !faults.is_empty() && !std::thread::panicking() {
            panic!("origin {}: {}", self.addr, faults.join("; "));
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let own = listener.local_addr().unwrap();
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let last = shared.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.is_some() && *last == stream.peer_addr().ok() {
            return;
        }
        drop(last);
        let mut record = shared.record();
        let number = record.received.len();
        record.received.push(Vec::new());
        let script = match &shared.scripts {
            Scripts::Every(script) => script.clone(),
            Scripts::Each(scripts) => match scripts.get(number) {
                Some(script) => script.clone(),
                None => {
                    record.faults.push(format!("connection {number} to {own} was not planned"));
                    continue;
                }
            },
        };
        drop(record);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || play(Peer::of(stream), &script, &shared, number));
    }
}

fn play(mut peer: Peer, script: &[Play], shared: &Shared, number: usize) {
    let mut at = 0;
    while let Some(step) = script.get(at) {
        at += 1;
        let goes_on = match step {
            Play::Expect(wanted) => {
                let (came, _) = peer.read(wanted.len());
                let right = came == *wanted;
                if !right {
                    let fault = format!("connection {number}: expected {} but got {}", shown(wanted), shown(&came));
                    shared.record().faults.push(fault);
                }
                right
            }
            Play::ReadHead => peer.read_through(b"\r\n\r\n").1.is_none(),
            Play::ReadThrough(mark) => peer.read_through(mark).1.is_none(),
            Play::Send(bytes) => peer.send(bytes).is_ok(),
            Play::AwaitEnd => peer.read_to_end().1 != End::Silent,
            Play::End => {
                peer.end();
                true
            }
            Play::Reset => return peer.reset(),
            Play::Again => {
                at = 0;
                true
            }
        };
        if let Some(kept) = shared.record().received.get_mut(number) {
            *kept = peer.received().to_vec();
        }
        if !goes_on {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(text: &str) -> Play {
        Play::Send(text.as_bytes().to_vec())
    }

    /// What a test that dropped this origin would have failed with.
    fn complaint(origin: Origin) -> Option<String> {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(origin)));
        outcome.err().map(|panic| *panic.downcast::<String>().unwrap())
    }

    #[test]
    fn script_is_followed_and_every_byte_is_kept() {
        let origin = Origin::each([vec![Play::Expect(b"ping".to_vec()), send("pong"), Play::AwaitEnd]]);
        let mut peer = Peer::connect(origin.addr());
        peer.send(b"ping").unwrap();
        assert_eq!(peer.read(4), (b"pong".to_vec(), None));
        peer.send(b"\r\nmore\0").unwrap();
        peer.end();
        assert_eq!(peer.read_to_end(), (Vec::new(), End::Closed));
        assert_eq!(origin.received_through(0, "\0"), "ping\r\nmore\0");
        assert_eq!(origin.connections(), 1);
        assert_eq!(complaint(origin), None);
    }

    #[test]
    fn connection_that_nobody_planned_fails_the_test() {
        let origin = Origin::untouched();
        let _peer = Peer::connect(origin.addr());
        let complaint = complaint(origin).unwrap();
        assert!(complaint.contains("connection 0") && complaint.contains("was not planned"), "{complaint}");
    }

    #[test]
    fn other_bytes_than_expected_fail_the_test() {
        let origin = Origin::each([vec![Play::Expect(b"ping".to_vec())]]);
        let mut peer = Peer::connect(origin.addr());
        peer.send(b"pong").unwrap();
        assert_ne!(peer.read_to_end().1, End::Silent);
        let complaint = complaint(origin).unwrap();
        assert!(complaint.contains("expected ping but got pong"), "{complaint}");
    }

    #[test]
    fn answer_is_given_again_and_again_on_one_connection() {
        let origin = Origin::says("hello");
        let mut peer = Peer::connect(origin.addr());
        for _ in 0..3 {
            peer.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            assert!(peer.read_through(b"hello").0.starts_with(b"HTTP/1.1 200 OK\r\n"));
        }
        assert_eq!(origin.connections(), 1);
    }

    #[test]
    fn each_vice_is_what_its_name_says() {
        let ask = |origin: &Origin| {
            let mut peer = Peer::connect(origin.addr());
            peer.send(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            peer
        };
        let ends = |origin: Origin| {
            let (came, end) = ask(&origin).read_to_end();
            (String::from_utf8(came).unwrap(), end)
        };
        let is_silent_behind = |origin: Origin, head: &str| {
            let mut peer = ask(&origin);
            assert_eq!(peer.read(head.len()), (head.as_bytes().to_vec(), None));
            peer.set_patience(std::time::Duration::from_millis(50));
            peer.read_to_end() == (Vec::new(), End::Silent)
        };
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
        assert!(is_silent_behind(Origin::never_answers(), ""));
        assert!(is_silent_behind(Origin::stalls_after_headers(), head));
        assert_eq!(ends(Origin::closes_mid_body()), (format!("{head}some"), End::Closed));
        assert_eq!(ends(Origin::resets_mid_body()).1, End::Reset);
        assert_eq!(ends(Origin::closes_without_answer()), (String::new(), End::Closed));
        assert_ne!(ends(Origin::closes_at_once()).1, End::Silent);
    }
}
