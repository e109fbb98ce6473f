//! The store beside raw redb and a bare append, in one run and with equal durability. What counts is the ratio, which
//! each group prints at its end; docs/benchmarks.md says what each one means.
//!
//! Criterion measures what takes one thread and microseconds; the other groups measure themselves in rounds. One filter
//! argument selects among both.

mod bulk_load;
mod commits;
mod committers;
mod readers;
mod reads;
mod sampled;
mod stall;
mod tpcb;

use std::path::Path;
use std::process::ExitCode;

use criterion::Criterion;
use sinew_benches::disk::{bench_root, file_system, is_in_memory};
use sinew_benches::selection::Selection;

/// Rows that are there before reads and small commits are measured.
const ROWS: u64 = 100_000;
/// Rounds of which medians are taken.
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    if let Some(exit_code) = bulk_load::run_as_child() {
        return exit_code;
    }
    let selection = Selection::from_arguments(std::env::args().skip(1));
    let root = match bench_root(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(root) => root,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let file_system = file_system(&root).unwrap_or_else(|| "unknown".to_owned());
    if selection.is_measuring() {
        if is_in_memory(&file_system) {
            eprintln!(
                "{} is on {file_system}, where durability costs nothing; name a directory on a disk in SINEW_BENCH_DIR",
                root.display()
            );
            return ExitCode::FAILURE;
        }
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("data in {} ({file_system}), {cores} cores", root.display());
    }

    let mut criterion = Criterion::default().configure_from_args();
    reads::bench(&mut criterion, &root);
    commits::bench(&mut criterion, &root);
    criterion.final_summary();

    let groups: [(&str, fn(&Path)); 5] = [
        ("committers", committers::bench),
        ("tpcb", tpcb::bench),
        ("bulk_load", bulk_load::bench),
        ("stall", stall::bench),
        ("readers", readers::bench),
    ];
    for (name, bench) in groups {
        if selection.includes(name) {
            bench(&root);
        }
    }
    ExitCode::SUCCESS
}
