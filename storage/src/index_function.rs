//! What an ordered index holds of a row: columns as they are, or what expressions over the row give, and nothing of rows
//! that do not satisfy the index's predicate.
//!
//! Expressions are SQL text, which this crate does not understand: whoever opens the store gives it an [`IndexCompiler`].

use std::borrow::Cow;
use std::sync::Arc;

use crate::catalog::{IndexDef, IndexTarget, TableDef};
use crate::encoding::row::RowProjection;
use crate::error::{Result, StorageError};
use crate::index::column_positions;
use crate::store::{Store, Transaction};
use crate::value::Value;

/// Compiles the expressions of indexes.
pub trait IndexCompiler: Send + Sync {
    /// `transaction` is the one whose definitions count, if there is one.
    fn compile(
        &self,
        transaction: Option<&Transaction>,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<Arc<dyn IndexFunction>>;
}

/// A compiled index definition. What it gives depends on nothing but the row.
pub trait IndexFunction: Send + Sync {
    /// The values of the index's key for a whole row, in the order of the table's columns; None when the row does not
    /// satisfy the index's predicate. Errors with `Expression`.
    fn key(&self, row: &[Value]) -> Result<Option<Vec<Value>>>;
}

/// How to get an index's key from a row.
pub struct KeySource {
    /// Columns of the key, in the table's order of columns, when the key is made of columns alone.
    positions: Vec<usize>,
    /// Of the columns of `positions`, or of all with a function.
    projection: RowProjection,
    function: Option<Arc<dyn IndexFunction>>,
}

impl KeySource {
    pub(crate) fn new(
        store: &Store,
        transaction: Option<&Transaction>,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<KeySource> {
        let IndexTarget::Table { columns, .. } = &index.target else {
            return Err(StorageError::Internal(format!("index \"{}\" is not over a table", index.name)));
        };
        if index.is_computed() {
            let all: Vec<usize> = (0..table.columns.len()).collect();
            let projection = RowProjection::new(table, &all)?;
            let function = store.index_compiler()?.compile(transaction, table, index)?;
            return Ok(KeySource { positions: Vec::new(), projection, function: Some(function) });
        }
        let positions = column_positions(table, columns)?;
        let projection = RowProjection::new(table, &positions)?;
        Ok(KeySource { positions, projection, function: None })
    }

    /// Columns of the key, in the table's order of columns; None for a key that is computed.
    pub(crate) fn columns(&self) -> Option<&[usize]> {
        self.function.is_none().then_some(&self.positions)
    }

    /// The key of a whole row. None when the index has no entry for it.
    pub fn of_row(&self, row: &[Value]) -> Result<Option<Vec<Value>>> {
        match &self.function {
            Some(function) => function.key(row),
            None => Ok(Some(self.positions.iter().map(|position| row[*position].clone()).collect())),
        }
    }

    /// As [`Self::of_row`] for a stored row.
    pub(crate) fn of_stored(&self, row: &[u8]) -> Result<Option<Vec<Value>>> {
        let values = self.projection.decode(row)?;
        match &self.function {
            Some(function) => function.key(&values),
            None => Ok(Some(values)),
        }
    }
}

impl Transaction {
    /// What makes the keys of a table's ordered index, as this transaction knows both.
    pub fn key_source(&self, table: &TableDef, index: &IndexDef) -> Result<KeySource> {
        KeySource::new(self.store(), Some(self), table, index)
    }
}

/// The names of an index's key in messages: columns by name, expressions in their text.
pub(crate) fn key_names<'d>(index: &'d IndexDef, table: Option<&'d TableDef>) -> Vec<Cow<'d, str>> {
    let (IndexTarget::Table { columns, .. }, Some(table)) = (&index.target, table) else { return Vec::new() };
    let name = |column: &'d crate::catalog::IndexColumn| match &column.expression {
        Some(expression) => Some(Cow::Borrowed(&expression.text[..])),
        None => table.position_of(column.column).map(|position| Cow::Borrowed(&table.columns[position].name[..])),
    };
    columns.iter().filter_map(name).collect()
}
