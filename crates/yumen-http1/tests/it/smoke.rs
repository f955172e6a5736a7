//! The fuzz corpus, replayed and mutated for about two seconds on a stable compiler.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::properties;

/// Time for the mutations of all targets together.
const BUDGET: Duration = Duration::from_secs(2);

/// Pieces that make messages interesting.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\r",
    b"\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b":",
    b",",
    b";",
    b"#",
    b"\\",
    b"@",
    b"\"",
    b"*",
    b"0",
    b"5",
    b"+5",
    b"ffffffffffffffff",
    b"HTTP/1.0",
    b"HTTP/1.1",
    b"http://a/",
    b"CONNECT a:1 ",
    b"Host: a\r\n",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close, upgrade\r\n",
    b"Upgrade: x\r\n",
    b"Expect: 100-continue\r\n",
    b" folded\r\n",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b";a=\"b\"",
    b" 204 ",
    b" 101 ",
];

/// Bytes that change what a message means.
const SHARP: &[u8] = b"\r\n\t :;,=\"\\/?#*@[]0159afF+-\0\x0b\x7f\x80\xff";

#[test]
#[expect(clippy::disallowed_methods, reason = "bounded by wall time, because its work is open-ended")]
fn corpus_replays() {
    let targets: [(&str, fn(&[u8])); 3] = [
        ("request_head", properties::request_head),
        ("response_head", properties::response_head),
        ("chunked", properties::chunked),
    ];
    for (name, target) in targets {
        let corpus = corpus(name);
        assert!(corpus.len() >= 15, "the corpus of {name} is missing");
        corpus.iter().for_each(|input| target(input));
        let mut random = XorShift(0x9e37_79b9_7f4a_7c15);
        let start = Instant::now();
        while Instant::now() - start < BUDGET / 3 {
            for _ in 0..50 {
                let input = mutated(&corpus, &mut random);
                if std::panic::catch_unwind(|| target(&input)).is_err() {
                    panic!("{name} broke on b\"{}\"", input.escape_ascii());
                }
            }
        }
    }
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn mutated(corpus: &[Vec<u8>], random: &mut XorShift) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        let (from, to) = random.range(input.len());
        match random.below(9) {
            0 if !input.is_empty() => {
                let at = random.below(input.len());
                input[at] ^= 1 << random.below(8);
            }
            4 if !input.is_empty() => {
                let at = random.below(input.len());
                input[at] = SHARP[random.below(SHARP.len())];
            }
            5 => input.insert(from, SHARP[random.below(SHARP.len())]),
            6 => input.truncate(from),
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
                let piece = PIECES[random.below(PIECES.len())];
                input.splice(from..from, piece.iter().copied());
            }
        }
    }
    input.truncate(4096);
    input
}

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
