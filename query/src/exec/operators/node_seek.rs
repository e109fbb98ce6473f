//! Nodes and relationships through an ordered property index, and by id.

use std::ops::Bound;
use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexTarget};
use sinew_storage::encoding::key_for_values;
use sinew_storage::temporal::Zone;
use sinew_storage::{IndexRange, NodeId, RelationshipId, RelationshipRef, Temporal, TemporalKind, Value};

use crate::batch::{BATCH_ROWS, Batch, BatchBuilder, Column};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Layout, Operator, Physical};
use crate::exec::run::{Cx, Reservation};
use crate::types::temporal::to_sql;
use crate::types::text::after_prefix;

pub struct PropertyIndexSeekPlan {
    pub label_or_type: Arc<str>,
    pub key: Arc<str>,
    pub lookup: SeekLookup,
    pub index: Arc<IndexDef>,
}

/// As [`crate::algebra::PropertyLookup`].
pub enum SeekLookup {
    Equal(PhysExpr),
    AnyOf(PhysExpr),
    Prefix(PhysExpr),
    Range { lower: Option<PhysExpr>, upper: Option<PhysExpr> },
}

/// Values to look up so that every node whose property is equal is found: 1 and 1.0 are equal and may be stored either
/// way. Empty when nothing can be equal.
fn seek_values(value: Value) -> Vec<Value> {
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

impl PropertyIndexSeekPlan {
    /// Ranges of the index in which every node is that satisfies the lookup; others may be in them too.
    pub(crate) fn ranges(&self, cx: &Cx) -> Result<Vec<IndexRange>> {
        let equal = |value| IndexRange::equal(vec![value]);
        Ok(match &self.lookup {
            SeekLookup::Equal(value) => seek_values(value.eval_const(cx)?).into_iter().map(equal).collect(),
            SeekLookup::AnyOf(list) => match list.eval_const(cx)? {
                Value::Null => Vec::new(),
                Value::List(items) => {
                    let mut values = Vec::new();
                    for (index, item) in items.iter().enumerate() {
                        if index % 1024 == 0 {
                            cx.check_cancel()?;
                        }
                        values.extend(seek_values(item.clone()));
                    }
                    let mut keyed: Vec<(Vec<u8>, Value)> =
                        values.into_iter().map(|value| (key_for_values(std::slice::from_ref(&value)), value)).collect();
                    keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
                    keyed.dedup_by(|a, b| a.0 == b.0);
                    keyed.into_iter().map(|(_, value)| equal(value)).collect()
                }
                // The condition is an error for each node.
                _ => vec![IndexRange::all()],
            },
            SeekLookup::Prefix(prefix) => match prefix.eval_const(cx)? {
                Value::Text(prefix) => vec![prefix_range(&prefix)],
                // Nothing else is the beginning of anything.
                _ => Vec::new(),
            },
            SeekLookup::Range { lower, upper } => {
                let bound = |expr: &Option<PhysExpr>| expr.as_ref().map(|expr| expr.eval_const(cx)).transpose();
                range_between(bound(lower)?, bound(upper)?)
            }
        })
    }
}

fn prefix_range(prefix: &str) -> IndexRange {
    let upper = match after_prefix(prefix) {
        Some(upper) => Bound::Excluded(Value::from(upper)),
        None => Bound::Unbounded,
    };
    IndexRange { equal: Vec::new(), lower: Bound::Included(Value::from(prefix.to_owned())), upper }
}

/// Ranges that hold all between two bounds. A value is comparable only with those of its kind, which are together in the
/// index; where the order of keys is not that of comparisons, a bound is left out.
fn range_between(lower: Option<Value>, upper: Option<Value>) -> Vec<IndexRange> {
    let bounds = [&lower, &upper];
    let nothing = |value: &&Value| matches!(value, Value::Null | Value::Map(_) | Value::Node(_) | Value::Path(_));
    if bounds.into_iter().flatten().any(|value| nothing(&value)) {
        return Vec::new();
    }
    let temporal = bounds.into_iter().flatten().any(|value| matches!(value, Value::Temporal(_)));
    let as_bound = |value: Option<Value>, is_lower: bool| match value {
        Some(value @ (Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_))) => Bound::Included(value),
        Some(Value::Temporal(value)) => match widest(&value, is_lower) {
            Some(value) => Bound::Included(Value::Temporal(value)),
            None => Bound::Unbounded,
        },
        _ => Bound::Unbounded,
    };
    let mut ranges =
        vec![IndexRange { equal: Vec::new(), lower: as_bound(lower, true), upper: as_bound(upper, false) }];
    if temporal && !matches!(ranges[0].lower, Bound::Unbounded) {
        // Indexes of earlier versions hold some as SQL's, which come before.
        let upper = Bound::Excluded(Value::Temporal(Arc::new(Temporal::DateTime {
            seconds: i64::MIN,
            nanoseconds: 0,
            zone: Zone { offset_seconds: i32::MIN, name: None },
        })));
        ranges.push(IndexRange { equal: Vec::new(), lower: Bound::Included(Value::Timestamp(i64::MIN)), upper });
    }
    ranges
}

/// The first or last key of what equals a temporal value: instants are equal whatever clock shows them. None when keys
/// are not in the order of comparisons.
fn widest(value: &Temporal, is_lower: bool) -> Option<Arc<Temporal>> {
    Some(Arc::new(match value {
        Temporal::Date(_) | Temporal::LocalTime(_) | Temporal::LocalDateTime { .. } => value.clone(),
        Temporal::DateTime { seconds, nanoseconds, .. } => Temporal::DateTime {
            seconds: *seconds,
            nanoseconds: *nanoseconds,
            zone: Zone { offset_seconds: if is_lower { i32::MIN } else { i32::MAX }, name: None },
        },
        Temporal::Time { .. } | Temporal::Duration(_) => return None,
    }))
}

impl Physical for PropertyIndexSeekPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let mut ids = Vec::new();
        let mut memory = Reservation::new(&cx.run);
        for range in self.ranges(cx)? {
            for id in cx.transaction().index_scan(&self.index, &range, false)? {
                ids.push(id?);
                if ids.len() % 4096 == 0 {
                    cx.check_cancel()?;
                    memory.grow(4096 * size_of::<u64>())?;
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let relationships = matches!(self.index.target, IndexTarget::Relationships { .. });
        Ok(Box::new(Ids { ids: ids.into_iter(), relationships, cx: cx.clone(), _memory: memory }))
    }

    fn describe(&self) -> String {
        let entity = match self.index.target {
            IndexTarget::Relationships { .. } => "Relationship",
            _ => "Node",
        };
        format!("{entity} Index Seek using {} on :{}({})", self.index.name, self.label_or_type, self.key)
    }
}

struct Ids {
    ids: std::vec::IntoIter<u64>,
    /// The ids are of relationships, not of nodes.
    relationships: bool,
    cx: Cx,
    /// Of the ids.
    _memory: Reservation,
}

impl Operator for Ids {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let mut found = Vec::new();
        for id in self.ids.by_ref().take(BATCH_ROWS) {
            if self.relationships {
                found.extend(relationship_of_id(&self.cx, id)?);
            } else {
                found.push(Value::Node(NodeId(id)));
            }
        }
        let row_count = found.len();
        Ok((row_count > 0).then(|| Batch::new(vec![Column::Values(found.into())], row_count)))
    }
}

/// None when there is no such relationship any more.
pub(super) fn relationship_of_id(cx: &Cx, id: u64) -> Result<Option<Value>> {
    let record = cx.transaction().relationship(RelationshipId(id))?;
    Ok(record.map(|record| {
        let reference = RelationshipRef { id: record.id, ty: record.ty, source: record.source, target: record.target };
        Value::Relationship(reference)
    }))
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
                    out.extend(relationship_of_id(cx, id)?);
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
