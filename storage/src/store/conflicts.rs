//! First-committer-wins: who wrote a key last, for as long as an open transaction may have read it before that.
//!
//! A write conflicts with a write of the same key. A claim (this key must go on existing, as for the end nodes of a new
//! relationship) conflicts with a delete, whichever commits first, but neither with other claims nor with updates.

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::Keyspace;
use super::write_set::{WriteEntry, WriteRef, WriteSet};
use crate::error::Result;
use crate::ids::Lsn;

/// What happened to a key last, each as the LSN of the commit; 0 for never.
#[derive(Clone, Copy, Default)]
struct KeyHistory {
    write: Lsn,
    delete: Lsn,
    claim: Lsn,
}

impl KeyHistory {
    fn newest(self) -> Lsn {
        self.write.max(self.claim)
    }
}

#[derive(Default)]
struct KeyspaceWriters {
    keys: FxHashMap<Arc<[u8]>, KeyHistory>,
    last_write: Lsn,
    last_clear: Lsn,
}

/// History of every key written or claimed above the horizon. A missing key was last written at or below it.
#[derive(Default)]
pub(super) struct LastWriters {
    keyspaces: FxHashMap<Keyspace, KeyspaceWriters>,
    /// In order of LSN, for pruning.
    order: VecDeque<(Lsn, Keyspace, Arc<[u8]>)>,
    /// Histories at or below this LSN were given up for lack of room; who needs them loses.
    forgotten: Lsn,
}

/// Keys remembered before an old transaction's view is given up.
const MAX_REMEMBERED_KEYS: usize = if cfg!(test) { 2_000 } else { 4_000_000 };

/// The key on which a write set lost.
pub(super) struct Conflict {
    pub keyspace: Keyspace,
    /// None when the keyspace as a whole moved.
    pub key: Option<Arc<[u8]>>,
    /// Somebody else wrote the same key, and it exists since.
    pub is_written: bool,
}

/// Nobody else can have written the key. Where assertions are on, locks are not believed.
fn is_unchecked(entry: &WriteEntry) -> bool {
    entry.fresh || (entry.locked && !cfg!(debug_assertions))
}

impl LastWriters {
    /// The first key of `set` that somebody wrote after the set's transaction read it.
    ///
    /// Of a spilled set, locks are believed, and its keys are only read when some are not locked.
    pub fn find_conflict(&self, set: &WriteSet) -> Result<Option<Conflict>> {
        for (keyspace, writes) in &set.keyspaces {
            if keyspace.merges_by_or() {
                continue;
            }
            let Some(writers) = self.keyspaces.get(keyspace) else { continue };
            // What was appended is fresh.
            for (key, entry) in &writes.map {
                if is_unchecked(entry) {
                    continue;
                }
                if let Some(is_written) = self.key_conflict(writers, key, entry) {
                    return Ok(Some(Conflict { keyspace: *keyspace, key: Some(Arc::clone(key)), is_written }));
                }
            }
        }
        for keyspace in set.layered_keyspaces() {
            let Some(writers) = self.keyspaces.get(&keyspace) else { continue };
            if !set.has_unguarded(keyspace) {
                continue;
            }
            for entry in set.stream(keyspace)? {
                let (key, entry) = entry?;
                if !entry.fresh
                    && !entry.locked
                    && let Some(is_written) = self.key_conflict(writers, &key, &entry)
                {
                    return Ok(Some(Conflict { keyspace, key: Some(key), is_written }));
                }
            }
        }
        for ((keyspace, key), base) in &set.claims {
            let Some(writers) = self.keyspaces.get(keyspace) else { continue };
            let deleted = writers.keys.get(key).is_some_and(|history| history.delete > *base);
            if deleted || writers.last_clear > *base || self.forgotten > *base {
                return Ok(Some(Conflict { keyspace: *keyspace, key: Some(Arc::clone(key)), is_written: false }));
            }
        }
        for (keyspace, base) in &set.keyspace_claims {
            if self.keyspaces.get(keyspace).is_some_and(|writers| writers.last_write > *base) {
                return Ok(Some(Conflict { keyspace: *keyspace, key: None, is_written: false }));
            }
        }
        Ok(None)
    }

    /// Whether a write of the key lost; true when somebody else wrote it, and it exists since.
    fn key_conflict(&self, writers: &KeyspaceWriters, key: &[u8], entry: &WriteEntry) -> Option<bool> {
        let history = writers.keys.get(key).copied().unwrap_or_default();
        let written = history.write > entry.base;
        let claimed = entry.value.is_none() && history.claim > entry.base;
        let lost = written || claimed || writers.last_clear > entry.base || self.forgotten > entry.base;
        lost.then_some(written && history.delete < history.write)
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
            for (key, entry) in &writes.map {
                if !is_unchecked(entry) {
                    let history = writers.keys.entry(Arc::clone(key)).or_default();
                    history.write = lsn;
                    if entry.value.is_none() {
                        history.delete = lsn;
                    }
                    self.order.push_back((lsn, *keyspace, Arc::clone(key)));
                }
            }
        }
        for keyspace in set.layered_keyspaces() {
            let writers = self.keyspaces.entry(keyspace).or_default();
            writers.last_write = lsn;
            if set.is_cleared(keyspace) || set.has_unguarded(keyspace) {
                // Single keys are not remembered: who wrote an unlocked key of the keyspace before loses.
                writers.last_clear = lsn;
            }
        }
        for (keyspace, key) in set.claims.keys() {
            let own = set.keyspaces.get(keyspace).and_then(|writes| writes.get(key));
            if own.is_some_and(WriteRef::is_fresh) {
                // Nobody else knows the key yet.
                continue;
            }
            let writers = self.keyspaces.entry(*keyspace).or_default();
            writers.keys.entry(Arc::clone(key)).or_default().claim = lsn;
            self.order.push_back((lsn, *keyspace, Arc::clone(key)));
        }
    }

    /// Takes back what was recorded above `lsn`: those commits failed. What stood there before is not known any more, so
    /// whoever read before `lsn` loses.
    pub fn take_back(&mut self, lsn: Lsn) {
        while let Some((_, keyspace, key)) = self.order.pop_back_if(|(recorded, _, _)| *recorded > lsn) {
            if let Some(writers) = self.keyspaces.get_mut(&keyspace) {
                writers.keys.remove(&key);
            }
        }
        for writers in self.keyspaces.values_mut() {
            writers.last_write = writers.last_write.min(lsn);
            writers.last_clear = writers.last_clear.min(lsn);
        }
        self.forgotten = self.forgotten.max(lsn);
    }

    /// Forgets keys last written at or below `horizon`, and the oldest ones when there are too many.
    pub fn prune(&mut self, horizon: Lsn) {
        while let Some((lsn, _, _)) = self.order.front() {
            if *lsn > horizon {
                if self.order.len() <= MAX_REMEMBERED_KEYS {
                    break;
                }
                self.forgotten = *lsn;
            }
            let (lsn, keyspace, key) = self.order.pop_front().expect("front was just seen");
            if let Some(writers) = self.keyspaces.get_mut(&keyspace)
                && writers.keys.get(&key).is_some_and(|history| history.newest() <= lsn)
            {
                writers.keys.remove(&key);
            }
        }
    }
}
