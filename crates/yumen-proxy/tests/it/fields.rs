//! The fuzz corpus of heads as fields, replayed and mutated for two seconds on a stable compiler.

use std::time::Duration;

use crate::engine;

#[path = "../../../../fuzz/src/fields.rs"]
mod fuzz;

/// Pieces that make heads interesting.
const PIECES: &[&[u8]] = &[
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b":",
    b" ",
    b"\t",
    b"/",
    b"//",
    b"*",
    b"@",
    b"?",
    b"#",
    b"%0d%0a",
    b"\\",
    b"GET\nhttp\na\n/\n",
    b"CONNECT\n\na:1\n\n",
    b"OPTIONS\nhttp\na\n*\n",
    b"\nhost:a",
    b"\nhost:b",
    b"\ncookie:a=1",
    b"\ncookie:",
    b"\nte:trailers",
    b"\nte:gzip",
    b"\nconnection:close",
    b"\ntransfer-encoding:chunked",
    b"\ncontent-length:1",
    b"\ncontent-length:1,1",
    b"\nexpect:100-continue",
    b"\nupgrade:h2c",
    b"\nx:",
    b"\nX:1",
    b"\n:path:/",
    b" HTTP/1.1",
    b"\xff",
    b"[::1]",
];

#[test]
fn head_as_fields_means_one_request_and_becomes_the_same_fields_again() {
    engine::replay("fields", fuzz::fields, PIECES, Duration::from_secs(2));
}
