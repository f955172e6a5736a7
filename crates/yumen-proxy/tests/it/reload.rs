//! What a reload carries over, and what it does to those who are connected.

use std::io::Write;

use yumen_config::config::Protocol;

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
    stage.apply(yumen_config::config::Config::default());
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
