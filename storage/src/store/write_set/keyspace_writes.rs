//! The writes of one keyspace: a map, and beside it the run of what was appended.
//!
//! A key that is new and greater than every key written so far is appended to the run, once the map holds a few entries:
//! small transactions do without. Every other write goes to the map. A key may be in both; then the map's write is the
//! newer one, and all reads skip the run's:
//!
//! ```text
//! run   1=a   2=b   3=c   4=d            map   2=x   3 deleted   9=y
//! as one: 1=a   2=x   3 deleted   4=d   9=y
//! ```
//!
//! Because the map hides the run, the run only ever loses its end (`append_run.rs`), and a key of the run that is deleted
//! leaves its deletion in the map.
//!
//! Keyspaces that stay in memory have no run.

use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;
use std::sync::Arc;

use super::append_run::{AppendRun, RunEntries};
use super::{Lookup, WriteEntry, entry_size};
use crate::ids::Lsn;
use crate::store::kv::KvBound;
use crate::store::memory_table::Chunk;

/// Entries of the map before anything is appended to the run.
const MAPPED_FIRST: usize = if cfg!(test) { 4 } else { 32 };

/// Writes of one keyspace.
#[derive(Debug, Default)]
pub(crate) struct KeyspaceWrites {
    /// Set when everything below was dropped (TRUNCATE, DROP), at the LSN of the snapshot that was read.
    pub cleared: Option<Lsn>,
    /// All writes but those that were appended.
    pub map: BTreeMap<Arc<[u8]>, WriteEntry>,
    /// Keys that exist nowhere below the write set.
    pub(super) run: AppendRun,
}

impl KeyspaceWrites {
    /// Everything below was dropped, and nothing written.
    pub fn cleared_at(base: Lsn) -> KeyspaceWrites {
        KeyspaceWrites { cleared: Some(base), ..KeyspaceWrites::default() }
    }

    /// Neither written nor cleared.
    pub fn is_untouched(&self) -> bool {
        self.map.is_empty() && self.run.is_empty() && self.cleared.is_none()
    }

    /// The newest write of a key.
    pub fn get(&self, key: &[u8]) -> Option<WriteRef<'_>> {
        if let Some((key, entry)) = self.map.get_key_value(key) {
            return Some(WriteRef::Mapped(key, entry));
        }
        self.run.get(key).map(|(key, value)| WriteRef::Appended(key, value))
    }

    pub fn lookup(&self, key: &[u8]) -> Lookup {
        match self.get(key) {
            Some(WriteRef::Mapped(_, WriteEntry { value: Some(value), .. })) => Lookup::Value(Arc::clone(value)),
            Some(WriteRef::Mapped(_, WriteEntry { value: None, .. })) => Lookup::Deleted,
            Some(WriteRef::Appended(_, value)) => Lookup::Value(Arc::from(value)),
            None if self.cleared.is_some() => Lookup::Deleted,
            None => Lookup::Below,
        }
    }

    /// Number of keys written.
    pub fn key_count(&self) -> usize {
        let in_both =
            if self.run.is_empty() { 0 } else { self.map.keys().filter(|key| self.run.contains(key)).count() };
        self.map.len() + self.run.len() - in_both
    }

    /// Number of keys written, some perhaps twice; constant time.
    pub fn written_count(&self) -> usize {
        self.map.len() + self.run.len()
    }

    /// The newest write of every key, in key order.
    pub fn iter(&self) -> KeyspaceEntries<'_> {
        MergedEntries::new(self.map.iter(), self.run.iter(), false)
    }

    /// At most `limit` writes of a range, in order (or against it). The range must not be empty.
    pub fn chunk(&self, lower: KvBound<'_>, upper: KvBound<'_>, reverse: bool, limit: usize) -> Chunk {
        let (map, run) = (self.map.range::<[u8], _>((lower, upper)), self.run.range(lower, upper));
        if reverse {
            MergedEntries::new(map.rev(), run.rev(), true).take(limit).map(WriteRef::to_pair).collect()
        } else {
            MergedEntries::new(map, run, false).take(limit).map(WriteRef::to_pair).collect()
        }
    }

    /// Calls `visit` on the newest write of every key, in no order.
    pub fn into_each(self, mut visit: impl FnMut(Arc<[u8]>, WriteEntry)) {
        for (key, value) in self.run.iter().filter(|(key, _)| !self.map.contains_key(*key)) {
            visit(Arc::from(key), WriteRef::Appended(key, value).to_entry());
        }
        for (key, entry) in self.map {
            visit(key, entry);
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.map.iter().map(|(key, entry)| entry_size(key, &entry.value)).sum::<usize>() + self.run.size_bytes()
    }

    /// Appends a new key to the run where it may be; gives the bytes it takes.
    pub(super) fn append(&mut self, key: &[u8], value: &[u8]) -> Option<usize> {
        if self.run.is_empty() && self.map.len() < MAPPED_FIRST {
            return None;
        }
        let is_last = self.run.last_key().is_none_or(|last| last < key)
            && self.map.last_key_value().is_none_or(|(last, _)| last[..] < *key);
        is_last.then(|| self.run.push(key, value))
    }
}

/// A write read in place.
#[derive(Clone, Copy)]
pub(crate) enum WriteRef<'w> {
    Mapped(&'w Arc<[u8]>, &'w WriteEntry),
    /// Key and value. The key is fresh.
    Appended(&'w [u8], &'w [u8]),
}

impl<'w> WriteRef<'w> {
    pub fn key(self) -> &'w [u8] {
        match self {
            WriteRef::Mapped(key, _) => key,
            WriteRef::Appended(key, _) => key,
        }
    }

    /// None deletes the key.
    pub fn value(self) -> Option<&'w [u8]> {
        match self {
            WriteRef::Mapped(_, entry) => entry.value.as_deref(),
            WriteRef::Appended(_, value) => Some(value),
        }
    }

    /// As [`WriteEntry::base`].
    pub fn base(self) -> Lsn {
        match self {
            WriteRef::Mapped(_, entry) => entry.base,
            // Nobody asks what a new key was based on.
            WriteRef::Appended(..) => Lsn(0),
        }
    }

    /// As [`WriteEntry::fresh`].
    pub fn is_fresh(self) -> bool {
        match self {
            WriteRef::Mapped(_, entry) => entry.fresh,
            WriteRef::Appended(..) => true,
        }
    }

    /// As [`WriteEntry::locked`].
    pub fn is_locked(self) -> bool {
        match self {
            WriteRef::Mapped(_, entry) => entry.locked,
            WriteRef::Appended(..) => true,
        }
    }

    pub fn shared_key(self) -> Arc<[u8]> {
        match self {
            WriteRef::Mapped(key, _) => Arc::clone(key),
            WriteRef::Appended(key, _) => Arc::from(key),
        }
    }

    pub fn to_entry(self) -> WriteEntry {
        match self {
            WriteRef::Mapped(_, entry) => entry.clone(),
            WriteRef::Appended(_, value) => {
                let (base, fresh, locked) = (self.base(), self.is_fresh(), self.is_locked());
                WriteEntry { value: Some(Arc::from(value)), base, fresh, locked }
            }
        }
    }

    fn to_pair(self) -> (Arc<[u8]>, Option<Arc<[u8]>>) {
        (self.shared_key(), self.to_entry().value)
    }
}

/// Entries of a keyspace from end to end.
pub(crate) type KeyspaceEntries<'w> = MergedEntries<btree_map::Iter<'w, Arc<[u8]>, WriteEntry>, RunEntries<'w>>;

/// Map and run as one: in key order, or against it when both sources are.
pub(crate) struct MergedEntries<M: Iterator, R: Iterator> {
    map: Peekable<M>,
    run: Peekable<R>,
    reverse: bool,
}

impl<M: Iterator, R: Iterator> MergedEntries<M, R> {
    fn new(map: M, run: R, reverse: bool) -> MergedEntries<M, R> {
        MergedEntries { map: map.peekable(), run: run.peekable(), reverse }
    }
}

impl<'w, M, R> Iterator for MergedEntries<M, R>
where
    M: Iterator<Item = (&'w Arc<[u8]>, &'w WriteEntry)>,
    R: Iterator<Item = (&'w [u8], &'w [u8])>,
{
    type Item = WriteRef<'w>;

    fn next(&mut self) -> Option<WriteRef<'w>> {
        // Which source has the next key.
        let order = match (self.map.peek(), self.run.peek()) {
            (Some((mapped, _)), Some((appended, _))) => {
                let order = mapped[..].cmp(*appended);
                if self.reverse { order.reverse() } else { order }
            }
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        if order.is_gt() {
            return self.run.next().map(|(key, value)| WriteRef::Appended(key, value));
        }
        if order.is_eq() {
            // Hidden by the map.
            self.run.next();
        }
        self.map.next().map(|(key, entry)| WriteRef::Mapped(key, entry))
    }
}
