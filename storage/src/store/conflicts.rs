//! First-committer-wins: who wrote a key last, for as long as an open transaction may have read it before that.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Keyspace;
use super::write_set::WriteSet;
use crate::ids::Lsn;

#[derive(Default)]
struct KeyspaceWriters {
    keys: FxHashMap<Arc<[u8]>, Lsn>,
    last_write: Lsn,
    last_clear: Lsn,
}

/// Last writer of every key written above the horizon. A missing key was last written at or below it.
#[derive(Default)]
pub(super) struct LastWriters {
    keyspaces: FxHashMap<Keyspace, KeyspaceWriters>,
    /// In order of LSN, for pruning.
    order: VecDeque<(Lsn, Keyspace, Arc<[u8]>)>,
}

/// The key on which a write set lost.
pub(super) struct Conflict {
    pub keyspace: Keyspace,
    /// None when the keyspace as a whole moved.
    pub key: Option<Arc<[u8]>>,
}

impl LastWriters {
    /// The first key of `set` that somebody wrote after the set's transaction read it.
    pub fn find_conflict(&self, set: &WriteSet) -> Option<Conflict> {
        for (keyspace, writes) in &set.keyspaces {
            if keyspace.merges_by_or() {
                continue;
            }
            let Some(writers) = self.keyspaces.get(keyspace) else { continue };
            for (key, entry) in &writes.entries {
                if entry.fresh {
                    continue;
                }
                if writers.last_clear > entry.base || writers.keys.get(key).is_some_and(|last| *last > entry.base) {
                    return Some(Conflict { keyspace: *keyspace, key: Some(Arc::clone(key)) });
                }
            }
        }
        for ((keyspace, key), base) in &set.claims {
            let Some(writers) = self.keyspaces.get(keyspace) else { continue };
            if writers.last_clear > *base || writers.keys.get(key).is_some_and(|last| last > base) {
                return Some(Conflict { keyspace: *keyspace, key: Some(Arc::clone(key)) });
            }
        }
        for (keyspace, base) in &set.keyspace_claims {
            if self.keyspaces.get(keyspace).is_some_and(|writers| writers.last_write > *base) {
                return Some(Conflict { keyspace: *keyspace, key: None });
            }
        }
        None
    }

    /// Remembers an accepted set.
    pub fn record(&mut self, set: &WriteSet, lsn: Lsn) {
        for (keyspace, writes) in &set.keyspaces {
            let writers = self.keyspaces.entry(*keyspace).or_default();
            writers.last_write = lsn;
            if writes.cleared.is_some() {
                writers.last_clear = lsn;
            }
            if keyspace.merges_by_or() {
                continue;
            }
            for (key, entry) in &writes.entries {
                if !entry.fresh {
                    writers.keys.insert(Arc::clone(key), lsn);
                    self.order.push_back((lsn, *keyspace, Arc::clone(key)));
                }
            }
        }
    }

    /// Forgets keys last written at or below `horizon`.
    pub fn prune(&mut self, horizon: Lsn) {
        while let Some((lsn, _, _)) = self.order.front() {
            if *lsn > horizon {
                break;
            }
            let (lsn, keyspace, key) = self.order.pop_front().expect("front was just seen");
            if let Some(writers) = self.keyspaces.get_mut(&keyspace)
                && writers.keys.get(&key) == Some(&lsn)
            {
                writers.keys.remove(&key);
            }
        }
    }
}
