//! Groups 9 and 10 of the case list of the Autobahn test suite: large messages, whole, in fragments and in small writes, many
//! small ones, and fragments made by a size.
//!
//! Lower than in the list, for the sake of time: a message in fragments has 4096 of them at most (9.3.1 and 9.4.1 are of
//! 256 KiB instead of 4 MiB, 9.3.2 and 9.4.2 of 1 MiB), one in small writes has 4096 of these at most (9.5.1 and 9.6.1 are
//! of 256 KiB instead of 1 MiB, 9.5.2 and 9.6.2 of 512 KiB), and 9.7 and 9.8 are 50 messages instead of 1000.

use std::net::SocketAddr;

use super::frames::{bare_frame, closing};
use super::{Echo, Plain, Socket, Stream, nghttpx, site};

/// A row; sizes in bytes, 0 for whole.
struct Case {
    name: String,
    size: usize,
    fragment: usize,
    write: usize,
    count: usize,
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn rows() -> Vec<(Case, bool)> {
    let mut all = Vec::new();
    for (is_binary, groups) in [(false, ["9.1", "9.3", "9.5", "9.7"]), (true, ["9.2", "9.4", "9.6", "9.8"])] {
        let [large, fragmented, written, small] = groups;
        let mut add = |group: &str, n: usize, size, fragment, write, count| {
            all.push((Case { name: format!("{group}.{n}"), size, fragment, write, count }, is_binary));
        };
        for (n, size) in (1..).zip([64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB]) {
            add(large, n, size, 0, 0, 1);
        }
        for (n, fragment) in (1..).zip((0..9).map(|power| 64 << (2 * power))) {
            add(fragmented, n, (4 * MIB).min(4096 * fragment), fragment, 0, 1);
        }
        for (n, write) in (1..).zip([64, 128, 256, 512, KIB, 2 * KIB]) {
            add(written, n, MIB.min(4096 * write), 0, write, 1);
        }
        for (n, size) in (1..).zip([0, 16, 64, 256, KIB, 4 * KIB]) {
            add(small, n, size, 0, 0, 50);
        }
        if !is_binary {
            add("10.1", 1, 65_536, 1300, 0, 1);
        }
    }
    all
}

/// Text whose place in a message shows: its period is a prime.
fn text(size: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..8191_u32).map(|n| b' ' + (n * n % 89) as u8).collect();
    let mut text = period.repeat(size / period.len() + 1);
    text.truncate(size);
    text
}

/// The frames of a client, and the one in which the whole comes back.
fn frames(case: &Case, opcode: u8) -> (Vec<u8>, Vec<u8>) {
    let text = text(case.size);
    let mut echo = bare_frame(opcode | 0x80, &text);
    // Without the mark of a key and the key: nothing that a server says has one.
    echo[1] &= 0x7f;
    let head = echo.len() - text.len();
    echo.drain(head - 4..head);
    if case.fragment == 0 {
        return (bare_frame(opcode | 0x80, &text), echo);
    }
    let count = text.len().div_ceil(case.fragment);
    let parts = text
        .chunks(case.fragment)
        .enumerate()
        .map(|(n, part)| bare_frame(if n == 0 { opcode } else { 0 } | if n + 1 == count { 0x80 } else { 0 }, part));
    (parts.collect::<Vec<_>>().concat(), echo)
}

fn judge<S: Socket>(to: SocketAddr, open: fn(SocketAddr) -> S) {
    for (case, is_binary) in rows() {
        let (frames, echo) = frames(&case, if is_binary { 2 } else { 1 });
        let mut socket = open(to);
        for _ in 0..case.count {
            for part in frames.chunks(if case.write == 0 { frames.len() } else { case.write }) {
                socket.send(part);
            }
            let came = socket.exactly(echo.len());
            let differs = || came.iter().zip(&echo).position(|(a, b)| a != b);
            assert!(came == echo, "{}: another byte at {:?} of {}", case.name, differs(), echo.len());
        }
        socket.send(&closing(1000));
        assert_eq!(socket.rest(), b"\x88\x02\x03\xe8", "{}", case.name);
    }
}

fn over_http_1_1<S: Socket>(open: fn(SocketAddr) -> S) {
    let server = Echo::start();
    judge(site(&format!("endpoints: [\"{}\"]", server.addr), "").addr("web"), open);
}

fn over_http_2<S: Socket>(open: fn(SocketAddr) -> S) {
    let server = Echo::start();
    let (addr, _nghttpx) = nghttpx(server.addr);
    judge(site(&format!("endpoints: [\"{addr}\"], protocol: h2c"), "").addr("web"), open);
}

#[test]
fn messages_of_every_size_pass_from_http_1_1_to_http_1_1() {
    over_http_1_1(Plain::open);
}

#[test]
fn messages_of_every_size_pass_from_http_2_to_http_1_1() {
    over_http_1_1(Stream::open);
}

#[test]
fn messages_of_every_size_pass_from_http_1_1_to_http_2() {
    over_http_2(Plain::open);
}

#[test]
fn messages_of_every_size_pass_from_http_2_to_http_2() {
    over_http_2(Stream::open);
}
