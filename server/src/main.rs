//! The sinew binary.

fn main() -> std::process::ExitCode {
    sinew_server::cli::main()
}
