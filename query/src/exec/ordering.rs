//! The order ORDER BY sorts by: PostgreSQL's of a static SQL type, openCypher's orderability of dynamic values.

use std::cmp::Ordering;

use sinew_storage::{DataType, Value};

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
        | DataType::Unknown => true,
        DataType::Array(element) => is_dynamic(element),
        _ => false,
    }
}

/// openCypher's orderability: kinds in a fixed order (map, node, relationship, list, path, temporal, string, boolean,
/// number, null), then by value within a kind.
pub fn compare_orderability(a: &Value, b: &Value) -> Ordering {
    let by_kind = kind_rank(a).cmp(&kind_rank(b));
    if by_kind.is_ne() {
        return by_kind;
    }
    match (a, b) {
        (Value::Map(x), Value::Map(y)) => x
            .keys()
            .cmp(y.keys())
            .then_with(|| first_difference(x.values().zip(y.values())))
            .then_with(|| x.len().cmp(&y.len())),
        (Value::Node(x), Value::Node(y)) => x.cmp(y),
        (Value::Relationship(x), Value::Relationship(y)) => x.id.cmp(&y.id),
        (Value::List(x), Value::List(y)) => {
            first_difference(x.iter().zip(y.iter())).then_with(|| x.len().cmp(&y.len()))
        }
        (Value::Path(x), Value::Path(y)) => x
            .nodes
            .cmp(&y.nodes)
            .then_with(|| x.relationships.iter().map(|step| step.id).cmp(y.relationships.iter().map(|step| step.id))),
        (Value::Int(x), Value::Float(y)) => compare_int_float(*x, *y),
        (Value::Float(x), Value::Int(y)) => compare_int_float(*y, *x).reverse(),
        (Value::Float(x), Value::Float(y)) => compare_floats(*x, *y),
        (Value::Text(x), Value::Text(y)) => x.as_bytes().cmp(y.as_bytes()),
        (Value::Bool(x), Value::Bool(y)) => x.cmp(y),
        (Value::Int(x), Value::Int(y)) => x.cmp(y),
        (Value::Null, Value::Null) => Ordering::Equal,
        _ if std::mem::discriminant(a) == std::mem::discriminant(b) => compare_sql(a, b),
        // Numbers of different kinds (numeric with int or float).
        _ => compare_floats(approximate(a), approximate(b)),
    }
}

fn first_difference<'v>(pairs: impl Iterator<Item = (&'v Value, &'v Value)>) -> Ordering {
    pairs.map(|(x, y)| compare_orderability(x, y)).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

fn kind_rank(value: &Value) -> u8 {
    match value {
        Value::Map(_) => 0,
        Value::Node(_) => 1,
        Value::Relationship(_) => 2,
        Value::List(_) => 3,
        Value::Path(_) => 4,
        Value::Timestamp(_) => 5,
        Value::Date(_) => 6,
        Value::Interval(_) => 7,
        Value::Text(_) => 8,
        Value::Bool(_) => 9,
        Value::Int(_) | Value::Float(_) | Value::Numeric(_) => 10,
        Value::Bytes(_) => 11,
        Value::Uuid(_) => 12,
        Value::Json(_) => 13,
        Value::Vector(_) => 14,
        Value::Null => 15,
    }
}

fn approximate(value: &Value) -> f64 {
    use bigdecimal::ToPrimitive;
    use sinew_storage::Numeric;
    match value {
        Value::Int(i) => *i as f64,
        Value::Float(f) => *f,
        Value::Numeric(numeric) => match &**numeric {
            Numeric::NegativeInfinity => f64::NEG_INFINITY,
            Numeric::Infinity => f64::INFINITY,
            Numeric::NaN => f64::NAN,
            Numeric::Finite(decimal) => decimal.to_f64().unwrap_or(f64::NAN),
        },
        _ => f64::NAN,
    }
}

/// NaN is the largest number.
fn compare_floats(x: f64, y: f64) -> Ordering {
    match (x.is_nan(), y.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => x.partial_cmp(&y).unwrap_or(Ordering::Equal),
    }
}

/// Exact: an int is not rounded to a float first.
fn compare_int_float(i: i64, f: f64) -> Ordering {
    if f.is_nan() || f >= 9_223_372_036_854_775_808.0 {
        return Ordering::Less;
    }
    if f < -9_223_372_036_854_775_808.0 {
        return Ordering::Greater;
    }
    let whole = f.trunc();
    i.cmp(&(whole as i64)).then_with(|| compare_floats(0.0, f - whole))
}
