//! Reading parts of values: properties, labels, subscripts, ends of relationships, elements of paths.

use std::sync::Arc;

use sinew_storage::value::MapValue;
use sinew_storage::{DataType, NodeId, PropertyKeyId, RelationshipId, Value};

use super::{Builder, json_to_value, kind_name, wrong_type};
use crate::context::EvalContext;
use crate::cypher::errors;
use crate::error::{QueryError, Result};

pub(super) fn register(builder: &mut Builder) {
    let scalar_or_path = |ty: &DataType| !matches!(ty, DataType::Any | DataType::Node);
    builder.graph("id", DataType::Int8, id);
    builder.graph("elementId", DataType::Text, |context, args| match id(context, args)? {
        Value::Int(id) => Ok(Value::text(id.to_string())),
        other => Ok(other),
    });
    builder.graph("labels", DataType::array_of(DataType::Text), labels).refuses = scalar_or_path;
    builder.graph("type", DataType::Text, relationship_type).refuses =
        |ty| !matches!(ty, DataType::Any | DataType::Relationship);
    builder.graph("keys", DataType::array_of(DataType::Text), keys).refuses = not_entity_or_map;
    builder.graph("properties", DataType::Map, properties).refuses = not_entity_or_map;
    builder.pure("startNode", (1, 1), DataType::Node, |_, args| match &args[0] {
        Value::Relationship(relationship) => Ok(Value::Node(relationship.source)),
        other => Err(wrong_type("startNode()", "a relationship", other)),
    });
    builder.pure("endNode", (1, 1), DataType::Node, |_, args| match &args[0] {
        Value::Relationship(relationship) => Ok(Value::Node(relationship.target)),
        other => Err(wrong_type("endNode()", "a relationship", other)),
    });
    let not_path = |ty: &DataType| !matches!(ty, DataType::Any | DataType::Path);
    builder
        .pure("nodes", (1, 1), DataType::array_of(DataType::Node), |_, args| match &args[0] {
            Value::Path(path) => Ok(Value::List(path.nodes.iter().map(|id| Value::Node(*id)).collect())),
            other => Err(wrong_type("nodes()", "a path", other)),
        })
        .refuses = not_path;
    let relationships: super::Eval = |_, args| match &args[0] {
        Value::Path(path) => Ok(Value::List(path.relationships.iter().map(|r| Value::Relationship(*r)).collect())),
        other => Err(wrong_type("relationships()", "a path", other)),
    };
    let list_of_relationships = DataType::array_of(DataType::Relationship);
    builder.pure("relationships", (1, 1), list_of_relationships.clone(), relationships).refuses = not_path;
    builder.pure("rels", (1, 1), list_of_relationships, relationships).refuses = not_path;
    builder
        .pure("length", (1, 1), DataType::Int8, |_, args| match &args[0] {
            Value::Path(path) => count(path.relationships.len()),
            other => Err(wrong_type("length()", "a path", other)),
        })
        .refuses = not_path;
    builder.operator("[]", 2, DataType::Any, true, subscript);
    builder.operator("[..]", 3, DataType::Any, true, slice);
    builder.operator("merge maps", 2, DataType::Map, true, |_, args| match (&args[0], &args[1]) {
        (Value::Map(base), Value::Map(over)) => {
            let mut merged = MapValue::clone(base);
            merged.extend(over.iter().map(|(key, value)| (key.clone(), value.clone())));
            Ok(Value::Map(Arc::new(merged)))
        }
        (other, _) => Err(wrong_type("a map projection", "a map", other)),
    });
    builder.operator("merge property", 1, DataType::Any, false, |_, args| {
        if args[0].is_null() {
            let message = "cannot merge on a property that is null";
            return Err(errors::runtime("SemanticError", "MergeReadOwnWrites", message));
        }
        Ok(args[0].clone())
    });
    builder.operator("row count", 2, DataType::Int8, false, row_count);
}

fn not_entity_or_map(ty: &DataType) -> bool {
    !matches!(ty, DataType::Any | DataType::Node | DataType::Relationship | DataType::Map)
}

pub(super) fn count(n: usize) -> Result<Value> {
    i64::try_from(n).map(Value::Int).map_err(|_| QueryError::internal("a count above 2^63"))
}

/// The value of SKIP (second argument 'SKIP') or LIMIT, checked.
fn row_count(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let clause = args[1].as_str().unwrap_or("LIMIT");
    match &args[0] {
        Value::Int(rows) if *rows >= 0 => Ok(Value::Int(*rows)),
        Value::Int(rows) => {
            let message = format!("{clause} must not be negative, got {rows}");
            Err(errors::runtime("SyntaxError", "NegativeIntegerArgument", message))
        }
        other => {
            let message = format!("{clause} expected an integer, got {}", kind_name(other));
            Err(errors::runtime("SyntaxError", "InvalidArgumentType", message))
        }
    }
}

fn deleted(what: &str) -> QueryError {
    let message = format!("{what} was deleted in this transaction");
    errors::runtime("EntityNotFound", "DeletedEntityAccess", message)
}

fn deleted_node(id: NodeId) -> QueryError {
    deleted(&format!("node {id}"))
}

fn deleted_relationship(id: RelationshipId) -> QueryError {
    deleted(&format!("relationship {id}"))
}

/// `value.key`: of a node, relationship or map; null of null. EntityNotFound when the entity was deleted, TypeError for
/// other kinds.
pub fn property(context: &EvalContext<'_>, value: &Value, key: &str) -> Result<Value> {
    let transaction = &context.exec.transaction;
    match value {
        Value::Null => Ok(Value::Null),
        Value::Node(id) => match transaction.property_key_id(key) {
            Some(key) => transaction.node_property(*id, key)?.ok_or_else(|| deleted_node(*id)),
            None => transaction.node(*id)?.map(|_| Value::Null).ok_or_else(|| deleted_node(*id)),
        },
        Value::Relationship(relationship) => {
            let id = relationship.id;
            match transaction.property_key_id(key) {
                Some(key) => transaction.relationship_property(id, key)?.ok_or_else(|| deleted_relationship(id)),
                None => transaction.relationship(id)?.map(|_| Value::Null).ok_or_else(|| deleted_relationship(id)),
            }
        }
        Value::Map(entries) => Ok(entries.get(key).cloned().unwrap_or_default()),
        Value::Json(json) => match json_to_value(json) {
            Value::Map(entries) => Ok(entries.get(key).cloned().unwrap_or_default()),
            _ => Err(no_properties(value, key)),
        },
        _ => Err(no_properties(value, key)),
    }
}

fn no_properties(value: &Value, key: &str) -> QueryError {
    let message = format!("cannot read property \"{key}\" of a {} value", kind_name(value));
    errors::runtime("TypeError", "InvalidArgumentType", message)
}

/// Whether the node carries all labels (for a relationship: is of the type); null of null.
pub fn has_labels(context: &EvalContext<'_>, value: &Value, labels: &[Arc<str>]) -> Result<Value> {
    let transaction = &context.exec.transaction;
    match value {
        Value::Null => Ok(Value::Null),
        Value::Node(id) => {
            for label in labels {
                let carried = match transaction.label_id(label) {
                    Some(label) => transaction.node_has_label(*id, label)?,
                    None => false,
                };
                if !carried {
                    return Ok(Value::Bool(false));
                }
            }
            Ok(Value::Bool(true))
        }
        Value::Relationship(relationship) => {
            let name = transaction.relationship_type_name(relationship.ty);
            Ok(Value::Bool(labels.iter().all(|label| *label == name)))
        }
        other => Err(wrong_type("a label predicate", "a node or relationship", other)),
    }
}

fn id(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let id = match &args[0] {
        Value::Node(id) => id.0,
        Value::Relationship(relationship) => relationship.id.0,
        other => return Err(wrong_type("id()", "a node or relationship", other)),
    };
    i64::try_from(id).map(Value::Int).map_err(|_| QueryError::internal("an id above 2^63"))
}

pub(super) fn labels(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Node(id) => {
            let transaction = &context.exec.transaction;
            let node = transaction.node(*id)?.ok_or_else(|| deleted_node(*id))?;
            Ok(Value::List(node.labels.iter().map(|label| Value::Text(transaction.label_name(*label))).collect()))
        }
        other => Err(wrong_type("labels()", "a node", other)),
    }
}

fn relationship_type(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    match &args[0] {
        Value::Relationship(relationship) => {
            Ok(Value::Text(context.exec.transaction.relationship_type_name(relationship.ty)))
        }
        other => Err(wrong_type("type()", "a relationship", other)),
    }
}

/// Stored properties of an entity; None for other kinds.
fn entity_properties(context: &EvalContext<'_>, value: &Value) -> Result<Option<Vec<(PropertyKeyId, Value)>>> {
    let transaction = &context.exec.transaction;
    match value {
        Value::Node(id) => {
            let node = transaction.node(*id)?.ok_or_else(|| deleted_node(*id))?;
            Ok(Some(node.properties.clone()))
        }
        Value::Relationship(relationship) => {
            let id = relationship.id;
            let record = transaction.relationship(id)?.ok_or_else(|| deleted_relationship(id))?;
            Ok(Some(record.properties.clone()))
        }
        _ => Ok(None),
    }
}

fn keys(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    if let Some(properties) = entity_properties(context, &args[0])? {
        let transaction = &context.exec.transaction;
        let names = properties.iter().map(|(key, _)| Value::Text(transaction.property_key_name(*key)));
        return Ok(Value::List(names.collect()));
    }
    match &args[0] {
        Value::Map(entries) => Ok(Value::List(entries.keys().map(|key| Value::Text(key.clone())).collect())),
        other => Err(wrong_type("keys()", "a node, relationship or map", other)),
    }
}

fn properties(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    if let Some(properties) = entity_properties(context, &args[0])? {
        let transaction = &context.exec.transaction;
        let map: MapValue =
            properties.into_iter().map(|(key, value)| (transaction.property_key_name(key), value)).collect();
        return Ok(Value::Map(Arc::new(map)));
    }
    match &args[0] {
        map @ Value::Map(_) => Ok(map.clone()),
        other => Err(wrong_type("properties()", "a node, relationship or map", other)),
    }
}

/// `list[index]` (negative from the end, null outside), `map[key]`, `entity[key]`.
fn subscript(context: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    match (&args[0], &args[1]) {
        (Value::List(items), Value::Int(index)) => Ok(element(items, *index)),
        (Value::Vector(items), Value::Int(index)) => {
            let items: Vec<Value> = items.iter().map(|f| Value::Float(f64::from(*f))).collect();
            Ok(element(&items, *index))
        }
        (Value::List(_), other) => {
            let message = format!("a list index must be an integer, got {}", kind_name(other));
            Err(errors::runtime("TypeError", "InvalidArgumentType", message))
        }
        (container @ (Value::Map(_) | Value::Node(_) | Value::Relationship(_)), Value::Text(key)) => {
            property(context, container, key)
        }
        (Value::Map(_) | Value::Node(_) | Value::Relationship(_), other) => {
            let message = format!("a map key must be a string, got {}", kind_name(other));
            Err(errors::runtime("TypeError", "MapElementAccessByNonString", message))
        }
        (Value::Json(json), _) => subscript(context, &[json_to_value(json), args[1].clone()]),
        (other, _) => {
            let message = format!("a {} value has no elements", kind_name(other));
            Err(errors::runtime("TypeError", "InvalidArgumentType", message))
        }
    }
}

fn element(items: &[Value], index: i64) -> Value {
    let length = items.len() as i64;
    let position = if index < 0 { length.saturating_add(index) } else { index };
    usize::try_from(position).ok().and_then(|position| items.get(position)).cloned().unwrap_or_default()
}

/// `list[from..to]`; the binder supplies missing bounds. Out of range is cut.
fn slice(_: &EvalContext<'_>, args: &[Value]) -> Result<Value> {
    let Value::List(items) = &args[0] else {
        return Err(wrong_type("a slice", "a list", &args[0]));
    };
    let length = items.len() as i64;
    let bound = |value: &Value| match value {
        Value::Int(bound) => {
            let position = if *bound < 0 { length.saturating_add(*bound) } else { *bound };
            Ok(position.clamp(0, length) as usize)
        }
        other => {
            let message = format!("a slice bound must be an integer, got {}", kind_name(other));
            Err(errors::runtime("TypeError", "InvalidArgumentType", message))
        }
    };
    let (from, to) = (bound(&args[1])?, bound(&args[2])?);
    Ok(Value::List(items.get(from..to).unwrap_or_default().into()))
}
