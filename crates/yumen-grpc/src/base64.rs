//! Base64 as gRPC-Web's text form has it (RFC 4648 section 4): a stream that may be padded anywhere, because each side
//! flushes when it has something to say.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a byte stands for; 64 and above for nothing.
const VALUES: [u8; 256] = {
    let mut values = [0xff; 256];
    let mut at = 0;
    while at < 64 {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
};

/// The bytes are no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBase64;

impl std::fmt::Display for BadBase64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the content is no base64")
    }
}

impl std::error::Error for BadBase64 {}

/// Reads a stream. Padding ends a group of four and the next one begins; anything that is not of the alphabet, line ends
/// included, and bits that pad something else than zero are refused.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    bits: u32,
    /// Characters of the group so far, padding included.
    have: u8,
    /// How many of them are padding.
    padding: u8,
}

impl Decoder {
    /// Reads the next characters and appends what they stand for.
    ///
    /// # Errors
    /// They are no base64. Nothing more may be read then.
    pub fn read(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), BadBase64> {
        out.reserve(text.len() / 4 * 3 + 3);
        for byte in text {
            self.take(*byte)?;
            if self.have == 4 {
                self.give(out)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, byte: u8) -> Result<(), BadBase64> {
        let value = match byte {
            // One or two of the last two.
            b'=' if self.have >= 2 => {
                self.padding += 1;
                0
            }
            _ => VALUES[usize::from(byte)],
        };
        if value >= 64 || self.padding > 0 && byte != b'=' {
            return Err(BadBase64);
        }
        self.bits = self.bits << 6 | u32::from(value);
        self.have += 1;
        Ok(())
    }

    fn give(&mut self, out: &mut Vec<u8>) -> Result<(), BadBase64> {
        let [_, a, b, c] = self.bits.to_be_bytes();
        match (self.padding, b, c) {
            (0, ..) => out.extend_from_slice(&[a, b, c]),
            (1, _, 0) => out.extend_from_slice(&[a, b]),
            (2, 0, 0) => out.push(a),
            _ => return Err(BadBase64),
        }
        *self = Self::default();
        Ok(())
    }

    /// Whether the characters so far stand for whole bytes.
    pub fn is_between_groups(&self) -> bool {
        self.have == 0
    }
}

/// Writes a stream. What does not fill a group of three bytes waits for more until it is flushed.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    waiting: [u8; 2],
    have: usize,
}

impl Encoder {
    /// Appends what the bytes become, as far as they fill groups.
    pub fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        out.reserve(bytes.len() / 3 * 4 + 8);
        while self.have > 0 {
            let Some((first, rest)) = bytes.split_first() else { return };
            bytes = rest;
            match (self.have, self.waiting) {
                (1, [a, _]) => {
                    self.waiting = [a, *first];
                    self.have = 2;
                }
                (_, [a, b]) => {
                    out.extend_from_slice(&group([a, b, *first]));
                    self.have = 0;
                }
            }
        }
        let groups = bytes.chunks_exact(3);
        let rest = groups.remainder();
        for three in groups {
            if let [a, b, c] = three {
                out.extend_from_slice(&group([*a, *b, *c]));
            }
        }
        for (to, from) in self.waiting.iter_mut().zip(rest) {
            *to = *from;
        }
        self.have = rest.len();
    }

    /// Appends what still waits, padded.
    pub fn flush(&mut self, out: &mut Vec<u8>) {
        let [a, b] = self.waiting;
        match self.have {
            0 => {}
            1 => {
                let [w, x, ..] = group([a, 0, 0]);
                out.extend_from_slice(&[w, x, b'=', b'=']);
            }
            _ => {
                let [w, x, y, _] = group([a, b, 0]);
                out.extend_from_slice(&[w, x, y, b'=']);
            }
        }
        self.have = 0;
    }
}

fn group([a, b, c]: [u8; 3]) -> [u8; 4] {
    let bits = u32::from_be_bytes([0, a, b, c]);
    [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        decoder.read(text.as_bytes(), &mut out).ok()?;
        decoder.is_between_groups().then_some(out)
    }

    #[test]
    fn padding_may_stand_between_parts_and_nowhere_else() {
        for (text, bytes) in [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zg==Zm8=Zm9v", "ffofoo")] {
            assert_eq!(decoded(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
        for text in
            ["=", "Z===", "Zg=", "Zg=v", "Z", "Zm9", "Zg\n=", "Zg==\r\n", "Zm9-", "Zm9_", " Zm9v", "Zh==", "Zm9="]
        {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn bytes_survive_there_and_back_however_they_are_cut_and_flushed(
            parts in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..20), any::<bool>()), 0..8),
            step in 1usize..9,
        ) {
            let (mut encoder, mut text) = (Encoder::default(), Vec::new());
            for (part, flush) in &parts {
                encoder.write(part, &mut text);
                if *flush {
                    encoder.flush(&mut text);
                }
            }
            encoder.flush(&mut text);
            let (mut decoder, mut out) = (Decoder::default(), Vec::new());
            for part in text.chunks(step) {
                prop_assert_eq!(decoder.read(part, &mut out), Ok(()));
            }
            prop_assert!(decoder.is_between_groups());
            prop_assert_eq!(out, parts.into_iter().flat_map(|(part, _)| part).collect::<Vec<_>>());
        }

        #[test]
        fn whatever_is_taken_is_written_the_same_way_again(text in "[A-Da-d0-3+/=]{0,24}") {
            if let Some(bytes) = decoded(&text) && !text.trim_end_matches('=').contains('=') {
                let (mut encoder, mut again) = (Encoder::default(), Vec::new());
                encoder.write(&bytes, &mut again);
                encoder.flush(&mut again);
                prop_assert_eq!(String::from_utf8(again).unwrap(), text);
            }
        }
    }
}
