//! Rows of tables, through a transaction: every write keeps the table's ordered indexes and checks its unique ones.
//!
//! `values` are aligned with `TableDef::columns` (virtual columns hold NULL); `projection` lists positions in it.

use std::ops::Bound;

use crate::catalog::{IndexDef, TableDef};
use crate::error::Result;
use crate::ids::RowId;
use crate::store::Transaction;
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

impl Transaction {
    /// Errors: `DuplicateKey`, `InvalidValue`, `LimitExceeded`. Types, NOT NULL and CHECK are the caller's.
    pub fn insert_row(&self, table: &TableDef, values: &[Value]) -> Result<RowId> {
        let _ = (table, values);
        todo!("storage-core")
    }

    /// Replaces a row this transaction can see. Errors as [`Self::insert_row`], and `WriteConflict`.
    pub fn update_row(&self, table: &TableDef, row: RowId, values: &[Value]) -> Result<()> {
        let _ = (table, row, values);
        todo!("storage-core")
    }

    /// False when there is no such row (any more).
    pub fn delete_row(&self, table: &TableDef, row: RowId) -> Result<bool> {
        let _ = (table, row);
        todo!("storage-core")
    }

    /// The projected columns of one row, or None.
    pub fn get_row(&self, table: &TableDef, row: RowId, projection: &[usize]) -> Result<Option<Vec<Value>>> {
        let _ = (table, row, projection);
        todo!("storage-core")
    }

    pub fn scan_rows<'t>(&'t self, table: &TableDef, projection: &[usize]) -> Result<RowScan<'t>> {
        let _ = (table, projection);
        todo!("storage-core")
    }

    /// Ids under an ordered index, in key order (or against it). NULL never equals a bound.
    pub fn index_scan<'t>(&'t self, index: &IndexDef, range: &IndexRange, reverse: bool) -> Result<IdScan<'t>> {
        let _ = (index, range, reverse);
        todo!("storage-core")
    }

    /// Rows in the table, exact.
    pub fn row_count(&self, table: &TableDef) -> Result<u64> {
        let _ = table;
        todo!("storage-core")
    }
}

/// The error of a set whose unique key `own_value` (a row id) was committed by somebody else first.
pub(crate) fn duplicate_key_at_commit(
    index: &IndexDef,
    catalog: &crate::catalog::Catalog,
    writes: &crate::store::write_set::WriteSet,
    own_value: &[u8],
) -> crate::StorageError {
    let _ = (index, catalog, writes, own_value);
    todo!()
}
