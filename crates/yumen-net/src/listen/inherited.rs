//! Sockets that the service manager opened before it started this process (socket activation).
//!
//! They are matched to listeners by their address, whatever they are called. The manager holds each of them open as well,
//! so one that a configuration drops for a while is kept here: its address could not be opened anew.

use std::io;
use std::net::SocketAddr;

use socket2::{Socket, Type};

use super::{ListenError, ListenSet};
use crate::os;

/// Sockets that were there before this process.
#[derive(Debug, Default)]
pub struct Inherited {
    usable: Vec<(SocketAddr, String, Socket)>,
    problems: Vec<String>,
}

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
                Self { usable: Vec::new(), problems: vec![text] }
            }
        }
    }

    fn add(&mut self, socket: Socket, name: String) {
        match listens_at(&socket) {
            Ok(addr) => self.usable.push((addr, name, socket)),
            Err(error) => self.problems.push(format!("the socket {name:?} that the service manager passed: {error}")),
        }
    }

    /// The socket of an address, if there is one, for so many workers and as so many handles.
    pub fn open(&self, addr: SocketAddr, workers: usize, handles: usize) -> Option<Result<ListenSet, ListenError>> {
        let (_, _, socket) = self.usable.iter().find(|(at, _, _)| *at == addr)?;
        Some(ListenSet::of_socket(socket, addr, workers, handles))
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
        assert!(all.open("127.0.0.1:1".parse().unwrap(), 2, 2).is_none());
        let set = all.open(addr, 2, 2).unwrap().unwrap();
        assert_eq!((set.local_addr(), set.is_shared(), set.into_listeners().len()), (addr, false, 2));
        let one = all.open(addr, 2, 1).unwrap().unwrap();
        assert!(one.is_shared());
        let told = all.complaints(&[addr]);
        assert!(told.len() == 1 && told[0].contains("\"dns\"") && told[0].contains("ListenStream="), "{told:?}");
        let told = all.complaints(&[]);
        assert!(told.len() == 2 && told[1].contains(&addr.to_string()), "{told:?}");
        let listener = super::super::Listener::start(one.into_listeners().pop().unwrap()).unwrap();
        let _client = std::net::TcpStream::connect(addr).unwrap();
        listener.accept().await.unwrap();
    }
}
