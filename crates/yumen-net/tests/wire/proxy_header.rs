//! The fuzz corpus of PROXY headers, replayed and mutated for a second on a stable compiler.

use std::time::Duration;

use crate::engine;

#[path = "../../../../fuzz/src/proxy_header.rs"]
mod fuzz;

/// Pieces that make headers interesting.
const PIECES: &[&[u8]] = &[
    b"PROXY ",
    b"UNKNOWN",
    b"TCP6 ",
    b"\r\n",
    b" ",
    b"1.2.3.4",
    b"::1",
    b"65535",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\x21\x11\x00\x0c",
    b"\x20\x00\x00\x00",
    b"\x03\x00\x04",
    b"\x04\x00\x00",
    b"\x20\x00\x05",
    b"\xe1\x00\x02\x01a",
    b"\x00",
    b"\xff\xff",
];

#[test]
fn no_bytes_break_the_header_or_are_read_in_two_ways() {
    engine::replay("proxy_header", fuzz::proxy_header, PIECES, Duration::from_secs(1));
}
