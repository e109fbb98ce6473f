//! Rows as they are now: the transaction's own writes over the newest published snapshot.
//!
//! A statement reads its snapshot. Foreign keys must not: a row that refers to one being deleted may have been committed
//! after the statement began. Who deletes or changes a key holds the row's lock, so whoever referred to it has committed
//! and been published; what these calls then find is complete. They take the table's AccessShare lock; none of them locks
//! a row.
//!
//! The caller's definitions come from its own snapshot. One that changed since (an index that was dropped would seem
//! empty) is a `WriteConflict`.

use std::ops::Bound;

use crate::catalog::{IndexDef, IndexTarget, TableDef};
use crate::ddl::RelationLock;
use crate::encoding::row::RowProjection;
use crate::error::{Result, StorageError};
use crate::ids::{RelationId, RowId};
use crate::store::{Keyspace, KvBytes, KvSnapshot, Transaction, decode_u64};
use crate::table::{IndexRange, RowScan};
use crate::value::Value;

impl Transaction {
    /// The row with exactly this key in a unique index over a table, if there is one. `key` is in the index's order; NULL
    /// finds nothing.
    pub fn newest_row_by_key(&self, index: &IndexDef, key: &[Value]) -> Result<Option<RowId>> {
        let range = IndexRange::equal(key.to_vec());
        let rows = self.newest_rows(indexed_table(index)?)?;
        let found = self.index_scan_over(Some(&rows), index, &range, false)?.next().transpose()?;
        Ok(found.map(RowId))
    }

    /// Rows within a range of an ordered index over a table, in key order.
    pub fn newest_rows_by_index(&self, index: &IndexDef, range: &IndexRange) -> Result<Vec<RowId>> {
        let rows = self.newest_rows(indexed_table(index)?)?;
        self.index_scan_over(Some(&rows), index, range, false)?.map(|id| id.map(RowId)).collect()
    }

    /// All rows with all of their columns, in row-id order.
    pub fn newest_rows_scan(&self, table: &TableDef) -> Result<RowScan<'_>> {
        let rows = self.newest_rows(table.id)?;
        let projection = whole_row(table)?;
        let keyspace = Keyspace::of_relation(table.id);
        let pairs = self.kv_range_over(&rows, keyspace, Bound::Unbounded, Bound::Unbounded, false)?;
        Ok(Box::new(pairs.map(move |pair: Result<(KvBytes, KvBytes)>| {
            let (key, value) = pair?;
            Ok((RowId(decode_u64(&key, "row key")?), projection.decode(&value)?))
        })))
    }

    /// All columns of one row, or None.
    pub fn newest_row(&self, table: &TableDef, row: RowId) -> Result<Option<Vec<Value>>> {
        let rows = self.newest_rows(table.id)?;
        match self.kv_get_over(&rows, Keyspace::of_relation(table.id), &row.0.to_be_bytes())? {
            Some(bytes) => whole_row(table)?.decode(&bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The newest committed rows, with the table locked against changes of its definition.
    fn newest_rows(&self, table: RelationId) -> Result<KvSnapshot> {
        self.lock(table, RelationLock::AccessShare)?;
        let newest = self.store().published().current();
        let own = self.catalog();
        if own.version != newest.catalog.version
            && let (Some(own), Some(newest)) = (own.tables.get(&table), newest.catalog.tables.get(&table))
            // This transaction's own DDL is ahead of what is published.
            && newest.version > own.version
        {
            return Err(StorageError::WriteConflict {
                detail: format!("the definition of table \"{}\" changed", own.name),
            });
        }
        Ok(newest.rows.clone())
    }
}

fn indexed_table(index: &IndexDef) -> Result<RelationId> {
    match &index.target {
        IndexTarget::Table { table, .. } => Ok(*table),
        IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => {
            Err(StorageError::Internal(format!("index \"{}\" is not over a table", index.name)))
        }
    }
}

fn whole_row(table: &TableDef) -> Result<RowProjection> {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    RowProjection::new(table, &all)
}
