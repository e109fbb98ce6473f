//! Finished rows as a stream.

use sinew_storage::{CancelToken, DataType, Value};

use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::RowStream;

/// Columns from rows of equal width.
pub(in crate::system) fn batch_of(types: &[DataType], rows: Vec<Vec<Value>>) -> Batch {
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

/// The types of a table function's columns.
pub(in crate::system) fn types_of(columns: &[(String, DataType)]) -> Vec<DataType> {
    columns.iter().map(|column| column.1.clone()).collect()
}

/// Rows made one by one from an iterator, a batch at a time.
pub(in crate::system) struct RowIterStream<I> {
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
pub(in crate::system) fn stream_of(
    types: Vec<DataType>,
    rows: Vec<Vec<Value>>,
    cancel: CancelToken,
) -> Box<dyn RowStream> {
    Box::new(RowIterStream::new(types, rows.into_iter().map(Ok), cancel))
}
