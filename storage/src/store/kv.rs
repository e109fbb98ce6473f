//! The one read path: overlay layers, memory table (empty while redb is the commit point) and redb, merged.

use std::ops::{Bound, Deref};
use std::sync::Arc;

use super::{Change, Keyspace, Transaction};
use crate::derived::DerivedState;
use crate::error::Result;

/// A value's bytes, without copying where the page can be held.
pub enum KvBytes {
    Shared(Arc<[u8]>),
    // storage-core adds the redb guard here
}

impl Deref for KvBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            KvBytes::Shared(bytes) => bytes,
        }
    }
}

/// Ascending (or descending) pairs.
pub type KvIter<'t> = Box<dyn Iterator<Item = Result<(KvBytes, KvBytes)>> + Send + 't>;
pub type KvBound<'k> = Bound<&'k [u8]>;

/// Committed rows at one LSN: memory table over a pinned redb read transaction. Cheap to clone.
#[derive(Clone)]
pub struct KvSnapshot {}

impl KvSnapshot {
    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>> {
        let _ = (keyspace, key);
        todo!("storage-core")
    }

    pub fn range(
        &self,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
    ) -> Result<KvIter<'static>> {
        let _ = (keyspace, lower, upper, reverse);
        todo!("storage-core")
    }
}

/// Reads merge the transaction's layers over its snapshot; writes go to the top layer.
impl Transaction {
    pub(crate) fn kv_get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>> {
        let _ = (keyspace, key);
        todo!("storage-core")
    }

    pub(crate) fn kv_range<'t>(
        &'t self,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
    ) -> Result<KvIter<'t>> {
        let _ = (keyspace, lower, upper, reverse);
        todo!("storage-core")
    }

    pub(crate) fn kv_put(&self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<()> {
        let _ = (keyspace, key, value);
        todo!("storage-core")
    }

    pub(crate) fn kv_delete(&self, keyspace: Keyspace, key: &[u8]) -> Result<()> {
        let _ = (keyspace, key);
        todo!("storage-core")
    }

    /// Remembers a touched id in the top layer.
    pub(crate) fn note_change(&self, change: Change) {
        let _ = change;
        todo!("storage-core")
    }

    /// Calls `visit` on the transaction's own changes so far, oldest first (rolled-back layers are gone).
    pub(crate) fn for_each_own_change(&self, visit: &mut dyn FnMut(&Change)) {
        let _ = visit;
        todo!("storage-core")
    }

    /// Moves whenever the transaction's own changes do (writes, rollbacks, new snapshot): key for cached deltas.
    pub(crate) fn change_epoch(&self) -> u64 {
        todo!("storage-core")
    }

    /// Derived state of the snapshot that the current statement reads.
    pub(crate) fn derived(&self) -> Arc<DerivedState> {
        todo!("storage-core")
    }

    /// Rows of the snapshot that the current statement reads, without the transaction's own writes.
    pub(crate) fn rows(&self) -> KvSnapshot {
        todo!("storage-core")
    }

    /// Next value of a block-allocated id: unique, increasing, never reused. Not transactional.
    pub(crate) fn allocate_id(&self, counter: &str) -> Result<u64> {
        let _ = counter;
        todo!("storage-core")
    }

    /// Runs `write` in a transaction of its own and commits it at once (tokens); `write` may be run again on conflict.
    pub(crate) fn in_own_commit<T>(&self, write: &mut dyn FnMut(&Transaction) -> Result<T>) -> Result<T> {
        let _ = write;
        todo!("storage-core")
    }
}
