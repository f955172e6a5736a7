//! Floods and slow attacks: each ends with the right code and a name in the log, and costs next to nothing.

use yumen_test::{Frame, Http2, Program, block, frame};

use crate::ends::{Manner, Origin};
use crate::gateway::{PROGRAM, until};

const CALM: u32 = 11;

fn gateway(more: &str) -> (Program, Origin) {
    let origin = Origin::start(Manner::Says(200, "x".repeat(2_000_000)));
    let config = format!(
        "runtime: {{ workers: 1 }}\n\
         listeners: {{ web: {{ bind: \"127.0.0.1:0\", http2: {{ cleartext: true }}{more} }} }}\n\
         routes:\n  all: {{ middlewares: [respond: {{ status: 200, body: \"here\" }}] }}\n  \
         large: {{ match: {{ path: /large }}, upstream: up }}\n\
         upstreams: {{ up: {{ endpoints: [\"{}\"] }} }}\n",
        origin.addr
    );
    (Program::start(PROGRAM, &config), origin)
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(1, 5, stream, &block(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", path)]))
}

fn reset(stream: u32) -> Vec<u8> {
    frame(3, 0, stream, &8u32.to_be_bytes())
}

/// What a metric of the process says, all its series together; `None` where the system does not tell.
fn told(program: &Program, metric: &str) -> Option<f64> {
    let page = program.admin_page("/metrics");
    let series = page.lines().filter(|line| line.starts_with(metric));
    series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).reduce(|all, one| all + one)
}

/// Resident memory in KiB.
fn memory(program: &Program) -> Option<u64> {
    told(program, "yumen_process_resident_memory_bytes").map(|bytes| bytes as u64 / 1024)
}

/// Seconds of processor time.
fn time(program: &Program) -> Option<f64> {
    told(program, "yumen_process_cpu_seconds_total")
}

/// Sends a flood, and says with which code the connection ended.
fn flooded(program: &Program, flood: &[u8]) -> Option<u32> {
    let mut client = Http2::open(program.listener("web"));
    // Written beside the reading: a flood that nobody takes would block otherwise.
    for part in flood.chunks(64 * 1024) {
        client.send(part);
    }
    loop {
        match client.read() {
            Ok(frame @ Frame { kind: 7, .. }) => return frame.code(),
            Ok(_) => {}
            Err(end) => panic!("the connection ended with {end:?} and no GOAWAY"),
        }
    }
}

#[test]
fn every_flood_ends_the_connection_and_has_its_name() {
    let (program, _origin) = gateway("");
    let each = |make: &dyn Fn(u32) -> Vec<u8>| (0..3000).flat_map(|n| make(n * 2 + 1)).collect::<Vec<u8>>();
    let open =
        frame(1, 4, 1, &block(&[(":method", "POST"), (":scheme", "http"), (":authority", "h"), (":path", "/large")]));
    let with = |first: &[u8], flood: Vec<u8>| [first, &flood].concat();
    let malformed =
        |n: u32| frame(1, 5, n, &block(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), ("te", "x")]));
    // A field whose value has 200 000 bytes.
    let large = frame(1, 1, 1, &[0, 1, b'a', 0x7f, 0xc1, 0x99, 0x0c]);
    for (reason, flood) in [
        ("h2_rapid_reset", each(&|n| [get(n, "/large"), reset(n)].concat())),
        ("h2_induced_resets", each(&malformed)),
        ("h2_settings_flood", each(&|_| frame(4, 0, 0, &[0, 3, 0, 0, 0, 1]))),
        ("h2_ping_flood", each(&|_| frame(6, 0, 0, b"ping pin"))),
        ("h2_priority_flood", each(&|n| frame(2, 0, n, &[0, 0, 0, 0, 1]))),
        ("h2_window_update_flood", each(&|_| frame(8, 0, 0, &[0, 0, 0, 1]))),
        ("h2_empty_frames", with(&open, each(&|_| frame(0, 0, 1, b"")))),
        ("h2_unknown_frames", each(&|_| frame(0xbe, 0, 0, b"?"))),
        ("h2_continuation_flood", with(&frame(1, 1, 1, &[0x82]), each(&|_| frame(9, 0, 1, b"")))),
        ("head_too_large", with(&large, each(&|_| frame(9, 0, 1, &[b'x'; 16384])))),
    ] {
        let before = (memory(&program), time(&program));
        assert_eq!(flooded(&program, &flood), Some(CALM), "{reason}");
        if let ((Some(kib), Some(seconds)), (Some(now), Some(then))) = (before, (memory(&program), time(&program))) {
            assert!(now < kib + 8 * 1024, "{reason}: {kib} KiB, then {now} KiB");
            assert!(then < seconds + 0.5, "{reason} took {} s", then - seconds);
        }
        until(reason, || program.access_log().iter().any(|line| line["reason"] == reason).then_some(()));
    }
}

#[test]
fn bomb_of_indexed_fields_costs_no_memory() {
    let (program, _origin) = gateway("");
    let before = memory(&program);
    // One large value is put into the table and named again and again, a byte each time.
    let pseudo = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")]);
    let mut first = [&pseudo[..], &[0x40, 1, b'a', 127, 0x81, 0x1e]].concat();
    first.extend([b'x'; 127 + 0x1e * 128 + 1]);
    let mut client = Http2::open(program.listener("web"));
    client.send(&frame(1, 5, 1, &first));
    assert_eq!(client.answer(1).0, 200);
    for n in 1..20 {
        client.send(&frame(1, 5, n * 2 + 1, &[&pseudo[..], &[0xbe; 7]].concat()));
        assert_eq!(client.answer(n * 2 + 1).0, 200);
    }
    // More of them than a head may hold ends the request, and far more the connection.
    client.send(&frame(1, 5, 101, &[&pseudo[..], &[0xbe; 12]].concat()));
    assert_eq!(client.answer(101).0, 431);
    client.send(&frame(1, 5, 103, &[&pseudo[..], &[0xbe; 16_000]].concat()));
    let away = client.until("the end", |f| f.kind == 7);
    assert!(away.last().and_then(Frame::code).is_some_and(|code| code != 0));
    if let (Some(before), Some(after)) = (before, memory(&program)) {
        assert!(after < before + 4 * 1024, "{before} KiB, then {after} KiB");
    }
}

#[test]
fn crumbs_of_cookies_are_counted_one_by_one() {
    let (program, _origin) = gateway("");
    let mut client = Http2::open(program.listener("web"));
    let pseudo = block(&[(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")]);
    // `cookie: ` with an empty value is one byte of the static table.
    client.send(&frame(1, 5, 1, &[&pseudo[..], &[0xa0; 150]].concat()));
    assert_eq!(client.answer(1).0, 431);
}

#[test]
fn client_that_takes_nothing_is_given_up_and_holds_little() {
    let (program, _origin) = gateway(", timeouts: { write_idle: 300ms }");
    let before = memory(&program);
    let mut client = Http2::open_with(program.listener("web"), &[0, 4, 0, 0, 0, 0]);
    for n in 0..50 {
        client.send(&get(n * 2 + 1, "/large"));
    }
    let mut resets = 0;
    while resets < 50 {
        let seen = client.until("a reset", |f| f.kind == 3);
        assert_eq!(seen.last().and_then(Frame::code), Some(8));
        resets += 1;
    }
    until("the log", || {
        let lines = program.access_log();
        (lines.iter().filter(|line| line["reason"] == "client_write_timeout").count() == 50).then_some(())
    });
    if let (Some(before), Some(after)) = (before, memory(&program)) {
        assert!(after < before + 60 * 1024, "{before} KiB, then {after} KiB");
    }
}

#[test]
fn head_that_never_ends_is_waited_for_no_longer_than_a_head_may_take() {
    let (program, _origin) = gateway(", timeouts: { head: 300ms }");
    let mut client = Http2::open(program.listener("web"));
    client.send(&frame(1, 1, 1, &[0x82]));
    let away = client.until("the end", |f| f.kind == 7);
    assert_eq!(away.last().and_then(Frame::code), Some(CALM));
    until("the log", || program.access_log().iter().any(|line| line["reason"] == "client_head_timeout").then_some(()));
}

#[test]
fn content_that_stops_is_given_up() {
    let (program, _origin) = gateway(", timeouts: { body_idle: 300ms }");
    let mut client = Http2::open(program.listener("web"));
    client.send(&frame(
        1,
        4,
        1,
        &block(&[(":method", "POST"), (":scheme", "http"), (":authority", "h"), (":path", "/large")]),
    ));
    client.send(&frame(0, 0, 1, b"a little"));
    assert_eq!(client.answer(1).0, 408);
    until("the log", || program.access_log().iter().any(|line| line["reason"] == "client_body_timeout").then_some(()));
}

#[test]
fn connection_at_rest_is_told_to_leave_and_ended() {
    let (program, _origin) = gateway(", timeouts: { idle: 200ms, head: 200ms }");
    let mut client = Http2::open(program.listener("web"));
    client.send(&get(1, "/"));
    assert_eq!(client.answer(1).0, 200);
    let away = client.until("GOAWAY", |f| f.kind == 7);
    assert_eq!(away.last().and_then(Frame::code), Some(0));
    loop {
        if let Err(end) = client.read() {
            assert_eq!(end, yumen_test::End::Closed);
            return;
        }
    }
}

#[test]
fn connection_that_has_carried_its_share_says_goaway_and_finishes() {
    let (program, _origin) = gateway(", limits: { requests_per_connection: 3 }");
    let mut client = Http2::open(program.listener("web"));
    for n in 0..3 {
        client.send(&get(n * 2 + 1, "/"));
    }
    let seen = client.until("GOAWAY", |f| f.kind == 7);
    assert_eq!(seen.last().map(|f| f.payload[..4].to_vec()), Some(vec![0x7f, 0xff, 0xff, 0xff]), "in two steps");
    let ping = client.until("the ping behind it", |f| f.kind == 6 && f.flags == 0);
    client.send(&frame(6, 1, 0, &ping.last().unwrap().payload));
    let last = client.until("the last GOAWAY", |f| f.kind == 7);
    assert_eq!(last.last().map(|f| f.payload[..4].to_vec()), Some(vec![0, 0, 0, 5]));
}
