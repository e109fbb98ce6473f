//! Table functions of SQL: series, arrays and JSON as rows.
//!
//! One implementation serves all of PostgreSQL's overloads of a name: [`super::TableFunction::resolve`] chooses argument
//! and column types, and the values met at run time decide the rest.

mod expand;
mod series;

use std::sync::Arc;

use sinew_storage::{CancelToken, DataType, Value};

use super::{FunctionRegistry, ResolvedTableFunction, TableFunction};
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::types::type_name;

/// Rows made on demand by an iterator.
pub(crate) struct IteratorStream {
    rows: Box<dyn Iterator<Item = Result<Vec<Value>>> + Send>,
    /// Types of the columns, for their forms.
    types: Vec<DataType>,
    cancel: CancelToken,
}

impl IteratorStream {
    pub(crate) fn boxed(
        rows: impl Iterator<Item = Result<Vec<Value>>> + Send + 'static,
        types: Vec<DataType>,
        cancel: &CancelToken,
    ) -> Box<dyn RowStream> {
        Box::new(IteratorStream { rows: Box::new(rows), types, cancel: cancel.clone() })
    }
}

impl RowStream for IteratorStream {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        self.cancel.check()?;
        let mut columns: Vec<Vec<Value>> = self.types.iter().map(|_| Vec::new()).collect();
        let mut row_count = 0;
        while row_count < BATCH_ROWS {
            let Some(row) = self.rows.next() else { break };
            let mut row = row?.into_iter();
            for column in &mut columns {
                column.push(row.next().unwrap_or(Value::Null));
            }
            row_count += 1;
        }
        if row_count == 0 {
            return Ok(None);
        }
        let columns =
            columns.into_iter().zip(&self.types).map(|(values, ty)| Column::from_values(ty, values)).collect();
        Ok(Some(Batch::new(columns, row_count)))
    }
}

/// The column form that fits values of unknown static type: that of the first value's kind.
pub(crate) fn dynamic_type(values: &[Value]) -> DataType {
    values.iter().find(|value| !value.is_null()).and_then(crate::types::natural_type).unwrap_or(DataType::Any)
}

/// 42883 as an unknown function's error.
pub(crate) fn no_such_function(name: &str, args: &[DataType]) -> QueryError {
    let types: Vec<String> = args.iter().map(type_name).collect();
    QueryError::new(sqlstate::UNDEFINED_FUNCTION, format!("function {name}({}) does not exist", types.join(", ")))
        .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

/// A single column named after the function.
pub(crate) fn one_column(name: &str, args: Vec<DataType>, ty: DataType) -> ResolvedTableFunction {
    ResolvedTableFunction { args, columns: vec![(name.to_owned(), ty)] }
}

pub(super) fn register(registry: &FunctionRegistry) {
    let functions: Vec<Arc<dyn TableFunction>> = series::functions().into_iter().chain(expand::functions()).collect();
    for function in functions {
        registry.register_table_function(function);
    }
}
