//! Clients that are slow.

use std::net::TcpListener;

use yumen_test::Peer;

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
