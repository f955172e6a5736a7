//! Sockets that were open before this process: of the service manager (socket activation), or of the process that this one
//! takes over from.
//!
//! The manager's are matched to listeners by their address, whatever they are called. The manager holds each of them open
//! as well, so one that a configuration drops for a while is kept here: its address could not be opened anew. Those of a
//! predecessor are matched by what its configuration called them, used once, and closed if nobody wants them.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use socket2::{Socket, Type};

use super::{ListenError, ListenOptions, ListenSet};
use crate::os::{self, Parcel};

/// Sockets that were there before this process.
#[derive(Debug, Default)]
pub struct Inherited {
    usable: Vec<(SocketAddr, String, Socket)>,
    handed: Mutex<Vec<Handed>>,
    problems: Vec<String>,
}

/// A socket of the process before this one.
#[derive(Debug)]
struct Handed {
    /// As its configuration had it, port 0 included.
    wanted: SocketAddr,
    /// The listener's name where the system chose the port.
    name: Option<String>,
    role: Role,
    socket: Socket,
}

/// What a socket of the process before this one is for.
#[derive(Debug)]
enum Role {
    /// It listens, or takes datagrams.
    Listener,
    /// It takes packets of QUIC, and has this number.
    Quic(u8),
    /// It is the line for what comes to the socket of this number and is of these processes.
    Line(u8, Vec<Tag>),
}

impl Role {
    fn label(&self) -> String {
        match self {
            Self::Listener => LISTENER.to_owned(),
            Self::Quic(index) => format!("{QUIC}:{index}"),
            Self::Line(index, tags) => {
                let tags: String = tags.iter().map(|tag| format!(":{:08x}", u32::from_be_bytes(*tag))).collect();
                format!("{LINE}:{index}{tags}")
            }
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let mut parts = word.split(':');
        let kind = parts.next()?;
        if kind == LISTENER {
            return Some(Self::Listener);
        }
        let index = parts.next()?.parse().ok()?;
        match kind {
            QUIC => Some(Self::Quic(index)),
            LINE => {
                let tags = parts.map(|part| u32::from_str_radix(part, 16).ok().map(u32::to_be_bytes));
                Some(Self::Line(index, tags.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }
}

/// What names a process in connection ids of QUIC.
pub type Tag = [u8; 4];

/// A socket for QUIC that two processes have.
#[derive(Debug)]
pub(crate) struct QuicSocket {
    /// Its number among those of the port.
    pub(crate) index: u8,
    pub(crate) socket: Socket,
    pub(crate) line: Option<Line>,
}

/// A line to another process that has the same socket.
#[derive(Debug)]
pub(crate) struct Line {
    /// This process's end.
    pub(crate) end: Socket,
    /// The processes whose connections are at the other end.
    pub(crate) tags: Vec<Tag>,
}

/// The label of a listener's socket on its way to a successor.
const LISTENER: &str = "listener";
/// The label of one that takes packets of QUIC; its number follows.
const QUIC: &str = "quic";
/// The label of a line between two processes for such packets; the number of the socket and the processes follow.
const LINE: &str = "line";
/// The label of one that the service manager holds as well.
const ACTIVATED: &str = "activated";

impl Inherited {
    /// Takes what the environment of the process speaks of: `LISTEN_PID` must name this process, `LISTEN_FDS` says how
    /// many descriptors there are, `LISTEN_FDNAMES` what they are called. Without these there are none.
    ///
    /// Once per process, before anything else opens descriptors.
    pub fn take(environment: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| environment(name).and_then(|text| text.parse::<usize>().ok());
        if number("LISTEN_PID") != usize::try_from(std::process::id()).ok() {
            return Self::default();
        }
        let count = number("LISTEN_FDS").unwrap_or(0);
        let names = environment("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        match os::take_inherited(count) {
            Ok(sockets) => {
                let mut all = Self::default();
                for socket in sockets {
                    all.add(socket, names.next().unwrap_or("unnamed").to_owned());
                }
                all
            }
            Err(error) => {
                let text = format!("LISTEN_FDS={count}, but not all of these sockets are open: {error}; none is used");
                Self { problems: vec![text], ..Self::default() }
            }
        }
    }

    fn add(&mut self, socket: Socket, name: String) {
        match listens_at(&socket) {
            Ok(addr) => self.usable.push((addr, name, socket)),
            Err(error) => self.problems.push(format!("the socket {name:?} that the service manager passed: {error}")),
        }
    }

    /// Adds what a predecessor handed over; the rest, which is not for listeners, is given back.
    pub fn add_handed(&mut self, parcels: Vec<Parcel>) -> Vec<Parcel> {
        let mut others = Vec::new();
        for parcel in parcels {
            let mut words = parcel.label.splitn(3, ' ');
            let (word, wanted, name) =
                (words.next().unwrap_or_default(), words.next().and_then(|word| word.parse().ok()), words.next());
            match (Role::parse(word), wanted) {
                (Some(role), Some(wanted)) => {
                    let handed = Handed { wanted, name: name.map(str::to_owned), role, socket: parcel.socket };
                    self.handed.get_mut().unwrap_or_else(PoisonError::into_inner).push(handed);
                }
                (None, Some(_)) if word == ACTIVATED => {
                    self.add(parcel.socket, name.unwrap_or("unnamed").to_owned());
                }
                _ => others.push(parcel),
            }
        }
        others
    }

    /// A listener's socket, labelled for a successor. The name is given where the system chose the port.
    pub fn parcel(wanted: SocketAddr, name: Option<&str>, socket: Socket) -> Parcel {
        labelled(&Role::Listener, wanted, name, socket)
    }

    /// A socket for QUIC, and its line, labelled as [`Inherited::parcel`] does.
    pub(crate) fn quic_parcels(wanted: SocketAddr, name: Option<&str>, of: QuicSocket) -> Vec<Parcel> {
        let QuicSocket { index, socket, line } = of;
        let mut all = vec![labelled(&Role::Quic(index), wanted, name, socket)];
        all.extend(line.map(|line| labelled(&Role::Line(index, line.tags), wanted, name, line.end)));
        all
    }

    /// Second handles on what the service manager holds as well, for a successor.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn parcels(&self) -> io::Result<Vec<Parcel>> {
        let parcel = |(addr, name, socket): &(SocketAddr, String, Socket)| {
            // Whatever the manager called it: it must not be taken for more than one word.
            let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
            Ok(Parcel { label: format!("{ACTIVATED} {addr} {name}"), socket: socket.try_clone()? })
        };
        self.usable.iter().map(parcel).collect()
    }

    /// Whether the service manager holds that address.
    pub fn is_activated(&self, addr: SocketAddr) -> bool {
        self.usable.iter().any(|(at, _, _)| *at == addr)
    }

    /// The sockets of an address, if there are any, for so many workers, and as so many handles where they are the service
    /// manager's. The name is the listener's where the system chose the port.
    pub fn open(
        &self,
        options: &ListenOptions,
        name: Option<&str>,
        workers: usize,
        handles: usize,
    ) -> Option<Result<ListenSet, ListenError>> {
        let addr = options.addr;
        if let Some((_, _, socket)) = self.usable.iter().find(|(at, _, _)| *at == addr) {
            return Some(ListenSet::of_socket(socket, addr, workers, handles));
        }
        let sockets = self.take_handed(addr, name, Type::STREAM);
        (!sockets.is_empty()).then(|| ListenSet::of_sockets(sockets, options, workers))
    }

    /// What a predecessor handed over for datagrams; service managers pass none of these.
    pub(crate) fn take_datagrams(&self, addr: SocketAddr, name: Option<&str>) -> Vec<Socket> {
        self.take_handed(addr, name, Type::DGRAM)
    }

    fn take_handed(&self, addr: SocketAddr, name: Option<&str>, of: Type) -> Vec<Socket> {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let is_of = |h: &Handed| matches!(h.role, Role::Listener) && h.socket.r#type().is_ok_and(|t| t == of);
        let fits = |h: &mut Handed| h.wanted == addr && h.name.as_deref() == name && is_of(h);
        handed.extract_if(.., fits).map(|h| h.socket).collect()
    }

    /// What a predecessor handed over for QUIC, by their numbers.
    pub(crate) fn take_quic(&self, addr: SocketAddr, name: Option<&str>) -> Vec<QuicSocket> {
        let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |h: &mut Handed| h.wanted == addr && h.name.as_deref() == name && !matches!(h.role, Role::Listener);
        let mut lines = Vec::new();
        let mut all = Vec::new();
        for Handed { role, socket, .. } in handed.extract_if(.., fits) {
            match role {
                Role::Quic(index) => all.push(QuicSocket { index, socket, line: None }),
                Role::Line(index, tags) => lines.push((index, Line { end: socket, tags })),
                Role::Listener => {}
            }
        }
        for (index, line) in lines {
            if let Some(of) = all.iter_mut().find(|of| of.index == index) {
                of.line = Some(line);
            }
        }
        all.sort_by_key(|of| of.index);
        all
    }

    /// Closes what a predecessor handed over and no listener has asked for: its addresses.
    pub fn close_unused(&self) -> Vec<SocketAddr> {
        let unused = std::mem::take(&mut *self.handed.lock().unwrap_or_else(PoisonError::into_inner));
        let mut addresses: Vec<SocketAddr> = unused.iter().map(|h| h.wanted).collect();
        addresses.sort_unstable();
        addresses.dedup();
        addresses
    }

    /// What cannot be used and which sockets nobody uses, given the addresses that are open; each with its remedy.
    pub fn complaints(&self, open: &[SocketAddr]) -> Vec<String> {
        let unused = self.usable.iter().filter(|(addr, _, _)| !open.contains(addr)).map(|(addr, name, _)| {
            format!(
                "the service manager listens on {addr} (socket {name:?}), but no listener has that address: clients \
                 wait there in vain; give a listener `bind: \"{addr}\"` or remove it from the socket unit"
            )
        });
        self.problems.iter().cloned().chain(unused).collect()
    }
}

fn labelled(role: &Role, wanted: SocketAddr, name: Option<&str>, socket: Socket) -> Parcel {
    let name = name.map_or_else(String::new, |name| format!(" {name}"));
    Parcel { label: format!("{} {wanted}{name}", role.label()), socket }
}

/// Where a stream socket listens; it is made ready for workers.
fn listens_at(socket: &Socket) -> io::Result<SocketAddr> {
    let unusable = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text);
    let is_listening = socket.r#type()? == Type::STREAM && os::is_listening(socket)?;
    let addr = socket.local_addr()?.as_socket();
    let Some(addr) = addr.filter(|_| is_listening) else {
        return Err(unusable("it is not a listening TCP socket; use ListenStream= with an address, and Accept=no"));
    };
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    Ok(addr)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn environment(pid: &str) -> impl Fn(&str) -> Option<String> {
        move |name| match name {
            "LISTEN_PID" => Some(pid.to_owned()),
            "LISTEN_FDS" => Some("1".to_owned()),
            _ => None,
        }
    }

    #[test]
    fn sockets_of_another_process_are_left_alone() {
        let found = Inherited::take(environment("1"));
        assert!(found.usable.is_empty() && found.problems.is_empty());
        let found = Inherited::take(|_| None);
        assert!(found.usable.is_empty() && found.problems.is_empty());
    }

    #[tokio::test]
    async fn socket_is_found_by_its_address_and_told_when_nobody_uses_it() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut all = Inherited::default();
        all.add(listener.into(), "web".to_owned());
        all.add(std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(), "dns".to_owned());
        assert!(all.open(&ListenOptions::new("127.0.0.1:1".parse().unwrap()), None, 2, 2).is_none());
        let options = ListenOptions::new(addr);
        let set = all.open(&options, None, 2, 2).unwrap().unwrap();
        assert_eq!((set.local_addr(), set.is_shared(), set.into_listeners().len()), (addr, false, 2));
        let one = all.open(&options, None, 2, 1).unwrap().unwrap();
        assert!(one.is_shared());
        let told = all.complaints(&[addr]);
        assert!(told.len() == 1 && told[0].contains("\"dns\"") && told[0].contains("ListenStream="), "{told:?}");
        let told = all.complaints(&[]);
        assert!(told.len() == 2 && told[1].contains(&addr.to_string()), "{told:?}");
        let listener = super::super::Listener::start(one.into_listeners().pop().unwrap()).unwrap();
        let _client = std::net::TcpStream::connect(addr).unwrap();
        listener.accept().await.unwrap();
    }

    #[test]
    fn sockets_of_a_predecessor_are_found_by_what_was_wanted_and_used_once() {
        let socket = || Socket::from(std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let wanted: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let admin = Parcel { label: "admin".to_owned(), socket: socket() };
        let parcels = vec![
            Inherited::parcel(wanted, Some("web"), socket()),
            Inherited::parcel(wanted, Some("api"), socket()),
            Inherited::parcel("127.0.0.1:9".parse().unwrap(), None, socket()),
            admin,
        ];
        let mut all = Inherited::default();
        let others = all.add_handed(parcels);
        assert_eq!(others.iter().map(|p| p.label.as_str()).collect::<Vec<_>>(), ["admin"]);
        let options = ListenOptions { reuse_port: false, ..ListenOptions::new(wanted) };
        assert!(all.open(&options, Some("other"), 1, 1).is_none());
        let set = all.open(&options, Some("web"), 1, 1).unwrap().unwrap();
        assert!(set.local_addr().port() != 0 && set.into_listeners().len() == 1);
        assert!(all.open(&options, Some("web"), 1, 1).is_none());
        assert_eq!(all.close_unused(), [wanted, "127.0.0.1:9".parse().unwrap()]);
        assert!(all.open(&options, Some("api"), 1, 1).is_none());
    }
}
