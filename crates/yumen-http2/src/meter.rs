//! Judges the frames of one connection by how many there are of a kind.
//!
//! Each kind that costs the receiver work and the sender nothing has a bucket of its own. Frames that are the answer to
//! what we send (WINDOW_UPDATE, and the PINGs by which some clients measure the way) get tokens back as we send content,
//! resets with every answer that comes to its end, and priorities with every request. So an honest client never comes near
//! its limit, however fast it is, and neither does a proxy that carries the requests of many.

use std::time::Instant;

use crate::bucket::Bucket;
use crate::frame::{FLAG_ACK, FLAG_END_HEADERS, FLAG_END_STREAM, Head, Kind, Walker};

/// What there was too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Excess {
    /// Streams the client reset (CVE-2023-44487, "rapid reset").
    Resets,
    /// Streams the client made us reset (CVE-2025-8671, "MadeYouReset").
    InducedResets,
    /// CONTINUATION frames of one header block (CVE-2024-27316 and its kin).
    Continuations,
    /// Bytes of one header block.
    HeaderBlock,
    /// SETTINGS frames.
    Settings,
    /// PING frames.
    Pings,
    /// PRIORITY and PRIORITY_UPDATE frames.
    Priorities,
    /// WINDOW_UPDATE frames.
    WindowUpdates,
    /// DATA, HEADERS or CONTINUATION frames with nothing in them.
    Empty,
    /// Frames of types nobody knows, and GOAWAY frames.
    Unknown,
    /// Nothing: a frame has a size that its type cannot have (RFC 9113 section 6).
    Size,
    /// Nothing: the first frame is no SETTINGS (RFC 9113 section 3.4).
    Beginning,
}

/// How many frames of a kind may come: at once, and then in each second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// RST_STREAM from the client; one comes back with each answer that we send to its end. Default 200 and 20: a browser that
    /// leaves a page resets what is under way at once.
    pub resets: (u32, u32),
    /// RST_STREAM from us that say the client broke the protocol; one comes back with each answer that we send to its end.
    /// Default 100 and 10.
    pub induced_resets: (u32, u32),
    /// SETTINGS. Default 32 and 1.
    pub settings: (u32, u32),
    /// PING; one comes back with each frame of content we send. Default 100 and 10.
    pub pings: (u32, u32),
    /// PRIORITY, and PRIORITY_UPDATE (RFC 9218 section 7.1), which browsers send; two come back with each request. Default 256
    /// and 20.
    pub priorities: (u32, u32),
    /// WINDOW_UPDATE; four come back with each frame of content we send. Default 2000 and 200.
    pub window_updates: (u32, u32),
    /// Frames with nothing in them. Default 64 and 10.
    pub empty: (u32, u32),
    /// Frames of unknown types. Default 64 and 10.
    pub unknown: (u32, u32),
    /// Bytes of one header block on the wire. Default 64 KiB.
    pub header_block: u32,
    /// CONTINUATION frames of one header block. Default 16.
    pub continuations: u32,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            resets: (200, 20),
            induced_resets: (100, 10),
            settings: (32, 1),
            pings: (100, 10),
            priorities: (256, 20),
            window_updates: (2000, 200),
            empty: (64, 10),
            unknown: (64, 10),
            header_block: 64 * 1024,
            continuations: 16,
        }
    }
}

/// There is too much of something. Nothing of what came behind the frame that was too much should be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// What.
    pub excess: Excess,
    /// How many bytes of the piece stand before the rest of that frame.
    pub at: usize,
}

/// How many frames that end something have passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// RST_STREAM from the client.
    pub resets_received: u32,
    /// RST_STREAM from us.
    pub resets_sent: u32,
    /// GOAWAY from the client.
    pub goaways_received: u32,
    /// GOAWAY from us.
    pub goaways_sent: u32,
}

/// Judges the frames of one connection.
#[derive(Debug)]
pub struct Meter {
    incoming: Walker,
    outgoing: Walker,
    limits: (u32, u32),
    /// The client has sent its SETTINGS.
    begun: bool,
    block: Option<Block>,
    tally: Tally,
    resets: Bucket,
    induced_resets: Bucket,
    settings: Bucket,
    pings: Bucket,
    priorities: Bucket,
    window_updates: Bucket,
    empty: Bucket,
    unknown: Bucket,
}

/// A header block whose end has not come.
#[derive(Debug)]
struct Block {
    bytes: u32,
    continuations: u32,
}

impl Meter {
    /// For the server's end of a connection that begins now.
    pub fn new(budgets: Budgets) -> Self {
        Self {
            incoming: Walker::new(true),
            outgoing: Walker::new(false),
            limits: (budgets.header_block, budgets.continuations),
            begun: false,
            block: None,
            tally: Tally::default(),
            resets: Bucket::new(budgets.resets),
            induced_resets: Bucket::new(budgets.induced_resets),
            settings: Bucket::new(budgets.settings),
            pings: Bucket::new(budgets.pings),
            priorities: Bucket::new(budgets.priorities),
            window_updates: Bucket::new(budgets.window_updates),
            empty: Bucket::new(budgets.empty),
            unknown: Bucket::new(budgets.unknown),
        }
    }

    /// Judges the next bytes from the client.
    ///
    /// # Errors
    /// [`Over`] at the first frame that is too much.
    pub fn received(&mut self, bytes: &[u8], now: impl Fn() -> Instant) -> Result<(), Over> {
        let mut rest = bytes;
        while let Some(head) = self.incoming.next(&mut rest) {
            if let Some(excess) = self.judge(&head, &now) {
                return Err(Over { excess, at: bytes.len() - rest.len() });
            }
        }
        Ok(())
    }

    /// Takes note of the next bytes to the client.
    ///
    /// # Errors
    /// [`Over`] when the client has made us reset too many streams. All the bytes are noted all the same.
    pub fn sent(&mut self, bytes: &[u8], now: impl Fn() -> Instant) -> Result<(), Over> {
        let mut rest = bytes;
        let mut result = Ok(());
        while let Some(head) = self.outgoing.next(&mut rest) {
            match head.kind {
                Kind::Data | Kind::Headers => {
                    self.pings.give(1);
                    self.window_updates.give(4);
                    if head.has(FLAG_END_STREAM) {
                        self.resets.give(1);
                        self.induced_resets.give(1);
                    }
                }
                Kind::RstStream => {
                    self.tally.resets_sent = self.tally.resets_sent.wrapping_add(1);
                    if is_induced(head.code) && !self.induced_resets.take(&now) {
                        result = Err(Over { excess: Excess::InducedResets, at: bytes.len() - rest.len() });
                    }
                }
                Kind::GoAway => self.tally.goaways_sent = self.tally.goaways_sent.wrapping_add(1),
                _ => {}
            }
        }
        result
    }

    /// Whether the client is in the middle of a header block: no other frame may come before its end.
    pub fn is_mid_block(&self) -> bool {
        self.block.is_some()
    }

    /// What ended so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn judge(&mut self, head: &Head, now: impl FnOnce() -> Instant) -> Option<Excess> {
        if !self.begun && (head.kind != Kind::Settings || head.has(FLAG_ACK)) {
            return Some(Excess::Beginning);
        }
        self.begun = true;
        if !has_possible_size(head) {
            return Some(Excess::Size);
        }
        let (bucket, excess) = match head.kind {
            Kind::Headers | Kind::Continuation | Kind::PushPromise => return self.judge_block(head, now),
            Kind::Data if head.length == 0 && !head.has(FLAG_END_STREAM) => (&mut self.empty, Excess::Empty),
            Kind::Data => return None,
            Kind::Settings if head.has(FLAG_ACK) => return None,
            Kind::Settings => (&mut self.settings, Excess::Settings),
            Kind::Ping if head.has(FLAG_ACK) => return None,
            Kind::Ping => (&mut self.pings, Excess::Pings),
            Kind::Priority | Kind::Other(PRIORITY_UPDATE) => (&mut self.priorities, Excess::Priorities),
            Kind::WindowUpdate => (&mut self.window_updates, Excess::WindowUpdates),
            Kind::RstStream => {
                self.tally.resets_received = self.tally.resets_received.wrapping_add(1);
                (&mut self.resets, Excess::Resets)
            }
            Kind::GoAway => {
                self.tally.goaways_received = self.tally.goaways_received.wrapping_add(1);
                (&mut self.unknown, Excess::Unknown)
            }
            Kind::Other(_) => (&mut self.unknown, Excess::Unknown),
        };
        (!bucket.take(now)).then_some(excess)
    }

    fn judge_block(&mut self, head: &Head, now: impl FnOnce() -> Instant) -> Option<Excess> {
        let block = self.block.get_or_insert(Block { bytes: 0, continuations: 0 });
        block.bytes = block.bytes.saturating_add(head.length);
        if head.kind == Kind::Continuation {
            block.continuations += 1;
        }
        let (max_bytes, max_continuations) = self.limits;
        if block.bytes > max_bytes {
            return Some(Excess::HeaderBlock);
        }
        if block.continuations > max_continuations {
            return Some(Excess::Continuations);
        }
        if head.has(FLAG_END_HEADERS) {
            self.block = None;
            self.priorities.give(2);
        }
        (head.length == 0 && !self.empty.take(now)).then_some(Excess::Empty)
    }
}

/// The type of PRIORITY_UPDATE.
const PRIORITY_UPDATE: u8 = 0x10;

/// Whether a frame is as long as all frames of its type are.
fn has_possible_size(head: &Head) -> bool {
    match head.kind {
        Kind::Priority => head.length == 5,
        Kind::RstStream | Kind::WindowUpdate => head.length == 4,
        Kind::Ping => head.length == 8,
        Kind::Settings if head.has(FLAG_ACK) => head.length == 0,
        Kind::Settings => head.length.is_multiple_of(6),
        Kind::GoAway => head.length >= 8,
        _ => true,
    }
}

/// Whether an error code of ours blames the client: everything but NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM and CANCEL.
fn is_induced(code: u32) -> bool {
    !matches!(code, 0 | 2 | 7 | 8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::time::Duration;

    use super::*;
    use crate::PREFACE;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut out = (payload as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, flags, 0, 0, 0, 1]);
        out.resize(9 + payload, 0);
        out
    }

    fn begun() -> (Meter, Instant) {
        #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
        let now = Instant::now();
        let mut meter = Meter::new(Budgets::default());
        meter.received(PREFACE, || now).unwrap();
        meter.received(&frame(4, 0, 0), || now).unwrap();
        (meter, now)
    }

    /// How many such frames pass at once.
    fn passing(bytes: &[u8]) -> (u32, Excess) {
        let (mut meter, now) = begun();
        for count in 0..100_000 {
            if let Err(over) = meter.received(bytes, || now) {
                return (count, over.excess);
            }
        }
        panic!("no end of it");
    }

    #[test]
    fn every_kind_that_costs_only_us_has_its_end() {
        let budgets = Budgets::default();
        for (bytes, expected) in [
            (frame(3, 0, 4), (budgets.resets.0, Excess::Resets)),
            (frame(4, 0, 0), (budgets.settings.0 - 1, Excess::Settings)),
            (frame(6, 0, 8), (budgets.pings.0, Excess::Pings)),
            (frame(2, 0, 5), (budgets.priorities.0, Excess::Priorities)),
            (frame(PRIORITY_UPDATE, 0, 5), (budgets.priorities.0, Excess::Priorities)),
            (frame(8, 0, 4), (budgets.window_updates.0, Excess::WindowUpdates)),
            (frame(0, 0, 0), (budgets.empty.0, Excess::Empty)),
            (frame(1, 4, 0), (budgets.empty.0, Excess::Empty)),
            (frame(9, 0, 1), (budgets.continuations, Excess::Continuations)),
            (frame(9, 0, 0), (budgets.continuations, Excess::Continuations)),
            (frame(1, 0, 16384), (4, Excess::HeaderBlock)),
            (frame(42, 0, 0), (budgets.unknown.0, Excess::Unknown)),
            (frame(7, 0, 8), (budgets.unknown.0, Excess::Unknown)),
        ] {
            assert_eq!(passing(&bytes), expected, "type {}", bytes[3]);
        }
    }

    #[test]
    fn first_frame_is_settings() {
        #[expect(clippy::disallowed_methods, reason = "a moment to count from")]
        let now = Instant::now();
        for first in [frame(6, 0, 8), frame(4, 1, 0), frame(1, 5, 3)] {
            let over = Meter::new(Budgets::default()).received(&[PREFACE, &first[..]].concat(), || now).unwrap_err();
            assert_eq!(over.excess, Excess::Beginning);
        }
    }

    #[test]
    fn frame_of_an_impossible_size_is_told_at_once() {
        for bytes in [frame(2, 0, 4), frame(3, 0, 5), frame(4, 0, 7), frame(4, 1, 6), frame(6, 0, 7), frame(7, 0, 7)] {
            assert_eq!(passing(&bytes), (0, Excess::Size), "type {}", bytes[3]);
        }
    }

    #[test]
    fn answers_and_content_pass_without_end() {
        let (mut meter, now) = begun();
        for bytes in [frame(4, 1, 0), frame(6, 1, 8), frame(0, 0, 1), frame(0, 1, 0), frame(1, 4, 5)] {
            for _ in 0..5000 {
                meter.received(&bytes, || now).unwrap();
            }
        }
    }

    #[test]
    fn client_that_takes_what_we_send_may_say_so() {
        let (mut meter, now) = begun();
        for _ in 0..100_000 {
            meter.sent(&frame(0, 0, 100), || now).unwrap();
            for bytes in [frame(8, 0, 4), frame(8, 0, 4), frame(6, 0, 8)] {
                meter.received(&bytes, || now).unwrap();
            }
        }
    }

    #[test]
    fn client_that_is_answered_may_cancel_as_often() {
        let (mut meter, now) = begun();
        for _ in 0..100_000 {
            meter.sent(&frame(0, FLAG_END_STREAM, 100), || now).unwrap();
            meter.received(&frame(3, 0, 4), || now).unwrap();
        }
    }

    #[test]
    fn resets_we_are_made_to_send_are_counted_and_others_are_not() {
        let (mut meter, now) = begun();
        let reset = |code: u8| [&frame(3, 0, 4)[..12], &[code]].concat();
        for code in [0, 2, 7, 8] {
            for _ in 0..1000 {
                meter.sent(&reset(code), || now).unwrap();
            }
        }
        for _ in 0..Budgets::default().induced_resets.0 {
            meter.sent(&reset(1), || now).unwrap();
        }
        assert_eq!(meter.sent(&reset(5), || now).unwrap_err().excess, Excess::InducedResets);
        assert_eq!(meter.tally().resets_sent, 4101);
        // Time heals.
        meter.sent(&reset(1), || now + Duration::from_secs(1)).unwrap();
    }

    #[test]
    fn place_of_the_excess_is_told() {
        let (mut meter, now) = begun();
        let many = frame(4, 0, 6).repeat(40);
        let over = meter.received(&many, || now).unwrap_err();
        assert_eq!(over, Over { excess: Excess::Settings, at: 31 * 15 + 9 });
    }

    #[test]
    fn block_is_open_until_its_end_comes() {
        let (mut meter, now) = begun();
        meter.received(&frame(1, 0, 3), || now).unwrap();
        assert!(meter.is_mid_block());
        meter.received(&frame(9, 4, 3), || now).unwrap();
        assert!(!meter.is_mid_block());
    }
}
