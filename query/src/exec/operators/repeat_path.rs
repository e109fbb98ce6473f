//! Quantified path patterns: repetitions of a subplan, depth first, no relationship twice in one path.
//!
//! The body is opened at a node and gives a row for each way to repeat the pattern once from there. The search keeps its own
//! stack of bodies in progress, and stops between batches wherever it stands.

use std::sync::Arc;

use rustc_hash::FxHashSet;
use sinew_storage::{NodeId, RelationshipId, Value};

use super::expand::{bound_ends, node_of, used_relationships};
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::{QueryError, Result};
use crate::exec::expr::{Local, PhysExpr, RowCx, RowRef};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

/// Where a value of one repetition is found.
#[derive(Clone, Copy, Debug)]
pub enum BodyValue {
    /// The node that the repetition begins at.
    Entry,
    /// A column of the body.
    Column(usize),
}

pub struct RepeatPathPlan {
    pub input: Arc<Node>,
    pub body: Arc<Node>,
    pub from: usize,
    pub into: Option<usize>,
    /// The body's outer row, over the input; the entry node is local 0.
    pub args: Vec<PhysExpr>,
    pub exit: BodyValue,
    /// Columns of the body, from left to right.
    pub relationships: Vec<usize>,
    pub groups: Vec<BodyValue>,
    pub backward: bool,
    pub min: u32,
    pub max: Option<u32>,
    pub distinct_from: Vec<usize>,
}

impl Physical for RepeatPathPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(RepeatPath { plan: self, input, cx: cx.clone(), batch: None, row: 0, search: None }))
    }

    fn describe(&self) -> String {
        let max = self.max.map_or(String::new(), |max| max.to_string());
        format!("Repeat Path {{{},{max}}}", self.min)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input, &self.body]
    }
}

/// A body in progress: the ways on from one node.
struct Frame {
    entry: NodeId,
    body: Box<dyn Operator>,
    batch: Option<Batch>,
    next: usize,
    held_bytes: usize,
}

/// One repetition on the current path.
struct Repetition {
    /// From left to right.
    relationships: Vec<Value>,
    ids: Vec<RelationshipId>,
    groups: Vec<Value>,
}

/// The search from one input row. `frames` is one longer than `path`, except when the path is as long as it may be.
struct Search {
    frames: Vec<Frame>,
    path: Vec<Repetition>,
    used: FxHashSet<RelationshipId>,
    to: Option<NodeId>,
    /// The path of no repetitions is still to be given, from here.
    empty_at: Option<NodeId>,
    memory: Reservation,
}

struct RepeatPath {
    plan: Arc<RepeatPathPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    batch: Option<Batch>,
    row: usize,
    search: Option<Search>,
}

/// Rows of one output batch.
struct Found {
    rows: Vec<u32>,
    groups: Vec<Vec<Value>>,
    relationships: Vec<Value>,
    ends: Vec<Value>,
}

impl Found {
    fn push(&mut self, row: usize, path: &[Repetition], end: NodeId, backward: bool) {
        /// In the order in which the pattern is written.
        fn ordered<'p>(path: &'p [Repetition], backward: bool) -> Box<dyn Iterator<Item = &'p Repetition> + 'p> {
            if backward { Box::new(path.iter().rev()) } else { Box::new(path.iter()) }
        }
        self.rows.push(row as u32);
        for (index, group) in self.groups.iter_mut().enumerate() {
            let values: Vec<Value> = ordered(path, backward).map(|step| step.groups[index].clone()).collect();
            group.push(Value::list(values));
        }
        let all: Vec<Value> = ordered(path, backward).flat_map(|step| step.relationships.iter().cloned()).collect();
        self.relationships.push(Value::list(all));
        self.ends.push(Value::Node(end));
    }
}

impl RepeatPath {
    fn frame(&self, batch: &Batch, row: usize, entry: NodeId) -> Result<Frame> {
        let value = Value::Node(entry);
        let local = Local { value: &value, parent: None };
        let cx = RowCx { cx: &self.cx, row: RowRef::Batch(batch, row), locals: Some(&local) };
        let outer = self.plan.args.iter().map(|arg| arg.eval(cx)).collect::<Result<Vec<_>>>()?;
        let body = self.plan.body.open(&self.cx.with_outer(outer))?;
        Ok(Frame { entry, body, batch: None, next: 0, held_bytes: 0 })
    }

    /// Starts the search of a row; None when there is nothing to search.
    fn begin(&self, batch: &Batch, row: usize) -> Result<Option<Search>> {
        let plan = &self.plan;
        let Some((from, to)) = bound_ends(batch, row, plan.from, plan.into)? else { return Ok(None) };
        let mut used = Vec::new();
        used_relationships(batch, row, &plan.distinct_from, &mut used);
        Ok(Some(Search {
            frames: vec![self.frame(batch, row, from)?],
            path: Vec::new(),
            used: used.into_iter().collect(),
            to,
            empty_at: (plan.min == 0).then_some(from),
            memory: Reservation::new(&self.cx.run),
        }))
    }

    /// The next row of a frame as a repetition, with the node it ends at; None when there is none left.
    fn repetition(&self, frame: &mut Frame, memory: &mut Reservation) -> Result<Option<(Repetition, NodeId)>> {
        let batch = loop {
            match &frame.batch {
                Some(batch) if frame.next < batch.row_count => break batch,
                _ => {}
            }
            memory.shrink(frame.held_bytes);
            frame.batch = frame.body.next()?;
            frame.next = 0;
            let Some(batch) = &frame.batch else {
                frame.held_bytes = 0;
                return Ok(None);
            };
            frame.held_bytes = batch.size_bytes();
            memory.grow(frame.held_bytes)?;
        };
        let row = frame.next;
        frame.next += 1;
        let value = |source: BodyValue| match source {
            BodyValue::Entry => Value::Node(frame.entry),
            BodyValue::Column(column) => batch.columns[column].value(row),
        };
        let Some(exit) = node_of(&value(self.plan.exit))? else {
            return Err(QueryError::internal("a repetition ends at no node"));
        };
        let mut ids = Vec::with_capacity(self.plan.relationships.len());
        let relationships: Vec<Value> = self.plan.relationships.iter().map(|c| batch.columns[*c].value(row)).collect();
        for relationship in &relationships {
            let Value::Relationship(relationship) = relationship else {
                return Err(QueryError::internal("a repetition without its relationship"));
            };
            ids.push(relationship.id);
        }
        let groups = self.plan.groups.iter().map(|source| value(*source)).collect();
        Ok(Some((Repetition { relationships, ids, groups }, exit)))
    }

    /// Goes on with a search until it ends (true) or the batch is full.
    fn advance(&self, search: &mut Search, batch: &Batch, row: usize, found: &mut Found) -> Result<bool> {
        let plan = &self.plan;
        if let Some(start) = search.empty_at.take()
            && search.to.is_none_or(|to| to == start)
        {
            found.push(row, &[], start, plan.backward);
        }
        while found.rows.len() < BATCH_ROWS {
            self.cx.check_cancel()?;
            let Some(frame) = search.frames.last_mut() else { return Ok(true) };
            let Some((repetition, exit)) = self.repetition(frame, &mut search.memory)? else {
                search.frames.pop();
                if let Some(repetition) = search.path.pop() {
                    repetition.ids.iter().for_each(|id| {
                        search.used.remove(id);
                    });
                    search.memory.shrink(repetition.size_bytes());
                }
                continue;
            };
            if repetition.ids.iter().any(|id| search.used.contains(id)) {
                continue;
            }
            let depth = u32::try_from(search.path.len() + 1).unwrap_or(u32::MAX);
            let goes_on = plan.max.is_none_or(|max| depth < max);
            let ends_here = depth >= plan.min && search.to.is_none_or(|to| to == exit);
            if !goes_on && !ends_here {
                continue;
            }
            search.memory.grow(repetition.size_bytes())?;
            search.used.extend(&repetition.ids);
            search.path.push(repetition);
            if ends_here {
                found.push(row, &search.path, exit, plan.backward);
            }
            if goes_on {
                let frame = self.frame(batch, row, exit)?;
                search.frames.push(frame);
            } else if let Some(repetition) = search.path.pop() {
                repetition.ids.iter().for_each(|id| {
                    search.used.remove(id);
                });
                search.memory.shrink(repetition.size_bytes());
            }
        }
        Ok(false)
    }
}

impl Repetition {
    fn size_bytes(&self) -> usize {
        let values = self.relationships.len() + self.groups.len();
        // Its frame's operators are the larger part.
        1024 + (values + self.ids.len()) * std::mem::size_of::<Value>()
    }
}

impl Operator for RepeatPath {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cx.check_cancel()?;
            let Some(batch) = super::batch_in_progress(&mut self.batch, &mut *self.input, &mut self.row)? else {
                return Ok(None);
            };
            let mut found = Found {
                rows: Vec::new(),
                groups: vec![Vec::new(); self.plan.groups.len()],
                relationships: Vec::new(),
                ends: Vec::new(),
            };
            while self.row < batch.row_count && found.rows.len() < BATCH_ROWS {
                let search = match self.search.take() {
                    Some(search) => Some(search),
                    None => self.begin(&batch, self.row)?,
                };
                if let Some(mut search) = search
                    && !self.advance(&mut search, &batch, self.row, &mut found)?
                {
                    self.search = Some(search);
                    break;
                }
                self.row += 1;
            }
            let out = (!found.rows.is_empty()).then(|| {
                let mut out = batch.take(&found.rows);
                let lists = found.groups.into_iter().chain([found.relationships]);
                out.columns.extend(lists.map(|list| Column::Values(list.into())));
                if self.plan.into.is_none() {
                    out.columns.push(Column::Values(found.ends.into()));
                }
                out
            });
            if self.row < batch.row_count {
                self.batch = Some(batch);
            }
            if out.is_some() {
                return Ok(out);
            }
        }
    }
}
