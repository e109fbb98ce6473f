//! Talking to a running server from the command line.

use std::io::{self, Write};
use std::time::Duration;

use futures::StreamExt;
use tokio::task::JoinHandle;
use tokio_postgres::error::{DbError, ErrorPosition};
use tokio_postgres::{AsyncMessage, Client, NoTls, SimpleQueryMessage};

use super::table::caret;

const DEFAULT_DSN: &str = "postgres://sinew@127.0.0.1:5433/sinew";

/// The flag, else the environment, else a server of this machine with default settings.
pub fn dsn_or_default(dsn: Option<String>) -> String {
    dsn.or_else(|| std::env::var("SINEW_DSN").ok().filter(|dsn| !dsn.is_empty()))
        .unwrap_or_else(|| DEFAULT_DSN.to_owned())
}

pub fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| format!("cannot start: {error}"))
}

/// Connects; notices go to standard error. The task ends when the client is dropped.
pub async fn connect(dsn: &str, application: &str) -> Result<(Client, JoinHandle<()>), String> {
    let mut config: tokio_postgres::Config = dsn.parse().map_err(|error| format!("DSN \"{dsn}\": {error}"))?;
    if config.get_user().is_none() {
        config.user("sinew");
    }
    if config.get_application_name().is_none() {
        config.application_name(application);
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
    Ok((client, driver))
}

/// The rows of one statement, as text (None: NULL).
pub fn rows(dsn: &str, application: &str, text: &str) -> Result<Vec<Vec<Option<String>>>, String> {
    runtime()?.block_on(async {
        let (client, driver) = connect(dsn, application).await?;
        let answer = client.simple_query(text).await;
        drop(client);
        let _ = driver.await;
        let messages = answer.map_err(|error| match error.as_db_error() {
            Some(error) => describe(error, text).trim_end().to_owned(),
            None => chain(&error),
        })?;
        let row = |message: SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    })
}

/// As psql prints it: message, the place in the text, detail and hint.
pub fn describe(error: &DbError, text: &str) -> String {
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
pub fn chain(error: &dyn std::error::Error) -> String {
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
