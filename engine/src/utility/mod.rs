//! Statements about the session and its transaction: parsed here, by words.

mod cursor;
mod positioned;
mod prepare;
mod set;
mod statistics;
mod transaction;
mod words;

use sinew_query::{QueryError, Result};
use sinew_storage::{Isolation, RelationLock};

pub(crate) use self::positioned::Positioned;
use self::set::setting_name;
use self::transaction::{lock_table, transaction_modes};
use self::words::Words;
use crate::analyze::AnalyzeTarget;

/// A statement that needs no plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Utility {
    Begin {
        modes: TransactionModes,
        start: bool,
    },
    /// With AND CHAIN a transaction with the same modes follows.
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    RollbackTo(String),
    Release(String),
    Set {
        name: String,
        value: Option<String>,
        local: bool,
    },
    /// SET TRANSACTION and SET SESSION CHARACTERISTICS AS TRANSACTION.
    SetTransaction {
        modes: TransactionModes,
        session: bool,
    },
    SetConstraints {
        /// (schema, name); none: all.
        names: Vec<(Option<String>, String)>,
        deferred: bool,
    },
    LockTable {
        /// (schema, name)
        tables: Vec<(Option<String>, String)>,
        mode: RelationLock,
        nowait: bool,
    },
    Reset(Option<String>),
    Show(Option<String>),
    Discard(&'static str),
    Deallocate(Option<String>),
    Prepare {
        name: String,
        types: Vec<String>,
        /// The statement, and the characters before it.
        text: String,
        offset_chars: usize,
        /// All of PREPARE.
        source: String,
    },
    Execute {
        name: String,
        args: Option<String>,
    },
    /// CREATE TABLE … AS EXECUTE.
    CreateTableAsExecute {
        /// To the AS, and behind the arguments.
        head: String,
        tail: String,
        name: String,
        args: String,
    },
    ExplainExecute {
        /// As written between EXPLAIN and EXECUTE.
        options: String,
        name: String,
        args: Option<String>,
    },
    Declare {
        name: String,
        options: CursorOptions,
        /// The query, and the characters before it.
        text: String,
        offset_chars: usize,
        /// All of DECLARE.
        source: String,
    },
    Fetch {
        direction: Direction,
        name: String,
        skip: bool,
    },
    Close(Option<String>),
    Positioned(Box<Positioned>),
    Listen(String),
    /// None: all.
    Unlisten(Option<String>),
    Notify {
        channel: String,
        payload: String,
    },
    Checkpoint,
    /// No tables: all of them.
    Analyze(Vec<AnalyzeTarget>),
    /// With ANALYZE: the tables to analyze.
    Vacuum(Option<Vec<AnalyzeTarget>>),
    /// The directory, as written.
    Backup(String),
    CheckDatabase,
}

/// How a cursor is declared.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CursorOptions {
    pub binary: bool,
    pub scroll: bool,
    pub insensitive: bool,
    /// WITH HOLD.
    pub hold: bool,
}

/// Where FETCH and MOVE go. Without a number: all rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Direction {
    Forward(Option<u64>),
    Backward(Option<u64>),
    /// To a row by its number from 1; from the end when negative.
    Absolute(i64),
    Relative(i64),
}

/// What BEGIN and SET TRANSACTION ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct TransactionModes {
    pub isolation: Option<Isolation>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

/// None when `text` is no utility statement.
pub(crate) fn parse(text: &str) -> Result<Option<Utility>> {
    let mut words = Words::new(text);
    let first = words.raw().to_lowercase();
    words.at = 1;
    let skip_work = |words: &mut Words<'_>| {
        if !words.take("work") {
            words.take("transaction");
        }
    };
    let utility = match first.as_str() {
        "begin" => {
            skip_work(&mut words);
            Utility::Begin { modes: transaction_modes(&mut words)?, start: false }
        }
        "start" => {
            if !words.take("transaction") {
                return Err(words.unexpected("TRANSACTION"));
            }
            Utility::Begin { modes: transaction_modes(&mut words)?, start: true }
        }
        "commit" | "end" => {
            if words.take("prepared") {
                return Err(QueryError::unsupported("two-phase commit"));
            }
            skip_work(&mut words);
            Utility::Commit { chain: chain(&mut words)? }
        }
        "rollback" | "abort" => {
            if words.take("prepared") {
                return Err(QueryError::unsupported("two-phase commit"));
            }
            skip_work(&mut words);
            if words.take("to") {
                words.take("savepoint");
                Utility::RollbackTo(words.identifier("a savepoint name")?)
            } else {
                Utility::Rollback { chain: chain(&mut words)? }
            }
        }
        "savepoint" => Utility::Savepoint(words.identifier("a savepoint name")?),
        "release" => {
            words.take("savepoint");
            Utility::Release(words.identifier("a savepoint name")?)
        }
        "lock" => lock_table(&mut words)?,
        "set" => set::set(&mut words)?,
        "reset" => {
            if words.take("all") {
                Utility::Reset(None)
            } else {
                Utility::Reset(Some(setting_name(&mut words)?))
            }
        }
        "show" => {
            if words.take("all") {
                Utility::Show(None)
            } else {
                Utility::Show(Some(setting_name(&mut words)?))
            }
        }
        "discard" => Utility::Discard(
            ["all", "plans", "temp", "temporary", "sequences"]
                .into_iter()
                .find(|what| words.take(what))
                .ok_or_else(|| words.unexpected("ALL, PLANS, SEQUENCES or TEMP"))?,
        ),
        "deallocate" => {
            words.take("prepare");
            if words.take("all") {
                Utility::Deallocate(None)
            } else {
                Utility::Deallocate(Some(words.identifier("a statement name")?))
            }
        }
        "prepare" => {
            if words.take("transaction") {
                return Err(QueryError::unsupported("two-phase commit"));
            }
            return prepare::prepare(&mut words).map(Some);
        }
        "execute" => return prepare::execute(&mut words).map(Some),
        "explain" => return prepare::explain_execute(&mut words),
        "create" => return Ok(prepare::create_table_as_execute(&mut words)),
        "declare" => return cursor::declare(&mut words).map(Some),
        "update" | "delete" => return positioned::positioned(&mut words),
        "fetch" | "move" => cursor::fetch(&mut words, first == "move")?,
        "do" => return Err(QueryError::unsupported("DO").at(Some(1))),
        "close" => {
            if words.take("all") {
                Utility::Close(None)
            } else {
                Utility::Close(Some(words.identifier("a cursor name")?))
            }
        }
        "listen" => Utility::Listen(channel_name(&mut words)?),
        "unlisten" => {
            if words.take("*") {
                Utility::Unlisten(None)
            } else {
                Utility::Unlisten(Some(channel_name(&mut words)?))
            }
        }
        "notify" => {
            let channel = channel_name(&mut words)?;
            let payload = if words.take(",") { words.string_constant("a payload in quotes")? } else { String::new() };
            Utility::Notify { channel, payload }
        }
        "checkpoint" => Utility::Checkpoint,
        "analyze" | "analyse" => statistics::analyze(&mut words)?,
        "vacuum" => statistics::vacuum(&mut words)?,
        "backup" => {
            if !words.take("to") {
                return Err(words.unexpected("TO"));
            }
            Utility::Backup(words.string("a directory in single quotes")?)
        }
        "check" => {
            if !words.take("database") {
                return Err(words.unexpected("DATABASE"));
            }
            Utility::CheckDatabase
        }
        _ => return Ok(None),
    };
    words.end()?;
    if let Some((parameter, position)) = words.parameter() {
        return Err(QueryError::syntax(format!("syntax error at or near \"{parameter}\""), Some(position)));
    }
    Ok(Some(utility))
}

/// As every name, a channel's is cut at 63 bytes.
fn channel_name(words: &mut Words<'_>) -> Result<String> {
    const LIMIT_BYTES: usize = 63;
    let mut name = words.identifier("a channel's name")?;
    name.truncate(name.floor_char_boundary(LIMIT_BYTES));
    Ok(name)
}

/// `AND [NO] CHAIN` behind COMMIT and ROLLBACK.
fn chain(words: &mut Words<'_>) -> Result<bool> {
    if !words.take("and") {
        return Ok(false);
    }
    let chain = !words.take("no");
    if words.take("chain") { Ok(chain) } else { Err(words.unexpected("CHAIN")) }
}

#[cfg(test)]
mod tests;
