//! Endpoints that speak HTTP/2, frame by frame: what they refuse, break off or say on the way.

use std::net::{SocketAddr, TcpListener};

use yumen_test::{Frame, Http2, Program, block, frame};

use crate::ends::{Client, End, get};
use crate::gateway::{PROGRAM, until};

/// A gateway over an endpoint of the test that speaks HTTP/2 in clear.
fn gateway(more: &str) -> (Program, TcpListener) {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    (gateway_over(origin.local_addr().unwrap(), more), origin)
}

fn gateway_over(origin: SocketAddr, more: &str) -> Program {
    let config = format!(
        "runtime: {{ workers: 1 }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\", http2: {{ cleartext: true }} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{origin}\"], protocol: h2c{more} }} }}\n"
    );
    Program::start(PROGRAM, &config)
}

fn accept(origin: &TcpListener) -> Http2 {
    accept_with(origin, &[])
}

fn accept_with(origin: &TcpListener, settings: &[u8]) -> Http2 {
    origin.set_nonblocking(true).unwrap();
    let (stream, _) = until("a connection to the endpoint", || origin.accept().ok());
    Http2::accept(stream, settings)
}

/// An answer with a text, whole.
fn says(stream: u32, text: &str) -> Vec<u8> {
    [frame(1, 4, stream, &[0x88]), frame(0, 1, stream, text.as_bytes())].concat()
}

fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(7, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(3, 0, stream, &code.to_be_bytes())
}

fn reason(program: &Program, path: &str) -> String {
    let line = until("the access log", || program.access_log().into_iter().find(|line| line["path"] == path));
    line["reason"].as_str().unwrap_or_default().to_owned()
}

fn ask(program: &Program, path: &str) -> Client {
    let mut client = Client::connect(program.listener("web"));
    client.ask("GET", path, "");
    client
}

#[test]
fn request_of_http_1_1_becomes_one_of_http_2_and_its_answer_comes_back() {
    let (program, origin) = gateway("");
    let mut client = Client::connect(program.listener("web"));
    client.send("POST /a?b HTTP/1.1\r\nHost: h:8\r\nTE: trailers\r\nConnection: TE, X-Drop\r\nX-Drop: 1\r\nX-Keep: 2\r\nContent-Length: 4\r\n\r\nwhat");
    let mut endpoint = accept(&origin);
    let seen = endpoint.until("the end of the request", |f| f.kind == 0 && f.flags & 1 == 1);
    let head = seen.iter().find(|f| f.kind == 1).unwrap();
    assert_eq!((head.flags & 1, seen.last().map(|f| &f.payload[..])), (0, Some(&b"what"[..])));
    let answer = [(":status", "200"), ("x-a", "1"), ("trailer", "x-t")];
    endpoint.send(
        &[frame(1, 4, 1, &block(&answer)), frame(0, 0, 1, b"that"), frame(1, 5, 1, &block(&[("x-t", "2")]))].concat(),
    );
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("x-a: 1\r\n"), "{head}");
    assert!(head.contains("Transfer-Encoding: chunked\r\n"), "{head}");
    let expected = b"4\r\nthat\r\n0\r\nx-t: 2\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&client.exactly(expected.len())), String::from_utf8_lossy(expected));
}

#[test]
fn connection_carries_many_requests_and_is_kept_for_more() {
    let (program, origin) = gateway("");
    let mut all: Vec<Client> = (0..10).map(|n| ask(&program, &format!("/{n}"))).collect();
    let mut endpoint = accept(&origin);
    let mut streams: Vec<u32> = (0..10).map(|_| endpoint.request()).collect();
    // In whatever order the endpoint answers.
    streams.reverse();
    for stream in &streams {
        endpoint.send(&says(*stream, "here"));
    }
    assert!(all.iter_mut().all(|client| client.answer().body == "here"));
    let mut one = ask(&program, "/more");
    let stream = endpoint.request();
    assert_eq!(stream, 21);
    endpoint.send(&says(stream, "more"));
    assert_eq!(one.answer().body, "more");
    assert!(origin.accept().is_err(), "one connection was enough");
}

#[test]
fn further_connections_are_made_where_the_endpoint_allows_few_streams() {
    let (program, origin) = gateway("");
    let few = [0, 3, 0, 0, 0, 2];
    let mut first = ask(&program, "/1");
    let mut one = accept_with(&origin, &few);
    let a = one.request();
    // Answered, so that what the endpoint allows is known from here on.
    one.send(&says(a, "one"));
    assert_eq!(first.answer().body, "one");
    let mut clients: Vec<Client> = (0..3).map(|n| ask(&program, &format!("/more/{n}"))).collect();
    let streams = [one.request(), one.request()];
    let mut two = accept_with(&origin, &few);
    let third = two.request();
    for stream in streams {
        one.send(&says(stream, "more"));
    }
    two.send(&says(third, "more"));
    assert!(clients.iter_mut().all(|client| client.answer().body == "more"));
}

#[test]
fn request_that_the_endpoint_has_not_begun_goes_to_another_connection() {
    let (program, origin) = gateway("");
    let mut client = Client::connect(program.listener("web"));
    // Not even one that may not be repeated is lost.
    client.send("POST /late HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    let mut leaving = accept(&origin);
    leaving.request();
    leaving.send(&goaway(0, 0));
    let mut next = accept(&origin);
    let stream = next.request();
    next.send(&says(stream, "in time"));
    assert_eq!(client.answer().body, "in time");
    let mut again = Client::connect(program.listener("web"));
    again.send("POST /again HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    let stream = next.request();
    next.send(&reset(stream, 7));
    let stream = next.request();
    next.send(&says(stream, "the second time"));
    assert_eq!(again.answer().body, "the second time");
    assert_eq!(reason(&program, "/again"), "");
}

#[test]
fn what_is_under_way_when_the_endpoint_leaves_comes_to_its_end() {
    let (program, origin) = gateway("");
    let mut client = ask(&program, "/slow");
    let mut leaving = accept(&origin);
    let stream = leaving.request();
    leaving.send(&frame(1, 4, stream, &[0x88]));
    leaving.send(&frame(0, 0, stream, b"half"));
    leaving.send(&goaway(stream, 0));
    assert!(client.head().contains("200 OK"));
    let mut other = ask(&program, "/new");
    let mut next = accept(&origin);
    let new = next.request();
    next.send(&says(new, "new"));
    assert_eq!(other.answer().body, "new");
    leaving.send(&frame(0, 1, stream, b"whole"));
    let expected = b"4\r\nhalf\r\n5\r\nwhole\r\n0\r\n\r\n";
    assert_eq!(client.exactly(expected.len()), expected);
}

#[test]
fn answer_that_breaks_off_is_not_taken_for_whole() {
    let (program, origin) = gateway("");
    let mut client = ask(&program, "/broken");
    let mut endpoint = accept(&origin);
    let stream = endpoint.request();
    endpoint.send(&[frame(1, 4, stream, &[0x88]), frame(0, 0, stream, b"half"), reset(stream, 2)].concat());
    client.head();
    let (_, end) = client.rest();
    assert_eq!(end, End::Reset);
    assert_eq!(reason(&program, "/broken"), "stream_reset");
    let mut never = ask(&program, "/never");
    let stream = endpoint.request();
    endpoint.send(&reset(stream, 2));
    let answer = never.answer();
    assert_eq!((answer.status, answer.body.contains("stream_reset")), (502, true), "{answer:?}");
}

#[test]
fn client_of_http_2_is_told_of_a_broken_answer_by_a_reset() {
    let (program, origin) = gateway("");
    let mut client = Http2::open(program.listener("web"));
    client.send(&frame(
        1,
        5,
        1,
        &block(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")]),
    ));
    let mut endpoint = accept(&origin);
    let stream = endpoint.request();
    endpoint.send(&[frame(1, 4, stream, &[0x88]), frame(0, 0, stream, b"half"), reset(stream, 2)].concat());
    let seen = client.until("the reset", |f| f.kind == 3);
    assert_eq!(seen.last().and_then(Frame::code), Some(2));
    // And the other way round: who cancels is heard by the endpoint.
    client.send(&frame(
        1,
        5,
        3,
        &block(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/gone")]),
    ));
    let stream = endpoint.request();
    client.send(&reset(3, 8));
    let seen = endpoint.until("the reset", |f| f.kind == 3 && f.stream == stream);
    assert_eq!(seen.last().and_then(Frame::code), Some(8));
    assert_eq!(reason(&program, "/gone"), "client_cancelled");
}

#[test]
fn informational_answers_and_trailers_pass_from_end_to_end() {
    let (program, origin) = gateway("");
    let mut client = Http2::open(program.listener("web"));
    let post = [(":method", "POST"), (":scheme", "http"), (":authority", "h"), (":path", "/"), ("te", "trailers")];
    client.send(
        &[frame(1, 4, 1, &block(&post)), frame(0, 0, 1, b"a"), frame(1, 5, 1, &block(&[("x-sum", "1")]))].concat(),
    );
    let mut endpoint = accept(&origin);
    let seen = endpoint.until("the trailers", |f| f.kind == 1 && f.flags & 1 == 1);
    assert_eq!(seen.iter().filter(|f| f.kind == 1).count(), 2, "{seen:?}");
    let early = block(&[(":status", "103"), ("link", "</a>")]);
    let stream = seen.last().unwrap().stream;
    endpoint.send(&[frame(1, 4, stream, &early), says(stream, "x")].concat());
    let frames = client.until("the end", |f| f.kind == 0 && f.flags & 1 == 1);
    let codes: Vec<_> = frames.iter().filter(|f| f.kind == 1).map(|f| yumen_test::status(&f.payload)).collect();
    assert_eq!(codes, [Some(103), Some(200)]);
}

#[test]
fn content_flows_only_as_fast_as_it_is_taken() {
    let (program, origin) = gateway(", http2: { initial_window: 64KiB, connection_window: 64KiB }");
    // A client that takes nothing: the endpoint may send what fits into the windows and the buffers between, and no more.
    let mut client = Http2::open_with(program.listener("web"), &[0, 4, 0, 0, 0, 0]);
    client.send(&frame(
        1,
        5,
        1,
        &block(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")]),
    ));
    let mut endpoint = accept(&origin);
    let stream = endpoint.request();
    endpoint.send(&frame(1, 4, stream, &[0x88]));
    let parts = [16384, 16384, 16384, 16383].map(|size| frame(0, 0, stream, &vec![b'x'; size]));
    endpoint.send(&parts.concat());
    endpoint.send(&frame(6, 0, 0, b"no more?"));
    let seen = endpoint.until("the ping", |f| f.kind == 6 && f.flags == 1);
    let granted: u32 = seen
        .iter()
        .filter(|f| f.kind == 8 && f.stream == stream)
        .map(|f| u32::from_be_bytes([f.payload[0], f.payload[1], f.payload[2], f.payload[3]]))
        .sum();
    assert!(granted <= 65536, "{granted} bytes more were asked for");
    client.send(&[frame(8, 0, 1, &1_000_000u32.to_be_bytes()), frame(8, 0, 0, &1_000_000u32.to_be_bytes())].concat());
    let mut taken = 0;
    while taken < 65535 {
        taken += client.until("content", |f| f.kind == 0).last().unwrap().payload.len();
    }
}

#[test]
fn endpoint_that_answers_no_ping_is_given_up() {
    let (program, origin) = gateway(", http2: { ping: 100ms, ping_timeout: 100ms }");
    let mut client = Client::connect(program.listener("web"));
    client.send("POST /hangs HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    let mut endpoint = accept(&origin);
    endpoint.request();
    endpoint.until("a ping", |f| f.kind == 6);
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.contains("ping_timeout")), (504, true), "{answer:?}");
}

#[test]
fn endpoint_that_speaks_no_http_2_is_named_as_such() {
    let origin = yumen_test::Origin::every(vec![
        yumen_test::Play::ReadThrough(b"SM\r\n\r\n".to_vec()),
        yumen_test::Play::Send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()),
        yumen_test::Play::AwaitEnd,
    ]);
    let program = gateway_over(origin.addr(), "");
    let answer = get(program.listener("web"), "/");
    assert_eq!(answer.status, 502, "{answer:?}");
    assert!(answer.body.contains("endpoint_protocol_error"), "{answer:?}");
}

#[test]
fn health_is_asked_for_in_the_protocol_of_the_upstream() {
    let (program, origin) = gateway(", health: { http: { path: /ok }, interval: 2s, timeout: 2s, rise: 1, fall: 1 }");
    let mut first = accept(&origin);
    let stream = first.request();
    first.send(&frame(1, 5, stream, &block(&[(":status", "503")])));
    let healthy = |wanted: bool| {
        until("the verdict", || {
            let status = program.status();
            let endpoint = &status["upstreams"][0]["endpoints"][0]["healthy"];
            (endpoint.as_bool() == Some(wanted)).then_some(())
        });
    };
    healthy(false);
    let mut second = accept(&origin);
    let stream = second.request();
    second.send(&frame(1, 5, stream, &[0x88]));
    healthy(true);
}

#[test]
fn request_of_http_2_becomes_one_of_http_1_1() {
    use yumen_test::{Origin, Play};
    let answer =
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Drop\r\nX-Drop: 1\r\nX-Keep: 2\r\n\r\nok".to_vec();
    let origin = Origin::each([vec![
        Play::ReadThrough(b"0\r\nx-sum: 1\r\n\r\n".to_vec()),
        Play::Send(answer),
        Play::ReadThrough(b"\r\n\r\nwhole".to_vec()),
        Play::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        Play::AwaitEnd,
    ]]);
    let config = format!(
        "runtime: {{ workers: 1 }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\", http2: {{ cleartext: true }}, forwarded: {{ emit: off, via: off }} }} }}\n\
         routes: {{ all: {{ upstream: up }} }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        origin.addr()
    );
    let program = Program::start(PROGRAM, &config);
    let mut client = Http2::open(program.listener("web"));
    let head = |more: &[(&str, &str)]| {
        let post = [(":method", "POST"), (":scheme", "https"), (":authority", "h:8"), (":path", "/a?b")];
        block(&[&post, more].concat())
    };
    let crumbs = [("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("te", "trailers"), ("host", "h:8")];
    client.send(&[frame(1, 4, 1, &head(&crumbs)), frame(0, 0, 1, b"part")].concat());
    client.send(&[frame(0, 0, 1, b""), frame(1, 5, 1, &block(&[("x-sum", "1"), ("content-length", "9")]))].concat());
    let frames = client.until("the answer", |f| f.kind == 0 && f.flags & 1 == 1);
    let fields = frames.iter().find(|f| f.kind == 1).map(|f| f.payload.clone()).unwrap();
    assert_eq!((yumen_test::status(&fields), frames.last().map(|f| &f.payload[..])), (Some(200), Some(&b"ok"[..])));
    client.send(&[frame(1, 4, 3, &head(&[("content-length", "5")])), frame(0, 1, 3, b"whole")].concat());
    assert_eq!(client.answer(3), (204, Vec::new()));
    let seen = origin.received_through(0, "whole");
    let (first, second) = seen.split_once("0\r\nx-sum: 1\r\n\r\n").unwrap();
    let trace = |text: &str| text.lines().find(|line| line.starts_with("traceparent: ")).unwrap_or_default().to_owned();
    let expected = format!(
        "POST /a?b HTTP/1.1\r\nHost: h:8\r\nx-a: 1\r\nCookie: a=1; b=2\r\n{}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
        trace(first)
    );
    assert_eq!(first, expected);
    let expected = format!("POST /a?b HTTP/1.1\r\nHost: h:8\r\n{}\r\nContent-Length: 5\r\n\r\nwhole", trace(second));
    assert_eq!(second, expected);
}

#[test]
fn upload_over_http_2_may_take_longer_than_the_head_of_the_answer() {
    let (program, origin) = gateway(", timeouts: { head: 300ms }");
    let mut client = Http2::open(program.listener("web"));
    let post = block(&[(":method", "POST"), (":scheme", "http"), (":authority", "h"), (":path", "/")]);
    let late = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/late")]);
    client.send(&[frame(1, 4, 1, &post), frame(0, 0, 1, b"a")].concat());
    let mut endpoint = accept(&origin);
    let stream = endpoint.request();
    // Another request is the clock: it ends when the time for a head is over.
    client.send(&frame(1, 5, 3, &late));
    assert_eq!(client.answer(3).0, 504);
    client.send(&frame(0, 1, 1, b"b"));
    endpoint.until("the end", |f| f.stream == stream && f.kind == 0 && f.flags & 1 == 1);
    endpoint.send(&says(stream, "all"));
    assert_eq!(client.answer(1), (200, b"all".to_vec()));
}
