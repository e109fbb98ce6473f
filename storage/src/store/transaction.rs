//! A transaction: a snapshot, a private write set of layers, and the locks it holds.
//!
//! All methods take `&self`: one statement's operators may read from several threads; writes come from one thread at a
//! time. A range read while the same transaction writes sees the keys written behind its position or not, unspecified:
//! operators that write therefore collect their input first.
//!
//! The snapshot is taken when it is first needed. Under READ COMMITTED each statement takes a new one and gives it back
//! at its end, so that an idle transaction pins nothing; a transaction that wrote keeps only its oldest LSN registered,
//! which keeps the committer's memory of who wrote what, not pages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashSet;
use xxhash_rust::xxh3::xxh3_64;

use super::holds::{Expiry, Hold};
use super::locks::{
    ESCALATION_LOCKS, ESCALATION_STEP, HeldLocks, LockMode, LockRequest, LockTarget, MAX_LOCKS, Owner, Patience,
};
use super::reads::ReadRecorder;
use super::snapshot::Snapshot;
use super::write_set::{Lookup, WriteSet};
use super::{AdvisoryKey, CancelToken, Isolation, Keyspace, LockOutcome, LockWait, RowLock, Store};
use crate::catalog::{Catalog, IndexTarget};
use crate::ddl::RelationLock;
use crate::derived::TransactionCache;
use crate::error::{Result, StorageError};
use crate::graph::constraints::Suspects;
use crate::ids::{Lsn, RelationId};
use crate::row_lock::changed_since;
use crate::table::PreparedWrite;

pub struct Transaction {
    store: Arc<Store>,
    id: u64,
    /// Process id of the session; 0 without one.
    session: AtomicU32,
    isolation: Isolation,
    /// Shared with the store, which takes back snapshots that are too old.
    pub(super) state: Arc<RwLock<TransactionState>>,
    pub(super) epoch: AtomicU64,
    settings: Mutex<Settings>,
    /// Under SERIALIZABLE; shared with the transaction's readers.
    reads: Option<Arc<ReadRecorder>>,
    /// LSN registered for the validation of reads.
    reads_since: Mutex<Option<Lsn>>,
    /// Shared with the transaction's readers.
    locks: Arc<Mutex<HeldLocks>>,
    is_reader: bool,
    cache: TransactionCache,
    last_prepared: Mutex<Option<PreparedWrite>>,
    preparation_epoch: AtomicU64,
    must_commit: AtomicBool,
    suspects: Suspects,
}

struct Settings {
    cancel: CancelToken,
    lock_timeout: Option<Duration>,
    synchronous: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { cancel: CancelToken::default(), lock_timeout: None, synchronous: true }
    }
}

#[derive(Default)]
pub(super) struct TransactionState {
    pub snapshot: Option<Arc<Snapshot>>,
    /// The store's note of it.
    hold: Option<Hold>,
    /// The snapshot was too old, and nothing may be read any more.
    pub is_expired: bool,
    /// Of the running statement.
    running: Option<CancelToken>,
    /// LSN registered with the store; at or below the base of everything written.
    registered: Option<Lsn>,
    pub writes: WriteSet,
    own_catalog: Option<OwnCatalog>,
    /// Rows that changed since the statement's snapshot and whose newest version the statement was given.
    settled: FxHashSet<(RelationId, u64)>,
}

/// The catalog with the transaction's own DDL, for one state of both.
struct OwnCatalog {
    lsn: Lsn,
    catalog_epoch: u64,
    catalog: Arc<Catalog>,
}

/// Versions of catalogs that only one transaction sees; never equal to a committed one.
static OWN_CATALOG_VERSION: AtomicU64 = AtomicU64::new(1 << 63);

impl Transaction {
    pub(super) fn new(store: Arc<Store>, id: u64, isolation: Isolation) -> Transaction {
        Transaction {
            store,
            id,
            session: AtomicU32::new(0),
            isolation,
            state: Arc::default(),
            epoch: AtomicU64::new(0),
            settings: Mutex::default(),
            reads: (isolation == Isolation::Serializable).then(Arc::default),
            reads_since: Mutex::default(),
            locks: Arc::default(),
            is_reader: false,
            cache: TransactionCache::default(),
            last_prepared: Mutex::default(),
            preparation_epoch: AtomicU64::new(0),
            must_commit: AtomicBool::new(false),
            suspects: Suspects::default(),
        }
    }

    /// A second view of what the current statement reads, for a query that goes on while later statements of this
    /// transaction run. It never moves to a newer snapshot and is not to write; the locks it takes are this transaction's,
    /// so it must not be read from once this one has ended. None when this transaction has written something: the view
    /// would not show it.
    pub fn reader(&self) -> Option<Transaction> {
        let snapshot = self.snapshot();
        if self.has_writes() {
            return None;
        }
        // Something at or below it is registered by this transaction, so that it may still be registered.
        self.store.published().register_again(snapshot.lsn);
        let state = TransactionState {
            registered: Some(snapshot.lsn),
            snapshot: Some(Arc::clone(&snapshot)),
            ..TransactionState::default()
        };
        let settings = {
            let settings = self.settings.lock();
            Settings {
                cancel: settings.cancel.clone(),
                lock_timeout: settings.lock_timeout,
                synchronous: settings.synchronous,
            }
        };
        let state = Arc::new(RwLock::new(state));
        let process_id = self.session.load(Ordering::Relaxed);
        {
            let own = &mut *state.write();
            let (holds, number) = (self.store.snapshot_holds(), self.store.next_transaction_number());
            holds.hold(&mut own.hold, number, &snapshot, process_id, true, &state);
        }
        Some(Transaction {
            store: Arc::clone(&self.store),
            id: self.id,
            session: AtomicU32::new(process_id),
            isolation: self.isolation,
            state,
            epoch: AtomicU64::new(0),
            settings: Mutex::new(settings),
            reads: self.reads.clone(),
            // The transaction itself is registered.
            reads_since: Mutex::default(),
            locks: Arc::clone(&self.locks),
            is_reader: true,
            cache: TransactionCache::default(),
            last_prepared: Mutex::default(),
            preparation_epoch: AtomicU64::new(0),
            must_commit: AtomicBool::new(false),
            suspects: Suspects::default(),
        })
    }

    /// The store this transaction belongs to.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What derived structures keep of this transaction's own changes.
    pub(crate) fn cache(&self) -> &TransactionCache {
        &self.cache
    }

    /// What the running statement left against a constraint of the graph, as far as has been seen.
    pub(crate) fn suspects(&self) -> &Suspects {
        &self.suspects
    }

    /// The table written last, prepared for the next row.
    pub(crate) fn last_prepared(&self) -> &Mutex<Option<PreparedWrite>> {
        &self.last_prepared
    }

    /// While it stands still, so do the snapshot, the catalog as this transaction sees it, and the locks it holds, and
    /// nothing it wrote is taken back: a table that was prepared for a write stays prepared.
    pub(crate) fn preparation_epoch(&self) -> u64 {
        self.preparation_epoch.load(Ordering::Acquire)
    }

    pub(super) fn move_preparation_epoch(&self) {
        self.preparation_epoch.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn move_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// The snapshot that the current statement reads, taken now if there is none.
    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        if let Some(snapshot) = &self.state.read_recursive().snapshot {
            return Arc::clone(snapshot);
        }
        let mut state = self.state.write();
        if let Some(snapshot) = &state.snapshot {
            return Arc::clone(snapshot);
        }
        if state.is_expired {
            // For a look at the catalog; the next statement fails.
            return self.store.published().current();
        }
        let snapshot = self.take_snapshot(&mut state);
        drop(state);
        self.move_epoch();
        snapshot
    }

    /// LSN of the snapshot that a write is made over. Something is registered from the first write on.
    pub(super) fn write_lsn(&self, state: &mut TransactionState) -> Lsn {
        match &state.snapshot {
            Some(snapshot) => snapshot.lsn,
            None if state.is_expired => self.store.published().current().lsn,
            None => self.take_snapshot(state).lsn,
        }
    }

    fn take_snapshot(&self, state: &mut TransactionState) -> Arc<Snapshot> {
        self.move_preparation_epoch();
        let snapshot = self.store.published().register();
        match state.registered {
            // The oldest base must stay registered; the new LSN lies above it.
            Some(_) if state.is_based() => self.store.published().unregister(snapshot.lsn),
            Some(previous) => {
                self.store.published().unregister(previous);
                state.registered = Some(snapshot.lsn);
            }
            None => state.registered = Some(snapshot.lsn),
        }
        let is_kept = self.isolation != Isolation::ReadCommitted;
        let process_id = self.session.load(Ordering::Relaxed);
        self.store.snapshot_holds().hold(&mut state.hold, self.id, &snapshot, process_id, is_kept, &self.state);
        state.snapshot = Some(Arc::clone(&snapshot));
        if self.reads.is_some() {
            let mut reads_since = self.reads_since.lock();
            if reads_since.is_none() {
                self.store.published().register_reader(snapshot.lsn);
                *reads_since = Some(snapshot.lsn);
            }
        }
        snapshot
    }

    /// Where reads are to be noted; None unless they count.
    pub(crate) fn reads(&self) -> Option<&Arc<ReadRecorder>> {
        self.reads.as_ref()
    }

    /// LSN of the snapshot that the current statement reads.
    pub fn snapshot_lsn(&self) -> Lsn {
        if let Some(snapshot) = &self.state.read_recursive().snapshot {
            return snapshot.lsn;
        }
        self.snapshot().lsn
    }

    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// The catalog as this transaction sees it, its own DDL included.
    pub fn catalog(&self) -> Arc<Catalog> {
        let snapshot = self.snapshot();
        {
            let state = self.state.read_recursive();
            if !state.writes.touches(Keyspace::CATALOG) {
                return Arc::clone(&snapshot.catalog);
            }
            if let Some(own) = &state.own_catalog
                && own.lsn == snapshot.lsn
                && own.catalog_epoch == state.writes.catalog_epoch
            {
                return Arc::clone(&own.catalog);
            }
        }
        let mut state = self.state.write();
        let catalog_epoch = state.writes.catalog_epoch;
        let Some(rows) = state.writes.keyspaces.get(&Keyspace::CATALOG) else { return Arc::clone(&snapshot.catalog) };
        let mut catalog = (*snapshot.catalog).clone();
        catalog
            .apply_rows(rows.map.iter().map(|(key, entry)| Ok((key, entry.value.as_ref()))))
            .expect("catalog rows written by this transaction can be read");
        catalog.version = OWN_CATALOG_VERSION.fetch_add(1, Ordering::Relaxed);
        let catalog = Arc::new(catalog);
        state.own_catalog = Some(OwnCatalog { lsn: snapshot.lsn, catalog_epoch, catalog: Arc::clone(&catalog) });
        catalog
    }

    /// The statement was given the row's newest version, and goes by that.
    pub(crate) fn settle_row(&self, relation: RelationId, row: u64) {
        self.state.write().settled.insert((relation, row));
    }

    pub(crate) fn is_settled(&self, relation: RelationId, row: u64) -> bool {
        self.state.read_recursive().settled.contains(&(relation, row))
    }

    /// This transaction wrote (or deleted) the key.
    pub(crate) fn wrote(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool> {
        Ok(!matches!(self.state.read_recursive().writes.lookup(keyspace, key)?, Lookup::Below))
    }

    /// This transaction made the key, so nobody else knows it.
    pub(crate) fn created(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool> {
        self.state.read_recursive().writes.is_fresh(keyspace, key)
    }

    /// A lock at least as strong is held.
    pub(crate) fn holds_relation(&self, relation: RelationId, mode: RelationLock) -> bool {
        self.locks.lock().covers(LockTarget::Relation(relation), LockMode::Relation(mode))
    }

    /// Something outside of the write set has to be durable when the transaction is: numbers of a sequence.
    pub(crate) fn commit_in_any_case(&self) {
        self.must_commit.store(true, Ordering::Relaxed);
    }

    /// True when something was written (and not rolled back to a savepoint).
    pub fn has_writes(&self) -> bool {
        !self.state.read_recursive().writes.is_empty()
    }

    /// True when others may have to wait for this transaction: it locked rows or unique keys, or a relation in more than
    /// the mode of readers. Advisory locks do not count.
    pub fn holds_locks_beyond_reading(&self) -> bool {
        self.locks.lock().go_beyond_reading()
    }

    /// Used by lock waits and long store loops from now on.
    pub fn set_cancel_token(&self, token: CancelToken) {
        self.settings.lock().cancel = token;
    }

    pub fn cancel_token(&self) -> CancelToken {
        self.settings.lock().cancel.clone()
    }

    /// Longest wait for one lock; None waits for ever.
    pub fn set_lock_timeout(&self, timeout: Option<Duration>) {
        self.settings.lock().lock_timeout = timeout;
    }

    /// PostgreSQL's `synchronous_commit`: whether the commit waits until it is durable (the default). Otherwise it is at
    /// most a fraction of a second later, and a crash before that loses it, whole, with all that came after.
    pub fn set_synchronous_commit(&self, synchronous: bool) {
        self.settings.lock().synchronous = synchronous;
    }

    /// Makes the transaction one of a session, whose advisory locks it does not wait for and whose process id its locks
    /// show. To be called before anything is locked.
    pub fn set_session(&self, process_id: i32) {
        self.session.store(process_id.unsigned_abs(), Ordering::Relaxed);
    }

    /// Begins a statement: a new layer and, under READ COMMITTED, a new snapshot. Errors with `SnapshotTooOld` when the
    /// one that the transaction kept was taken back.
    pub fn begin_statement(&self) -> Result<()> {
        let cancel = self.cancel_token();
        cancel.check()?;
        let mut state = self.state.write();
        if self.isolation == Isolation::ReadCommitted {
            state.is_expired = false;
        } else if state.is_expired {
            return Err(StorageError::SnapshotTooOld);
        }
        if self.isolation == Isolation::ReadCommitted || state.snapshot.is_none() {
            self.take_snapshot(&mut state);
        }
        state.running = Some(cancel);
        state.writes.mark_statement();
        state.settled.clear();
        drop(state);
        self.move_epoch();
        Ok(())
    }

    /// Takes a newer snapshot in the middle of a statement under READ COMMITTED: for DDL that has waited for its lock.
    pub(crate) fn refresh_snapshot(&self) {
        if self.isolation == Isolation::ReadCommitted {
            self.take_snapshot(&mut self.state.write());
            self.move_epoch();
        }
    }

    /// Keeps the statement's layer. Errors with `PropertyViolation` when what it wrote is against a constraint of the graph:
    /// it is to be aborted then.
    pub fn finish_statement(&self) -> Result<()> {
        self.check_graph_constraints()?;
        let mut state = self.state.write();
        state.writes.release_statement();
        self.give_back_snapshot(&mut state);
        Ok(())
    }

    /// Drops the statement's layer: what it wrote is gone. Its locks stay: the statement may be run again.
    pub fn abort_statement(&self) {
        self.suspects.clear();
        let mut state = self.state.write();
        state.writes.rollback_statement();
        self.move_preparation_epoch();
        let has_savepoint = state.writes.has_savepoint();
        self.give_back_snapshot(&mut state);
        drop(state);
        if !has_savepoint {
            self.locks.lock().forget_marks();
        }
        self.move_epoch();
    }

    fn give_back_snapshot(&self, state: &mut TransactionState) {
        state.running = None;
        if self.isolation != Isolation::ReadCommitted {
            if state.is_expired {
                state.let_go();
            }
            return;
        }
        state.is_expired = false;
        state.let_go();
        if !state.is_based()
            && let Some(lsn) = state.registered.take()
        {
            self.store.published().unregister(lsn);
        }
    }

    pub fn savepoint(&self, name: &str) -> Result<()> {
        let lock_position = self.locks.lock().mark();
        self.state.write().writes.mark_savepoint(name.to_owned(), lock_position);
        Ok(())
    }

    /// Takes back what was written since the savepoint and releases the locks taken since. Errors with
    /// `SavepointNotFound`.
    pub fn rollback_to_savepoint(&self, name: &str) -> Result<()> {
        let lock_position = self.state.write().writes.rollback_to_savepoint(name)?;
        self.move_preparation_epoch();
        self.move_epoch();
        self.locks.lock().release_to(lock_position, self.owner(), self.store.locks());
        Ok(())
    }

    /// The transaction has failed: it can only be rolled back, wholly or to a savepoint. Locks that no such rollback keeps
    /// are released now, so that others need not wait until the client has taken note.
    pub fn release_locks_of_failed(&self) {
        let position = self.state.read_recursive().writes.newest_lock_position();
        let (owner, table) = (self.owner(), self.store.locks());
        self.move_preparation_epoch();
        let mut locks = self.locks.lock();
        match position {
            Some(position) => locks.release_to(position, owner, table),
            None => locks.release_all(owner, table),
        }
    }

    /// Errors with `SavepointNotFound`.
    pub fn release_savepoint(&self, name: &str) -> Result<()> {
        let mut state = self.state.write();
        state.writes.release_savepoint(name)?;
        let has_savepoint = state.writes.has_savepoint();
        drop(state);
        if !has_savepoint {
            self.locks.lock().forget_marks();
        }
        Ok(())
    }

    /// Hands the write set to the committer and waits for it to be durable. A read-only transaction returns its
    /// snapshot's LSN at once. On error nothing of the transaction remains (except `CommitUnknown`).
    pub fn commit(self) -> Result<Lsn> {
        self.check_graph_constraints()?;
        let mut writes = {
            let mut state = self.state.write();
            if state.writes.is_empty() && !self.must_commit.load(Ordering::Relaxed) {
                drop(state);
                return Ok(self.snapshot_lsn());
            }
            // The snapshot's pages are not needed while the commit is under way; its LSN stays registered.
            state.let_go();
            std::mem::take(&mut state.writes)
        };
        if let (Some(reads), Some(since)) = (&self.reads, *self.reads_since.lock()) {
            writes.reads = Some((reads.take(), since));
        }
        let synchronous = self.settings.lock().synchronous;
        self.store.commit(writes, synchronous)
    }

    pub fn rollback(self) {
        drop(self);
    }

    fn owner(&self) -> Owner {
        Owner::transaction(self.session.load(Ordering::Relaxed), self.id)
    }

    /// What ends a wait of the running statement.
    pub(super) fn patience(&self) -> Patience {
        let settings = self.settings.lock();
        Patience { cancel: settings.cancel.clone(), timeout: settings.lock_timeout }
    }

    /// Every lock of the transaction is taken here. A mode that is covered by one held already costs a look into the
    /// transaction's own list. Errors with `OutOfLocks` too.
    fn acquire(&self, target: LockTarget, mode: LockMode, wait: LockWait) -> Result<LockOutcome> {
        let held_count = {
            let locks = self.locks.lock();
            if locks.covers(target, mode) {
                return Ok(LockOutcome::Granted);
            }
            locks.count()
        };
        if held_count >= ESCALATION_LOCKS {
            if self.is_escalated(target, held_count)? {
                return Ok(LockOutcome::Granted);
            }
            // A relation is locked in any case: there are not that many.
            if held_count >= MAX_LOCKS && !matches!(target, LockTarget::Relation(_)) {
                return Err(StorageError::OutOfLocks);
            }
        }
        let request = LockRequest { owner: self.owner(), target, mode, wait };
        let outcome = self.store.locks().acquire(request, || self.patience())?;
        if outcome != LockOutcome::Skipped {
            self.locks.lock().add(target, mode);
        }
        Ok(outcome)
    }

    /// True when the lock of the row's or key's relation, taken now if nobody else uses the relation, makes one of its own
    /// needless.
    fn is_escalated(&self, target: LockTarget, held_count: usize) -> Result<bool> {
        let relation = match target {
            LockTarget::Row { relation, .. } if is_of_graph(relation) => GRAPH_RELATION,
            LockTarget::Row { relation, .. } => relation,
            LockTarget::Key { index, .. } => match self.catalog().indexes.get(&index).map(|def| &def.target) {
                Some(IndexTarget::Table { table, .. }) => *table,
                Some(IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. }) => GRAPH_RELATION,
                None => return Ok(false),
            },
            LockTarget::Relation(_) | LockTarget::Advisory { .. } => return Ok(false),
        };
        if self.holds_relation(relation, RelationLock::Exclusive) {
            return Ok(true);
        }
        if held_count < MAX_LOCKS && !held_count.is_multiple_of(ESCALATION_STEP) {
            return Ok(false);
        }
        let (target, mode) = (LockTarget::Relation(relation), LockMode::Relation(RelationLock::Exclusive));
        let request = LockRequest { owner: self.owner(), target, mode, wait: LockWait::SkipLocked };
        if self.store.locks().acquire(request, || self.patience())? == LockOutcome::Skipped {
            return Ok(false);
        }
        self.locks.lock().add(target, mode);
        Ok(true)
    }

    /// Locks a relation to the end of the transaction. True when it had to wait. Errors, as the others here, with
    /// `Deadlock`, `LockTimeout`, `Cancelled`, `StatementTimeout`.
    pub(crate) fn lock(&self, relation: RelationId, mode: RelationLock) -> Result<bool> {
        let outcome = self.acquire(LockTarget::Relation(relation), LockMode::Relation(mode), LockWait::Block)?;
        Ok(outcome == LockOutcome::Waited)
    }

    /// Locks a row to the end of the transaction. Errors with `LockNotAvailable` too, when it is not to wait.
    pub(crate) fn lock_row_target(
        &self,
        relation: RelationId,
        row: u64,
        mode: RowLock,
        wait: LockWait,
    ) -> Result<LockOutcome> {
        if is_of_graph(relation) {
            // As for tables: whoever has the relation to itself need not ask for rows.
            self.lock(GRAPH_RELATION, RelationLock::RowShare)?;
        }
        let outcome = self.acquire(LockTarget::Row { relation, row }, LockMode::Row(mode), wait)?;
        if outcome == LockOutcome::Skipped && wait == LockWait::NoWait {
            let name =
                self.catalog().tables.get(&relation).map_or_else(|| relation.to_string(), |def| def.name.clone());
            return Err(StorageError::LockNotAvailable { relation: name });
        }
        Ok(outcome)
    }

    /// Locks an encoded key of a unique index to the end of the transaction, whether it exists or not. True when it had to
    /// wait: whoever held it may have written the key meanwhile.
    pub(crate) fn lock_unique_key(&self, index: RelationId, key: &[u8]) -> Result<bool> {
        let target = LockTarget::Key { index, hash: unique_key_hash(key) };
        Ok(self.acquire(target, LockMode::Exclusive, LockWait::Block)? == LockOutcome::Waited)
    }

    /// As [`Self::lock_unique_key`] for many keys of new rows at once, by what [`unique_key_hash`] gives for them. False when
    /// they are to be locked one by one.
    pub(crate) fn lock_unique_keys(&self, index: RelationId, hashes: &[u64]) -> Result<bool> {
        let owner = self.owner();
        let list = {
            let mut locks = self.locks.lock();
            if locks.count() + hashes.len() > ESCALATION_LOCKS {
                return Ok(false);
            }
            locks.list_for(index, hashes.len(), owner, self.store.locks())
        };
        let Some(list) = list else { return Ok(false) };
        for target in self.store.locks().list_keys(&list, hashes) {
            self.acquire(target, LockMode::Exclusive, LockWait::Block)?;
        }
        Ok(true)
    }

    /// Nobody else holds the key's lock at this moment.
    pub(crate) fn unique_key_is_free(&self, index: RelationId, key: &[u8]) -> bool {
        let target = LockTarget::Key { index, hash: unique_key_hash(key) };
        self.store.locks().is_free_for(self.owner(), target, LockMode::Exclusive)
    }

    /// Takes an advisory lock to the end of the transaction; false when it is not free and the request is not to wait.
    pub fn lock_advisory(&self, key: AdvisoryKey, is_shared: bool, wait: LockWait) -> Result<bool> {
        Ok(self.acquire(key.into(), LockMode::advisory(is_shared), wait)? != LockOutcome::Skipped)
    }

    /// Remembers under which index definitions nodes or relationships were first written.
    pub(super) fn note_graph_write(&self) -> Result<()> {
        {
            let state = self.state.read_recursive();
            let is_written = state.writes.touches(Keyspace::NODES) || state.writes.touches(Keyspace::RELATIONSHIPS);
            // Without writes, a version noted before was noted for writes that were rolled back.
            if is_written && state.writes.graph_version.is_some() {
                return Ok(());
            }
        }
        self.lock(GRAPH_RELATION, RelationLock::RowExclusive)?;
        let version = self.catalog().graph_version;
        if version < self.store.published().current().catalog.graph_version {
            // It would be refused at commit; now the statement can begin anew, where its isolation level allows that.
            return Err(changed_since("what is defined over the graph"));
        }
        self.state.write().writes.graph_version = Some(version);
        Ok(())
    }

    /// Remembers under which definition a table was first written.
    pub(crate) fn note_relation_write(&self, relation: RelationId, version: u64) {
        {
            let state = self.state.read_recursive();
            let is_written = state.writes.touches(Keyspace::of_relation(relation));
            // Without writes, a version noted before was noted for writes that were rolled back.
            if is_written && state.writes.relation_versions.contains_key(&relation) {
                return;
            }
        }
        self.state.write().writes.relation_versions.insert(relation, version);
    }
}

/// What stands for an encoded key of a unique index in the lock table.
pub(crate) fn unique_key_hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// Stands for all nodes and relationships in the lock table.
pub(crate) const GRAPH_RELATION: RelationId = RelationId(Keyspace::NODES.0);

fn is_of_graph(relation: RelationId) -> bool {
    [Keyspace::NODES, Keyspace::RELATIONSHIPS].contains(&Keyspace::of_relation(relation))
}

impl TransactionState {
    /// True when something refers to an LSN that must stay registered.
    fn is_based(&self) -> bool {
        !self.writes.is_empty() || !self.writes.claims.is_empty() || !self.writes.keyspace_claims.is_empty()
    }

    fn let_go(&mut self) {
        self.snapshot = None;
        self.hold = None;
    }

    /// The snapshot held since then is too old. `is_kept`: the transaction is to read nothing else.
    pub(super) fn expire(&mut self, since: Instant, is_kept: bool) -> Expiry {
        if self.hold.as_ref().is_none_or(|hold| hold.since != since) {
            return Expiry::Settled;
        }
        if let Some(running) = &self.running {
            running.revoke_snapshot();
            return if std::mem::replace(&mut self.is_expired, true) { Expiry::Settled } else { Expiry::Revoked };
        }
        self.is_expired = is_kept;
        self.hold = None;
        self.snapshot.take().map_or(Expiry::Settled, Expiry::Taken)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let registered = {
            let mut state = self.state.write();
            state.let_go();
            state.registered.take()
        };
        if let Some(lsn) = registered {
            self.store.published().unregister(lsn);
        }
        if let Some(lsn) = self.reads_since.get_mut().take() {
            self.store.published().unregister_reader(lsn);
        }
        if self.is_reader {
            return;
        }
        let owner = self.owner();
        self.locks.lock().release_all(owner, self.store.locks());
        self.store.transaction_ended();
    }
}
