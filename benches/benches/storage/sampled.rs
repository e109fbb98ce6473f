//! Criterion's samples, kept to print ratios of medians.

use std::hint::black_box;
use std::time::Instant;

use criterion::Bencher;
use sinew_benches::measure::{Figure, median, print_ratio};

/// Samples that each benchmark takes after its warm-up.
pub const SAMPLE_COUNT: usize = 50;

/// Time per call of one benchmark, in nanoseconds, sample by sample.
#[derive(Default)]
pub struct Samples {
    per_call_ns: Vec<f64>,
}

impl Samples {
    /// Lets criterion time `routine` and keeps what it gets. Criterion calls this once a sample.
    pub fn time<O>(&mut self, bencher: &mut Bencher<'_>, mut routine: impl FnMut() -> O) {
        bencher.iter_custom(|call_count| {
            let started = Instant::now();
            for _ in 0..call_count {
                black_box(routine());
            }
            let elapsed = started.elapsed();
            self.per_call_ns.push(elapsed.as_nanos() as f64 / call_count as f64);
            elapsed
        });
    }

    /// None when the benchmark was filtered out or only tested.
    pub fn median(&self) -> Option<Figure> {
        // The samples of the warm-up come first.
        let warm_up_count = self.per_call_ns.len().checked_sub(SAMPLE_COUNT)?;
        Some(Figure::TimeNs(median(self.per_call_ns[warm_up_count..].iter().copied())))
    }

    /// Prints how these samples compare with those of the reference, if both were taken.
    pub fn print_ratio_to(&self, reference: &Samples, name: &str) {
        if let (Some(ours), Some(reference)) = (self.median(), reference.median()) {
            print_ratio(name, ours, reference);
        }
    }
}
