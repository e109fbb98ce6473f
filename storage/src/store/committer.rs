//! The committer: turns queued write sets into durable commits, on the thread of a transaction or on its own
//! ([`super::commit_queue`]).
//!
//! ```text
//! queue ─▶ drain ─▶ validate each set against those before it ─▶ one record in the log ─▶ one fdatasync
//!                          │ lost: WriteConflict, DuplicateKey                                 │
//!                          ▼                                                                   ▼
//!                       answer        layers over redb ─▶ derived state ─▶ publish one snapshot ─▶ answer all
//! ```
//!
//! redb itself is brought up to date later, by the applier. A set that is large, or that clears a keyspace, becomes a
//! layer of its own; the others share the memory table. A spilled set is a batch of its own: its changes are read from disk
//! and given to the graph image some at a time.
//!
//! Sets are validated before anything is written. A failed append leaves everything as it was; after a failed sync what
//! reached the disk is unknown, and every later commit is refused until the database is reopened. Whatever happens in
//! here, a panic included, every waiting transaction gets an answer: an answer channel that is dropped is an error.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use parking_lot::Mutex;

use super::applier::LayersState;
use super::change_log::encode_changes;
use super::commit_effects::{catalog_after, encode_set, with_spilled_changes};
use super::commit_queue::{CommitQueue, Turn};
use super::conflicts::{Conflict, LastWriters};
use super::counters::UnwrittenCounters;
use super::kv::encode_lsn;
use super::layers::{CommittedSet, Layer};
use super::log::CommitLog;
use super::log::record::{Attachment, HEADER_BYTES, begin_writes, encode_attachment, encode_entry, encode_spill};
use super::memory_table::Stored;
use super::reads::RecentWrites;
use super::snapshot::Snapshot;
use super::spill::SealedSpill;
use super::write_set::WriteSet;
use super::{Change, Keyspace, KvSnapshot, StoreShared};
use crate::catalog::Catalog;
use crate::catalog::rows as catalog_rows;
use crate::error::{Result, StorageError};
use crate::ids::Lsn;

/// A buffer for records above this size is not kept, in bytes.
const RECORD_BYTES: usize = 8 << 20;
/// A set above this size becomes a layer of its own instead of being copied entry by entry, in bytes.
const SET_LAYER_BYTES: usize = if cfg!(test) { 64 << 10 } else { 1 << 20 };
/// Commits wait while the applier is this many memory tables, or bytes of all layers, behind.
const FROZEN_TABLES: usize = 4;
const FROZEN_BYTES: usize = 2 << 30;
/// After this long without a commit, redb is brought up to date.
const IDLE_BEFORE_FREEZE: Duration = Duration::from_secs(2);
/// What was committed without waiting for the disk is durable after this long at the latest.
const SYNC_INTERVAL: Duration = Duration::from_millis(200);

pub(super) enum Request {
    Commit(CommitRequest),
    /// Has everything committed so far applied to redb; answered when that was begun, with the LSN it will hold.
    Checkpoint(Sender<Result<Lsn>>),
    /// Ends the thread once everything queued before is done.
    Shutdown(Sender<Result<()>>),
}

pub(super) struct CommitRequest {
    pub writes: WriteSet,
    /// The writes are in a file beside the log already.
    pub attachment: Option<Attachment>,
    /// What does not stay in memory is in a spill file, which is durable.
    pub spill: Option<SealedSpill>,
    /// Answered once durable; otherwise once visible.
    pub synchronous: bool,
    pub reply: Sender<Result<Lsn>>,
}

pub(super) struct Committer {
    shared: Arc<StoreShared>,
    /// None for a database in memory.
    log: Option<CommitLog>,
    last_writers: LastWriters,
    recent_writes: RecentWrites,
    /// Once set, every commit is answered with it.
    failed: Option<StorageError>,
    /// The applier waits for room on the disk, and is far behind.
    is_starved: bool,
    /// When the oldest commit that is not durable was written.
    unsynced_since: Option<Instant>,
    /// The record under construction.
    record: Vec<u8>,
    memory_table_size_bytes: usize,
}

/// A set that passed validation.
struct Accepted {
    lsn: Lsn,
    request: CommitRequest,
}

/// Rows that a batch writes beside its sets: counters, change log, merged sets of observed types.
type ExtraRows = BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>;

impl Committer {
    pub fn new(shared: Arc<StoreShared>, log: Option<CommitLog>, memory_table_size_bytes: usize) -> Committer {
        Committer {
            shared,
            log,
            last_writers: LastWriters::default(),
            recent_writes: RecentWrites::default(),
            failed: None,
            is_starved: false,
            unsynced_since: None,
            record: Vec::new(),
            memory_table_size_bytes,
        }
    }

    /// Commits what goes together at the front of the queue; false when that is nothing. The caller is the one who serves.
    pub fn serve_batch(&mut self, queue: &CommitQueue) -> bool {
        let batch = queue.next_batch();
        if batch.is_empty() {
            return false;
        }
        self.commit_batch_caught(batch);
        true
    }

    fn commit_batch_caught(&mut self, batch: Vec<CommitRequest>) {
        let set_count = batch.len() as u64;
        self.shared.timings.batch.observe(set_count);
        self.wait_for_applier();
        if let Some(error) = &self.failed {
            batch.into_iter().for_each(|request| self.answer(request, Err(refused(error))));
            return;
        }
        if self.is_starved {
            let error = StorageError::DiskFull("what was committed before waits for room".to_owned());
            self.shared.failure.note_write(&Err::<(), _>(error.clone()));
            batch.into_iter().for_each(|request| self.answer(request, Err(error.clone())));
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.commit_batch(batch)));
        if outcome.is_err() {
            // The requests were dropped by unwinding, which their waiters see as an unknown outcome.
            tracing::error!("the committer panicked; writes are refused until the database is reopened");
            self.fail(StorageError::Io("the committer panicked".to_owned()));
        }
        self.shared.commit_batch_count.fetch_add(1, Ordering::Relaxed);
        self.shared.commit_count.fetch_add(set_count, Ordering::Relaxed);
    }

    /// Back-pressure: what is committed faster than it can be applied would fill the memory.
    fn wait_for_applier(&mut self) {
        let table_bytes = self.memory_table_size_bytes * FROZEN_TABLES;
        let is_low = |state: &LayersState| {
            state.stack.frozen_table_bytes() <= table_bytes && state.stack.frozen_size_bytes() <= FROZEN_BYTES
        };
        if !is_low(&self.shared.layers.lock()) {
            // Only what is durable is applied, and nobody else makes it so meanwhile.
            self.unsynced_since = None;
            self.sync();
        }
        if self.failed.is_none() {
            self.shared.layers.wait_until(is_low);
        }
        let state = self.shared.layers.lock();
        self.is_starved = state.starved && !is_low(&state);
        if let (None, Some(error)) = (&self.failed, &state.failed) {
            self.failed = Some(error.clone());
        }
        if let Some(log) = &mut self.log {
            log.release(state.applied);
        }
    }

    fn commit_batch(&mut self, batch: Vec<CommitRequest>) {
        let current = self.shared.published.current();
        let mut catalog = Arc::clone(&current.catalog);
        let mut derived = Arc::clone(&current.derived);
        let mut lsn = current.lsn;
        let mut accepted = Vec::with_capacity(batch.len());
        let is_watched = self.shared.published.oldest_reader().is_some();
        for mut request in batch {
            if let Some((reads, _)) = &mut request.writes.reads {
                // Whoever used a new name has committed its token before.
                reads.resolve(|kind, name| current.derived.shared.tokens.find(kind, name));
            }
            let valid = self.validate(&request.writes, &catalog).and_then(|()| match request.spill {
                Some(_) => with_spilled_changes(&derived, &mut request.writes),
                None => Ok(Arc::clone(&derived)),
            });
            match valid {
                Ok(next) => derived = next,
                Err(error) => {
                    self.answer(request, Err(error));
                    continue;
                }
            }
            let next_lsn = Lsn(lsn.0 + 1);
            match catalog_after(&catalog, &request.writes, next_lsn) {
                Ok(Some(next)) => catalog = Arc::new(next),
                Ok(None) => {}
                Err(error) => {
                    self.answer(request, Err(error));
                    continue;
                }
            }
            lsn = next_lsn;
            self.last_writers.record(&request.writes, lsn);
            if is_watched {
                self.recent_writes.record(&request.writes, lsn);
            }
            accepted.push(Accepted { lsn, request });
        }
        if accepted.is_empty() {
            return;
        }
        let unwritten = self.shared.counters.take_unwritten();
        let written = self.extra_rows(&current.rows, &accepted, &unwritten).and_then(|(extra, observed_grew)| {
            self.write_log(&accepted, &extra, current.lsn, lsn).map(|durable| (extra, observed_grew, durable))
        });
        self.shared.failure.note_write(&written);
        let (extra, observed_grew, durable) = match written {
            Ok(written) => written,
            Err(error) => {
                tracing::error!(%error, "commit failed");
                self.shared.counters.give_back(unwritten);
                self.last_writers.take_back(current.lsn);
                self.recent_writes.take_back(current.lsn);
                // After an unknown outcome the same LSNs must not be written again.
                if !matches!(error, StorageError::DiskFull(_) | StorageError::LimitExceeded(_)) {
                    self.fail(error.clone());
                }
                accepted.into_iter().for_each(|set| self.answer(set.request, Err(error.clone())));
                return;
            }
        };
        if observed_grew && catalog.version != lsn.0 {
            // Plans are typed by observed types: those made before this commit must not be found in a cache.
            catalog = Arc::new(Catalog { version: lsn.0, ..Catalog::clone(&catalog) });
        }
        let commits: Vec<(Lsn, Vec<Change>)> =
            accepted.iter_mut().map(|set| (set.lsn, std::mem::take(&mut set.request.writes.changes))).collect();
        self.enter(&mut accepted, extra, current.lsn, lsn);
        let rows = self.shared.layers.lock().rows_at(lsn);
        let derived = derived.apply(&rows, &catalog, &commits);
        let horizon = {
            // The applier may have moved rows to redb meanwhile.
            let state = self.shared.layers.lock();
            let rows = state.rows_at(lsn);
            let horizon = self.shared.published.publish(Snapshot { lsn, durable_lsn: durable, rows, catalog, derived });
            self.shared.layers.notify_if_frozen(&state);
            horizon
        };
        accepted.into_iter().for_each(|set| self.answer(set.request, Ok(set.lsn)));
        drop(current);
        self.last_writers.prune(horizon);
        // Who began to read while an unwatched batch was written does not know what it wrote.
        let oldest_reader = self.shared.published.oldest_reader().filter(|_| is_watched);
        self.recent_writes.forget(oldest_reader.unwrap_or(lsn));
        self.freeze_when_full();
    }

    /// Rows that follow from the batch, and whether a set of observed property types gained a member.
    fn extra_rows(
        &self,
        rows: &KvSnapshot,
        accepted: &[Accepted],
        counters: &UnwrittenCounters,
    ) -> Result<(ExtraRows, bool)> {
        let mut extra = ExtraRows::new();
        let mut observed_grew = false;
        extra.extend(counters.rows().map(|(name, value)| ((Keyspace::COUNTERS, name), value)));
        for set in accepted {
            let writes = &set.request.writes;
            if !writes.changes.is_empty() {
                extra.insert((Keyspace::CHANGE_LOG, encode_lsn(set.lsn).to_vec()), encode_changes(&writes.changes));
            }
            let merged = writes.keyspaces.iter().filter(|(keyspace, _)| keyspace.merges_by_or());
            for (keyspace, writes) in merged {
                for (key, entry) in &writes.map {
                    let Some(value) = &entry.value else { continue };
                    let key = (*keyspace, key.to_vec());
                    let stored = match extra.get(&key) {
                        Some(earlier) => Some(earlier.clone()),
                        None => rows.get(*keyspace, &key.1)?.map(|stored| stored.to_vec()),
                    };
                    let merged = stored.as_ref().map_or_else(|| value.to_vec(), |stored| merge_bits(stored, value));
                    if stored.as_ref() != Some(&merged) {
                        extra.insert(key, merged);
                        observed_grew = true;
                    }
                }
            }
        }
        Ok((extra, observed_grew))
    }

    /// Appends the batch to the log; returns the LSN up to which commits are durable.
    fn write_log(&mut self, accepted: &[Accepted], extra: &ExtraRows, before: Lsn, last: Lsn) -> Result<Lsn> {
        let Some(log) = &mut self.log else { return Ok(last) };
        let record = &mut self.record;
        record.clear();
        record.resize(HEADER_BYTES, 0);
        for set in accepted {
            if let Some(attachment) = set.request.attachment {
                encode_attachment(record, attachment);
                continue;
            }
            if let Some(sealed) = set.request.spill {
                set.request.writes.set_file_needed(true);
                encode_spill(record, sealed);
            }
            encode_set(record, &set.request.writes, &mut |_| Ok(()))?;
        }
        for ((keyspace, key), value) in extra {
            begin_writes(record, *keyspace, false, 1);
            encode_entry(record, key, Some(value));
        }
        log.append(record, Lsn(before.0 + 1), last)?;
        // A record may be large once; the next ones are small again.
        record.shrink_to(RECORD_BYTES);
        let is_due = self.unsynced_since.is_some_and(|since| since.elapsed() >= SYNC_INTERVAL);
        if is_due || accepted.iter().any(|set| set.request.synchronous) {
            self.unsynced_since = None;
            let started = Instant::now();
            let synced = log.sync();
            self.shared.timings.log_sync.observe_time(started.elapsed());
            return synced;
        }
        self.unsynced_since.get_or_insert_with(Instant::now);
        Ok(log.durable())
    }

    /// Puts the batch, whose commits lie above `before`, over redb. Snapshots made so far do not see it.
    fn enter(&self, accepted: &mut [Accepted], extra: ExtraRows, before: Lsn, lsn: Lsn) {
        // Held throughout: the applier must not take a part of the batch for the whole.
        let mut state = self.shared.layers.lock();
        for set in accepted {
            let writes = &mut set.request.writes;
            let size_bytes = if set.request.spill.is_some() { 0 } else { writes.size_bytes() };
            if let Some(spilled) = writes.take_spilled(lsn) {
                state.stack.push_set(Layer::Spilled(Arc::new(spilled)), before, lsn);
            }
            let mut keyspaces = std::mem::take(&mut writes.keyspaces);
            keyspaces.retain(|keyspace, _| !keyspace.merges_by_or());
            self.shared.row_changes.add(&keyspaces);
            let is_cleared = keyspaces.values().any(|writes| writes.cleared.is_some());
            // From here on the layer owns the file.
            let attachment = set.request.attachment.take().map(|attachment| attachment.number);
            if is_cleared || size_bytes >= SET_LAYER_BYTES || attachment.is_some() {
                let layer = Arc::new(CommittedSet { lsn, keyspaces, size_bytes, attachment });
                state.stack.push_set(Layer::Set(layer), before, lsn);
                continue;
            }
            for (keyspace, writes) in keyspaces {
                writes.into_each(|key, entry| {
                    // A key that was made and deleted again never was.
                    if entry.value.is_some() || !entry.fresh {
                        let stored = Stored { value: entry.value, fresh: entry.fresh };
                        state.stack.active.insert(keyspace, key, lsn, stored);
                    }
                });
            }
        }
        for ((keyspace, key), value) in extra {
            let stored = Stored { value: Some(Arc::from(value)), fresh: keyspace == Keyspace::CHANGE_LOG };
            state.stack.active.insert(keyspace, Arc::from(key), lsn, stored);
        }
        state.stack.complete(lsn);
    }

    fn freeze_when_full(&self) {
        if self.shared.layers.lock().stack.active.size_bytes() >= self.memory_table_size_bytes {
            self.freeze();
        }
    }

    /// After a silence: makes durable what waits for it; when it was a longer one, brings redb up to date.
    fn when_idle(&mut self, silence: Duration) {
        if self.unsynced_since.take().is_some() {
            self.sync();
        } else if silence >= IDLE_BEFORE_FREEZE {
            self.freeze();
            self.wait_for_applier();
        }
    }

    fn begin_checkpoint(&mut self) -> Result<Lsn> {
        self.sync();
        self.freeze();
        match &self.failed {
            Some(error) => Err(refused(error)),
            None => Ok(self.shared.published.current().lsn),
        }
    }

    fn freeze(&self) {
        let mut state = self.shared.layers.lock();
        state.stack.freeze(self.shared.published.current().lsn);
        drop(state);
        self.shared.layers.notify();
    }

    /// Syncs the log and publishes the durable LSN.
    fn sync(&mut self) {
        let Some(log) = &mut self.log else { return };
        if !log.is_behind() || self.failed.is_some() {
            return;
        }
        match log.sync() {
            Ok(durable) => {
                let state = self.shared.layers.lock();
                let current = self.shared.published.current();
                self.shared.published.publish(Snapshot {
                    lsn: current.lsn,
                    durable_lsn: durable,
                    rows: state.rows_at(current.lsn),
                    catalog: Arc::clone(&current.catalog),
                    derived: Arc::clone(&current.derived),
                });
                self.shared.layers.notify_if_frozen(&state);
            }
            Err(error) => {
                tracing::error!(%error, "commits could not be made durable; writes are refused until the database is reopened");
                self.fail(error);
            }
        }
    }

    /// First-committer-wins, by key, claim, and definition.
    fn validate(&self, writes: &WriteSet, catalog: &Catalog) -> Result<()> {
        if let Some(conflict) = self.last_writers.find_conflict(writes)? {
            return Err(self.describe_conflict(&conflict, writes, catalog));
        }
        if let Some((reads, since)) = &writes.reads {
            let detail = match self.recent_writes.find_conflict(reads, *since) {
                Ok(None) => None,
                Ok(Some(keyspace)) => {
                    let name = super::conflict_error::keyspace_name(keyspace, catalog);
                    Some(format!("{name} was read and has been changed since"))
                }
                Err(()) => Some("it cannot be told any more what was changed since".to_owned()),
            };
            if let Some(detail) = detail {
                return Err(StorageError::NotSerializable { detail });
            }
        }
        let own_catalog = writes.keyspaces.get(&Keyspace::CATALOG);
        for (relation, version) in &writes.relation_versions {
            if !writes.touches(Keyspace::of_relation(*relation)) {
                continue;
            }
            let own = own_catalog.is_some_and(|rows| {
                rows.map.contains_key(&catalog_rows::relation_key(catalog_rows::TABLE, *relation)[..])
            });
            let moved = catalog.tables.get(relation).is_none_or(|def| def.version != *version);
            if moved && !own {
                return Err(StorageError::WriteConflict {
                    detail: format!("the definition of relation {relation} changed"),
                });
            }
        }
        let own_graph_version = own_catalog.is_some_and(|rows| rows.map.contains_key(&[catalog_rows::GRAPH][..]));
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

    /// Answers a transaction. A file written for a set that was not committed is removed.
    fn answer(&self, request: CommitRequest, result: Result<Lsn>) {
        let CommitRequest { writes, attachment, reply, .. } = request;
        let is_unknown = matches!(result, Err(StorageError::CommitUnknown(_)));
        if let (Some(attachment), Some(attachments)) = (attachment, &self.shared.attachments)
            && !is_unknown
        {
            attachments.remove(attachment.number);
        }
        if result.is_err() {
            if !is_unknown {
                writes.set_file_needed(false);
            }
            // Its file goes before the transaction is told.
            drop(writes);
        }
        // A transaction whose thread is gone does not wait.
        let _ = reply.send(result);
    }

    /// Writes reserved counters, checkpoints derived state and has everything applied.
    fn finish(&mut self) -> Result<()> {
        if self.failed.is_none() {
            self.shared.counters.sequences().settle();
            self.write_counters();
            self.sync();
        }
        let mut result = Ok(());
        if let Some(error) = &self.failed {
            result = Err(error.clone());
        } else if !self.shared.is_in_memory {
            let snapshot = self.shared.published.current();
            let is_durable = snapshot.durable_lsn == snapshot.lsn;
            let checkpoint = || snapshot.derived.checkpoint(snapshot.lsn, true, &|| false);
            if is_durable && catch_unwind(AssertUnwindSafe(checkpoint)).is_err() {
                // Derived state is rebuilt when it is missing.
                tracing::error!("checkpointing derived indexes panicked");
            }
        }
        let lsn = self.shared.published.current().lsn;
        self.shared.layers.lock().stack.freeze(lsn);
        self.shared.layers.stop();
        result
    }

    /// Counters reserved since the last commit go into a commit of their own.
    fn write_counters(&mut self) {
        let unwritten = self.shared.counters.take_unwritten();
        if unwritten.is_empty() {
            return;
        }
        let current = self.shared.published.current();
        let lsn = Lsn(current.lsn.0 + 1);
        let written = self.extra_rows(&current.rows, &[], &unwritten).and_then(|(extra, _)| {
            let durable = self.write_log(&[], &extra, current.lsn, lsn)?;
            Ok((extra, durable))
        });
        match written {
            Ok((extra, durable)) => {
                self.enter(&mut [], extra, current.lsn, lsn);
                let state = self.shared.layers.lock();
                self.shared.published.publish(Snapshot {
                    lsn,
                    durable_lsn: durable,
                    rows: state.rows_at(lsn),
                    catalog: Arc::clone(&current.catalog),
                    derived: Arc::clone(&current.derived),
                });
            }
            Err(error) => self.fail(error),
        }
    }

    /// No commit is taken any more.
    fn fail(&mut self, error: StorageError) {
        self.shared.failure.note(&error);
        self.failed = Some(error);
    }
}

/// The committer's own thread: serves what is handed over to it, until shutdown.
pub(super) fn run(queue: &CommitQueue, committer: &Mutex<Committer>) {
    let mut unsynced_since = None;
    loop {
        let wait = match unsynced_since {
            Some(since) => SYNC_INTERVAL.saturating_sub(Instant::elapsed(&since)),
            None => IDLE_BEFORE_FREEZE,
        };
        let turn = queue.wait_for_turn(wait);
        let mut committer = committer.lock();
        if let Turn::Idle(silence) = turn {
            committer.when_idle(silence);
        }
        loop {
            while committer.serve_batch(queue) {}
            match queue.next_order() {
                Some(Request::Checkpoint(reply)) => {
                    // Whoever asked may be gone.
                    let _ = reply.send(committer.begin_checkpoint());
                }
                Some(Request::Shutdown(reply)) => {
                    let result = committer.finish();
                    queue.close();
                    // Nobody waiting any more is fine.
                    let _ = reply.send(result);
                    return;
                }
                _ if queue.rest() => break,
                _ => {}
            }
        }
        unsynced_since = committer.unsynced_since;
    }
}

/// What a commit is told after an earlier failure: unlike that one, it certainly did not happen.
fn refused(error: &StorageError) -> StorageError {
    match error {
        StorageError::CommitUnknown(what) | StorageError::Io(what) => StorageError::Io(what.clone()),
        other => StorageError::Io(other.to_string()),
    }
}

fn merge_bits(a: &[u8], b: &[u8]) -> Vec<u8> {
    let byte = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or(0);
    (0..a.len().max(b.len())).map(|at| byte(a, at) | byte(b, at)).collect()
}
