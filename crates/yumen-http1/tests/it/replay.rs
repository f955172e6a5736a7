//! The seed corpus of the fuzzers, and mutations of it, in every test run: half a second each.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::properties;

/// Marsaglia's xorshift; its seed is fixed, so that a failure comes back.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Bytes that change what a message means.
const SHARP: &[u8] = b"\r\n\t :;,=\"\\/?#*@[]0159afF+-\0\x0b\x7f\x80\xff";

fn mutate(seed: &[u8], other: &[u8], random: &mut Xorshift) -> Vec<u8> {
    let mut out = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(out.len() + 1);
        match random.below(6) {
            0 => out.insert(at, SHARP[random.below(SHARP.len())]),
            1 if at < out.len() => out[at] = SHARP[random.below(SHARP.len())],
            2 if at < out.len() => drop(out.remove(at)),
            3 if at < out.len() => out[at] ^= 1 << random.below(8),
            4 => out.truncate(at),
            _ => {
                let from = random.below(other.len());
                let to = from + random.below(other.len() - from + 1);
                out.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    out
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn corpus_replays_and_mutations_never_panic() {
    let targets: [(&str, fn(&[u8])); 3] = [
        ("request_head", properties::request_head),
        ("response_head", properties::response_head),
        ("chunked", properties::chunked),
    ];
    for (target, property) in targets {
        let seeds = corpus(target);
        assert!(seeds.len() >= 10, "{target}: only {} seeds", seeds.len());
        seeds.iter().for_each(|seed| property(seed));
        let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
        #[allow(clippy::disallowed_methods, reason = "a test bounded by wall time")]
        let now = Instant::now;
        let end = now() + Duration::from_millis(450);
        while now() < end {
            for _ in 0..64 {
                let (seed, other) = (random.below(seeds.len()), random.below(seeds.len()));
                let input = mutate(&seeds[seed], &seeds[other], &mut random);
                if let Err(panic) = std::panic::catch_unwind(|| property(&input)) {
                    eprintln!("{target}: {}", input.escape_ascii());
                    std::panic::resume_unwind(panic);
                }
            }
        }
    }
}
