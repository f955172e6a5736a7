//! What must hold of the text form of gRPC-Web and of the frames in it, whatever the bytes.
//!
//! The first byte says into what parts the rest is cut. Cuts change nothing: neither what the base64 stands for, nor where
//! it is refused, nor which frames are found in it. What is written is read again as the same bytes, wherever it was
//! flushed. A second decoder, group by group, says the same.

use yumen_grpc::{Decoder, Encoder, Head, Walker};

/// Judges bytes as the text of a request, and as bytes of an answer.
pub fn grpc_web(data: &[u8]) {
    let Some((step, text)) = data.split_first() else { return };
    let step = usize::from(*step % 16) + 1;
    let whole = decode(&[text]);
    let parts: Vec<&[u8]> = text.chunks(step).collect();
    assert_eq!(decode(&parts), whole, "cut by {step}");
    assert_eq!(reference(text), whole, "read in another way");
    let content = whole.as_deref().unwrap_or(text);
    let found = walk(&[content]);
    assert_eq!(walk(&content.chunks(step).collect::<Vec<_>>()), found, "cut by {step}");
    let (mut encoder, mut written) = (Encoder::default(), Vec::new());
    for (at, part) in content.chunks(step).enumerate() {
        encoder.write(part, &mut written);
        if at % 3 == 0 {
            encoder.flush(&mut written);
        }
    }
    encoder.flush(&mut written);
    assert_eq!(decode(&[&written]).as_deref(), Some(content), "written");
}

fn decode(parts: &[&[u8]]) -> Option<Vec<u8>> {
    let (mut decoder, mut out) = (Decoder::default(), Vec::new());
    for part in parts {
        decoder.read(part, &mut out).ok()?;
    }
    decoder.is_between_groups().then_some(out)
}

/// The frames, and whether the last one is complete.
fn walk(parts: &[&[u8]]) -> (Vec<Head>, bool) {
    let (mut walker, mut heads) = (Walker::default(), Vec::new());
    for part in parts {
        let told: Result<(), ()> = walker.walk(part, |head| {
            heads.push(head);
            Ok(())
        });
        assert!(told.is_ok());
    }
    (heads, walker.is_between_frames())
}

/// Every group of four by itself.
fn reference(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for group in text.chunks(4) {
        let [a, b, c, d] = group else { return None };
        let tail = match (c, d) {
            (b'=', b'=') => 1,
            (_, b'=') => 2,
            _ => 3,
        };
        let mut bits = 0u32;
        for byte in [a, b, c, d].into_iter().take(tail + 1) {
            bits = bits << 6 | value(*byte)?;
        }
        bits <<= 6 * (3 - tail as u32);
        let bytes = bits.to_be_bytes();
        if bytes[1 + tail..].iter().any(|b| *b != 0) {
            return None;
        }
        out.extend_from_slice(&bytes[1..1 + tail]);
    }
    Some(out)
}

fn value(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}
