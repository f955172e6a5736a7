//! What must hold of the meter of HTTP/2 frames whatever the bytes.
//!
//! How the bytes are cut changes nothing: neither which frames are seen nor where it is too much. And a walk by lengths alone
//! finds the same frames.

use std::time::Instant;

use yumen_http2::{Budgets, Head, Meter, Over, PREFACE, Walker};

/// Judges bytes as what a client sends behind its preface, and as what we send.
pub fn frames(data: &[u8]) {
    let whole = walk(&[data]);
    assert_eq!(whole.len(), reference(data), "walked in another way");
    let verdict = meter(&[data]);
    for step in [1, 2, 7, 64] {
        let parts: Vec<&[u8]> = data.chunks(step).collect();
        assert_eq!(walk(&parts), whole, "cut at each {step}");
        assert_eq!(meter(&parts), verdict, "cut at each {step}");
    }
    if let Some(over) = verdict {
        assert!(over.at <= data.len());
        assert_eq!(meter(&[&data[..over.at]]), Some(over), "what is behind the excess changes it");
    }
}

fn walk(parts: &[&[u8]]) -> Vec<Head> {
    let mut walker = Walker::new(false);
    let mut heads = Vec::new();
    for part in parts {
        let mut rest = *part;
        while let Some(head) = walker.next(&mut rest) {
            heads.push(head);
        }
        assert!(rest.is_empty());
    }
    heads
}

/// The place of the excess counts from the first byte, whatever piece it is in.
fn meter(parts: &[&[u8]]) -> Option<Over> {
    #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
    let now = Instant::now();
    let mut meter = Meter::new(Budgets::default());
    assert_eq!(meter.received(PREFACE, || now), Ok(()));
    let mut before = 0;
    for part in parts {
        meter.sent(part, || now).unwrap_or_default();
    }
    for part in parts {
        if let Err(over) = meter.received(part, || now) {
            return Some(Over { at: before + over.at, ..over });
        }
        before += part.len();
    }
    None
}

/// How many frames there are: heads that came whole, and of those with a code only where the code did too.
fn reference(data: &[u8]) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Some(head) = data.get(at..at + 9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let needs = match head[3] {
            3 if length >= 4 => 4,
            7 if length >= 8 => 8,
            _ => 0,
        };
        if data.len() < at + 9 + needs {
            break;
        }
        count += 1;
        at += 9 + length;
    }
    count
}
