//! `sinew query`: statements to a server, tables to standard output.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use futures::StreamExt;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::remote::{self, chain, connect, describe};
use super::table::write_table;

/// Runs the statements; failure is exit code 1 with the error on standard error.
pub fn run(text: Option<String>, file: Option<PathBuf>, dsn: Option<String>) -> Result<ExitCode, String> {
    let text = match (text, file) {
        (Some(text), _) => text,
        (None, Some(path)) if path.as_os_str() == "-" => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map_err(|error| format!("standard input: {error}"))?;
            text
        }
        (None, Some(path)) => std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?,
        (None, None) => return Err("no statement given".to_owned()),
    };
    remote::runtime()?.block_on(ask(&remote::dsn_or_default(dsn), &text))
}

async fn ask(dsn: &str, text: &str) -> Result<ExitCode, String> {
    let (client, driver) = connect(dsn, "sinew query").await?;
    let result = print_results(&client, text).await;
    drop(client);
    let _ = driver.await;
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Failure::Database(error)) => match error.as_db_error() {
            Some(error) => {
                let _ = io::stderr().write_all(describe(error, text).as_bytes());
                Ok(ExitCode::FAILURE)
            }
            None => Err(chain(&error)),
        },
        // Whoever read our output has seen enough (`| head`).
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Failure::Output(error)) => Err(format!("standard output: {error}")),
    }
}

enum Failure {
    Database(tokio_postgres::Error),
    Output(io::Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Failure {
        Failure::Database(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

async fn print_results(client: &Client, text: &str) -> Result<(), Failure> {
    let stream = client.simple_query_raw(text).await?;
    let mut stream = std::pin::pin!(stream);
    let mut out = io::BufWriter::new(io::stdout().lock());
    // Some while a statement that returns rows is under way.
    let mut result: Option<(Vec<String>, Vec<Vec<Option<String>>>)> = None;
    while let Some(message) = stream.next().await {
        let message = match message {
            Ok(message) => message,
            Err(error) => {
                out.flush()?;
                return Err(error.into());
            }
        };
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                result = Some((columns.iter().map(|column| column.name().to_owned()).collect(), Vec::new()));
            }
            SimpleQueryMessage::Row(row) => {
                if let Some((names, rows)) = &mut result {
                    rows.push((0..names.len()).map(|column| row.get(column).map(str::to_owned)).collect());
                }
            }
            SimpleQueryMessage::CommandComplete(count) => match result.take() {
                Some((names, rows)) => write_table(&mut out, &names, &rows)?,
                None if count > 0 => writeln!(out, "OK, {count} row{}", if count == 1 { "" } else { "s" })?,
                None => writeln!(out, "OK")?,
            },
            _ => {}
        }
    }
    out.flush()?;
    Ok(())
}
