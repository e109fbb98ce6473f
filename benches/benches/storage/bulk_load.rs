//! Loads in one transaction: rows per second beside redb's cursor, and peak memory.
//!
//! Peak memory is a figure of the whole process, so each load whose memory is read runs in a child: this program with
//! other arguments.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use sinew_benches::disk::scratch;
use sinew_benches::measure::{Figure, median, print_ratio};
use sinew_benches::process::peak_resident_bytes;
use sinew_benches::{fill_raw, fill_store, open_raw, open_store};

use crate::ROUNDS;

const ROWS: u64 = 1_000_000;
const LARGE_ROWS: u64 = 10_000_000;
/// Set to anything but the empty string, the memory of the large load is measured too.
const LARGE_VARIABLE: &str = "SINEW_BENCH_LARGE";
/// First argument of a child; the others are engine, row count and directory.
const CHILD_ARGUMENT: &str = "--bulk-load-child";

/// An engine's name and its load of so many rows within a directory; gives the time from begin to durable.
type Engine = (&'static str, fn(&Path, u64) -> Duration);

const SINEW: Engine = ("sinew", load_sinew);
const REDB: Engine = ("redb", load_raw);

fn load_sinew(root: &Path, row_count: u64) -> Duration {
    let directory = scratch(root);
    let (store, table) = open_store(directory.path());
    let started = Instant::now();
    fill_store(&store, &table, row_count);
    started.elapsed()
}

fn load_raw(root: &Path, row_count: u64) -> Duration {
    let directory = scratch(root);
    let raw = open_raw(&directory.path().join("raw.redb"));
    let started = Instant::now();
    fill_raw(&raw, 0, row_count);
    started.elapsed()
}

pub fn bench(root: &Path) {
    println!("\nbulk_load: {ROWS} rows of 8 + 100 bytes in one transaction, medians of {ROUNDS} rounds");
    let (mut ours, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for ((_, load), rates) in [(SINEW, &mut ours), (REDB, &mut raw)] {
            rates.push(ROWS as f64 / load(root, ROWS).as_secs_f64());
        }
    }
    print_ratio("bulk_load", Figure::PerSecond(median(ours)), Figure::PerSecond(median(raw)));

    let is_large = std::env::var_os(LARGE_VARIABLE).is_some_and(|value| !value.is_empty());
    let row_counts: &[u64] = if is_large { &[ROWS, LARGE_ROWS] } else { &[ROWS] };
    let mut peaks = Vec::new();
    for row_count in row_counts {
        let peak = |(name, _): Engine| {
            let peak = peak_of_child(name, *row_count, root);
            match &peak {
                Ok(bytes) => println!("  peak memory of {name} with {row_count} rows: {}", Figure::Bytes(*bytes)),
                Err(error) => println!("  peak memory of {name} with {row_count} rows: failed: {error}"),
            }
            peak
        };
        let (ours, raw) = (peak(SINEW), peak(REDB));
        if let (Ok(ours), Ok(raw)) = (&ours, &raw) {
            print_ratio(&format!("bulk_load_memory_{row_count}"), Figure::Bytes(*ours), Figure::Bytes(*raw));
        }
        peaks.extend(ours);
    }
    if let [small, large] = peaks[..] {
        print_ratio("bulk_load_memory_10m_to_1m", Figure::Bytes(large), Figure::Bytes(small));
    }
}

/// Peak memory of a process that loads so many rows, in bytes. Errors with what the process said.
fn peak_of_child(engine: &str, row_count: u64, root: &Path) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args([CHILD_ARGUMENT, engine, &row_count.to_string()])
        .arg(root)
        .output()
        .map_err(|error| error.to_string())?;
    let answer = String::from_utf8_lossy(&output.stdout);
    match answer.trim().parse() {
        Ok(bytes) if output.status.success() => Ok(bytes),
        _ => Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Does a child's work when this process is one: loads, and prints its peak memory in bytes.
pub fn run_as_child() -> Option<ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [first, engine, row_count, root] = &arguments[..] else { return None };
    if first != CHILD_ARGUMENT {
        return None;
    }
    let load = [SINEW, REDB].into_iter().find(|(name, _)| engine == name).map(|(_, load)| load);
    let row_count = row_count.to_str().and_then(|row_count| row_count.parse().ok());
    let (Some(load), Some(row_count)) = (load, row_count) else {
        eprintln!("{CHILD_ARGUMENT} takes an engine, a row count and a directory");
        return Some(ExitCode::FAILURE);
    };
    load(Path::new(root), row_count);
    match peak_resident_bytes() {
        Some(bytes) => println!("{bytes}"),
        None => {
            eprintln!("the kernel does not tell");
            return Some(ExitCode::FAILURE);
        }
    }
    Some(ExitCode::SUCCESS)
}
