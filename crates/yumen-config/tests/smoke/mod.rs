//! The fuzz corpus, replayed and mutated for two seconds on a stable compiler.

use std::time::Duration;

use crate::fuzz;

#[path = "../../../../fuzz/src/smoke.rs"]
mod engine;

/// Pieces that make configurations interesting.
const PIECES: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\t",
    b"\0",
    b"  ",
    b": ",
    b"- ",
    b"? ",
    b"---\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b", ",
    b"&a ",
    b"*a",
    b"!t ",
    b"|\n",
    b">-\n",
    b"# ",
    b"\"",
    b"'",
    b"\\x00",
    b"<<: ",
    b"~",
    b"null",
    b"off",
    b"none",
    b"auto",
    b"-1",
    b"+1",
    b"010",
    b"99999999999999999999",
    b"1e9",
    b"${X}",
    b"${X:-off}",
    b"${",
    b"$$",
    b"${file:/x}",
    b"/*",
    b"{id}",
    b"{rest...}",
    b"(?<n>a)",
    b"[",
    b"*.",
    b"::1",
    b":80",
    b"10.0.0.0/33",
    b"basic_auth",
    b"users: ",
    b"listeners:\n",
    b"routes:\n",
    b"tls: ",
    b"upstream: u",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\xc3\xa9",
    b"\xe2\x80\xa8",
];

#[test]
fn no_text_breaks_the_reading_or_shows_what_the_environment_holds() {
    engine::replay("config", fuzz::config, PIECES, Duration::from_secs(2));
}
