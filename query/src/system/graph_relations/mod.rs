//! The graph as relations: `sinew.nodes`, `sinew.edges`, `sinew.entities`.
//!
//! Ids come from the topology in memory, rows are read one batch at a time. [`insert_nodes`] and [`insert_edges`] carry
//! out INSERT and COPY into the first two.

mod entities;
mod insert;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sinew_storage::{DataType, Json, NodeId, PropertyKeyId, RelationshipId, RelationshipTypeId, Value};

use super::search::rows::{RowIterStream, types_of};
use crate::context::{EvalContext, ExecContext};
use crate::error::Result;
use crate::exec::RowStream;
use crate::functions::{Param, TableFunction};
use crate::types;

pub use insert::{insert_edges, insert_nodes};

/// By name.
pub(super) fn relation(name: &str) -> Option<Arc<dyn TableFunction>> {
    let id = || ("id", DataType::Int8);
    let properties = || ("properties", DataType::Jsonb);
    let labels = || ("labels", DataType::array_of(DataType::Text));
    Some(Arc::new(match name {
        "nodes" => GraphRelation::new("nodes", [id(), labels(), properties()], nodes),
        "edges" => GraphRelation::new(
            "edges",
            [id(), ("type", DataType::Text), ("source", DataType::Int8), ("target", DataType::Int8), properties()],
            edges,
        ),
        "entities" => GraphRelation::new("entities", entities::columns(), entities::rows),
        _ => return None,
    }))
}

/// Every name.
pub(super) fn names() -> Vec<&'static str> {
    vec!["nodes", "edges", "entities"]
}

/// Rows of a relation, made as they are asked for.
type Rows = Box<dyn Iterator<Item = Result<Vec<Value>>> + Send>;

#[derive(Debug)]
struct GraphRelation {
    name: &'static str,
    columns: Vec<(String, DataType)>,
    rows: fn(&ExecContext) -> Rows,
}

impl GraphRelation {
    fn new(
        name: &'static str,
        columns: impl IntoIterator<Item = (&'static str, DataType)>,
        rows: fn(&ExecContext) -> Rows,
    ) -> GraphRelation {
        GraphRelation { name, columns: columns.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect(), rows }
    }
}

impl TableFunction for GraphRelation {
    fn name(&self) -> &str {
        self.name
    }

    fn params(&self) -> &[Param] {
        &[]
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, context: &ExecContext, _args: &[Value]) -> Result<Box<dyn RowStream>> {
        let rows = (self.rows)(context);
        Ok(Box::new(RowIterStream::new(types_of(&self.columns), rows, context.cancel.clone())))
    }

    fn estimated_rows(&self) -> f64 {
        10_000.0
    }
}

fn nodes(context: &ExecContext) -> Rows {
    let ids = context.transaction.graph_reader().scan_nodes(None);
    let context = context.clone();
    Box::new(ids.filter_map(move |id| node_values(&context, NodeId(id)).transpose()))
}

/// By type, then id.
fn edges(context: &ExecContext) -> Rows {
    let reader = context.transaction.graph_reader();
    let type_count = context.transaction.relationship_type_names().len() as u32;
    let ids = (0..type_count).flat_map(move |ty| reader.scan_relationships(RelationshipTypeId(ty)));
    let context = context.clone();
    Box::new(ids.filter_map(move |id| edge_values(&context, RelationshipId(id)).transpose()))
}

/// id, labels, properties; None when the node does not exist.
pub(super) fn node_values(context: &ExecContext, id: NodeId) -> Result<Option<Vec<Value>>> {
    let Some(node) = context.transaction.node(id)? else { return Ok(None) };
    let labels = node.labels.iter().map(|label| Value::Text(context.transaction.label_name(*label))).collect();
    Ok(Some(vec![id_value(id.0), Value::list(labels), properties_value(context, &node.properties)?]))
}

/// id, type, source, target, properties; None when the relationship does not exist.
fn edge_values(context: &ExecContext, id: RelationshipId) -> Result<Option<Vec<Value>>> {
    let Some(edge) = context.transaction.relationship(id)? else { return Ok(None) };
    Ok(Some(vec![
        id_value(id.0),
        Value::Text(context.transaction.relationship_type_name(edge.ty)),
        id_value(edge.source.0),
        id_value(edge.target.0),
        properties_value(context, &edge.properties)?,
    ]))
}

/// Ids are below 2⁶³: the store hands out no others.
fn id_value(id: u64) -> Value {
    Value::Int(id as i64)
}

fn properties_value(context: &ExecContext, properties: &[(PropertyKeyId, Value)]) -> Result<Value> {
    let mut members: Vec<(Arc<str>, Json)> = Vec::with_capacity(properties.len());
    for (key, value) in properties {
        let json = types::to_json(&EvalContext::new(context), value)?;
        members.push((context.transaction.property_key_name(*key), json));
    }
    Ok(Value::json(types::json::object(members)))
}
