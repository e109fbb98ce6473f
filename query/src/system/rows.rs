//! Rows that are computed at once and streamed in batches.

use std::sync::Arc;

use sinew_storage::{CancelToken, DataType, Value};

use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::context::ExecContext;
use crate::error::Result;
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction};

/// Rows that are already there, as a stream.
pub fn stream_rows(context: &ExecContext, columns: &[(String, DataType)], rows: Vec<Vec<Value>>) -> Box<dyn RowStream> {
    stream_of(types_of(columns), rows, context.cancel.clone())
}

/// Turns rows into columns.
pub fn batch_of(types: &[DataType], rows: Vec<Vec<Value>>) -> Batch {
    let row_count = rows.len();
    let mut columns: Vec<Vec<Value>> = types.iter().map(|_| Vec::with_capacity(row_count)).collect();
    for row in rows {
        debug_assert_eq!(row.len(), types.len());
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let columns = types.iter().zip(columns).map(|(ty, values)| Column::from_values(ty, values)).collect();
    Batch::new(columns, row_count)
}

/// A relation without arguments whose rows a function computes from the context.
pub struct ComputedRelation {
    name: &'static str,
    columns: Vec<(String, DataType)>,
    rows: fn(&ExecContext) -> Result<Vec<Vec<Value>>>,
}

impl std::fmt::Debug for ComputedRelation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl ComputedRelation {
    pub fn relation(
        name: &'static str,
        columns: &[(&'static str, DataType)],
        rows: fn(&ExecContext) -> Result<Vec<Vec<Value>>>,
    ) -> Arc<dyn TableFunction> {
        let columns = columns.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect();
        Arc::new(ComputedRelation { name, columns, rows })
    }
}

impl TableFunction for ComputedRelation {
    fn name(&self) -> &str {
        self.name
    }

    fn params(&self) -> &[Param] {
        &[]
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, context: &ExecContext, _args: &[Value]) -> Result<Box<dyn RowStream>> {
        Ok(stream_rows(context, &self.columns, (self.rows)(context)?))
    }
}

/// The types of a table function's columns.
pub fn types_of(columns: &[(String, DataType)]) -> Vec<DataType> {
    columns.iter().map(|column| column.1.clone()).collect()
}

/// Rows made one by one from an iterator, a batch at a time.
pub struct RowIterStream<I> {
    types: Vec<DataType>,
    rows: I,
    cancel: CancelToken,
}

impl<I: Iterator<Item = Result<Vec<Value>>> + Send> RowIterStream<I> {
    pub fn new(types: Vec<DataType>, rows: I, cancel: CancelToken) -> RowIterStream<I> {
        RowIterStream { types, rows, cancel }
    }
}

impl<I: Iterator<Item = Result<Vec<Value>>> + Send> RowStream for RowIterStream<I> {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        self.cancel.check()?;
        let rows = self.rows.by_ref().take(BATCH_ROWS).collect::<Result<Vec<_>>>()?;
        Ok(if rows.is_empty() { None } else { Some(batch_of(&self.types, rows)) })
    }
}

/// Rows that are all known.
pub fn stream_of(types: Vec<DataType>, rows: Vec<Vec<Value>>, cancel: CancelToken) -> Box<dyn RowStream> {
    Box::new(RowIterStream::new(types, rows.into_iter().map(Ok), cancel))
}
