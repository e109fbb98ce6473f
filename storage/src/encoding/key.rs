//! Order-preserving keys: comparing two encodings byte by byte compares the values.
//!
//! A key is its values one after another; no value's encoding is a prefix of another's, so tuples compare column by
//! column and every key of a tuple's extension starts with the tuple's key. Each value starts with a tag, which also
//! orders values of different types, as openCypher's ORDER BY does.
//!
//! | tag | value | then |
//! |---|---|---|
//! | 01 | NULL, first | |
//! | 10 | Map | per entry: key as text, item; then 00 |
//! | 14 | Node | id, 8 bytes big-endian |
//! | 18 | Relationship | id, 8 bytes big-endian |
//! | 1c | List | the items (NULL last); then 00 |
//! | 20 | Path | first node id; per step: 01, relationship id, node id; then 00 |
//! | 24 | Vector | per element: 01, 4 bytes ordered float; then 00 |
//! | 28 | Timestamp | 8 bytes big-endian, sign bit flipped |
//! | 2c | Date | 4 bytes big-endian, sign bit flipped |
//! | 30 | Interval | total microseconds (month = 30 days, day = 24 h), 16 bytes big-endian, sign bit flipped |
//! | 32 | Temporal | see `temporal.rs` |
//! | 34 | Text | UTF-8 with 00 as 00 ff; then 00 00 |
//! | 38 | Bytes | as text |
//! | 3c | Uuid | 16 bytes |
//! | 40 | Json | see below |
//! | 44 | Bool | 00 or 01 |
//! | 48 | Int, Float, Numeric | see `number.rs` |
//! | fe | NULL, last | |
//!
//! JSON compares as jsonb: null < string < number < boolean < array < object, arrays and objects first by length (an
//! empty array is below every other array; PostgreSQL's placing it below null is not copied). Tags 01 null, 02 string
//! (as text), 03 number, 04 false, 05 true, 06 array (4-byte count, items), 07 object (4-byte count, key and item each).
//!
//! A descending column inverts every byte of a value; its NULL stays 01 or fe, whichever was asked for.

use std::cmp::Ordering;

use super::number::{
    compare_floats, compare_int_float, decode_int, encode_decimal, encode_float, encode_int, encode_numeric,
};
use super::temporal;
use super::value::StoredValue;
use crate::error::Result;
use crate::types::DataType;
use crate::value::{Interval, Json, Value};

pub(crate) const NULL_FIRST: u8 = 0x01;
pub(crate) const NULL_LAST: u8 = 0xfe;

mod tag {
    pub const MAP: u8 = 0x10;
    pub const NODE: u8 = 0x14;
    pub const RELATIONSHIP: u8 = 0x18;
    pub const LIST: u8 = 0x1c;
    pub const PATH: u8 = 0x20;
    pub const VECTOR: u8 = 0x24;
    pub const TIMESTAMP: u8 = 0x28;
    pub const DATE: u8 = 0x2c;
    pub const INTERVAL: u8 = 0x30;
    pub const TEMPORAL: u8 = 0x32;
    pub const TEXT: u8 = 0x34;
    pub const BYTES: u8 = 0x38;
    pub const UUID: u8 = 0x3c;
    pub const JSON: u8 = 0x40;
    pub const BOOL: u8 = 0x44;
    pub const NUMBER: u8 = 0x48;
}

/// Key of a tuple, ascending, NULL last and equal to itself: for grouping, hashing and sorting.
pub fn key_for_values(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * 12);
    values.iter().for_each(|value| encode_key(value, &mut out));
    out
}

/// Appends one value, ascending, NULL last.
pub fn encode_key(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(NULL_LAST),
        Value::Bool(b) => out.extend_from_slice(&[tag::BOOL, u8::from(*b)]),
        Value::Int(i) => {
            out.push(tag::NUMBER);
            encode_int(*i, out);
        }
        Value::Float(f) => {
            out.push(tag::NUMBER);
            encode_float(*f, out);
        }
        Value::Numeric(numeric) => {
            out.push(tag::NUMBER);
            encode_numeric(numeric, out);
        }
        Value::Text(text) => encode_escaped(tag::TEXT, text.as_bytes(), out),
        Value::Bytes(bytes) => encode_escaped(tag::BYTES, bytes, out),
        Value::Timestamp(micros) => {
            out.push(tag::TIMESTAMP);
            out.extend_from_slice(&(*micros as u64 ^ 1 << 63).to_be_bytes());
        }
        Value::Date(days) => {
            out.push(tag::DATE);
            out.extend_from_slice(&(*days as u32 ^ 1 << 31).to_be_bytes());
        }
        Value::Interval(interval) => {
            out.push(tag::INTERVAL);
            out.extend_from_slice(&(total_microseconds(interval) as u128 ^ 1 << 127).to_be_bytes());
        }
        Value::Temporal(value) => {
            out.push(tag::TEMPORAL);
            temporal::encode_key(value, out);
        }
        Value::Uuid(bytes) => {
            out.push(tag::UUID);
            out.extend_from_slice(bytes);
        }
        Value::Json(json) => {
            out.push(tag::JSON);
            encode_json(json, out);
        }
        Value::Vector(elements) => {
            out.push(tag::VECTOR);
            for element in elements.iter() {
                out.push(1);
                out.extend_from_slice(&ordered_bits_f32(*element).to_be_bytes());
            }
            out.push(0);
        }
        Value::List(items) => {
            out.push(tag::LIST);
            items.iter().for_each(|item| encode_key(item, out));
            out.push(0);
        }
        Value::Map(entries) => {
            out.push(tag::MAP);
            for (key, item) in entries.iter() {
                encode_escaped(tag::TEXT, key.as_bytes(), out);
                encode_key(item, out);
            }
            out.push(0);
        }
        Value::Node(id) => {
            out.push(tag::NODE);
            out.extend_from_slice(&id.0.to_be_bytes());
        }
        Value::Relationship(relationship) => {
            out.push(tag::RELATIONSHIP);
            out.extend_from_slice(&relationship.id.0.to_be_bytes());
        }
        Value::Path(path) => {
            out.push(tag::PATH);
            let first = path.nodes.first().map_or(0, |node| node.0);
            out.extend_from_slice(&first.to_be_bytes());
            for (relationship, node) in path.relationships.iter().zip(path.nodes.iter().skip(1)) {
                out.push(1);
                out.extend_from_slice(&relationship.id.0.to_be_bytes());
                out.extend_from_slice(&node.0.to_be_bytes());
            }
            out.push(0);
        }
    }
}

/// Appends one column of an index key.
pub(crate) fn encode_key_column(value: &Value, descending: bool, nulls_first: bool, out: &mut Vec<u8>) {
    if value.is_null() {
        out.push(if nulls_first { NULL_FIRST } else { NULL_LAST });
        return;
    }
    let start = out.len();
    encode_key(value, out);
    if descending {
        invert(&mut out[start..]);
    }
}

/// As [`encode_key_column`]. Errors with `Corrupted`.
pub(crate) fn encode_key_cell(
    value: StoredValue<'_>,
    descending: bool,
    nulls_first: bool,
    out: &mut Vec<u8>,
) -> Result<()> {
    let start = out.len();
    match value {
        StoredValue::Int(i) => {
            out.push(tag::NUMBER);
            encode_int(i, out);
        }
        StoredValue::Text(text) => encode_escaped(tag::TEXT, text.as_bytes(), out),
        other => {
            encode_key_column(&other.to_value()?, descending, nulls_first, out);
            return Ok(());
        }
    }
    if descending {
        invert(&mut out[start..]);
    }
    Ok(())
}

fn invert(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
}

/// Whether values of a type can be read back from a key: they have one form, and the key loses nothing of it. Numbers with
/// decimals and intervals have several forms that are equal.
pub(crate) fn is_reversible(ty: &DataType) -> bool {
    match ty {
        DataType::Bool
        | DataType::Int2
        | DataType::Int4
        | DataType::Int8
        | DataType::Oid
        | DataType::Enum(_)
        | DataType::Text
        | DataType::Varchar(_)
        | DataType::Bpchar(_)
        | DataType::Name
        | DataType::Bytea
        | DataType::Date
        | DataType::Time
        | DataType::Timetz
        | DataType::Timestamp
        | DataType::Timestamptz
        | DataType::Uuid => true,
        DataType::Modified(plain, _) => is_reversible(&plain.plain()),
        _ => false,
    }
}

/// The first column of an index key, of a type that [`is_reversible`], and its length in bytes. None of bytes that are
/// no such key.
pub(crate) fn decode_key_column(key: &[u8], descending: bool) -> Option<(Value, usize)> {
    if matches!(key.first()?, &NULL_FIRST | &NULL_LAST) {
        return Some((Value::Null, 1));
    }
    let inverted: Vec<u8>;
    let key = if descending {
        inverted = key.iter().map(|byte| !byte).collect();
        &inverted
    } else {
        key
    };
    let (tag, rest) = key.split_first()?;
    let (value, length) = match *tag {
        tag::BOOL => (Value::Bool(*rest.first()? != 0), 1),
        tag::NUMBER => {
            let (int, length) = decode_int(rest)?;
            (Value::Int(int), length)
        }
        tag::TEXT => {
            let (bytes, length) = decode_escaped(rest)?;
            (Value::text(String::from_utf8(bytes).ok()?), length)
        }
        tag::BYTES => {
            let (bytes, length) = decode_escaped(rest)?;
            (Value::Bytes(bytes.into()), length)
        }
        tag::TIMESTAMP => (Value::Timestamp((u64::from_be_bytes(*rest.first_chunk()?) ^ 1 << 63) as i64), 8),
        tag::DATE => (Value::Date((u32::from_be_bytes(*rest.first_chunk()?) ^ 1 << 31) as i32), 4),
        tag::UUID => (Value::Uuid(*rest.first_chunk()?), 16),
        _ => return None,
    };
    Some((value, 1 + length))
}

/// The bytes that [`encode_escaped`] wrote behind a tag, and how many it made of them.
fn decode_escaped(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        let zero = at + bytes.get(at..)?.iter().position(|byte| *byte == 0)?;
        out.extend_from_slice(&bytes[at..zero]);
        at = zero + 2;
        match bytes.get(zero + 1)? {
            0 => return Some((out, at)),
            _ => out.push(0),
        }
    }
}

/// The smallest key above every key that starts with `prefix`; None when there is none.
pub(crate) fn prefix_successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let keep = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut successor = prefix[..=keep].to_vec();
    successor[keep] += 1;
    Some(successor)
}

pub(super) fn encode_escaped(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let mut rest = bytes;
    while let Some(zero) = rest.iter().position(|byte| *byte == 0) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(0xff);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(&[0, 0]);
}

fn encode_json(json: &Json, out: &mut Vec<u8>) {
    match json {
        Json::Null => out.push(1),
        Json::String(text) => encode_escaped(2, text.as_bytes(), out),
        Json::Int(i) => {
            out.push(3);
            encode_int(*i, out);
        }
        Json::Decimal(decimal) => {
            out.push(3);
            encode_decimal(decimal, out);
        }
        Json::Bool(false) => out.push(4),
        Json::Bool(true) => out.push(5),
        Json::Array(items) => {
            out.push(6);
            out.extend_from_slice(&(items.len() as u32).to_be_bytes());
            items.iter().for_each(|item| encode_json(item, out));
        }
        Json::Object(entries) => {
            out.push(7);
            out.extend_from_slice(&(entries.len() as u32).to_be_bytes());
            for (key, item) in entries {
                encode_escaped(2, key.as_bytes(), out);
                encode_json(item, out);
            }
        }
    }
}

fn total_microseconds(interval: &Interval) -> i128 {
    const DAY: i128 = 86_400_000_000;
    (i128::from(interval.months) * 30 + i128::from(interval.days)) * DAY + i128::from(interval.microseconds)
}

fn ordered_bits_f32(value: f32) -> u32 {
    let value = if value.is_nan() {
        f32::NAN.abs()
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The order of the keys, without building them where that is easy. NULL is last and equal to itself.
pub fn compare_values(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => compare_floats(*a, *b),
        (Value::Int(a), Value::Float(b)) => compare_int_float(*a, *b),
        (Value::Float(a), Value::Int(b)) => compare_int_float(*b, *a).reverse(),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        (Value::Interval(a), Value::Interval(b)) => total_microseconds(a).cmp(&total_microseconds(b)),
        (Value::Temporal(a), Value::Temporal(b)) => a.cmp(b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(b),
        (Value::Node(a), Value::Node(b)) => a.cmp(b),
        (Value::Relationship(a), Value::Relationship(b)) => a.id.cmp(&b.id),
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Greater,
        (_, Value::Null) => Ordering::Less,
        (Value::List(a), Value::List(b)) => {
            let differing = a.iter().zip(b.iter()).map(|(a, b)| compare_values(a, b)).find(|order| order.is_ne());
            differing.unwrap_or_else(|| a.len().cmp(&b.len()))
        }
        _ => {
            let (mut left, mut right) = (Vec::new(), Vec::new());
            encode_key(a, &mut left);
            encode_key(b, &mut right);
            left.cmp(&right)
        }
    }
}
