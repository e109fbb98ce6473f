//! A client under load: runs what the generator plans until its connection ends, and keeps what it knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_postgres::Client;

use super::difference::Difference;
use super::generate::{Form, Generator, Planned};
use super::model::{History, Op, node_word, word_of};
use super::statements::statements;

/// A statement that takes longer is a fault.
const STATEMENT_LIMIT: Duration = Duration::from_secs(30);
/// Words that no search may find, the newest.
const GHOSTS: usize = 48;

/// What the rig and its clients share during one load.
#[derive(Debug, Default)]
pub struct Progress {
    pub acknowledged: AtomicU64,
    /// The server is being stopped: connections may end.
    pub is_stopping: AtomicBool,
    pub async_unavailable: AtomicBool,
}

/// One client, over all cycles.
pub struct LoadClient {
    pub number: usize,
    pub generator: Generator,
    pub history: History,
    /// Words of messages that were deleted, rewritten or never committed.
    pub message_ghosts: Vec<String>,
    pub node_ghosts: Vec<String>,
    /// Runs under `synchronous_commit = off` in this cycle.
    pub is_async: bool,
}

enum Failure {
    /// The transaction lost against others; nothing of it is there.
    Retry,
    /// No connection any more, or the server stops.
    Ended(String),
    /// An answer that must not come.
    Fault(Difference),
}

enum Outcome {
    Committed,
    Absent,
    Unknown,
}

impl LoadClient {
    pub fn new(number: usize) -> LoadClient {
        LoadClient {
            number,
            generator: Generator::new(number),
            history: History::default(),
            message_ghosts: Vec::new(),
            node_ghosts: Vec::new(),
            is_async: false,
        }
    }

    /// Works until the connection ends; gives the client back, and what went wrong.
    pub async fn run(mut self, connection: Client, progress: Arc<Progress>) -> (LoadClient, Option<Difference>) {
        if self.is_async {
            match execute(&connection, "SET synchronous_commit = off", false).await {
                Ok(()) => {}
                // A setting that takes no such value (22023) comes as a fault.
                Err(Failure::Fault(_)) => {
                    progress.async_unavailable.store(true, Ordering::Relaxed);
                    self.is_async = false;
                }
                Err(_) => return (self, None),
            }
        }
        loop {
            let planned = self.generator.next_transaction(self.history.current());
            self.remember_ghosts(&planned);
            let (outcome, failure) = self.transact(&connection, &planned).await;
            match outcome {
                Outcome::Committed => {
                    self.history.acknowledge(planned.ops);
                    progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Outcome::Absent => {}
                Outcome::Unknown => self.history.unknown(planned.ops),
            }
            match failure {
                None | Some(Failure::Retry) => {}
                Some(Failure::Ended(_)) if progress.is_stopping.load(Ordering::Acquire) => return (self, None),
                Some(Failure::Ended(error)) => {
                    let view = format!("connection of client {}", self.number);
                    let difference = Difference::new(view, "it stays while the server runs", error);
                    return (self, Some(difference));
                }
                Some(Failure::Fault(difference)) => return (self, Some(difference)),
            }
        }
    }

    /// A failure beside `Committed` or `Absent` ends the load but leaves the outcome certain.
    async fn transact(&self, connection: &Client, planned: &Planned) -> (Outcome, Option<Failure>) {
        let texts = |ops: &[Op]| ops.iter().flat_map(|op| statements(self.number, op)).collect::<Vec<_>>();
        if planned.form != Form::Block {
            let message = texts(&planned.ops).join("; ");
            let extended = planned.extended && planned.form == Form::Single;
            return settled(execute(connection, &message, extended).await);
        }
        let mut all = vec![planned.begin.to_owned()];
        all.extend(texts(&planned.ops));
        if !planned.undone.is_empty() {
            all.push("SAVEPOINT before_undone".to_owned());
            all.extend(texts(&planned.undone));
            all.push("ROLLBACK TO SAVEPOINT before_undone".to_owned());
        }
        for (at, text) in all.iter().enumerate() {
            // BEGIN and savepoints go as drivers send them, in simple messages.
            let extended = planned.extended && at > 0 && planned.undone.is_empty();
            match execute(connection, text, extended).await {
                Ok(()) => {}
                Err(Failure::Retry) => return (Outcome::Absent, execute(connection, "ROLLBACK", false).await.err()),
                Err(failure) => return (Outcome::Absent, Some(failure)),
            }
        }
        if planned.rolls_back {
            return (Outcome::Absent, execute(connection, "ROLLBACK", false).await.err());
        }
        settled(execute(connection, "COMMIT", false).await)
    }

    /// Every word that may turn out not to be there; verification leaves out those that are.
    fn remember_ghosts(&mut self, planned: &Planned) {
        for op in planned.ops.iter().chain(&planned.undone) {
            match op {
                Op::Say { content, .. } | Op::Unsay { content, .. } => {
                    self.message_ghosts.push(word_of(content).to_owned());
                }
                Op::Rewrite { old, new, .. } => {
                    self.message_ghosts.extend([word_of(old).to_owned(), word_of(new).to_owned()]);
                }
                Op::CreateNode { uid, v } | Op::PutNode { uid, v } | Op::SetNode { uid, v } => {
                    if let Some(old) = self.history.current().nodes.get(uid) {
                        self.node_ghosts.push(node_word(*uid, *old));
                    }
                    self.node_ghosts.push(node_word(*uid, *v));
                }
                Op::DeleteNode { uid } => {
                    if let Some(old) = self.history.current().nodes.get(uid) {
                        self.node_ghosts.push(node_word(*uid, *old));
                    }
                }
                _ => {}
            }
        }
        for ghosts in [&mut self.message_ghosts, &mut self.node_ghosts] {
            let excess = ghosts.len().saturating_sub(GHOSTS);
            ghosts.drain(..excess);
        }
    }
}

/// Of the statement that commits.
fn settled(result: Result<(), Failure>) -> (Outcome, Option<Failure>) {
    match result {
        Ok(()) => (Outcome::Committed, None),
        Err(Failure::Retry) => (Outcome::Absent, None),
        // Of a fault nobody knows either; the load ends with it.
        Err(failure) => (Outcome::Unknown, Some(failure)),
    }
}

async fn execute(connection: &Client, text: &str, extended: bool) -> Result<(), Failure> {
    let run = async {
        if extended { connection.execute(text, &[]).await.map(drop) } else { connection.batch_execute(text).await }
    };
    let error = match tokio::time::timeout(STATEMENT_LIMIT, run).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error,
        Err(_) => {
            let found = format!("nothing within {} s", STATEMENT_LIMIT.as_secs());
            return Err(Failure::Fault(Difference::new(text, "an answer", found)));
        }
    };
    let Some(refusal) = error.as_db_error() else { return Err(Failure::Ended(format!("{text}: {error}"))) };
    let message = format!("{}: {}", refusal.code().code(), refusal.message());
    Err(match refusal.code().code() {
        // Serialization failure, deadlock, lock not available.
        "40001" | "40P01" | "55P03" => Failure::Retry,
        // Cancelled by a stopping server, or told that it stops.
        "57014" | "57P01" | "57P02" | "57P03" => Failure::Ended(message),
        _ => {
            let detail = refusal.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            Failure::Fault(Difference::new(format!("load: {text}"), "success", message + &detail))
        }
    })
}
