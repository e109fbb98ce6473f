//! One step along relationships from a bound node.

use std::ops::ControlFlow;
use std::sync::Arc;

use sinew_storage::graph::{Direction, Neighbor};
use sinew_storage::{NodeId, RelationshipId, RelationshipRef, RelationshipTypeId, Value};

use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::{kind_name, type_error};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::Cx;

pub struct ExpandPlan {
    pub input: Arc<Node>,
    pub from: usize,
    /// Slot of the bound end, when it is bound.
    pub into: Option<usize>,
    /// Slot of the bound relationship, when it is bound.
    pub relationship_bound: Option<usize>,
    pub direction: Direction,
    pub types: Vec<Arc<str>>,
    pub distinct_from: Vec<usize>,
}

impl Physical for ExpandPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let Some(types) = super::type_tokens(cx.transaction(), &self.types) else {
            if !self.input.writes {
                return Ok(Box::new(super::Buffered::new(Vec::new(), None)));
            }
            // The types may come to exist by what the input writes.
            let input = self.input.open(cx)?;
            return Ok(Box::new(Expand { types: None, ..Expand::new(self, input, cx) }));
        };
        let resolve_late = self.input.writes;
        let input = self.input.open(cx)?;
        Ok(Box::new(Expand { types: (!resolve_late).then_some(types), ..Expand::new(self, input, cx) }))
    }

    fn describe(&self) -> String {
        describe_step(if self.into.is_some() { "Expand Into" } else { "Expand" }, self.direction, &self.types)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

pub(crate) fn describe_step(name: &str, direction: Direction, types: &[Arc<str>]) -> String {
    let types = if types.is_empty() { String::new() } else { format!(":{}", types.join("|")) };
    match direction {
        Direction::Outgoing => format!("{name} -[{types}]->"),
        Direction::Incoming => format!("{name} <-[{types}]-"),
        Direction::Both => format!("{name} -[{types}]-"),
    }
}

/// The stored direction of a step seen from `from`.
pub(crate) fn relationship_of(from: NodeId, neighbor: &Neighbor) -> RelationshipRef {
    let (source, target) = if neighbor.outgoing { (from, neighbor.node) } else { (neighbor.node, from) };
    RelationshipRef { id: neighbor.relationship, ty: neighbor.ty, source, target }
}

/// Node of a slot; None of NULL.
pub(crate) fn node_of(value: &Value) -> Result<Option<NodeId>> {
    match value {
        Value::Null => Ok(None),
        Value::Node(id) => Ok(Some(*id)),
        other => Err(type_error(format!("expected a node, found {}", kind_name(other)), "InvalidArgumentType")),
    }
}

/// Where steps from a row begin, and where they must end when that is bound; None when either is NULL.
pub(crate) fn bound_ends(
    batch: &Batch,
    row: usize,
    from: usize,
    into: Option<usize>,
) -> Result<Option<(NodeId, Option<NodeId>)>> {
    let Some(from) = node_of(&batch.columns[from].value(row))? else { return Ok(None) };
    let Some(into) = into else { return Ok(Some((from, None))) };
    Ok(node_of(&batch.columns[into].value(row))?.map(|to| (from, Some(to))))
}

/// Ids of relationships that a new one must differ from.
pub(crate) fn used_relationships(batch: &Batch, row: usize, slots: &[usize], out: &mut Vec<RelationshipId>) {
    fn add(value: &Value, out: &mut Vec<RelationshipId>) {
        match value {
            Value::Relationship(relationship) => out.push(relationship.id),
            Value::List(items) => items.iter().for_each(|item| add(item, out)),
            _ => {}
        }
    }
    out.clear();
    for slot in slots {
        add(&batch.columns[*slot].value(row), out);
    }
}

/// A bound relationship as a step from `from`; None when it does not lead away from it that way.
pub(crate) fn step_along(
    from: NodeId,
    relationship: &RelationshipRef,
    direction: Direction,
    types: &[RelationshipTypeId],
) -> Option<Neighbor> {
    if !types.is_empty() && !types.contains(&relationship.ty) {
        return None;
    }
    let outgoing = relationship.source == from && direction != Direction::Incoming;
    let incoming = relationship.target == from && direction != Direction::Outgoing;
    if !outgoing && !incoming {
        return None;
    }
    let node = if outgoing { relationship.target } else { relationship.source };
    Some(Neighbor { relationship: relationship.id, ty: relationship.ty, node, outgoing })
}

struct Expand {
    plan: Arc<ExpandPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    /// None: to be resolved at the first batch; resolved to an impossible list when no type exists.
    types: Option<Vec<RelationshipTypeId>>,
    batch: Option<Batch>,
    row: usize,
    /// Neighbours of the row before `row` that are not given yet.
    neighbors: Vec<Neighbor>,
    position: usize,
    from: NodeId,
}

impl Expand {
    fn new(plan: Arc<ExpandPlan>, input: Box<dyn Operator>, cx: &Cx) -> Expand {
        Expand {
            plan,
            input,
            cx: cx.clone(),
            types: None,
            batch: None,
            row: 0,
            neighbors: Vec::new(),
            position: 0,
            from: NodeId(0),
        }
    }

    /// Fills `neighbors` with the steps of a row.
    fn load(&mut self, batch: &Batch, row: usize, types: &[RelationshipTypeId]) -> Result<()> {
        self.neighbors.clear();
        self.position = 0;
        let plan = &self.plan;
        let Some((from, to)) = bound_ends(batch, row, plan.from, plan.into)? else { return Ok(()) };
        self.from = from;
        let transaction = self.cx.transaction();
        if let Some(slot) = plan.relationship_bound {
            if let Value::Relationship(relationship) = batch.columns[slot].value(row) {
                let step = step_along(from, &relationship, plan.direction, types);
                self.neighbors.extend(step.filter(|step| to.is_none_or(|to| step.node == to)));
            }
        } else if let Some(to) = to {
            self.neighbors = transaction.relationships_between(from, to, plan.direction, types)?;
        } else {
            let neighbors = &mut self.neighbors;
            transaction.for_each_neighbor(from, plan.direction, types, &mut |neighbor| {
                neighbors.push(neighbor);
                ControlFlow::Continue(())
            })?;
        }
        if !plan.distinct_from.is_empty() && !self.neighbors.is_empty() {
            let mut used = Vec::new();
            used_relationships(batch, row, &plan.distinct_from, &mut used);
            self.neighbors.retain(|neighbor| !used.contains(&neighbor.relationship));
        }
        Ok(())
    }
}

impl Operator for Expand {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            let Some(batch) = super::batch_in_progress(&mut self.batch, &mut *self.input, &mut self.row)? else {
                return Ok(None);
            };
            let types = match &self.types {
                Some(types) => types.clone(),
                None => match super::type_tokens(self.cx.transaction(), &self.plan.types) {
                    Some(types) => self.types.insert(types).clone(),
                    None => continue,
                },
            };
            let mut rows: Vec<u32> = Vec::new();
            let mut relationships: Vec<Value> = Vec::new();
            let mut ends: Vec<Value> = Vec::new();
            loop {
                while self.position < self.neighbors.len() && rows.len() < BATCH_ROWS {
                    let neighbor = &self.neighbors[self.position];
                    rows.push((self.row - 1) as u32);
                    relationships.push(Value::Relationship(relationship_of(self.from, neighbor)));
                    ends.push(Value::Node(neighbor.node));
                    self.position += 1;
                }
                if rows.len() >= BATCH_ROWS || self.row >= batch.row_count {
                    break;
                }
                let row = self.row;
                self.row += 1;
                self.load(&batch, row, &types)?;
            }
            let out = (!rows.is_empty()).then(|| {
                let mut out = batch.take(&rows);
                if self.plan.relationship_bound.is_none() {
                    out.columns.push(Column::Values(relationships.into()));
                }
                if self.plan.into.is_none() {
                    out.columns.push(Column::Values(ends.into()));
                }
                out
            });
            if self.row < batch.row_count || self.position < self.neighbors.len() {
                self.batch = Some(batch);
            }
            if out.is_some() {
                return Ok(out);
            }
        }
    }
}
