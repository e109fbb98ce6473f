//! Properties and labels, fetched when they are asked for.

use std::sync::Arc;

use bigdecimal::ToPrimitive;
use sinew_storage::value::MapValue;
use sinew_storage::{Json, LabelId, Numeric, PropertyKeyId, Value};

use super::*;
use crate::cypher::temporal::component::component;
use crate::error::Result;

/// `value.key`.
pub(super) fn property_of(cx: &Cx, value: &Value, key: &Arc<str>, token_slot: usize) -> Result<Value> {
    let transaction = cx.transaction();
    match value {
        Value::Null => Ok(Value::Null),
        Value::Node(id) => {
            let token = cx.run.token(token_slot, || transaction.property_key_id(key).map(|id| id.0));
            match token {
                Some(token) => {
                    transaction.node_property(*id, PropertyKeyId(token))?.ok_or_else(|| deleted_entity("node", id.0))
                }
                // Nothing was ever stored under that key; only a deleted node is then no NULL.
                None if transaction.has_writes() && transaction.node(*id)?.is_none() => {
                    Err(deleted_entity("node", id.0))
                }
                None => {
                    transaction.note_node_read(*id);
                    Ok(Value::Null)
                }
            }
        }
        Value::Relationship(relationship) => {
            let id = relationship.id;
            let token = cx.run.token(token_slot, || transaction.property_key_id(key).map(|id| id.0));
            match token {
                Some(token) => transaction
                    .relationship_property(id, PropertyKeyId(token))?
                    .ok_or_else(|| deleted_entity("relationship", id.0)),
                None if transaction.has_writes() && transaction.relationship(id)?.is_none() => {
                    Err(deleted_entity("relationship", id.0))
                }
                None => {
                    transaction.note_relationship_read(id);
                    Ok(Value::Null)
                }
            }
        }
        Value::Map(map) => Ok(map.get(&**key).cloned().unwrap_or_default()),
        Value::Json(json) => match &**json {
            Json::Null => Ok(Value::Null),
            Json::Object(entries) => {
                Ok(entries.iter().find(|(name, _)| **name == **key).map_or(Value::Null, |(_, value)| from_json(value)))
            }
            _ => Err(not_a_map(value, key)),
        },
        Value::Temporal(temporal) => component(temporal, key).ok_or_else(|| no_component(value, key)),
        other => Err(not_a_map(other, key)),
    }
}

/// Every label; NULL of NULL.
pub(super) fn has_labels(cx: &Cx, value: &Value, labels: &[(Arc<str>, usize)]) -> Result<Value> {
    let transaction = cx.transaction();
    match value {
        Value::Null => Ok(Value::Null),
        Value::Node(id) => {
            for (name, slot) in labels {
                let has = match cx.run.token(*slot, || transaction.label_id(name).map(|id| id.0)) {
                    Some(label) => transaction.node_has_label(*id, LabelId(label))?,
                    None => false,
                };
                if !has {
                    if transaction.has_writes() && transaction.node(*id)?.is_none() {
                        return Err(deleted_entity("node", id.0));
                    }
                    return Ok(Value::Bool(false));
                }
            }
            Ok(Value::Bool(true))
        }
        Value::Relationship(relationship) => {
            let name = transaction.relationship_type_name(relationship.ty);
            Ok(Value::Bool(labels.iter().all(|(label, _)| **label == *name)))
        }
        other => Err(type_error(format!("labels are of nodes, not of {}", kind_name(other)), "InvalidArgumentType")),
    }
}

/// All properties of a node, relationship or map as a map (`SET n = value`, `SET n += value`). None of NULL.
pub fn entity_properties(cx: &Cx, value: &Value) -> Result<Option<Arc<MapValue>>> {
    let transaction = cx.transaction();
    let properties = match value {
        Value::Null => return Ok(None),
        Value::Map(map) => return Ok(Some(Arc::clone(map))),
        Value::Json(json) => match &**json {
            Json::Object(entries) => {
                let map = entries.iter().map(|(key, value)| (Arc::clone(key), from_json(value)));
                return Ok(Some(Arc::new(map.collect())));
            }
            _ => return Err(type_error("expected a map, found a jsonb value", "InvalidArgumentType")),
        },
        Value::Node(id) => transaction.node(*id)?.ok_or_else(|| deleted_entity("node", id.0))?.properties.clone(),
        Value::Relationship(relationship) => transaction
            .relationship(relationship.id)?
            .ok_or_else(|| deleted_entity("relationship", relationship.id.0))?
            .properties
            .clone(),
        other => {
            return Err(type_error(format!("expected a map, found {}", kind_name(other)), "InvalidArgumentType"));
        }
    };
    let map = properties.into_iter().map(|(key, value)| (transaction.property_key_name(key), value));
    Ok(Some(Arc::new(map.collect())))
}

/// A jsonb value as Cypher sees it.
fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Int(i) => Value::Int(*i),
        Json::Decimal(decimal) => match decimal.to_f64() {
            Some(f) if f.is_finite() => Value::Float(f),
            _ => Value::Numeric(Arc::new(Numeric::Finite(decimal.clone()))),
        },
        Json::String(text) => Value::Text(Arc::clone(text)),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect()),
        Json::Object(entries) => {
            Value::Map(Arc::new(entries.iter().map(|(key, value)| (Arc::clone(key), from_json(value))).collect()))
        }
    }
}

fn not_a_map(value: &Value, key: &str) -> QueryError {
    type_error(
        format!(
            "cannot read property \"{key}\" of {}: only nodes, relationships, maps and temporal values have them",
            kind_name(value)
        ),
        "InvalidArgumentType",
    )
}

fn no_component(value: &Value, key: &str) -> QueryError {
    type_error(format!("{} has no component \"{key}\"", kind_name(value)), "InvalidArgumentValue")
}
