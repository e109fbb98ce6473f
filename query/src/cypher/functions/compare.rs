//! Equality, comparability, orderability and equivalence.
//!
//! Four different relations over values, as openCypher's CIP2016-06-14 defines them:
//!
//! - *equality* (`=`) is three-valued: anything with null inside may be unknown; values of different kinds differ;
//!   integers and floats compare as numbers; NaN equals nothing.
//! - *comparability* (`<` …) is three-valued and only defined within a kind (numbers, strings, booleans, lists, temporal
//!   values of one kind); otherwise null.
//! - *orderability* (ORDER BY, min, max) is a total order over all values, null last.
//! - *equivalence* (DISTINCT, grouping) is orderability's equality: null is equivalent to null, NaN to NaN, 1 to 1.0.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use num_traits::ToPrimitive;
use sinew_storage::{DataType, Numeric, TemporalKind, Value};

use super::Builder;
use crate::error::Result;
use crate::functions::Volatility;

pub(super) fn register(builder: &mut Builder) {
    fn truth(value: Option<bool>) -> Result<Value> {
        Ok(value.map_or(Value::Null, Value::Bool))
    }
    fn compared(args: &[Value], test: fn(Ordering) -> bool) -> Result<Value> {
        truth(match cypher_compare(&args[0], &args[1]) {
            Comparison::Ordered(ordering) => Some(test(ordering)),
            Comparison::Unordered => Some(false),
            Comparison::Unknown => None,
        })
    }
    builder.operator("=", 2, DataType::Bool, true, |_, args| truth(cypher_equals(&args[0], &args[1])));
    builder.operator("<>", 2, DataType::Bool, true, |_, args| truth(cypher_equals(&args[0], &args[1]).map(|b| !b)));
    builder.operator("<", 2, DataType::Bool, true, |_, args| compared(args, Ordering::is_lt));
    builder.operator("<=", 2, DataType::Bool, true, |_, args| compared(args, Ordering::is_le));
    builder.operator(">", 2, DataType::Bool, true, |_, args| compared(args, Ordering::is_gt));
    builder.operator(">=", 2, DataType::Bool, true, |_, args| compared(args, Ordering::is_ge));
    builder.add("nullIf", (2, 2), DataType::Any, (false, Volatility::Immutable), |_, args| {
        Ok(if cypher_equals(&args[0], &args[1]) == Some(true) { Value::Null } else { args[0].clone() })
    });
}

/// Cypher's `=`; None is null.
pub fn cypher_equals(a: &Value, b: &Value) -> Option<bool> {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Some(false);
            }
            all_equal(a.iter().zip(b.iter()))
        }
        (Value::Map(a), Value::Map(b)) => {
            if !a.keys().eq(b.keys()) {
                return Some(false);
            }
            all_equal(a.values().zip(b.values()))
        }
        (Value::Float(a), Value::Float(b)) => Some(a == b),
        (Value::Node(a), Value::Node(b)) => Some(a == b),
        (Value::Relationship(a), Value::Relationship(b)) => Some(a.id == b.id),
        _ if is_number(a) && is_number(b) => Some(!is_nan(a) && !is_nan(b) && compare_numbers(a, b).is_eq()),
        _ => Some(a == b),
    }
}

fn all_equal<'v>(pairs: impl Iterator<Item = (&'v Value, &'v Value)>) -> Option<bool> {
    let mut result = Some(true);
    for (a, b) in pairs {
        match cypher_equals(a, b) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => result = None,
        }
    }
    result
}

/// What `<` and its kin find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Ordered(Ordering),
    /// NaN is involved: every comparison is false.
    Unordered,
    /// The values cannot be compared: null.
    Unknown,
}

/// Comparability.
pub fn cypher_compare(a: &Value, b: &Value) -> Comparison {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Comparison::Ordered(a.cmp(b)),
        (Value::Bool(a), Value::Bool(b)) => Comparison::Ordered(a.cmp(b)),
        (Value::Temporal(a), Value::Temporal(b)) => {
            // Of two durations none is longer: months have no fixed length.
            let comparable = a.kind() == b.kind() && a.kind() != TemporalKind::Duration;
            if comparable { Comparison::Ordered(a.cmp(b)) } else { Comparison::Unknown }
        }
        (Value::Uuid(a), Value::Uuid(b)) => Comparison::Ordered(a.cmp(b)),
        (Value::List(a), Value::List(b)) => {
            for (a, b) in a.iter().zip(b.iter()) {
                if cypher_equals(a, b) == Some(true) {
                    continue;
                }
                return cypher_compare(a, b);
            }
            Comparison::Ordered(a.len().cmp(&b.len()))
        }
        _ if is_number(a) && is_number(b) => {
            if is_nan(a) || is_nan(b) {
                Comparison::Unordered
            } else {
                Comparison::Ordered(compare_numbers(a, b))
            }
        }
        _ => Comparison::Unknown,
    }
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_) | Value::Numeric(_))
}

fn is_nan(value: &Value) -> bool {
    match value {
        Value::Float(f) => f.is_nan(),
        Value::Numeric(n) => **n == Numeric::NaN,
        _ => false,
    }
}

/// NaN is greater than every other number and equal to itself.
fn compare_numbers(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => compare_floats(*a, *b),
        (Value::Int(a), Value::Float(b)) => compare_int_float(*a, *b),
        (Value::Float(a), Value::Int(b)) => compare_int_float(*b, *a).reverse(),
        _ => compare_floats(as_float(a), as_float(b)),
    }
}

fn compare_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Exact: no integer is rounded.
fn compare_int_float(a: i64, b: f64) -> Ordering {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    if b.is_nan() || b >= TWO_63 {
        return Ordering::Less;
    }
    if b < -TWO_63 {
        return Ordering::Greater;
    }
    let truncated = b.trunc();
    a.cmp(&(truncated as i64)).then_with(|| compare_floats(truncated, b))
}

pub(super) fn as_float(value: &Value) -> f64 {
    match value {
        Value::Int(i) => *i as f64,
        Value::Float(f) => *f,
        Value::Numeric(n) => match &**n {
            Numeric::NegativeInfinity => f64::NEG_INFINITY,
            Numeric::Infinity => f64::INFINITY,
            Numeric::NaN => f64::NAN,
            Numeric::Finite(decimal) => decimal.to_f64().unwrap_or(f64::NAN),
        },
        _ => f64::NAN,
    }
}

/// Rank of temporal values as SQL has them: they become Cypher's where they enter a statement.
const SQL_TEMPORAL: u8 = 7;

/// Kinds in ascending order of ORDER BY.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Map(_) => 0,
        Value::Node(_) => 1,
        Value::Relationship(_) => 2,
        Value::List(_) => 3,
        Value::Path(_) => 4,
        Value::Temporal(_) => 5,
        Value::Timestamp(_) | Value::Date(_) | Value::Interval(_) => SQL_TEMPORAL,
        Value::Json(_) => 8,
        Value::Vector(_) => 9,
        Value::Bytes(_) => 10,
        Value::Uuid(_) => 11,
        Value::Text(_) => 12,
        Value::Bool(_) => 13,
        Value::Int(_) | Value::Float(_) | Value::Numeric(_) => 14,
        Value::Null => 15,
    }
}

/// Orderability: a total order over all values; null is last in ascending order, NaN the greatest number.
pub fn compare_orderability(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Temporal(a), Value::Temporal(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Node(a), Value::Node(b)) => a.cmp(b),
        (Value::Relationship(a), Value::Relationship(b)) => a.id.cmp(&b.id),
        (Value::Path(a), Value::Path(b)) => {
            let relationships = |p: &sinew_storage::PathValue| p.relationships.iter().map(|r| r.id).collect::<Vec<_>>();
            a.nodes.cmp(&b.nodes).then_with(|| relationships(a).cmp(&relationships(b)))
        }
        (Value::List(a), Value::List(b)) => compare_sequences(a.iter(), b.iter()),
        (Value::Map(a), Value::Map(b)) => {
            a.keys().cmp(b.keys()).then_with(|| compare_sequences(a.values(), b.values()))
        }
        (Value::Vector(a), Value::Vector(b)) => {
            let mut pairs = a.iter().zip(b.iter()).map(|(a, b)| a.total_cmp(b));
            pairs.find(|ordering| ordering.is_ne()).unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        (Value::Json(a), Value::Json(b)) => {
            if a == b {
                Ordering::Equal
            } else {
                compare_orderability(&super::json_to_value(a), &super::json_to_value(b))
            }
        }
        _ if is_number(a) && is_number(b) => compare_numbers(a, b),
        _ if rank(a) == SQL_TEMPORAL && rank(b) == SQL_TEMPORAL => sinew_storage::encoding::compare_values(a, b),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn compare_sequences<'v>(mut a: impl Iterator<Item = &'v Value>, mut b: impl Iterator<Item = &'v Value>) -> Ordering {
    loop {
        match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match compare_orderability(a, b) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
        }
    }
}

/// Equivalence: what DISTINCT and grouping hold to be the same.
pub fn equivalent(a: &Value, b: &Value) -> bool {
    compare_orderability(a, b).is_eq()
}

/// Equal for equivalent values.
pub fn hash_equivalent<H: Hasher>(value: &Value, state: &mut H) {
    rank(value).hash(state);
    match value {
        Value::Null => {}
        Value::Bool(b) => b.hash(state),
        Value::Int(_) | Value::Float(_) | Value::Numeric(_) => {
            let float = as_float(value);
            // 0.0 and -0.0 are equal, all NaNs are one.
            let bits = if float.is_nan() { f64::NAN.to_bits() } else { (float + 0.0).to_bits() };
            bits.hash(state);
        }
        Value::Text(s) => s.hash(state),
        Value::Bytes(b) => b.hash(state),
        Value::Temporal(value) => value.hash(state),
        // By kind alone.
        Value::Timestamp(_) | Value::Date(_) | Value::Interval(_) => {}
        Value::Uuid(u) => u.hash(state),
        // Equal as values of different text: by kind alone.
        Value::Json(_) => {}
        Value::Vector(v) => v.len().hash(state),
        Value::List(items) => {
            items.len().hash(state);
            items.iter().for_each(|item| hash_equivalent(item, state));
        }
        Value::Map(entries) => {
            for (key, value) in entries.iter() {
                key.hash(state);
                hash_equivalent(value, state);
            }
        }
        Value::Node(id) => id.hash(state),
        Value::Relationship(relationship) => relationship.id.hash(state),
        Value::Path(path) => path.nodes.hash(state),
    }
}
