//! What `/metrics` counts, seen from outside.

use std::io::Write;

use crate::ends::{Client, Origin, accept, listen};
use crate::gateway::until;
use crate::site::Site;

fn config(endpoint: std::net::SocketAddr) -> String {
    format!(
        "runtime: {{ workers: 1 }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\" }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{endpoint}\"] }} }}\n"
    )
}

#[test]
fn listener_counts_the_content_of_requests_and_answers() {
    let origin = Origin::named("hello");
    let site = Site::start(&config(origin.addr));
    let counted = |what: &str| site.metric(&format!("yumen_listener_{what}_bytes_total{{listener=\"web\"}}"));
    let mut client = Client::connect(site.addr("web"));
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.answer().body, "hello");
    // While the connection is still open; and what no route takes counts too.
    until("the request", || (counted("received") == 3.0 && counted("sent") == 5.0).then_some(()));
    client.send("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\n");
    let refusal = client.answer();
    assert_eq!(refusal.status, 400);
    until("the refusal", || (counted("sent") == 5.0 + refusal.body.len() as f64).then_some(()));
}

#[test]
fn connections_on_which_an_endpoint_says_more_than_it_was_asked_are_closed_and_counted() {
    let (listener, addr) = listen();
    let site = Site::start(&config(addr));
    let counted = || site.metric(&format!("yumen_endpoint_unasked_bytes_total{{upstream=\"up\",endpoint=\"{addr}\"}}"));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut client = Client::connect(site.addr("web"));
    client.ask("GET", "/", "");
    let mut with = accept(&listener);
    assert!(with.head().starts_with("GET"));
    with.send(format!("{answer}HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"));
    assert_eq!(client.answer().body, "ok");
    until("more in the same write", || (counted() == 1.0).then_some(()));

    client.ask("GET", "/", "");
    let mut behind = accept(&listener);
    assert!(behind.head().starts_with("GET"));
    behind.send(answer);
    assert_eq!(client.answer().body, "ok");
    behind.stream().write_all(b"more").unwrap();
    until("more on a connection at rest", || (counted() == 2.0).then_some(()));
}
