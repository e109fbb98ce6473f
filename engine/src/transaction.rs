//! The session's transaction: none, implicit, or a block.

use std::sync::Arc;

use sinew_query::deferred::DeferredMark;
use sinew_query::notification::PendingMark;
use sinew_query::settings::SettingsMark;
use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::{Isolation, Lsn, Transaction};

/// As ReadyForQuery reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InBlock,
    Failed,
}

/// A transaction that has begun.
pub(crate) struct ActiveTransaction {
    pub transaction: Arc<Transaction>,
    /// Opened by BEGIN; otherwise it ends with its statement (or at Sync).
    pub explicit: bool,
    pub failed: bool,
    pub read_only: bool,
    /// Accepted and shown; a read-only transaction never waits for others anyway.
    pub deferrable: bool,
    pub started_us: i64,
    /// Ran DDL: its plans are its own.
    pub ran_ddl: bool,
    /// A statement that reads or writes has run, so the isolation level is fixed.
    pub used: bool,
    /// SAVEPOINT was called.
    pub has_savepoints: bool,
    /// What ROLLBACK TO goes back to, oldest first.
    pub savepoints: Vec<SessionSavepoint>,
}

/// The session's side of a savepoint.
pub(crate) struct SessionSavepoint {
    pub name: String,
    pub read_only: bool,
    pub notifications: PendingMark,
    pub settings: SettingsMark,
    pub deferred: DeferredMark,
    /// Cursors the session had made.
    pub cursor_count: u64,
}

impl ActiveTransaction {
    pub(crate) fn new(
        transaction: Transaction,
        explicit: bool,
        read_only: bool,
        deferrable: bool,
    ) -> ActiveTransaction {
        ActiveTransaction {
            transaction: Arc::new(transaction),
            explicit,
            failed: false,
            read_only,
            deferrable,
            started_us: now_us(),
            ran_ddl: false,
            used: false,
            has_savepoints: false,
            savepoints: Vec::new(),
        }
    }

    /// An error in a block: nothing but a rollback may follow.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
        self.transaction.release_locks_of_failed();
    }

    /// Commits; every cursor over the transaction must be gone.
    pub(crate) fn commit(self) -> Result<Lsn> {
        let transaction = Arc::try_unwrap(self.transaction).map_err(|_| {
            QueryError::new(
                sqlstate::OBJECT_IN_USE,
                "the transaction still has a query running, so it cannot be committed",
            )
        })?;
        Ok(transaction.commit()?)
    }
}

/// Isolation as SHOW prints it.
pub(crate) fn isolation_name(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::ReadCommitted => "read committed",
        Isolation::RepeatableRead => "repeatable read",
        Isolation::Serializable => "serializable",
    }
}

pub(crate) fn isolation_from_name(name: &str) -> Isolation {
    match name {
        "repeatable read" => Isolation::RepeatableRead,
        "serializable" => Isolation::Serializable,
        _ => Isolation::ReadCommitted,
    }
}

/// Wall clock, microseconds since 1970 UTC.
pub(crate) fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
