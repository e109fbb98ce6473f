//! `traverse`: breadth-first search from one node, each node once.
//!
//! Levels are two arrays: the frontier, whose nodes are being expanded, and what was found from it, which is given out
//! while the expansion goes on. Nodes are remembered in one set; nothing but the graph's topology is read.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow_array::Int64Array;
use rustc_hash::FxHashSet;
use sinew_storage::graph::{Direction, GraphReader};
use sinew_storage::{CancelToken, DataType, NodeId, RelationshipTypeId, Value};

use super::rows::{stream_of, types_of};
use super::search::choice;
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::context::ExecContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::RowStream;
use crate::functions::{FunctionRegistry, Param, TableFunction, args};

const DEFAULT_DEPTH: i64 = 3;
const MAX_DEPTH: i64 = 1_000_000;
/// Expanded nodes between two looks at the cancel token and the memory held.
const POLL_INTERVAL: usize = 256;
/// Rough size of a remembered node: the set's slot and control byte at its usual load.
const VISITED_BYTES: usize = 9;

/// Registers this module's functions.
pub(super) fn register(registry: &FunctionRegistry) {
    registry.register_table_function(Arc::new(Traverse::new()));
}

#[derive(Debug)]
struct Traverse {
    params: Vec<Param>,
    columns: Vec<(String, DataType)>,
}

impl Traverse {
    fn new() -> Traverse {
        let param = |name, ty, default| Param { name, ty, default };
        Traverse {
            params: vec![
                param("start_id", DataType::Int8, None),
                param("max_depth", DataType::Int4, Some(Value::Int(DEFAULT_DEPTH))),
                param("types", DataType::array_of(DataType::Text), Some(Value::Null)),
                param("direction", DataType::Text, Some(Value::text("out"))),
            ],
            columns: vec![
                ("node_id".to_owned(), DataType::Int8),
                ("depth".to_owned(), DataType::Int4),
                ("via_edge".to_owned(), DataType::Int8),
            ],
        }
    }
}

impl TableFunction for Traverse {
    fn name(&self) -> &str {
        "traverse"
    }

    fn description(&self) -> &str {
        "The nodes within a distance of a node, breadth first."
    }

    fn params(&self) -> &[Param] {
        &self.params
    }

    fn columns(&self) -> &[(String, DataType)] {
        &self.columns
    }

    fn call(&self, context: &ExecContext, args: &[Value]) -> Result<Box<dyn RowStream>> {
        let [start, max_depth, types, direction] = args else {
            return Err(QueryError::internal(format!("traverse has 4 arguments, not {}", args.len())));
        };
        let max_depth = if max_depth.is_null() { DEFAULT_DEPTH } else { args::int(max_depth)? };
        if !(0..=MAX_DEPTH).contains(&max_depth) {
            return Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                format!("max_depth must be between 0 and {MAX_DEPTH}, it is {max_depth}"),
            ));
        }
        let choices = [("out", Direction::Outgoing), ("in", Direction::Incoming), ("both", Direction::Both)];
        let direction = choice("direction", direction, &choices)?;
        let types = match types {
            Value::Null => None,
            names => Some(known_types(context, names)?),
        };
        let reader = context.transaction.graph_reader();
        let start = if start.is_null() { None } else { u64::try_from(args::int(start)?).ok() };
        let Some(start) = start.filter(|start| reader.node_exists(NodeId(*start))) else {
            return Ok(stream_of(types_of(&self.columns), Vec::new(), context.cancel.clone()));
        };
        // Types were named and none exists: there is nothing to follow, whereas an empty list would mean all types.
        let follows = types.as_ref().is_none_or(|types| !types.is_empty());
        Ok(Box::new(TraverseStream {
            reader,
            cancel: context.cancel.clone(),
            memory_limit_bytes: context.memory_limit_bytes,
            direction,
            types: types.unwrap_or_default(),
            max_depth: if follows { max_depth } else { 0 },
            visited: FxHashSet::from_iter([start]),
            frontier: Vec::new(),
            expanded: 0,
            found: vec![(start, None)],
            emitted: 0,
            depth: 0,
        }))
    }

    fn estimated_rows(&self) -> f64 {
        1_000.0
    }
}

/// Tokens of the names that are known.
fn known_types(context: &ExecContext, names: &Value) -> Result<Vec<RelationshipTypeId>> {
    let names = args::texts(names)?;
    Ok(names.iter().filter_map(|name| context.transaction.relationship_type_id(name)).collect())
}

struct TraverseStream {
    reader: GraphReader,
    cancel: CancelToken,
    memory_limit_bytes: usize,
    direction: Direction,
    /// Empty: all.
    types: Vec<RelationshipTypeId>,
    max_depth: i64,
    visited: FxHashSet<u64>,
    /// Nodes at `depth - 1`; those before `expanded` are done.
    frontier: Vec<(u64, Option<u64>)>,
    expanded: usize,
    /// Nodes at `depth` with the relationship that led to them; those before `emitted` were given out.
    found: Vec<(u64, Option<u64>)>,
    emitted: usize,
    depth: i64,
}

impl TraverseStream {
    fn pending(&self) -> usize {
        self.found.len() - self.emitted
    }

    /// Expands frontier nodes until a batch is full or none is left.
    fn expand(&mut self) -> Result<()> {
        let TraverseStream { reader, visited, found, types, .. } = self;
        while self.expanded < self.frontier.len() && found.len() - self.emitted < BATCH_ROWS {
            if self.expanded.is_multiple_of(POLL_INTERVAL) {
                self.cancel.check()?;
            }
            let (node, _) = self.frontier[self.expanded];
            self.expanded += 1;
            reader.for_each_neighbor(NodeId(node), self.direction, types, |neighbor| {
                if visited.insert(neighbor.node.0) {
                    found.push((neighbor.node.0, Some(neighbor.relationship.0)));
                }
                ControlFlow::Continue(())
            });
        }
        self.check_memory()
    }

    fn check_memory(&self) -> Result<()> {
        let entries = self.frontier.capacity() + self.found.capacity();
        let held = self.visited.capacity() * VISITED_BYTES + entries * size_of::<(u64, Option<u64>)>();
        if held > self.memory_limit_bytes {
            return Err(QueryError::new(
                sqlstate::OUT_OF_MEMORY,
                format!("traverse reached {} nodes, more than the statement's memory holds", self.visited.len()),
            )
            .hint("lower max_depth, name types, or raise the memory limit"));
        }
        Ok(())
    }

    fn emit(&mut self) -> Batch {
        let end = self.found.len().min(self.emitted + BATCH_ROWS);
        let rows = &self.found[self.emitted..end];
        self.emitted = end;
        let nodes = Int64Array::from_iter_values(rows.iter().map(|row| row.0 as i64));
        let depths = Int64Array::from_iter_values(rows.iter().map(|_| self.depth));
        let edges: Int64Array = rows.iter().map(|row| row.1.map(|edge| edge as i64)).collect();
        let columns = vec![Column::Int(nodes), Column::Int(depths), Column::Int(edges)];
        Batch::new(columns, rows.len())
    }
}

impl RowStream for TraverseStream {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        loop {
            self.cancel.check()?;
            let complete = self.expanded == self.frontier.len();
            if self.pending() >= BATCH_ROWS || (complete && self.pending() > 0) {
                return Ok(Some(self.emit()));
            }
            if !complete {
                self.expand()?;
                continue;
            }
            if self.found.is_empty() || self.depth >= self.max_depth {
                return Ok(None);
            }
            self.frontier = std::mem::take(&mut self.found);
            (self.expanded, self.emitted) = (0, 0);
            self.depth += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::system::search::tests::{begin, context, rows_of, store};

    fn traverse(context: &ExecContext, args: [Value; 4]) -> Result<Vec<Vec<Value>>> {
        rows_of(&Traverse::new(), context, &args)
    }

    fn call(
        context: &ExecContext,
        start: NodeId,
        depth: i64,
        types: Option<&[&str]>,
        direction: &str,
    ) -> Vec<(i64, i64)> {
        let types =
            types.map_or(Value::Null, |names| Value::list(names.iter().map(|name| Value::text(*name)).collect()));
        let args = [Value::Int(start.0 as i64), Value::Int(depth), types, Value::text(direction)];
        let rows = traverse(context, args).unwrap();
        rows.iter().map(|row| (row[0].as_int().unwrap(), row[1].as_int().unwrap())).collect()
    }

    #[test]
    fn levels_types_and_directions() {
        let store = store();
        let context = context(begin(&store));
        let transaction = &context.transaction;
        let (knows, likes) = (
            transaction.ensure_relationship_type("KNOWS").unwrap(),
            transaction.ensure_relationship_type("LIKES").unwrap(),
        );
        let n: Vec<NodeId> = (0..5).map(|_| transaction.create_node(&[], Vec::new()).unwrap()).collect();
        let edges = [(knows, 0, 1), (knows, 1, 2), (likes, 0, 3), (knows, 2, 0), (knows, 4, 4)];
        let ids: Vec<_> = edges
            .iter()
            .map(|(ty, from, to)| transaction.create_relationship(*ty, n[*from], n[*to], Vec::new()).unwrap())
            .collect();
        let id = |at: usize| n[at].0 as i64;
        assert_eq!(call(&context, n[0], 3, None, "out"), vec![(id(0), 0), (id(1), 1), (id(3), 1), (id(2), 2)]);
        assert_eq!(call(&context, n[0], 1, None, "OUT"), vec![(id(0), 0), (id(1), 1), (id(3), 1)]);
        assert_eq!(call(&context, n[0], 0, None, "out"), vec![(id(0), 0)]);
        assert_eq!(call(&context, n[0], 1, None, "in"), vec![(id(0), 0), (id(2), 1)]);
        assert_eq!(call(&context, n[0], 1, Some(&["LIKES", "NOPE"]), "both"), vec![(id(0), 0), (id(3), 1)]);
        assert_eq!(call(&context, n[0], 9, Some(&["NOPE"]), "out"), vec![(id(0), 0)], "unknown types give no edges");
        assert_eq!(call(&context, n[0], 9, Some(&[]), "out"), vec![(id(0), 0)], "no types give no edges");
        assert_eq!(call(&context, n[4], 3, None, "both"), vec![(id(4), 0)], "a loop leads nowhere new");
        let start = [Value::Int(id(0)), Value::Int(1), Value::Null, Value::Null];
        let rows = traverse(&context, start).unwrap();
        assert_eq!(rows[0][2], Value::Null);
        assert_eq!(rows[1][2], Value::Int(ids[0].0 as i64));
        for missing in [Value::Int(999), Value::Int(-1), Value::Null] {
            assert!(traverse(&context, [missing, Value::Int(3), Value::Null, Value::Null]).unwrap().is_empty());
        }
    }

    #[test]
    fn wrong_arguments_are_refused() {
        let store = store();
        let context = context(begin(&store));
        let code = |depth: i64, direction: &str| {
            let args = [Value::Int(0), Value::Int(depth), Value::Null, Value::text(direction)];
            traverse(&context, args).unwrap_err().sqlstate()
        };
        assert_eq!(code(-1, "out"), "22023");
        assert_eq!(code(1_000_001, "out"), "22023");
        assert_eq!(code(1, "up"), "22023");
    }

    #[test]
    fn agrees_with_a_plain_search_over_batches() {
        let store = store();
        let context = context(begin(&store));
        let transaction = &context.transaction;
        let ty = transaction.ensure_relationship_type("R").unwrap();
        let mut random = StdRng::seed_from_u64(7);
        let count = 6_000;
        let nodes: Vec<NodeId> = (0..count).map(|_| transaction.create_node(&[], Vec::new()).unwrap()).collect();
        let mut edges = Vec::new();
        // A hub of several batches, and a sparse rest.
        edges.extend((1..3_000).map(|to| (0, to)));
        edges.extend((0..5_000).map(|_| (random.random_range(0..count), random.random_range(0..count))));
        let mut next: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (from, to) in edges {
            transaction.create_relationship(ty, nodes[from], nodes[to], Vec::new()).unwrap();
            next.entry(from).or_default().push(to);
        }
        let mut expected: BTreeMap<usize, i64> = BTreeMap::from([(0, 0)]);
        let mut queue = VecDeque::from([0]);
        while let Some(node) = queue.pop_front() {
            for to in next.get(&node).into_iter().flatten() {
                if !expected.contains_key(to) {
                    expected.insert(*to, expected[&node] + 1);
                    queue.push_back(*to);
                }
            }
        }
        for max_depth in [1, 2, 1_000] {
            let found = call(&context, nodes[0], max_depth, None, "out");
            assert!(found.is_sorted_by_key(|row| row.1), "breadth first");
            let wanted: BTreeMap<i64, i64> = expected
                .iter()
                .filter(|(_, depth)| **depth <= max_depth)
                .map(|(at, depth)| (nodes[*at].0 as i64, *depth))
                .collect();
            assert_eq!(found.len(), wanted.len());
            assert_eq!(found.into_iter().collect::<BTreeMap<_, _>>(), wanted);
        }
    }

    #[test]
    fn memory_and_cancel_stop_it() {
        let store = store();
        let mut context = context(begin(&store));
        let ty = context.transaction.ensure_relationship_type("R").unwrap();
        let nodes: Vec<NodeId> =
            (0..2_000).map(|_| context.transaction.create_node(&[], Vec::new()).unwrap()).collect();
        for pair in nodes.windows(2) {
            context.transaction.create_relationship(ty, pair[0], pair[1], Vec::new()).unwrap();
        }
        let args = [Value::Int(nodes[0].0 as i64), Value::Int(10_000), Value::Null, Value::Null];
        assert_eq!(traverse(&context, args.clone()).unwrap().len(), 2_000);
        context.memory_limit_bytes = 1_000;
        assert_eq!(traverse(&context, args.clone()).unwrap_err().sqlstate(), "53200");
        context.memory_limit_bytes = 1 << 30;
        let mut stream = Traverse::new().call(&context, &args).unwrap();
        context.cancel.cancel();
        assert_eq!(stream.next_batch().unwrap_err().sqlstate(), "57014");
    }
}
