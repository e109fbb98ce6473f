//! The private writes of one transaction.
//!
//! Savepoints and statements are marks. What was written is one merged map, which every read consults once, and an undo
//! list; dropping what came after a mark plays the list back to it, keeping it only forgets the mark ([`marks`]).
//!
//! ```text
//! marks   [savepoint a @0] [statement @3]
//! undo    e0 e1 e2          e3 e4          (what each write replaced)
//! map     the newest value per key
//! ```
//!
//! New keys that come in order, as in a bulk load, are appended to a run beside the map ([`keyspace_writes`]).
//!
//! A set above its memory limit is frozen into layers ([`freeze`]), which go to disk (`spill/`), and the map begins anew
//! over them. [`Part`] is the one place that knows how map and layers are read together.
//!
//! Each entry remembers the LSN of the snapshot that its first write was based on; the committer refuses the set when
//! somebody else wrote the key after that.

mod append_run;
mod freeze;
mod keyspace_writes;
mod marks;

use std::sync::Arc;

use rustc_hash::FxHashMap;

use self::freeze::FrozenLayer;
use self::marks::{Mark, Undo};
use super::kv::KvBound;
use super::memory_table::Chunk;
use super::reads::ReadSet;
use super::spill::SpillFile;
use super::spill::merge::{self, MergedStream, Part, visible};
use super::{Change, Keyspace};
use crate::error::{Result, StorageError};
use crate::ids::{Lsn, RelationId};

pub(crate) use freeze::ChangePosition;
pub(crate) use keyspace_writes::{KeyspaceEntries, KeyspaceWrites, WriteRef};

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

impl WriteEntry {
    /// This write as the newer one of two: what is below the write set, the older one knows.
    pub fn over(self, older: &WriteEntry) -> WriteEntry {
        WriteEntry { value: self.value, base: older.base, fresh: older.fresh, locked: older.locked }
    }
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

/// Answer of a lookup in a write set or layer.
pub(crate) enum Lookup {
    Value(Arc<[u8]>),
    Deleted,
    /// Not written here: ask the snapshot.
    Below,
}

#[derive(Default)]
pub(crate) struct WriteSet {
    /// What was written since the newest layer was frozen, and all of the keyspaces that stay in memory.
    pub keyspaces: FxHashMap<Keyspace, KeyspaceWrites>,
    /// What was noted since the newest layer was frozen.
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
    /// Moves when catalog rows change.
    pub catalog_epoch: u64,
    /// Oldest first.
    layers: Vec<FrozenLayer>,
    /// Moves when layers are frozen.
    freeze_count: u64,
    file: Option<Arc<SpillFile>>,
    /// Search indexes that were noted to be rebuilt, because single rows are no longer noted.
    rescans: Vec<RelationId>,
    undo: Vec<Undo>,
    marks: Vec<Mark>,
    sizes: Sizes,
    /// Why the set can no longer be written or committed.
    failure: Option<StorageError>,
}

/// Bytes held by a write set.
#[derive(Clone, Copy, Debug, Default)]
struct Sizes {
    /// In the map, without what stays in memory.
    map: usize,
    /// In the map, of keyspaces that stay in memory.
    resident: usize,
    /// In the undo list, without what stays in memory.
    undo: usize,
    /// In layers that are not on disk yet.
    layers: usize,
    /// In the spill file.
    file: u64,
}

impl WriteSet {
    pub fn lookup(&self, keyspace: Keyspace, key: &[u8]) -> Result<Lookup> {
        if self.layers.is_empty() {
            return Ok(self.keyspaces.get(&keyspace).map_or(Lookup::Below, |writes| writes.lookup(key)));
        }
        merge::lookup(self.newest_first(keyspace), key)
    }

    /// At most `limit` writes of a range, in order (or against it). The range must not be empty.
    pub fn chunk(
        &self,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
        limit: usize,
    ) -> Result<Chunk> {
        if self.layers.is_empty() {
            let writes = self.keyspaces.get(&keyspace);
            return Ok(writes.map_or_else(Chunk::new, |writes| writes.chunk(lower, upper, reverse, limit)));
        }
        merge::chunk(&self.parts(keyspace), lower, upper, reverse, limit)
    }

    /// All writes of a keyspace, in order.
    pub fn stream(&self, keyspace: Keyspace) -> Result<MergedStream<'_>> {
        MergedStream::new(&self.parts(keyspace))
    }

    /// Calls `visit` with every key written in a keyspace, in order, whether it has a value now, and whether it exists
    /// nowhere below.
    pub fn for_each_key(
        &self,
        keyspace: Keyspace,
        visit: &mut dyn FnMut(&[u8], bool, bool) -> Result<()>,
    ) -> Result<()> {
        if self.layers.is_empty() {
            let mut entries = self.keyspaces.get(&keyspace).into_iter().flat_map(KeyspaceWrites::iter);
            return entries.try_for_each(|entry| visit(entry.key(), entry.value().is_some(), entry.is_fresh()));
        }
        for entry in self.stream(keyspace)? {
            let (key, entry) = entry?;
            visit(&key, entry.value.is_some(), entry.fresh)?;
        }
        Ok(())
    }

    /// The key was made by this transaction: nobody else knows it.
    pub fn is_fresh(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool> {
        if self.layers.is_empty() {
            let entry = self.keyspaces.get(&keyspace).and_then(|writes| writes.get(key));
            return Ok(entry.is_some_and(WriteRef::is_fresh));
        }
        Ok(merge::find_merged(&self.parts(keyspace), key)?.is_some_and(|entry| entry.fresh))
    }

    fn newest_first(&self, keyspace: Keyspace) -> impl Iterator<Item = Part<'_>> {
        let layers = self.layers.iter().rev().filter_map(move |layer| layer.part(keyspace));
        self.keyspaces.get(&keyspace).map(Part::Map).into_iter().chain(layers)
    }

    fn parts(&self, keyspace: Keyspace) -> Vec<Part<'_>> {
        visible(self.newest_first(keyspace))
    }

    /// True when reads of the keyspace have to consult this set.
    pub fn touches(&self, keyspace: Keyspace) -> bool {
        self.newest_first(keyspace).next().is_some()
    }

    /// What others wrote in the keyspace does not show through.
    pub fn is_cleared(&self, keyspace: Keyspace) -> bool {
        self.newest_first(keyspace).any(|part| part.cleared().is_some())
    }

    /// True when there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.keyspaces.is_empty() && self.layers.is_empty()
    }

    /// In memory and on disk.
    pub fn size_bytes(&self) -> usize {
        self.sizes.map + self.sizes.resident + self.sizes.layers + self.sizes.file as usize
    }

    /// What spilling would move out of memory.
    pub fn spillable_bytes(&self) -> usize {
        self.sizes.map + self.sizes.undo + self.sizes.layers + self.changes.len() * size_of::<Change>()
    }

    /// What was read of the set was not all there is: it must not be committed.
    pub fn fail(&mut self, error: StorageError) {
        self.failure.get_or_insert(error);
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
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let added = key.len() + value.map_or(0, <[u8]>::len) + ENTRY_OVERHEAD_BYTES;
        if value.is_some() && self.size_bytes() + added > limit_bytes {
            return Err(StorageError::LimitExceeded(format!(
                "transaction writes more than {limit_bytes} bytes; commit in smaller parts"
            )));
        }
        let writes = self.keyspaces.entry(keyspace).or_default();
        if let (Some(value), Guard::Fresh) = (value, base.guard)
            && !keyspace.stays_in_memory()
            && let Some(added) = writes.append(key, value)
        {
            // Going back to a mark cuts the run: there is nothing to undo.
            self.account(keyspace, added, 0);
            return Ok(());
        }
        // A layer or the run may hold an older write of the key, which a delete has to hide.
        let is_appended = writes.run.contains(key);
        let is_older_held =
            is_appended || (value.is_none() && self.layers.iter().any(|layer| layer.part(keyspace).is_some()));
        let (key, previous) = match writes.map.get_key_value(key) {
            Some((key, previous)) => (Arc::clone(key), Some(previous.clone())),
            None => (Arc::from(key), None),
        };
        let is_fresh = is_appended || previous.as_ref().is_some_and(|entry| entry.fresh);
        let below_is_empty = (writes.cleared.is_some() && !is_appended) || (is_fresh && !is_older_held);
        let is_removed = value.is_none() && below_is_empty;
        if is_removed {
            writes.map.remove(&key);
        } else {
            let guard = if is_appended { Guard::Fresh } else { base.guard };
            let entry = WriteEntry {
                value: value.map(Arc::from),
                base: previous.as_ref().map_or(base.lsn, |entry| entry.base),
                fresh: previous.as_ref().map_or(guard == Guard::Fresh, |entry| entry.fresh),
                locked: previous.as_ref().map_or(guard != Guard::Snapshot, |entry| entry.locked),
            };
            writes.map.insert(Arc::clone(&key), entry);
        }
        if writes.is_untouched() {
            self.keyspaces.remove(&keyspace);
        }
        let replaced = previous.as_ref().map_or(0, |entry| entry_size(&key, &entry.value));
        self.account(keyspace, if is_removed { 0 } else { added }, replaced);
        if keyspace == Keyspace::CATALOG {
            self.catalog_epoch += 1;
        }
        if self.records_undo(keyspace) {
            self.push_undo(Undo::Entry { keyspace, key, previous });
        }
        Ok(())
    }

    /// Writes keys that exist nowhere, the value of each behind its key. Cheapest when they ascend. On error some of them
    /// are written.
    pub fn write_new<'p>(
        &mut self,
        keyspace: Keyspace,
        pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>,
        lsn: Lsn,
        limit_bytes: usize,
    ) -> Result<()> {
        let mut pairs = pairs.peekable();
        while pairs.peek().is_some() {
            let room = limit_bytes.saturating_sub(self.size_bytes());
            if self.failure.is_none()
                && !keyspace.stays_in_memory()
                && let Some(writes) = self.keyspaces.get_mut(&keyspace)
            {
                let mut added = 0;
                while let Some((key, value)) = pairs.peek()
                    && added + key.len() + value.len() + ENTRY_OVERHEAD_BYTES <= room
                    && let Some(bytes) = writes.append(key, value)
                {
                    added += bytes;
                    pairs.next();
                }
                self.account(keyspace, added, 0);
            }
            if let Some((key, value)) = pairs.next() {
                self.write(keyspace, key, Some(value), WriteBase { lsn, guard: Guard::Fresh }, limit_bytes)?;
            }
        }
        Ok(())
    }

    /// Drops every key of the keyspace, those below included.
    pub fn clear_keyspace(&mut self, keyspace: Keyspace, base: Lsn) {
        let previous = self.keyspaces.insert(keyspace, KeyspaceWrites::cleared_at(base)).unwrap_or_default();
        self.account(keyspace, 0, previous.size_bytes());
        if self.records_undo(keyspace) {
            self.push_undo(Undo::Cleared { keyspace, previous });
        }
    }

    pub fn claim(&mut self, keyspace: Keyspace, key: &[u8], base: Lsn) {
        self.claims.entry((keyspace, Arc::from(key))).or_insert(base);
    }

    pub fn note_change(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Notes that a search index has to be rebuilt, once.
    pub fn note_rescan(&mut self, index: RelationId) {
        if !self.rescans.contains(&index) {
            self.rescans.push(index);
            self.changes.push(Change::IndexReset { index });
        }
    }

    fn account(&mut self, keyspace: Keyspace, added: usize, removed: usize) {
        let size = if keyspace.stays_in_memory() { &mut self.sizes.resident } else { &mut self.sizes.map };
        *size = (*size + added).saturating_sub(removed);
    }

    /// Takes out of the map what can be spilled.
    fn take_map(&mut self) -> FxHashMap<Keyspace, KeyspaceWrites> {
        self.sizes.map = 0;
        self.keyspaces.extract_if(|keyspace, _| !keyspace.stays_in_memory()).collect()
    }
}

fn entry_size(key: &[u8], value: &Option<Arc<[u8]>>) -> usize {
    key.len() + value.as_ref().map_or(0, |value| value.len()) + ENTRY_OVERHEAD_BYTES
}
