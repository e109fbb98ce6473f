//! Questions to an opened server, as text, with bounded waits; an error is a difference.

use std::time::Duration;

use tokio_postgres::{Client, SimpleQueryMessage};

use super::difference::Difference;

/// Limit of one message.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);
/// Statements of one message.
const BATCH: usize = 50;

pub struct Probe {
    client: Client,
}

/// Cells as the server prints them, NULL as `NULL`.
pub type Row = Vec<String>;

impl Probe {
    pub fn new(client: Client) -> Probe {
        Probe { client }
    }

    /// Rows of one statement, or its SQLSTATE and message.
    pub async fn try_rows(&self, text: &str) -> Result<Vec<Row>, (String, String)> {
        let mut sets = self.sets(text).await?;
        Ok(if sets.is_empty() { Vec::new() } else { sets.swap_remove(0) })
    }

    pub async fn rows(&self, text: &str) -> Result<Vec<Row>, Difference> {
        let answer = self.try_rows(text).await;
        answer.map_err(|(code, message)| Difference::new(text, "rows", format!("{code}: {message}")))
    }

    /// Rows with their cells joined by `|`.
    pub async fn lines(&self, text: &str) -> Result<Vec<String>, Difference> {
        Ok(self.rows(text).await?.iter().map(|row| row.join("|")).collect())
    }

    /// Lines of each statement, in order.
    pub async fn each(&self, texts: &[String]) -> Result<Vec<Vec<String>>, Difference> {
        let mut all = Vec::with_capacity(texts.len());
        for chunk in texts.chunks(BATCH) {
            let message = chunk.join("; ");
            let sets = self.sets(&message).await.map_err(|(code, error)| {
                let first = chunk.first().map_or("", String::as_str);
                Difference::new(format!("{first}; …"), "rows", format!("{code}: {error}"))
            })?;
            if sets.len() != chunk.len() {
                let (expected, found) = (format!("{} answers", chunk.len()), format!("{}", sets.len()));
                return Err(Difference::new(message, expected, found));
            }
            all.extend(sets.into_iter().map(|rows| rows.iter().map(|row| row.join("|")).collect()));
        }
        Ok(all)
    }

    /// The plan as text.
    pub async fn plan(&self, text: &str) -> Result<String, Difference> {
        Ok(self.lines(&format!("EXPLAIN {text}")).await?.join("\n"))
    }

    async fn sets(&self, message: &str) -> Result<Vec<Vec<Row>>, (String, String)> {
        let answer = tokio::time::timeout(QUESTION_LIMIT, self.client.simple_query(message)).await;
        let answer = answer.map_err(|_| (String::new(), format!("no answer in {} s", QUESTION_LIMIT.as_secs())))?;
        let answer = answer.map_err(|error| match error.as_db_error() {
            Some(refusal) => (refusal.code().code().to_owned(), refusal.message().to_owned()),
            None => (String::new(), error.to_string()),
        })?;
        let mut sets = Vec::new();
        let mut rows = Vec::new();
        for part in answer {
            match part {
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|at| row.get(at).unwrap_or("NULL").to_owned()).collect());
                }
                SimpleQueryMessage::CommandComplete(_) => sets.push(std::mem::take(&mut rows)),
                _ => {}
            }
        }
        Ok(sets)
    }
}

/// A cell as a number; what else it is, is a difference.
pub fn number<T: std::str::FromStr>(view: &str, row: &Row, at: usize) -> Result<T, Difference> {
    let cell = cell(view, row, at)?;
    cell.parse().map_err(|_| Difference::new(view, "a number", cell))
}

pub fn cell<'r>(view: &str, row: &'r Row, at: usize) -> Result<&'r str, Difference> {
    let cell = row.get(at).map(String::as_str);
    cell.ok_or_else(|| Difference::new(view, format!("at least {} cells", at + 1), row.join("|")))
}
