//! Measuring with several threads, and printing what was measured.
//!
//! A round calls the same work on every thread, again and again, and times each call. Figures are medians of several
//! rounds, and rounds of what is compared alternate, since the machine may be shared.

use std::fmt;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::process::thread_on_cpu;

/// What one round of timed calls gave.
pub struct Round {
    /// From the start to the end of the last call.
    pub elapsed: Duration,
    thread_count: usize,
    /// Of each call, ascending.
    latencies_ns: Vec<u64>,
    /// Time all threads together ran on a core.
    on_cpu: Option<Duration>,
}

impl Round {
    pub fn call_count(&self) -> usize {
        self.latencies_ns.len()
    }

    pub fn per_second(&self) -> f64 {
        self.latencies_ns.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that `fraction` of the calls did not exceed; 0 when there were none.
    pub fn percentile_ns(&self, fraction: f64) -> f64 {
        let rank = (fraction * self.latencies_ns.len() as f64).ceil() as usize;
        self.latencies_ns.get(rank.saturating_sub(1)).map_or(0.0, |latency| *latency as f64)
    }

    pub fn longest_ns(&self) -> f64 {
        self.percentile_ns(1.0)
    }

    /// Part of the round that a thread ran on a core, from 0.0 to 1.0, on average; NaN where the kernel does not tell.
    pub fn cpu_share(&self) -> f64 {
        let available = self.elapsed.as_secs_f64() * self.thread_count as f64;
        self.on_cpu.map_or(f64::NAN, |on_cpu| on_cpu.as_secs_f64() / available)
    }
}

/// Ends the workers also when the foreground panics.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `foreground` while `thread_count` threads call their work. `worker` makes the work of each thread, by number.
pub fn while_running<W: FnMut(), T>(
    thread_count: usize,
    worker: impl Fn(usize) -> W + Sync,
    foreground: impl FnOnce() -> T,
) -> (Round, T) {
    let stop = AtomicBool::new(false);
    let ready = Barrier::new(thread_count + 1);
    let (worker, stop, ready) = (&worker, &stop, &ready);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..thread_count)
            .map(|number| {
                scope.spawn(move || {
                    let mut work = worker(number);
                    let mut latencies_ns = Vec::with_capacity(1 << 16);
                    ready.wait();
                    let on_cpu_before = thread_on_cpu();
                    while !stop.load(Ordering::Relaxed) {
                        let started = Instant::now();
                        work();
                        latencies_ns.push(started.elapsed().as_nanos() as u64);
                    }
                    let on_cpu = on_cpu_before.and_then(|before| thread_on_cpu()?.checked_sub(before));
                    (latencies_ns, on_cpu)
                })
            })
            .collect();
        let stopper = StopOnDrop(stop);
        ready.wait();
        let started = Instant::now();
        let value = foreground();
        drop(stopper);
        let mut latencies_ns = Vec::new();
        let mut on_cpu = Some(Duration::ZERO);
        for thread in threads {
            let (latencies, on_cpu_of_thread) = thread.join().expect("a worker panicked");
            latencies_ns.extend(latencies);
            on_cpu = on_cpu.zip(on_cpu_of_thread).map(|(sum, one)| sum + one);
        }
        let elapsed = started.elapsed();
        latencies_ns.sort_unstable();
        (Round { elapsed, thread_count, latencies_ns, on_cpu }, value)
    })
}

/// As [`while_running`], for a time.
pub fn run_for<W: FnMut()>(thread_count: usize, time: Duration, worker: impl Fn(usize) -> W + Sync) -> Round {
    while_running(thread_count, worker, || std::thread::sleep(time)).0
}

/// The middle value; the upper one of two.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median over rounds of what `figure` takes from each.
pub fn median_of(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    median(rounds.iter().map(figure))
}

/// A measured value with its unit.
#[derive(Clone, Copy)]
pub enum Figure {
    TimeNs(f64),
    PerSecond(f64),
    Bytes(f64),
}

impl Figure {
    fn value(self) -> f64 {
        match self {
            Figure::TimeNs(value) | Figure::PerSecond(value) | Figure::Bytes(value) => value,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match *self {
            Figure::TimeNs(value) if value < 1e3 => format!("{value:.0} ns"),
            Figure::TimeNs(value) if value < 1e6 => format!("{:.2} µs", value / 1e3),
            Figure::TimeNs(value) if value < 1e9 => format!("{:.2} ms", value / 1e6),
            Figure::TimeNs(value) => format!("{:.2} s", value / 1e9),
            Figure::PerSecond(value) => format!("{value:.0}/s"),
            Figure::Bytes(value) => format!("{:.0} MiB", value / f64::from(1 << 20)),
        };
        f.pad(&text)
    }
}

/// The line from which a bar is read off.
pub fn print_ratio(name: &str, ours: Figure, reference: Figure) {
    println!("ratio: {name}: {ours} / {reference} = {:.2}", ours.value() / reference.value());
}

/// Throughput and latencies of one way of doing something, as medians over its rounds.
pub fn print_rounds(name: &str, thread_count: usize, rounds: &[Round]) {
    println!(
        "  {name:<8} {thread_count:>3} threads  {:>9}  p50 {:>9}  p99 {:>9}  longest {:>9}",
        Figure::PerSecond(median_of(rounds, Round::per_second)),
        Figure::TimeNs(median_of(rounds, |round| round.percentile_ns(0.5))),
        Figure::TimeNs(median_of(rounds, |round| round.percentile_ns(0.99))),
        Figure::TimeNs(median_of(rounds, Round::longest_ns)),
    );
}
