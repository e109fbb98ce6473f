//! A transaction: a snapshot, a private write set of layers, and the locks it holds.
//!
//! All methods take `&self`: one statement's operators may read from several threads; writes come from one thread at a
//! time. A range read while the same transaction writes sees the keys written behind its position or not, unspecified:
//! operators that write therefore collect their input first.

use std::sync::Arc;

use super::{CancelToken, Isolation};
use crate::catalog::Catalog;
use crate::error::Result;
use crate::ids::Lsn;

pub struct Transaction {}

impl Transaction {
    /// LSN of the snapshot that the current statement reads.
    pub fn snapshot_lsn(&self) -> Lsn {
        todo!("storage-core")
    }

    pub fn isolation(&self) -> Isolation {
        todo!("storage-core")
    }

    /// The catalog as this transaction sees it, its own DDL included.
    pub fn catalog(&self) -> Arc<Catalog> {
        todo!("storage-core")
    }

    /// True when something was written (and not rolled back to a savepoint).
    pub fn has_writes(&self) -> bool {
        todo!("storage-core")
    }

    /// Used by lock waits and long store loops from now on.
    pub fn set_cancel_token(&self, token: CancelToken) {
        let _ = token;
        todo!("storage-core")
    }

    pub fn cancel_token(&self) -> CancelToken {
        todo!("storage-core")
    }

    /// Begins a statement: a new layer and, under READ COMMITTED, a new snapshot.
    pub fn begin_statement(&self) -> Result<()> {
        todo!("storage-core")
    }

    /// Keeps the statement's layer.
    pub fn finish_statement(&self) {
        todo!("storage-core")
    }

    /// Drops the statement's layer: what it wrote is gone.
    pub fn abort_statement(&self) {
        todo!("storage-core")
    }

    pub fn savepoint(&self, name: &str) -> Result<()> {
        let _ = name;
        todo!("storage-core")
    }

    /// Errors with `SavepointNotFound`.
    pub fn rollback_to_savepoint(&self, name: &str) -> Result<()> {
        let _ = name;
        todo!("storage-core")
    }

    /// Errors with `SavepointNotFound`.
    pub fn release_savepoint(&self, name: &str) -> Result<()> {
        let _ = name;
        todo!("storage-core")
    }

    /// Hands the write set to the committer and waits for it to be durable. A read-only transaction returns its
    /// snapshot's LSN at once. On error nothing of the transaction remains (except `CommitUnknown`).
    pub fn commit(self) -> Result<Lsn> {
        todo!("storage-core")
    }

    pub fn rollback(self) {
        todo!("storage-core")
    }
}
