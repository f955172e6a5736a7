//! A corpus replayed and mutated on a stable compiler, for the smoke tests of the crates.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Replays the corpus of a target and then judges mutations of it until the time is over; the same ones each time.
#[expect(clippy::disallowed_methods, reason = "bounded by wall time, because its work is open-ended")]
pub fn replay(target: &str, judge: fn(&[u8]), pieces: &[&[u8]], budget: Duration) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 10, "the corpus of {target} is missing");
    corpus.iter().for_each(|input| judge(input));
    let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
    let start = Instant::now();
    while start.elapsed() < budget {
        let input = mutated(&corpus, pieces, &mut random);
        if std::panic::catch_unwind(|| judge(&input)).is_err() {
            panic!("{target} broke on b\"{}\"", input.escape_ascii());
        }
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn mutated(corpus: &[Vec<u8>], pieces: &[&[u8]], random: &mut XorShift) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        let (from, to) = random.range(input.len());
        match random.below(6) {
            0 if !input.is_empty() => {
                let at = random.below(input.len());
                input[at] ^= 1 << random.below(8);
            }
            1 => drop(input.drain(from..to)),
            2 => {
                let copy = input[from..to].to_vec();
                input.splice(to..to, copy);
            }
            3 => {
                let other = &corpus[random.below(corpus.len())];
                let (start, end) = random.range(other.len());
                input.splice(from..to, other[start..end].iter().copied());
            }
            _ => {
                let piece = pieces[random.below(pieces.len())];
                input.splice(from..from, piece.iter().copied());
            }
        }
    }
    input.truncate(4096);
    input
}

/// Marsaglia's xorshift; its seed is fixed, so that a failure comes back.
struct XorShift(u64);

impl XorShift {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound.max(1)
    }

    /// A range of at most 40 bytes within `len`.
    fn range(&mut self, len: usize) -> (usize, usize) {
        let from = self.below(len + 1);
        (from, (from + self.below(40)).min(len))
    }
}
