//! Nodes through an ordered property index, and nodes or relationships by id.

use std::sync::Arc;

use sinew_storage::catalog::IndexDef;
use sinew_storage::{IndexRange, NodeId, RelationshipId, RelationshipRef, TemporalKind, Value};

use crate::batch::{BATCH_ROWS, Batch, BatchBuilder, Column};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Layout, Operator, Physical};
use crate::exec::run::Cx;
use crate::types::temporal::to_sql;

pub struct NodeIndexSeekPlan {
    pub label: Arc<str>,
    pub key: Arc<str>,
    pub value: PhysExpr,
    pub index: Arc<IndexDef>,
}

/// Values to look up so that every node whose property is equal is found: 1 and 1.0 are equal and may be stored either
/// way. Empty when nothing can be equal.
pub(crate) fn seek_values(value: Value) -> Vec<Value> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Null => Vec::new(),
        Value::Float(f) if f.is_nan() => Vec::new(),
        // No property holds these.
        Value::Map(_) | Value::Node(_) | Value::Relationship(_) | Value::Path(_) => Vec::new(),
        Value::Int(i) => {
            let float = i as f64;
            if float as i64 == i && float.abs() <= LIMIT {
                vec![Value::Int(i), Value::Float(float)]
            } else {
                vec![Value::Int(i)]
            }
        }
        // Indexes of earlier versions hold some of them as SQL's.
        Value::Temporal(ref temporal) => match (temporal.kind(), to_sql(temporal)) {
            (TemporalKind::Date | TemporalKind::DateTime | TemporalKind::Duration, Some(sql)) => vec![value, sql],
            _ => vec![value],
        },
        Value::Float(f) if f.fract() == 0.0 && f.abs() <= LIMIT => vec![Value::Float(f), Value::Int(f as i64)],
        other => vec![other],
    }
}

impl Physical for NodeIndexSeekPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let mut ids = Vec::new();
        for value in seek_values(self.value.eval_const(cx)?) {
            let scan = cx.transaction().index_scan(&self.index, &IndexRange::equal(vec![value]), false)?;
            for id in scan {
                ids.push(id?);
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(Box::new(Ids { ids: ids.into_iter(), cx: cx.clone() }))
    }

    fn describe(&self) -> String {
        format!("Node Index Seek using {} on :{}({})", self.index.name, self.label, self.key)
    }
}

struct Ids {
    ids: std::vec::IntoIter<u64>,
    cx: Cx,
}

impl Operator for Ids {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let nodes: Vec<Value> = self.ids.by_ref().take(BATCH_ROWS).map(|id| Value::Node(NodeId(id))).collect();
        let row_count = nodes.len();
        Ok((row_count > 0).then(|| Batch::new(vec![Column::Values(nodes.into())], row_count)))
    }
}

pub struct NodeByIdSeekPlan {
    pub value: PhysExpr,
    /// The variable is a relationship.
    pub relationships: bool,
    pub layout: Arc<Layout>,
}

impl NodeByIdSeekPlan {
    fn find(&self, cx: &Cx, value: &Value, out: &mut Vec<Value>) -> Result<()> {
        let transaction = cx.transaction();
        match value {
            Value::Null => {}
            Value::List(items) => {
                for item in items.iter() {
                    self.find(cx, item, out)?;
                }
            }
            Value::Node(_) if !self.relationships => out.push(value.clone()),
            Value::Relationship(_) if self.relationships => out.push(value.clone()),
            Value::Int(id) => {
                let Ok(id) = u64::try_from(*id) else { return Ok(()) };
                if self.relationships {
                    if let Some(record) = transaction.relationship(RelationshipId(id))? {
                        out.push(Value::Relationship(RelationshipRef {
                            id: record.id,
                            ty: record.ty,
                            source: record.source,
                            target: record.target,
                        }));
                    }
                } else if transaction.node(NodeId(id))?.is_some() {
                    out.push(Value::Node(NodeId(id)));
                }
            }
            // As elementId() writes it; the condition itself is tested too.
            Value::Text(id) => {
                if let Ok(id) = id.parse() {
                    self.find(cx, &Value::Int(id), out)?;
                }
            }
            Value::Float(f) if f.fract() == 0.0 && *f >= 0.0 && *f < 9.0e15 => {
                self.find(cx, &Value::Int(*f as i64), out)?;
            }
            // Nothing else is an id, so nothing has it.
            _ => {}
        }
        Ok(())
    }
}

impl Physical for NodeByIdSeekPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let mut found = Vec::new();
        self.find(cx, &self.value.eval_const(cx)?, &mut found)?;
        let mut seen = rustc_hash::FxHashSet::default();
        let mut builder = BatchBuilder::new(Arc::clone(&self.layout.types));
        let mut batches = Vec::new();
        for value in found {
            let id = match &value {
                Value::Node(id) => id.0,
                Value::Relationship(relationship) => relationship.id.0,
                _ => continue,
            };
            if seen.insert(id) {
                builder.push([value]);
                if builder.is_full() {
                    batches.extend(builder.finish());
                }
            }
        }
        batches.extend(builder.finish());
        Ok(Box::new(super::Buffered::new(batches, None)))
    }

    fn describe(&self) -> String {
        if self.relationships { "Relationship By Id Seek".to_owned() } else { "Node By Id Seek".to_owned() }
    }
}
