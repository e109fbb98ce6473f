//! The store: transactions, group commit, snapshots.
//!
//! A transaction reads a published snapshot merged with its own write set (`write_set.rs`); its commit is queued for the
//! committer (`committer.rs`), which makes it durable in the log (`log/`) and visible over redb (`layers.rs`); the applier
//! (`applier.rs`) alone writes to redb.

mod applier;
mod base_range;
mod change;
mod change_log;
mod checkpoint_thread;
mod commit_effects;
mod commit_queue;
mod committer;
mod conflict_error;
mod conflicts;
mod counters;
#[cfg(test)]
mod crash_tests;
mod disk;
mod errors;
mod failure;
mod history;
mod holds;
pub(crate) mod keyspace;
mod kv;
mod layers;
mod lock_file;
mod locks;
mod log;
mod memory_table;
mod meta;
#[cfg(test)]
mod operation_tests;
mod options;
mod own_changes;
mod reads;
mod recovery;
mod row_changes;
mod sequences;
#[cfg(test)]
mod simulated_disk;
mod snapshot;
mod spill;
#[cfg(test)]
mod spill_tests;
mod temporary;
#[cfg(test)]
mod tests;
mod timings;
mod transaction;
pub(crate) mod write_set;

pub(crate) use applier::CHANGE_LOG_COMMITS;
pub use change::Change;
pub(crate) use counters::{COUNTER_END, first_free_ids};
pub(crate) use disk::sync_directory;
pub(crate) use history::{Origin, StoreHistory};
pub use holds::SnapshotInfo;
pub use keyspace::Keyspace;
pub(crate) use kv::KvPairs;
pub use kv::{KvBound, KvBytes, KvIter, KvSnapshot};
pub(crate) use kv::{MAX_VALUE_BYTES, decode_u64};
pub use lock_file::LOCK_FILE_NAME;
pub(crate) use locks::LockOutcome;
pub use locks::{AdvisoryKey, LockInfo, LockTarget, LockWait, RowLock, SessionLocks};
#[cfg(test)]
pub(crate) use locks::{ESCALATION_LOCKS, ESCALATION_STEP};
pub(crate) use meta::LSN_KEY;
pub use meta::{FORMAT_VERSION, StoreIdentity};
pub use options::{CancelToken, Isolation, StoreOptions, StoreStats};
pub(crate) use reads::ReadRecorder;
pub use sequences::SequenceRange;
pub use temporary::TemporaryFile;
pub use timings::HistogramStats;
pub use transaction::Transaction;
pub(crate) use transaction::{GRAPH_RELATION, unique_key_hash};

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;
use redb::{Builder, Database, ReadableDatabase, TableDefinition};

use self::applier::{Applier, Layers};
use self::checkpoint_thread::{StopSignal, keep_house};
use self::commit_effects::encode_set;
use self::commit_queue::{CommitQueue, Server};
use self::committer::{CommitRequest, Committer, Request};
use self::counters::Counters;
use self::disk::{Disk, OsDisk};
use self::errors::{commit_error, database_error, storage_error, table_error, transaction_error};
use self::failure::Failure;
use self::history::begin_epoch;
use self::holds::SnapshotHolds;
use self::kv::TableBase;
use self::lock_file::LockFile;
use self::locks::LockTable;
use self::log::{Attachments, CommitLog};
use self::meta::{EPOCH_HISTORY_KEY, EPOCH_KEY, FORMAT_KEY, UUID_KEY};
use self::row_changes::RowChanges;
use self::snapshot::{Published, Snapshot};
use self::timings::Timings;
use self::write_set::WriteSet;
use crate::catalog::{Catalog, bootstrap_rows};
use crate::derived::DerivedState;
use crate::error::{Result, StorageError};
use crate::ids::{Lsn, RelationId};
use crate::index_function::IndexCompiler;

/// Name of the redb file within the data directory.
pub const FILE_NAME: &str = "sinew.redb";
/// Name of the commit log's folder within the data directory.
pub const LOG_FOLDER: &str = "log";
/// A set above this size is written and synced beside the log by the thread that commits it, so that nobody waits for it,
/// in bytes.
const ATTACHMENT_BYTES: usize = if cfg!(test) { 128 << 10 } else { 4 << 20 };
/// Free space without which a database is not opened: room for redb's repair and for the first commits.
const OPENING_ROOM_BYTES: u64 = 8 << 20;
/// Attempts of a small commit of the store's own.
const OWN_COMMIT_ATTEMPTS: usize = 64;

/// What transactions and the committer share.
pub(crate) struct StoreShared {
    pub published: Published,
    pub layers: Layers,
    /// None for a database in memory.
    pub attachments: Option<Arc<Attachments>>,
    pub counters: Counters,
    pub commit_count: AtomicU64,
    pub commit_batch_count: AtomicU64,
    pub timings: Timings,
    pub row_changes: RowChanges,
    pub failure: Failure,
    pub holds: Arc<SnapshotHolds>,
    pub is_in_memory: bool,
}

/// One open database directory.
pub struct Store {
    shared: Arc<StoreShared>,
    options: StoreOptions,
    file: Option<PathBuf>,
    log: Option<Arc<dyn Disk>>,
    lock_file: Option<LockFile>,
    queue: Arc<CommitQueue>,
    committer: Arc<Mutex<Committer>>,
    committer_thread: Mutex<Option<JoinHandle<()>>>,
    applier: Mutex<Option<JoinHandle<Result<()>>>>,
    checkpointer: Mutex<Option<JoinHandle<()>>>,
    stop: Arc<StopSignal>,
    is_closed: AtomicBool,
    locks: LockTable,
    message_sequences: crate::ddl::MessageSequences,
    index_compiler: OnceLock<Arc<dyn IndexCompiler>>,
    next_transaction_id: AtomicU64,
    open_transaction_count: AtomicU64,
}

impl Store {
    /// Opens or creates the database in `directory`; repairs after an unclean stop. A second process is refused
    /// ([`crate::StorageError::AlreadyOpen`]).
    pub fn open(directory: &Path, options: StoreOptions) -> Result<Arc<Store>> {
        let place = directory.display().to_string();
        let io_error = |error: std::io::Error| StorageError::Io(format!("{place}: {error}"));
        std::fs::create_dir_all(directory).map_err(io_error)?;
        if let Some(free) = disk::free_bytes(directory).map_err(io_error)?
            && free < OPENING_ROOM_BYTES
        {
            return Err(StorageError::DiskFull(format!(
                "{place} has {free} bytes left, and opening the database needs {OPENING_ROOM_BYTES}"
            )));
        }
        let file = directory.join(FILE_NAME);
        if !file.exists() && directory.join(format!("{FILE_NAME}.part")).exists() {
            return Err(StorageError::Corrupted(format!(
                "{place} holds a backup or restore that was not finished; remove it and begin it again"
            )));
        }
        if !file.exists() {
            create_file(directory, &file, &options)?;
        }
        let mut builder = Builder::new();
        builder.set_cache_size(options.cache_size_bytes);
        if let Some(progress) = options.repair_progress.clone() {
            builder.set_repair_callback(move |session| progress(session.progress()));
        }
        // redb trusts a file that says it was closed cleanly, and may panic when that was damaged since.
        let opened = catch_unwind(AssertUnwindSafe(|| builder.create(&file)));
        let database = opened
            .map_err(|_| StorageError::Corrupted(format!("{} cannot be read", file.display())))?
            .map_err(|error| database_error(error, &place))?;
        let lock_file = LockFile::write(directory, &options.listen_addresses);
        let log = OsDisk::create(directory.join(LOG_FOLDER)).map_err(io_error)?;
        Store::start(database, Some(Arc::new(log)), Some(directory), Some((file, lock_file)), options)
    }

    /// A database that lives in memory and vanishes when dropped; for tests and tools.
    pub fn in_memory(options: StoreOptions) -> Result<Arc<Store>> {
        Store::with_backend(redb::backends::InMemoryBackend::new(), None, options)
    }

    /// A database over any bytes; nothing derived is kept beside them. Without a log, commits are as durable as redb's
    /// last one.
    fn with_backend(
        backend: impl redb::StorageBackend,
        log: Option<Arc<dyn Disk>>,
        options: StoreOptions,
    ) -> Result<Arc<Store>> {
        let database = Builder::new()
            .set_cache_size(options.cache_size_bytes)
            .create_with_backend(backend)
            .map_err(|error| database_error(error, "memory"))?;
        Store::start(database, log, None, None, options)
    }

    fn start(
        database: Database,
        log: Option<Arc<dyn Disk>>,
        directory: Option<&Path>,
        files: Option<(PathBuf, LockFile)>,
        options: StoreOptions,
    ) -> Result<Arc<Store>> {
        let is_new = create_if_empty(&database)?;
        if let Some(disk) = &log {
            let progress = options.repair_progress.clone();
            recovery::replay_log(disk, &database, options.memory_table_size_bytes, &move |done| {
                if let Some(progress) = &progress {
                    progress(done);
                }
            })?;
        }
        if !is_new {
            begin_epoch(&database)?;
        }
        let base = TableBase::new(database.begin_read().map_err(transaction_error)?);
        let lsn = KvSnapshot::of_base(Arc::clone(&base), Lsn(0)).applied_lsn()?;
        let rows = KvSnapshot::of_base(Arc::clone(&base), lsn);
        let mut catalog = Catalog { version: lsn.0, ..Catalog::default() };
        let catalog_rows = rows.range(Keyspace::CATALOG, Bound::Unbounded, Bound::Unbounded, false)?;
        catalog.apply_rows(catalog_rows.map(|row| row.map(|(key, value)| (key.to_vec(), Some(value.to_vec())))))?;
        let derived = DerivedState::open(directory, &options, &rows, &catalog, lsn)?;
        let floor = rows.change_log_floor()?;
        let uuid = rows.identity()?.database_uuid;
        let log_disk = log.clone();
        let (log, attachments) = match log {
            Some(disk) => {
                let (log, attachments) = CommitLog::begin(disk, uuid, lsn)?;
                (Some(log), Some(Arc::new(attachments)))
            }
            None => (None, None),
        };
        let is_in_memory = log.is_none();
        let snapshot = Snapshot { lsn, durable_lsn: lsn, rows, catalog: Arc::new(catalog), derived };
        let shared = Arc::new(StoreShared {
            published: Published::new(snapshot),
            layers: Layers::new(base, lsn),
            attachments: attachments.clone(),
            counters: Counters::default(),
            commit_count: AtomicU64::new(0),
            commit_batch_count: AtomicU64::new(0),
            timings: Timings::default(),
            row_changes: RowChanges::default(),
            failure: Failure::default(),
            holds: Arc::default(),
            is_in_memory,
        });
        let queue = Arc::new(CommitQueue::new());
        let applier = Applier::new(Arc::clone(&shared), database, attachments, floor);
        let applier = spawn("sinew-applier", move || applier.run())?;
        let committer = Committer::new(Arc::clone(&shared), log, options.memory_table_size_bytes);
        let committer = Arc::new(Mutex::new(committer));
        let committer_thread = {
            let (queue, committer) = (Arc::clone(&queue), Arc::clone(&committer));
            spawn("sinew-committer", move || committer::run(&queue, &committer))?
        };
        let stop = Arc::new(StopSignal::default());
        let checkpointer = match directory {
            Some(_) => {
                let (shared, stop) = (Arc::clone(&shared), Arc::clone(&stop));
                let max_snapshot_age = options.max_snapshot_age;
                Some(spawn("sinew-checkpoint", move || keep_house(&shared, &stop, max_snapshot_age))?)
            }
            None => None,
        };
        let (file, lock_file) = files.unzip();
        Ok(Arc::new(Store {
            shared,
            options,
            file,
            log: log_disk,
            lock_file,
            queue,
            committer,
            committer_thread: Mutex::new(Some(committer_thread)),
            applier: Mutex::new(Some(applier)),
            checkpointer: Mutex::new(checkpointer),
            stop,
            is_closed: AtomicBool::new(false),
            locks: LockTable::default(),
            message_sequences: Default::default(),
            index_compiler: OnceLock::new(),
            next_transaction_id: AtomicU64::new(1),
            open_transaction_count: AtomicU64::new(0),
        }))
    }

    /// Starts a transaction. Costs an `Arc` clone until something is written.
    pub fn begin(self: &Arc<Self>, isolation: Isolation) -> Transaction {
        let id = self.next_transaction_number();
        self.open_transaction_count.fetch_add(1, Ordering::Relaxed);
        Transaction::new(Arc::clone(self), id, isolation)
    }

    /// Gives the store what indexes over expressions need. Only the first call counts.
    pub fn set_index_compiler(&self, compiler: Arc<dyn IndexCompiler>) {
        // A second one would do the same.
        let _ = self.index_compiler.set(compiler);
    }

    pub(crate) fn index_compiler(&self) -> Result<&Arc<dyn IndexCompiler>> {
        self.index_compiler
            .get()
            .ok_or_else(|| StorageError::Internal("nobody compiles the expressions of indexes".to_owned()))
    }

    pub fn stats(&self) -> StoreStats {
        let snapshot = self.shared.published.current();
        let file_size_bytes =
            self.file.as_ref().and_then(|file| std::fs::metadata(file).ok()).map_or(0, |metadata| metadata.len());
        let (applied_lsn, memory_table_size_bytes, frozen_layer_count) = {
            let layers = self.shared.layers.lock();
            (layers.applied, layers.stack.size_bytes() as u64, layers.stack.frozen_count() as u64)
        };
        StoreStats {
            lsn: snapshot.lsn,
            durable_lsn: snapshot.durable_lsn,
            commit_count: self.shared.commit_count.load(Ordering::Relaxed),
            commit_batch_count: self.shared.commit_batch_count.load(Ordering::Relaxed),
            open_transaction_count: self.open_transaction_count.load(Ordering::Relaxed),
            oldest_snapshot_lsn: self.shared.published.oldest(),
            oldest_snapshot_age: self.shared.holds.oldest_age(),
            commit_queue_depth: self.queue.len() as u64,
            file_size_bytes,
            log_size_bytes: self.log_size_bytes(),
            applied_lsn,
            memory_table_size_bytes,
            frozen_layer_count,
            failed: self.shared.failure(),
            commit_times: self.shared.timings.commit.stats(),
            log_sync_times: self.shared.timings.log_sync.stats(),
            batch_sizes: self.shared.timings.batch.stats(),
            graph_image_size_bytes: snapshot.derived.graph_image_size_bytes(),
            search_indexes: snapshot.derived.search_index_stats(),
        }
    }

    fn log_size_bytes(&self) -> u64 {
        let Some(folder) = self.file.as_ref().map(|file| file.with_file_name(LOG_FOLDER)) else { return 0 };
        let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
        entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum()
    }

    /// Why commits are refused; None when they are taken. Reads go on either way.
    pub fn failure(&self) -> Option<String> {
        self.shared.failure()
    }

    /// The snapshots that transactions hold, in no order.
    pub fn snapshot_infos(&self) -> Vec<SnapshotInfo> {
        self.shared.holds.infos()
    }

    /// The catalog of the newest snapshot.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.shared.published.current().catalog)
    }

    /// Database uuid and epoch of this opening.
    pub fn identity(&self) -> Result<StoreIdentity> {
        self.shared.published.current().rows.identity()
    }

    /// Drains the committer, checkpoints derived indexes and closes the file cleanly. Later commits fail with
    /// [`crate::StorageError::ShuttingDown`]. Idempotent.
    pub fn close(&self) -> Result<()> {
        let mut committer_thread = self.committer_thread.lock();
        let Some(thread) = committer_thread.take() else { return Ok(()) };
        self.is_closed.store(true, Ordering::Release);
        self.stop.give();
        if let Some(checkpointer) = self.checkpointer.lock().take() {
            // A panic there has been logged; the committer checkpoints once more.
            let _ = checkpointer.join();
        }
        let (reply, answer) = crossbeam_channel::bounded(1);
        let result = match self.queue.push(Request::Shutdown(reply), false) {
            Ok(_) => answer.recv().unwrap_or_else(|_| Err(StorageError::Internal("the committer died".to_owned()))),
            Err(_) => Err(StorageError::Internal("the committer died".to_owned())),
        };
        let _ = thread.join();
        // The committer stops it; if it died before that, this does.
        self.shared.layers.stop();
        let result = match self.applier.lock().take().map(JoinHandle::join) {
            Some(Ok(applied)) => {
                let result = result.and(applied);
                match &self.log {
                    Some(disk) if result.is_ok() && self.shared.layers.lock().stack.is_empty() => log::clear(&**disk),
                    _ => result,
                }
            }
            Some(Err(_)) => result.and(Err(StorageError::Internal("the applier panicked".to_owned()))),
            None => result,
        };
        if let Some(lock_file) = &self.lock_file {
            lock_file.remove();
        }
        result
    }

    fn next_transaction_number(&self) -> u64 {
        self.next_transaction_id.fetch_add(1, Ordering::Relaxed)
    }

    /// None for a database in memory.
    /// Rows of a table that commits have inserted, updated or deleted since the database was opened, about.
    pub fn row_change_count(&self, table: RelationId) -> u64 {
        self.shared.row_changes.of(Keyspace::of_relation(table))
    }

    /// A file for what a statement keeps; None for a database in memory. Errors with `DiskFull` and `TemporaryFile`.
    pub fn temporary_file(&self) -> Result<Option<TemporaryFile>> {
        self.attachments().map(Attachments::create_temporary).transpose()
    }

    pub(crate) fn attachments(&self) -> Option<&Attachments> {
        self.shared.attachments.as_deref()
    }

    pub(crate) fn published(&self) -> &Published {
        &self.shared.published
    }

    pub(crate) fn snapshot_holds(&self) -> &Arc<SnapshotHolds> {
        &self.shared.holds
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    pub(crate) fn locks(&self) -> &LockTable {
        &self.locks
    }

    pub(crate) fn message_sequences(&self) -> &crate::ddl::MessageSequences {
        &self.message_sequences
    }

    pub(crate) fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// True when the directory holds a database.
    pub fn exists(directory: &Path) -> bool {
        directory.join(FILE_NAME).exists()
    }

    /// Has redb verify every page of the file of a database that is not open, and repair what can be: false when it had
    /// to. Errors with `Corrupted`, `AlreadyOpen`, and `ObjectNotFound` when the directory holds no database.
    pub fn check_file(directory: &Path) -> Result<bool> {
        let place = directory.display().to_string();
        let file = directory.join(FILE_NAME);
        if !Store::exists(directory) {
            return Err(StorageError::ObjectNotFound { kind: "database", name: place });
        }
        let check = || -> Result<bool> {
            let mut database = Builder::new().open(&file).map_err(|error| database_error(error, &place))?;
            let is_sound = database.check_integrity().map_err(|error| database_error(error, &place))?;
            database.close().map_err(|error| database_error(error, &place))?;
            Ok(is_sound)
        };
        catch_unwind(AssertUnwindSafe(check))
            .unwrap_or_else(|_| Err(StorageError::Corrupted(format!("{} cannot be read", file.display()))))
    }

    fn transaction_ended(&self) {
        self.open_transaction_count.fetch_sub(1, Ordering::Relaxed);
    }

    fn commit(&self, mut writes: WriteSet, synchronous: bool) -> Result<Lsn> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StorageError::ShuttingDown);
        }
        let started = Instant::now();
        let spill = match &self.shared.attachments {
            Some(attachments) => {
                let sealed = writes.seal(attachments);
                self.shared.failure.note_write(&sealed);
                sealed?
            }
            None => None,
        };
        let attachment = match &self.shared.attachments {
            Some(attachments) if spill.is_none() && writes.size_bytes() >= ATTACHMENT_BYTES => {
                let written = attachments.write(|out, hand_on| encode_set(out, &writes, hand_on));
                self.shared.failure.note_write(&written);
                Some(written?)
            }
            _ => None,
        };
        let (reply, answer) = crossbeam_channel::bounded(1);
        let request = Request::Commit(CommitRequest { writes, attachment, spill, synchronous, reply });
        // What is not durable at once is looked after by the committer's thread.
        if self.queue.push(request, synchronous)? == Server::Caller {
            // However it ends, the next ones must not wait for this thread.
            let _turn = TurnEnd(&self.queue);
            self.committer.lock().serve_batch(&self.queue);
        }
        let committed = answer.recv().unwrap_or_else(|_| {
            if self.is_closed.load(Ordering::Acquire) {
                // Left in the queue behind the shutdown.
                Err(StorageError::ShuttingDown)
            } else {
                Err(StorageError::CommitUnknown("the committer ended while the commit was under way".to_owned()))
            }
        });
        if committed.is_ok() {
            self.shared.timings.commit.observe_time(started.elapsed());
        }
        committed
    }

    /// PostgreSQL's CHECKPOINT: returns once redb durably holds everything committed before the call.
    pub fn checkpoint(&self) -> Result<Lsn> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(StorageError::ShuttingDown);
        }
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.queue.push(Request::Checkpoint(reply), false)?;
        let lsn = answer.recv().unwrap_or(Err(StorageError::ShuttingDown))?;
        self.shared.layers.wait_until(|state| state.applied >= lsn || state.stack.is_empty());
        let state = self.shared.layers.lock();
        match &state.failed {
            Some(error) => Err(error.clone()),
            None if state.starved => {
                Err(StorageError::DiskFull("the commits so far wait in the log for room".to_owned()))
            }
            None => Ok(lsn),
        }
    }

    pub(crate) fn in_own_commit<T>(self: &Arc<Self>, write: &mut dyn FnMut(&Transaction) -> Result<T>) -> Result<T> {
        for _ in 0..OWN_COMMIT_ATTEMPTS {
            let transaction = self.begin(Isolation::ReadCommitted);
            transaction.begin_statement()?;
            let value = write(&transaction)?;
            transaction.finish_statement()?;
            match transaction.commit() {
                Ok(_) => return Ok(value),
                Err(StorageError::WriteConflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StorageError::WriteConflict { detail: format!("{OWN_COMMIT_ATTEMPTS} attempts were overtaken") })
    }
}

/// Ends the turn of a transaction's thread at the queue.
struct TurnEnd<'q>(&'q CommitQueue);

impl Drop for TurnEnd<'_> {
    fn drop(&mut self) {
        self.0.end_turn();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::warn!(%error, "closing the database failed");
        }
    }
}

fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .map_err(|error| StorageError::Io(format!("thread {name}: {error}")))
}

/// Makes an empty redb file. It gets its name, durably, only when it is whole: a crash in between leaves nothing behind
/// that could be taken for a database.
fn create_file(directory: &Path, file: &Path, options: &StoreOptions) -> Result<()> {
    let place = directory.display().to_string();
    let io_error = |error: std::io::Error| StorageError::Io(format!("{place}: {error}"));
    let unfinished = directory.join(format!("{FILE_NAME}.new"));
    if unfinished.exists() {
        std::fs::remove_file(&unfinished).map_err(io_error)?;
    }
    let created = Builder::new().set_cache_size(options.cache_size_bytes).create(&unfinished);
    created.map_err(|error| database_error(error, &place))?.close().map_err(|error| database_error(error, &place))?;
    std::fs::rename(&unfinished, file).map_err(io_error)?;
    disk::sync_directory(directory).map_err(io_error)?;
    match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => disk::sync_directory(parent).map_err(io_error),
        _ => Ok(()),
    }
}

/// Checks the format and writes what a new database needs; true when it is new.
fn create_if_empty(database: &Database) -> Result<bool> {
    let rows = KvSnapshot::of_base(TableBase::new(database.begin_read().map_err(transaction_error)?), Lsn(0));
    match rows.format_version()? {
        Some(found) if found > FORMAT_VERSION => {
            return Err(StorageError::FormatTooNew { found, supported: FORMAT_VERSION });
        }
        Some(_) => return Ok(false),
        None => drop(rows),
    }
    let history = history::with_opening(None, 1, Lsn(0))?;
    let transaction = database.begin_write().map_err(transaction_error)?;
    {
        let name = Keyspace::META.table_name();
        let mut meta = transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(&name)).map_err(table_error)?;
        let mut put = |key: &[u8], value: &[u8]| meta.insert(key, value).map(drop).map_err(storage_error);
        put(EPOCH_KEY, &1_u64.to_be_bytes())?;
        put(EPOCH_HISTORY_KEY, &history[..])?;
        put(FORMAT_KEY, &FORMAT_VERSION.to_be_bytes())?;
        put(UUID_KEY, uuid::Uuid::now_v7().as_bytes())?;
        put(LSN_KEY, &0_u64.to_be_bytes())?;
        let name = Keyspace::CATALOG.table_name();
        let mut catalog = transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(&name)).map_err(table_error)?;
        for (key, value) in bootstrap_rows()? {
            catalog.insert(&key[..], &value[..]).map_err(storage_error)?;
        }
    }
    transaction.commit().map_err(commit_error)?;
    Ok(true)
}
