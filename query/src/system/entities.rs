//! `sinew.entities`: what entity memory extracted, with how often and when messages mention it.

use std::ops::ControlFlow;
use std::sync::Arc;

use sinew_storage::graph::{Direction, NodeRecord};
use sinew_storage::{DataType, NodeId, PropertyKeyId, Temporal, Value};

use super::rows::ComputedRelation;
use crate::context::ExecContext;
use crate::error::Result;
use crate::functions::TableFunction;

const LABEL: &str = "Entity";
const MENTIONS: &str = "MENTIONS";
const CREATED_AT: &str = "created_at";

/// The relation.
pub(super) fn relation() -> Arc<dyn TableFunction> {
    ComputedRelation::relation("entities", &columns(), |context| rows(context).collect())
}

fn columns() -> [(&'static str, DataType); 6] {
    [
        ("node_id", DataType::Int8),
        ("name", DataType::Text),
        ("kind", DataType::Text),
        ("mention_count", DataType::Int8),
        ("first_seen", DataType::Timestamptz),
        ("last_seen", DataType::Timestamptz),
    ]
}

/// Rows, made as they are asked for.
type Rows = Box<dyn Iterator<Item = Result<Vec<Value>>> + Send>;

fn rows(context: &ExecContext) -> Rows {
    let Some(label) = context.transaction.label_id(LABEL) else { return Box::new(std::iter::empty()) };
    let reader = context.transaction.graph_reader();
    let ids = reader.scan_nodes(Some(label));
    let mentions = context.transaction.relationship_type_id(MENTIONS);
    let context = context.clone();
    Box::new(ids.filter_map(move |id| {
        let mut mentioned_by = Vec::new();
        if let Some(mentions) = mentions {
            reader.for_each_neighbor(NodeId(id), Direction::Incoming, &[mentions], |neighbor| {
                mentioned_by.push((neighbor.relationship, neighbor.node));
                ControlFlow::Continue(())
            });
        }
        let row = || -> Result<Option<Vec<Value>>> {
            let transaction = &context.transaction;
            let Some(node) = transaction.node(NodeId(id))? else { return Ok(None) };
            let created_at = transaction.property_key_id(CREATED_AT);
            let mut seen = Seen::default();
            for (relationship, message) in &mentioned_by {
                context.cancel.check()?;
                let Some(key) = created_at else { break };
                match transaction.relationship_property(*relationship, key)? {
                    Some(value @ Value::Temporal(_)) => seen.at(&value),
                    _ => seen.at(&transaction.node_property(*message, key)?.unwrap_or_default()),
                }
            }
            // An entity may also know its own times.
            for name in ["first_seen", "last_seen", CREATED_AT] {
                seen.at(&property(&node, transaction.property_key_id(name)));
            }
            Ok(Some(vec![
                Value::Int(id as i64),
                text(property(&node, transaction.property_key_id("name"))),
                text(property(&node, transaction.property_key_id("kind"))),
                Value::Int(mentioned_by.len() as i64),
                seen.first.map_or(Value::Null, Value::Timestamp),
                seen.last.map_or(Value::Null, Value::Timestamp),
            ]))
        };
        row().transpose()
    }))
}

#[derive(Default)]
struct Seen {
    first: Option<i64>,
    last: Option<i64>,
}

impl Seen {
    /// Counts a date and time; other values say nothing.
    fn at(&mut self, value: &Value) {
        let Value::Temporal(value) = value else { return };
        let Temporal::DateTime { seconds, nanoseconds, .. } = **value else { return };
        let time_us = seconds.saturating_mul(1_000_000).saturating_add(i64::from(nanoseconds / 1_000));
        self.first = Some(self.first.map_or(time_us, |first| first.min(time_us)));
        self.last = Some(self.last.map_or(time_us, |last| last.max(time_us)));
    }
}

fn property(node: &NodeRecord, key: Option<PropertyKeyId>) -> Value {
    let found = key.and_then(|key| node.properties.iter().find(|property| property.0 == key));
    found.map_or(Value::Null, |property| property.1.clone())
}

/// NULL for what is not text.
fn text(value: Value) -> Value {
    if matches!(value, Value::Text(_)) { value } else { Value::Null }
}
