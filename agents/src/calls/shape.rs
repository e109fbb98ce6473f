//! Parameters, columns and rows of functions.

use std::sync::Arc;

use sinew::query::context::ExecContext;
use sinew::query::exec::RowStream;
use sinew::query::functions::{Param, TableFunction};
use sinew::{Batch, Column, DataType, QueryError, Result, Value, sqlstate};
use uuid::Uuid;

use crate::json::from_jsonb;

pub type Columns = Vec<(String, DataType)>;
pub type Body = Box<dyn Fn(&ExecContext, &Args<'_>) -> Result<Box<dyn RowStream>> + Send + Sync>;

/// A function given by a closure.
pub struct Function {
    pub name: &'static str,
    /// For SHOW PROCEDURES.
    pub description: &'static str,
    pub params: Vec<Param>,
    pub columns: Columns,
    pub writes: bool,
    pub outside_transaction: bool,
    pub body: Body,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({:?})", self.name, self.params)
    }
}

impl TableFunction for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn description(&self) -> &str {
        self.description
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn writes(&self) -> bool {
        self.writes
    }

    fn outside_transaction(&self) -> bool {
        self.outside_transaction
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        (self.body)(context, &Args { params: &self.params, values: args })
    }

    fn estimated_rows(&self) -> f64 {
        1.0
    }
}

impl Function {
    pub fn shared(self) -> Arc<dyn TableFunction> {
        Arc::new(self)
    }
}

/// A parameter that must be given.
pub fn required(name: &'static str, ty: DataType) -> Param {
    Param { name, ty, default: None }
}

/// A parameter that is NULL when left out.
pub fn optional(name: &'static str, ty: DataType) -> Param {
    Param { name, ty, default: Some(Value::Null) }
}

pub fn columns(list: &[(&str, DataType)]) -> Columns {
    list.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect()
}

/// Arguments by name.
pub struct Args<'a> {
    params: &'a [Param],
    values: &'a [Value],
}

impl Args<'_> {
    pub fn get(&self, name: &str) -> &Value {
        let position = self.params.iter().position(|param| param.name == name);
        position.and_then(|position| self.values.get(position)).unwrap_or(&Value::Null)
    }

    pub fn opt_text(&self, name: &str) -> Option<String> {
        self.get(name).as_str().map(str::to_owned)
    }

    /// 22004 when NULL.
    pub fn text(&self, name: &str) -> Result<String> {
        self.opt_text(name).ok_or_else(|| is_null(name))
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).as_int()
    }

    pub fn uuid(&self, name: &str) -> Result<Uuid> {
        match self.get(name) {
            Value::Uuid(bytes) => Ok(Uuid::from_bytes(*bytes)),
            _ => Err(is_null(name)),
        }
    }

    /// JSON null when NULL.
    pub fn json(&self, name: &str) -> serde_json::Value {
        match self.get(name) {
            Value::Json(json) => from_jsonb(json),
            _ => serde_json::Value::Null,
        }
    }
}

fn is_null(name: &str) -> QueryError {
    QueryError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, format!("argument \"{name}\" must not be null"))
}

/// A batch of rows in the columns' forms.
pub fn batch(columns: &[(String, DataType)], rows: Vec<Vec<Value>>) -> Batch {
    let row_count = rows.len();
    let mut by_column: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(row_count)).collect();
    for row in rows {
        for (column, value) in by_column.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let arrays = columns.iter().zip(by_column).map(|((_, ty), values)| Column::from_values(ty, values)).collect();
    Batch::new(arrays, row_count)
}

/// A few rows that are there at once.
pub fn rows(columns: &[(String, DataType)], rows: Vec<Vec<Value>>) -> Box<dyn RowStream> {
    let batch = (!rows.is_empty()).then(|| batch(columns, rows));
    Box::new(OneBatch(batch))
}

struct OneBatch(Option<Batch>);

impl RowStream for OneBatch {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        Ok(self.0.take())
    }
}
