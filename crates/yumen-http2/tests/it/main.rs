//! The fuzz corpus of the meter of frames, replayed and mutated for a second on a stable compiler.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

use std::time::Duration;

#[path = "../../../../fuzz/src/smoke.rs"]
mod engine;
#[path = "../../../../fuzz/src/frames.rs"]
mod fuzz;

/// Pieces that make frames interesting.
const PIECES: &[&[u8]] = &[
    b"\0\0\0\x04\0\0\0\0\0",
    b"\0\0\0\x04\x01\0\0\0\0",
    b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
    b"\0\0\x08\x06\0\0\0\0\0pingping",
    b"\0\0\x01\x01\0\0\0\0\x01\x82",
    b"\0\0\0\x09\0\0\0\0\x01",
    b"\0\0\0\0\0\0\0\0\x01",
    b"\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\x0b",
    b"\xff\xff\xff",
    b"\0",
    b"\x04",
];

#[test]
fn no_bytes_break_the_meter_or_are_judged_in_two_ways() {
    engine::replay("frames", fuzz::frames, PIECES, Duration::from_secs(1));
}
