//! Rows that are computed at once and streamed in batches.

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::context::ExecContext;
use crate::error::Result;
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction};

/// A stream over rows that are already there.
pub struct MaterializedRows {
    types: Vec<DataType>,
    rows: std::vec::IntoIter<Vec<Value>>,
    context: ExecContext,
}

impl MaterializedRows {
    pub fn stream(context: &ExecContext, columns: &[(String, DataType)], rows: Vec<Vec<Value>>) -> Box<dyn RowStream> {
        let types = columns.iter().map(|(_, ty)| ty.clone()).collect();
        Box::new(MaterializedRows { types, rows: rows.into_iter(), context: context.clone() })
    }
}

impl RowStream for MaterializedRows {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        self.context.cancel.check()?;
        let rows: Vec<Vec<Value>> = self.rows.by_ref().take(BATCH_ROWS).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        Ok(Some(batch_of(&self.types, rows)))
    }
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
        Ok(MaterializedRows::stream(context, &self.columns, (self.rows)(context)?))
    }
}
