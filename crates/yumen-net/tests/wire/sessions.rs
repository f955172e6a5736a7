//! The fuzz corpus of the table of sessions, replayed and mutated for a second on a stable compiler.

use std::time::Duration;

#[path = "../../../../fuzz/src/sessions.rs"]
mod fuzz;

/// Operations that make rows interesting: put in, hear, answer, take out, give way, expire, with time and without.
const PIECES: &[&[u8]] = &[
    b"\x00\x01",
    b"\x02\x01",
    b"\x03\x01",
    b"\x04\x01",
    b"\x05\x00",
    b"\xfe\x00",
    b"\x08\x02",
    b"\x0b\x02",
    b"\x06\x00",
];

#[test]
fn no_row_of_operations_makes_the_table_differ_from_a_plain_list() {
    crate::engine::replay("sessions", fuzz::sessions, PIECES, Duration::from_secs(1));
}
