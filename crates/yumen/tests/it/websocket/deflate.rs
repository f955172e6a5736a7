//! Groups 12 and 13 of the case list of the Autobahn test suite: compressed messages (RFC 7692). `deflate.py` plays all of
//! their rows with the `websockets` library at both ends; what is negotiated must reach either side as it was said. Instead of
//! the suite's files there are made ones of the same kinds and sizes, and a row has 2 to 20 messages, 32 KiB altogether where
//! that is more than two, instead of 1000. A message in fragments is cut before it is compressed. A window of 9 bits is asked
//! for beyond the list.

use std::net::SocketAddr;

use super::frames::{closing, frame};
use super::sockets::Wish;
use super::{Echo, Plain, Socket, Stream, nghttpx, python, site};

/// Plays all rows against a gateway.
fn play(to: SocketAddr) {
    let output = python("deflate.py").arg(format!("ws://{to}/deflate")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // 18 sizes of 5 contents, of 7 negotiations, and of 2 beyond the list.
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "252");
}

#[test]
fn compressed_messages_pass_from_http_1_1_to_http_1_1() {
    let server = Echo::start();
    play(site(&format!("endpoints: [\"{}\"]", server.addr), "").addr("web"));
}

#[test]
fn compressed_messages_pass_from_http_1_1_to_http_2_and_from_http_2_to_http_1_1() {
    let server = Echo::start();
    let inner = site(&format!("endpoints: [\"{}\"]", server.addr), "");
    play(site(&format!("endpoints: [\"{}\"], protocol: h2c", inner.addr("web")), "").addr("web"));
}

#[test]
fn compressed_messages_pass_from_http_2_to_http_2() {
    let server = Echo::start();
    let (addr, _nghttpx) = nghttpx(server.addr);
    let inner = site(&format!("endpoints: [\"{addr}\"], protocol: h2c"), "");
    play(site(&format!("endpoints: [\"{}\"], protocol: h2c", inner.addr("web")), "").addr("web"));
}

/// The path that tells the server what to ask for, and what is offered.
const OFFERS: [(&str, &str, &str); 9] = [
    ("13.1", "/deflate/kept/0", "permessage-deflate; client_max_window_bits"),
    ("13.1, no parameters", "/deflate/kept/0", "permessage-deflate"),
    ("13.2", "/deflate/fresh/0", "permessage-deflate; server_no_context_takeover; client_max_window_bits"),
    ("13.3", "/deflate/kept/8", "permessage-deflate; server_max_window_bits=8; client_max_window_bits"),
    ("13.4", "/deflate/kept/15", "permessage-deflate; server_max_window_bits=15; client_max_window_bits"),
    (
        "13.5",
        "/deflate/fresh/8",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits",
    ),
    (
        "13.6",
        "/deflate/fresh/15",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=15; client_max_window_bits",
    ),
    (
        "13.7",
        "/deflate/fresh/8",
        "permessage-deflate; server_no_context_takeover; server_max_window_bits=8; client_max_window_bits, \
         permessage-deflate; server_no_context_takeover; client_max_window_bits, \
         permessage-deflate; client_max_window_bits",
    ),
    ("12, an offer that is refused", "/deflate/kept/0", "permessage-deflate; server_max_window_bits=7"),
];

/// A frame of less than 64 KiB: its first byte and its payload.
fn next(socket: &mut impl Socket) -> (u8, Vec<u8>) {
    let head = socket.exactly(2);
    let length = match head[1] {
        126 => socket.exactly(2).iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        length => usize::from(length),
    };
    (head[0], socket.exactly(length))
}

/// What comes back for the same text twice, for the compressed form of it, and at the end.
fn answers(mut socket: impl Socket) -> Vec<(u8, Vec<u8>)> {
    let text: Vec<u8> = (0..200).flat_map(|n| format!("{} of {n}, ", n * n % 101).into_bytes()).collect();
    let mut all = Vec::new();
    for _ in 0..2 {
        socket.send(&frame(0x81, &text));
        all.push(next(&mut socket));
    }
    // The first has no context, so it will do for ours.
    let (first, payload) = all[0].clone();
    socket.send(&frame(first, &payload));
    all.push(next(&mut socket));
    socket.send(&closing(1000));
    all.push((0, socket.rest()));
    all
}

#[test]
fn contexts_and_windows_are_kept_as_they_were_negotiated() {
    let server = Echo::start();
    let (over_http2, _nghttpx) = nghttpx(server.addr);
    let sites = [format!("endpoints: [\"{}\"]", server.addr), format!("endpoints: [\"{over_http2}\"], protocol: h2c")]
        .map(|upstream| site(&upstream, ""));
    for (name, path, offer) in OFFERS {
        let wish = Wish { path, extensions: Some(offer) };
        let direct = answers(Plain::open_as(server.addr, &wish));
        let is_compressed = !offer.ends_with("=7");
        assert_eq!(direct[0].0, if is_compressed { 0xc1 } else { 0x81 }, "{name}");
        let forgets = offer.contains("server_no_context_takeover") || !is_compressed;
        assert_eq!(direct[1].1.len() == direct[0].1.len(), forgets, "{name}");
        for to in sites.iter().map(|site| site.addr("web")) {
            assert!(answers(Plain::open_as(to, &wish)) == direct, "{name} over HTTP/1.1");
            assert!(answers(Stream::open_as(to, &wish)) == direct, "{name} over HTTP/2");
        }
    }
}
