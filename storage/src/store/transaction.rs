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
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};

use super::locks::HeldLocks;
use super::snapshot::Snapshot;
use super::write_set::WriteSet;
use super::{CancelToken, Isolation, Keyspace, Store};
use crate::catalog::Catalog;
use crate::ddl::RelationLock;
use crate::derived::TransactionCache;
use crate::error::Result;
use crate::ids::{Lsn, RelationId};
use crate::table::WriteTarget;

pub struct Transaction {
    store: Arc<Store>,
    id: u64,
    isolation: Isolation,
    pub(super) state: RwLock<TransactionState>,
    pub(super) epoch: AtomicU64,
    settings: Mutex<Settings>,
    locks: Mutex<HeldLocks>,
    cache: TransactionCache,
    last_write_target: Mutex<Option<Arc<WriteTarget>>>,
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
    /// LSN registered with the store; at or below the base of everything written.
    registered: Option<Lsn>,
    pub writes: WriteSet,
    own_catalog: Option<OwnCatalog>,
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
            isolation,
            state: RwLock::default(),
            epoch: AtomicU64::new(0),
            settings: Mutex::default(),
            locks: Mutex::default(),
            cache: TransactionCache::default(),
            last_write_target: Mutex::default(),
        }
    }

    /// The store this transaction belongs to.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What derived structures keep of this transaction's own changes.
    pub(crate) fn cache(&self) -> &TransactionCache {
        &self.cache
    }

    /// The table written last, prepared for the next row.
    pub(crate) fn last_write_target(&self) -> &Mutex<Option<Arc<WriteTarget>>> {
        &self.last_write_target
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
        let snapshot = self.take_snapshot(&mut state);
        drop(state);
        self.move_epoch();
        snapshot
    }

    fn take_snapshot(&self, state: &mut TransactionState) -> Arc<Snapshot> {
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
        state.snapshot = Some(Arc::clone(&snapshot));
        snapshot
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
            .apply_rows(rows.entries.iter().map(|(key, entry)| Ok((key, entry.value.as_ref()))))
            .expect("catalog rows written by this transaction can be read");
        catalog.version = OWN_CATALOG_VERSION.fetch_add(1, Ordering::Relaxed);
        let catalog = Arc::new(catalog);
        state.own_catalog = Some(OwnCatalog { lsn: snapshot.lsn, catalog_epoch, catalog: Arc::clone(&catalog) });
        catalog
    }

    /// True when something was written (and not rolled back to a savepoint).
    pub fn has_writes(&self) -> bool {
        !self.state.read_recursive().writes.is_empty()
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

    /// Begins a statement: a new layer and, under READ COMMITTED, a new snapshot.
    pub fn begin_statement(&self) -> Result<()> {
        self.cancel_token().check()?;
        let mut state = self.state.write();
        if self.isolation == Isolation::ReadCommitted || state.snapshot.is_none() {
            self.take_snapshot(&mut state);
        }
        state.writes.push_mark(None);
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

    /// Keeps the statement's layer.
    pub fn finish_statement(&self) {
        let mut state = self.state.write();
        state.writes.release_statement();
        self.give_back_snapshot(&mut state);
    }

    /// Drops the statement's layer: what it wrote is gone.
    pub fn abort_statement(&self) {
        let mut state = self.state.write();
        state.writes.rollback_statement();
        self.give_back_snapshot(&mut state);
        drop(state);
        self.move_epoch();
    }

    fn give_back_snapshot(&self, state: &mut TransactionState) {
        if self.isolation != Isolation::ReadCommitted {
            return;
        }
        state.snapshot = None;
        if !state.is_based()
            && let Some(lsn) = state.registered.take()
        {
            self.store.published().unregister(lsn);
        }
    }

    pub fn savepoint(&self, name: &str) -> Result<()> {
        self.state.write().writes.push_mark(Some(name.to_owned()));
        Ok(())
    }

    /// Errors with `SavepointNotFound`.
    pub fn rollback_to_savepoint(&self, name: &str) -> Result<()> {
        self.state.write().writes.rollback_to_savepoint(name)?;
        self.move_epoch();
        Ok(())
    }

    /// Errors with `SavepointNotFound`.
    pub fn release_savepoint(&self, name: &str) -> Result<()> {
        self.state.write().writes.release_savepoint(name)
    }

    /// Hands the write set to the committer and waits for it to be durable. A read-only transaction returns its
    /// snapshot's LSN at once. On error nothing of the transaction remains (except `CommitUnknown`).
    pub fn commit(self) -> Result<Lsn> {
        let writes = {
            let mut state = self.state.write();
            if state.writes.is_empty() {
                drop(state);
                return Ok(self.snapshot_lsn());
            }
            // The snapshot's pages are not needed while the commit is under way; its LSN stays registered.
            state.snapshot = None;
            std::mem::take(&mut state.writes)
        };
        let synchronous = self.settings.lock().synchronous;
        self.store.commit(writes, synchronous)
    }

    pub fn rollback(self) {
        drop(self);
    }

    pub(crate) fn lock(&self, relation: RelationId, mode: RelationLock) -> Result<bool> {
        if self.locks.lock().covers(relation, mode) {
            return Ok(false);
        }
        let (cancel, timeout) = {
            let settings = self.settings.lock();
            (settings.cancel.clone(), settings.lock_timeout)
        };
        let waited = self.store.locks().acquire(self.id, relation, mode, &cancel, timeout)?;
        self.locks.lock().add(relation, mode);
        Ok(waited)
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

/// Stands for all nodes and relationships in the lock table.
pub(crate) const GRAPH_RELATION: RelationId = RelationId(Keyspace::NODES.0);

impl TransactionState {
    /// True when something refers to an LSN that must stay registered.
    fn is_based(&self) -> bool {
        !self.writes.is_empty() || !self.writes.claims.is_empty() || !self.writes.keyspace_claims.is_empty()
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if let Some(lsn) = state.registered.take() {
            self.store.published().unregister(lsn);
        }
        self.store.locks().release_all(self.id, self.locks.get_mut());
        self.store.transaction_ended();
    }
}
