//! Transaction modes and LOCK TABLE.

use sinew_query::{QueryError, Result};
use sinew_storage::{Isolation, RelationLock};

use super::words::Words;
use super::{TransactionModes, Utility};

/// Modes after BEGIN, START TRANSACTION and SET TRANSACTION; commas between them may be left out.
pub(super) fn transaction_modes(words: &mut Words<'_>) -> Result<TransactionModes> {
    let mut modes = TransactionModes::default();
    while !words.done() {
        if words.take("isolation") {
            if !words.take("level") {
                return Err(words.unexpected("LEVEL"));
            }
            modes.isolation = Some(if words.take("serializable") {
                Isolation::Serializable
            } else if words.take("repeatable") && words.take("read") {
                Isolation::RepeatableRead
            } else if words.take("read") && (words.take("committed") || words.take("uncommitted")) {
                Isolation::ReadCommitted
            } else {
                return Err(words.unexpected("an isolation level"));
            });
        } else if words.take("read") {
            modes.read_only = Some(if words.take("only") {
                true
            } else if words.take("write") {
                false
            } else {
                return Err(words.unexpected("ONLY or WRITE"));
            });
        } else if words.take("deferrable") {
            modes.deferrable = Some(true);
        } else if words.take("not") {
            if !words.take("deferrable") {
                return Err(words.unexpected("DEFERRABLE"));
            }
            modes.deferrable = Some(false);
        } else {
            return Err(words.unexpected("a transaction mode"));
        }
        if words.take(",") && words.done() {
            return Err(words.unexpected("a transaction mode"));
        }
    }
    Ok(modes)
}

/// As [`transaction_modes`], of SET: one at least.
pub(super) fn set_modes(words: &mut Words<'_>) -> Result<TransactionModes> {
    if words.take("snapshot") {
        return Err(QueryError::unsupported("SET TRANSACTION SNAPSHOT"));
    }
    if words.done() {
        return Err(words.unexpected("a transaction mode"));
    }
    transaction_modes(words)
}

/// `[TABLE] [ONLY] name [*], … [IN mode MODE] [NOWAIT]`
pub(super) fn lock_table(words: &mut Words<'_>) -> Result<Utility> {
    words.take("table");
    let mut tables = Vec::new();
    loop {
        words.take("only");
        let mut schema = None;
        let mut name = words.identifier("a table name")?;
        if words.take(".") {
            schema = Some(std::mem::replace(&mut name, words.identifier("a table name")?));
        }
        words.take("*");
        tables.push((schema, name));
        if !words.take(",") {
            break;
        }
    }
    let mut mode = RelationLock::AccessExclusive;
    if words.take("in") {
        mode = lock_mode(words)?;
        if !words.take("mode") {
            return Err(words.unexpected("MODE"));
        }
    }
    let nowait = words.take("nowait");
    Ok(Utility::LockTable { tables, mode, nowait })
}

fn lock_mode(words: &mut Words<'_>) -> Result<RelationLock> {
    Ok(if words.take("access") {
        if words.take("share") {
            RelationLock::AccessShare
        } else if words.take("exclusive") {
            RelationLock::AccessExclusive
        } else {
            return Err(words.unexpected("SHARE or EXCLUSIVE"));
        }
    } else if words.take("row") {
        if words.take("share") {
            RelationLock::RowShare
        } else if words.take("exclusive") {
            RelationLock::RowExclusive
        } else {
            return Err(words.unexpected("SHARE or EXCLUSIVE"));
        }
    } else if words.take("share") {
        if words.take("update") {
            if !words.take("exclusive") {
                return Err(words.unexpected("EXCLUSIVE"));
            }
            RelationLock::ShareUpdateExclusive
        } else if words.take("row") {
            if !words.take("exclusive") {
                return Err(words.unexpected("EXCLUSIVE"));
            }
            RelationLock::ShareRowExclusive
        } else {
            RelationLock::Share
        }
    } else if words.take("exclusive") {
        RelationLock::Exclusive
    } else {
        return Err(words.unexpected("a lock mode"));
    })
}
