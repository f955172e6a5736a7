//! What SIGTERM does to those who are connected.

use std::net::TcpStream;

use crate::ends::{Client, End, Gate, Manner, Origin, accept, field, listen};
use crate::gateway::{text, until};
use crate::site::Site;

/// A gateway with an HTTP listener `web` and a TCP listener `raw`.
fn config(origin: &Origin, raw: std::net::SocketAddr, drain: &str) -> String {
    format!(
        "runtime: {{ drain_timeout: {drain} }}\n\
         listeners:\n  web: {{ bind: \"127.0.0.1:0\" }}\n  \
         raw: {{ bind: \"127.0.0.1:0\", protocol: tcp, upstream: raw }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams:\n  up: {{ endpoints: [\"{}\"] }}\n  raw: {{ endpoints: [\"{raw}\"] }}\n",
        origin.addr
    )
}

/// A request whose answer has come by half.
fn half_answered(site: &Site, origin: &Origin, gate: &Gate) -> (Client, String) {
    origin.set(Manner::Halts("0123456789".into(), gate.clone()));
    let mut client = Client::connect(site.addr("web"));
    client.ask("GET", "/slow", "");
    let head = client.head();
    assert_eq!(client.exactly(5), b"01234");
    origin.set(Manner::Says(200, "quick".into()));
    (client, head)
}

#[test]
fn sigterm_closes_listeners_and_lets_everyone_finish() {
    let origin = Origin::named("quick");
    let (raw, at) = listen();
    let mut site = Site::start(&config(&origin, at, "60s"));
    let addr = site.addr("web");
    let mut rest = Client::connect(addr);
    assert!(!rest.get("/").closes());
    let gate = Gate::default();
    let (mut slow, _) = half_answered(&site, &origin, &gate);
    let late_gate = Gate::default();
    origin.set(Manner::Waits("late".into(), late_gate.clone()));
    let mut late = Client::connect(addr);
    late.ask("GET", "/late", "");
    until("the request", || origin.last().starts_with("GET /late").then_some(()));
    origin.set(Manner::Says(200, "quick".into()));
    let mut near = Client::connect(site.addr("raw"));
    near.send(b"up");
    let mut far = accept(&raw);
    assert_eq!(far.exactly(2), b"up");

    site.signal("-TERM");
    until("the drain", || (site.status()["draining"].as_array().is_some_and(|all| all.len() == 2)).then_some(()));
    // Told with the next answer, then closed.
    let last = rest.get("/");
    assert_eq!((last.status, last.closes()), (200, true), "{}", last.head);
    assert_eq!(rest.rest(), (Vec::new(), End::Closed));
    until("the listener to be closed", || TcpStream::connect(addr).is_err().then_some(()));
    let shown = text(&site.command("status"));
    let mut left = shown.lines().skip_while(|line| !line.starts_with("DRAINING")).map(str::split_whitespace);
    let left = left.find_map(|mut words| (words.next() == Some(&addr.to_string())).then(|| words.next()).flatten());
    assert!(shown.contains(": draining") && left == Some("2"), "{shown}");
    assert!(site.ask("GET /readyz").unwrap().starts_with("HTTP/1.1 503"));
    assert!(site.ask("GET /healthz").unwrap().starts_with("HTTP/1.1 200"));
    let reload = site.command("reload");
    assert_eq!((reload.status.code(), text(&reload).contains("stopping")), (Some(1), true), "{}", text(&reload));

    near.send(b"more");
    assert_eq!(far.exactly(4), b"more");
    drop((near, far));
    late_gate.open();
    let answer = late.answer();
    assert_eq!((answer.body.as_str(), answer.closes()), ("late", true), "an answer that begins now tells it");
    assert_eq!(late.rest(), (Vec::new(), End::Closed));
    gate.open();
    assert_eq!(slow.exactly(5), b"56789");
    assert_eq!(slow.rest(), (Vec::new(), End::Closed));
    assert_eq!(site.end().code(), Some(0));
    assert!(site.log().contains("all connections have ended"), "{}", site.log());
    assert!(site.access().iter().all(|line| line["reason"].is_null()), "{:?}", site.access());
}

#[test]
fn idle_client_that_asks_nothing_does_not_hold_up_the_end() {
    let origin = Origin::named("quick");
    let mut site = Site::start(&config(&origin, origin.addr, "60s"));
    let mut rest = Client::connect(site.addr("web"));
    rest.get("/");
    let mut silent = Client::connect(site.addr("web"));
    until("both", || (site.status()["listeners"].to_string().contains("\"connections\":2")).then_some(()));
    site.signal("-TERM");
    assert_eq!(site.end().code(), Some(0));
    assert_eq!((rest.rest().1, silent.rest().1), (End::Closed, End::Closed));
}

#[test]
fn what_does_not_finish_in_time_is_cut_off_and_seen_to_be() {
    let origin = Origin::named("quick");
    let (raw, at) = listen();
    let mut site = Site::start(&config(&origin, at, "500ms"));
    let gate = Gate::default();
    let (mut slow, head) = half_answered(&site, &origin, &gate);
    assert_eq!(field(&head, "content-length").as_deref(), Some("10"));
    let mut near = Client::connect(site.addr("raw"));
    near.send(b"up");
    let mut far = accept(&raw);
    assert_eq!(far.exactly(2), b"up");
    site.signal("-TERM");
    assert_eq!(site.end().code(), Some(0));
    assert!(site.log().contains("the drain timeout passed"), "{}", site.log());
    // Nobody may take what he has for the whole.
    assert_eq!(slow.rest(), (Vec::new(), End::Reset));
    assert_eq!((near.rest().1, far.rest().1), (End::Reset, End::Reset));
    for path in [Some("/slow"), None] {
        let line = site.wait_access(|line| line["path"].as_str() == path);
        assert_eq!((&line["reason"], &line["side"]), (&"draining".into(), &"us".into()), "{line}");
    }
    gate.open();
}

#[test]
fn request_that_is_not_answered_in_time_is_answered_with_503() {
    let gate = Gate::default();
    let origin = Origin::start(Manner::Waits("late".into(), gate.clone()));
    let mut site = Site::start(&config(&origin, origin.addr, "300ms"));
    let mut client = Client::connect(site.addr("web"));
    client.ask("GET", "/late", "");
    until("the request", || (!origin.requests().is_empty()).then_some(()));
    site.signal("-TERM");
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (503, true), "{}", answer.head);
    assert!(answer.body.contains("draining"), "{}", answer.body);
    assert_eq!(site.end().code(), Some(0));
    gate.open();
}

#[test]
fn second_signal_ends_it_at_once() {
    let origin = Origin::named("quick");
    let mut site = Site::start(&config(&origin, origin.addr, "1h"));
    let gate = Gate::default();
    let _slow = half_answered(&site, &origin, &gate);
    site.signal("-TERM");
    until("the drain", || (site.status()["state"] == "draining").then_some(()));
    let code = until("the end", || {
        // It may have ended since it was looked at.
        let _told = site.try_signal("-TERM");
        site.ended()
    });
    assert_eq!(code.code(), Some(0));
    gate.open();
}

#[test]
fn signal_that_comes_twice_at_once_is_one() {
    let origin = Origin::named("quick");
    let mut site = Site::start(&config(&origin, origin.addr, "1h"));
    let gate = Gate::default();
    let (mut slow, _) = half_answered(&site, &origin, &gate);
    // As `timeout` of coreutils does.
    site.signal("-TERM");
    site.signal("-INT");
    until("the drain", || (site.status()["state"] == "draining").then_some(()));
    gate.open();
    assert_eq!(slow.exactly(5), b"56789");
    assert_eq!(site.end().code(), Some(0));
}
