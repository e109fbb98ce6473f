//! Runs the openCypher TCK: `cargo run --release -p sinew-tests --bin tck -- --features DIR [--failures] [--filter TEXT]`.
//!
//! Strict on results, order, side effects and error type, phase and detail. Every scenario has a database of its own and
//! a time limit; a panic fails its scenario only. The last line is `tck: P passed, F failed, S skipped`.
#![allow(clippy::print_stdout)] // The report is what the program is for.

#[path = "../tck/mod.rs"]
mod tck;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use clap::Parser;

use tck::gherkin::{Scenario, read_features};
use tck::runner::{Outcome, run};

const FEATURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/opencypher-tck/features");

/// Runs openCypher TCK scenarios.
#[derive(Parser)]
struct Options {
    /// Directory of .feature files; named graphs are in `graphs` beside it.
    #[arg(long, default_value = FEATURES)]
    features: PathBuf,
    /// List failed scenarios with reasons.
    #[arg(long)]
    failures: bool,
    /// List skipped scenarios with reasons.
    #[arg(long)]
    skipped: bool,
    /// Only scenarios whose "folder/file name" contains this text.
    #[arg(long)]
    filter: Option<String>,
    /// Worker threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Time limit of one scenario, in milliseconds.
    #[arg(long, default_value_t = 20_000)]
    time_limit_ms: u64,
}

/// In a thread of its own, so that one that hangs can be left behind.
fn run_limited(scenario: &Arc<Scenario>, graphs: &Path, time_limit: Duration) -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let (scenario, graphs) = (Arc::clone(scenario), graphs.to_owned());
    let body = move || {
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| run(&scenario, &graphs)));
        let outcome = outcome.unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<String>().cloned();
            let message = message.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Outcome::Failed(format!("panicked: {}", message.unwrap_or_default()))
        });
        // The receiver is gone when the time limit has passed.
        let _ = sender.send(outcome);
    };
    match std::thread::Builder::new().stack_size(16 << 20).spawn(body) {
        Ok(_) => receiver
            .recv_timeout(time_limit)
            .unwrap_or_else(|_| Outcome::Failed(format!("not finished within {} ms", time_limit.as_millis()))),
        Err(error) => Outcome::Failed(format!("cannot start a thread: {error}")),
    }
}

fn main() -> std::process::ExitCode {
    let options = Options::parse();
    let mut scenarios = match read_features(&options.features) {
        Ok(scenarios) => scenarios,
        Err(error) => {
            println!("cannot read features: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    if let Some(filter) = &options.filter {
        scenarios.retain(|scenario| title(scenario).contains(filter.as_str()));
    }
    // Panics are reported with their scenario.
    std::panic::set_hook(Box::new(|_| {}));
    let graphs = options.features.join("../graphs");
    let scenarios: Vec<Arc<Scenario>> = scenarios.into_iter().map(Arc::new).collect();
    let outcomes: Mutex<Vec<Option<Outcome>>> = Mutex::new(vec![None; scenarios.len()]);
    let next = AtomicUsize::new(0);
    let time_limit = Duration::from_millis(options.time_limit_ms);
    std::thread::scope(|scope| {
        for _ in 0..options.threads.max(1) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(scenario) = scenarios.get(index) else { return };
                    let outcome = run_limited(scenario, &graphs, time_limit);
                    if let Ok(mut outcomes) = outcomes.lock() {
                        outcomes[index] = Some(outcome);
                    }
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report(&options, &scenarios, &outcomes);
    std::process::ExitCode::SUCCESS
}

fn title(scenario: &Scenario) -> String {
    format!("{}/{} {}", scenario.folder, scenario.file, scenario.name)
}

fn report(options: &Options, scenarios: &[Arc<Scenario>], outcomes: &[Option<Outcome>]) {
    let mut folders: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut total = [0; 3];
    for (scenario, outcome) in scenarios.iter().zip(outcomes) {
        let column = match outcome {
            Some(Outcome::Passed) => 0,
            Some(Outcome::Failed(reason)) => {
                if options.failures {
                    println!("FAILED {}\n    {reason}", title(scenario));
                }
                1
            }
            Some(Outcome::Skipped(reason)) => {
                if options.skipped {
                    println!("SKIPPED {}\n    {reason}", title(scenario));
                }
                2
            }
            None => 1,
        };
        folders.entry(&scenario.folder).or_default()[column] += 1;
        total[column] += 1;
    }
    println!("{:<40} {:>7} {:>7} {:>7}", "folder", "passed", "failed", "skipped");
    for (folder, [passed, failed, skipped]) in folders {
        println!("{folder:<40} {passed:>7} {failed:>7} {skipped:>7}");
    }
    let [passed, failed, skipped] = total;
    println!("tck: {passed} passed, {failed} failed, {skipped} skipped");
}
