//! The fuzz corpus of the peek at a TLS hello, replayed and mutated for a second on a stable compiler.

use std::time::Duration;

use crate::engine;

#[path = "../../../../fuzz/src/sni.rs"]
mod fuzz;

/// Pieces that make hellos interesting.
const PIECES: &[&[u8]] = &[
    b"\x16\x03\x01",
    b"\x16\x03\x01\x00\x01",
    b"\x16\x03\x03\x00\x00",
    b"\x15\x03\x01\x00\x02",
    b"\x01\x00\x00",
    b"\x00\x00",
    b"\x00\x01",
    b"\xff\xff",
    b"\x00",
    b"\x00\x00\x00\x06\x00\x04\x00\x00\x01a",
    b".",
    b"-",
    b"\x80",
    b"xn--a",
];

#[test]
fn no_bytes_break_the_peek_or_are_read_in_two_ways() {
    engine::replay("sni", fuzz::sni, PIECES, Duration::from_secs(1));
}
