//! HTTP/1.1 through the proxy, byte by byte.

use std::io::{Read, Write};

use crate::stage::{Stage, answers, origin, read_all, read_until, simple};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn get_is_relayed_with_order_and_case_of_fields_kept() {
    let (addr, seen) = answers("HTTP/1.1 200 Fine\r\nX-ODD: 1\r\nContent-Length: 2\r\nx-last: 2\r\n\r\nok");
    let stage = Stage::new(simple(&[addr]));
    let answer = stage.ask(b"GET /a?b=c HTTP/1.1\r\nhOsT: h\r\nX-b: 1\r\nx-A: 2\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 Fine\r\nX-ODD: 1\r\nx-last: 2\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    drop(stage);
    let head = seen.recv().unwrap();
    assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\nhOsT: h\r\nX-b: 1\r\nx-A: 2\r\n"), "{head}");
    assert!(!head.contains("Connection"), "{head}");
}

/// One order waits for one path.
struct One;

impl yumen_core::Challenges for One {
    fn answer(&self, path: &str) -> Option<String> {
        (path == "/.well-known/acme-challenge/token").then(|| "token.thumb".to_owned())
    }
}

#[test]
fn path_that_an_order_waits_for_is_answered_before_the_routes_and_no_other() {
    let (addr, seen) = answers(OK);
    let stage = Stage::with_challenges(One, simple(&[addr]));
    let ask = |line: &str| stage.ask(format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes());
    let shown = ask("GET /.well-known/acme-challenge/token");
    assert!(shown.starts_with("HTTP/1.1 200") && shown.ends_with("\r\n\r\ntoken.thumb"), "{shown}");
    assert!(shown.contains("application/octet-stream"), "{shown}");
    assert!(ask("GET /.well-known/acme-challenge/token?a=b").ends_with("token.thumb"));
    let head = ask("HEAD /.well-known/acme-challenge/token");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let others = [
        "GET /.well-known/acme-challenge/other",
        "GET /.well-known/acme-challenge/",
        "GET /.well-known/acme-challenge/token/",
        "GET //.well-known/acme-challenge/token",
        "POST /.well-known/acme-challenge/token",
    ];
    for line in others {
        assert!(ask(line).ends_with("\r\n\r\nok"), "{line}");
    }
    drop(stage);
    // Each connection tells at its end; there is one for each worker that had a request.
    let mut reached = Vec::new();
    while reached.len() < others.len() {
        let told = seen.recv().unwrap();
        reached.extend(told.lines().filter_map(|line| line.strip_suffix(" HTTP/1.1")).map(str::to_owned));
    }
    reached.sort();
    let mut expected = others;
    expected.sort_unstable();
    assert_eq!(reached, expected, "and none of the first ones");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (addr, _seen) = answers(OK);
    let stage = Stage::new(simple(&[addr]));
    let mut client = stage.connect();
    let one = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    client.write_all(format!("{one}{one}{last}").as_bytes()).unwrap();
    assert_eq!(read_all(&mut client).matches("HTTP/1.1 200 OK").count(), 3);
}

#[test]
fn post_bodies_of_both_framings_arrive_whole() {
    let (addr, seen) = origin(|mut stream| {
        let head = read_until(&mut stream, "\r\n\r\n");
        let body = if head.contains("chunked") {
            read_until(&mut stream, "0\r\n\r\n")
        } else {
            let mut body = [0; 5];
            stream.read_exact(&mut body).unwrap();
            String::from_utf8_lossy(&body).into_owned()
        };
        stream.write_all(OK.as_bytes()).unwrap();
        head + &body
    });
    let stage = Stage::new(simple(&[addr]));
    let answer = stage.ask(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let saw = seen.recv().unwrap();
    assert!(saw.contains("Content-Length: 5\r\n") && saw.ends_with("hello"), "{saw}");
    let answer = stage
        .ask(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let saw = seen.recv().unwrap();
    assert!(saw.contains("Transfer-Encoding: chunked") && saw.contains("abc") && !saw.contains("x=y"), "{saw}");
}

#[test]
fn large_answers_arrive_whole_with_and_without_length() {
    for chunked in [false, true] {
        let (addr, _seen) = origin(move |mut stream| {
            read_until(&mut stream, "\r\n\r\n");
            let body = vec![b'x'; 3_000_000];
            if chunked {
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
                for part in body.chunks(70_001) {
                    stream.write_all(format!("{:x}\r\n", part.len()).as_bytes()).unwrap();
                    stream.write_all(part).unwrap();
                    stream.write_all(b"\r\n").unwrap();
                }
                stream.write_all(b"0\r\nX-Sum: 1\r\n\r\n").unwrap();
            } else {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n").unwrap();
                stream.write_all(&body).unwrap();
            }
            String::new()
        });
        let stage = Stage::new(simple(&[addr]));
        let answer = stage.ask(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(answer.matches('x').count(), 3_000_000);
        assert_eq!(answer.ends_with("0\r\nX-Sum: 1\r\n\r\n"), chunked);
    }
}

#[test]
fn bulk_of_a_known_length_is_followed_by_the_next_answer_on_both_connections() {
    // Each answer carries its number around bytes that no shift leaves unnoticed.
    const LEN: usize = 1_500_001;
    let body = |n: usize| -> Vec<u8> { (0..LEN).map(|i| ((i * 7 + i / 251 + n) % 251) as u8).collect() };
    let (addr, seen) = origin(move |mut stream| {
        for n in 0..3 {
            read_until(&mut stream, "\r\n\r\n");
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LEN}\r\n\r\n").as_bytes()).unwrap();
            stream.write_all(&body(n)).unwrap();
        }
        "one connection".to_owned()
    });
    let stage = Stage::new(simple(&[addr]));
    let mut client = stage.connect();
    for n in 0..3 {
        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let head = read_until(&mut client, "\r\n\r\n");
        assert!(head.contains(&format!("Content-Length: {LEN}\r\n")), "{head}");
        let mut got = vec![0; LEN];
        client.read_exact(&mut got).unwrap();
        assert!(got == body(n), "answer {n} is not what the origin sent");
    }
    assert_eq!(seen.recv().unwrap(), "one connection");
}

#[test]
fn bulk_that_breaks_off_upstream_ends_in_the_middle() {
    let (addr, _seen) = origin(|mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n").unwrap();
        stream.write_all(&vec![b'x'; 500_000]).unwrap();
        String::new()
    });
    let stage = Stage::new(simple(&[addr]));
    let mut client = stage.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let mut got = Vec::new();
    // An end would do as well as a reset: the length says that something is missing.
    client.read_to_end(&mut got).ok();
    assert!(got.starts_with(b"HTTP/1.1 200 OK") && got.len() < 900_000, "{} bytes", got.len());
}

#[test]
fn body_that_breaks_off_upstream_is_never_delivered_as_complete() {
    let (addr, _seen) = origin(|mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").unwrap();
        String::new()
    });
    let stage = Stage::new(simple(&[addr]));
    let answer = stage.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(!answer.contains("0\r\n\r\n"), "{answer}");
}

#[test]
fn head_and_304_keep_the_length_and_have_no_body() {
    let (addr, _seen) = answers("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    let stage = Stage::new(simple(&[addr]));
    let answer =
        stage.ask(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\nHEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.matches("Content-Length: 99").count(), 2, "{answer}");
}

#[test]
fn http10_client_gets_an_answer_delimited_by_the_end() {
    let (addr, seen) = answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
    let stage = Stage::new(simple(&[addr]));
    let answer = stage.ask(b"GET / HTTP/1.0\r\nHost: h\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\nok") && !answer.contains("chunked"), "{answer}");
    drop(stage);
    assert!(seen.recv().unwrap().starts_with("GET / HTTP/1.1\r\n"));
}

#[test]
fn informational_answers_and_100_continue_pass_end_to_end() {
    let (addr, seen) = origin(|mut stream| {
        let head = read_until(&mut stream, "\r\n\r\n");
        stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n").unwrap();
        let body = read_until(&mut stream, "hello");
        stream.write_all(OK.as_bytes()).unwrap();
        head + &body
    });
    let stage = Stage::new(simple(&[addr]));
    let mut client = stage.connect();
    client.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").unwrap();
    let early = read_until(&mut client, "100 Continue\r\n\r\n");
    assert!(early.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), "{early}");
    client.write_all(b"hello").unwrap();
    assert!(read_until(&mut client, "ok").contains("200 OK"));
    assert!(seen.recv().unwrap().contains("Expect: 100-continue"));
}

#[test]
fn early_answer_reaches_a_client_that_is_still_sending() {
    let (addr, _seen) = origin(|mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        stream.write_all(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        read_all(&mut stream)
    });
    let stage = Stage::new(simple(&[addr]));
    let mut client = stage.connect();
    client.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\nsome").unwrap();
    assert!(read_until(&mut client, "\r\n\r\n").starts_with("HTTP/1.1 413"));
}

#[test]
fn upgrade_becomes_a_tunnel_and_early_bytes_wait_for_the_101() {
    let (addr, _seen) = origin(|mut stream| {
        let head = read_until(&mut stream, "\r\n\r\n");
        assert!(head.contains("Upgrade: websocket") && head.contains("Connection: Upgrade"), "{head}");
        stream.set_nonblocking(true).unwrap();
        assert!(stream.read(&mut [0; 8]).is_err(), "bytes came before the 101");
        stream.set_nonblocking(false).unwrap();
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome")
            .unwrap();
        let said = read_until(&mut stream, "early");
        stream.write_all(b"bye").unwrap();
        said
    });
    let stage = Stage::new(simple(&[addr]));
    let mut client = stage.connect();
    client
        .write_all(b"GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
        .unwrap();
    let answer = read_until(&mut client, "bye");
    assert!(answer.starts_with("HTTP/1.1 101") && answer.ends_with("welcomebye"), "{answer}");
}

#[test]
fn idle_race_is_retried_once_on_a_fresh_connection() {
    let (addr, seen) = origin(|mut stream| {
        let first = read_until(&mut stream, "\r\n\r\n");
        stream.write_all(OK.as_bytes()).unwrap();
        // Reads the next request and closes without a word.
        let second = read_until(&mut stream, "\r\n\r\n");
        first + &second
    });
    let stage = Stage::new(simple(&[addr]));
    let mut client = stage.connect();
    for n in 0..3 {
        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        let answer = read_until(&mut client, "ok");
        assert!(answer.starts_with("HTTP/1.1 200"), "{n}: {answer}");
    }
    drop(client);
    drop(seen);
}

#[test]
fn post_is_not_sent_twice() {
    let (addr, seen) = origin(|mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        stream.write_all(OK.as_bytes()).unwrap();
        read_until(&mut stream, "\r\n\r\n")
    });
    let stage = Stage::new(simple(&[addr]));
    let mut client = stage.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    // Both workers have their own pool; the same client connection stays with one.
    assert!(read_until(&mut client, "ok").starts_with("HTTP/1.1 200"));
    client.write_all(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").unwrap();
    let answer = read_until(&mut client, "\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert!(seen.recv().unwrap().starts_with("POST"));
}

#[test]
fn client_sees_reasons_for_gateway_made_answers() {
    let stage = Stage::new(simple(&["127.0.0.1:1".parse().unwrap()]));
    let answer = stage.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("reason: connect_refused"), "{answer}");
}

#[test]
fn ambiguous_requests_are_refused_and_the_connection_closed() {
    let (addr, _seen) = answers(OK);
    let stage = Stage::new(simple(&[addr]));
    for (bad, status) in [
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\n b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ] {
        let answer = stage.ask(format!("{bad}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{bad:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{bad:?}: {answer}");
        assert!(answer.contains("Connection: close"), "{answer}");
    }
}

#[test]
fn half_closed_client_still_gets_its_answer() {
    let (addr, _seen) = answers(OK);
    let stage = Stage::new(simple(&[addr]));
    assert!(stage.ask(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").ends_with("ok"));
}

#[test]
fn full_upstream_is_answered_503_and_others_go_on() {
    let (addr, _seen) = origin(|mut stream| {
        read_until(&mut stream, "\r\n\r\n");
        read_all(&mut stream)
    });
    let mut config = simple(&[addr]);
    let mut upstream = crate::stage::upstream(&[addr]);
    upstream.max_connections = Some(1);
    config.upstreams.insert(upstream.name.clone(), std::sync::Arc::new(upstream));
    let stage = Stage::new(config);
    let mut first = stage.connect();
    first.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let until = yumen_net::rt::now() + crate::stage::PATIENCE;
    let mut answer = String::new();
    while !answer.contains("reason: upstream_full") && yumen_net::rt::now() < until {
        let mut client = stage.connect();
        // Whoever comes first holds the only place; the other is refused at once.
        client.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        answer = read_all(&mut client);
    }
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}
