//! Settings and small shared types of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::embed::Embedder;
use crate::error::{Result, StorageError};
use crate::ids::Lsn;

/// How a store is opened.
#[derive(Clone)]
pub struct StoreOptions {
    /// Memory for redb's page cache, in bytes.
    pub cache_size_bytes: usize,
    /// Commits above this size leave the memory table for redb, in bytes.
    pub memory_table_size_bytes: usize,
    /// What a transaction writes above this size goes to a temporary file beside the log, in bytes. A database in memory
    /// has no such file.
    pub write_set_memory_bytes: usize,
    /// Write sets above this size, on disk or not, are refused, in bytes.
    pub write_set_limit_bytes: usize,
    /// Embedders by name; a vector index over text names one of them.
    pub embedders: Vec<Arc<dyn Embedder>>,
    /// Called with 0.0..=1.0 while an unclean stop is repaired.
    pub repair_progress: Option<Arc<dyn Fn(f64) + Send + Sync>>,
    /// Rows changed since an index's base before the indexer must catch up.
    pub tail_limit_rows: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        StoreOptions {
            cache_size_bytes: 64 << 20,
            memory_table_size_bytes: 64 << 20,
            write_set_memory_bytes: if cfg!(test) { 1 << 20 } else { 128 << 20 },
            write_set_limit_bytes: usize::MAX,
            embedders: vec![Arc::new(crate::vector::HashEmbedder)],
            repair_progress: None,
            tail_limit_rows: 10_000,
        }
    }
}

/// PostgreSQL's isolation levels. READ UNCOMMITTED is READ COMMITTED, as there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    #[default]
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// Figures for metrics and `sinew_stat` views.
#[derive(Clone, Debug, Default)]
pub struct StoreStats {
    pub lsn: Lsn,
    pub durable_lsn: Lsn,
    pub commit_count: u64,
    pub commit_batch_count: u64,
    pub open_transaction_count: u64,
    pub oldest_snapshot_lsn: Lsn,
    pub commit_queue_depth: u64,
    pub file_size_bytes: u64,
    /// Commits that redb does not hold yet.
    pub memory_table_size_bytes: u64,
    pub graph_image_size_bytes: u64,
    /// Per search index: name, indexed LSN, tail rows.
    pub search_indexes: Vec<(String, Lsn, u64)>,
}

/// Asked at every batch, lock wait and long loop; set by a cancel request, a deadline or a lost client.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<CancelState>);

#[derive(Default)]
struct CancelState {
    cancelled: AtomicBool,
    deadline: Mutex<Option<Instant>>,
    has_deadline: AtomicBool,
}

impl CancelToken {
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Release);
    }

    /// Forgets an earlier cancel and deadline: the next statement starts afresh.
    pub fn reset(&self) {
        self.set_deadline(None);
        self.0.cancelled.store(false, Ordering::Release);
    }

    pub fn set_deadline(&self, deadline: Option<Instant>) {
        *self.0.deadline.lock() = deadline;
        self.0.has_deadline.store(deadline.is_some(), Ordering::Release);
    }

    pub fn is_cancelled(&self) -> bool {
        self.check().is_err()
    }

    /// Errors with `Cancelled` or `StatementTimeout`.
    pub fn check(&self) -> Result<()> {
        if self.0.cancelled.load(Ordering::Acquire) {
            return Err(StorageError::Cancelled);
        }
        if self.0.has_deadline.load(Ordering::Acquire) && self.0.deadline.lock().is_some_and(|d| Instant::now() >= d) {
            return Err(StorageError::StatementTimeout);
        }
        Ok(())
    }
}
