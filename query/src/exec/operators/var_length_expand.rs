//! Paths of variable length from a bound node: depth first, no relationship twice in one path.
//!
//! The search keeps its own stack, so depth is bounded by memory, not by the thread's stack, and it stops between batches
//! wherever it stands.

use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use sinew_storage::graph::{Direction, Neighbor};
use sinew_storage::{NodeId, RelationshipId, RelationshipRef, RelationshipTypeId, Value};

use super::expand::{bound_ends, describe_step, relationship_of, step_along, used_relationships};
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::{Local, PhysExpr, RowCx, RowRef};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

pub struct VarLengthExpandPlan {
    pub input: Arc<Node>,
    pub from: usize,
    pub into: Option<usize>,
    pub direction: Direction,
    pub types: Vec<Arc<str>>,
    pub min: u32,
    pub max: Option<u32>,
    /// Over the input; the relationship is local 0.
    pub step_filter: Option<PhysExpr>,
    pub distinct_from: Vec<usize>,
    /// Slot of a bound list of relationships to follow.
    pub bound_relationships: Option<usize>,
    /// The list of relationships is an output column (it is not when the input has it).
    pub gives_relationships: bool,
}

impl Physical for VarLengthExpandPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(VarLengthExpand {
            plan: self,
            input,
            cx: cx.clone(),
            batch: None,
            row: 0,
            search: None,
            memory: Reservation::new(&cx.run),
        }))
    }

    fn describe(&self) -> String {
        let max = self.max.map_or(String::new(), |max| max.to_string());
        let name = format!("Variable Length Expand *{}..{max}", self.min);
        describe_step(&name, self.direction, &self.types)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

/// One node on the current path, with the steps away from it.
struct Frame {
    node: NodeId,
    neighbors: Vec<Neighbor>,
    next: usize,
}

/// The search from one input row.
struct Search {
    frames: Vec<Frame>,
    path: Vec<RelationshipRef>,
    used: FxHashSet<RelationshipId>,
    to: Option<NodeId>,
    /// The path of no relationships is still to be given.
    give_empty: bool,
}

struct VarLengthExpand {
    plan: Arc<VarLengthExpandPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    batch: Option<(Batch, Option<Vec<RelationshipTypeId>>)>,
    row: usize,
    search: Option<Search>,
    memory: Reservation,
}

struct Found {
    rows: Vec<u32>,
    lists: Vec<Value>,
    ends: Vec<Value>,
}

impl VarLengthExpand {
    fn neighbors(&self, node: NodeId, types: &Option<Vec<RelationshipTypeId>>) -> Result<Vec<Neighbor>> {
        let mut neighbors = Vec::new();
        if let Some(types) = types {
            self.cx.transaction().for_each_neighbor(node, self.plan.direction, types, &mut |neighbor| {
                neighbors.push(neighbor);
                ControlFlow::Continue(())
            })?;
        }
        Ok(neighbors)
    }

    /// Starts the search of a row; None when there is nothing to search. A bound list is followed at once.
    fn begin(
        &mut self,
        batch: &Batch,
        row: usize,
        types: &Option<Vec<RelationshipTypeId>>,
        found: &mut Found,
    ) -> Result<Option<Search>> {
        let plan = Arc::clone(&self.plan);
        let Some((from, to)) = bound_ends(batch, row, plan.from, plan.into)? else { return Ok(None) };
        let mut used = Vec::new();
        used_relationships(batch, row, &plan.distinct_from, &mut used);
        if let Some(slot) = plan.bound_relationships {
            let Value::List(items) = batch.columns[slot].value(row) else { return Ok(None) };
            let length = u32::try_from(items.len()).unwrap_or(u32::MAX);
            if length < plan.min || plan.max.is_some_and(|max| length > max) {
                return Ok(None);
            }
            let mut node = from;
            for item in items.iter() {
                let Value::Relationship(relationship) = item else { return Ok(None) };
                let all_types = plan.types.is_empty();
                let types = types.as_deref().unwrap_or(&[]);
                if !all_types && types.is_empty() {
                    return Ok(None);
                }
                let Some(step) = step_along(node, relationship, plan.direction, types) else { return Ok(None) };
                if used.contains(&relationship.id) {
                    return Ok(None);
                }
                node = step.node;
            }
            if to.is_none_or(|to| to == node) {
                found.rows.push(row as u32);
                found.lists.push(Value::List(items));
                found.ends.push(Value::Node(node));
            }
            return Ok(None);
        }
        let neighbors = if plan.max == Some(0) { Vec::new() } else { self.neighbors(from, types)? };
        Ok(Some(Search {
            frames: vec![Frame { node: from, neighbors, next: 0 }],
            path: Vec::new(),
            used: used.into_iter().collect(),
            to,
            give_empty: plan.min == 0,
        }))
    }

    fn passes(&self, batch: &Batch, row: usize, relationship: RelationshipRef) -> Result<bool> {
        let Some(filter) = &self.plan.step_filter else { return Ok(true) };
        let value = Value::Relationship(relationship);
        let local = Local { value: &value, parent: None };
        filter.holds(RowCx { cx: &self.cx, row: RowRef::Batch(batch, row), locals: Some(&local) })
    }

    /// Goes on with a search until it ends (true) or the batch is full.
    fn advance(
        &mut self,
        search: &mut Search,
        batch: &Batch,
        row: usize,
        types: &Option<Vec<RelationshipTypeId>>,
        found: &mut Found,
    ) -> Result<bool> {
        let plan = Arc::clone(&self.plan);
        if std::mem::take(&mut search.give_empty)
            && let Some(first) = search.frames.first()
            && search.to.is_none_or(|to| to == first.node)
        {
            found.rows.push(row as u32);
            found.lists.push(Value::List(Arc::new([])));
            found.ends.push(Value::Node(first.node));
        }
        let mut step_count = 0_u32;
        while found.rows.len() < BATCH_ROWS {
            step_count = step_count.wrapping_add(1);
            if step_count.is_multiple_of(4096) {
                self.cx.check_cancel()?;
            }
            let Some(frame) = search.frames.last_mut() else { return Ok(true) };
            let Some(neighbor) = frame.neighbors.get(frame.next).copied() else {
                search.frames.pop();
                if let Some(relationship) = search.path.pop() {
                    search.used.remove(&relationship.id);
                }
                continue;
            };
            frame.next += 1;
            let relationship = relationship_of(frame.node, &neighbor);
            if search.used.contains(&relationship.id) || !self.passes(batch, row, relationship)? {
                continue;
            }
            search.path.push(relationship);
            search.used.insert(relationship.id);
            let depth = u32::try_from(search.path.len()).unwrap_or(u32::MAX);
            if depth >= plan.min && search.to.is_none_or(|to| to == neighbor.node) {
                let list: Vec<Value> = search.path.iter().map(|step| Value::Relationship(*step)).collect();
                found.rows.push(row as u32);
                found.lists.push(Value::list(list));
                found.ends.push(Value::Node(neighbor.node));
            }
            let neighbors = if plan.max.is_some_and(|max| depth >= max) {
                Vec::new()
            } else {
                self.neighbors(neighbor.node, types)?
            };
            search.frames.push(Frame { node: neighbor.node, neighbors, next: 0 });
            if depth % 1024 == 0 {
                let held: usize = search.frames.iter().rev().take(1024).map(|frame| frame.neighbors.len() * 40).sum();
                self.memory.grow(held + 1024 * 96)?;
            }
        }
        Ok(false)
    }
}

impl Operator for VarLengthExpand {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            let (batch, types) = match self.batch.take() {
                Some(current) => current,
                None => {
                    let Some(batch) = self.input.next()? else { return Ok(None) };
                    self.row = 0;
                    (batch, super::type_tokens(self.cx.transaction(), &self.plan.types))
                }
            };
            let mut found = Found { rows: Vec::new(), lists: Vec::new(), ends: Vec::new() };
            while self.row < batch.row_count && found.rows.len() < BATCH_ROWS {
                let row = self.row;
                let search = match self.search.take() {
                    Some(search) => Some(search),
                    None => self.begin(&batch, row, &types, &mut found)?,
                };
                if let Some(mut search) = search
                    && !self.advance(&mut search, &batch, row, &types, &mut found)?
                {
                    self.search = Some(search);
                    break;
                }
                self.row += 1;
                // What deep paths held is free again.
                self.memory = Reservation::new(&self.cx.run);
            }
            let out = (!found.rows.is_empty()).then(|| {
                let mut out = batch.take(&found.rows);
                if self.plan.gives_relationships {
                    out.columns.push(Column::Values(found.lists.into()));
                }
                if self.plan.into.is_none() {
                    out.columns.push(Column::Values(found.ends.into()));
                }
                out
            });
            if self.row < batch.row_count {
                self.batch = Some((batch, types));
            }
            if out.is_some() {
                return Ok(out);
            }
        }
    }
}
