//! SQL order of values: what `<`, ORDER BY, min, max, DISTINCT and btree indexes agree on.

use std::cmp::Ordering;

use sinew_storage::{Interval, Numeric, Value};

use super::{float, json, numeric};

/// Total order of two values of one type; NULL is above everything (only inside arrays). Integers, floats and numerics
/// compare exactly with each other. Values of unrelated kinds are ordered by kind, so that the order stays total.
pub(crate) fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Float(a), Value::Float(b)) => float::compare(*a, *b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Numeric(a), Value::Numeric(b)) => numeric::compare(a, b),
        (Value::Int(a), Value::Float(b)) => int_float(*a, *b),
        (Value::Float(a), Value::Int(b)) => int_float(*b, *a).reverse(),
        (Value::Int(a), Value::Numeric(b)) => numeric::compare(&numeric::from_int(*a), b),
        (Value::Numeric(a), Value::Int(b)) => numeric::compare(a, &numeric::from_int(*b)),
        (Value::Float(a), Value::Numeric(b)) => numeric_float(b, *a).reverse(),
        (Value::Numeric(a), Value::Float(b)) => numeric_float(a, *b),
        (Value::Temporal(a), Value::Temporal(b)) => a.cmp(b),
        (Value::Interval(a), Value::Interval(b)) => interval_span(a).cmp(&interval_span(b)),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Json(a), Value::Json(b)) => json::compare(a, b),
        (Value::Vector(a), Value::Vector(b)) => vectors(a, b),
        (Value::List(a), Value::List(b)) => {
            for (x, y) in a.iter().zip(b.iter()) {
                let ordering = compare(x, y);
                if ordering.is_ne() {
                    return ordering;
                }
            }
            a.len().cmp(&b.len())
        }
        (Value::Map(a), Value::Map(b)) => {
            for (x, y) in a.iter().zip(b.iter()) {
                let ordering = x.0.cmp(y.0).then_with(|| compare(x.1, y.1));
                if ordering.is_ne() {
                    return ordering;
                }
            }
            a.len().cmp(&b.len())
        }
        (Value::Node(a), Value::Node(b)) => a.cmp(b),
        (Value::Relationship(a), Value::Relationship(b)) => a.id.cmp(&b.id),
        (Value::Path(a), Value::Path(b)) => {
            let key = |path: &sinew_storage::PathValue| {
                (path.nodes.clone(), path.relationships.iter().map(|r| r.id).collect::<Vec<_>>())
            };
            key(a).cmp(&key(b))
        }
        _ => kind_rank(a).cmp(&kind_rank(b)),
    }
}

/// Length as PostgreSQL compares intervals: months of 30 days of 24 hours, in microseconds.
pub(crate) fn interval_span(interval: &Interval) -> i128 {
    const DAY_US: i128 = 86_400_000_000;
    (i128::from(interval.months) * 30 + i128::from(interval.days)) * DAY_US + i128::from(interval.microseconds)
}

fn vectors(a: &[f32], b: &[f32]) -> Ordering {
    for (x, y) in a.iter().zip(b) {
        let ordering = float::compare(f64::from(*x), f64::from(*y));
        if ordering.is_ne() {
            return ordering;
        }
    }
    a.len().cmp(&b.len())
}

/// Exact: no integer is rounded on the way.
pub(crate) fn int_float(a: i64, b: f64) -> Ordering {
    // 2^63 is exact in a double.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() || b >= LIMIT {
        return Ordering::Less;
    }
    if b < -LIMIT {
        return Ordering::Greater;
    }
    let whole = b.trunc();
    a.cmp(&(whole as i64)).then_with(|| float::compare(0.0, b - whole))
}

fn numeric_float(a: &Numeric, b: f64) -> Ordering {
    let b = match numeric::exact_from_f64(b) {
        Some(value) => Numeric::Finite(value),
        None if b.is_nan() => Numeric::NaN,
        None if b > 0.0 => Numeric::Infinity,
        None => Numeric::NegativeInfinity,
    };
    numeric::compare(a, &b)
}

fn kind_rank(value: &Value) -> u8 {
    match value {
        Value::Map(_) => 0,
        Value::Node(_) => 1,
        Value::Relationship(_) => 2,
        Value::List(_) => 3,
        Value::Path(_) => 4,
        Value::Vector(_) => 5,
        Value::Json(_) => 6,
        Value::Bytes(_) => 7,
        Value::Uuid(_) => 8,
        Value::Interval(_) => 9,
        Value::Timestamp(_) => 10,
        Value::Date(_) => 11,
        Value::Temporal(_) => 12,
        Value::Text(_) => 13,
        Value::Bool(_) => 14,
        Value::Int(_) | Value::Float(_) | Value::Numeric(_) => 15,
        Value::Null => 16,
    }
}
