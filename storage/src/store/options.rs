//! Settings and small shared types of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::timings::HistogramStats;
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
    /// Called with 0.0..=1.0 while an unclean stop is repaired, while the log is applied, and while a large graph is built
    /// from its rows.
    pub repair_progress: Option<Arc<dyn Fn(f64) + Send + Sync>>,
    /// Rows changed since an index's base before the indexer must catch up.
    pub tail_limit_rows: usize,
    /// A transaction that holds its snapshot for longer is cancelled (`SnapshotTooOld`), since it keeps file and memory
    /// from being reused; zero: no limit. A database in memory has none.
    pub max_snapshot_age: Duration,
    /// Where this process listens, for the message to another one that tries to open the directory.
    pub listen_addresses: Vec<String>,
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
            max_snapshot_age: Duration::from_secs(3_600),
            listen_addresses: Vec::new(),
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
    /// Of the snapshot that a transaction has held for longest; zero when none holds one.
    pub oldest_snapshot_age: Duration,
    pub commit_queue_depth: u64,
    pub file_size_bytes: u64,
    /// Length of the commit log's files, those kept for reuse included.
    pub log_size_bytes: u64,
    /// LSN up to which redb holds all commits.
    pub applied_lsn: Lsn,
    /// Commits that redb does not hold yet.
    pub memory_table_size_bytes: u64,
    /// Parts of that which are complete and wait to be applied.
    pub frozen_layer_count: u64,
    /// Why commits are refused; None when they are taken.
    pub failed: Option<String>,
    /// From handing a write set over to its answer, in microseconds.
    pub commit_times: HistogramStats,
    /// Of making the log durable, in microseconds.
    pub log_sync_times: HistogramStats,
    /// Write sets per durable batch.
    pub batch_sizes: HistogramStats,
    pub graph_image_size_bytes: u64,
    /// Per search index: name, indexed LSN, tail rows.
    pub search_indexes: Vec<(String, Lsn, u64)>,
}

/// Asked at every batch, lock wait and long loop; set by a cancel request, a deadline or a lost client.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<CancelState>);

const RUNNING: u8 = 0;
const CANCELLED: u8 = 1;
const SNAPSHOT_REVOKED: u8 = 2;

#[derive(Default)]
struct CancelState {
    state: AtomicU8,
    deadline: Mutex<Option<Instant>>,
    has_deadline: AtomicBool,
}

impl CancelToken {
    pub fn cancel(&self) {
        self.0.state.store(CANCELLED, Ordering::Release);
    }

    /// The statement's snapshot is too old to be read any further.
    pub(super) fn revoke_snapshot(&self) {
        // A cancel request that came first is the answer.
        let _ = self.0.state.compare_exchange(RUNNING, SNAPSHOT_REVOKED, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Forgets an earlier cancel and deadline: the next statement starts afresh.
    pub fn reset(&self) {
        self.set_deadline(None);
        self.0.state.store(RUNNING, Ordering::Release);
    }

    pub fn set_deadline(&self, deadline: Option<Instant>) {
        *self.0.deadline.lock() = deadline;
        self.0.has_deadline.store(deadline.is_some(), Ordering::Release);
    }

    pub fn is_cancelled(&self) -> bool {
        self.check().is_err()
    }

    /// Errors with `Cancelled`, `SnapshotTooOld` or `StatementTimeout`.
    pub fn check(&self) -> Result<()> {
        match self.0.state.load(Ordering::Acquire) {
            RUNNING => {}
            SNAPSHOT_REVOKED => return Err(StorageError::SnapshotTooOld),
            _ => return Err(StorageError::Cancelled),
        }
        if self.0.has_deadline.load(Ordering::Acquire) && self.0.deadline.lock().is_some_and(|d| Instant::now() >= d) {
            return Err(StorageError::StatementTimeout);
        }
        Ok(())
    }
}
