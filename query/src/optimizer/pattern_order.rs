//! Where a pattern starts and in which order it expands.
//!
//! A chain of expansions over one node scan is a small graph: its nodes are variables, its edges expansions. The rule
//! collects the chain with the filters inside it, starts at the node with the fewest expected rows (an index, a rare label),
//! and expands edges whose ends are bound first. Edges walked against their drawn direction are flipped. Chains with
//! variable-length parts are left as drawn, because the order of their relationship lists is part of the answer.

use std::sync::Arc;

use sinew_storage::Transaction;
use sinew_storage::graph::Direction;

use super::{filter_pushdown, filtered, for_each_subquery, node_access, statistics, visit};
use crate::algebra::*;
use crate::cypher::functions::function_call;
use crate::error::Result;

/// A relationship that is looked up costs about as much as reading this many nodes in order.
const RELATIONSHIP_COST_ROWS: f64 = 8.0;

/// Top down: a chain is taken whole, not from its middle.
pub(super) fn rewrite(plan: Plan, transaction: &Transaction) -> Result<Plan> {
    let mut plan = match Chain::collect(&plan) {
        Some(chain) => match chain.reordered(transaction) {
            Some(better) => return Ok(better),
            None => return Ok(plan),
        },
        _ => plan,
    };
    for child in visit::inputs_mut(&mut plan) {
        *child = rewrite(std::mem::take(child), transaction)?;
    }
    let mut failure = None;
    for_each_subquery(&mut plan, &mut |subplan| match rewrite(std::mem::take(subplan), transaction) {
        Ok(done) => *subplan = done,
        Err(error) => failure = Some(error),
    });
    failure.map_or(Ok(plan), Err)
}

struct Chain {
    start: VarId,
    start_label: Option<Arc<str>>,
    edges: Vec<Expand>,
    conjuncts: Vec<Expr>,
}

impl Chain {
    /// None when `plan` is no chain of plain expansions over a node scan.
    fn collect(plan: &Plan) -> Option<Chain> {
        let mut edges = Vec::new();
        let mut conjuncts = Vec::new();
        let mut current = plan;
        loop {
            match current {
                Plan::Filter { input, predicate } => {
                    conjuncts.extend(predicate.clone().conjuncts());
                    current = input;
                }
                Plan::Expand(expand) if !expand.relationship_bound => {
                    edges.push(expand.clone_without_input());
                    current = &expand.input;
                }
                Plan::NodeScan { var, labels } if labels.len() <= 1 && !edges.is_empty() => {
                    edges.reverse();
                    return Some(Chain { start: *var, start_label: labels.first().cloned(), edges, conjuncts });
                }
                _ => return None,
            }
        }
    }

    /// A cheaper order, or None to keep the one drawn.
    fn reordered(self, transaction: &Transaction) -> Option<Plan> {
        let volatile = self.conjuncts.iter().any(Expr::is_volatile);
        let mut nodes = vec![self.start];
        for edge in &self.edges {
            for node in [edge.from, edge.to] {
                if !nodes.contains(&node) {
                    nodes.push(node);
                }
            }
        }
        let own: VarSet = nodes.iter().copied().chain(self.edges.iter().map(|edge| edge.relationship)).collect();
        let pattern_only = |conjunct: &Expr, node: VarId| {
            let vars = conjunct.vars();
            vars.contains(&node) && !vars.iter().any(|var| *var != node && own.contains(var))
        };
        let start_plan = |node: VarId| {
            let label = self.start_label.iter().filter(|_| node == self.start);
            let conjuncts: Vec<Expr> = self.conjuncts.iter().filter(|c| pattern_only(c, node)).cloned().collect();
            node_access::node_access(node, label.cloned().collect(), conjuncts, transaction)
        };
        let cost = |node: VarId| statistics::rows(&start_plan(node), transaction);
        let drawn = cost(self.start);
        let best = nodes.iter().copied().min_by(|a, b| cost(*a).total_cmp(&cost(*b)))?;
        // All relationships of a type are counted without reading any.
        let may_be_counted = self.edges.len() == 1 && self.conjuncts.is_empty() && self.start_label.is_none();
        let start_edge = (!may_be_counted).then(|| self.cheapest_edge(&pattern_only, transaction)).flatten();
        let start_edge = start_edge.filter(|(_, _, rows)| rows * RELATIONSHIP_COST_ROWS < cost(best));
        if volatile || start_edge.is_none() && (best == self.start || cost(best) * 2.0 > drawn) {
            return None;
        }
        let mut conjuncts = self.conjuncts.clone();
        if let Some(label) = &self.start_label {
            conjuncts.push(Expr::HasLabels {
                input: Box::new(Expr::Column(self.start, sinew_storage::DataType::Node)),
                labels: vec![Arc::clone(label)],
            });
        }
        let mut bound: Vec<VarId> = vec![best];
        let mut walked: Vec<VarId> = Vec::new();
        let mut plan = Plan::NodeScan { var: best, labels: Vec::new() };
        let mut left = self.edges.clone();
        if let Some((index, scan, _)) = start_edge {
            let edge = left.remove(index);
            let (source, target) = match edge.direction {
                Direction::Incoming => (edge.to, edge.from),
                Direction::Outgoing | Direction::Both => (edge.from, edge.to),
            };
            let end = |function| {
                let relationship = Expr::Column(edge.relationship, sinew_storage::DataType::Relationship);
                function_call(function, vec![relationship])
            };
            let items = vec![(source, end("startNode")), (target, end("endNode"))];
            plan = Plan::Extend { input: Box::new(scan), items };
            bound = vec![source, target];
            walked.push(edge.relationship);
        }
        while !left.is_empty() {
            let position = left
                .iter()
                .position(|edge| bound.contains(&edge.from) && bound.contains(&edge.to))
                .or_else(|| left.iter().position(|edge| bound.contains(&edge.from) || bound.contains(&edge.to)))?;
            let mut edge = left.remove(position);
            if !bound.contains(&edge.from) {
                std::mem::swap(&mut edge.from, &mut edge.to);
                edge.direction = match edge.direction {
                    Direction::Outgoing => Direction::Incoming,
                    Direction::Incoming => Direction::Outgoing,
                    Direction::Both => Direction::Both,
                };
            }
            edge.into = bound.contains(&edge.to);
            if !edge.into {
                bound.push(edge.to);
            }
            // Difference is symmetric: ask it of whatever was bound before.
            let differs = |other: &VarId| {
                let drawn = |a: VarId, b: VarId| {
                    self.edges.iter().any(|edge| edge.relationship == a && edge.distinct_from.contains(&b))
                };
                drawn(edge.relationship, *other) || drawn(*other, edge.relationship)
            };
            let outside: Vec<VarId> = edge.distinct_from.iter().copied().filter(|var| !own.contains(var)).collect();
            edge.distinct_from = walked.iter().copied().filter(differs).chain(outside).collect();
            walked.push(edge.relationship);
            edge.input = plan;
            plan = Plan::Expand(Box::new(edge));
        }
        Some(filter_pushdown::rewrite(filtered(plan, conjuncts)))
    }

    /// The edge with the fewest relationships among those to begin with: its index, how they are found, and their number.
    /// Only one between two nodes, each with one direction, gives each relationship once.
    fn cheapest_edge(
        &self,
        pattern_only: &dyn Fn(&Expr, VarId) -> bool,
        transaction: &Transaction,
    ) -> Option<(usize, Plan, f64)> {
        let may_begin = |edge: &Expand| {
            edge.direction != Direction::Both
                && edge.from != edge.to
                && edge.distinct_from.iter().all(|other| self.edges.iter().any(|edge| edge.relationship == *other))
        };
        let candidates = self.edges.iter().enumerate().filter(|(_, edge)| may_begin(edge)).map(|(index, edge)| {
            let own = self.conjuncts.iter().filter(|conjunct| pattern_only(conjunct, edge.relationship));
            let own: Vec<Expr> = own.cloned().collect();
            let scan = node_access::relationship_access(edge.relationship, &edge.types, &own, transaction);
            let rows = statistics::rows(&scan, transaction);
            (index, scan, rows)
        });
        candidates.min_by(|a, b| a.2.total_cmp(&b.2))
    }
}

impl Expand {
    fn clone_without_input(&self) -> Expand {
        Expand {
            input: Plan::Unit,
            from: self.from,
            relationship: self.relationship,
            to: self.to,
            into: self.into,
            relationship_bound: self.relationship_bound,
            direction: self.direction,
            types: self.types.clone(),
            distinct_from: self.distinct_from.clone(),
        }
    }
}
