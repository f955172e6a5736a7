//! Batches between being made and being taken: in memory while all is well, on the disk while the service is away.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use yumen_telemetry::OutputMetrics;

use super::disk::Disk;

/// So many batches wait in memory; a service that is there takes them at once.
const FEW: usize = 8;

/// What is sent in one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Which one it is, counted up.
    pub(super) number: u64,
    /// How many lines are in it.
    pub(super) lines: u64,
    /// The request, not compressed.
    pub(super) body: Vec<u8>,
}

/// All batches that wait. What is in memory is older than what is on the disk.
pub(super) struct Spool {
    state: Mutex<State>,
    /// A batch came.
    pub(super) wake: Notify,
    metrics: Arc<OutputMetrics>,
}

struct State {
    memory: VecDeque<Arc<Batch>>,
    disk: Option<Disk>,
    next: u64,
    /// The service did not take the last batch.
    is_away: bool,
    /// The disk failed the last time; it is said once.
    is_disk_failing: bool,
}

impl Spool {
    /// Goes on with what the disk holds. Without a folder the oldest batches are dropped once memory is full.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub(super) fn open(folder: Option<(PathBuf, u64)>, metrics: Arc<OutputMetrics>) -> Result<Self, String> {
        let disk = folder.map(|(folder, max)| Disk::open(folder, max)).transpose()?;
        let next = disk.as_ref().map_or(0, Disk::next);
        let state = State { memory: VecDeque::new(), disk, next, is_away: false, is_disk_failing: false };
        let spool = Self { state: Mutex::new(state), wake: Notify::new(), metrics };
        spool.tell_size(&spool.lock());
        Ok(spool)
    }

    /// Adds a batch. Blocks for as long as the disk takes.
    pub(super) fn push(&self, lines: u64, body: Vec<u8>) {
        let mut state = self.lock();
        let batch = Batch { number: state.next, lines, body };
        state.next += 1;
        let is_memory = match &state.disk {
            Some(disk) => !state.is_away && disk.is_empty() && state.memory.len() < FEW,
            None => true,
        };
        if is_memory {
            state.memory.push_back(Arc::new(batch));
            if state.memory.len() > FEW
                && let Some(oldest) = state.memory.pop_front()
            {
                self.metrics.drop_some(oldest.lines);
            }
        } else {
            self.spill(&mut state, &batch);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// The oldest batch. Blocks for as long as the disk takes.
    pub(super) fn first(&self) -> Option<Arc<Batch>> {
        let mut state = self.lock();
        if let Some(batch) = state.memory.front() {
            return Some(Arc::clone(batch));
        }
        let (lost, batch) = state.disk.as_mut()?.oldest();
        self.metrics.drop_some(lost);
        self.tell_size(&state);
        batch.map(Arc::new)
    }

    /// A batch was taken, or never will be.
    pub(super) fn done(&self, batch: &Batch) {
        let mut state = self.lock();
        state.memory.retain(|other| other.number != batch.number);
        if let Some(disk) = &mut state.disk {
            disk.remove(batch.number);
        }
        self.tell_size(&state);
    }

    /// The service takes nothing: what is in memory goes to the disk, where it survives this process.
    pub(super) fn away(&self) {
        let mut state = self.lock();
        state.is_away = true;
        if state.disk.is_some() {
            for batch in std::mem::take(&mut state.memory) {
                self.spill(&mut state, &batch);
            }
        }
    }

    /// The service takes batches.
    pub(super) fn back(&self) {
        self.lock().is_away = false;
    }

    /// How many bytes wait on the disk.
    pub(super) fn size(&self) -> u64 {
        self.lock().disk.as_ref().map_or(0, Disk::size)
    }

    /// Lines that no batch holds any more.
    pub(super) fn lose(&self, lines: u64) {
        self.metrics.drop_some(lines);
    }

    fn spill(&self, state: &mut State, batch: &Batch) {
        let Some(disk) = &mut state.disk else {
            self.metrics.drop_some(batch.lines);
            return;
        };
        let (lost, written) = disk.append(batch);
        self.metrics.drop_some(lost);
        match written {
            Ok(()) => state.is_disk_failing = false,
            Err(error) if !state.is_disk_failing => {
                state.is_disk_failing = true;
                tracing::error!("logs cannot be kept on the disk, and are dropped and counted until they can: {error}");
            }
            Err(_) => {}
        }
        self.tell_size(state);
    }

    fn tell_size(&self, state: &State) {
        self.metrics.set_spilled(state.disk.as_ref().map_or(0, Disk::size));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn drain(spool: &Spool) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Some(batch) = spool.first() {
            numbers.push(batch.lines);
            spool.done(&batch);
        }
        numbers
    }

    #[test]
    fn order_is_kept_through_memory_disk_and_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Spool::open(Some((folder.path().join("s"), 1 << 20)), Arc::default()).unwrap();
        let spool = open();
        spool.push(1, b"a".to_vec());
        spool.push(2, b"b".to_vec());
        assert_eq!(spool.size(), 0, "all is well");
        spool.away();
        spool.push(3, b"c".to_vec());
        assert!(spool.size() > 0);
        drop(spool);
        let spool = open();
        spool.push(4, b"d".to_vec());
        assert_eq!(drain(&spool), [1, 2, 3, 4]);
        spool.push(5, b"e".to_vec());
        assert_eq!((spool.size(), drain(&spool)), (0, vec![5]));
    }

    #[test]
    fn without_a_disk_the_oldest_are_dropped_and_counted() {
        let metrics = Arc::new(OutputMetrics::default());
        let spool = Spool::open(None, Arc::clone(&metrics)).unwrap();
        spool.away();
        for lines in 1..=FEW as u64 + 2 {
            spool.push(lines, Vec::new());
        }
        assert_eq!(metrics.dropped(), 1 + 2);
        assert_eq!(drain(&spool).first(), Some(&3));
    }
}
