//! jsonb of any value: Cypher's nodes, relationships, paths, maps and lists, and SQL's `to_jsonb`.

use std::sync::Arc;

use sinew_storage::{DataType, Json, NodeId, Numeric, PropertyKeyId, RelationshipRef, Value};

use super::{bool, bytea, date, interval, json, numeric, timestamp, uuid, vector, zone};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

/// Nesting beyond this is 54001.
const MAX_DEPTH: usize = 1_000;

/// Items of one list between two looks at the cancel token.
const ITEMS_PER_POLL: usize = 256;

/// See [`super::to_json`].
pub(crate) fn to_json(context: &EvalContext<'_>, value: &Value) -> Result<Json> {
    crate::exec::expr::size::check_whole(value, &|| Ok(context.exec.cancel.check()?))?;
    at_depth(context, value, 0)
}

fn at_depth(context: &EvalContext<'_>, value: &Value, depth: usize) -> Result<Json> {
    if depth > MAX_DEPTH {
        return Err(QueryError::new(
            sqlstate::STATEMENT_TOO_COMPLEX,
            format!("value is nested deeper than {MAX_DEPTH} levels"),
        ));
    }
    Ok(match value {
        Value::List(items) => {
            let mut out = Vec::with_capacity(items.len());
            for (count, item) in items.iter().enumerate() {
                if count % ITEMS_PER_POLL == ITEMS_PER_POLL - 1 {
                    context.exec.cancel.check()?;
                }
                out.push(at_depth(context, item, depth + 1)?);
            }
            Json::Array(out)
        }
        Value::Map(map) => {
            let mut members = Vec::with_capacity(map.len());
            for (key, value) in map.iter() {
                members.push((Arc::clone(key), at_depth(context, value, depth + 1)?));
            }
            json::object(members)
        }
        Value::Node(id) => node(context, *id)?,
        Value::Relationship(relationship) => relationship_json(context, relationship)?,
        Value::Path(path) => {
            let mut nodes = Vec::with_capacity(path.nodes.len());
            for id in &path.nodes {
                nodes.push(node(context, *id)?);
            }
            let mut relationships = Vec::with_capacity(path.relationships.len());
            for relationship in &path.relationships {
                relationships.push(relationship_json(context, relationship)?);
            }
            json::object(vec![
                ("nodes".into(), Json::Array(nodes)),
                ("relationships".into(), Json::Array(relationships)),
            ])
        }
        scalar => scalar_json(scalar),
    })
}

/// Values that need no transaction; lists and maps of entities give null here and are handled above.
fn scalar_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) => Json::Int(*i),
        Value::Float(f) => float_json(*f),
        Value::Numeric(n) => match &**n {
            Numeric::Finite(d) => json::number(d.clone()),
            other => Json::String(numeric::output(other).into()),
        },
        Value::Text(s) => Json::String(Arc::clone(s)),
        Value::Bytes(b) => Json::String(bytea::output(b).into()),
        Value::Timestamp(t) => Json::String(timestamp::output_iso_utc(*t).into()),
        Value::Date(d) => Json::String(date::output(*d).into()),
        Value::Interval(i) => Json::String(interval::output_iso(i).into()),
        Value::Temporal(temporal) => Json::String(temporal.to_string().into()),
        Value::Uuid(u) => Json::String(uuid::output(u).into()),
        Value::Json(j) => (**j).clone(),
        Value::Vector(v) => Json::Array(v.iter().map(|x| single_json(*x)).collect()),
        Value::List(_) | Value::Map(_) | Value::Node(_) | Value::Relationship(_) | Value::Path(_) => Json::Null,
    }
}

/// A float that reads back as a float: at least one decimal; NaN and infinities as strings.
pub(crate) fn float_json(value: f64) -> Json {
    match numeric::shortest_from_f64(value) {
        Some(decimal) if decimal.fractional_digit_count() < 1 => Json::Decimal(decimal.with_scale(1)),
        Some(decimal) => Json::Decimal(decimal),
        None => Json::String(super::float::output8(value).into()),
    }
}

fn single_json(value: f32) -> Json {
    match numeric::parse_decimal(&format!("{value:e}")) {
        Some(Ok(decimal)) if decimal.fractional_digit_count() < 1 => Json::Decimal(decimal.with_scale(1)),
        Some(Ok(decimal)) => Json::Decimal(decimal),
        _ => Json::Null,
    }
}

fn properties(context: &EvalContext<'_>, properties: &[(PropertyKeyId, Value)]) -> Result<Json> {
    let transaction = &context.exec.transaction;
    let mut members = Vec::with_capacity(properties.len());
    for (key, value) in properties {
        members.push((transaction.property_key_name(*key), to_json(context, value)?));
    }
    Ok(json::object(members))
}

fn id_json(id: u64) -> Json {
    i64::try_from(id).map_or_else(|_| Json::Null, Json::Int)
}

/// A node that no longer exists has no labels and no properties.
fn node(context: &EvalContext<'_>, id: NodeId) -> Result<Json> {
    let transaction = &context.exec.transaction;
    let (labels, properties) = match transaction.node(id)? {
        Some(record) => (
            record.labels.iter().map(|label| Json::String(transaction.label_name(*label))).collect(),
            properties(context, &record.properties)?,
        ),
        None => (Vec::new(), Json::Object(Vec::new())),
    };
    Ok(json::object(vec![
        ("id".into(), id_json(id.0)),
        ("labels".into(), Json::Array(labels)),
        ("properties".into(), properties),
    ]))
}

fn relationship_json(context: &EvalContext<'_>, relationship: &RelationshipRef) -> Result<Json> {
    let transaction = &context.exec.transaction;
    let properties = match transaction.relationship(relationship.id)? {
        Some(record) => properties(context, &record.properties)?,
        None => Json::Object(Vec::new()),
    };
    Ok(json::object(vec![
        ("id".into(), id_json(relationship.id.0)),
        ("type".into(), Json::String(transaction.relationship_type_name(relationship.ty))),
        ("start".into(), id_json(relationship.source.0)),
        ("end".into(), id_json(relationship.target.0)),
        ("properties".into(), properties),
    ]))
}

/// See [`super::to_json_typed`].
pub(crate) fn to_json_typed(context: &EvalContext<'_>, value: &Value, ty: &DataType) -> Result<Json> {
    Ok(match (ty, value) {
        (_, Value::Null) => Json::Null,
        (ty, value) if super::is_dynamic(ty) => to_json(context, value)?,
        (DataType::Float8, Value::Float(f)) => match numeric::shortest_from_f64(*f) {
            Some(decimal) => json::number(decimal),
            None => Json::String(super::float::output8(*f).into()),
        },
        (DataType::Float4, Value::Float(f)) => match numeric::parse_decimal(&format!("{:e}", *f as f32)) {
            Some(Ok(decimal)) => json::number(decimal),
            _ => Json::String(super::float::output4(*f).into()),
        },
        (DataType::Timestamp, Value::Timestamp(t)) => Json::String(timestamp::output_iso(*t).into()),
        (DataType::Timestamptz, Value::Timestamp(t)) => {
            Json::String(timestamp::output_iso_tz(*t, &zone::session_zone(context)).into())
        }
        (DataType::Interval, Value::Interval(i)) => Json::String(interval::output(i).into()),
        (DataType::Vector(_), Value::Vector(v)) => Json::String(vector::output(v).into()),
        (DataType::Bool, Value::Bool(_)) | (DataType::Int2 | DataType::Int4 | DataType::Int8, Value::Int(_)) => {
            scalar_json(value)
        }
        (DataType::Array(element), Value::List(items)) => {
            Json::Array(items.iter().map(|item| to_json_typed(context, item, element)).collect::<Result<_>>()?)
        }
        (DataType::Record, value) => to_json(context, value)?,
        (DataType::Modified(plain, _), value) => to_json_typed(context, value, &plain.plain())?,
        (
            DataType::Bpchar(_)
            | DataType::Time
            | DataType::Timetz
            | DataType::Enum(_)
            | DataType::Oid
            | DataType::Int2vector
            | DataType::Oidvector,
            value,
        ) => Json::String(super::to_text(context, value, ty)?.into()),
        (ty, value) if ty.is_object_identifier() => Json::String(super::to_text(context, value, ty)?.into()),
        _ => scalar_json(value),
    })
}

/// A jsonb value as Cypher sees it: objects become maps, arrays lists, numbers integers or floats.
pub(crate) fn from_json(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Int(i) => Value::Int(*i),
        Json::Decimal(d) => Value::Float(numeric::decimal_to_f64(d)),
        Json::String(s) => Value::Text(Arc::clone(s)),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect()),
        Json::Object(members) => {
            Value::Map(Arc::new(members.iter().map(|(key, value)| (Arc::clone(key), from_json(value))).collect()))
        }
    }
}

/// Text of a scalar value that needs no session (used where JSON keys are made of values).
pub(crate) fn key_text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Text(s) => s.to_string(),
        Value::Bool(b) => if bool::output(*b) == "t" { "true" } else { "false" }.to_owned(),
        Value::Int(i) => i.to_string(),
        Value::Float(f) => super::float::output8(*f),
        Value::Numeric(n) => numeric::output(n),
        Value::Uuid(u) => uuid::output(u),
        Value::Date(d) => date::output(*d),
        Value::Timestamp(t) => timestamp::output_iso_tz(*t, &zone::UTC),
        Value::Interval(i) => interval::output(i),
        Value::Temporal(temporal) => temporal.to_string(),
        Value::Json(j) => json::as_text(j)?,
        _ => return None,
    })
}
