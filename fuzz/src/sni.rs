//! What must hold of the peek at a TLS hello whatever the bytes.
//!
//! How the bytes arrive changes nothing: what was told early stays true with more bytes, and a hello cut into other
//! records says the same. A name that comes out is one that can be looked up.

use yumen_net::sni::{LIMIT, Sni, peek_sni};

/// Judges bytes as the beginning of a connection.
pub fn sni(data: &[u8]) {
    let data = &data[..data.len().min(LIMIT)];
    let whole = peek_sni(data);
    let step = data.len() / 256 + 1;
    let mut settled = None;
    for cut in (0..data.len()).step_by(step) {
        let told = peek_sni(&data[..cut]);
        if let Some(before) = &settled {
            assert_eq!(told, *before, "cut at {cut} took its verdict back");
        } else if told != Sni::NeedMore {
            // After a complete hello the rest belongs to nobody yet, so more bytes may spoil it, but not change it.
            assert!(told == whole || whole == Sni::Invalid, "cut at {cut}: {told:?}, whole: {whole:?}");
            settled = Some(whole.clone()).filter(|whole| *whole == told);
        }
    }
    if let Sni::Name(name) = &whole {
        assert!((1..=253).contains(&name.len()) && !name.starts_with('.') && !name.ends_with('.'));
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_')));
        assert!(name.parse::<std::net::IpAddr>().is_err(), "an address as a name");
        assert_eq!(reference(data).as_deref(), Some(&**name), "read in another way");
    }
    if matches!(whole, Sni::Name(_) | Sni::None) {
        let message = handshake(data);
        for size in [1, 3, 64, 1 << 14] {
            let again: Vec<u8> = message.chunks(size).flat_map(record).collect();
            // Many small records may need more than is looked at.
            let expected = if again.len() >= LIMIT { &Sni::Invalid } else { &whole };
            let told = peek_sni(&again[..again.len().min(LIMIT)]);
            assert!(told == whole || told == *expected, "records of {size}: {told:?}, whole: {whole:?}");
        }
    }
}

/// The content of the records, joined, as far as the first message goes.
fn handshake(mut data: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some((head, rest)) = data.split_first_chunk::<5>() {
        let len = usize::from(u16::from_be_bytes([head[3], head[4]])).min(rest.len());
        all.extend_from_slice(&rest[..len]);
        data = &rest[len..];
    }
    if let [_, a, b, c, ..] = all[..] {
        all.truncate(4 + u32::from_be_bytes([0, a, b, c]) as usize);
    }
    all
}

fn record(content: &[u8]) -> Vec<u8> {
    let len = (content.len() as u16).to_be_bytes();
    [&[22, 3, 1, len[0], len[1]], content].concat()
}

/// The name, found by offsets alone: of a hello that was judged to be sound.
fn reference(data: &[u8]) -> Option<String> {
    let message = handshake(data);
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(*message.get(at)?);
    at += 2 + two(&message, at)?;
    at += 1 + usize::from(*message.get(at)?);
    at += 2;
    loop {
        let (kind, len) = (two(&message, at)?, two(&message, at + 2)?);
        if kind == 0 {
            let name = two(&message, at + 7)?;
            let bytes = message.get(at + 9..at + 9 + name)?;
            return Some(String::from_utf8_lossy(bytes).to_ascii_lowercase());
        }
        at += 4 + len;
    }
}

fn two(bytes: &[u8], at: usize) -> Option<usize> {
    let pair = bytes.get(at..at + 2)?;
    Some(usize::from(u16::from_be_bytes([pair[0], pair[1]])))
}
