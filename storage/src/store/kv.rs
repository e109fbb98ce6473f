//! The one read path: the transaction's writes, the layers over redb, and redb, merged.

use std::iter::Peekable;
use std::ops::{Bound, Deref};
use std::sync::Arc;

use parking_lot::RwLock;
use redb::{OwnedAccessGuard, ReadOnlyTable, ReadTransaction, ReadableTableMetadata, TableDefinition, TableError};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::base_range::{BaseRange, DecodedRange, RangePosition};
use super::errors::{storage_error, table_error};
use super::layers::{Layer, LayerKeyspace};
use super::memory_table::Chunk;
use super::write_set::{Guard, Lookup, WriteBase, WriteSet};
use super::{Keyspace, Transaction};
use crate::derived::DerivedState;
use crate::error::{Result, StorageError};
use crate::ids::Lsn;

/// Values above this size are refused, in bytes.
pub(crate) const MAX_VALUE_BYTES: usize = 1 << 30;
/// Newer writes copied at a time by a range read.
const OVERLAY_CHUNK: usize = 64;

pub(super) type RedbTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A value's bytes, without copying where the page can be held. Keeps its snapshot's page alive.
pub enum KvBytes {
    Shared(Arc<[u8]>),
    /// Boxed, since it is large and these are moved a lot.
    Page(Box<OwnedAccessGuard<&'static [u8]>>),
    /// A part of a buffer that holds many pairs.
    Piece {
        buffer: Arc<Vec<u8>>,
        start: u32,
        end: u32,
    },
    /// Few bytes, as of most keys.
    Inline {
        length: u8,
        bytes: [u8; INLINE_BYTES],
    },
}

/// What fits beside the other variants.
const INLINE_BYTES: usize = 22;
const _: () = assert!(size_of::<KvBytes>() == 24);

impl KvBytes {
    /// A part of a buffer, copied when that is cheaper than to refer to it.
    pub(super) fn piece(buffer: &Arc<Vec<u8>>, start: u32, end: u32) -> KvBytes {
        let part = &buffer[start as usize..end as usize];
        if part.len() > INLINE_BYTES {
            return KvBytes::Piece { buffer: Arc::clone(buffer), start, end };
        }
        let mut bytes = [0; INLINE_BYTES];
        bytes[..part.len()].copy_from_slice(part);
        KvBytes::Inline { length: part.len() as u8, bytes }
    }
}

impl Deref for KvBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            KvBytes::Shared(bytes) => bytes,
            KvBytes::Page(guard) => guard.value(),
            KvBytes::Piece { buffer, start, end } => &buffer[*start as usize..*end as usize],
            KvBytes::Inline { length, bytes } => &bytes[..usize::from(*length)],
        }
    }
}

impl std::fmt::Debug for KvBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.deref().fmt(f)
    }
}

/// Ascending (or descending) pairs.
pub type KvIter<'t> = Box<dyn Iterator<Item = Result<(KvBytes, KvBytes)>> + Send + 't>;
pub type KvBound<'k> = Bound<&'k [u8]>;

/// A redb read transaction with its tables opened once.
pub(crate) struct TableBase {
    read: ReadTransaction,
    /// Tables opened so far; None for one that does not exist, which reads as empty.
    tables: RwLock<FxHashMap<Keyspace, Option<Arc<RedbTable>>>>,
}

impl TableBase {
    pub fn new(read: ReadTransaction) -> Arc<TableBase> {
        Arc::new(TableBase { read, tables: RwLock::default() })
    }

    fn table(&self, keyspace: Keyspace) -> Result<Option<Arc<RedbTable>>> {
        if let Some(table) = self.tables.read().get(&keyspace) {
            return Ok(table.clone());
        }
        let name = keyspace.table_name();
        let table = match self.read.open_table(TableDefinition::<&[u8], &[u8]>::new(&name)) {
            Ok(table) => Some(Arc::new(table)),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(table_error(error)),
        };
        self.tables.write().insert(keyspace, table.clone());
        Ok(table)
    }

    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>> {
        if let Some(table) = self.tables.read().get(&keyspace) {
            // Without counting a reference: this is the path of every look-up.
            let Some(table) = table else { return Ok(None) };
            return Ok(table.get_owned(key).map_err(storage_error)?.map(|guard| KvBytes::Page(Box::new(guard))));
        }
        let Some(table) = self.table(keyspace)? else { return Ok(None) };
        Ok(table.get_owned(key).map_err(storage_error)?.map(|guard| KvBytes::Page(Box::new(guard))))
    }

    fn range(
        self: &Arc<Self>,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
    ) -> Result<KvIter<'static>> {
        match self.table(keyspace)? {
            Some(table) => {
                let position = RangePosition::new(Arc::clone(self), table, lower, upper, reverse);
                Ok(Box::new(BaseRange::new(position)))
            }
            None => Ok(Box::new(std::iter::empty())),
        }
    }
}

/// Committed rows at one LSN: layers over a pinned redb read transaction. Cheap to clone.
#[derive(Clone)]
pub struct KvSnapshot {
    base: Arc<TableBase>,
    /// Newest first.
    layers: Arc<[Layer]>,
    lsn: Lsn,
}

impl KvSnapshot {
    pub(crate) fn new(base: Arc<TableBase>, layers: Arc<[Layer]>, lsn: Lsn) -> KvSnapshot {
        KvSnapshot { base, layers, lsn }
    }

    /// What redb holds, without anything over it.
    pub(crate) fn of_base(base: Arc<TableBase>, lsn: Lsn) -> KvSnapshot {
        KvSnapshot { base, layers: Arc::from([]), lsn }
    }

    /// LSN of the last commit in the snapshot.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    pub fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>> {
        for layer in self.layers.iter() {
            match layer.lookup(keyspace, key, self.lsn)? {
                Lookup::Value(value) => return Ok(Some(KvBytes::Shared(value))),
                Lookup::Deleted => return Ok(None),
                Lookup::Below => {}
            }
        }
        self.base.get(keyspace, key)
    }

    pub fn range(
        &self,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
    ) -> Result<KvIter<'static>> {
        if is_empty_range(lower, upper) {
            return Ok(Box::new(std::iter::empty()));
        }
        let (over, is_cleared) = self.layers_of(keyspace);
        let mut merged =
            if is_cleared { Box::new(std::iter::empty()) } else { self.base.range(keyspace, lower, upper, reverse)? };
        for layer in over.into_iter().rev() {
            let next = move |lower: KvBound<'_>, upper: KvBound<'_>| layer.chunk(lower, upper, reverse, OVERLAY_CHUNK);
            merged = Box::new(MergedRange::new(next, lower, upper, reverse, merged));
        }
        Ok(merged)
    }

    /// What `decode` makes of the pairs of a range, in order (or against it). Cheaper than [`Self::range`] where nothing lies
    /// over redb: no bytes are handed out.
    pub fn decoded_range<'d, T: Send + 'd>(
        &self,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
        mut decode: impl FnMut(&[u8], &[u8]) -> Result<T> + Send + 'd,
    ) -> Result<Box<dyn Iterator<Item = Result<T>> + Send + 'd>> {
        if self.layers_of(keyspace).0.is_empty() {
            let Some(table) = self.base.table(keyspace)? else { return Ok(Box::new(std::iter::empty())) };
            let position = RangePosition::new(Arc::clone(&self.base), table, lower, upper, reverse);
            return Ok(Box::new(DecodedRange::new(position, decode)));
        }
        let pairs = self.range(keyspace, lower, upper, reverse)?;
        Ok(Box::new(pairs.map(move |pair| pair.and_then(|(key, value)| decode(&key, &value)))))
    }

    /// A range that is read in stretches of pairs, without bytes handed out where nothing lies over redb.
    pub(crate) fn pairs(&self, keyspace: Keyspace, lower: KvBound<'_>, upper: KvBound<'_>) -> Result<KvPairs> {
        if !self.layers_of(keyspace).0.is_empty() {
            return Ok(KvPairs::Merged(self.range(keyspace, lower, upper, false)?));
        }
        Ok(match self.base.table(keyspace)? {
            Some(table) => KvPairs::Base(RangePosition::new(Arc::clone(&self.base), table, lower, upper, false)),
            None => KvPairs::Merged(Box::new(std::iter::empty())),
        })
    }

    /// The layers that hold something of a keyspace, newest first, and whether they hide redb.
    fn layers_of(&self, keyspace: Keyspace) -> (SmallVec<[LayerKeyspace; 4]>, bool) {
        let mut over = SmallVec::new();
        for layer in self.layers.iter().filter_map(|layer| layer.keyspace(keyspace, self.lsn)) {
            let is_cleared = layer.is_cleared();
            over.push(layer);
            if is_cleared {
                return (over, true);
            }
        }
        (over, false)
    }

    /// Number of keys in any keyspace. Constant time when redb holds all of it.
    pub fn exact_key_count(&self, keyspace: Keyspace) -> Result<u64> {
        if self.layers_of(keyspace).0.is_empty() {
            return self.key_count(keyspace);
        }
        let all = self.range(keyspace, Bound::Unbounded, Bound::Unbounded, false)?;
        all.map(|pair| pair.map(|_| 1)).sum()
    }

    /// Number of keys in a keyspace of rows, in which a key is made once, replaced, and deleted when it exists. Constant
    /// time but for what redb does not hold yet.
    pub fn key_count(&self, keyspace: Keyspace) -> Result<u64> {
        let (over, is_cleared) = self.layers_of(keyspace);
        let mut count = 0;
        if !is_cleared && let Some(table) = self.base.table(keyspace)? {
            count = table.len().map_err(storage_error)? as i64;
        }
        count += over.iter().map(LayerKeyspace::count_delta).sum::<Result<i64>>()?;
        Ok(count.max(0) as u64)
    }
}

/// Ascending pairs, read in stretches.
pub(crate) enum KvPairs {
    Base(RangePosition),
    Merged(KvIter<'static>),
}

impl KvPairs {
    /// Hands some pairs, at most `limit`, to `take`. False when there are no more.
    pub fn next_stretch(&mut self, limit: usize, mut take: impl FnMut(&[u8], &[u8]) -> Result<()>) -> Result<bool> {
        match self {
            KvPairs::Base(position) => {
                position.next_stretch(limit, take)?;
                Ok(!position.is_exhausted())
            }
            KvPairs::Merged(pairs) => {
                for _ in 0..limit {
                    let Some(pair) = pairs.next() else { return Ok(false) };
                    let (key, value) = pair?;
                    take(&key, &value)?;
                }
                Ok(true)
            }
        }
    }
}

pub(super) fn is_empty_range(lower: KvBound<'_>, upper: KvBound<'_>) -> bool {
    match (lower, upper) {
        (Bound::Included(l), Bound::Included(u)) => l > u,
        (Bound::Included(l) | Bound::Excluded(l), Bound::Included(u) | Bound::Excluded(u)) => l >= u,
        _ => false,
    }
}

fn owned_bound(bound: KvBound<'_>) -> Bound<Arc<[u8]>> {
    bound.map(Arc::from)
}

/// Merges newer writes over older pairs. Newer ones are taken a chunk at a time, so that no lock is held between two calls
/// of `next`.
struct MergedRange<'t, F> {
    /// Newer writes of a range, at most [`OVERLAY_CHUNK`].
    newer: F,
    lower: Bound<Arc<[u8]>>,
    upper: Bound<Arc<[u8]>>,
    reverse: bool,
    chunk: Chunk,
    newer_exhausted: bool,
    below: Peekable<KvIter<'t>>,
}

impl<'t, F: FnMut(KvBound<'_>, KvBound<'_>) -> Result<Chunk>> MergedRange<'t, F> {
    fn new(newer: F, lower: KvBound<'_>, upper: KvBound<'_>, reverse: bool, below: KvIter<'t>) -> MergedRange<'t, F> {
        MergedRange {
            newer,
            lower: owned_bound(lower),
            upper: owned_bound(upper),
            reverse,
            chunk: Chunk::new(),
            newer_exhausted: false,
            below: below.peekable(),
        }
    }

    fn fill_chunk(&mut self) -> Result<()> {
        if !self.chunk.is_empty() || self.newer_exhausted {
            return Ok(());
        }
        let (lower, upper) = (self.lower.as_ref().map(|key| &key[..]), self.upper.as_ref().map(|key| &key[..]));
        if is_empty_range(lower, upper) {
            self.newer_exhausted = true;
            return Ok(());
        }
        self.chunk = (self.newer)(lower, upper)?;
        if self.chunk.len() < OVERLAY_CHUNK {
            self.newer_exhausted = true;
        } else if let Some((last, _)) = self.chunk.back() {
            if self.reverse {
                self.upper = Bound::Excluded(Arc::clone(last));
            } else {
                self.lower = Bound::Excluded(Arc::clone(last));
            }
        }
        Ok(())
    }

    /// An error ends the range.
    fn end(&mut self) {
        self.newer_exhausted = true;
        self.chunk.clear();
        let nothing: KvIter<'t> = Box::new(std::iter::empty());
        self.below = nothing.peekable();
    }
}

impl<F: FnMut(KvBound<'_>, KvBound<'_>) -> Result<Chunk>> Iterator for MergedRange<'_, F> {
    type Item = Result<(KvBytes, KvBytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Err(error) = self.fill_chunk() {
                self.end();
                return Some(Err(error));
            }
            let Some((own_key, _)) = self.chunk.front() else { return self.below.next() };
            match self.below.peek() {
                Some(Err(_)) => return self.below.next(),
                Some(Ok((below_key, _))) => {
                    let order = below_key[..].cmp(&own_key[..]);
                    let order = if self.reverse { order.reverse() } else { order };
                    if order.is_lt() {
                        return self.below.next();
                    }
                    if order.is_eq() {
                        self.below.next();
                    }
                }
                None => {}
            }
            let (key, value) = self.chunk.pop_front().expect("front was just seen");
            if let Some(value) = value {
                return Some(Ok((KvBytes::Shared(key), KvBytes::Shared(value))));
            }
        }
    }
}

/// Reads merge the transaction's layers over its snapshot; writes go to the top layer.
impl Transaction {
    pub(crate) fn kv_get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>> {
        let snapshot = {
            let state = self.state.read_recursive();
            match state.writes.lookup(keyspace, key)? {
                Lookup::Value(value) => return Ok(Some(KvBytes::Shared(value))),
                Lookup::Deleted => return Ok(None),
                Lookup::Below if state.is_expired => return Err(StorageError::SnapshotTooOld),
                Lookup::Below => state.snapshot.clone(),
            }
        };
        if let Some(reads) = self.reads() {
            reads.key(keyspace, key);
        }
        match snapshot {
            Some(snapshot) => snapshot.rows.get(keyspace, key),
            None => self.snapshot().rows.get(keyspace, key),
        }
    }

    /// As [`Self::kv_get`] over another snapshot than the statement's.
    pub(crate) fn kv_get_over(&self, rows: &KvSnapshot, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>> {
        let own = self.state.read_recursive().writes.lookup(keyspace, key)?;
        match own {
            Lookup::Value(value) => Ok(Some(KvBytes::Shared(value))),
            Lookup::Deleted => Ok(None),
            Lookup::Below => rows.get(keyspace, key),
        }
    }

    pub(crate) fn kv_range<'t>(
        &'t self,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
    ) -> Result<KvIter<'t>> {
        if self.state.read_recursive().is_expired {
            return Err(StorageError::SnapshotTooOld);
        }
        if let Some(reads) = self.reads() {
            reads.range(keyspace, lower, upper);
        }
        self.kv_range_over(&self.rows(), keyspace, lower, upper, reverse)
    }

    /// As [`Self::kv_range`] over another snapshot than the statement's.
    pub(crate) fn kv_range_over<'t>(
        &'t self,
        rows: &KvSnapshot,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
    ) -> Result<KvIter<'t>> {
        let (touched, cleared) = {
            let state = self.state.read_recursive();
            (state.writes.touches(keyspace), state.writes.is_cleared(keyspace))
        };
        let below = if cleared { Box::new(std::iter::empty()) } else { rows.range(keyspace, lower, upper, reverse)? };
        if !touched {
            return Ok(below);
        }
        let own = move |lower: KvBound<'_>, upper: KvBound<'_>| {
            self.state.read_recursive().writes.chunk(keyspace, lower, upper, reverse, OVERLAY_CHUNK)
        };
        Ok(Box::new(MergedRange::new(own, lower, upper, reverse, below)))
    }

    /// The pairs of [`Self::kv_range`], ascending, in stretches; they hold the transaction.
    pub(crate) fn kv_pairs(
        self: &Arc<Self>,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
    ) -> Result<KvPairs> {
        if self.state.read_recursive().is_expired {
            return Err(StorageError::SnapshotTooOld);
        }
        if let Some(reads) = self.reads() {
            reads.range(keyspace, lower, upper);
        }
        let rows = self.rows();
        if !self.touches(keyspace) {
            return rows.pairs(keyspace, lower, upper);
        }
        let is_cleared = self.state.read_recursive().writes.is_cleared(keyspace);
        let below = if is_cleared { Box::new(std::iter::empty()) } else { rows.range(keyspace, lower, upper, false)? };
        let transaction = Arc::clone(self);
        let own = move |lower: KvBound<'_>, upper: KvBound<'_>| {
            transaction.state.read_recursive().writes.chunk(keyspace, lower, upper, false, OVERLAY_CHUNK)
        };
        Ok(KvPairs::Merged(Box::new(MergedRange::new(own, lower, upper, false, below))))
    }

    /// Whether the transaction has written in a keyspace.
    pub(crate) fn touches(&self, keyspace: Keyspace) -> bool {
        self.state.read_recursive().writes.touches(keyspace)
    }

    /// What `decode` makes of the pairs of [`Self::kv_range`].
    pub(crate) fn kv_decoded_range<'t, T: Send + 't>(
        &'t self,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
        mut decode: impl FnMut(&[u8], &[u8]) -> Result<T> + Send + 't,
    ) -> Result<Box<dyn Iterator<Item = Result<T>> + Send + 't>> {
        let is_touched = self.state.read_recursive().writes.touches(keyspace);
        if is_touched {
            let pairs = self.kv_range(keyspace, lower, upper, reverse)?;
            return Ok(Box::new(pairs.map(move |pair| pair.and_then(|(key, value)| decode(&key, &value)))));
        }
        if self.state.read_recursive().is_expired {
            return Err(StorageError::SnapshotTooOld);
        }
        if let Some(reads) = self.reads() {
            reads.range(keyspace, lower, upper);
        }
        self.rows().decoded_range(keyspace, lower, upper, reverse, decode)
    }

    /// Writes a key over the statement's snapshot. Whoever else writes it meanwhile and commits first wins.
    pub(crate) fn kv_put(&self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<()> {
        self.kv_write(keyspace, key, Some(value), Guard::Snapshot)
    }

    /// As [`Self::kv_put`] for a key that contains an id allocated by this transaction, or one that nobody may write
    /// without also holding a lock that this transaction holds, and that exists nowhere.
    pub(crate) fn kv_insert_new(&self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<()> {
        self.kv_write(keyspace, key, Some(value), Guard::Fresh)
    }

    /// As [`Self::kv_insert_new`] for many keys of a table or an index, none longer than an index's; on error some of them
    /// are written.
    pub(crate) fn kv_insert_all_new<'p>(
        &self,
        keyspace: Keyspace,
        pairs: impl Iterator<Item = (&'p [u8], &'p [u8])>,
    ) -> Result<()> {
        let options = self.store().options();
        let written = {
            let mut state = self.state.write();
            let lsn = self.write_lsn(&mut state);
            state.writes.write_new(keyspace, pairs, lsn, options.write_set_limit_bytes)?;
            self.spill_if_large(&mut state.writes)
        };
        self.move_epoch();
        written
    }

    fn spill_if_large(&self, writes: &mut WriteSet) -> Result<()> {
        match self.store().attachments() {
            Some(attachments) if writes.spillable_bytes() > self.store().options().write_set_memory_bytes => {
                writes.spill(attachments)
            }
            _ => Ok(()),
        }
    }

    /// Whether a range of a keyspace is empty: in the newest state, in the statement's snapshot, and in the transaction's
    /// own writes. A look at each; the range is as good as not empty when it cannot be told quickly.
    pub(crate) fn kv_is_empty_between(&self, keyspace: Keyspace, first: &[u8], last: &[u8]) -> Result<bool> {
        let (lower, upper) = (Bound::Included(first), Bound::Included(last));
        let (is_cleared, own) = {
            let writes = &self.state.read_recursive().writes;
            (writes.is_cleared(keyspace), writes.chunk(keyspace, lower, upper, false, 1)?)
        };
        if !own.is_empty() {
            return Ok(false);
        }
        if is_cleared {
            return Ok(true);
        }
        let (newest, seen) = (self.store().published().current(), self.snapshot());
        let is_empty = |rows: &KvSnapshot| Ok(rows.range(keyspace, lower, upper, false)?.next().transpose()?.is_none());
        Ok(is_empty(&newest.rows)? && (newest.lsn == seen.lsn || is_empty(&seen.rows)?))
    }

    pub(crate) fn kv_delete(&self, keyspace: Keyspace, key: &[u8]) -> Result<()> {
        self.kv_write(keyspace, key, None, Guard::Snapshot)
    }

    /// Writes a key whose lock is held, over its newest version.
    pub(crate) fn kv_put_locked(&self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Result<()> {
        self.kv_write(keyspace, key, Some(value), Guard::Locked)
    }

    /// Deletes a key whose lock is held, in its newest version.
    pub(crate) fn kv_delete_locked(&self, keyspace: Keyspace, key: &[u8]) -> Result<()> {
        self.kv_write(keyspace, key, None, Guard::Locked)
    }

    /// A key whose lock is held, in its newest version: own writes, else what was published last.
    pub(crate) fn kv_get_newest(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<KvBytes>> {
        self.kv_get_over(&self.store().published().current().rows, keyspace, key)
    }

    fn kv_write(&self, keyspace: Keyspace, key: &[u8], value: Option<&[u8]>, guard: Guard) -> Result<()> {
        if value.is_some_and(|value| value.len() > MAX_VALUE_BYTES) || key.len() > u16::MAX as usize {
            return Err(StorageError::LimitExceeded(format!(
                "a stored value is limited to {MAX_VALUE_BYTES} bytes and a key to {} bytes",
                u16::MAX
            )));
        }
        if matches!(keyspace, Keyspace::NODES | Keyspace::RELATIONSHIPS) {
            self.note_graph_write()?;
        }
        let newest_lsn = (guard == Guard::Locked).then(|| self.store().published().current().lsn);
        let options = self.store().options();
        let written = {
            let mut state = self.state.write();
            let snapshot_lsn = self.write_lsn(&mut state);
            let lsn = newest_lsn.map_or(snapshot_lsn, |newest| newest.max(snapshot_lsn));
            let writes = &mut state.writes;
            writes.write(keyspace, key, value, WriteBase { lsn, guard }, options.write_set_limit_bytes)?;
            self.spill_if_large(writes)
        };
        if keyspace == Keyspace::CATALOG {
            self.move_preparation_epoch();
        }
        self.move_epoch();
        written
    }

    /// Of this transaction and one that deletes the key, neither having seen the other, the one that commits first wins.
    /// Claims conflict neither with each other nor with updates. For the end nodes of a created relationship.
    pub(crate) fn kv_claim(&self, keyspace: Keyspace, key: &[u8]) {
        let base = self.snapshot_lsn();
        self.state.write().writes.claim(keyspace, key, base);
    }

    /// As [`Self::kv_claim`] for a whole keyspace.
    pub(crate) fn kv_claim_keyspace(&self, keyspace: Keyspace) {
        let base = self.snapshot_lsn();
        self.state.write().writes.keyspace_claims.entry(keyspace).or_insert(base);
    }

    /// Drops every key of a keyspace; at commit its redb table is deleted as a whole.
    pub(crate) fn kv_clear(&self, keyspace: Keyspace) {
        let base = self.snapshot_lsn();
        self.state.write().writes.clear_keyspace(keyspace, base);
        self.move_epoch();
    }

    /// Number of keys that a full range would give. Constant time without own writes in the keyspace.
    pub(crate) fn kv_count(&self, keyspace: Keyspace) -> Result<u64> {
        if let Some(reads) = self.reads() {
            reads.whole(keyspace);
        }
        let rows = self.rows();
        let state = self.state.read_recursive();
        if !state.writes.touches(keyspace) {
            return rows.key_count(keyspace);
        }
        let is_cleared = state.writes.is_cleared(keyspace);
        let mut count = if is_cleared { 0 } else { rows.key_count(keyspace)? };
        state.writes.for_each_key(keyspace, &mut |key, exists, is_fresh| {
            let exists_below = !is_cleared && !is_fresh && rows.get(keyspace, key)?.is_some();
            match (exists_below, exists) {
                (false, true) => count += 1,
                (true, false) => count -= 1,
                _ => {}
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// Derived state of the snapshot that the current statement reads.
    pub(crate) fn derived(&self) -> Arc<DerivedState> {
        Arc::clone(&self.snapshot().derived)
    }

    /// Rows of the snapshot that the current statement reads, as keys and values and without the transaction's own writes.
    pub fn rows(&self) -> KvSnapshot {
        self.snapshot().rows.clone()
    }

    /// Next value of a block-allocated id: unique, increasing, never reused, from 1. Not transactional.
    pub(crate) fn allocate_id(&self, counter: &str) -> Result<u64> {
        self.store().counters().next(counter, self.store().published())
    }

    /// Later values of the counter lie above `id`.
    pub(crate) fn raise_id(&self, counter: &str, id: u64) -> Result<()> {
        self.store().counters().raise(counter, id, self.store().published())
    }

    /// Runs `write` in a transaction of its own and commits it at once (tokens); `write` may be run again on conflict.
    pub(crate) fn in_own_commit<T>(&self, write: &mut dyn FnMut(&Transaction) -> Result<T>) -> Result<T> {
        self.store().in_own_commit(write)
    }
}

/// Length-checked big-endian integer from a stored value.
pub(crate) fn decode_u64(bytes: &[u8], what: &str) -> Result<u64> {
    let bytes = <[u8; 8]>::try_from(bytes)
        .map_err(|_| StorageError::Corrupted(format!("{what} has {} bytes instead of 8", bytes.len())))?;
    Ok(u64::from_be_bytes(bytes))
}

pub(crate) fn encode_lsn(lsn: Lsn) -> [u8; 8] {
    lsn.0.to_be_bytes()
}
