//! Batches: columns of equal length, Arrow arrays where a type has an Arrow form, values otherwise.

use std::sync::Arc;

use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use sinew_storage::{DataType, Value};

/// Rows per batch that operators aim at.
pub const BATCH_ROWS: usize = 1024;

/// One column. Which form a type takes: bool → Bool; int2, int4, int8, oid → Int; float4, float8 → Float; text,
/// varchar, name → Text; timestamptz, timestamp → Timestamp (microseconds); everything else, and every dynamically
/// typed Cypher value → Values.
#[derive(Clone, Debug)]
pub enum Column {
    Bool(BooleanArray),
    Int(Int64Array),
    Float(Float64Array),
    Text(StringArray),
    Timestamp(Int64Array),
    Values(Arc<[Value]>),
}

#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub columns: Vec<Column>,
    /// Also right when there are no columns.
    pub row_count: usize,
}

impl Column {
    /// Builds the form of `ty`; a value that does not fit it falls back to `Values`.
    pub fn from_values(ty: &DataType, values: Vec<Value>) -> Column {
        fn collect<T>(values: &[Value], get: impl Fn(&Value) -> Option<T>) -> Option<Vec<Option<T>>> {
            values.iter().map(|v| if v.is_null() { Some(None) } else { get(v).map(Some) }).collect()
        }
        let typed = match ty {
            DataType::Bool => collect(&values, Value::as_bool).map(|v| Column::Bool(v.into())),
            DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Oid => {
                collect(&values, Value::as_int).map(|v| Column::Int(v.into()))
            }
            DataType::Float4 | DataType::Float8 => collect(&values, |v| match v {
                Value::Float(f) => Some(*f),
                _ => None,
            })
            .map(|v| Column::Float(v.into())),
            DataType::Text | DataType::Varchar(_) | DataType::Name => {
                let strings: Option<Vec<Option<&str>>> =
                    values.iter().map(|v| if v.is_null() { Some(None) } else { v.as_str().map(Some) }).collect();
                strings.map(|v| Column::Text(v.into()))
            }
            DataType::Timestamptz | DataType::Timestamp => collect(&values, |v| match v {
                Value::Timestamp(t) => Some(*t),
                _ => None,
            })
            .map(|v| Column::Timestamp(v.into())),
            _ => None,
        };
        typed.unwrap_or_else(|| Column::Values(values.into()))
    }

    pub fn len(&self) -> usize {
        match self {
            Column::Bool(a) => a.len(),
            Column::Int(a) | Column::Timestamp(a) => a.len(),
            Column::Float(a) => a.len(),
            Column::Text(a) => a.len(),
            Column::Values(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Bool(a) => a.is_null(row),
            Column::Int(a) | Column::Timestamp(a) => a.is_null(row),
            Column::Float(a) => a.is_null(row),
            Column::Text(a) => a.is_null(row),
            Column::Values(v) => v[row].is_null(),
        }
    }

    /// The value at `row`.
    pub fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        match self {
            Column::Bool(a) => Value::Bool(a.value(row)),
            Column::Int(a) => Value::Int(a.value(row)),
            Column::Timestamp(a) => Value::Timestamp(a.value(row)),
            Column::Float(a) => Value::Float(a.value(row)),
            Column::Text(a) => Value::text(a.value(row)),
            Column::Values(v) => v[row].clone(),
        }
    }
}

impl Batch {
    pub fn new(columns: Vec<Column>, row_count: usize) -> Batch {
        debug_assert!(columns.iter().all(|column| column.len() == row_count));
        Batch { columns, row_count }
    }

    pub fn row(&self, row: usize) -> Vec<Value> {
        self.columns.iter().map(|column| column.value(row)).collect()
    }
}
