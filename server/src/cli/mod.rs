//! The command line.

mod export;
mod import;
mod infer;
mod maintenance;
mod parquet;
mod progress;
mod query;
mod remote;
mod serve;
pub mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::Layer;

#[derive(Parser, Debug)]
#[command(name = "sinew", version, about = "The database that agents live in", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the server: Postgres wire protocol and HTTP
    Serve {
        /// Settings file; flags and SINEW_… variables win over it [env: SINEW_CONFIG]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        flags: Layer,
    },
    /// Run statements on a server and print their results
    Query {
        /// Statements, SQL or Cypher, separated by semicolons
        #[arg(required_unless_present = "file", conflicts_with = "file")]
        text: Option<String>,
        /// Read the statements from a file; - for standard input
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Server to ask [env: SINEW_DSN]
        #[arg(long, value_name = "DSN")]
        dsn: Option<String>,
    },
    /// Fill a table from a file of CSV or JSON lines
    Import(import::Import),
    /// Write a table, or the rows of a query, to a file of CSV or JSON lines
    Export(export::Export),
    /// Copy a database, running or not, into an empty directory
    Backup {
        /// Directory of the backup, created when missing; of the server's machine when a server makes it
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        #[command(flatten)]
        place: maintenance::Place,
    },
    /// Make a data directory of a backup, after verifying it
    Restore {
        /// Directory of the backup
        #[arg(value_name = "FROM")]
        from: PathBuf,
        /// Directory of the restored database, created when missing; it must be empty
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
    /// Compare indexes and everything else that is derived with the rows; exit code 1 when they disagree
    Check {
        #[command(flatten)]
        place: maintenance::Place,
    },
}

/// Parses the arguments and does what they say.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve { config, flags } => serve::run(config, flags),
        Command::Query { text, file, dsn } => query::run(text, file, dsn),
        Command::Import(import) => import::run(import),
        Command::Export(export) => export::run(export),
        Command::Backup { directory, place } => maintenance::backup(directory, place),
        Command::Restore { from, data } => maintenance::restore(from, data),
        Command::Check { place } => maintenance::check(place),
    };
    match result {
        Ok(code) => code,
        Err(message) => {
            use std::io::Write;
            // Standard error may be closed; there is nowhere else to say it.
            let _ = writeln!(std::io::stderr(), "sinew: {message}");
            ExitCode::FAILURE
        }
    }
}

/// A line on standard output, and success.
fn say(line: &str) -> Result<ExitCode, String> {
    use std::io::Write;
    writeln!(std::io::stdout(), "{line}").map_err(|error| format!("standard output: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_flags_become_a_layer() {
        let cli = Cli::try_parse_from(["sinew", "serve", "--demo", "--listen", "127.0.0.1:7", "--http-hosts", "a,b"]);
        match cli.expect("valid").command {
            Command::Serve { config: None, flags } => {
                assert_eq!(flags.demo, Some(true));
                assert_eq!(flags.insecure, None);
                assert_eq!(flags.listen.as_deref(), Some("127.0.0.1:7"));
                assert_eq!(flags.http_hosts, Some(vec!["a".to_owned(), "b".to_owned()]));
            }
            other => panic!("{other:?}"),
        }
        assert!(Cli::try_parse_from(["sinew", "serve", "--unknown"]).is_err());
        assert!(Cli::try_parse_from(["sinew", "backup", "b", "--data", "d"]).is_ok());
        assert!(Cli::try_parse_from(["sinew", "backup", "b", "--data", "d", "--dsn", "x"]).is_err());
        assert!(Cli::try_parse_from(["sinew", "backup"]).is_err());
        assert!(Cli::try_parse_from(["sinew", "restore", "b"]).is_err());
        assert!(Cli::try_parse_from(["sinew", "check"]).is_ok());
        assert!(Cli::try_parse_from(["sinew", "import", "f.csv", "--table", "t", "--create"]).is_ok());
        assert!(Cli::try_parse_from(["sinew", "import", "f.csv"]).is_err());
        assert!(Cli::try_parse_from(["sinew", "export", "f.csv", "--query", "RETURN 1"]).is_ok());
        assert!(Cli::try_parse_from(["sinew", "export", "f.csv"]).is_err());
        assert!(Cli::try_parse_from(["sinew", "export", "f.csv", "--table", "t", "--query", "RETURN 1"]).is_err());
        assert!(Cli::try_parse_from(["sinew", "query"]).is_err());
        assert!(Cli::try_parse_from(["sinew", "query", "select 1", "-f", "x"]).is_err());
    }
}
