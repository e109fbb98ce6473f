//! Rows of tables, through a transaction: every write keeps the table's ordered indexes and checks its unique ones.
//!
//! `values` are aligned with `TableDef::columns` (virtual columns hold NULL); `projection` lists positions in it.
//!
//! Rows are keyed by row id, 8 bytes big-endian, in the keyspace of their table. Reads take the relation's AccessShare
//! lock and writes RowExclusive, to the end of the transaction.

use std::ops::Bound;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::catalog::{Catalog, IndexDef, IndexKind, IndexTarget, TableBehaviour, TableDef};
use crate::ddl::RelationLock;
use crate::encoding::row::{RowProjection, encode_row};
use crate::error::{Result, StorageError};
use crate::ids::{RelationId, RowId};
use crate::index::{IndexKey, KeyReader, index_key, is_ordered};
use crate::index_function::KeySource;
use crate::store::{Keyspace, KvPairs, RowLock, Transaction, decode_u64};
use crate::value::Value;

/// A range of an ordered index: equality on the first columns, bounds on the next one.
#[derive(Clone, Debug)]
pub struct IndexRange {
    pub equal: Vec<Value>,
    pub lower: Bound<Value>,
    pub upper: Bound<Value>,
}

impl IndexRange {
    pub fn all() -> IndexRange {
        IndexRange { equal: Vec::new(), lower: Bound::Unbounded, upper: Bound::Unbounded }
    }

    pub fn equal(values: Vec<Value>) -> IndexRange {
        IndexRange { equal: values, lower: Bound::Unbounded, upper: Bound::Unbounded }
    }
}

/// Rows in row-id order.
pub type RowScan<'t> = Box<dyn Iterator<Item = Result<(RowId, Vec<Value>)>> + Send + 't>;
/// Ids (of rows, nodes or relationships) in index order.
pub type IdScan<'t> = Box<dyn Iterator<Item = Result<u64>> + Send + 't>;
/// Ids in index order, each with values of columns.
pub type EntryScan<'t> = Box<dyn Iterator<Item = Result<(u64, Vec<Value>)>> + Send + 't>;

/// Rows in row-id order, as they are stored, some at a time. Holds the transaction it reads.
pub struct RowCursor {
    pairs: KvPairs,
    is_at_end: bool,
}

impl RowCursor {
    /// Hands some rows, at most `limit`, to `take`. False when there are no more. An error ends the cursor.
    pub fn next_rows(&mut self, limit: usize, mut take: impl FnMut(RowId, &[u8]) -> Result<()>) -> Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        let more = self.pairs.next_stretch(limit, |key, row| take(RowId(decode_u64(key, "row key")?), row));
        self.is_at_end = !matches!(more, Ok(true));
        more
    }
}

fn row_key(row: RowId) -> [u8; 8] {
    row.0.to_be_bytes()
}

/// What every write of a table needs to know, worked out once per catalog and table.
pub(crate) struct WriteTarget {
    catalog: Arc<Catalog>,
    table: RelationId,
    version: u64,
    pub(crate) indexes: Vec<OrderedIndex>,
    pub(crate) search_indexes: Vec<RelationId>,
}

pub(crate) struct OrderedIndex {
    pub(crate) def: Arc<IndexDef>,
    pub(crate) source: KeySource,
}

/// A table that a transaction has locked and prepared for its writes.
pub(crate) struct PreparedWrite {
    /// [`Transaction::preparation_epoch`] as of then.
    epoch: u64,
    target: Arc<WriteTarget>,
}

impl WriteTarget {
    fn new(transaction: &Transaction, catalog: Arc<Catalog>, table: &TableDef) -> Result<WriteTarget> {
        let mut indexes = Vec::new();
        let mut search_indexes = Vec::new();
        for index in catalog.indexes_of(table.id) {
            if !is_ordered(index) {
                search_indexes.push(index.id);
            } else {
                let source = KeySource::new(transaction.store(), Some(transaction), table, index)?;
                indexes.push(OrderedIndex { def: Arc::clone(index), source });
            }
        }
        Ok(WriteTarget { table: table.id, version: table.version, indexes, search_indexes, catalog })
    }
}

impl OrderedIndex {
    /// The key of a row's entry, with its values. None for a row that the index leaves out.
    fn key(&self, values: Option<Vec<Value>>) -> Result<Option<(IndexKey, Vec<Value>)>> {
        values.map(|values| Ok((index_key(&self.def, &values)?, values))).transpose()
    }
}

impl Transaction {
    /// Locks a table for writing and remembers the definition the writes are made under.
    pub(crate) fn prepare_write(&self, table: &TableDef) -> Result<Arc<WriteTarget>> {
        if let Some(PreparedWrite { epoch, target }) = &*self.last_prepared().lock()
            && *epoch == self.preparation_epoch()
            && target.table == table.id
            && target.version == table.version
        {
            return Ok(Arc::clone(target));
        }
        let catalog = self.catalog();
        // Taken with the catalog: what moves afterwards has the next row prepared anew.
        let epoch = self.preparation_epoch();
        if self.lock(table.id, RelationLock::RowExclusive)? {
            // Whoever held the lock may have changed the table; the commit would be refused.
            let newest = self.store().published().current();
            let current = newest.catalog.tables.get(&table.id).map(|def| def.version);
            let own = catalog.tables.get(&table.id).map(|def| def.version);
            if current.is_some() && current != own {
                return Err(StorageError::WriteConflict {
                    detail: format!("table \"{}\" was changed while waiting for it", table.name),
                });
            }
        }
        self.note_relation_write(table.id, table.version);
        let mut last = self.last_prepared().lock();
        let known = last.as_ref().map(|prepared| &prepared.target).filter(|target| {
            target.table == table.id && target.version == table.version && Arc::ptr_eq(&target.catalog, &catalog)
        });
        let target = match known {
            Some(target) => Arc::clone(target),
            None => Arc::new(WriteTarget::new(self, catalog, table)?),
        };
        *last = Some(PreparedWrite { epoch, target: Arc::clone(&target) });
        Ok(target)
    }

    /// Errors: `DuplicateKey`, `InvalidValue`, `LimitExceeded`. Types, NOT NULL and CHECK are the caller's.
    pub fn insert_row(&self, table: &TableDef, values: &[Value]) -> Result<RowId> {
        let target = self.prepare_write(table)?;
        let bytes = encode_row(table, values)?;
        let row = RowId(self.store().counters().next_row(table.id, self.store().published())?);
        let mut keys = SmallVec::<[(&IndexDef, IndexKey); 4]>::new();
        for index in &target.indexes {
            let Some((key, indexed)) = index.key(index.source.of_row(values)?)? else { continue };
            // All keys are checked before the first entry is written: the caller may try another row after a duplicate.
            self.check_unique(&index.def, &key, &indexed, row.0)?;
            keys.push((&index.def, key));
        }
        for (index, key) in keys {
            self.insert_index_key(index, key, row.0)?;
        }
        self.kv_insert_new(Keyspace::of_relation(table.id), &row_key(row), &bytes)?;
        self.note_row_change(table.id, row, &target.search_indexes);
        if table.behaviour == TableBehaviour::Messages {
            self.note_message_seq(table, values);
        }
        Ok(row)
    }

    /// Replaces a row, in its newest version, with the row locked. Errors as [`Self::insert_row`], and `WriteConflict` when
    /// it changed since the statement's snapshot without [`Self::lock_row`] having said so.
    pub fn update_row(&self, table: &TableDef, row: RowId, values: &[Value]) -> Result<()> {
        let target = self.prepare_write(table)?;
        self.lock_row_for_write(table, row, RowLock::NoKeyUpdate)?;
        let keyspace = Keyspace::of_relation(table.id);
        let Some(old) = self.kv_get_newest(keyspace, &row_key(row))? else {
            return Err(StorageError::WriteConflict {
                detail: format!("the row to update in table \"{}\" is gone", table.name),
            });
        };
        let bytes = encode_row(table, values)?;
        let mut moves = SmallVec::<[(&OrderedIndex, Option<(IndexKey, Vec<Value>)>, Option<IndexKey>); 4]>::new();
        for index in &target.indexes {
            let new = index.key(index.source.of_row(values)?)?;
            let old = index.key(index.source.of_stored(&old)?)?.map(|(key, _)| key);
            if old.as_ref() != new.as_ref().map(|(key, _)| key) {
                moves.push((index, new, old));
            }
        }
        // Of a key that some rows are without, nobody can refer to one.
        let is_referable = |index: &OrderedIndex| {
            matches!(index.def.kind, IndexKind::Ordered { unique: true }) && !index.def.is_computed()
        };
        if moves.iter().any(|(index, ..)| is_referable(index)) {
            // Whoever refers to the key holds the row with KEY SHARE.
            self.lock_row_for_write(table, row, RowLock::Update)?;
        }
        for (index, new, old) in moves {
            if let Some((key, indexed)) = new {
                self.put_index_key(&index.def, key, &indexed, row.0)?;
            }
            if let Some(key) = old {
                self.delete_index_key(&index.def, key, row.0)?;
            }
        }
        self.kv_put_locked(keyspace, &row_key(row), &bytes)?;
        self.note_row_change(table.id, row, &target.search_indexes);
        if table.behaviour == TableBehaviour::Messages {
            self.note_message_seq(table, values);
        }
        Ok(())
    }

    /// Deletes a row, in its newest version, with the row locked. False when there is no such row (any more).
    /// `WriteConflict` as [`Self::update_row`].
    pub fn delete_row(&self, table: &TableDef, row: RowId) -> Result<bool> {
        let target = self.prepare_write(table)?;
        self.lock_row_for_write(table, row, RowLock::Update)?;
        let keyspace = Keyspace::of_relation(table.id);
        let Some(old) = self.kv_get_newest(keyspace, &row_key(row))? else { return Ok(false) };
        for index in &target.indexes {
            if let Some((key, _)) = index.key(index.source.of_stored(&old)?)? {
                self.delete_index_key(&index.def, key, row.0)?;
            }
        }
        self.kv_delete_locked(keyspace, &row_key(row))?;
        self.note_row_change(table.id, row, &target.search_indexes);
        Ok(true)
    }

    /// The projected columns of one row, or None.
    pub fn get_row(&self, table: &TableDef, row: RowId, projection: &[usize]) -> Result<Option<Vec<Value>>> {
        self.lock(table.id, RelationLock::AccessShare)?;
        self.get_projected_row(table, row, &RowProjection::new(table, projection)?)
    }

    /// As [`Self::get_row`] with the projection made once for many rows, and the caller holding the lock.
    pub fn get_projected_row(
        &self,
        table: &TableDef,
        row: RowId,
        projection: &RowProjection,
    ) -> Result<Option<Vec<Value>>> {
        match self.kv_get(Keyspace::of_relation(table.id), &row_key(row))? {
            Some(bytes) => projection.decode(&bytes).map(Some),
            None => Ok(None),
        }
    }

    pub fn scan_rows<'t>(&'t self, table: &TableDef, projection: &[usize]) -> Result<RowScan<'t>> {
        self.scan_rows_between(table, projection, Bound::Unbounded, Bound::Unbounded)
    }

    /// Rows with ids within bounds, in row-id order: a part of a parallel scan.
    pub fn scan_rows_between<'t>(
        &'t self,
        table: &TableDef,
        projection: &[usize],
        lower: Bound<RowId>,
        upper: Bound<RowId>,
    ) -> Result<RowScan<'t>> {
        self.lock(table.id, RelationLock::AccessShare)?;
        let projection = RowProjection::new(table, projection)?;
        let (lower, upper) = (lower.map(row_key), upper.map(row_key));
        self.kv_decoded_range(
            Keyspace::of_relation(table.id),
            lower.as_ref().map(|key| &key[..]),
            upper.as_ref().map(|key| &key[..]),
            false,
            move |key, value| Ok((RowId(decode_u64(key, "row key")?), projection.decode(value)?)),
        )
    }

    /// Rows with ids within bounds, as they are stored.
    pub fn row_cursor(
        self: &Arc<Self>,
        table: &TableDef,
        lower: Bound<RowId>,
        upper: Bound<RowId>,
    ) -> Result<RowCursor> {
        self.lock(table.id, RelationLock::AccessShare)?;
        let (lower, upper) = (lower.map(row_key), upper.map(row_key));
        let pairs = self.kv_pairs(
            Keyspace::of_relation(table.id),
            lower.as_ref().map(|key| &key[..]),
            upper.as_ref().map(|key| &key[..]),
        )?;
        Ok(RowCursor { pairs, is_at_end: false })
    }

    /// The lowest and the highest row id; None when the table is empty.
    pub fn row_id_bounds(&self, table: &TableDef) -> Result<Option<(RowId, RowId)>> {
        self.lock(table.id, RelationLock::AccessShare)?;
        let end = |reverse| -> Result<Option<RowId>> {
            let mut ids = self.kv_decoded_range(
                Keyspace::of_relation(table.id),
                Bound::Unbounded,
                Bound::Unbounded,
                reverse,
                |key, _| Ok(RowId(decode_u64(key, "row key")?)),
            )?;
            ids.next().transpose()
        };
        Ok(end(false)?.zip(end(true)?))
    }

    /// Whether this transaction has written rows of the table.
    pub fn has_written(&self, table: &TableDef) -> bool {
        self.touches(Keyspace::of_relation(table.id))
    }

    /// Ids under an ordered index, in key order (or against it). NULL never equals a bound.
    pub fn index_scan<'t>(&'t self, index: &IndexDef, range: &IndexRange, reverse: bool) -> Result<IdScan<'t>> {
        if let IndexTarget::Table { table, .. } = &index.target {
            self.lock(*table, RelationLock::AccessShare)?;
        }
        self.index_scan_unlocked(index, range, reverse)
    }

    /// As [`Self::index_scan`], with the values of columns, whose places in the index [`crate::index::columns_in_key`] gave.
    pub fn index_scan_with_values<'t>(
        &'t self,
        index: &IndexDef,
        range: &IndexRange,
        reverse: bool,
        columns: &[usize],
    ) -> Result<EntryScan<'t>> {
        if let IndexTarget::Table { table, .. } = &index.target {
            self.lock(*table, RelationLock::AccessShare)?;
        }
        let reader = KeyReader::new(index, columns);
        self.index_entries(None, index, range, reverse, move |key, value| reader.read(key, value))
    }

    /// Rows in the table, exact. Constant time when this transaction wrote none of them.
    pub fn row_count(&self, table: &TableDef) -> Result<u64> {
        self.lock(table.id, RelationLock::AccessShare)?;
        self.kv_count(Keyspace::of_relation(table.id))
    }
}
