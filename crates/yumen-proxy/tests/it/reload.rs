//! What a reload carries over, and what it does to those who are connected.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};

use yumen_config::config::{Config, Protocol};
use yumen_proxy::Accepting;

use crate::stage::{Stage, answers, listener, of, read_until, route, simple, upstream};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn untouched_upstream_is_the_same_one_and_the_socket_stays() {
    let (addr, _seen) = answers(OK);
    let stage = Stage::new(simple(&[addr]));
    let before = stage.proxy.snapshot().upstreams().next().unwrap().clone();
    let socket = stage.addr();
    stage.apply(of(listener(Protocol::Http), vec![route("renamed")], upstream(&[addr])));
    let snapshot = stage.proxy.snapshot();
    assert!(std::sync::Arc::ptr_eq(&before, snapshot.upstreams().next().unwrap()));
    assert_eq!((stage.addr(), snapshot.generation), (socket, 2));
}

#[test]
fn open_connection_meets_the_new_routes() {
    let (one, _a) = answers("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
    let (two, _b) = answers("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
    let stage = Stage::new(simple(&[one]));
    let mut client = stage.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(read_until(&mut client, "one").ends_with("one"));
    stage.apply(simple(&[two]));
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(read_until(&mut client, "two").ends_with("two"));
}

#[test]
fn idle_client_of_a_closing_listener_is_told_to_close() {
    let (addr, _seen) = answers(OK);
    let stage = Stage::new(simple(&[addr]));
    let mut client = stage.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(!read_until(&mut client, "ok").contains("Connection: close"));
    stage.apply(Config::default());
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert!(read_until(&mut client, "ok").contains("Connection: close"));
}

#[test]
fn hundred_reloads_leave_nothing_behind() {
    let (addr, _seen) = answers(OK);
    let stage = Stage::new(simple(&[addr]));
    let first = std::sync::Arc::downgrade(stage.proxy.snapshot().upstreams().next().unwrap());
    for n in 0..100u32 {
        let mut changed = upstream(&[addr]);
        changed.max_connections = Some(n + 1);
        stage.apply(of(listener(Protocol::Http), vec![route("all")], changed));
    }
    // Workers let an old snapshot go within a tick.
    let until = yumen_net::rt::now() + crate::stage::PATIENCE;
    while first.strong_count() > 0 && yumen_net::rt::now() < until {
        std::thread::yield_now();
    }
    assert_eq!(first.strong_count(), 0);
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn bound(bind: SocketAddr, endpoint: SocketAddr) -> Config {
    let mut listener = listener(Protocol::Http);
    listener.bind = vec![bind];
    of(listener, vec![route("all")], upstream(&[endpoint]))
}

fn is_answered(client: &mut TcpStream) -> bool {
    client.write_all(ASK).unwrap();
    read_until(client, "ok").ends_with("ok")
}

/// From one address to every address and back, while somebody is connected.
fn listener_moves_on_its_own_port(accepting: Accepting, every: &str) {
    let (addr, _seen) = answers(OK);
    let stage = Stage::accepting(accepting, 2, simple(&[addr]));
    let port = stage.addr().port();
    let one = SocketAddr::from(([127, 0, 0, 1], port));
    let mut every: SocketAddr = every.parse().unwrap();
    every.set_port(port);
    let connect = || TcpStream::connect(one).unwrap();
    let mut before = connect();
    assert!(is_answered(&mut before));
    for bind in [every, one, every] {
        let mut kept = connect();
        assert!(is_answered(&mut kept));
        let applied = stage.try_apply(bound(bind, addr)).unwrap();
        assert_eq!((applied.opened, stage.addr()), (vec![bind], bind));
        assert!(is_answered(&mut kept), "a connection from before was cut off at {bind}");
        assert!(is_answered(&mut connect()), "{bind}");
    }
}

#[test]
fn listener_moves_to_every_address_of_its_port_and_back() {
    listener_moves_on_its_own_port(Accepting::of_system(), "0.0.0.0:0");
}

#[test]
fn listener_of_one_acceptor_moves_to_every_address_of_its_port_and_back() {
    listener_moves_on_its_own_port(Accepting::One, "0.0.0.0:0");
}

#[test]
fn listener_moves_to_both_families_of_its_port_and_back() {
    if TcpListener::bind("[::1]:0").is_err() {
        return; // no IPv6 on this machine
    }
    listener_moves_on_its_own_port(Accepting::of_system(), "[::]:0");
    listener_moves_on_its_own_port(Accepting::One, "[::]:0");
}

#[test]
fn listener_that_made_room_in_vain_is_put_back() {
    let (addr, _seen) = answers(OK);
    let stage = Stage::accepting(Accepting::One, 2, simple(&[addr]));
    let ours = stage.addr();
    stage.apply(bound(ours, addr));
    let mut kept = stage.connect();
    assert!(is_answered(&mut kept));
    // Somebody else has one of the addresses of the port.
    let thief = TcpListener::bind(("127.0.0.2", ours.port())).unwrap();
    let every = SocketAddr::from(([0, 0, 0, 0], ours.port()));
    let refused = stage.try_apply(bound(every, addr)).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("cannot listen on {every}: ")), "{refused}");
    assert!(refused.ends_with(&format!("{ours}, which was closed to make room for it, is open again")), "{refused}");
    assert_eq!((stage.addr(), stage.proxy.snapshot().generation), (ours, 2));
    assert!(is_answered(&mut stage.connect()));
    assert!(is_answered(&mut kept), "a connection from before was cut off");
    drop(thief);
    stage.apply(bound(every, addr));
    assert!(is_answered(&mut stage.connect()) && is_answered(&mut kept));
}
