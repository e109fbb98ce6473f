//! Histograms of what committing costs, counted without locks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the time buckets, in microseconds.
const TIME_BOUNDS_US: &[u64] =
    &[50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];
/// Upper bounds of the buckets of batch sizes, in write sets.
const BATCH_BOUNDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/// More than either has, one for what lies above the last bound included.
const MAX_BUCKETS: usize = 16;

/// Counts of observed values by bucket.
pub(crate) struct Histogram {
    bounds: &'static [u64],
    counts: [AtomicU64; MAX_BUCKETS],
    sum: AtomicU64,
}

/// A histogram as of one moment.
#[derive(Clone, Debug, Default)]
pub struct HistogramStats {
    /// Upper bounds, ascending, and how many values lie at or below each but above the one before.
    pub buckets: Vec<(u64, u64)>,
    /// All values, those above the last bound included.
    pub count: u64,
    pub sum: u64,
}

impl Histogram {
    fn new(bounds: &'static [u64]) -> Histogram {
        debug_assert!(bounds.len() < MAX_BUCKETS);
        Histogram { bounds, counts: Default::default(), sum: AtomicU64::new(0) }
    }

    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub fn observe_time(&self, time: Duration) {
        self.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub fn stats(&self) -> HistogramStats {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        HistogramStats {
            buckets: self.bounds.iter().copied().zip(counts.iter().copied()).collect(),
            count: counts.iter().sum(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

/// What is measured of commits.
pub(crate) struct Timings {
    /// From handing a write set over to its answer, in microseconds.
    pub commit: Histogram,
    /// Of making the log durable, in microseconds.
    pub log_sync: Histogram,
    /// Write sets per batch.
    pub batch: Histogram,
}

impl Default for Timings {
    fn default() -> Timings {
        Timings {
            commit: Histogram::new(TIME_BOUNDS_US),
            log_sync: Histogram::new(TIME_BOUNDS_US),
            batch: Histogram::new(BATCH_BOUNDS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_bucket_of_the_next_bound() {
        let histogram = Histogram::new(BATCH_BOUNDS);
        [0, 1, 2, 3, 512, 513, 9_999].iter().for_each(|value| histogram.observe(*value));
        let stats = histogram.stats();
        let counts: Vec<u64> = stats.buckets.iter().map(|bucket| bucket.1).collect();
        assert_eq!(counts, [2, 1, 1, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!((stats.count, stats.sum), (7, 11_030));
        assert!(TIME_BOUNDS_US.len() < MAX_BUCKETS && TIME_BOUNDS_US.is_sorted());
    }
}
