//! Transactional DDL: definitions are rows; each call takes the relation's lock to the end of the transaction.

use std::sync::Arc;

use crate::catalog::*;
use crate::error::Result;
use crate::ids::RelationId;
use crate::store::Transaction;

/// PostgreSQL's relation lock modes, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RelationLock {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Transaction {
    /// Locks a relation to the end of the transaction; waits, and errors with `Deadlock`, `LockTimeout`, `Cancelled`.
    pub fn lock_relation(&self, relation: RelationId, mode: RelationLock) -> Result<()> {
        let _ = (relation, mode);
        todo!("storage-core")
    }

    /// A fresh relation id (oid), never reused.
    pub fn allocate_relation_id(&self) -> Result<RelationId> {
        todo!("storage-core")
    }

    /// `ObjectExists` when taken.
    pub fn create_schema(&self, name: &str) -> Result<()> {
        let _ = name;
        todo!("storage-core")
    }

    pub fn drop_schema(&self, name: &str) -> Result<()> {
        let _ = name;
        todo!("storage-core")
    }

    /// `def.id` comes from [`Self::allocate_relation_id`]. `ObjectExists` when the name is taken.
    pub fn create_table(&self, def: TableDef) -> Result<Arc<TableDef>> {
        let _ = def;
        todo!("storage-core")
    }

    /// Drops the table, its rows and its indexes.
    pub fn drop_table(&self, id: RelationId) -> Result<()> {
        let _ = id;
        todo!("storage-core")
    }

    /// Replaces a table's definition (added, dropped, renamed columns; checks; name). Rows are not rewritten.
    pub fn alter_table(&self, def: TableDef) -> Result<Arc<TableDef>> {
        let _ = def;
        todo!("storage-core")
    }

    /// Removes every row of the table.
    pub fn truncate_table(&self, id: RelationId) -> Result<()> {
        let _ = id;
        todo!("storage-core")
    }

    /// Creates an index of any kind and fills it from what this transaction sees. `DuplicateKey` when a unique one
    /// cannot be built.
    pub fn create_index(&self, def: IndexDef) -> Result<Arc<IndexDef>> {
        let _ = def;
        todo!("storage-core")
    }

    pub fn drop_index(&self, id: RelationId) -> Result<()> {
        let _ = id;
        todo!("storage-core")
    }

    pub fn create_view(&self, def: ViewDef) -> Result<Arc<ViewDef>> {
        let _ = def;
        todo!("storage-core")
    }

    pub fn drop_view(&self, id: RelationId) -> Result<()> {
        let _ = id;
        todo!("storage-core")
    }

    /// Next value of a counter that survives restarts: unique, increasing, gaps allowed, not transactional.
    pub fn next_counter(&self, name: &str) -> Result<i64> {
        let _ = name;
        todo!("storage-core")
    }

    /// Next `messages.seq` of a conversation: 1 after none; seeded from the primary key's index.
    pub fn next_message_seq(&self, conversation_id: &str) -> Result<i64> {
        let _ = conversation_id;
        todo!("storage-core")
    }
}

/// Last `messages.seq` given per conversation.
#[derive(Default)]
pub(crate) struct MessageSequences {}
