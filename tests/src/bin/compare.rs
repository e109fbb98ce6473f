//! Compares the golden SQL scripts with PostgreSQL 15: `cargo run -p sinew-tests --bin compare -- [FILE…]`.
//!
//! Uses the server that `SINEW_TEST_POSTGRES` names (`host=… port=… user=…`), else starts Debian's postgresql-15 in a
//! temporary directory; see [`sinew_tests::compare`]. Lists what differs on purpose, and fails on every other difference.
//! The last line is `compare: S same, D different on purpose, O Sinew only, F faults`.
#![allow(clippy::print_stdout)] // The report is what the program is for.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use sinew_tests::compare::{Report, compare};
use sinew_tests::postgres::Postgres;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/sql");

/// Runs golden SQL scripts on PostgreSQL too and compares the answers.
#[derive(Parser)]
struct Arguments {
    /// Scripts; all of tests/scripts/sql when none is named.
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let mut files = Arguments::parse().files;
    if files.is_empty() {
        files = sinew_tests::golden::files(Path::new(SCRIPTS));
    }
    match run(&files) {
        Ok(report) => {
            for line in &report.different {
                println!("differs: {line}");
            }
            for fault in &report.faults {
                println!("FAULT {fault}");
            }
            println!(
                "compare: {} same, {} different on purpose, {} Sinew only, {} faults",
                report.same,
                report.different.len(),
                report.sinew_only,
                report.faults.len()
            );
            if report.faults.is_empty() && report.same > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(files: &[PathBuf]) -> std::io::Result<Report> {
    let program = std::env::current_exe()?.with_file_name("sinew-under-test");
    let mut postgres = Postgres::start()?;
    compare(&program, &mut postgres, files)
}
