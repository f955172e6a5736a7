//! What is counted about outputs: where lines and samples go beside the disk and the page of metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalogue::{self as c, Family};
use crate::page::Page;

/// What an output carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carries {
    /// Lines of the access log.
    Lines,
    /// Samples of metrics.
    Samples,
}

/// What is counted about an output. It is counted on the control side, so nothing is sharded.
#[derive(Debug, Default)]
pub struct OutputMetrics {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    dropped: AtomicU64,
    spilled: AtomicU64,
}

impl OutputMetrics {
    /// So much was taken by who receives it.
    pub fn sent(&self, count: u64, bytes: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So much will never be sent.
    pub fn drop_some(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// So many bytes wait on the disk.
    pub fn set_spilled(&self, bytes: u64) {
        self.spilled.store(bytes, Ordering::Relaxed);
    }

    /// How much was dropped since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How much was sent since the start.
    pub fn total(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// All outputs of the process.
#[derive(Debug, Default)]
pub(crate) struct Outputs(Mutex<BTreeMap<(Carries, String), Arc<OutputMetrics>>>);

impl Outputs {
    pub(crate) fn take(&self, carries: Carries, name: &str) -> Arc<OutputMetrics> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry((carries, name.to_owned())).or_default())
    }

    /// Outputs that nobody holds any more are told once more and then forgotten.
    pub(crate) fn render(&self, page: &mut Page) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        type Value = fn(&OutputMetrics) -> &AtomicU64;
        let families: [(Carries, &Family, Value); 7] = [
            (Carries::Lines, &c::LOG_OUTPUT_SENT, |m| &m.sent),
            (Carries::Lines, &c::LOG_OUTPUT_SENT_BYTES, |m| &m.sent_bytes),
            (Carries::Lines, &c::LOG_OUTPUT_DROPPED, |m| &m.dropped),
            (Carries::Lines, &c::LOG_OUTPUT_SPILLED, |m| &m.spilled),
            (Carries::Samples, &c::METRIC_OUTPUT_SENT, |m| &m.sent),
            (Carries::Samples, &c::METRIC_OUTPUT_SENT_BYTES, |m| &m.sent_bytes),
            (Carries::Samples, &c::METRIC_OUTPUT_DROPPED, |m| &m.dropped),
        ];
        for (carries, family, value) in families {
            page.family(family);
            for ((_, name), metrics) in known.iter().filter(|((kind, _), _)| *kind == carries) {
                page.sample(family, &[name], value(metrics).load(Ordering::Relaxed));
            }
        }
        known.retain(|_, metrics| Arc::strong_count(metrics) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_told_once_more_after_it_is_gone() {
        let outputs = Outputs::default();
        let lines = outputs.take(Carries::Lines, "sls");
        lines.sent(2, 100);
        lines.drop_some(1);
        let render = || {
            let mut page = Page::new();
            outputs.render(&mut page);
            page.finish()
        };
        assert!(render().contains("yumen_log_output_sent_lines_total{name=\"sls\"} 2\n"));
        drop(lines);
        assert!(render().contains("yumen_log_output_dropped_lines_total{name=\"sls\"} 1\n"));
        assert!(!render().contains("name=\"sls\""));
    }
}
