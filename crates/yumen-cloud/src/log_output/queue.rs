//! Between workers, which never wait, and whoever sends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use yumen_telemetry::{OutputMetrics, Tap};

/// So many bytes of lines wait in memory; what comes then is dropped and counted.
const ROOM: usize = 8 << 20;

/// Lines on their way to a batch.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Something came.
    pub(super) wake: Notify,
    metrics: Arc<OutputMetrics>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    count: u64,
}

impl Queue {
    pub(super) fn new(metrics: Arc<OutputMetrics>) -> Self {
        Self { waiting: Mutex::default(), wake: Notify::new(), metrics }
    }

    /// How many bytes wait.
    pub(super) fn size(&self) -> usize {
        self.lock().lines.len()
    }

    /// All that waits: lines, and how many.
    pub(super) fn take_all(&self) -> (Vec<u8>, u64) {
        let Waiting { lines, count } = std::mem::take(&mut *self.lock());
        (lines, count)
    }

    /// Held for a copy of some kilobytes at most, so that workers do not wait for it.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap for Queue {
    fn take(&self, lines: &[u8], count: u64) {
        let mut waiting = self.lock();
        if waiting.lines.len() + lines.len() > ROOM {
            drop(waiting);
            self.metrics.drop_some(count);
            return;
        }
        waiting.lines.extend_from_slice(lines);
        waiting.count += count;
        drop(waiting);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_room_are_dropped_and_counted() {
        let metrics = Arc::new(OutputMetrics::default());
        let queue = Queue::new(Arc::clone(&metrics));
        let chunk = vec![b'x'; ROOM / 2];
        for _ in 0..3 {
            queue.take(&chunk, 10);
        }
        assert_eq!((queue.size(), metrics.dropped()), (ROOM, 10));
        assert_eq!(queue.take_all().1, 20);
        queue.take(b"x\n", 1);
        assert_eq!(queue.take_all(), (b"x\n".to_vec(), 1));
    }
}
