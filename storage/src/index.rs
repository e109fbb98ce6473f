//! Entries of ordered indexes, over tables and over the graph.
//!
//! A unique index maps the key of its columns to an id; a key that holds NULL never collides (unless the index is one with
//! NULLS NOT DISTINCT), so its entry, like every entry of an index that is not unique, is the key followed by the id, with
//! an empty value. Ids are 8 bytes big-endian.

use std::borrow::Cow;
use std::ops::Bound;

use crate::catalog::{Catalog, IndexColumn, IndexDef, IndexKind, IndexTarget, TableDef};
use crate::ddl::RelationLock;
use crate::encoding::key::{
    NULL_FIRST, NULL_LAST, decode_key_column, encode_key_column, is_reversible, prefix_successor,
};
use crate::encoding::row::RowProjection;
use crate::error::{Result, StorageError};
use crate::ids::{ColumnId, LabelId, PropertyKeyId, RelationshipTypeId, RowId};
use crate::index_function::key_names;
use crate::store::write_set::{Lookup, WriteSet};
use crate::store::{GRAPH_RELATION, Keyspace, KvBytes, KvSnapshot, Transaction, decode_u64};
use crate::table::{IdScan, IndexRange};
use crate::value::Value;

/// Longest index key, in bytes.
pub const MAX_INDEX_KEY_BYTES: usize = 8_191;

/// An encoded key and whether uniqueness is to be checked for it.
#[derive(PartialEq, Eq)]
pub(crate) struct IndexKey {
    bytes: Vec<u8>,
    collides: bool,
}

impl IndexKey {
    /// Key and value of the entry of an id.
    pub(crate) fn entry(&self, id: u64) -> (Vec<u8>, Vec<u8>) {
        let id = id.to_be_bytes();
        if self.collides { (self.bytes.clone(), id.to_vec()) } else { ([&self.bytes[..], &id].concat(), Vec::new()) }
    }
}

pub(crate) fn is_ordered(index: &IndexDef) -> bool {
    matches!(index.kind, IndexKind::Ordered { .. })
}

/// Number of indexed columns or properties.
pub(crate) fn column_count(index: &IndexDef) -> usize {
    match &index.target {
        IndexTarget::Table { columns, .. } => columns.len(),
        IndexTarget::Nodes { properties, .. } | IndexTarget::Relationships { properties, .. } => properties.len(),
    }
}

/// Descending and NULLS FIRST of a column; properties of the graph are ascending, NULL last.
pub(crate) fn direction(index: &IndexDef, column: usize) -> (bool, bool) {
    match &index.target {
        IndexTarget::Table { columns, .. } => {
            columns.get(column).map_or((false, false), |column| (column.descending, column.nulls_first))
        }
        IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => (false, false),
    }
}

/// `values` are those of the index's columns or properties, in its order. Errors with `LimitExceeded`.
pub(crate) fn index_key(index: &IndexDef, values: &[Value]) -> Result<IndexKey> {
    let mut bytes = Vec::with_capacity(values.len() * 12 + 8);
    for (column, value) in values.iter().enumerate() {
        let (descending, nulls_first) = direction(index, column);
        encode_key_column(value, descending, nulls_first, &mut bytes);
    }
    if bytes.len() > MAX_INDEX_KEY_BYTES {
        return Err(StorageError::LimitExceeded(format!(
            "index row size {} exceeds maximum {MAX_INDEX_KEY_BYTES} for index \"{}\"",
            bytes.len(),
            index.name
        )));
    }
    let unique = matches!(index.kind, IndexKind::Ordered { unique: true });
    let collides = unique && (index.options.nulls_not_distinct || !values.iter().any(Value::is_null));
    Ok(IndexKey { bytes, collides })
}

/// The id of an entry. Errors with `Corrupted`.
pub(crate) fn entry_id(key: &[u8], value: &[u8]) -> Result<u64> {
    if !value.is_empty() {
        return decode_u64(value, "unique index entry");
    }
    match key.last_chunk::<8>() {
        Some(id) => Ok(u64::from_be_bytes(*id)),
        None => Err(StorageError::Corrupted("an index entry has no id".to_owned())),
    }
}

impl Transaction {
    /// Enters an id into an index that this transaction is building, with its target locked against writers. Errors with
    /// `DuplicateKey` when a unique index holds another id there, and `LimitExceeded` for a key that is too long.
    pub(crate) fn build_index_entry(&self, index: &IndexDef, values: &[Value], id: u64) -> Result<()> {
        let key = index_key(index, values)?;
        let is_taken = key.collides && self.kv_get(Keyspace::of_relation(index.id), &key.bytes)?.is_some();
        if !is_taken {
            return self.insert_index_key(index, key, id);
        }
        Err(match index.target {
            IndexTarget::Table { .. } => self.duplicate_key(index, values),
            IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => {
                self.duplicate_property(index, values, id, true)
            }
        })
    }

    /// Moves an id to a key. Errors as [`Self::build_index_entry`]. The row (or node, or relationship) of the id is locked
    /// by the caller.
    pub(crate) fn put_index_key(&self, index: &IndexDef, key: IndexKey, values: &[Value], id: u64) -> Result<()> {
        let keyspace = Keyspace::of_relation(index.id);
        let id_bytes = id.to_be_bytes();
        if !key.collides {
            // Nobody else writes an entry with this id, since nobody else holds the row.
            return self.kv_put_locked(keyspace, &[&key.bytes[..], &id_bytes].concat(), &[]);
        }
        self.check_unique(index, &key, values, id)?;
        self.kv_put_locked(keyspace, &key.bytes, &id_bytes)
    }

    /// Enters a new row's id under a key that [`Self::check_unique`] has seen.
    pub(crate) fn insert_index_key(&self, index: &IndexDef, key: IndexKey, id: u64) -> Result<()> {
        let keyspace = Keyspace::of_relation(index.id);
        if key.collides {
            // The key may be one that this transaction has deleted, so it is not called new.
            self.kv_put_locked(keyspace, &key.bytes, &id.to_be_bytes())
        } else {
            self.kv_insert_new(keyspace, &[&key.bytes[..], &id.to_be_bytes()].concat(), &[])
        }
    }

    /// Locks a key of a unique index, and errors with `DuplicateKey` when another id has it now.
    pub(crate) fn check_unique(&self, index: &IndexDef, key: &IndexKey, values: &[Value], id: u64) -> Result<()> {
        if !key.collides {
            return Ok(());
        }
        self.lock_key(index, key)?;
        match self.kv_get_newest(Keyspace::of_relation(index.id), &key.bytes)? {
            Some(found) if found[..] != id.to_be_bytes() => Err(self.duplicate_key(index, values)),
            _ => Ok(()),
        }
    }

    fn lock_key(&self, index: &IndexDef, key: &IndexKey) -> Result<()> {
        let relation = match &index.target {
            IndexTarget::Table { table, .. } => *table,
            IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => GRAPH_RELATION,
        };
        if self.needs_row_locks(relation)? {
            // Whoever has the relation to itself locks no keys.
            self.lock(relation, RelationLock::RowShare)?;
            self.lock_unique_key(index.id, &key.bytes)?;
        }
        Ok(())
    }

    /// True while another transaction is giving a key of a unique index to a row, or taking it from one.
    pub fn key_is_held_by_another(&self, index: &IndexDef, key: &[Value]) -> Result<bool> {
        let key = index_key(index, key)?;
        Ok(key.collides && !self.unique_key_is_free(index.id, &key.bytes))
    }

    /// The row that has a key of a unique index now, with the key locked: nobody else gives it to a row, or takes it from
    /// one, until this transaction ends. NULL finds nothing, unless it collides.
    pub fn find_newest_by_key(&self, index: &IndexDef, key: &[Value]) -> Result<Option<RowId>> {
        let key = index_key(index, key)?;
        if !key.collides {
            return Ok(None);
        }
        self.lock_key(index, &key)?;
        let found = self.kv_get_newest(Keyspace::of_relation(index.id), &key.bytes)?;
        found.map(|id| decode_u64(&id, "unique index entry").map(RowId)).transpose()
    }

    /// The row that has a key of a unique index as this transaction sees it. NULL finds nothing, unless it collides.
    pub fn find_by_key(&self, index: &IndexDef, key: &[Value]) -> Result<Option<RowId>> {
        let key = index_key(index, key)?;
        if !key.collides {
            return Ok(None);
        }
        let found = self.kv_get(Keyspace::of_relation(index.id), &key.bytes)?;
        found.map(|id| decode_u64(&id, "unique index entry").map(RowId)).transpose()
    }

    /// Removes the entry of an id under a key. The row (or node, or relationship) of the id is locked by the caller.
    pub(crate) fn delete_index_key(&self, index: &IndexDef, key: IndexKey, id: u64) -> Result<()> {
        let keyspace = Keyspace::of_relation(index.id);
        if key.collides {
            // Whoever wants the key waits to learn whether it becomes free.
            self.lock_key(index, &key)?;
            self.kv_delete_locked(keyspace, &key.bytes)
        } else {
            self.kv_delete_locked(keyspace, &[&key.bytes[..], &id.to_be_bytes()].concat())
        }
    }

    fn duplicate_key(&self, index: &IndexDef, values: &[Value]) -> StorageError {
        let catalog = self.catalog();
        match &index.target {
            IndexTarget::Table { table, .. } => {
                let table = catalog.tables.get(table);
                duplicate_key_error(index, table.map(|table| &**table), values)
            }
            IndexTarget::Nodes { properties, .. } | IndexTarget::Relationships { properties, .. } => {
                let names: Vec<String> =
                    properties.iter().map(|key| self.property_key_name(*key).to_string()).collect();
                StorageError::DuplicateKey {
                    schema: None,
                    table: String::new(),
                    constraint: index.name.clone(),
                    detail: duplicate_detail(&names, values),
                }
            }
        }
    }

    /// Entries of an ordered index as this transaction sees it: rows that a partial index holds. Constant time when this
    /// transaction wrote none of them.
    pub fn index_entry_count(&self, index: &IndexDef) -> Result<u64> {
        self.kv_count(Keyspace::of_relation(index.id))
    }

    /// Ids under an ordered index without taking its relation's lock.
    pub(crate) fn index_scan_unlocked<'t>(
        &'t self,
        index: &IndexDef,
        range: &IndexRange,
        reverse: bool,
    ) -> Result<IdScan<'t>> {
        self.index_scan_over(None, index, range, reverse)
    }

    /// As [`Self::index_scan_unlocked`], over another snapshot than the statement's when one is given.
    pub(crate) fn index_scan_over<'t>(
        &'t self,
        rows: Option<&KvSnapshot>,
        index: &IndexDef,
        range: &IndexRange,
        reverse: bool,
    ) -> Result<IdScan<'t>> {
        self.index_entries(rows, index, range, reverse, entry_id)
    }

    /// What `decode` makes of the keys and values of entries, in key order (or against it).
    pub(crate) fn index_entries<'t, T: Send + 't>(
        &'t self,
        rows: Option<&KvSnapshot>,
        index: &IndexDef,
        range: &IndexRange,
        reverse: bool,
        mut decode: impl FnMut(&[u8], &[u8]) -> Result<T> + Send + 't,
    ) -> Result<Box<dyn Iterator<Item = Result<T>> + Send + 't>> {
        let keyspace = Keyspace::of_relation(index.id);
        if !is_ordered(index) {
            return Err(StorageError::Internal(format!("index \"{}\" is not ordered", index.name)));
        }
        let is_point = range.equal.len() == column_count(index)
            && matches!((&range.lower, &range.upper), (Bound::Unbounded, Bound::Unbounded));
        let is_null = range.equal.iter().any(Value::is_null);
        if is_point
            && !is_null
            && let Some(key) = index_key(index, &range.equal).ok().filter(|key| key.collides)
        {
            // At most one entry, under exactly this key: a lookup costs less than a range. (A key that is too long to be
            // stored finds nothing in the range below.)
            let found = match rows {
                Some(rows) => self.kv_get_over(rows, keyspace, &key.bytes)?,
                None => self.kv_get(keyspace, &key.bytes)?,
            };
            return Ok(Box::new(found.map(|value| decode(&key.bytes, &value)).into_iter()));
        }
        let Some((lower, upper)) = key_range(index, range)? else { return Ok(Box::new(std::iter::empty())) };
        let lower = lower.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let upper = upper.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let Some(rows) = rows else { return self.kv_decoded_range(keyspace, lower, upper, reverse, decode) };
        let pairs = self.kv_range_over(rows, keyspace, lower, upper, reverse)?;
        Ok(Box::new(pairs.map(move |pair: Result<(KvBytes, KvBytes)>| {
            let (key, value) = pair?;
            decode(&key, &value)
        })))
    }
}

/// Where in an index the columns of its table at `positions` are, when their values can be read from its keys.
pub fn columns_in_key(index: &IndexDef, table: &TableDef, positions: &[usize]) -> Option<Vec<usize>> {
    if positions.is_empty() {
        return Some(Vec::new());
    }
    let IndexTarget::Table { columns, .. } = &index.target else { return None };
    if !is_ordered(index) || index.is_computed() {
        return None;
    }
    // A key is read from its beginning, so what comes before the last of them must be readable as well.
    let indexed = columns.iter().map_while(|column| {
        let position = table.position_of(column.column)?;
        is_reversible(&table.columns[position].ty).then_some(position)
    });
    let indexed: Vec<usize> = indexed.collect();
    positions.iter().map(|position| indexed.iter().position(|known| known == position)).collect()
}

/// Reads values of columns from keys.
pub(crate) struct KeyReader {
    /// Of the columns up to the last that is wanted: whether it is descending.
    descending: Vec<bool>,
    /// Places in the index.
    wanted: Vec<usize>,
}

impl KeyReader {
    /// For columns that [`columns_in_key`] has found.
    pub fn new(index: &IndexDef, wanted: &[usize]) -> KeyReader {
        let column_count = wanted.iter().max().map_or(0, |last| last + 1);
        let descending = (0..column_count).map(|column| direction(index, column).0).collect();
        KeyReader { descending, wanted: wanted.to_vec() }
    }

    /// The id of an entry, and the values of the columns that are wanted. Errors with `Corrupted`.
    pub fn read(&self, key: &[u8], value: &[u8]) -> Result<(u64, Vec<Value>)> {
        let id = entry_id(key, value)?;
        let mut rest = key;
        let mut values = Vec::with_capacity(self.descending.len());
        for descending in &self.descending {
            let (column, length) = decode_key_column(rest, *descending)
                .ok_or_else(|| StorageError::Corrupted("an index entry has another form than its index".to_owned()))?;
            rest = &rest[length..];
            values.push(column);
        }
        let in_order = self.wanted.iter().enumerate().all(|(place, column)| place == *column);
        if in_order {
            return Ok((id, values));
        }
        Ok((id, self.wanted.iter().map(|column| values[*column].clone()).collect()))
    }
}

/// Inclusive start and exclusive end (None: open) of the keys in `range`; None when no key can be in it.
fn key_range(index: &IndexDef, range: &IndexRange) -> Result<Option<(Option<Vec<u8>>, Option<Vec<u8>>)>> {
    let column_count = column_count(index);
    let is_bounded = !matches!((&range.lower, &range.upper), (Bound::Unbounded, Bound::Unbounded));
    if range.equal.len() + usize::from(is_bounded) > column_count {
        return Err(StorageError::Internal(format!(
            "a range over {} columns of index \"{}\", which has {}",
            range.equal.len() + usize::from(is_bounded),
            index.name,
            column_count
        )));
    }
    let null_bound = |bound: &Bound<Value>| match bound {
        Bound::Included(value) | Bound::Excluded(value) => value.is_null(),
        Bound::Unbounded => false,
    };
    if range.equal.iter().any(Value::is_null) || null_bound(&range.lower) || null_bound(&range.upper) {
        return Ok(None);
    }
    let mut prefix = Vec::new();
    for (column, value) in range.equal.iter().enumerate() {
        let (descending, nulls_first) = direction(index, column);
        encode_key_column(value, descending, nulls_first, &mut prefix);
    }
    if !is_bounded {
        let end = prefix_successor(&prefix);
        return Ok(Some((if prefix.is_empty() { None } else { Some(prefix) }, end)));
    }
    let (descending, nulls_first) = direction(index, range.equal.len());
    // In key order a descending column begins with its upper bound.
    let (first, last) = if descending { (&range.upper, &range.lower) } else { (&range.lower, &range.upper) };
    let with = |value: &Value| {
        let mut key = prefix.clone();
        encode_key_column(value, descending, nulls_first, &mut key);
        key
    };
    let with_byte = |byte: u8| [&prefix[..], &[byte]].concat();
    // No key ends in 0xff alone, so successors exist; without bounds, only NULL is kept out.
    let after = |value: &Value| prefix_successor(&with(value));
    let start = match first {
        Bound::Included(value) => Some(with(value)),
        Bound::Excluded(value) => after(value),
        Bound::Unbounded => Some(with_byte(NULL_FIRST + 1)),
    };
    let end = match last {
        Bound::Included(value) => after(value),
        Bound::Excluded(value) => Some(with(value)),
        Bound::Unbounded => Some(with_byte(NULL_LAST)),
    };
    Ok(Some((start, end)))
}

/// Values of a row that an index covers, as positions in the table's columns. Errors with `Internal` for a column that
/// the definition does not have.
pub(crate) fn column_positions(table: &TableDef, columns: &[IndexColumn]) -> Result<Vec<usize>> {
    let position = |id: ColumnId| {
        table.position_of(id).ok_or_else(|| {
            StorageError::Internal(format!("an index refers to column {id}, which \"{}\" does not have", table.name))
        })
    };
    columns.iter().map(|column| position(column.column)).collect()
}

/// The indexed values of a node, or None when it has no entry: it carries none of the labels or lacks a property.
/// `labels` and `properties` are sorted by token.
pub(crate) fn node_index_values(
    index: &IndexDef,
    labels: &[LabelId],
    properties: &[(PropertyKeyId, Value)],
) -> Option<Vec<Value>> {
    match &index.target {
        IndexTarget::Nodes { labels: indexed, properties: keys }
            if indexed.iter().any(|label| labels.contains(label)) =>
        {
            property_values(keys, properties)
        }
        _ => None,
    }
}

/// The indexed values of a relationship, or None when it has no entry: it is of another type or lacks a property.
pub(crate) fn relationship_index_values(
    index: &IndexDef,
    ty: RelationshipTypeId,
    properties: &[(PropertyKeyId, Value)],
) -> Option<Vec<Value>> {
    match &index.target {
        IndexTarget::Relationships { types, properties: keys } if types.contains(&ty) => {
            property_values(keys, properties)
        }
        _ => None,
    }
}

fn property_values(keys: &[PropertyKeyId], properties: &[(PropertyKeyId, Value)]) -> Option<Vec<Value>> {
    let value = |key: &PropertyKeyId| {
        let at = properties.binary_search_by_key(key, |(key, _)| *key).ok()?;
        Some(properties[at].1.clone()).filter(|value| !value.is_null())
    };
    keys.iter().map(value).collect()
}

/// PostgreSQL's detail for a duplicate key.
fn duplicate_detail(names: &[String], values: &[Value]) -> String {
    let shown: Vec<String> = values.iter().map(crate::value_text::value_text).collect();
    format!("Key ({})=({}) already exists.", names.join(", "), shown.join(", "))
}

fn duplicate_key_error(index: &IndexDef, table: Option<&TableDef>, values: &[Value]) -> StorageError {
    let names: Vec<String> = key_names(index, table).into_iter().map(Cow::into_owned).collect();
    StorageError::DuplicateKey {
        schema: table.map(|table| table.schema.clone()),
        table: table.map_or_else(String::new, |table| table.name.clone()),
        constraint: index.name.clone(),
        detail: duplicate_detail(&names, values),
    }
}

fn taken_at_commit(index: &IndexDef, table: Option<&TableDef>) -> StorageError {
    StorageError::DuplicateKey {
        schema: table.map(|table| table.schema.clone()),
        table: table.map_or_else(String::new, |table| table.name.clone()),
        constraint: index.name.clone(),
        detail: "another transaction committed the same key first".to_owned(),
    }
}

/// The error of a set whose unique key was committed by somebody else first. `own_value` is the set's entry.
pub(crate) fn duplicate_key_at_commit(
    index: &IndexDef,
    catalog: &Catalog,
    writes: &WriteSet,
    own_value: &[u8],
) -> StorageError {
    let IndexTarget::Table { table, columns } = &index.target else {
        return taken_at_commit(index, None);
    };
    let table = catalog.tables.get(table);
    if index.is_computed() {
        return taken_at_commit(index, table.map(|table| &**table));
    }
    let values = table.and_then(|table| {
        let Ok(Lookup::Value(row)) = writes.lookup(Keyspace::of_relation(table.id), own_value) else { return None };
        let positions = column_positions(table, columns).ok()?;
        RowProjection::new(table, &positions).ok()?.decode(&row).ok()
    });
    duplicate_key_error(index, table.map(|table| &**table), &values.unwrap_or_default())
}
