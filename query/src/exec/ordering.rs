//! The order ORDER BY sorts by: PostgreSQL's of a static SQL type, openCypher's orderability of dynamic values.

use std::cmp::Ordering;

use sinew_storage::{DataType, Value};

pub use crate::cypher::functions::compare_orderability;
use crate::types::compare_sql;

/// Orders two values of a column of type `ty`, with NULL by `nulls_first` whatever the direction.
pub fn compare_keys(a: &Value, b: &Value, ty: &DataType, descending: bool, nulls_first: bool) -> Ordering {
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) => {
            let ordering = compare_values(a, b, ty);
            if descending { ordering.reverse() } else { ordering }
        }
    }
}

/// Orders two non-NULL values.
pub fn compare_values(a: &Value, b: &Value, ty: &DataType) -> Ordering {
    match (a, b) {
        (Value::Int(x), Value::Int(y)) => x.cmp(y),
        (Value::Text(x), Value::Text(y)) => x.as_bytes().cmp(y.as_bytes()),
        _ if is_dynamic(ty) || std::mem::discriminant(a) != std::mem::discriminant(b) => compare_orderability(a, b),
        _ => compare_sql(a, b),
    }
}

fn is_dynamic(ty: &DataType) -> bool {
    match ty {
        DataType::Any
        | DataType::Node
        | DataType::Relationship
        | DataType::Path
        | DataType::Map
        | DataType::Temporal(_)
        | DataType::Unknown => true,
        DataType::Array(element) => is_dynamic(element),
        _ => false,
    }
}
