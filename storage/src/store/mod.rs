//! The store: transactions, group commit, snapshots.

mod change;
pub(crate) mod keyspace;
mod kv;
mod options;
mod transaction;

pub use change::Change;
pub use keyspace::Keyspace;
pub use kv::{KvBound, KvBytes, KvIter, KvSnapshot};
pub use options::{CancelToken, Isolation, StoreOptions, StoreStats};
pub use transaction::Transaction;

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;

/// One open database directory.
pub struct Store {}

impl Store {
    /// Opens or creates the database in `directory`; repairs after an unclean stop. A second process is refused
    /// ([`crate::StorageError::AlreadyOpen`]).
    pub fn open(directory: &Path, options: StoreOptions) -> Result<Arc<Store>> {
        let _ = (directory, options);
        todo!("storage-core")
    }

    /// A database that lives in memory and vanishes when dropped; for tests and tools.
    pub fn in_memory(options: StoreOptions) -> Result<Arc<Store>> {
        let _ = options;
        todo!("storage-core")
    }

    /// Starts a transaction. Costs an `Arc` clone until something is written.
    pub fn begin(self: &Arc<Self>, isolation: Isolation) -> Transaction {
        let _ = isolation;
        todo!("storage-core")
    }

    pub fn stats(&self) -> StoreStats {
        todo!("storage-core")
    }

    /// Drains the committer, checkpoints derived indexes and closes the file cleanly. Later commits fail with
    /// [`crate::StorageError::ShuttingDown`]. Idempotent.
    pub fn close(&self) -> Result<()> {
        todo!("storage-core")
    }
}
