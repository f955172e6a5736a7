//! How messages are cut into frames: a byte of flags, four bytes of length, and so many bytes.

/// The flag of the frame that holds the trailers of gRPC-Web.
pub const TRAILERS: u8 = 0x80;

/// Bytes before each message.
const HEAD: usize = 5;

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bit 0: the message is compressed; bit 7: it is the trailers of gRPC-Web.
    pub flags: u8,
    /// Bytes that follow.
    pub length: u32,
}

impl Head {
    /// Whether the frame holds trailers.
    pub fn is_trailers(self) -> bool {
        self.flags & TRAILERS != 0
    }
}

/// The head of a frame of trailers that are so long.
pub fn trailers_head(length: u32) -> [u8; 5] {
    let [a, b, c, d] = length.to_be_bytes();
    [TRAILERS, a, b, c, d]
}

/// Finds the heads of frames in a stream of bytes, however it is cut. Keeps nothing of what the frames hold.
#[derive(Clone, Debug, Default)]
pub struct Walker {
    head: [u8; HEAD],
    have: usize,
    left: u32,
}

impl Walker {
    /// Walks over the next bytes and tells each head that is complete. Stops at the first that is refused.
    ///
    /// # Errors
    /// What `on_head` said.
    pub fn walk<E>(&mut self, mut bytes: &[u8], mut on_head: impl FnMut(Head) -> Result<(), E>) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skip = bytes.len().min(self.left as usize);
                self.left -= skip as u32;
                bytes = bytes.get(skip..).unwrap_or_default();
                continue;
            }
            let take = bytes.len().min(HEAD - self.have);
            let (part, rest) = bytes.split_at(take);
            for (to, from) in self.head.iter_mut().skip(self.have).zip(part) {
                *to = *from;
            }
            self.have += take;
            bytes = rest;
            if self.have == HEAD {
                let [flags, length @ ..] = self.head;
                self.have = 0;
                self.left = u32::from_be_bytes(length);
                on_head(Head { flags, length: self.left })?;
            }
        }
        Ok(())
    }

    /// Whether all frames so far are complete.
    pub fn is_between_frames(&self) -> bool {
        self.have == 0 && self.left == 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;

    use super::*;

    fn heads(parts: &[&[u8]]) -> (Vec<Head>, bool) {
        let (mut walker, mut heads) = (Walker::default(), Vec::new());
        for part in parts {
            let told: Result<(), ()> = walker.walk(part, |head| {
                heads.push(head);
                Ok(())
            });
            told.unwrap();
        }
        (heads, walker.is_between_frames())
    }

    #[test]
    fn frames_without_content_and_trailers_are_found() {
        let bytes = [&[0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 7, 7][..], &trailers_head(1), b"x"].concat();
        let (found, over) = heads(&[&bytes]);
        assert_eq!(found.iter().map(|h| (h.flags, h.length)).collect::<Vec<_>>(), [(0, 0), (1, 2), (TRAILERS, 1)]);
        assert!(over && found[2].is_trailers() && !found[1].is_trailers());
    }

    #[test]
    fn head_that_is_refused_ends_the_walk() {
        let mut seen = 0;
        let refused = Walker::default().walk(&[0, 0, 0, 0, 0, TRAILERS, 0, 0, 0, 0, 0], |head| {
            seen += 1;
            if head.is_trailers() { Err("trailers") } else { Ok(()) }
        });
        assert_eq!((refused, seen), (Err("trailers"), 2));
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            frames in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..8),
            cut in 0usize..300,
            short in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            for (flags, content) in &frames {
                bytes.push(*flags);
                bytes.extend_from_slice(&(content.len() as u32).to_be_bytes());
                bytes.extend_from_slice(content);
            }
            if short && !bytes.is_empty() {
                bytes.pop();
            }
            let cut = cut.min(bytes.len());
            let whole = heads(&[&bytes]);
            prop_assert_eq!(&whole, &heads(&[&bytes[..cut], &bytes[cut..]]));
            prop_assert_eq!(&whole, &heads(&bytes.chunks(1).collect::<Vec<_>>()));
            prop_assert_eq!(whole.1, !short || frames.is_empty());
        }
    }
}
