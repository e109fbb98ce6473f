//! Published snapshots, and which of them are in use.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::KvSnapshot;
use crate::catalog::Catalog;
use crate::derived::DerivedState;
use crate::ids::Lsn;

/// Everything a statement reads, at one LSN. Replaced as a whole by the committer.
pub(crate) struct Snapshot {
    pub lsn: Lsn,
    pub durable_lsn: Lsn,
    pub rows: KvSnapshot,
    pub catalog: Arc<Catalog>,
    pub derived: Arc<DerivedState>,
}

/// Hands out the newest snapshot and knows the oldest LSN that an open transaction may still base a write on.
///
/// Taking a snapshot and registering its LSN happen under one lock, as do publishing and computing the horizon: so no
/// conflict information is forgotten that a transaction could still need.
pub(crate) struct Published {
    current: ArcSwap<Snapshot>,
    registered: Mutex<Registered>,
}

/// LSNs of snapshots in use, with the number of users.
#[derive(Default)]
struct Registered {
    all: BTreeMap<Lsn, usize>,
    /// Those of SERIALIZABLE transactions, which are in `all` too.
    serializable: BTreeMap<Lsn, usize>,
}

fn remove_one(counts: &mut BTreeMap<Lsn, usize>, lsn: Lsn) {
    if let Some(count) = counts.get_mut(&lsn) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&lsn);
        }
    }
}

impl Published {
    pub fn new(first: Snapshot) -> Published {
        Published { current: ArcSwap::from_pointee(first), registered: Mutex::default() }
    }

    /// The newest snapshot, not registered: for reading at once, never as the base of a write.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The newest snapshot with its LSN registered; give it back with [`Self::unregister`].
    pub fn register(&self) -> Arc<Snapshot> {
        let mut registered = self.registered.lock();
        let snapshot = self.current.load_full();
        *registered.all.entry(snapshot.lsn).or_insert(0) += 1;
        snapshot
    }

    /// Registers an LSN that is not older than one that stays registered meanwhile.
    pub fn register_again(&self, lsn: Lsn) {
        *self.registered.lock().all.entry(lsn).or_insert(0) += 1;
    }

    /// Commits above a registered LSN are remembered by what they wrote, from the next batch on.
    pub fn register_reader(&self, lsn: Lsn) {
        *self.registered.lock().serializable.entry(lsn).or_insert(0) += 1;
    }

    pub fn unregister_reader(&self, lsn: Lsn) {
        remove_one(&mut self.registered.lock().serializable, lsn);
    }

    /// The oldest LSN given to [`Self::register_reader`].
    pub fn oldest_reader(&self) -> Option<Lsn> {
        self.registered.lock().serializable.keys().next().copied()
    }

    pub fn unregister(&self, lsn: Lsn) {
        remove_one(&mut self.registered.lock().all, lsn);
    }

    /// Publishes `next` and returns the horizon: no open or future transaction bases a write on an older LSN.
    pub fn publish(&self, next: Snapshot) -> Lsn {
        let next = Arc::new(next);
        let lsn = next.lsn;
        let (previous, horizon) = {
            let registered = self.registered.lock();
            let previous = self.current.swap(next);
            (previous, registered.all.keys().next().copied().unwrap_or(lsn).min(lsn))
        };
        // Freeing a large retired state happens outside the lock.
        drop(previous);
        horizon
    }

    /// The oldest LSN in use, or the newest one.
    pub fn oldest(&self) -> Lsn {
        let registered = self.registered.lock();
        registered.all.keys().next().copied().unwrap_or(self.current.load().lsn)
    }
}
