//! Shortest paths between two bound nodes: bidirectional breadth-first search.
//!
//! Two frontiers grow towards each other, the smaller one a level at a time, until a node has been reached from both
//! sides; after complete levels of depth f and b that first happens at the shortest length f + b. Each shortest path
//! crosses the forward frontier of depth f exactly once, so the paths are the products of the ways from the start to such
//! a node and from it to the end, given one at a time. Asking for a minimum above one, or for a way from a node to itself,
//! is another problem (a longer path need not contain a shortest one): it is answered by depth-first search with growing
//! depth.

use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sinew_storage::graph::{Direction, Neighbor};
use sinew_storage::{NodeId, RelationshipId, RelationshipRef, RelationshipTypeId, Value};

use super::expand::{bound_ends, describe_step, relationship_of};
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::{Local, PhysExpr, RowCx, RowRef, path_along};
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
    /// Over the input; the path is local 0, the list of its relationships local 1.
    pub path_filter: Option<PhysExpr>,
    /// Upper bounds of the length, over the input; whether each excludes its value.
    pub length_bounds: Vec<(PhysExpr, bool)>,
}

impl Physical for ShortestPathPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(ShortestPath { plan: self, input, cx: cx.clone(), batch: None, row: 0, search: None }))
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
    /// The paths of the row before `row` that are not given yet.
    search: Option<Search>,
}

/// The paths of one row, found one at a time: there may be more of them than fit in memory.
struct Search {
    from: NodeId,
    to: NodeId,
    max: Option<u32>,
    paths: Paths,
    /// A path was found for which everything holds, so longer ones are not asked for.
    found: bool,
    memory: Reservation,
}

enum Paths {
    /// The path of no relationships, if it is not given yet.
    Empty(Option<Path>),
    Meeting(Meeting),
    Deepening(Deepening),
    Exhausted,
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

/// Ways from a node back to the start of a side, one at a time, each listed from the node.
struct Ways {
    /// Nodes of the way so far, each with the number of its steps already tried.
    frames: Vec<(NodeId, usize)>,
    path: Path,
}

impl Ways {
    fn from(node: NodeId) -> Ways {
        Ways { frames: vec![(node, 0)], path: Path::new() }
    }

    /// Goes to the next way, which `path` is then; false when there is none.
    fn advance(&mut self, side: &Side) -> bool {
        while let Some((node, tried)) = self.frames.last_mut() {
            let steps = side.reached.get(node).map_or(&[][..], |(_, steps)| steps);
            let step = steps.get(*tried).copied();
            *tried += 1;
            if let Some((relationship, previous)) = step {
                self.path.push(relationship);
                self.frames.push((previous, 0));
            } else if steps.is_empty() && *tried == 1 {
                // Only the start has no steps.
                return true;
            } else {
                self.frames.pop();
                self.path.pop();
            }
        }
        false
    }
}

/// Two sides that met: each path is a way to a node where they did and one on from there.
struct Meeting {
    forward: Side,
    backward: Side,
    /// Nodes not begun yet, last first.
    nodes: Vec<NodeId>,
    /// The node that ways lead over at the moment, with the ways to it and on from it.
    current: Option<(NodeId, Ways, Ways)>,
}

impl Meeting {
    fn next_path(&mut self) -> Option<Path> {
        loop {
            if let Some((node, heads, tails)) = &mut self.current {
                if tails.advance(&self.backward) {
                    return Some(heads.path.iter().rev().chain(&tails.path).copied().collect());
                }
                if heads.advance(&self.forward) {
                    *tails = Ways::from(*node);
                    continue;
                }
            }
            let node = self.nodes.pop()?;
            let mut heads = Ways::from(node);
            heads.advance(&self.forward);
            self.current = Some((node, heads, Ways::from(node)));
        }
    }
}

type DeepeningFrame = (NodeId, Vec<Neighbor>, usize);

/// Depth-first search for paths of exactly `length`, which grows until there are some.
struct Deepening {
    length: u32,
    /// The nodes of the path so far, with the steps from each and the number of those tried.
    frames: Vec<DeepeningFrame>,
    path: Path,
    used: FxHashSet<RelationshipId>,
    /// Some path could be longer.
    deeper: bool,
}

struct Finder<'a> {
    plan: &'a ShortestPathPlan,
    cx: &'a Cx,
    batch: &'a Batch,
    row: usize,
    types: &'a [RelationshipTypeId],
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
    fn grow(&self, side: &mut Side, other: &Side, memory: &mut Reservation) -> Result<bool> {
        let depth = side.depth + 1;
        let mut next = Vec::new();
        let mut met = false;
        let mut step_count = 0;
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
                // Any one step will do when every path of this length would.
                if self.plan.all || self.plan.path_filter.is_some() || entry.1.is_empty() {
                    entry.1.push((relationship, node));
                    step_count += 1;
                }
                met |= other.reached.contains_key(&neighbor.node);
            }
        }
        memory.grow(next.len() * 128 + step_count * size_of::<(RelationshipRef, NodeId)>())?;
        side.frontier = next;
        side.depth = depth;
        Ok(met)
    }

    fn bidirectional(&self, from: NodeId, to: NodeId, max: Option<u32>, memory: &mut Reservation) -> Result<Paths> {
        let mut forward = Side::new(from, self.plan.direction);
        let mut backward = Side::new(to, reverse(self.plan.direction));
        loop {
            let length = forward.depth + backward.depth;
            if max.is_some_and(|max| length >= max) || forward.frontier.is_empty() || backward.frontier.is_empty() {
                return Ok(Paths::Exhausted);
            }
            let met = if forward.frontier.len() <= backward.frontier.len() {
                self.grow(&mut forward, &backward, memory)?
            } else {
                self.grow(&mut backward, &forward, memory)?
            };
            if met {
                break;
            }
        }
        let mut nodes: Vec<NodeId> = forward
            .reached
            .iter()
            .filter(|(node, (depth, _))| {
                *depth == forward.depth && backward.reached.get(node).is_some_and(|(depth, _)| *depth == backward.depth)
            })
            .map(|(node, _)| *node)
            .collect();
        nodes.sort_unstable_by(|a, b| b.cmp(a));
        Ok(Paths::Meeting(Meeting { forward, backward, nodes, current: None }))
    }

    fn deepening(&self, from: NodeId, length: u32, memory: &mut Reservation) -> Result<Deepening> {
        let frames = vec![self.frame(from, memory)?];
        Ok(Deepening { length, frames, path: Path::new(), used: FxHashSet::default(), deeper: false })
    }

    fn begin(&self, from: NodeId, to: NodeId) -> Result<Search> {
        let mut memory = Reservation::new(&self.cx.run);
        let mut max = self.plan.max;
        for (bound, exclusive) in &self.plan.length_bounds {
            let bound = bound.eval(RowCx { cx: self.cx, row: RowRef::Batch(self.batch, self.row), locals: None })?;
            let Some(bound) = longest(&bound, *exclusive) else { continue };
            if bound < 0 {
                // No path is short enough, not even the one of no relationships.
                return Ok(Search { from, to, max, paths: Paths::Exhausted, found: false, memory });
            }
            let bound = u32::try_from(bound).unwrap_or(u32::MAX);
            max = Some(max.map_or(bound, |max| max.min(bound)));
        }
        let paths = if from == to && self.plan.min == 0 {
            Paths::Empty(Some(Path::new()))
        } else if from == to || self.plan.min > 1 {
            Paths::Deepening(self.deepening(from, self.plan.min.max(1), &mut memory)?)
        } else {
            self.bidirectional(from, to, max, &mut memory)?
        };
        Ok(Search { from, to, max, paths, found: false, memory })
    }

    fn holds(&self, from: NodeId, path: &Path) -> Result<bool> {
        let Some(filter) = &self.plan.path_filter else { return Ok(true) };
        let relationships = Value::list(path.iter().map(|step| Value::Relationship(*step)).collect());
        let relationships = Local { value: &relationships, parent: None };
        let path = path_along(from, path)?;
        let path = Local { value: &path, parent: Some(&relationships) };
        filter.holds(RowCx { cx: self.cx, row: RowRef::Batch(self.batch, self.row), locals: Some(&path) })
    }

    /// The next path of the shortest length that has any for which everything holds; only the first when not all are
    /// asked for.
    fn next_path(&self, search: &mut Search) -> Result<Option<Path>> {
        loop {
            self.cx.check_cancel()?;
            let path = match &mut search.paths {
                Paths::Empty(path) => path.take(),
                Paths::Meeting(meeting) => meeting.next_path(),
                Paths::Deepening(deepening) => self.path_of_length(deepening, search.to, &mut search.memory)?,
                Paths::Exhausted => return Ok(None),
            };
            if let Some(path) = path {
                if self.holds(search.from, &path)? {
                    search.found = true;
                    if !self.plan.all {
                        search.paths = Paths::Exhausted;
                    }
                    return Ok(Some(path));
                }
                continue;
            }
            let length = match &search.paths {
                _ if search.found => None,
                Paths::Empty(_) => Some(1),
                Paths::Meeting(meeting) => Some(meeting.forward.depth + meeting.backward.depth + 1),
                Paths::Deepening(deepening) => deepening.deeper.then_some(deepening.length + 1),
                Paths::Exhausted => None,
            };
            search.paths = match length {
                Some(length) if search.max.is_none_or(|max| length <= max) => {
                    Paths::Deepening(self.deepening(search.from, length, &mut search.memory)?)
                }
                _ => Paths::Exhausted,
            };
        }
    }

    fn frame(&self, node: NodeId, memory: &mut Reservation) -> Result<DeepeningFrame> {
        let neighbors = self.neighbors(node, self.plan.direction)?;
        memory.grow(neighbors.len() * size_of::<Neighbor>())?;
        Ok((node, neighbors, 0))
    }

    /// The next path of exactly the length searched for.
    fn path_of_length(&self, search: &mut Deepening, to: NodeId, memory: &mut Reservation) -> Result<Option<Path>> {
        let mut count = 0_u32;
        while let Some((node, neighbors, next)) = search.frames.last_mut() {
            count = count.wrapping_add(1);
            if count.is_multiple_of(4096) {
                self.cx.check_cancel()?;
            }
            let Some(neighbor) = neighbors.get(*next).copied() else {
                memory.shrink(neighbors.len() * size_of::<Neighbor>());
                search.frames.pop();
                if let Some(relationship) = search.path.pop() {
                    search.used.remove(&relationship.id);
                }
                continue;
            };
            *next += 1;
            let relationship = relationship_of(*node, &neighbor);
            if search.used.contains(&relationship.id) || !self.passes(relationship)? {
                continue;
            }
            if search.path.len() + 1 == search.length as usize {
                search.deeper = true;
                if neighbor.node == to {
                    return Ok(Some(search.path.iter().copied().chain([relationship]).collect()));
                }
                continue;
            }
            search.path.push(relationship);
            search.used.insert(relationship.id);
            search.frames.push(self.frame(neighbor.node, memory)?);
        }
        Ok(None)
    }
}

/// The longest length within a bound.
fn longest(bound: &Value, exclusive: bool) -> Option<i64> {
    match bound {
        Value::Int(bound) => Some(bound.saturating_sub(i64::from(exclusive))),
        Value::Float(bound) if exclusive => Some((bound.ceil() as i64).saturating_sub(1)),
        Value::Float(bound) => Some(bound.floor() as i64),
        _ => None,
    }
}

impl ShortestPath {
    /// Starts the search of a row; None when there is nothing to search.
    fn begin(&self, batch: &Batch, row: usize, types: &Option<Vec<RelationshipTypeId>>) -> Result<Option<Search>> {
        let plan = &self.plan;
        let Some((from, Some(to))) = bound_ends(batch, row, plan.from, Some(plan.to))? else { return Ok(None) };
        let Some(types) = types else {
            // Without a relationship of the types there is only the path of none.
            let memory = Reservation::new(&self.cx.run);
            let paths = Paths::Empty(Some(Path::new()));
            let search = Search { from, to, max: Some(0), paths, found: false, memory };
            return Ok((from == to && plan.min == 0).then_some(search));
        };
        Finder { plan, cx: &self.cx, batch, row, types }.begin(from, to).map(Some)
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
            while rows.len() < BATCH_ROWS {
                if let Some(search) = &mut self.search {
                    let row = self.row - 1;
                    let types = types.as_deref().unwrap_or_default();
                    let finder = Finder { plan: &self.plan, cx: &self.cx, batch: &batch, row, types };
                    match finder.next_path(search)? {
                        Some(path) => {
                            rows.push(row as u32);
                            lists.push(Value::list(path.into_iter().map(Value::Relationship).collect()));
                        }
                        None => self.search = None,
                    }
                } else if self.row < batch.row_count {
                    self.search = self.begin(&batch, self.row, &types)?;
                    self.row += 1;
                } else {
                    break;
                }
            }
            let out = (!rows.is_empty()).then(|| {
                let mut out = batch.take(&rows);
                out.columns.push(Column::Values(lists.into()));
                out
            });
            if self.row < batch.row_count || self.search.is_some() {
                self.batch = Some((batch, types));
            }
            if out.is_some() {
                return Ok(out);
            }
        }
    }
}
