//! Types: one page per type with its names, oid, text form and wire codec.
//!
//! A [`Value`] does not know whether it is `int2` or `int8`, `timestamp` or `timestamptz`; its holder's [`DataType`]
//! does. Every function here therefore takes both and dispatches on the type to that type's page. Text forms are
//! PostgreSQL's with its default settings (ISO dates, MDY order, `postgres` intervals, hex bytea, shortest floats);
//! `TimeZone` is the session's.

pub(crate) mod array;
pub(crate) mod bool;
pub(crate) mod bytea;
pub(crate) mod calendar;
pub(crate) mod compare;
pub(crate) mod date;
pub(crate) mod datetime_input;
pub(crate) mod entity;
pub(crate) mod enum_type;
pub(crate) mod float;
pub(crate) mod int;
pub(crate) mod interval;
pub(crate) mod interval_style;
pub(crate) mod json;
pub(crate) mod json_parse;
pub(crate) mod modifier;
pub(crate) mod names;
pub(crate) mod numeric;
pub(crate) mod numeric_math;
pub mod reg;
pub(crate) mod temporal;
pub(crate) mod text;
pub(crate) mod time;
pub(crate) mod timestamp;
pub(crate) mod uuid;
pub(crate) mod vector;
pub(crate) mod wire;
pub(crate) mod zone;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

pub use names::{all_types, array_oid, category_letter, is_preferred};
pub use temporal::from_sql as temporal_from_sql;

/// PostgreSQL's oid of a type (vector has a fixed one of ours; Any, Node, Relationship, Path and Map are jsonb).
pub fn type_oid(ty: &DataType) -> u32 {
    names::type_oid(ty)
}

/// None for an oid we do not know.
pub fn type_from_oid(oid: u32) -> Option<DataType> {
    names::type_from_oid(oid)
}

/// As [`type_from_oid`], enum types of the catalog included.
pub fn type_by_oid(catalog: &sinew_storage::catalog::Catalog, oid: u32) -> Option<DataType> {
    names::type_from_oid(oid).or_else(|| enum_type::by_oid(catalog, oid))
}

/// `pg_type.typlen`: bytes, or -1.
pub fn type_length(ty: &DataType) -> i16 {
    names::type_length(ty)
}

/// `pg_attribute.atttypmod`: -1 when there is none.
pub fn type_modifier(ty: &DataType) -> i32 {
    names::type_modifier(ty)
}

/// As `format_type` prints it: `timestamp with time zone`, `numeric(10,2)`, `text[]`.
pub fn type_name(ty: &DataType) -> String {
    names::type_name(ty)
}

/// As a statement writes it: `character` would be read as `character(1)`, so a length that is open is `bpchar`.
pub fn type_declaration(ty: &DataType) -> String {
    match ty {
        DataType::Bpchar(None) => "bpchar".to_owned(),
        DataType::Array(element) if !is_dynamic(ty) => format!("{}[]", type_declaration(element)),
        ty => type_name(ty),
    }
}

/// From any of its names, lower case, without modifiers: `int4`, `integer`, `bigint`, `timestamptz`.
pub fn type_from_name(name: &str) -> Option<DataType> {
    names::type_from_name(name)
}

/// True for types whose values are Cypher's and appear as jsonb to SQL.
pub(crate) fn is_dynamic(ty: &DataType) -> bool {
    match ty {
        DataType::Any
        | DataType::Node
        | DataType::Relationship
        | DataType::Path
        | DataType::Map
        | DataType::Temporal(_) => true,
        DataType::Array(element) => is_dynamic(element) || matches!(**element, DataType::Array(_)),
        _ => false,
    }
}

/// 22P02 as every text input function words it.
pub(crate) fn invalid_input(type_name: &str, text: &str) -> QueryError {
    QueryError::new(
        sqlstate::INVALID_TEXT_REPRESENTATION,
        format!("invalid input syntax for type {type_name}: \"{text}\""),
    )
}

/// 22003 as every numeric input function words it.
pub(crate) fn input_out_of_range(type_name: &str, text: &str) -> QueryError {
    QueryError::new(
        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("value \"{text}\" is out of range for type {type_name}"),
    )
}

/// A value whose kind does not fit its static type: a bug of the caller.
pub(crate) fn mismatch(value: &Value, ty: &DataType) -> QueryError {
    QueryError::internal(format!("value {value:?} is not of type {}", type_name(ty)))
}

/// PostgreSQL's text output of a non-NULL value. Nodes, relationships, paths, maps and Any are materialised as jsonb
/// text through the context's transaction.
pub fn to_text(context: &EvalContext<'_>, value: &Value, ty: &DataType) -> Result<String> {
    if is_dynamic(ty) {
        return Ok(json::format(&entity::to_json(context, value)?));
    }
    Ok(match (ty, value) {
        (_, Value::Null) => String::new(),
        (DataType::Bool, Value::Bool(b)) => bool::output(*b).to_owned(),
        (DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Oid, Value::Int(i)) => i.to_string(),
        (DataType::Float4, Value::Float(f)) => float::output4(*f),
        (DataType::Float8, Value::Float(f)) => float::output8(*f),
        (DataType::Float4 | DataType::Float8, Value::Int(i)) => i.to_string(),
        (DataType::Numeric(_), Value::Numeric(n)) => numeric::output(n),
        (DataType::Numeric(_), Value::Int(i)) => i.to_string(),
        (DataType::Date, Value::Date(d)) => date::output(*d),
        (DataType::Time, Value::Int(time)) => time::output(*time),
        (DataType::Timetz, Value::Int(packed)) => time::output_tz(*packed),
        (DataType::Enum(of), Value::Int(place)) => enum_type::output(of, *place)?.to_owned(),
        (DataType::Modified(plain, _), value) => return to_text(context, value, &plain.plain()),
        (DataType::Timestamp, Value::Timestamp(t)) => timestamp::output(*t),
        (DataType::Timestamptz, Value::Timestamp(t)) => timestamp::output_tz(*t, &zone::session_zone(context)),
        (DataType::Interval, Value::Interval(i)) => interval_style::output(context, i),
        (DataType::Uuid, Value::Uuid(u)) => uuid::output(u),
        (DataType::Bytea, Value::Bytes(b)) => bytea::output_for(context, b),
        (DataType::Json | DataType::Jsonb, Value::Json(j)) => json::format(j),
        (DataType::Json | DataType::Jsonb, other) => json::format(&entity::to_json(context, other)?),
        (DataType::Vector(_), Value::Vector(v)) => vector::output(v),
        (DataType::Array(element), Value::List(items)) => {
            let mut texts = Vec::with_capacity(items.len());
            for item in items.iter() {
                texts.push(if item.is_null() { None } else { Some(to_text(context, item, element)?) });
            }
            array::output(&texts)
        }
        (ty, Value::Int(oid)) if ty.is_object_identifier() => reg::output(context, *oid, ty),
        (DataType::Int2vector | DataType::Oidvector, Value::List(items)) => array::output_vector(items),
        (DataType::Record, Value::List(items)) => {
            let mut texts = Vec::with_capacity(items.len());
            for item in items.iter() {
                texts.push(if item.is_null() { None } else { Some(to_text_untyped(context, item)?) });
            }
            array::output_record(&texts)
        }
        (DataType::Record, Value::Map(map)) => {
            let mut texts = Vec::with_capacity(map.len());
            for item in map.values() {
                texts.push(if item.is_null() { None } else { Some(to_text_untyped(context, item)?) });
            }
            array::output_record(&texts)
        }
        (DataType::Bpchar(length), Value::Text(s)) => text::with_blanks(s, *length),
        (_, Value::Text(s)) => s.to_string(),
        (DataType::Void, _) => String::new(),
        (DataType::Unknown | DataType::Text | DataType::Varchar(_), other) => to_text_untyped(context, other)?,
        (ty, other) => return Err(mismatch(other, ty)),
    })
}

/// Text output by the value's own kind, for the few places that have no static type (record fields).
pub(crate) fn to_text_untyped(context: &EvalContext<'_>, value: &Value) -> Result<String> {
    match natural_type(value) {
        Some(ty) => to_text(context, value, &ty),
        None => Ok(json::format(&entity::to_json(context, value)?)),
    }
}

/// The SQL type that a value's kind suggests; None for Cypher's kinds and NULL.
pub fn natural_type(value: &Value) -> Option<DataType> {
    Some(match value {
        Value::Null | Value::Node(_) | Value::Relationship(_) | Value::Path(_) | Value::Map(_) | Value::Temporal(_) => {
            return None;
        }
        Value::Bool(_) => DataType::Bool,
        Value::Int(_) => DataType::Int8,
        Value::Float(_) => DataType::Float8,
        Value::Numeric(_) => DataType::Numeric(None),
        Value::Text(_) => DataType::Text,
        Value::Bytes(_) => DataType::Bytea,
        Value::Timestamp(_) => DataType::Timestamptz,
        Value::Date(_) => DataType::Date,
        Value::Interval(_) => DataType::Interval,
        Value::Uuid(_) => DataType::Uuid,
        Value::Json(_) => DataType::Jsonb,
        Value::Vector(_) => DataType::Vector(None),
        Value::List(items) => {
            let mut element = None;
            for item in items.iter().filter(|item| !item.is_null()) {
                let ty = natural_type(item)?;
                match &element {
                    None => element = Some(ty),
                    Some(known) if *known == ty => {}
                    Some(_) => return None,
                }
            }
            match element {
                Some(DataType::Array(_)) => return None,
                Some(ty) => DataType::array_of(ty),
                None => DataType::array_of(DataType::Text),
            }
        }
    })
}

/// PostgreSQL's text input. 22P02, 22003, 22007. Modifiers of `ty` (length, precision, dimensions) are applied.
pub fn from_text(context: &EvalContext<'_>, text: &str, ty: &DataType) -> Result<Value> {
    Ok(match ty {
        DataType::Date => Value::Date(date::input(context, text)?),
        DataType::Time => Value::Int(time::input(context, text)?),
        DataType::Timetz => Value::Int(time::input_tz(context, text)?),
        DataType::Modified(sinew_storage::TemporalType::Interval, modifier) => {
            let value = Value::Interval(interval::input(text, modifier::fields(*modifier))?);
            modifier::apply(value, sinew_storage::TemporalType::Interval, *modifier)?
        }
        DataType::Modified(plain, modifier) => {
            modifier::apply(from_text(context, text, &plain.plain())?, *plain, *modifier)?
        }
        DataType::Timestamp => Value::Timestamp(timestamp::input(context, text)?),
        DataType::Timestamptz => Value::Timestamp(timestamp::input_tz(context, text)?),
        DataType::Any
        | DataType::Map
        | DataType::Node
        | DataType::Relationship
        | DataType::Path
        | DataType::Temporal(_) => match json_parse::parse(text) {
            Ok(json) => entity::from_json(&json),
            // Drivers send lists as array literals.
            Err(_) if text.starts_with('{') && array::input(text, ',').is_ok() => {
                from_text(context, text, &DataType::array_of(DataType::Text))?
            }
            Err(error) => return Err(error),
        },
        // An empty map is written as an empty array is.
        DataType::Array(_) if is_dynamic(ty) => match from_text(context, text, &DataType::Any)? {
            Value::Map(members) if members.is_empty() => Value::list(Vec::new()),
            value => value,
        },
        DataType::Array(element) => {
            let mut values = Vec::new();
            for item in array::input(text, array::delimiter(element))? {
                values.push(match item {
                    None => Value::Null,
                    Some(item) => from_text(context, &item, element)?,
                });
            }
            Value::list(values)
        }
        DataType::Regclass
        | DataType::Regtype
        | DataType::Regproc
        | DataType::Regnamespace
        | DataType::Regprocedure
        | DataType::Regoper
        | DataType::Regoperator
        | DataType::Regrole
        | DataType::Regcollation => Value::Int(reg::input(context, text, ty)?),
        ty => from_text_alone(text, ty)
            .unwrap_or_else(|| Err(QueryError::internal(format!("no text input for {ty:?}"))))?,
    })
}

/// As [`from_text`] for the types whose text means the same in every session; None for the others.
pub fn from_text_alone(text: &str, ty: &DataType) -> Option<Result<Value>> {
    Some(match ty {
        DataType::Unknown | DataType::Text => Ok(Value::text(text)),
        DataType::Varchar(limit) => text::limit_assign(text, *limit),
        DataType::Bpchar(length) => text::blank_padded_assign(text, *length),
        DataType::Name => Ok(text::name_input(text)),
        DataType::Char => Ok(text::char_input(text)),
        DataType::Bool => bool::input(text).map(Value::Bool),
        DataType::Int2 => int::input(text, int::Width::Two).map(Value::Int),
        DataType::Int4 => int::input(text, int::Width::Four).map(Value::Int),
        DataType::Int8 => int::input(text, int::Width::Eight).map(Value::Int),
        DataType::Oid => int::input(text, int::Width::Oid).map(Value::Int),
        DataType::Float4 => float::input4(text).map(Value::Float),
        DataType::Float8 => float::input8(text).map(Value::Float),
        DataType::Numeric(modifier) => numeric::input(text)
            .and_then(|number| numeric::apply_modifier(number, *modifier))
            .map(|number| number.into_value()),
        DataType::Bytea => bytea::input(text).map(|bytes| Value::Bytes(bytes.into())),
        DataType::Interval => interval::input(text, None).map(Value::Interval),
        DataType::Uuid => uuid::input(text).map(Value::Uuid),
        DataType::Json | DataType::Jsonb => json_parse::parse(text).map(Value::json),
        DataType::Vector(dimensions) => vector::input(text)
            .and_then(|vector| vector::check(vector, *dimensions))
            .map(|vector| Value::Vector(vector.into())),
        DataType::Int2vector => array::input_vector(text, int::Width::Two),
        DataType::Oidvector => array::input_vector(text, int::Width::Oid),
        DataType::Enum(of) => enum_type::input(of, text),
        DataType::Void => Ok(Value::Null),
        DataType::Record => Err(QueryError::unsupported("input of anonymous composite types")),
        DataType::Date
        | DataType::Time
        | DataType::Timetz
        | DataType::Modified(..)
        | DataType::Timestamp
        | DataType::Timestamptz
        | DataType::Any
        | DataType::Map
        | DataType::Node
        | DataType::Relationship
        | DataType::Path
        | DataType::Temporal(_)
        | DataType::Array(_)
        | DataType::Regclass
        | DataType::Regtype
        | DataType::Regproc
        | DataType::Regnamespace
        | DataType::Regprocedure
        | DataType::Regoper
        | DataType::Regoperator
        | DataType::Regrole
        | DataType::Regcollation => return None,
    })
}

/// Appends the binary wire form of a non-NULL value, without its length word.
pub fn to_binary(context: &EvalContext<'_>, value: &Value, ty: &DataType, out: &mut Vec<u8>) -> Result<()> {
    wire::to_binary(context, value, ty, out)
}

/// 22P03 when malformed.
pub fn from_binary(bytes: &[u8], ty: &DataType) -> Result<Value> {
    wire::from_binary(bytes, ty)
}

/// jsonb of any value: entities materialised with labels and properties, temporals as ISO text, floats with a point.
pub fn to_json(context: &EvalContext<'_>, value: &Value) -> Result<sinew_storage::Json> {
    entity::to_json(context, value)
}

/// jsonb as `to_jsonb` makes it of a value of static type `ty` (PostgreSQL's rules: a float's point may go, times are
/// in the session's zone).
pub fn to_json_typed(context: &EvalContext<'_>, value: &Value, ty: &DataType) -> Result<sinew_storage::Json> {
    entity::to_json_typed(context, value, ty)
}

/// Parses jsonb text. 22P02, 54001.
pub fn parse_json(text: &str) -> Result<sinew_storage::Json> {
    json_parse::parse(text)
}

/// jsonb's text form.
pub fn format_json(json: &sinew_storage::Json) -> String {
    json::format(json)
}

/// SQL ordering of two non-NULL values of one type (collation C).
pub fn compare_sql(a: &Value, b: &Value) -> std::cmp::Ordering {
    compare::compare(a, b)
}

/// Turns a numeric into a value.
pub(crate) trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for sinew_storage::Numeric {
    fn into_value(self) -> Value {
        Value::Numeric(Arc::new(self))
    }
}
