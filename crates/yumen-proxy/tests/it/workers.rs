//! How connections get to workers, and what happens to them when the number of workers changes.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use yumen_proxy::Accepting;

use crate::stage::{PATIENCE, Stage, answers, read_until, simple};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// A connection that has been answered once, and is open.
fn used(stage: &Stage) -> TcpStream {
    let mut client = stage.connect();
    client.write_all(ASK).unwrap();
    assert!(read_until(&mut client, "ok").ends_with("ok"));
    client
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let end = yumen_net::rt::now() + PATIENCE;
    while !holds() {
        assert!(yumen_net::rt::now() < end, "waited too long for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn one_acceptor_hands_connections_evenly_to_all_workers() {
    let (addr, _seen) = answers(OK);
    let stage = Stage::accepting(Accepting::One, 3, simple(&[addr]));
    let clients: Vec<TcpStream> = (0..30).map(|_| used(&stage)).collect();
    assert_eq!(stage.proxy.connections(), [10, 10, 10]);
    drop(clients);
    until("the connections to end", || stage.proxy.connections() == [0, 0, 0]);
}

fn queued_connections_are_served(accepting: Accepting) {
    let (addr, _seen) = answers(OK);
    for _ in 0..20 {
        let stage = Stage::accepting(accepting, 3, simple(&[addr]));
        let mut clients: Vec<TcpStream> = (0..9).map(|_| stage.connect()).collect();
        for client in &mut clients {
            client.write_all(ASK).unwrap();
        }
        stage.apply(yumen_config::config::Config::default());
        for client in &mut clients {
            assert!(read_until(client, "ok").ends_with("ok"));
        }
    }
}

#[test]
fn connections_in_the_queue_of_a_closing_listener_are_served() {
    queued_connections_are_served(Accepting::of_system());
}

#[test]
fn connections_handed_over_by_a_closing_listener_are_served() {
    queued_connections_are_served(Accepting::One);
}

/// Clients go on asking, each time on a new connection, while the number of workers changes.
fn no_request_fails_while_workers_change(accepting: Accepting) {
    let (addr, _seen) = answers(OK);
    let stage = Stage::accepting(accepting, 2, simple(&[addr]));
    let mut kept = used(&stage);
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    drop(used(&stage));
                    asked.fetch_add(1, Relaxed);
                }
            });
        }
        for workers in [4, 1, 3, 2, 5, 1] {
            let before = asked.load(Relaxed);
            stage.control.block_on(stage.proxy.resize(workers)).unwrap();
            assert_eq!(stage.proxy.workers(), workers);
            until("requests", || asked.load(Relaxed) > before + 20);
        }
        over.store(true, Relaxed);
    });
    kept.write_all(ASK).unwrap();
    assert!(read_until(&mut kept, "ok").ends_with("ok"), "a connection from before was cut off");
    until("workers that left to end", || stage.proxy.draining().is_empty());
}

#[test]
fn no_request_fails_while_workers_with_their_own_sockets_change() {
    no_request_fails_while_workers_change(Accepting::of_system());
}

#[test]
fn no_request_fails_while_workers_behind_one_acceptor_change() {
    no_request_fails_while_workers_change(Accepting::One);
}

/// An origin of datagrams that answers with what it got.
fn echo() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buf = [0; 2048];
        while let Ok((n, from)) = socket.recv_from(&mut buf) {
            socket.send_to(&buf[..n], from).unwrap();
        }
    });
    addr
}

fn datagrams(endpoint: SocketAddr) -> yumen_config::config::Config {
    let text = format!(
        "listeners: {{ l: {{ bind: \"127.0.0.1:0\", protocol: udp, upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{endpoint}\"] }} }}\n"
    );
    yumen_config::parse_str("test", &text, &|_| None).unwrap().config
}

fn answered(client: &UdpSocket, to: SocketAddr, n: usize) {
    let text = n.to_string();
    client.send_to(text.as_bytes(), to).unwrap();
    let mut buf = [0; 64];
    let got = client.recv(&mut buf).unwrap();
    assert_eq!(&buf[..got], text.as_bytes());
}

fn client() -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

#[test]
fn one_receiver_hands_datagrams_to_all_workers() {
    let stage = Stage::accepting(Accepting::One, 3, datagrams(echo()));
    let clients: Vec<UdpSocket> = (0..90).map(|_| client()).collect();
    for round in 0..3 {
        clients.iter().for_each(|one| answered(one, stage.addr(), round));
    }
    let shares = stage.proxy.connections();
    assert!(shares.iter().sum::<usize>() == 90 && shares.iter().all(|n| *n > 5), "{shares:?}");
}

/// Clients go on asking while the number of workers changes; a client may meet another worker, and is answered.
fn no_datagram_is_lost_while_workers_change(accepting: Accepting) {
    let stage = Stage::accepting(accepting, 2, datagrams(echo()));
    let (over, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let one = client();
                while !over.load(Relaxed) {
                    answered(&one, stage.addr(), asked.fetch_add(1, Relaxed));
                }
            });
        }
        for workers in [4, 1, 3, 2] {
            let before = asked.load(Relaxed);
            stage.control.block_on(stage.proxy.resize(workers)).unwrap();
            until("datagrams", || asked.load(Relaxed) > before + 50);
        }
        over.store(true, Relaxed);
    });
    until("workers that left to end", || stage.proxy.draining().is_empty());
}

#[test]
fn no_datagram_is_lost_while_workers_with_their_own_sockets_change() {
    no_datagram_is_lost_while_workers_change(Accepting::of_system());
}

#[test]
fn no_datagram_is_lost_while_workers_behind_one_receiver_change() {
    no_datagram_is_lost_while_workers_change(Accepting::One);
}
