//! The crash rig: `cargo run --release -p sinew-tests --bin crash -- --cycles N [--seed S] [--clients 8] [--keep]`.
//!
//! Starts the server (`sinew-under-test`, beside this program), loads it, kills it, and compares every view with what
//! was acknowledged; see [`sinew_tests::crash`]. The last line is `crash: N cycles, A acknowledged, L lost, W wrong`.
#![allow(clippy::print_stdout)] // The report is what the program is for.

use std::process::ExitCode;

use clap::Parser;
use sinew_tests::crash::{Options, run};

/// Kills a loaded server over and over and compares every view with what it acknowledged.
#[derive(Parser)]
struct Arguments {
    /// How often the server is stopped and opened again.
    #[arg(long, default_value_t = 20)]
    cycles: u64,
    /// Seed of all choices; by default another one every time.
    #[arg(long)]
    seed: Option<u64>,
    /// Connections that write.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=64))]
    clients: u64,
    /// Keep the data directory and the server's log when something is wrong.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let program = match std::env::current_exe() {
        Ok(own) => own.with_file_name("sinew-under-test"),
        Err(error) => {
            println!("cannot tell where this program is: {error}");
            return ExitCode::FAILURE;
        }
    };
    if !program.exists() {
        println!("{} is missing: cargo build --release -p sinew-tests --bins", program.display());
        return ExitCode::FAILURE;
    }
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seed = arguments.seed.unwrap_or(since_1970.as_micros() as u64 % 1_000_000_000);
    let clients = arguments.clients as usize;
    let Arguments { cycles, keep, .. } = arguments;
    let options = Options { program, cycles, seed, clients, keep, least_acknowledged: 0 };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            println!("cannot start a runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let report = runtime.block_on(run(options));
    println!("{report}");
    if report.lost + report.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
