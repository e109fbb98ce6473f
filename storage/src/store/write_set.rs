//! The private writes of one transaction.
//!
//! Savepoints and statements are layers. They are kept as one merged map, which every read consults once, and an undo
//! list with a mark per layer: dropping a layer plays the list back to its mark, keeping one only forgets the mark.
//!
//! ```text
//! marks   [savepoint a @0] [statement @3]
//! undo    e0 e1 e2          e3 e4          (what each write replaced)
//! map     the newest value per key
//! ```
//!
//! Each entry remembers the LSN of the snapshot that its first write was based on; the committer refuses the set when
//! somebody else wrote the key after that.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::kv::KvBound;
use super::memory_table::Chunk;
use super::reads::ReadSet;
use super::{Change, Keyspace};
use crate::error::{Result, StorageError};
use crate::ids::{Lsn, RelationId};

/// What one written entry costs beside its bytes: map node, reference counts and undo record.
const ENTRY_OVERHEAD_BYTES: usize = 160;

/// The newest write of one key.
#[derive(Clone, Debug)]
pub(crate) struct WriteEntry {
    /// None deletes the key.
    pub value: Option<Arc<[u8]>>,
    /// LSN of the snapshot that the first write of this key was based on.
    pub base: Lsn,
    /// The key does not exist below this write set.
    pub fresh: bool,
    /// A lock keeps everybody else from writing the key, so that no conflict has to be looked for.
    pub locked: bool,
}

/// What keeps others from writing the same key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing: the first to commit wins.
    Snapshot,
    /// A lock held by the transaction.
    Locked,
    /// As `Locked`, or the key contains a newly allocated id; and it exists nowhere.
    Fresh,
}

/// What a write is made over.
#[derive(Clone, Copy)]
pub(crate) struct WriteBase {
    pub lsn: Lsn,
    pub guard: Guard,
}

/// Writes of one keyspace.
#[derive(Debug, Default)]
pub(crate) struct KeyspaceWrites {
    /// Set when everything below was dropped (TRUNCATE, DROP), at the LSN of the snapshot that was read.
    pub cleared: Option<Lsn>,
    pub entries: BTreeMap<Arc<[u8]>, WriteEntry>,
}

impl KeyspaceWrites {
    pub fn lookup(&self, key: &[u8]) -> Lookup {
        match self.entries.get(key) {
            Some(WriteEntry { value: Some(value), .. }) => Lookup::Value(Arc::clone(value)),
            Some(WriteEntry { value: None, .. }) => Lookup::Deleted,
            None if self.cleared.is_some() => Lookup::Deleted,
            None => Lookup::Below,
        }
    }

    /// At most `limit` writes of a range, in order (or against it). The range must not be empty.
    pub fn chunk(&self, lower: KvBound<'_>, upper: KvBound<'_>, reverse: bool, limit: usize) -> Chunk {
        let range = self.entries.range::<[u8], _>((lower, upper));
        let copy = |(key, entry): (&Arc<[u8]>, &WriteEntry)| (Arc::clone(key), entry.value.clone());
        if reverse { range.rev().take(limit).map(copy).collect() } else { range.take(limit).map(copy).collect() }
    }
}

/// Answer of a lookup in a write set or layer.
pub(crate) enum Lookup {
    Value(Arc<[u8]>),
    Deleted,
    /// Not written here: ask the snapshot.
    Below,
}

#[derive(Debug)]
enum Undo {
    Entry { keyspace: Keyspace, key: Arc<[u8]>, previous: Option<WriteEntry> },
    Cleared { keyspace: Keyspace, previous: KeyspaceWrites, size_bytes: usize },
}

#[derive(Debug)]
struct Mark {
    /// None for a statement.
    savepoint: Option<String>,
    undo_len: usize,
    change_count: usize,
    /// Of a savepoint: where the list of the transaction's locks stood.
    lock_position: usize,
}

#[derive(Debug, Default)]
pub(crate) struct WriteSet {
    pub keyspaces: FxHashMap<Keyspace, KeyspaceWrites>,
    pub changes: Vec<Change>,
    /// Keys that must not be deleted by others after the LSN.
    pub claims: FxHashMap<(Keyspace, Arc<[u8]>), Lsn>,
    /// Keyspaces that must not be written by others after the LSN.
    pub keyspace_claims: FxHashMap<Keyspace, Lsn>,
    /// Definition version of each table written.
    pub relation_versions: FxHashMap<RelationId, u64>,
    /// Version of the graph's index definitions, when nodes or relationships were written.
    pub graph_version: Option<u64>,
    /// What a SERIALIZABLE transaction read, and the LSN of its snapshot.
    pub reads: Option<(ReadSet, Lsn)>,
    pub size_bytes: usize,
    /// Moves when catalog rows change.
    pub catalog_epoch: u64,
    undo: Vec<Undo>,
    marks: Vec<Mark>,
}

impl WriteSet {
    pub fn lookup(&self, keyspace: Keyspace, key: &[u8]) -> Lookup {
        self.keyspaces.get(&keyspace).map_or(Lookup::Below, |writes| writes.lookup(key))
    }

    /// True when reads of the keyspace have to consult this set.
    pub fn touches(&self, keyspace: Keyspace) -> bool {
        self.keyspaces.contains_key(&keyspace)
    }

    pub fn is_cleared(&self, keyspace: Keyspace) -> bool {
        self.keyspaces.get(&keyspace).is_some_and(|writes| writes.cleared.is_some())
    }

    /// True when there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.keyspaces.is_empty()
    }

    /// Writes or deletes one key. `limit_bytes` bounds the whole set.
    pub fn write(
        &mut self,
        keyspace: Keyspace,
        key: &[u8],
        value: Option<&[u8]>,
        base: WriteBase,
        limit_bytes: usize,
    ) -> Result<()> {
        let added = key.len() + value.map_or(0, <[u8]>::len) + ENTRY_OVERHEAD_BYTES;
        if value.is_some() && self.size_bytes + added > limit_bytes {
            return Err(StorageError::LimitExceeded(format!(
                "transaction writes more than {limit_bytes} bytes; commit in smaller parts"
            )));
        }
        let writes = self.keyspaces.entry(keyspace).or_default();
        let (key, previous) = match writes.entries.get_key_value(key) {
            Some((key, previous)) => (Arc::clone(key), Some(previous.clone())),
            None => (Arc::from(key), None),
        };
        let below_is_empty = writes.cleared.is_some() || previous.as_ref().is_some_and(|entry| entry.fresh);
        if value.is_none() && below_is_empty {
            writes.entries.remove(&key);
        } else {
            let entry = WriteEntry {
                value: value.map(Arc::from),
                base: previous.as_ref().map_or(base.lsn, |entry| entry.base),
                fresh: previous.as_ref().map_or(base.guard == Guard::Fresh, |entry| entry.fresh),
                locked: previous.as_ref().map_or(base.guard != Guard::Snapshot, |entry| entry.locked),
            };
            writes.entries.insert(Arc::clone(&key), entry);
        }
        if writes.entries.is_empty() && writes.cleared.is_none() {
            self.keyspaces.remove(&keyspace);
        }
        self.size_bytes += added;
        if let Some(WriteEntry { value: old, .. }) = &previous {
            self.size_bytes = self.size_bytes.saturating_sub(entry_size(&key, old));
        }
        if keyspace == Keyspace::CATALOG {
            self.catalog_epoch += 1;
        }
        if !self.marks.is_empty() {
            self.undo.push(Undo::Entry { keyspace, key, previous });
        }
        Ok(())
    }

    /// Drops every key of the keyspace, those below included.
    pub fn clear_keyspace(&mut self, keyspace: Keyspace, base: Lsn) {
        let cleared = KeyspaceWrites { cleared: Some(base), entries: BTreeMap::new() };
        let previous = self.keyspaces.insert(keyspace, cleared);
        let size_bytes = previous
            .as_ref()
            .map_or(0, |writes| writes.entries.iter().map(|(key, entry)| entry_size(key, &entry.value)).sum());
        self.size_bytes = self.size_bytes.saturating_sub(size_bytes);
        if !self.marks.is_empty() {
            self.undo.push(Undo::Cleared { keyspace, previous: previous.unwrap_or_default(), size_bytes });
        }
    }

    pub fn claim(&mut self, keyspace: Keyspace, key: &[u8], base: Lsn) {
        self.claims.entry((keyspace, Arc::from(key))).or_insert(base);
    }

    /// A statement begins. Locks that it takes outlive it.
    pub fn mark_statement(&mut self) {
        self.push_mark(None, 0);
    }

    /// A savepoint is set; `lock_position` is given back when it is rolled back to.
    pub fn mark_savepoint(&mut self, name: String, lock_position: usize) {
        self.push_mark(Some(name), lock_position);
    }

    fn push_mark(&mut self, savepoint: Option<String>, lock_position: usize) {
        let (undo_len, change_count) = (self.undo.len(), self.changes.len());
        self.marks.push(Mark { savepoint, undo_len, change_count, lock_position });
    }

    pub fn has_savepoint(&self) -> bool {
        self.newest_lock_position().is_some()
    }

    /// Lock position of the savepoint that was set last and is still there.
    pub fn newest_lock_position(&self) -> Option<usize> {
        self.marks.iter().rev().find(|mark| mark.savepoint.is_some()).map(|mark| mark.lock_position)
    }

    /// Keeps what the innermost statement wrote.
    pub fn release_statement(&mut self) {
        if let Some(at) = self.marks.iter().rposition(|mark| mark.savepoint.is_none()) {
            self.marks.remove(at);
        }
        self.forget_unneeded_undo();
    }

    /// Takes back what the innermost statement wrote, savepoints set within it included.
    pub fn rollback_statement(&mut self) {
        if let Some(at) = self.marks.iter().rposition(|mark| mark.savepoint.is_none()) {
            self.rollback_to_mark(at);
            self.marks.truncate(at);
        }
        self.forget_unneeded_undo();
    }

    /// Gives the lock position that the savepoint was set with. Errors with `SavepointNotFound`.
    pub fn rollback_to_savepoint(&mut self, name: &str) -> Result<usize> {
        let at = self.savepoint_position(name)?;
        self.rollback_to_mark(at);
        self.marks.truncate(at + 1);
        Ok(self.marks[at].lock_position)
    }

    pub fn release_savepoint(&mut self, name: &str) -> Result<()> {
        let at = self.savepoint_position(name)?;
        // A statement mark that is still open keeps its place; savepoints set after the released one go with it.
        let mut position = 0;
        self.marks.retain(|mark| {
            position += 1;
            position <= at || mark.savepoint.is_none()
        });
        self.forget_unneeded_undo();
        Ok(())
    }

    fn savepoint_position(&self, name: &str) -> Result<usize> {
        self.marks
            .iter()
            .rposition(|mark| mark.savepoint.as_deref() == Some(name))
            .ok_or_else(|| StorageError::SavepointNotFound(name.to_owned()))
    }

    fn forget_unneeded_undo(&mut self) {
        if self.marks.is_empty() {
            self.undo.clear();
        }
    }

    fn rollback_to_mark(&mut self, at: usize) {
        let (undo_len, change_count) = (self.marks[at].undo_len, self.marks[at].change_count);
        self.changes.truncate(change_count);
        while self.undo.len() > undo_len {
            match self.undo.pop().expect("length was just checked") {
                Undo::Entry { keyspace, key, previous } => self.restore_entry(keyspace, key, previous),
                Undo::Cleared { keyspace, previous, size_bytes } => {
                    self.size_bytes += size_bytes;
                    if previous.entries.is_empty() && previous.cleared.is_none() {
                        self.keyspaces.remove(&keyspace);
                    } else {
                        self.keyspaces.insert(keyspace, previous);
                    }
                }
            }
        }
    }

    fn restore_entry(&mut self, keyspace: Keyspace, key: Arc<[u8]>, previous: Option<WriteEntry>) {
        if keyspace == Keyspace::CATALOG {
            self.catalog_epoch += 1;
        }
        let writes = self.keyspaces.entry(keyspace).or_default();
        let current = match previous {
            Some(entry) => {
                self.size_bytes += entry_size(&key, &entry.value);
                writes.entries.insert(Arc::clone(&key), entry)
            }
            None => writes.entries.remove(&key),
        };
        if let Some(entry) = current {
            self.size_bytes = self.size_bytes.saturating_sub(entry_size(&key, &entry.value));
        }
        if writes.entries.is_empty() && writes.cleared.is_none() {
            self.keyspaces.remove(&keyspace);
        }
    }
}

fn entry_size(key: &[u8], value: &Option<Arc<[u8]>>) -> usize {
    key.len() + value.as_ref().map_or(0, |value| value.len()) + ENTRY_OVERHEAD_BYTES
}
