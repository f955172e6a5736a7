//! What the codec reads, what it refuses and why. Section numbers are those of RFC 9112 unless they say 9110.
#![allow(clippy::unwrap_used, clippy::type_complexity, missing_docs, unreachable_pub, reason = "tests")]

mod chunked;
mod cuts;
mod encode;
#[path = "../../../../fuzz/src/http1.rs"]
mod fuzz;
mod generated;
mod predicates;
mod properties;
mod request;
mod response;
mod smoke;

use yumen_http1::Fault;

/// RFC section, input, the fault it must have.
type Refused = (&'static str, &'static [u8], Fault);
/// RFC section, input, what was read.
type Accepted = (&'static str, &'static [u8], &'static str);

/// Bytes in a form that can be read in a failure.
fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Checks every row before it fails, so that one run shows all that is wrong.
fn check<T: PartialEq + std::fmt::Debug>(rows: impl IntoIterator<Item = (&'static str, &'static [u8], T, T)>) {
    let wrong: Vec<String> = rows
        .into_iter()
        .filter(|(_, _, got, wanted)| got != wanted)
        .map(|(section, input, got, wanted)| {
            format!("[{section}] {}\n  got    {got:?}\n  wanted {wanted:?}", show(input))
        })
        .collect();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
