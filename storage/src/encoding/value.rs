//! Values as stored: compact and not ordered.
//!
//! A value is a tag byte and a payload that extends to the end of the slice; whoever stores several keeps their
//! lengths. Inside lists, maps and JSON, each part is preceded by its length as a varint.
//!
//! | tag | value | payload |
//! |---|---|---|
//! | 0 | NULL | |
//! | 1, 2 | false, true | |
//! | 3 | Int | zigzag varint |
//! | 4 | Float | 8 bytes, IEEE 754 little-endian |
//! | 5 | Numeric | scale as zigzag varint, unscaled integer as two's complement little-endian |
//! | 6, 7, 8 | Numeric -Infinity, Infinity, NaN | |
//! | 9 | Text | UTF-8 |
//! | 10 | Bytes | the bytes |
//! | 11 | Timestamp | zigzag varint, microseconds since 1970 |
//! | 12 | Date | zigzag varint, days since 1970 |
//! | 13 | Interval | months, days, microseconds: zigzag varints |
//! | 14 | Uuid | 16 bytes |
//! | 15 | Json | see below |
//! | 16 | Vector | 4 bytes each, IEEE 754 little-endian |
//! | 17 | List | count, then length and value of each |
//! | 18 | Map | count, then length and text of the key, length and value of each |
//! | 19 | Node | id as varint |
//! | 20 | Relationship | id, type, source, target as varints |
//! | 21 | Path | count of relationships, node ids, relationships as under 20 |
//! | 22 | Temporal | see `temporal.rs` |
//!
//! JSON: a tag byte (0 null, 1 false, 2 true, 3 integer as zigzag varint, 4 decimal as scale, length and unscaled
//! integer, 5 string as length and UTF-8, 6 array as count and items, 7 object as count and length, key, item of each).

use std::sync::Arc;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;

use super::temporal;
use super::varint::{Reader, unzigzag, whole_varint, write_varint, zigzag};
use crate::error::Result;
use crate::ids::{NodeId, RelationshipId, RelationshipTypeId};
use crate::value::{Interval, Json, MapValue, Numeric, PathValue, RelationshipRef, Value};

/// Lists, maps and JSON nested deeper than this are taken for corruption.
const MAX_DEPTH: usize = 512;

mod tag {
    pub const NULL: u8 = 0;
    pub const FALSE: u8 = 1;
    pub const TRUE: u8 = 2;
    pub const INT: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const NUMERIC: u8 = 5;
    pub const NUMERIC_NEGATIVE_INFINITY: u8 = 6;
    pub const NUMERIC_INFINITY: u8 = 7;
    pub const NUMERIC_NAN: u8 = 8;
    pub const TEXT: u8 = 9;
    pub const BYTES: u8 = 10;
    pub const TIMESTAMP: u8 = 11;
    pub const DATE: u8 = 12;
    pub const INTERVAL: u8 = 13;
    pub const UUID: u8 = 14;
    pub const JSON: u8 = 15;
    pub const VECTOR: u8 = 16;
    pub const LIST: u8 = 17;
    pub const MAP: u8 = 18;
    pub const NODE: u8 = 19;
    pub const RELATIONSHIP: u8 = 20;
    pub const PATH: u8 = 21;
    pub const TEMPORAL: u8 = 22;
}

/// Appends the encoding of one value; it extends to the end of what is appended.
pub fn encode_value(value: &Value, out: &mut Vec<u8>) {
    StoredValue::of(value).encode(out);
}

/// Values that [`StoredValue::of`] has no form of their own for.
fn encode_other(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Timestamp(_) => {
            encode_value(value, out);
        }
        Value::Numeric(numeric) => match &**numeric {
            Numeric::NegativeInfinity => out.push(tag::NUMERIC_NEGATIVE_INFINITY),
            Numeric::Infinity => out.push(tag::NUMERIC_INFINITY),
            Numeric::NaN => out.push(tag::NUMERIC_NAN),
            Numeric::Finite(decimal) => {
                out.push(tag::NUMERIC);
                let (unscaled, scale) = decimal.as_bigint_and_exponent();
                write_varint(out, zigzag(scale));
                out.extend_from_slice(&unscaled.to_signed_bytes_le());
            }
        },
        Value::Bytes(bytes) => {
            out.push(tag::BYTES);
            out.extend_from_slice(bytes);
        }
        Value::Date(days) => {
            out.push(tag::DATE);
            write_varint(out, zigzag(i64::from(*days)));
        }
        Value::Interval(interval) => {
            out.push(tag::INTERVAL);
            write_varint(out, zigzag(i64::from(interval.months)));
            write_varint(out, zigzag(i64::from(interval.days)));
            write_varint(out, zigzag(interval.microseconds));
        }
        Value::Temporal(temporal) => {
            out.push(tag::TEMPORAL);
            temporal::encode(temporal, out);
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
            elements.iter().for_each(|element| out.extend_from_slice(&element.to_le_bytes()));
        }
        Value::List(items) => {
            out.push(tag::LIST);
            write_varint(out, items.len() as u64);
            items.iter().for_each(|item| encode_part(item, out));
        }
        Value::Map(entries) => {
            out.push(tag::MAP);
            write_varint(out, entries.len() as u64);
            for (key, item) in entries.iter() {
                encode_text(key, out);
                encode_part(item, out);
            }
        }
        Value::Node(id) => {
            out.push(tag::NODE);
            write_varint(out, id.0);
        }
        Value::Relationship(relationship) => {
            out.push(tag::RELATIONSHIP);
            encode_relationship(relationship, out);
        }
        Value::Path(path) => {
            out.push(tag::PATH);
            write_varint(out, path.relationships.len() as u64);
            path.nodes.iter().for_each(|node| write_varint(out, node.0));
            path.relationships.iter().for_each(|relationship| encode_relationship(relationship, out));
        }
    }
}

/// The encoding of one value.
pub fn value_bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode_value(value, &mut out);
    out
}

/// Appends a value preceded by its length, for values stored one after another.
fn encode_part(value: &Value, out: &mut Vec<u8>) {
    // Short values are the rule: reserve one byte for the length and move the bytes up when it does not suffice.
    let length_at = out.len();
    out.push(0);
    encode_value(value, out);
    let length = out.len() - length_at - 1;
    if length < 0x80 {
        out[length_at] = length as u8;
    } else {
        let mut prefix = Vec::with_capacity(10);
        write_varint(&mut prefix, length as u64);
        out.splice(length_at..=length_at, prefix);
    }
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    write_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn encode_relationship(relationship: &RelationshipRef, out: &mut Vec<u8>) {
    write_varint(out, relationship.id.0);
    write_varint(out, u64::from(relationship.ty.0));
    write_varint(out, relationship.source.0);
    write_varint(out, relationship.target.0);
}

fn encode_json(json: &Json, out: &mut Vec<u8>) {
    match json {
        Json::Null => out.push(0),
        Json::Bool(false) => out.push(1),
        Json::Bool(true) => out.push(2),
        Json::Int(i) => {
            out.push(3);
            write_varint(out, zigzag(*i));
        }
        Json::Decimal(decimal) => {
            out.push(4);
            let (unscaled, scale) = decimal.as_bigint_and_exponent();
            write_varint(out, zigzag(scale));
            let bytes = unscaled.to_signed_bytes_le();
            write_varint(out, bytes.len() as u64);
            out.extend_from_slice(&bytes);
        }
        Json::String(text) => {
            out.push(5);
            encode_text(text, out);
        }
        Json::Array(items) => {
            out.push(6);
            write_varint(out, items.len() as u64);
            items.iter().for_each(|item| encode_json(item, out));
        }
        Json::Object(entries) => {
            out.push(7);
            write_varint(out, entries.len() as u64);
            for (key, item) in entries {
                encode_text(key, out);
                encode_json(item, out);
            }
        }
    }
}

/// A value as far as it can be read without making one of its own.
#[derive(Clone, Copy, Debug)]
pub enum StoredValue<'b> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'b str),
    Timestamp(i64),
    /// The encoding of any other value.
    Encoded(&'b [u8]),
    /// Any other value as it is: one that is about to be stored, or the default of a column that is younger than the row.
    Value(&'b Value),
}

impl<'b> StoredValue<'b> {
    /// Reads the value that fills `bytes`. Errors with `Corrupted`.
    #[inline]
    pub(crate) fn read(bytes: &'b [u8]) -> Result<StoredValue<'b>> {
        if let [tag @ (tag::INT | tag::TIMESTAMP), rest @ ..] = bytes
            && let Some(value) = whole_varint(rest)
        {
            let value = unzigzag(value);
            return Ok(if *tag == tag::INT { StoredValue::Int(value) } else { StoredValue::Timestamp(value) });
        }
        StoredValue::read_carefully(bytes)
    }

    /// As [`Self::read`], with the error that there may be.
    fn read_carefully(bytes: &'b [u8]) -> Result<StoredValue<'b>> {
        let mut reader = Reader::new(bytes, "stored value");
        let value = match reader.byte()? {
            tag::NULL => StoredValue::Null,
            tag::FALSE => StoredValue::Bool(false),
            tag::TRUE => StoredValue::Bool(true),
            tag::INT => StoredValue::Int(unzigzag(reader.varint()?)),
            tag::FLOAT => StoredValue::Float(f64::from_le_bytes(reader.array()?)),
            tag::TEXT => StoredValue::Text(reader.text(reader.remaining())?),
            tag::TIMESTAMP => StoredValue::Timestamp(unzigzag(reader.varint()?)),
            _ => return Ok(StoredValue::Encoded(bytes)),
        };
        if !reader.is_empty() {
            return Err(reader.corrupted("is followed by stray bytes"));
        }
        Ok(value)
    }

    /// The value itself. Errors with `Corrupted`.
    pub fn to_value(self) -> Result<Value> {
        Ok(match self {
            StoredValue::Null => Value::Null,
            StoredValue::Bool(b) => Value::Bool(b),
            StoredValue::Int(i) => Value::Int(i),
            StoredValue::Float(f) => Value::Float(f),
            StoredValue::Text(text) => Value::Text(text.into()),
            StoredValue::Timestamp(micros) => Value::Timestamp(micros),
            StoredValue::Encoded(bytes) => decode_value(bytes)?,
            StoredValue::Value(value) => value.clone(),
        })
    }

    /// A value that is about to be stored.
    #[inline]
    pub fn of(value: &'b Value) -> StoredValue<'b> {
        match value {
            Value::Null => StoredValue::Null,
            Value::Bool(b) => StoredValue::Bool(*b),
            Value::Int(i) => StoredValue::Int(*i),
            Value::Float(f) => StoredValue::Float(*f),
            Value::Text(text) => StoredValue::Text(text),
            Value::Timestamp(micros) => StoredValue::Timestamp(*micros),
            other => StoredValue::Value(other),
        }
    }

    pub fn is_null(self) -> bool {
        matches!(self, StoredValue::Null | StoredValue::Value(Value::Null))
    }

    /// As [`encode_value`].
    #[inline]
    pub(crate) fn encode(self, out: &mut Vec<u8>) {
        match self {
            StoredValue::Null => out.push(tag::NULL),
            StoredValue::Bool(b) => out.push(if b { tag::TRUE } else { tag::FALSE }),
            StoredValue::Int(i) => {
                out.push(tag::INT);
                write_varint(out, zigzag(i));
            }
            StoredValue::Float(f) => {
                out.push(tag::FLOAT);
                out.extend_from_slice(&f.to_le_bytes());
            }
            StoredValue::Text(text) => {
                out.push(tag::TEXT);
                out.extend_from_slice(text.as_bytes());
            }
            StoredValue::Timestamp(micros) => {
                out.push(tag::TIMESTAMP);
                write_varint(out, zigzag(micros));
            }
            StoredValue::Encoded(bytes) => out.extend_from_slice(bytes),
            StoredValue::Value(value) => encode_other(value, out),
        }
    }
}

/// The value that fills `bytes`. Errors with `Corrupted` for bytes that [`encode_value`] does not write.
pub fn decode_value(bytes: &[u8]) -> Result<Value> {
    decode_at_depth(bytes, 0)
}

fn decode_at_depth(bytes: &[u8], depth: usize) -> Result<Value> {
    let mut reader = Reader::new(bytes, "stored value");
    if depth > MAX_DEPTH {
        return Err(reader.corrupted("is nested too deeply"));
    }
    let value = match reader.byte()? {
        tag::NULL => Value::Null,
        tag::FALSE => Value::Bool(false),
        tag::TRUE => Value::Bool(true),
        tag::INT => Value::Int(unzigzag(reader.varint()?)),
        tag::FLOAT => Value::Float(f64::from_le_bytes(reader.array()?)),
        tag::NUMERIC => {
            let scale = decode_scale(&mut reader)?;
            let unscaled = BigInt::from_signed_bytes_le(reader.rest());
            Value::Numeric(Arc::new(Numeric::Finite(BigDecimal::new(unscaled, scale))))
        }
        tag::NUMERIC_NEGATIVE_INFINITY => Value::Numeric(Arc::new(Numeric::NegativeInfinity)),
        tag::NUMERIC_INFINITY => Value::Numeric(Arc::new(Numeric::Infinity)),
        tag::NUMERIC_NAN => Value::Numeric(Arc::new(Numeric::NaN)),
        tag::TEXT => Value::Text(reader.text(reader.remaining())?.into()),
        tag::BYTES => Value::Bytes(reader.rest().into()),
        tag::TIMESTAMP => Value::Timestamp(unzigzag(reader.varint()?)),
        tag::DATE => Value::Date(decode_i32(&mut reader)?),
        tag::INTERVAL => Value::Interval(Interval {
            months: decode_i32(&mut reader)?,
            days: decode_i32(&mut reader)?,
            microseconds: unzigzag(reader.varint()?),
        }),
        tag::TEMPORAL => Value::Temporal(Arc::new(temporal::decode(&mut reader)?)),
        tag::UUID => Value::Uuid(reader.array()?),
        tag::JSON => Value::Json(Arc::new(decode_json(&mut reader, depth)?)),
        tag::VECTOR => {
            if !reader.remaining().is_multiple_of(4) {
                return Err(reader.corrupted("holds a vector of broken length"));
            }
            let elements = reader.rest().chunks_exact(4);
            Value::Vector(elements.map(|e| f32::from_le_bytes(e.try_into().expect("chunks of four"))).collect())
        }
        tag::LIST => {
            let count = reader.length()?;
            let items: Result<Vec<Value>> = (0..count).map(|_| decode_nested(&mut reader, depth)).collect();
            Value::List(items?.into())
        }
        tag::MAP => {
            let count = reader.length()?;
            let mut entries = MapValue::new();
            for _ in 0..count {
                let length = reader.length()?;
                let key = reader.text(length)?.into();
                entries.insert(key, decode_nested(&mut reader, depth)?);
            }
            Value::Map(Arc::new(entries))
        }
        tag::NODE => Value::Node(NodeId(reader.varint()?)),
        tag::RELATIONSHIP => Value::Relationship(decode_relationship(&mut reader)?),
        tag::PATH => {
            let count = reader.length()?;
            let nodes: Result<Vec<NodeId>> = (0..=count).map(|_| reader.varint().map(NodeId)).collect();
            let nodes = nodes?;
            let relationships: Result<Vec<_>> = (0..count).map(|_| decode_relationship(&mut reader)).collect();
            Value::Path(Arc::new(PathValue { nodes, relationships: relationships? }))
        }
        tag => return Err(reader.corrupted(&format!("has the unknown tag {tag}"))),
    };
    if !reader.is_empty() {
        return Err(reader.corrupted("is followed by stray bytes"));
    }
    Ok(value)
}

fn decode_nested(reader: &mut Reader<'_>, depth: usize) -> Result<Value> {
    let length = reader.length()?;
    decode_at_depth(reader.bytes(length)?, depth + 1)
}

fn decode_i32(reader: &mut Reader<'_>) -> Result<i32> {
    i32::try_from(unzigzag(reader.varint()?)).map_err(|_| reader.corrupted("holds an integer above 32 bits"))
}

/// Far beyond PostgreSQL's limits, and still safe to compute with.
fn decode_scale(reader: &mut Reader<'_>) -> Result<i64> {
    Ok(i64::from(decode_i32(reader)?))
}

fn decode_relationship(reader: &mut Reader<'_>) -> Result<RelationshipRef> {
    Ok(RelationshipRef {
        id: RelationshipId(reader.varint()?),
        ty: RelationshipTypeId(reader.varint_u32()?),
        source: NodeId(reader.varint()?),
        target: NodeId(reader.varint()?),
    })
}

fn decode_json(reader: &mut Reader<'_>, depth: usize) -> Result<Json> {
    if depth > MAX_DEPTH {
        return Err(reader.corrupted("is nested too deeply"));
    }
    Ok(match reader.byte()? {
        0 => Json::Null,
        1 => Json::Bool(false),
        2 => Json::Bool(true),
        3 => Json::Int(unzigzag(reader.varint()?)),
        4 => {
            let scale = decode_scale(reader)?;
            let length = reader.length()?;
            Json::Decimal(BigDecimal::new(BigInt::from_signed_bytes_le(reader.bytes(length)?), scale))
        }
        5 => {
            let length = reader.length()?;
            Json::String(reader.text(length)?.into())
        }
        6 => {
            let count = reader.length()?;
            Json::Array((0..count).map(|_| decode_json(reader, depth + 1)).collect::<Result<_>>()?)
        }
        7 => {
            let count = reader.length()?;
            let mut entries = Vec::new();
            for _ in 0..count {
                let length = reader.length()?;
                let key = reader.text(length)?.into();
                entries.push((key, decode_json(reader, depth + 1)?));
            }
            Json::Object(entries)
        }
        tag => return Err(reader.corrupted(&format!("has the unknown JSON tag {tag}"))),
    })
}
