//! Shortest paths between two bound nodes: bidirectional breadth-first search.
//!
//! Two frontiers grow towards each other, the smaller one a level at a time, until a node has been reached from both
//! sides; after complete levels of depth f and b that first happens at the shortest length f + b. Each shortest path
//! crosses the forward frontier of depth f exactly once, so the paths are the products of the ways from the start to such
//! a node and from it to the end. Asking for a minimum above one, or for a way from a node to itself, is another problem
//! (a longer path need not contain a shortest one): it is answered by depth-first search with growing depth.

use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sinew_storage::graph::{Direction, Neighbor};
use sinew_storage::{NodeId, RelationshipId, RelationshipRef, RelationshipTypeId, Value};

use super::expand::{describe_step, node_of, relationship_of};
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::{Local, PhysExpr, RowCx, RowRef};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

pub struct ShortestPathPlan {
    pub input: Arc<Node>,
    pub from: usize,
    pub to: usize,
    pub direction: Direction,
    pub types: Vec<Arc<str>>,
    pub min: u32,
    pub max: Option<u32>,
    pub all: bool,
    /// Over the input; the relationship is local 0.
    pub step_filter: Option<PhysExpr>,
}

impl Physical for ShortestPathPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(ShortestPath { plan: self, input, cx: cx.clone(), batch: None, row: 0, paths: Vec::new() }))
    }

    fn describe(&self) -> String {
        let name = if self.all { "All Shortest Paths" } else { "Shortest Path" };
        describe_step(name, self.direction, &self.types)
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

type Path = Vec<RelationshipRef>;

struct ShortestPath {
    plan: Arc<ShortestPathPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    batch: Option<(Batch, Option<Vec<RelationshipTypeId>>)>,
    row: usize,
    /// Paths of the row before `row` not given yet, last first.
    paths: Vec<Path>,
}

/// One direction of the search: for each node reached, its depth and the steps that reach it from the level before.
struct Side {
    reached: FxHashMap<NodeId, (u32, Vec<(RelationshipRef, NodeId)>)>,
    frontier: Vec<NodeId>,
    depth: u32,
    direction: Direction,
}

impl Side {
    fn new(start: NodeId, direction: Direction) -> Side {
        let mut reached = FxHashMap::default();
        reached.insert(start, (0, Vec::new()));
        Side { reached, frontier: vec![start], depth: 0, direction }
    }
}

fn reverse(direction: Direction) -> Direction {
    match direction {
        Direction::Outgoing => Direction::Incoming,
        Direction::Incoming => Direction::Outgoing,
        Direction::Both => Direction::Both,
    }
}

struct Finder<'a> {
    plan: &'a ShortestPathPlan,
    cx: &'a Cx,
    batch: &'a Batch,
    row: usize,
    types: &'a [RelationshipTypeId],
    memory: Reservation,
}

impl Finder<'_> {
    fn passes(&self, relationship: RelationshipRef) -> Result<bool> {
        let Some(filter) = &self.plan.step_filter else { return Ok(true) };
        let value = Value::Relationship(relationship);
        let local = Local { value: &value, parent: None };
        filter.holds(RowCx { cx: self.cx, row: RowRef::Batch(self.batch, self.row), locals: Some(&local) })
    }

    fn neighbors(&self, node: NodeId, direction: Direction) -> Result<Vec<Neighbor>> {
        let mut neighbors = Vec::new();
        self.cx.transaction().for_each_neighbor(node, direction, self.types, &mut |neighbor| {
            neighbors.push(neighbor);
            ControlFlow::Continue(())
        })?;
        Ok(neighbors)
    }

    /// Grows one side by a level; whether it met the other.
    fn grow(&mut self, side: &mut Side, other: &Side) -> Result<bool> {
        let depth = side.depth + 1;
        let mut next = Vec::new();
        let mut met = false;
        for (count, node) in std::mem::take(&mut side.frontier).into_iter().enumerate() {
            if count % 256 == 0 {
                self.cx.check_cancel()?;
            }
            for neighbor in self.neighbors(node, side.direction)? {
                let relationship = relationship_of(node, &neighbor);
                let known = side.reached.get(&neighbor.node).map(|(depth, _)| *depth);
                if known.is_some_and(|known| known < depth) || !self.passes(relationship)? {
                    continue;
                }
                let entry = side.reached.entry(neighbor.node).or_insert_with(|| {
                    next.push(neighbor.node);
                    (depth, Vec::new())
                });
                if self.plan.all || entry.1.is_empty() {
                    entry.1.push((relationship, node));
                }
                met |= other.reached.contains_key(&neighbor.node);
            }
        }
        self.memory.grow(next.len() * 128)?;
        side.frontier = next;
        side.depth = depth;
        Ok(met)
    }

    fn bidirectional(&mut self, from: NodeId, to: NodeId) -> Result<Vec<Path>> {
        let mut forward = Side::new(from, self.plan.direction);
        let mut backward = Side::new(to, reverse(self.plan.direction));
        loop {
            let length = forward.depth + backward.depth;
            if self.plan.max.is_some_and(|max| length >= max)
                || forward.frontier.is_empty()
                || backward.frontier.is_empty()
            {
                return Ok(Vec::new());
            }
            let met = if forward.frontier.len() <= backward.frontier.len() {
                self.grow(&mut forward, &backward)?
            } else {
                self.grow(&mut backward, &forward)?
            };
            if met {
                break;
            }
        }
        let mut meeting: Vec<NodeId> = forward
            .reached
            .iter()
            .filter(|(node, (depth, _))| {
                *depth == forward.depth && backward.reached.get(node).is_some_and(|(depth, _)| *depth == backward.depth)
            })
            .map(|(node, _)| *node)
            .collect();
        meeting.sort_unstable();
        let mut paths = Vec::new();
        for node in meeting {
            let mut heads = Vec::new();
            self.ways(&forward, node, &mut heads)?;
            let mut tails = Vec::new();
            self.ways(&backward, node, &mut tails)?;
            for head in &heads {
                for tail in &tails {
                    // Ways are listed from the meeting node outwards.
                    let path: Path = head.iter().rev().chain(tail.iter()).copied().collect();
                    self.memory.grow(path.len() * size_of::<RelationshipRef>() + 48)?;
                    paths.push(path);
                    if !self.plan.all {
                        return Ok(paths);
                    }
                }
            }
        }
        Ok(paths)
    }

    /// All ways from a node back to the start of a side, each listed from the node.
    fn ways(&mut self, side: &Side, node: NodeId, out: &mut Vec<Path>) -> Result<()> {
        let mut stack: Vec<(NodeId, Path)> = vec![(node, Vec::new())];
        while let Some((node, path)) = stack.pop() {
            self.cx.check_cancel()?;
            let Some((depth, steps)) = side.reached.get(&node) else { continue };
            if *depth == 0 {
                self.memory.grow(path.len() * size_of::<RelationshipRef>() + 48)?;
                out.push(path);
                if !self.plan.all {
                    return Ok(());
                }
                continue;
            }
            for (relationship, previous) in steps.iter().rev() {
                let mut longer = path.clone();
                longer.push(*relationship);
                stack.push((*previous, longer));
            }
        }
        Ok(())
    }

    /// Shortest paths of at least `min` relationships, by depth-first search with a growing depth.
    fn deepening(&mut self, from: NodeId, to: NodeId) -> Result<Vec<Path>> {
        let mut depth = self.plan.min.max(1);
        loop {
            if self.plan.max.is_some_and(|max| depth > max) {
                return Ok(Vec::new());
            }
            let mut paths = Vec::new();
            let deeper = self.paths_of_length(from, to, depth, &mut paths)?;
            if !paths.is_empty() || !deeper {
                return Ok(paths);
            }
            depth += 1;
        }
    }

    /// Paths of exactly `length`; whether any path could be longer.
    fn paths_of_length(&mut self, from: NodeId, to: NodeId, length: u32, out: &mut Vec<Path>) -> Result<bool> {
        let mut frames = vec![(from, self.neighbors(from, self.plan.direction)?, 0_usize)];
        let mut path: Path = Vec::new();
        let mut used: FxHashSet<RelationshipId> = FxHashSet::default();
        let mut deeper = false;
        let mut count = 0_u32;
        while let Some((node, neighbors, next)) = frames.last_mut() {
            count = count.wrapping_add(1);
            if count.is_multiple_of(4096) {
                self.cx.check_cancel()?;
            }
            let Some(neighbor) = neighbors.get(*next).copied() else {
                frames.pop();
                if let Some(relationship) = path.pop() {
                    used.remove(&relationship.id);
                }
                continue;
            };
            *next += 1;
            let relationship = relationship_of(*node, &neighbor);
            if used.contains(&relationship.id) || !self.passes(relationship)? {
                continue;
            }
            if path.len() + 1 == length as usize {
                deeper = true;
                if neighbor.node == to {
                    let mut found = path.clone();
                    found.push(relationship);
                    self.memory.grow(found.len() * size_of::<RelationshipRef>() + 48)?;
                    out.push(found);
                    if !self.plan.all {
                        return Ok(deeper);
                    }
                }
                continue;
            }
            path.push(relationship);
            used.insert(relationship.id);
            let neighbors = self.neighbors(neighbor.node, self.plan.direction)?;
            frames.push((neighbor.node, neighbors, 0));
        }
        Ok(deeper)
    }
}

impl ShortestPath {
    fn find(&self, batch: &Batch, row: usize, types: &Option<Vec<RelationshipTypeId>>) -> Result<Vec<Path>> {
        let plan = &self.plan;
        let (Some(from), Some(to)) =
            (node_of(&batch.columns[plan.from].value(row))?, node_of(&batch.columns[plan.to].value(row))?)
        else {
            return Ok(Vec::new());
        };
        if from == to && plan.min == 0 {
            return Ok(vec![Vec::new()]);
        }
        let Some(types) = types else { return Ok(Vec::new()) };
        let mut finder = Finder { plan, cx: &self.cx, batch, row, types, memory: Reservation::new(&self.cx.run) };
        if from == to || plan.min > 1 { finder.deepening(from, to) } else { finder.bidirectional(from, to) }
    }
}

impl Operator for ShortestPath {
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
            let (mut rows, mut lists): (Vec<u32>, Vec<Value>) = (Vec::new(), Vec::new());
            loop {
                while rows.len() < BATCH_ROWS {
                    let Some(path) = self.paths.pop() else { break };
                    rows.push((self.row - 1) as u32);
                    lists.push(Value::list(path.into_iter().map(Value::Relationship).collect()));
                }
                if rows.len() >= BATCH_ROWS || self.row >= batch.row_count {
                    break;
                }
                self.paths = self.find(&batch, self.row, &types)?;
                self.paths.reverse();
                self.row += 1;
            }
            let out = (!rows.is_empty()).then(|| {
                let mut out = batch.take(&rows);
                out.columns.push(Column::Values(lists.into()));
                out
            });
            if self.row < batch.row_count || !self.paths.is_empty() {
                self.batch = Some((batch, types));
            }
            if out.is_some() {
                return Ok(out);
            }
        }
    }
}
