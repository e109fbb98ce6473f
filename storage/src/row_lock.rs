//! Row locks, and what their holder finds: the row as its statement sees it, or a newer version.
//!
//! Every write of a row holds the row's lock to the end of its transaction and is made over the newest version. A
//! statement whose snapshot shows an older one learns it here, from [`Transaction::lock_row`], before it writes; a write
//! of a row that changed without its writer having been told is refused.

use crate::catalog::TableDef;
use crate::ddl::RelationLock;
use crate::encoding::row::RowProjection;
use crate::error::{Result, StorageError};
use crate::ids::{RelationId, RowId};
use crate::store::{Isolation, Keyspace, KvBytes, LockOutcome, LockWait, RowLock, Transaction};
use crate::value::Value;

/// What a transaction finds once it holds a row's lock.
#[derive(Clone, Debug, PartialEq)]
pub enum LockedRow {
    /// The row is as the statement sees it, own writes included.
    Unchanged,
    /// Somebody committed a newer version after the statement's snapshot: all columns, aligned with `TableDef::columns`.
    /// Only under READ COMMITTED.
    Changed(Vec<Value>),
    /// Somebody deleted the row after the snapshot. Only under READ COMMITTED.
    Gone,
    /// Somebody else holds the row, and it was not to be waited for.
    Skipped,
}

/// The newest version of a key, when the statement's snapshot shows another.
pub(crate) enum SinceSnapshot {
    Unchanged,
    Changed(KvBytes),
    Gone,
}

impl Transaction {
    /// Locks a row to the end of the transaction. Under REPEATABLE READ and SERIALIZABLE a row that changed since the
    /// snapshot is a `WriteConflict`. Errors with `LockNotAvailable`, `Deadlock`, `LockTimeout`, `Cancelled` too.
    pub fn lock_row(&self, table: &TableDef, row: RowId, mode: RowLock, wait: LockWait) -> Result<LockedRow> {
        if self.needs_row_locks(table.id)? {
            // Not before the relation's own lock, which a reader of the row holds only until it locks the row.
            self.lock(table.id, RelationLock::RowShare)?;
            if self.lock_row_target(table.id, row.0, mode, wait)? == LockOutcome::Skipped {
                return Ok(LockedRow::Skipped);
            }
        }
        let found = self.since_snapshot(Keyspace::of_relation(table.id), &row.0.to_be_bytes())?;
        if matches!(found, SinceSnapshot::Unchanged) {
            return Ok(LockedRow::Unchanged);
        }
        if self.isolation() != Isolation::ReadCommitted {
            return Err(changed_since(&format!("a row of table \"{}\"", table.name)));
        }
        self.settle_row(table.id, row.0);
        match found {
            SinceSnapshot::Changed(bytes) => {
                let all: Vec<usize> = (0..table.columns.len()).collect();
                Ok(LockedRow::Changed(RowProjection::new(table, &all)?.decode(&bytes)?))
            }
            _ => Ok(LockedRow::Gone),
        }
    }

    /// Locks a row of whose newest version something is to be said, whatever the snapshot shows. It is not to be written by
    /// what is learned that way.
    pub fn lock_newest_row(&self, table: &TableDef, row: RowId, mode: RowLock) -> Result<()> {
        if self.needs_row_locks(table.id)? {
            self.lock(table.id, RelationLock::RowShare)?;
            self.lock_row_target(table.id, row.0, mode, LockWait::Block)?;
        }
        Ok(())
    }

    /// Locks a row that is about to be written. `WriteConflict` when it changed since the snapshot and the writer was not
    /// told.
    pub(crate) fn lock_row_for_write(&self, table: &TableDef, row: RowId, mode: RowLock) -> Result<()> {
        if self.needs_row_locks(table.id)? {
            self.lock_row_target(table.id, row.0, mode, LockWait::Block)?;
        }
        match self.since_snapshot(Keyspace::of_relation(table.id), &row.0.to_be_bytes())? {
            SinceSnapshot::Unchanged => Ok(()),
            _ if self.is_settled(table.id, row.0) => Ok(()),
            _ => Err(changed_since(&format!("a row of table \"{}\"", table.name))),
        }
    }

    /// False when the relation's own lock keeps everybody else from locking or writing its rows.
    pub(crate) fn needs_row_locks(&self, relation: RelationId) -> Result<bool> {
        Ok(!self.holds_relation(relation, RelationLock::Exclusive))
    }

    /// Compares a key whose lock is held in the statement's view with its newest version.
    pub(crate) fn since_snapshot(&self, keyspace: Keyspace, key: &[u8]) -> Result<SinceSnapshot> {
        if self.wrote(keyspace, key)? {
            // Written over the newest version, under the lock that is still held.
            return Ok(SinceSnapshot::Unchanged);
        }
        let newest = self.store().published().current();
        if newest.lsn == self.snapshot_lsn() {
            return Ok(SinceSnapshot::Unchanged);
        }
        let seen = self.rows().get(keyspace, key)?;
        match (newest.rows.get(keyspace, key)?, seen) {
            (Some(newest), Some(seen)) if newest[..] == seen[..] => Ok(SinceSnapshot::Unchanged),
            (Some(newest), _) => Ok(SinceSnapshot::Changed(newest)),
            (None, None) => Ok(SinceSnapshot::Unchanged),
            (None, Some(_)) => Ok(SinceSnapshot::Gone),
        }
    }
}

pub(crate) fn changed_since(what: &str) -> StorageError {
    StorageError::WriteConflict { detail: format!("{what} was changed") }
}
