//! Keys for hashing: two values have equal bytes exactly when they are equivalent (NULL with NULL, 1 with 1.0, NaN with
//! NaN), so that grouping, DISTINCT and hash joins compare bytes.
//!
//! Each value is a tag byte and a self-delimiting body, so a row's key is the concatenation of its values' keys. The
//! bytes carry no order.

use bigdecimal::{BigDecimal, ToPrimitive};
use sinew_storage::{DataType, Interval, Json, Numeric, Value};

use crate::batch::Column;

/// Whether 1 and 1.0 are one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyMode {
    /// Values that compare equal have one key.
    Equivalent,
    /// Only indistinguishable values have one key (results cached by an outer row).
    Exact,
}

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const DECIMAL: u8 = 5;
const SPECIAL: u8 = 6;
const TEXT: u8 = 7;
const BYTES: u8 = 8;
const TIMESTAMP: u8 = 9;
const DATE: u8 = 10;
const INTERVAL: u8 = 11;
const UUID: u8 = 12;
const JSON: u8 = 13;
const VECTOR: u8 = 14;
const LIST: u8 = 15;
const MAP: u8 = 16;
const NODE: u8 = 17;
const RELATIONSHIP: u8 = 18;
const PATH: u8 = 19;
const TEMPORAL: u8 = 20;

/// Appends the key of one value.
pub fn encode_key(value: &Value, mode: KeyMode, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(false) => out.push(FALSE),
        Value::Bool(true) => out.push(TRUE),
        Value::Int(i) => encode_int(*i, out),
        Value::Float(f) => encode_float(*f, mode, out),
        Value::Numeric(n) => encode_numeric(n, mode, out),
        Value::Text(text) => encode_bytes(TEXT, text.as_bytes(), out),
        Value::Bytes(bytes) => encode_bytes(BYTES, bytes, out),
        Value::Timestamp(t) => {
            out.push(TIMESTAMP);
            out.extend_from_slice(&t.to_le_bytes());
        }
        Value::Date(d) => {
            out.push(DATE);
            out.extend_from_slice(&d.to_le_bytes());
        }
        Value::Interval(interval) => encode_interval(interval, mode, out),
        Value::Temporal(_) => {
            out.push(TEMPORAL);
            sinew_storage::encoding::key::encode_key(value, out);
        }
        Value::Uuid(uuid) => {
            out.push(UUID);
            out.extend_from_slice(uuid);
        }
        Value::Json(json) => {
            out.push(JSON);
            encode_json(json, mode, out);
        }
        Value::Vector(vector) => {
            out.push(VECTOR);
            encode_length(vector.len(), out);
            for component in vector.iter() {
                // Adding zero makes -0 and 0 one value.
                out.extend_from_slice(&(component + 0.0).to_bits().to_le_bytes());
            }
        }
        Value::List(items) => {
            out.push(LIST);
            encode_length(items.len(), out);
            for item in items.iter() {
                encode_key(item, mode, out);
            }
        }
        Value::Map(map) => {
            out.push(MAP);
            encode_length(map.len(), out);
            for (key, item) in map.iter() {
                encode_bytes(TEXT, key.as_bytes(), out);
                encode_key(item, mode, out);
            }
        }
        Value::Node(id) => {
            out.push(NODE);
            out.extend_from_slice(&id.0.to_le_bytes());
        }
        Value::Relationship(relationship) => {
            out.push(RELATIONSHIP);
            out.extend_from_slice(&relationship.id.0.to_le_bytes());
        }
        Value::Path(path) => {
            out.push(PATH);
            encode_length(path.relationships.len(), out);
            for node in &path.nodes {
                out.extend_from_slice(&node.0.to_le_bytes());
            }
            for relationship in &path.relationships {
                out.extend_from_slice(&relationship.id.0.to_le_bytes());
            }
        }
    }
}

/// Appends the key of a column's entry.
pub(crate) fn encode_column_key(column: &Column, row: usize, mode: KeyMode, out: &mut Vec<u8>) {
    if column.is_null(row) {
        return out.push(NULL);
    }
    match column {
        Column::Int(ints) => encode_int(ints.value(row), out),
        Column::Text(texts) => encode_bytes(TEXT, texts.value(row).as_bytes(), out),
        Column::Values(values) => encode_key(&values[row], mode, out),
        // These hold no heap memory.
        other => encode_key(&other.value(row), mode, out),
    }
}

/// Whether two values are one group.
pub fn equivalent(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Null, other) | (other, Value::Null) => other.is_null(),
        (Value::Int(x), Value::Int(y)) => x == y,
        (Value::Text(x), Value::Text(y)) => x == y,
        _ => {
            let (mut x, mut y) = (Vec::new(), Vec::new());
            encode_key(a, KeyMode::Equivalent, &mut x);
            encode_key(b, KeyMode::Equivalent, &mut y);
            x == y
        }
    }
}

/// Types of one class have equal keys exactly when `=` says TRUE, so that hashing alone decides. None: `=` must be
/// asked besides (floats, where the languages differ on NaN, and values of dynamic type).
pub fn exact_key_class(ty: &DataType) -> Option<u8> {
    Some(match ty {
        DataType::Bool => 0,
        DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Oid => 1,
        DataType::Numeric(_) => 2,
        DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name | DataType::Char => 3,
        DataType::Bytea => 4,
        DataType::Date => 5,
        DataType::Timestamp | DataType::Timestamptz => 6,
        DataType::Modified(plain, _) => return exact_key_class(&plain.plain()),
        DataType::Uuid => 7,
        ty if ty.is_object_identifier() => 1,
        DataType::Node => 8,
        DataType::Relationship => 9,
        DataType::Time => 10,
        DataType::Timetz => 11,
        DataType::Enum(_) => 12,
        _ => return None,
    })
}

fn encode_length(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(length as u64).to_le_bytes());
}

fn encode_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    encode_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn encode_int(i: i64, out: &mut Vec<u8>) {
    out.push(INT);
    out.extend_from_slice(&i.to_le_bytes());
}

fn encode_float(f: f64, mode: KeyMode, out: &mut Vec<u8>) {
    // 2^63 is the first float above every i64.
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if mode == KeyMode::Exact {
        out.push(FLOAT);
        out.extend_from_slice(&f.to_bits().to_le_bytes());
    } else if f.is_nan() {
        out.extend_from_slice(&[SPECIAL, 0]);
    } else if f.is_infinite() {
        out.extend_from_slice(&[SPECIAL, if f > 0.0 { 1 } else { 2 }]);
    } else if f.fract() == 0.0 && (-LIMIT..LIMIT).contains(&f) {
        encode_int(f as i64, out);
    } else {
        out.push(FLOAT);
        out.extend_from_slice(&f.to_bits().to_le_bytes());
    }
}

fn encode_numeric(numeric: &Numeric, mode: KeyMode, out: &mut Vec<u8>) {
    match numeric {
        Numeric::NaN => out.extend_from_slice(&[SPECIAL, 0]),
        Numeric::Infinity => out.extend_from_slice(&[SPECIAL, 1]),
        Numeric::NegativeInfinity => out.extend_from_slice(&[SPECIAL, 2]),
        Numeric::Finite(decimal) => encode_decimal(decimal, mode, out),
    }
}

fn encode_decimal(decimal: &BigDecimal, mode: KeyMode, out: &mut Vec<u8>) {
    if mode == KeyMode::Exact {
        let (digits, scale) = decimal.as_bigint_and_exponent();
        encode_bytes(DECIMAL, &digits.to_signed_bytes_le(), out);
        out.extend_from_slice(&scale.to_le_bytes());
        return;
    }
    if decimal.is_integer()
        && let Some(i) = decimal.to_i64()
    {
        return encode_int(i, out);
    }
    let (digits, scale) = decimal.normalized().into_bigint_and_exponent();
    encode_bytes(DECIMAL, &digits.to_signed_bytes_le(), out);
    out.extend_from_slice(&scale.to_le_bytes());
}

fn encode_interval(interval: &Interval, mode: KeyMode, out: &mut Vec<u8>) {
    out.push(INTERVAL);
    if mode == KeyMode::Exact {
        out.extend_from_slice(&interval.months.to_le_bytes());
        out.extend_from_slice(&interval.days.to_le_bytes());
        out.extend_from_slice(&interval.microseconds.to_le_bytes());
        return;
    }
    // As PostgreSQL compares intervals: a month is 30 days, a day 24 hours.
    let days = i128::from(interval.months) * 30 + i128::from(interval.days);
    let total = days * 86_400_000_000 + i128::from(interval.microseconds);
    out.extend_from_slice(&total.to_le_bytes());
}

fn encode_json(json: &Json, mode: KeyMode, out: &mut Vec<u8>) {
    match json {
        Json::Null => out.push(NULL),
        Json::Bool(false) => out.push(FALSE),
        Json::Bool(true) => out.push(TRUE),
        Json::Int(i) => encode_int(*i, out),
        Json::Decimal(decimal) => encode_decimal(decimal, mode, out),
        Json::String(text) => encode_bytes(TEXT, text.as_bytes(), out),
        Json::Array(items) => {
            out.push(LIST);
            encode_length(items.len(), out);
            for item in items {
                encode_json(item, mode, out);
            }
        }
        Json::Object(entries) => {
            out.push(MAP);
            encode_length(entries.len(), out);
            for (key, item) in entries {
                encode_bytes(TEXT, key.as_bytes(), out);
                encode_json(item, mode, out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: Value) -> Vec<u8> {
        let mut out = Vec::new();
        encode_key(&value, KeyMode::Equivalent, &mut out);
        out
    }

    #[test]
    fn equal_numbers_have_equal_keys() {
        assert_eq!(key(Value::Int(1)), key(Value::Float(1.0)));
        assert_eq!(key(Value::Float(0.0)), key(Value::Float(-0.0)));
        assert_eq!(key(Value::Float(f64::NAN)), key(Value::Float(-f64::NAN)));
        let decimal = |text: &str| Value::Numeric(Numeric::Finite(text.parse().expect("a decimal")).into());
        assert_eq!(key(decimal("1.50")), key(decimal("1.5")));
        assert_eq!(key(decimal("2.00")), key(Value::Int(2)));
        assert_ne!(key(Value::Int(i64::MAX)), key(Value::Float(i64::MAX as f64)));
        assert!(!equivalent(&Value::Null, &Value::Int(0)));
        assert!(equivalent(&Value::Null, &Value::Null));
    }

    #[test]
    fn exact_keys_tell_one_from_one_point_zero() {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        encode_key(&Value::Int(1), KeyMode::Exact, &mut a);
        encode_key(&Value::Float(1.0), KeyMode::Exact, &mut b);
        assert_ne!(a, b);
    }

    #[test]
    fn keys_delimit_themselves() {
        let row = |values: &[&str]| {
            let mut out = Vec::new();
            for value in values {
                encode_key(&Value::from(*value), KeyMode::Equivalent, &mut out);
            }
            out
        };
        assert_ne!(row(&["ab", "c"]), row(&["a", "bc"]));
    }
}
