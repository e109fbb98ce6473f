//! `sinew query`: statements to a server, tables to standard output.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use futures::StreamExt;
use tokio_postgres::error::{DbError, ErrorPosition};
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

use super::table::{caret, write_table};

const DEFAULT_DSN: &str = "postgres://sinew@127.0.0.1:5433/sinew";

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
    let dsn = dsn
        .or_else(|| std::env::var("SINEW_DSN").ok().filter(|dsn| !dsn.is_empty()))
        .unwrap_or_else(|| DEFAULT_DSN.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(ask(&dsn, &text))
}

async fn ask(dsn: &str, text: &str) -> Result<ExitCode, String> {
    let mut config: tokio_postgres::Config = dsn.parse().map_err(|error| format!("DSN \"{dsn}\": {error}"))?;
    if config.get_user().is_none() {
        config.user("sinew");
    }
    if config.get_application_name().is_none() {
        config.application_name("sinew query");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    let (client, mut connection) = config
        .connect(NoTls)
        .await
        .map_err(|error| format!("cannot connect to {dsn}: {}; is `sinew serve` running?", chain(&error)))?;
    let driver = tokio::spawn(async move {
        let mut messages = futures::stream::poll_fn(move |context| connection.poll_message(context));
        while let Some(message) = messages.next().await {
            match message {
                Ok(AsyncMessage::Notice(notice)) => {
                    let _ = writeln!(io::stderr(), "{}:  {}", notice.severity(), notice.message());
                }
                Ok(_) => {}
                Err(_) => break, // The client side of the query reports it.
            }
        }
    });
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

/// As psql prints it: message, the place in the text, detail and hint.
fn describe(error: &DbError, text: &str) -> String {
    let mut out = format!("{}:  {} ({})\n", error.severity(), error.message(), error.code().code());
    if let Some(ErrorPosition::Original(position)) = error.position()
        && let Some(place) = caret(text, *position as usize)
    {
        out.push_str(&place);
        out.push('\n');
    }
    for (name, more) in [("DETAIL", error.detail()), ("HINT", error.hint())] {
        if let Some(more) = more {
            out.push_str(&format!("{name}:  {more}\n"));
        }
    }
    out
}

/// An error with its causes: the outer one alone says little ("error connecting to server").
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
