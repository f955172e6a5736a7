//! One worker's end of the access log.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use yumen_core::Exchange;

use super::record::{Record, StreamRecord};
use super::{Message, Mode, Shared, json, text};
use crate::civil::WallClock;

/// A buffer of this many bytes is handed over.
const FULL: usize = 32 * 1024;

/// Nearly every line is shorter than this, so it is written without growing the buffer on the way.
const USUAL: usize = 1024;

/// How many written buffers may wait to be used again.
const SPARE: usize = 8;

/// One worker's end of the access log: formats lines, hands over whole buffers, never waits.
pub struct WorkerLog {
    shard: usize,
    shared: Arc<Shared>,
    sender: SyncSender<Message>,
    home: SyncSender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
    open: RefCell<Open>,
}

/// The buffer being filled.
struct Open {
    buffer: Vec<u8>,
    lines: u64,
    /// The lines for taps, always as JSON.
    copy: Vec<u8>,
    copied: u64,
    clock: WallClock,
}

impl WorkerLog {
    pub(super) fn new(shard: usize, shared: Arc<Shared>, sender: SyncSender<Message>) -> Self {
        let (home, spare) = sync_channel(SPARE);
        let open =
            RefCell::new(Open { buffer: Vec::new(), lines: 0, copy: Vec::new(), copied: 0, clock: WallClock::new() });
        Self { shard, shared, sender, home, spare, open }
    }

    /// The index of the worker.
    pub fn shard(&self) -> usize {
        self.shard
    }

    /// Whether lines go anywhere.
    pub fn is_on(&self) -> bool {
        self.shared.mode() != Mode::Off || self.shared.is_tapped()
    }

    /// Writes the line of an exchange that is over.
    pub fn write(&self, exchange: &Exchange) {
        if self.is_on() {
            self.put(self.shared.mode(), &Record::from(exchange));
        }
    }

    /// Writes the line of a stream that is over.
    pub fn write_stream(&self, stream: &StreamRecord<'_>) {
        if self.is_on() {
            self.put(self.shared.mode(), &Record::from(stream));
        }
    }

    /// Hands over what was written since; called by the worker's tick every 200 ms.
    pub fn flush(&self) {
        let mut open = self.open.borrow_mut();
        open.clock.anchor();
        self.hand_over(&mut open);
    }

    fn put(&self, mode: Mode, record: &Record<'_>) {
        let mut open = self.open.borrow_mut();
        let Open { buffer, lines, copy, copied, clock } = &mut *open;
        let begin = buffer.len();
        if mode != Mode::Off {
            buffer.reserve(USUAL);
            *lines += 1;
        }
        match mode {
            Mode::Off => {}
            Mode::Json => json::write(buffer, record, clock),
            Mode::Text | Mode::Colour => text::write(buffer, record, clock, mode == Mode::Colour),
        }
        if self.shared.is_tapped() {
            match (mode, buffer.get(begin..)) {
                (Mode::Json, Some(line)) => copy.extend_from_slice(line),
                _ => json::write(copy, record, clock),
            }
            *copied += 1;
        }
        if buffer.len() >= FULL || copy.len() >= FULL {
            self.hand_over(&mut open);
        }
    }

    fn hand_over(&self, open: &mut Open) {
        if open.copied != 0 {
            self.shared.feed(&open.copy, open.copied);
            open.copy.clear();
            open.copied = 0;
        }
        if open.lines == 0 {
            return;
        }
        let next = self.spare.try_recv().unwrap_or_default();
        let buffer = std::mem::replace(&mut open.buffer, next);
        let lines = std::mem::take(&mut open.lines);
        let message = Message::Lines { buffer, lines, home: self.home.clone() };
        if let Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) = self.sender.try_send(message) {
            self.shared.drop_lines(lines);
            if let Message::Lines { mut buffer, .. } = back {
                buffer.clear();
                open.buffer = buffer;
            }
        }
    }
}

impl Drop for WorkerLog {
    fn drop(&mut self) {
        self.flush();
    }
}
