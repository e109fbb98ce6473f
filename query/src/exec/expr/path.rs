//! Building a path from its parts.

use std::sync::Arc;

use sinew_storage::{NodeId, PathValue, RelationshipRef, Value};

use super::*;
use crate::error::Result;

/// NULL when any part is.
pub(super) fn build_path(parts: &[PhysPathPart], row: RowCx<'_>) -> Result<Value> {
    let mut nodes: Vec<NodeId> = Vec::with_capacity(parts.len() / 2 + 1);
    let mut relationships: Vec<RelationshipRef> = Vec::with_capacity(parts.len() / 2);
    for part in parts {
        match part {
            PhysPathPart::Node(node) => match node.eval(row)? {
                Value::Null => return Ok(Value::Null),
                // After the first, a node is already implied by the relationship before it.
                Value::Node(id) if nodes.is_empty() => nodes.push(id),
                Value::Node(_) => {}
                other => return Err(bad_part(&other)),
            },
            PhysPathPart::Relationship(relationship) => match relationship.eval(row)? {
                Value::Null => return Ok(Value::Null),
                Value::Relationship(relationship) => append(&mut nodes, &mut relationships, relationship)?,
                other => return Err(bad_part(&other)),
            },
            PhysPathPart::RelationshipList(list) => match list.eval(row)? {
                Value::Null => return Ok(Value::Null),
                Value::List(items) => {
                    for item in items.iter() {
                        match item {
                            Value::Relationship(relationship) => append(&mut nodes, &mut relationships, *relationship)?,
                            other => return Err(bad_part(other)),
                        }
                    }
                }
                other => return Err(bad_part(&other)),
            },
        }
    }
    Ok(Value::Path(Arc::new(PathValue { nodes, relationships })))
}

/// The path that follows `relationships` from `start`.
pub(crate) fn path_along(start: NodeId, relationships: &[RelationshipRef]) -> Result<Value> {
    let mut path = PathValue { nodes: vec![start], relationships: Vec::with_capacity(relationships.len()) };
    for relationship in relationships {
        append(&mut path.nodes, &mut path.relationships, *relationship)?;
    }
    Ok(Value::Path(Arc::new(path)))
}

fn append(
    nodes: &mut Vec<NodeId>,
    relationships: &mut Vec<RelationshipRef>,
    relationship: RelationshipRef,
) -> Result<()> {
    let Some(&current) = nodes.last() else {
        return Err(QueryError::internal("a path begins with a relationship"));
    };
    nodes.push(if relationship.source == current { relationship.target } else { relationship.source });
    relationships.push(relationship);
    Ok(())
}

fn bad_part(value: &Value) -> QueryError {
    type_error(format!("a path cannot contain {}", kind_name(value)), "InvalidArgumentType")
}
