//! The committer: one thread that turns queued write sets into durable commits.
//!
//! ```text
//! queue ─▶ drain ─▶ validate each set against those before it ─▶ one redb write transaction ─▶ one fsync
//!                          │ lost: WriteConflict, DuplicateKey           │
//!                          ▼                                             ▼
//!                       answer                  derived state ─▶ publish one snapshot ─▶ answer all
//! ```
//!
//! Sets are validated before anything is written, so only an I/O error can fail later; it fails the whole batch, and
//! from then on every commit, until the database is reopened: what reached the disk is unknown. Whatever happens in
//! here, a panic included, every waiting transaction gets an answer: an answer channel that is dropped is an error.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use rustc_hash::FxHashMap;

use super::change_log::encode_changes;
use super::conflicts::{Conflict, LastWriters};
use super::errors::{commit_error, database_error, storage_error, table_error, transaction_error};
use super::kv::encode_lsn;
use super::meta::{CHANGE_LOG_FLOOR_KEY, LSN_KEY};
use super::snapshot::Snapshot;
use super::write_set::{KeyspaceWrites, WriteSet};
use super::{Change, Keyspace, KvSnapshot, StoreShared};
use crate::catalog::Catalog;
use crate::catalog::rows as catalog_rows;
use crate::error::{Result, StorageError};
use crate::ids::Lsn;

/// Most write sets in one commit.
const BATCH_SETS: usize = 512;
/// No further set joins a batch above this size, in bytes.
const BATCH_BYTES: usize = 32 << 20;
/// A keyspace with at least this many entries is appended in one pass where possible.
const BULK_ENTRIES: usize = 256;
/// After this long without a commit, the file is left in a state from which opening is instant.
const IDLE_BEFORE_QUICK_REPAIR: Duration = Duration::from_secs(2);
/// Commits kept in the change log; an index that is further behind is rebuilt.
const CHANGE_LOG_COMMITS: u64 = if cfg!(test) { 400 } else { 200_000 };
/// The log is trimmed when it is this much longer than it has to be.
const CHANGE_LOG_SLACK: u64 = CHANGE_LOG_COMMITS / 10;

pub(super) enum Request {
    Commit(CommitRequest),
    /// Ends the thread once everything queued before is done.
    Shutdown(Sender<Result<()>>),
}

pub(super) struct CommitRequest {
    pub writes: WriteSet,
    pub reply: Sender<Result<Lsn>>,
}

pub(super) struct Committer {
    shared: Arc<StoreShared>,
    database: Database,
    requests: Receiver<Request>,
    last_writers: LastWriters,
    change_log_floor: Lsn,
    /// Once set, every commit is answered with it.
    failed: Option<StorageError>,
    /// Commits since the file was last left in its instant-open state.
    needs_quick_repair: bool,
}

/// A set that passed validation.
struct Accepted {
    lsn: Lsn,
    request: CommitRequest,
}

impl Committer {
    pub fn new(shared: Arc<StoreShared>, database: Database, requests: Receiver<Request>, floor: Lsn) -> Committer {
        Committer {
            shared,
            database,
            requests,
            last_writers: LastWriters::default(),
            change_log_floor: floor,
            failed: None,
            needs_quick_repair: false,
        }
    }

    /// Serves the queue until shutdown or until the store is gone.
    pub fn run(mut self) {
        let mut shutdown_reply = None;
        while shutdown_reply.is_none() {
            let first = match self.requests.recv_timeout(IDLE_BEFORE_QUICK_REPAIR) {
                Ok(request) => request,
                Err(RecvTimeoutError::Timeout) => {
                    self.quick_repair_when_idle();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut batch = Vec::new();
            let mut size_bytes = 0;
            let mut next = Some(first);
            while let Some(request) = next {
                match request {
                    Request::Commit(request) => {
                        size_bytes += request.writes.size_bytes;
                        batch.push(request);
                    }
                    Request::Shutdown(reply) => {
                        shutdown_reply = Some(reply);
                        break;
                    }
                }
                let full = batch.len() >= BATCH_SETS || size_bytes >= BATCH_BYTES;
                next = if full { None } else { self.requests.try_recv().ok() };
            }
            if !batch.is_empty() {
                self.commit_batch_caught(batch);
            }
        }
        let result = self.finish();
        if let Some(reply) = shutdown_reply {
            // Nobody waiting any more is fine.
            let _ = reply.send(result);
        }
    }

    fn commit_batch_caught(&mut self, batch: Vec<CommitRequest>) {
        let set_count = batch.len() as u64;
        if let Some(error) = &self.failed {
            batch.into_iter().for_each(|request| answer(&request, Err(refused(error))));
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.commit_batch(batch)));
        if outcome.is_err() {
            // The requests were dropped by unwinding, which their waiters see as an unknown outcome.
            tracing::error!("the committer panicked; writes are refused until the database is reopened");
            self.failed = Some(StorageError::Io("the committer panicked".to_owned()));
        }
        self.shared.commit_batch_count.fetch_add(1, Ordering::Relaxed);
        self.shared.commit_count.fetch_add(set_count, Ordering::Relaxed);
    }

    fn commit_batch(&mut self, batch: Vec<CommitRequest>) {
        let current = self.shared.published.current();
        let mut catalog = Arc::clone(&current.catalog);
        let mut lsn = current.lsn;
        let mut accepted = Vec::with_capacity(batch.len());
        for request in batch {
            match self.validate(&request.writes, &catalog) {
                Ok(()) => {}
                Err(error) => {
                    answer(&request, Err(error));
                    continue;
                }
            }
            let next_lsn = Lsn(lsn.0 + 1);
            match catalog_after(&catalog, &request.writes, next_lsn) {
                Ok(Some(next)) => catalog = Arc::new(next),
                Ok(None) => {}
                Err(error) => {
                    answer(&request, Err(error));
                    continue;
                }
            }
            lsn = next_lsn;
            self.last_writers.record(&request.writes, lsn);
            accepted.push(Accepted { lsn, request });
        }
        if accepted.is_empty() {
            return;
        }
        let (rows, observed_grew) = match self.write_batch(&accepted, lsn) {
            Ok(written) => written,
            Err(error) => {
                tracing::error!(%error, "commit failed; writes are refused until the database is reopened");
                accepted.iter().for_each(|set| answer(&set.request, Err(error.clone())));
                self.failed = Some(error);
                return;
            }
        };
        self.needs_quick_repair = true;
        if observed_grew && catalog.version != lsn.0 {
            // Plans are typed by observed types: those made before this commit must not be found in a cache.
            catalog = Arc::new(Catalog { version: lsn.0, ..Catalog::clone(&catalog) });
        }
        let commits: Vec<(Lsn, Vec<Change>)> =
            accepted.iter_mut().map(|set| (set.lsn, std::mem::take(&mut set.request.writes.changes))).collect();
        let derived = current.derived.apply(&rows, &catalog, &commits);
        let horizon = self.shared.published.publish(Snapshot { lsn, durable_lsn: lsn, rows, catalog, derived });
        accepted.iter().for_each(|set| answer(&set.request, Ok(set.lsn)));
        drop(current);
        self.last_writers.prune(horizon);
    }

    /// First-committer-wins, by key, claim, and definition.
    fn validate(&self, writes: &WriteSet, catalog: &Catalog) -> Result<()> {
        if let Some(conflict) = self.last_writers.find_conflict(writes) {
            return Err(self.describe_conflict(&conflict, writes, catalog));
        }
        let own_catalog = writes.keyspaces.get(&Keyspace::CATALOG);
        for (relation, version) in &writes.relation_versions {
            if !writes.touches(Keyspace::of_relation(*relation)) {
                continue;
            }
            let own = own_catalog.is_some_and(|rows| {
                rows.entries.contains_key(&catalog_rows::relation_key(catalog_rows::TABLE, *relation)[..])
            });
            let moved = catalog.tables.get(relation).is_none_or(|def| def.version != *version);
            if moved && !own {
                return Err(StorageError::WriteConflict {
                    detail: format!("the definition of relation {relation} changed"),
                });
            }
        }
        let own_graph_version = own_catalog.is_some_and(|rows| rows.entries.contains_key(&[catalog_rows::GRAPH][..]));
        let writes_graph = writes.touches(Keyspace::NODES) || writes.touches(Keyspace::RELATIONSHIPS);
        if writes_graph
            && !own_graph_version
            && writes.graph_version.is_some_and(|version| version != catalog.graph_version)
        {
            return Err(StorageError::WriteConflict { detail: "the graph's indexes changed".to_owned() });
        }
        Ok(())
    }

    fn describe_conflict(&self, conflict: &Conflict, writes: &WriteSet, catalog: &Catalog) -> StorageError {
        let rows = &self.shared.published.current().rows;
        super::conflict_error::describe(conflict, writes, catalog, rows)
    }

    /// Writes and durably commits the accepted sets; gives the rows as they are afterwards, and whether a set of observed
    /// property types gained a member.
    fn write_batch(&mut self, accepted: &[Accepted], lsn: Lsn) -> Result<(KvSnapshot, bool)> {
        let transaction = self.database.begin_write().map_err(transaction_error)?;
        let (floor, observed_grew) = {
            let mut tables = OpenTables::new(&transaction);
            for (name, value) in self.shared.counters.take_unwritten() {
                tables.insert(Keyspace::COUNTERS, name.as_bytes(), &value.to_be_bytes())?;
            }
            for set in accepted {
                for (keyspace, writes) in &set.request.writes.keyspaces {
                    tables.apply(*keyspace, writes)?;
                }
                if !set.request.writes.changes.is_empty() {
                    let row = encode_changes(&set.request.writes.changes);
                    tables.insert(Keyspace::CHANGE_LOG, &encode_lsn(set.lsn), &row)?;
                }
            }
            tables.insert(Keyspace::META, LSN_KEY, &encode_lsn(lsn))?;
            (self.trim_change_log(&mut tables, lsn)?, tables.observed_grew)
        };
        transaction.commit().map_err(commit_error)?;
        self.change_log_floor = floor;
        Ok((KvSnapshot::new(self.database.begin_read().map_err(transaction_error)?), observed_grew))
    }

    /// Returns the new floor.
    fn trim_change_log(&self, tables: &mut OpenTables<'_>, lsn: Lsn) -> Result<Lsn> {
        if lsn.0 < self.change_log_floor.0 + CHANGE_LOG_COMMITS + CHANGE_LOG_SLACK {
            return Ok(self.change_log_floor);
        }
        let floor = Lsn(lsn.0 - CHANGE_LOG_COMMITS);
        let end = encode_lsn(floor);
        tables.table(Keyspace::CHANGE_LOG)?.retain_in(..=&end[..], |_, _| false).map_err(storage_error)?;
        tables.insert(Keyspace::META, CHANGE_LOG_FLOOR_KEY, &encode_lsn(floor))?;
        Ok(floor)
    }

    /// An unclean stop after this commit needs no repair of the whole file.
    fn quick_repair_when_idle(&mut self) {
        if !self.needs_quick_repair || self.failed.is_some() || self.shared.is_in_memory {
            return;
        }
        let started = Instant::now();
        let result = self.database.begin_write().map_err(transaction_error).and_then(|mut transaction| {
            transaction.set_quick_repair(true);
            transaction.commit().map_err(commit_error)
        });
        match result {
            Ok(()) => {
                self.needs_quick_repair = false;
                tracing::debug!(elapsed = ?started.elapsed(), "saved the allocator state");
            }
            Err(error) => {
                tracing::error!(%error, "saving the allocator state failed; writes are refused");
                self.failed = Some(error);
            }
        }
    }

    /// Writes reserved counters, checkpoints derived state and closes the file.
    fn finish(self) -> Result<()> {
        let mut result = Ok(());
        if let Some(error) = self.failed {
            result = Err(error);
        } else {
            let unwritten = self.shared.counters.take_unwritten();
            if !unwritten.is_empty() {
                result = write_counters(&self.database, &unwritten);
            }
            if !self.shared.is_in_memory {
                let snapshot = self.shared.published.current();
                let checkpoint = catch_unwind(AssertUnwindSafe(|| snapshot.derived.checkpoint(snapshot.durable_lsn)))
                    .unwrap_or_else(|_| Err(StorageError::Internal("the checkpoint panicked".to_owned())));
                if let Err(error) = checkpoint {
                    // Derived state is rebuilt when it is missing.
                    tracing::warn!(%error, "derived indexes were not checkpointed");
                }
            }
        }
        let closed = self.database.close().map_err(|error| database_error(error, "close"));
        result.and(closed)
    }
}

fn write_counters(database: &Database, rows: &std::collections::BTreeMap<String, u64>) -> Result<()> {
    let transaction = database.begin_write().map_err(transaction_error)?;
    {
        let mut tables = OpenTables::new(&transaction);
        for (name, value) in rows {
            tables.insert(Keyspace::COUNTERS, name.as_bytes(), &value.to_be_bytes())?;
        }
    }
    transaction.commit().map_err(commit_error)
}

fn answer(request: &CommitRequest, result: Result<Lsn>) {
    // A transaction whose thread is gone does not wait.
    let _ = request.reply.send(result);
}

/// What a commit is told after an earlier failure: unlike that one, it certainly did not happen.
fn refused(error: &StorageError) -> StorageError {
    match error {
        StorageError::CommitUnknown(what) | StorageError::Io(what) => StorageError::Io(what.clone()),
        other => StorageError::Io(other.to_string()),
    }
}

/// The catalog after the set's catalog rows; None when it has none.
fn catalog_after(catalog: &Catalog, writes: &WriteSet, lsn: Lsn) -> Result<Option<Catalog>> {
    let Some(rows) = writes.keyspaces.get(&Keyspace::CATALOG) else { return Ok(None) };
    let mut next = catalog.clone();
    next.apply_rows(rows.entries.iter().map(|(key, entry)| Ok((key, entry.value.as_ref()))))?;
    next.version = lsn.0;
    Ok(Some(next))
}

type RedbTable<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// The tables of one write transaction, opened once each.
struct OpenTables<'t> {
    transaction: &'t WriteTransaction,
    tables: FxHashMap<Keyspace, RedbTable<'t>>,
    /// Some set of observed property types gained a member.
    observed_grew: bool,
}

impl<'t> OpenTables<'t> {
    fn new(transaction: &'t WriteTransaction) -> OpenTables<'t> {
        OpenTables { transaction, tables: FxHashMap::default(), observed_grew: false }
    }

    fn table(&mut self, keyspace: Keyspace) -> Result<&mut RedbTable<'t>> {
        match self.tables.entry(keyspace) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let name = keyspace.table_name();
                let table = self.transaction.open_table(TableDefinition::new(&name)).map_err(table_error)?;
                Ok(entry.insert(table))
            }
        }
    }

    fn insert(&mut self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<()> {
        self.table(keyspace)?.insert(key, value).map_err(storage_error)?;
        Ok(())
    }

    fn apply(&mut self, keyspace: Keyspace, writes: &KeyspaceWrites) -> Result<()> {
        if writes.cleared.is_some() {
            self.tables.remove(&keyspace);
            let name = keyspace.table_name();
            let definition = TableDefinition::<&[u8], &[u8]>::new(&name);
            self.transaction.delete_table(definition).map_err(table_error)?;
        }
        if writes.entries.is_empty() {
            return Ok(());
        }
        let merges = keyspace.merges_by_or();
        let mut grew = false;
        let table = self.table(keyspace)?;
        if writes.entries.len() >= BULK_ENTRIES && !merges && append_all(table, writes)? {
            return Ok(());
        }
        for (key, entry) in &writes.entries {
            match &entry.value {
                Some(value) if merges => {
                    let merged = match table.get(&key[..]).map_err(storage_error)? {
                        Some(stored) => {
                            let merged = merge_bits(stored.value(), value);
                            if merged == stored.value() { None } else { Some(merged) }
                        }
                        None => Some(value.to_vec()),
                    };
                    if let Some(merged) = merged {
                        table.insert(&key[..], &merged[..]).map_err(storage_error)?;
                        grew = true;
                    }
                }
                Some(value) => {
                    table.insert(&key[..], &value[..]).map_err(storage_error)?;
                }
                None => {
                    table.remove(&key[..]).map_err(storage_error)?;
                }
            }
        }
        self.observed_grew |= grew;
        Ok(())
    }
}

/// Appends all entries through a cursor, which packs pages in one pass, when they are all new and lie behind everything
/// in the table. False, with nothing done, when they do not.
fn append_all(table: &mut RedbTable<'_>, writes: &KeyspaceWrites) -> Result<bool> {
    let all_fresh = writes.entries.values().all(|entry| entry.fresh && entry.value.is_some());
    let Some((first, _)) = writes.entries.first_key_value() else { return Ok(true) };
    let last_stored = table.last().map_err(storage_error)?.map(|(key, _)| key.value().to_vec());
    if !all_fresh || last_stored.is_some_and(|last| last[..] >= first[..]) {
        return Ok(false);
    }
    let mut cursor = table.upper_bound_mut(Bound::<&[u8]>::Unbounded).map_err(storage_error)?;
    for (key, entry) in &writes.entries {
        let value = entry.value.as_deref().expect("checked above");
        cursor.insert_before(&key[..], value).map_err(|error| match error {
            redb::CursorError::Storage(error) => storage_error(error),
            other => StorageError::Internal(other.to_string()),
        })?;
    }
    cursor.close().map_err(storage_error)?;
    Ok(true)
}

fn merge_bits(a: &[u8], b: &[u8]) -> Vec<u8> {
    let byte = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or(0);
    (0..a.len().max(b.len())).map(|at| byte(a, at) | byte(b, at)).collect()
}
