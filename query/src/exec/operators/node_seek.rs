//! Nodes and relationships through an ordered property index, and by id.

use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexTarget};
use sinew_storage::temporal::Zone;
use sinew_storage::{IndexRange, NodeId, RelationshipId, RelationshipRef, Temporal, TemporalKind, Value};
use smallvec::{SmallVec, smallvec};

use crate::batch::{BATCH_ROWS, Batch, BatchBuilder, Column};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Layout, Operator, Physical};
use crate::exec::run::{Cx, Reservation};
use crate::exec::scan::OwnedScan;
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

/// Values to look up so that every entity whose property is equal is found. Empty when nothing can be equal.
fn seek_values(value: Value) -> SmallVec<[Value; 2]> {
    match value {
        Value::Null => SmallVec::new(),
        Value::Float(f) if f.is_nan() => SmallVec::new(),
        // No property holds these.
        Value::Map(_) | Value::Node(_) | Value::Relationship(_) | Value::Path(_) => SmallVec::new(),
        // Indexes of earlier versions hold some of them as SQL's.
        Value::Temporal(ref temporal) => match (temporal.kind(), to_sql(temporal)) {
            (TemporalKind::Date | TemporalKind::DateTime | TemporalKind::Duration, Some(sql)) => smallvec![value, sql],
            _ => smallvec![value],
        },
        // 1 and 1.0 are one key.
        other => smallvec![other],
    }
}

/// What a lookup compares with. None when it cannot be computed: the condition, which is tested too, may never come to
/// it.
fn operand(expr: &PhysExpr, cx: &Cx) -> Result<Option<Value>> {
    match expr.eval_const(cx) {
        Ok(value) => Ok(Some(value)),
        // Of values and types; a cancel or too little memory ends the statement.
        Err(error) if error.sqlstate().starts_with("22") || error.sqlstate().starts_with("42") => Ok(None),
        Err(error) => Err(error),
    }
}

impl PropertyIndexSeekPlan {
    /// Hands over ranges of the index in which every entity is that satisfies the lookup; others may be in them too, and
    /// some in several. Ends when `take` says so.
    pub(crate) fn for_each_range(
        &self,
        cx: &Cx,
        take: &mut dyn FnMut(IndexRange) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let ranges: SmallVec<[IndexRange; 2]> = match &self.lookup {
            SeekLookup::Equal(value) => match operand(value, cx)? {
                Some(value) => seek_values(value).into_iter().map(equal).collect(),
                None => smallvec![IndexRange::all()],
            },
            SeekLookup::AnyOf(list) => match operand(list, cx)? {
                Some(Value::Null) => SmallVec::new(),
                Some(Value::List(items)) => {
                    for (count, item) in items.iter().enumerate() {
                        if count % 256 == 0 {
                            cx.check_cancel()?;
                        }
                        for value in seek_values(item.clone()) {
                            if take(equal(value))?.is_break() {
                                return Ok(());
                            }
                        }
                    }
                    return Ok(());
                }
                // The condition is an error for each entity.
                Some(_) | None => smallvec![IndexRange::all()],
            },
            SeekLookup::Prefix(prefix) => match operand(prefix, cx)? {
                Some(Value::Text(prefix)) => smallvec![prefix_range(&prefix)],
                // Nothing else is the beginning of anything.
                Some(_) => SmallVec::new(),
                None => smallvec![IndexRange::all()],
            },
            SeekLookup::Range { lower, upper } => {
                let bound = |expr: &Option<PhysExpr>| match expr {
                    None => Ok(Some(None)),
                    Some(expr) => operand(expr, cx).map(|value| value.map(Some)),
                };
                match (bound(lower)?, bound(upper)?) {
                    (Some(lower), Some(upper)) => range_between(lower, upper),
                    _ => smallvec![IndexRange::all()],
                }
            }
        };
        for range in ranges {
            if take(range)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn scan(&self, cx: &Cx, range: &IndexRange) -> Result<OwnedScan<u64>> {
        OwnedScan::new(cx.transaction(), |transaction| transaction.index_scan(&self.index, range, false))
    }
}

fn equal(value: Value) -> IndexRange {
    IndexRange::equal(vec![value])
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
fn range_between(lower: Option<Value>, upper: Option<Value>) -> SmallVec<[IndexRange; 2]> {
    let bounds = [&lower, &upper];
    let nothing = |value: &&Value| matches!(value, Value::Null | Value::Map(_) | Value::Node(_) | Value::Path(_));
    if bounds.into_iter().flatten().any(|value| nothing(&value)) {
        return SmallVec::new();
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
    let mut ranges: SmallVec<[IndexRange; 2]> =
        smallvec![IndexRange { equal: Vec::new(), lower: as_bound(lower, true), upper: as_bound(upper, false) }];
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
        let relationships = matches!(self.index.target, IndexTarget::Relationships { .. });
        let mut found = Found { ids: Vec::new(), memory: Reservation::new(&cx.run) };
        let mut single = None;
        let mut range_count = 0;
        self.for_each_range(cx, &mut |range| {
            range_count += 1;
            if range_count == 1 {
                // If it stays alone, its entities are read as they are asked for.
                single = Some(range);
                return Ok(ControlFlow::Continue(()));
            }
            if let Some(first) = single.take() {
                found.add(self.scan(cx, &first)?, cx)?;
            }
            found.add(self.scan(cx, &range)?, cx)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let ids = match single {
            // One range holds each entity once.
            Some(range) => Ids::Scanned(self.scan(cx, &range)?),
            None => {
                found.ids.sort_unstable();
                found.ids.dedup();
                Ids::Sorted(found.ids.into_iter())
            }
        };
        let memory = found.memory;
        Ok(Box::new(PropertyIndexSeek { ids, relationships, cx: cx.clone(), _memory: memory }))
    }

    fn describe(&self) -> String {
        let entity = match self.index.target {
            IndexTarget::Relationships { .. } => "Relationship",
            _ => "Node",
        };
        format!("{entity} Index Seek using {} on :{}({})", self.index.name, self.label_or_type, self.key)
    }
}

/// Ids gathered from several ranges.
struct Found {
    ids: Vec<u64>,
    memory: Reservation,
}

impl Found {
    fn add(&mut self, scan: OwnedScan<u64>, cx: &Cx) -> Result<()> {
        for id in scan {
            self.ids.push(id?);
            if self.ids.len().is_multiple_of(4096) {
                cx.check_cancel()?;
                self.memory.grow(4096 * size_of::<u64>())?;
            }
        }
        Ok(())
    }
}

enum Ids {
    Scanned(OwnedScan<u64>),
    Sorted(std::vec::IntoIter<u64>),
}

struct PropertyIndexSeek {
    ids: Ids,
    /// The ids are of relationships, not of nodes.
    relationships: bool,
    cx: Cx,
    /// Of the ids.
    _memory: Reservation,
}

impl Operator for PropertyIndexSeek {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let mut found = Vec::new();
        while found.len() < BATCH_ROWS {
            let id = match &mut self.ids {
                Ids::Scanned(scan) => scan.next().transpose()?,
                Ids::Sorted(ids) => ids.next(),
            };
            let Some(id) = id else { break };
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
