//! The applier: one thread that brings redb up to date with what was committed.
//!
//! It takes the layers that no longer change, writes them in one sorted pass, commits durably, and replaces them in the
//! stack by the redb snapshot that holds them. Many commits become one redb transaction, and a key that was written
//! often is written once. Its commits save redb's allocator state, so that an unclean stop needs no repair of the file.
//!
//! Nothing waits for it, except commits when it falls far behind.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use redb::{Database, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction};
use rustc_hash::FxHashMap;

use super::errors::{commit_error, database_error, storage_error, table_error, transaction_error};
use super::keyspace::Keyspace;
use super::kv::{TableBase, encode_lsn};
use super::layers::{Frozen, Layer, LayerStack};
use super::log::Attachments;
use super::memory_table::Stored;
use super::meta::{CHANGE_LOG_FLOOR_KEY, LSN_KEY};
use super::snapshot::Snapshot;
use super::spill::{SpillFile, SpilledSet};
use super::write_set::WriteEntry;
use super::{KvSnapshot, StoreShared};
use crate::error::{Result, StorageError};
use crate::ids::Lsn;

/// Free space that applying a set of layers asks for: redb's copies of the pages it changes, and its own growth.
const ROOM_BYTES: u64 = 8 << 20;
const ROOM_FACTOR: u64 = 3;
/// How often a full disk is looked at.
const ROOM_INTERVAL: Duration = Duration::from_secs(1);
/// How long applied layers are held.
const RETIRE_AFTER: Duration = Duration::from_secs(1);
/// A keyspace with at least this many entries is appended in one pass where possible.
const BULK_ENTRIES: usize = 256;
/// Commits kept in the change log; an index that is further behind is rebuilt.
pub(crate) const CHANGE_LOG_COMMITS: u64 = if cfg!(test) { 400 } else { 200_000 };
/// The log is trimmed when it is this much longer than it has to be.
const CHANGE_LOG_SLACK: u64 = CHANGE_LOG_COMMITS / 10;

/// The layer stack as committer and applier share it.
pub(crate) struct Layers {
    state: Mutex<LayersState>,
    /// Something was frozen or applied, or the applier is to stop or has failed.
    changed: Condvar,
}

pub(crate) struct LayersState {
    pub stack: LayerStack,
    /// LSN up to which redb durably holds everything.
    pub applied: Lsn,
    /// Why the applier gave up.
    pub failed: Option<StorageError>,
    /// The applier waits for room on the disk.
    pub starved: bool,
    stopping: bool,
}

impl Layers {
    pub fn new(base: Arc<TableBase>, applied: Lsn) -> Layers {
        let stack = LayerStack::new(base);
        let state = LayersState { stack, applied, failed: None, starved: false, stopping: false };
        Layers { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub fn lock(&self) -> MutexGuard<'_, LayersState> {
        self.state.lock()
    }

    /// Call after freezing layers.
    pub fn notify(&self) {
        self.changed.notify_all();
    }

    /// Call when more is durable than before.
    pub fn notify_if_frozen(&self, state: &LayersState) {
        if state.stack.has_frozen() {
            self.changed.notify_all();
        }
    }

    /// Waits until `enough` says true of the state, or the applier has failed.
    pub fn wait_until(&self, enough: impl Fn(&LayersState) -> bool) {
        let mut state = self.state.lock();
        while !enough(&state) && state.failed.is_none() && !state.starved {
            self.changed.wait(&mut state);
        }
    }

    /// Ends the applier once everything frozen is applied.
    pub fn stop(&self) {
        self.state.lock().stopping = true;
        self.changed.notify_all();
    }
}

pub(super) struct Applier {
    shared: Arc<StoreShared>,
    database: Database,
    attachments: Option<Arc<Attachments>>,
    /// Attachments whose writes redb holds, by the LSN up to which the log is needed until then.
    spent: Vec<(Lsn, u64)>,
    /// Layers applied last. Freeing a large one takes long, and whoever lets go of it last has to do it: not the committer.
    retired: Vec<Frozen>,
    /// Spill files, as `spent`.
    spent_spills: Vec<(Lsn, Arc<SpillFile>)>,
    change_log_floor: Lsn,
}

/// Free space that applying the layers may take, in bytes.
pub(super) fn room_needed(layers: &[Frozen]) -> u64 {
    let size_bytes: usize = layers.iter().map(|frozen| frozen.layer.size_bytes()).sum();
    ROOM_BYTES + size_bytes as u64 * ROOM_FACTOR
}

impl Applier {
    pub fn new(
        shared: Arc<StoreShared>,
        database: Database,
        attachments: Option<Arc<Attachments>>,
        change_log_floor: Lsn,
    ) -> Applier {
        Applier {
            shared,
            database,
            attachments,
            spent: Vec::new(),
            spent_spills: Vec::new(),
            retired: Vec::new(),
            change_log_floor,
        }
    }

    /// Serves the stack until it is stopped or fails; closes the file.
    pub fn run(mut self) -> Result<()> {
        let mut result = Ok(());
        while let Some(layers) = self.next_layers() {
            if !self.wait_for_room(&layers) {
                result = Err(StorageError::DiskFull(
                    "commits stay in the log, to be applied at the next opening".to_owned(),
                ));
                break;
            }
            let applied = catch_unwind(AssertUnwindSafe(|| self.apply(&layers)));
            let applied =
                applied.unwrap_or_else(|_| Err(StorageError::Internal("applying commits panicked".to_owned())));
            self.retired = layers;
            if let Err(error) = applied {
                // The commits are safe in the log; only new ones can no longer be taken.
                tracing::error!(%error, "commits could not be applied; writes are refused until the database is reopened");
                self.shared.layers.lock().failed = Some(error.clone());
                self.shared.layers.notify();
                result = Err(error);
                self.wait_for_stop();
                break;
            }
        }
        let closed = self.database.close().map_err(|error| database_error(error, "close"));
        result.and(closed)
    }

    /// The oldest layers that can be applied, once there are any; None when the applier is to end.
    fn next_layers(&mut self) -> Option<Vec<Frozen>> {
        let layers = &self.shared.layers;
        let mut state = layers.state.lock();
        loop {
            // What is not durable may be lost, and then nothing of it must be left; what is not published is not whole.
            let frozen = state.stack.frozen(self.shared.published.current().durable_lsn);
            if !frozen.is_empty() {
                return Some(frozen);
            }
            if state.stopping {
                return None;
            }
            if self.retired.is_empty() {
                layers.changed.wait(&mut state);
            } else if layers.changed.wait_for(&mut state, RETIRE_AFTER).timed_out() {
                // Statements that read them have ended by now, most likely.
                let retired = std::mem::take(&mut self.retired);
                MutexGuard::unlocked(&mut state, || drop(retired));
            }
        }
    }

    /// redb cannot go on after it ran out of space, so it is not begun without room. The commits are safe in the log; they
    /// wait until there is some. False when the store is being closed.
    fn wait_for_room(&self, layers: &[Frozen]) -> bool {
        let needed = room_needed(layers);
        let has_room = || {
            let free = self.attachments.as_ref().and_then(|attachments| attachments.free_bytes());
            free.is_none_or(|free| free >= needed)
        };
        if has_room() {
            return true;
        }
        tracing::error!(needed, "the disk is full; commits stay in the log until there is room to apply them");
        let shared = &self.shared.layers;
        let mut state = shared.state.lock();
        state.starved = true;
        shared.changed.notify_all();
        while !state.stopping && !has_room() {
            shared.changed.wait_for(&mut state, ROOM_INTERVAL);
        }
        state.starved = false;
        if !state.stopping {
            tracing::info!("there is room on the disk again");
        }
        !state.stopping
    }

    /// The file stays open for those who read.
    fn wait_for_stop(&self) {
        let layers = &self.shared.layers;
        let mut state = layers.state.lock();
        while !state.stopping {
            layers.changed.wait(&mut state);
        }
    }

    fn apply(&mut self, layers: &[Frozen]) -> Result<()> {
        let started = Instant::now();
        let is_durable = !self.shared.is_in_memory;
        let complete = layers.last().map_or(Lsn(0), |newest| newest.complete);
        let layer_list: Vec<&Layer> = layers.iter().map(|frozen| &frozen.layer).collect();
        self.change_log_floor = apply_layers(&self.database, &layer_list, complete, self.change_log_floor, is_durable)?;
        let base = TableBase::new(self.database.begin_read().map_err(transaction_error)?);
        let retired = {
            let mut state = self.shared.layers.state.lock();
            state.stack.applied(layers.len(), base);
            state.applied = complete;
            let current = self.shared.published.current();
            let rows = state.rows_at(current.lsn);
            self.shared.published.publish(Snapshot {
                lsn: current.lsn,
                durable_lsn: current.durable_lsn,
                rows,
                catalog: Arc::clone(&current.catalog),
                derived: Arc::clone(&current.derived),
            });
            current
        };
        drop(retired);
        self.shared.layers.notify();
        let sets = layer_list.iter().filter_map(|layer| match layer {
            Layer::Set(set) => set.attachment.map(|number| (set.lsn, number)),
            Layer::Table(_) | Layer::Spilled(_) => None,
        });
        self.spent.extend(sets);
        let spills = layer_list.iter().filter_map(|layer| match layer {
            Layer::Spilled(set) => Some((set.lsn, Arc::clone(&set.file))),
            Layer::Table(_) | Layer::Set(_) => None,
        });
        self.spent_spills.extend(spills);
        // A file goes with the last snapshot that reads it.
        self.spent_spills.retain(|(lsn, file)| {
            let is_needed = *lsn > complete;
            file.set_needed(is_needed);
            is_needed
        });
        if let Some(attachments) = &self.attachments {
            self.spent.retain(|(lsn, number)| {
                let is_needed = *lsn > complete;
                if !is_needed {
                    attachments.remove(*number);
                }
                is_needed
            });
        }
        let elapsed = started.elapsed();
        if elapsed > Duration::from_secs(1) {
            tracing::debug!(?elapsed, layers = layers.len(), lsn = %complete, "applied commits");
        }
        Ok(())
    }
}

impl LayersState {
    /// Everything committed at or below `lsn`, which is the newest LSN in the stack.
    pub fn rows_at(&self, lsn: Lsn) -> KvSnapshot {
        KvSnapshot::new(Arc::clone(&self.stack.base), self.stack.for_snapshot(lsn), lsn)
    }
}

/// Writes layers, oldest first, and commits; afterwards redb holds everything at or below `complete`. Returns the new floor
/// of the change log.
pub(super) fn apply_layers(
    database: &Database,
    layers: &[&Layer],
    complete: Lsn,
    floor: Lsn,
    quick_repair: bool,
) -> Result<Lsn> {
    let mut transaction = database.begin_write().map_err(transaction_error)?;
    transaction.set_quick_repair(quick_repair);
    let floor = {
        let mut tables = OpenTables { transaction: &transaction, tables: FxHashMap::default() };
        for layer in layers {
            match layer {
                Layer::Table(table) => {
                    for (keyspace, versions) in table.keyspaces() {
                        let mut newest: Vec<(Arc<[u8]>, Stored)> = Vec::new();
                        versions.for_each(
                            Bound::Unbounded,
                            Bound::Unbounded,
                            false,
                            Lsn(u64::MAX),
                            &mut |key, stored| {
                                newest.push((Arc::clone(key), stored.clone()));
                                true
                            },
                        );
                        tables.apply(keyspace, || {
                            newest.iter().map(|(key, stored)| Entry {
                                key,
                                value: stored.value.as_deref(),
                                is_fresh: stored.fresh,
                            })
                        })?;
                    }
                }
                Layer::Set(set) => {
                    let mut keyspaces: Vec<_> = set.keyspaces.iter().collect();
                    keyspaces.sort_unstable_by_key(|(keyspace, _)| **keyspace);
                    for (keyspace, writes) in keyspaces {
                        if writes.cleared.is_some() {
                            tables.clear(*keyspace)?;
                        }
                        tables.apply(*keyspace, || {
                            writes.iter().map(|entry| Entry {
                                key: entry.key(),
                                value: entry.value(),
                                is_fresh: entry.is_fresh(),
                            })
                        })?;
                    }
                }
                Layer::Spilled(set) => {
                    for keyspace in set.keyspaces() {
                        tables.apply_spilled(set, keyspace)?;
                    }
                }
            }
        }
        tables.insert(Keyspace::META, LSN_KEY, &encode_lsn(complete))?;
        tables.trim_change_log(floor, complete)?
    };
    transaction.commit().map_err(commit_error)?;
    Ok(floor)
}

type RedbTable<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// A write, read where it lies.
struct Entry<'e> {
    key: &'e [u8],
    /// None deletes the key.
    value: Option<&'e [u8]>,
    /// The key exists nowhere below the layer.
    is_fresh: bool,
}

/// The tables of one write transaction, opened once each.
struct OpenTables<'t> {
    transaction: &'t WriteTransaction,
    tables: FxHashMap<Keyspace, RedbTable<'t>>,
}

impl<'t> OpenTables<'t> {
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

    fn clear(&mut self, keyspace: Keyspace) -> Result<()> {
        self.tables.remove(&keyspace);
        let name = keyspace.table_name();
        let definition = TableDefinition::<&[u8], &[u8]>::new(&name);
        self.transaction.delete_table(definition).map_err(table_error)?;
        Ok(())
    }

    /// `entries` gives all writes of the keyspace in key order, each key once, as often as it is called.
    fn apply<'e, E: Iterator<Item = Entry<'e>>>(&mut self, keyspace: Keyspace, entries: impl Fn() -> E) -> Result<()> {
        let count = entries().take(BULK_ENTRIES).count();
        if count == 0 {
            return Ok(());
        }
        let table = self.table(keyspace)?;
        if count == BULK_ENTRIES && append_all(table, &entries)? {
            return Ok(());
        }
        for entry in entries() {
            match entry.value {
                Some(value) => drop(table.insert(entry.key, value).map_err(storage_error)?),
                // A key that was made and deleted again was never here.
                None if entry.is_fresh => {}
                None => drop(table.remove(entry.key).map_err(storage_error)?),
            }
        }
        Ok(())
    }

    /// Entries come from disk in key order. What redb cannot keep in its cache it writes to its file before the commit.
    fn apply_spilled(&mut self, set: &SpilledSet, keyspace: Keyspace) -> Result<()> {
        let is_cleared = set.is_cleared(keyspace);
        if is_cleared {
            self.clear(keyspace)?;
        }
        let may_append = set.is_all_fresh(keyspace);
        let mut entries = set.stream(keyspace)?;
        let Some(first) = entries.next().transpose()? else { return Ok(()) };
        let table = self.table(keyspace)?;
        let last_stored = table.last().map_err(storage_error)?.map(|(key, _)| key.value().to_vec());
        let lies_behind = last_stored.is_none_or(|last| last[..] < first.0[..]);
        let all = std::iter::once(Ok(first)).chain(entries);
        if may_append && lies_behind {
            return append_stream(table, all);
        }
        for entry in all {
            let (key, entry) = entry?;
            match &entry.value {
                Some(value) => drop(table.insert(&key[..], &value[..]).map_err(storage_error)?),
                // A key that was made and deleted again was never here.
                None if entry.fresh => {}
                None => drop(table.remove(&key[..]).map_err(storage_error)?),
            }
        }
        Ok(())
    }

    /// Returns the new floor.
    fn trim_change_log(&mut self, floor: Lsn, last: Lsn) -> Result<Lsn> {
        if last.0 < floor.0 + CHANGE_LOG_COMMITS + CHANGE_LOG_SLACK {
            return Ok(floor);
        }
        let floor = Lsn(last.0 - CHANGE_LOG_COMMITS);
        let end = encode_lsn(floor);
        self.table(Keyspace::CHANGE_LOG)?.retain_in(..=&end[..], |_, _| false).map_err(storage_error)?;
        self.insert(Keyspace::META, CHANGE_LOG_FLOOR_KEY, &encode_lsn(floor))?;
        Ok(floor)
    }
}

/// Appends all entries through a cursor, which packs pages in one pass, when they are all new and lie behind everything
/// in the table. False, with nothing done, when they do not.
fn append_all<'e, E: Iterator<Item = Entry<'e>>>(table: &mut RedbTable<'_>, entries: &impl Fn() -> E) -> Result<bool> {
    let Some(first) = entries().next() else { return Ok(true) };
    if entries().any(|entry| !entry.is_fresh) {
        return Ok(false);
    }
    let last_stored = table.last().map_err(storage_error)?.map(|(key, _)| key.value().to_vec());
    if last_stored.is_some_and(|last| last[..] >= *first.key) {
        return Ok(false);
    }
    let mut cursor = table.upper_bound_mut(Bound::<&[u8]>::Unbounded).map_err(storage_error)?;
    for entry in entries() {
        // A key that was made and deleted again is left out.
        if let Some(value) = entry.value {
            cursor.insert_before(entry.key, value).map_err(cursor_error)?;
        }
    }
    cursor.close().map_err(storage_error)?;
    Ok(true)
}

/// Appends entries, all behind everything in the table; a delete among them is of a key that is not there.
fn append_stream(
    table: &mut RedbTable<'_>,
    entries: impl Iterator<Item = Result<(Arc<[u8]>, WriteEntry)>>,
) -> Result<()> {
    let mut cursor = table.upper_bound_mut(Bound::<&[u8]>::Unbounded).map_err(storage_error)?;
    for entry in entries {
        let (key, entry) = entry?;
        if let Some(value) = &entry.value {
            cursor.insert_before(&key[..], &value[..]).map_err(cursor_error)?;
        }
    }
    cursor.close().map_err(storage_error)
}

fn cursor_error(error: redb::CursorError) -> StorageError {
    match error {
        redb::CursorError::Storage(error) => storage_error(error),
        other => StorageError::Internal(other.to_string()),
    }
}
