//! The fuzz corpus of routes and requests, replayed and mutated for two seconds on a stable compiler.

use std::time::Duration;

use crate::engine;

#[path = "../../../../fuzz/src/route.rs"]
mod fuzz;

/// Pieces that make routes and requests interesting.
const PIECES: &[&[u8]] = &[
    b"\n",
    b" ",
    b"/",
    b"//",
    b"/a",
    b"/b",
    b"/a/b",
    b"{x}",
    b"{x...}",
    b"*",
    b"*.",
    b".",
    b"a.b",
    b"R * prefix /\n",
    b"R * template /{x}/b\n",
    b"R * template /a/{y...}\n",
    b"R *.b exact /a\n",
    b"R * regex ^/a\n",
    b"? GET a.b /a/b\n",
    b"? POST h /a?k=v x=1\n",
    b" exact ",
    b" prefix ",
    b" template ",
    b" regex ",
    b" m:GET",
    b" h:x=1",
    b" h:x=-",
    b" q:k=+",
    b" s:10.0.0.0/8",
    b" 10.0.0.1",
    b"?",
    b"&",
    b"=",
    b"%61",
    b"$",
];

#[test]
fn compiled_tables_choose_as_a_walk_through_all_routes_would() {
    engine::replay("route", fuzz::route, PIECES, Duration::from_secs(2));
}
