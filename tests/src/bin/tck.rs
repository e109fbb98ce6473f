//! Runs the openCypher TCK: `cargo run --release -p sinew-tests --bin tck -- --features DIR [--failures] [--filter TEXT]`.
//!
//! Strict on results, order, side effects and error type, phase and detail. Every scenario has a database of its own and
//! a time limit; a panic fails its scenario only. The last line is `tck: P passed, F failed, S skipped`.
#![allow(clippy::print_stdout)] // The report is what the program is for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;

use sinew_tests::tck::gherkin::{Scenario, read_features};
use sinew_tests::tck::kept::{self, Passing};
use sinew_tests::tck::runner::Outcome;
use sinew_tests::tck::{FEATURES, run_all};

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
    /// Write the kept list of passing scenarios; refused when one of it no longer passes.
    #[arg(long, conflicts_with = "filter")]
    keep: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut scenarios = match read_features(&options.features) {
        Ok(scenarios) => scenarios,
        Err(error) => {
            println!("cannot read features: {error}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(filter) = &options.filter {
        scenarios.retain(|scenario| title(scenario).contains(filter.as_str()));
    }
    // Panics are reported with their scenario.
    std::panic::set_hook(Box::new(|_| {}));
    let scenarios: Vec<Arc<Scenario>> = scenarios.into_iter().map(Arc::new).collect();
    let time_limit = Duration::from_millis(options.time_limit_ms);
    let outcomes = run_all(&scenarios, &options.features, options.threads, time_limit);
    report(&options, &scenarios, &outcomes);
    if options.keep {
        return keep(&Passing::of(&scenarios, &outcomes));
    }
    ExitCode::SUCCESS
}

/// Writes the kept list unless something of it is missing from what passes now.
fn keep(found: &Passing) -> ExitCode {
    let known = std::fs::read_to_string(kept::PATH).unwrap_or_default();
    let missing = match Passing::parse(&known) {
        Ok(known) => known.missing_from(found),
        Err(error) => vec![error],
    };
    if !missing.is_empty() {
        println!("the kept list stays as it is:\n{}", missing.join("\n"));
        return ExitCode::FAILURE;
    }
    match std::fs::write(kept::PATH, found.text()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cannot write {}: {error}", kept::PATH);
            ExitCode::FAILURE
        }
    }
}

fn title(scenario: &Scenario) -> String {
    format!("{}/{} {}", scenario.folder, scenario.file, scenario.name)
}

fn report(options: &Options, scenarios: &[Arc<Scenario>], outcomes: &[Outcome]) {
    let mut folders: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut total = [0; 3];
    for (scenario, outcome) in scenarios.iter().zip(outcomes) {
        let column = match outcome {
            Outcome::Passed => 0,
            Outcome::Failed(reason) => {
                if options.failures {
                    println!("FAILED {}\n    {reason}", title(scenario));
                }
                1
            }
            Outcome::Skipped(reason) => {
                if options.skipped {
                    println!("SKIPPED {}\n    {reason}", title(scenario));
                }
                2
            }
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
