//! The product's binary, built beside the tests so that they can start and kill it.

fn main() -> std::process::ExitCode {
    sinew_server::cli::main()
}
