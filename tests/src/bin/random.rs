//! Random statements in many ways: `cargo run -p sinew-tests --bin random -- --statements N [--seed S] [--postgres]`.
//!
//! See [`sinew_tests::random_sql`], and [`sinew_tests::random_cypher`] for `--cypher`. With `--postgres` they run on PostgreSQL 15 too: the server that
//! `SINEW_TEST_POSTGRES` names, else Debian's, started in a temporary directory. The last line is
//! `random: seed S, N statements, R with rows, E failed alike, P passed over, M MiB, F faults`.
#![allow(clippy::print_stdout)] // The report is what the program is for.

use std::process::ExitCode;

use clap::Parser;
use sinew_tests::random_sql::Options;
use sinew_tests::{random_cypher, random_sql};

/// Runs random statements in many ways, which must agree.
#[derive(Parser)]
struct Arguments {
    /// How many statements.
    #[arg(long, default_value_t = 10_000)]
    statements: u64,
    /// Seed of all choices; by default another one every time.
    #[arg(long)]
    seed: Option<u64>,
    /// Compare with PostgreSQL 15 too.
    #[arg(long, conflicts_with = "cypher")]
    postgres: bool,
    /// Cypher instead of SQL.
    #[arg(long)]
    cypher: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = arguments.seed.unwrap_or(since_1970.as_micros() as u64 % 1_000_000_000);
    let report = std::env::current_exe().and_then(|own| {
        let program = own.with_file_name("sinew-under-test");
        let (statements, postgres) = (arguments.statements, arguments.postgres);
        let run = if arguments.cypher { random_cypher::run } else { random_sql::run };
        run(&Options { program, seed, statements, time_limit: None, postgres })
    });
    match report {
        Ok(report) => {
            println!("{report}");
            if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("random: seed {seed}: {error}");
            ExitCode::FAILURE
        }
    }
}
