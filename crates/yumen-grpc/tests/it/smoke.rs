//! The fuzz corpus of gRPC-Web, replayed and mutated for a second on a stable compiler.

use std::time::Duration;

#[path = "../../../../fuzz/src/smoke.rs"]
mod engine;
#[path = "../../../../fuzz/src/grpc_web.rs"]
mod fuzz;

/// Pieces that make streams interesting.
const PIECES: &[&[u8]] = &[
    b"=",
    b"==",
    b"===",
    b"AAAA",
    b"AAAAAAI=",
    b"gAAAAA8=",
    b"Zg==",
    b"Zm8=",
    b"Zm9v",
    b"\n",
    b"-",
    b"+/",
    b"\x00\x00\x00\x00\x00",
    b"\x80\x00\x00\x00\x01x",
    b"\x01\xff\xff\xff\xff",
];

#[test]
fn text_and_frames_mean_the_same_however_they_are_cut() {
    engine::replay("grpc_web", fuzz::grpc_web, PIECES, Duration::from_secs(1));
}
