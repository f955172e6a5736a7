//! W3C trace context (version 00 of the recommendation of 2021) and request ids.

use rand::RngCore;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The longest request id that is accepted from a client.
pub const REQUEST_ID_MAX: usize = 128;

/// A `traceparent`: which trace a request belongs to and which span sent it. Ids are lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// The trace; never all zeros.
    pub trace_id: [u8; 32],
    /// The span; never all zeros.
    pub span_id: [u8; 16],
    /// Trace flags; bit 0 says that the trace is sampled.
    pub flags: u8,
}

impl TraceParent {
    /// Reads the value of one `traceparent` field. `None` for anything that is not valid: the trace then begins anew.
    /// Versions after 00 are read as far as 00 defines them; `ff` is invalid.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_at_checked(55)?;
        let version = head.get(..2)?;
        let is_end = rest.is_empty() || (version != b"00" && rest.first() == Some(&b'-'));
        let has_dashes = head[2] == b'-' && head[35] == b'-' && head[52] == b'-';
        if !is_end || !has_dashes || !is_hex(version) || version == b"ff" {
            return None;
        }
        let trace_id: [u8; 32] = head.get(3..35)?.try_into().ok()?;
        let span_id: [u8; 16] = head.get(36..52)?.try_into().ok()?;
        let flags = head.get(53..55)?;
        if !is_id(&trace_id) || !is_id(&span_id) || !is_hex(flags) {
            return None;
        }
        Some(Self { trace_id, span_id, flags: nibble(flags[0]) << 4 | nibble(flags[1]) })
    }

    /// A new trace, not sampled: sampling is the decision of whoever records traces.
    pub fn mint() -> Self {
        Self { trace_id: random_hex(), span_id: random_hex(), flags: 0 }
    }

    /// The same trace with a new span, as it is sent on.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { span_id: random_hex(), ..*self }
    }

    /// Whether the trace is sampled.
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }

    /// The value of the field, in version 00.
    pub fn render(&self) -> [u8; 55] {
        let mut out = *b"00-00000000000000000000000000000000-0000000000000000-00";
        out[3..35].copy_from_slice(&self.trace_id);
        out[36..52].copy_from_slice(&self.span_id);
        out[53] = HEX[usize::from(self.flags >> 4)];
        out[54] = HEX[usize::from(self.flags & 15)];
        out
    }
}

/// A new request id: 128 random bits in hexadecimal.
pub fn mint_request_id() -> Box<str> {
    let id: [u8; 32] = random_hex();
    // Hexadecimal digits are always valid text.
    std::str::from_utf8(&id).unwrap_or_default().into()
}

/// A request id of a client, if it is harmless: 1 to [`REQUEST_ID_MAX`] letters, digits or `-._~:+/=@`.
pub fn accept_request_id(value: &[u8]) -> Option<&str> {
    let is_harmless = |b: &u8| b.is_ascii_alphanumeric() || b"-._~:+/=@".contains(b);
    let fits = (1..=REQUEST_ID_MAX).contains(&value.len());
    if fits && value.iter().all(is_harmless) { std::str::from_utf8(value).ok() } else { None }
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_id(text: &[u8]) -> bool {
    is_hex(text) && text.iter().any(|b| *b != b'0')
}

fn nibble(digit: u8) -> u8 {
    if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 }
}

/// `N` random hexadecimal digits (an even number), from the thread's own generator; never all zeros.
fn random_hex<const N: usize>() -> [u8; N] {
    const PAIRS: [[u8; 2]; 256] = {
        let mut pairs = [[0; 2]; 256];
        let mut byte = 0;
        while byte < 256 {
            pairs[byte] = [HEX[byte >> 4], HEX[byte & 15]];
            byte += 1;
        }
        pairs
    };
    let mut rng = rand::rng();
    let mut out = [b'0'; N];
    let mut any = 0;
    while any == 0 {
        for part in out.chunks_mut(16) {
            let bits = rng.next_u64();
            any |= bits;
            for (pair, byte) in part.chunks_exact_mut(2).zip(bits.to_le_bytes()) {
                pair.copy_from_slice(&PAIRS[usize::from(byte)]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn valid_parent_is_read_and_written_alike() {
        let parent = TraceParent::parse(GOOD.as_bytes()).unwrap();
        assert!(parent.is_sampled());
        assert_eq!(parent.render(), GOOD.as_bytes());
        let child = parent.child();
        assert_eq!((child.trace_id, child.flags), (parent.trace_id, parent.flags));
        assert_ne!(child.span_id, parent.span_id);
    }

    #[test]
    fn later_version_may_be_longer_and_version_00_may_not() {
        let later = GOOD.replacen("00", "cc", 1);
        assert!(TraceParent::parse(format!("{later}-what").as_bytes()).is_some());
        assert!(TraceParent::parse(later.as_bytes()).is_some());
        assert!(TraceParent::parse(format!("{later}x").as_bytes()).is_none());
        assert!(TraceParent::parse(format!("{GOOD}-what").as_bytes()).is_none());
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn minted_ids_are_valid_and_differ() {
        let (a, b) = (TraceParent::mint(), TraceParent::mint());
        assert_eq!(TraceParent::parse(&a.render()), Some(a));
        assert_ne!(a.trace_id, b.trace_id);
        assert_ne!(mint_request_id(), mint_request_id());
        assert!(accept_request_id(mint_request_id().as_bytes()).is_some());
    }

    #[test]
    fn request_id_of_a_client_must_be_harmless() {
        assert_eq!(accept_request_id(b"01J-x.y_z"), Some("01J-x.y_z"));
        for bad in [&b""[..], b"a b", b"a\r\nX: y", b"\"", b"{}", "é".as_bytes(), &[b'a'; 129]] {
            assert_eq!(accept_request_id(bad), None);
        }
    }
}
