//! Counters, gauges and histograms that a worker updates without meeting anybody.
//!
//! The metrics of one subject (a route, an upstream) share a block: per worker one stripe of cells on cache lines of
//! its own, allocated by the worker that first counts into it. A route that nobody asks for costs no stripes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The shard for threads that are not workers (health checks, reloads). They share one stripe.
pub const ELSEWHERE: usize = usize::MAX;

/// Upper bounds of the duration buckets, in nanoseconds, and as they are rendered, in seconds.
pub const BUCKETS: [(u64, &str); 15] = [
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
    (30_000_000_000, "30"),
];

/// Cells a histogram takes: its buckets, the one above them, and the sum.
pub(crate) const HISTOGRAM_CELLS: usize = BUCKETS.len() + 2;

/// Two cache lines: processors fetch them in pairs.
#[repr(align(128))]
#[derive(Default)]
struct Line([AtomicU64; Self::CELLS]);

impl Line {
    const CELLS: usize = 16;
}

/// The cells of one subject, a stripe per worker and one for everybody else.
pub(crate) struct Block {
    cells: usize,
    stripes: Box<[OnceLock<Box<[Line]>>]>,
}

impl Block {
    fn cell(&self, shard: usize, at: usize) -> &AtomicU64 {
        let last = self.stripes.len() - 1;
        let stripe = self.stripes[shard.min(last)]
            .get_or_init(|| (0..self.cells.div_ceil(Line::CELLS)).map(|_| Line::default()).collect());
        &stripe[at / Line::CELLS].0[at % Line::CELLS]
    }

    fn sum(&self, at: usize) -> u64 {
        let cells = self.stripes.iter().filter_map(OnceLock::get).map(|s| &s[at / Line::CELLS].0[at % Line::CELLS]);
        cells.fold(0, |sum, cell| sum.wrapping_add(cell.load(Ordering::Relaxed)))
    }

    /// Whether anybody ever counted.
    pub(crate) fn is_touched(&self) -> bool {
        self.stripes.iter().any(|s| s.get().is_some())
    }
}

/// Hands out the cells of a block, one metric after the other.
pub(crate) struct Carver {
    block: Arc<Block>,
    next: usize,
}

impl Carver {
    /// A block of `cells` cells for `shards` workers.
    pub(crate) fn new(shards: usize, cells: usize) -> Self {
        let stripes = (0..=shards).map(|_| OnceLock::new()).collect();
        Self { block: Arc::new(Block { cells, stripes }), next: 0 }
    }

    pub(crate) fn block(&self) -> Arc<Block> {
        Arc::clone(&self.block)
    }

    pub(crate) fn counter(&mut self) -> Counter {
        Counter { block: self.block(), at: self.take(1) }
    }

    pub(crate) fn gauge(&mut self) -> Gauge {
        Gauge { block: self.block(), at: self.take(1) }
    }

    pub(crate) fn histogram(&mut self) -> Histogram {
        Histogram { block: self.block(), at: self.take(HISTOGRAM_CELLS) }
    }

    fn take(&mut self, cells: usize) -> usize {
        let at = self.next;
        self.next += cells;
        assert!(self.next <= self.block.cells, "a metrics block was declared too small");
        at
    }
}

/// A number that only grows.
pub struct Counter {
    block: Arc<Block>,
    at: usize,
}

impl Counter {
    /// Adds `n`. `shard` is the worker's index; anything beyond the last worker counts as [`ELSEWHERE`].
    #[inline]
    pub fn add(&self, shard: usize, n: u64) {
        self.block.cell(shard, self.at).fetch_add(n, Ordering::Relaxed);
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self, shard: usize) {
        self.add(shard, 1);
    }

    /// The sum over all shards.
    pub fn value(&self) -> u64 {
        self.block.sum(self.at)
    }
}

/// A number that goes up and down; what is seen is the sum over all shards, so a worker may add in one place and take
/// away in another, but must stay with its own shard when it uses [`Gauge::set`].
pub struct Gauge {
    block: Arc<Block>,
    at: usize,
}

impl Gauge {
    /// Adds `n`, which may be negative.
    #[inline]
    pub fn add(&self, shard: usize, n: i64) {
        self.block.cell(shard, self.at).fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self, shard: usize) {
        self.add(shard, 1);
    }

    /// Takes one away.
    #[inline]
    pub fn dec(&self, shard: usize) {
        self.add(shard, -1);
    }

    /// Sets what this shard contributes to the sum.
    #[inline]
    pub fn set(&self, shard: usize, value: i64) {
        self.block.cell(shard, self.at).store(value as u64, Ordering::Relaxed);
    }

    /// The sum over all shards.
    pub fn value(&self) -> i64 {
        self.block.sum(self.at) as i64
    }
}

/// A number that somebody sets as a whole, from any thread.
#[derive(Default)]
pub struct Level(AtomicU64);

impl Level {
    /// Sets it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number as last set; 0 before.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How durations are spread over the fixed [`BUCKETS`].
pub struct Histogram {
    block: Arc<Block>,
    at: usize,
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// Observations per bucket, not cumulated; the last is above every bound.
    pub buckets: [u64; BUCKETS.len() + 1],
    /// The sum of all observations.
    pub sum: Duration,
}

impl Histogram {
    /// Counts one duration.
    #[inline]
    pub fn observe(&self, shard: usize, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|(bound, _)| nanos <= *bound).unwrap_or(BUCKETS.len());
        self.block.cell(shard, self.at + bucket).fetch_add(1, Ordering::Relaxed);
        self.block.cell(shard, self.at + HISTOGRAM_CELLS - 1).fetch_add(nanos, Ordering::Relaxed);
    }

    /// The sums over all shards.
    pub fn value(&self) -> Spread {
        let sum = Duration::from_nanos(self.block.sum(self.at + HISTOGRAM_CELLS - 1));
        Spread { buckets: std::array::from_fn(|i| self.block.sum(self.at + i)), sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up_across_threads() {
        let mut carver = Carver::new(4, 2);
        let (counter, gauge) = (carver.counter(), carver.gauge());
        std::thread::scope(|scope| {
            for shard in (0..6).chain([ELSEWHERE]) {
                let (counter, gauge) = (&counter, &gauge);
                scope.spawn(move || {
                    for _ in 0..10_000 {
                        counter.inc(shard);
                        gauge.add(shard, 2);
                        gauge.dec(ELSEWHERE);
                    }
                });
            }
        });
        assert_eq!(counter.value(), 70_000);
        assert_eq!(gauge.value(), 70_000);
    }

    #[test]
    fn gauge_below_zero_in_one_shard_still_sums_up() {
        let gauge = Carver::new(2, 1).gauge();
        gauge.set(0, 5);
        gauge.add(1, -3);
        assert_eq!(gauge.value(), 2);
        gauge.set(0, 1);
        assert_eq!(gauge.value(), -2);
    }

    #[test]
    fn histogram_bounds_are_inclusive_and_the_sum_is_exact() {
        let histogram = Carver::new(1, HISTOGRAM_CELLS).histogram();
        for nanos in [0, 500_000, 500_001, 30_000_000_000, 30_000_000_001] {
            histogram.observe(0, Duration::from_nanos(nanos));
        }
        let spread = histogram.value();
        assert_eq!((spread.buckets[0], spread.buckets[1], spread.buckets[14], spread.buckets[15]), (2, 1, 1, 1));
        assert_eq!(spread.sum, Duration::from_nanos(60_001_000_002));
    }

    #[test]
    fn rendered_bounds_are_the_bounds_that_are_counted() {
        for (nanos, text) in BUCKETS {
            let seconds: f64 = text.parse().unwrap_or(f64::NAN);
            assert!((seconds * 1e9 - nanos as f64).abs() < 0.5, "{text}");
        }
    }

    #[test]
    fn subject_nobody_counted_for_has_no_stripes() {
        let mut carver = Carver::new(64, 1);
        let block = carver.block();
        let counter = carver.counter();
        assert_eq!((counter.value(), block.is_touched()), (0, false));
        counter.inc(3);
        assert!(block.is_touched());
    }
}
