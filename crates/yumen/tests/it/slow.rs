//! Clients that are slow.

use std::net::TcpListener;

use yumen_test::Peer;

use crate::ends::{Origin, get};
use crate::site::Site;

#[test]
fn upload_that_stalls_is_given_up_with_408() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::start(&format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\", timeouts: {{ body_idle: 300ms }} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        deaf.local_addr().unwrap()
    ));
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut client = Peer::connect(site.addr("web"));
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n2\r\n").as_bytes()).unwrap();
        let (said, end) = client.read_through(b"\r\n\r\n");
        assert!(said.starts_with(b"HTTP/1.1 408 "), "{end:?}");
    }
    site.wait_access(|line| line["reason"] == "client_body_timeout");
}

#[test]
fn upload_may_take_longer_than_the_head_of_the_answer() {
    let origin = Origin::named("all of it");
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::start(&format!(
        "listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         routes:\n  all: {{ upstream: up }}\n  late: {{ match: {{ path: /late }}, upstream: deaf }}\n\
         upstreams:\n  up: {{ endpoints: [\"{}\"], timeouts: {{ head: 300ms }} }}\n  \
         deaf: {{ endpoints: [\"{}\"], timeouts: {{ head: 300ms }} }}\n",
        origin.addr,
        deaf.local_addr().unwrap()
    ));
    for framing in ["Content-Length: 6", "Transfer-Encoding: chunked"] {
        let (parts, end) = if framing.starts_with('C') { ("ab", "") } else { ("2\r\nab\r\n", "0\r\n\r\n") };
        let mut client = Peer::connect(site.addr("web"));
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{framing}\r\n\r\n{parts}").as_bytes()).unwrap();
        for _ in 0..2 {
            // Another request is the clock: it ends when the time for a head is over.
            assert_eq!(get(site.addr("web"), "/late").status, 504);
            client.send(parts.as_bytes()).unwrap();
        }
        client.send(end.as_bytes()).unwrap();
        let (said, end) = client.read_through(b"all of it");
        assert!(said.starts_with(b"HTTP/1.1 200 "), "{end:?}: {}", String::from_utf8_lossy(&said));
    }
}
