//! The order of inner joins.
//!
//! A tree of inner joins is taken apart into what it joins and the conditions between them. Up to [`MOST_EXACT`] inputs, the
//! cheapest tree is found by dynamic programming over their sets (Selinger et al., 1979): the best way to join a set is the
//! cheapest of all ways to join two parts of it. More inputs are joined greedily, the pair that gives the fewest rows
//! first. A pair without a condition is a last resort.
//!
//! Costs are counted in rows touched: a hash join reads both sides and keeps the right one, an index nested loop looks the
//! right side's rows up one by one.

use rustc_hash::FxHashMap;
use sinew_storage::Transaction;
use sinew_storage::catalog::{IndexKind, IndexTarget};

use super::cardinality::Statistics;
use super::{for_each_subquery, visit};
use crate::algebra::*;

/// Inputs up to which all orders are looked at.
const MOST_EXACT: usize = 10;
/// Inputs beyond which the order stays as it was written.
const MOST_GREEDY: usize = 64;
/// Keeping a row in a hash table costs as much as reading this many.
const BUILD_COST_ROWS: f64 = 2.0;
/// So does looking up a row through an index.
const PROBE_COST_ROWS: f64 = 8.0;

/// Top down: a tree of joins is taken whole.
pub(super) fn rewrite(plan: Plan, transaction: &Transaction) -> Plan {
    let is_tree =
        matches!(&plan, Plan::Join { kind: JoinKind::Inner, left, right, .. } if is_inner(left) || is_inner(right));
    if !is_tree {
        return below(plan, transaction);
    }
    let original = plan.clone();
    let (mut inputs, mut conditions) = (Vec::new(), Vec::new());
    take_apart(plan, &mut inputs, &mut conditions);
    // A condition that must be asked once a row, and inputs that write, keep their places.
    let is_fixed = inputs.len() > MOST_GREEDY
        || conditions.iter().any(|condition| condition.is_volatile() || condition.has_subquery())
        || inputs.iter().any(visit::plan_is_volatile);
    if is_fixed {
        return below(original, transaction);
    }
    let inputs: Vec<Plan> = inputs.into_iter().map(|input| rewrite(input, transaction)).collect();
    Joins::new(inputs, conditions, transaction).order()
}

/// Rewrites what lies below a plan.
fn below(mut plan: Plan, transaction: &Transaction) -> Plan {
    for input in visit::inputs_mut(&mut plan) {
        *input = rewrite(std::mem::take(input), transaction);
    }
    for_each_subquery(&mut plan, &mut |subplan| *subplan = rewrite(std::mem::take(subplan), transaction));
    plan
}

fn is_inner(plan: &Plan) -> bool {
    matches!(plan, Plan::Join { kind: JoinKind::Inner, .. })
}

fn take_apart(plan: Plan, inputs: &mut Vec<Plan>, conditions: &mut Vec<Expr>) {
    match plan {
        Plan::Join { kind: JoinKind::Inner, left, right, on } => {
            take_apart(*left, inputs, conditions);
            take_apart(*right, inputs, conditions);
            conditions.extend(on.into_iter().flat_map(Expr::conjuncts));
        }
        input => inputs.push(input),
    }
}

/// A set of inputs, one bit each.
type Set = u64;

struct Joins<'t> {
    inputs: Vec<Plan>,
    /// Rows of each input.
    rows: Vec<f64>,
    /// The columns of each input that an index leads with, so that it can be looked up by them.
    indexed: Vec<Vec<VarId>>,
    conditions: Vec<Condition>,
    statistics: Statistics<'t>,
}

struct Condition {
    expr: Expr,
    /// The inputs it reads.
    reads: Set,
    vars: VarSet,
}

/// The best way found to join a set.
#[derive(Clone, Copy)]
struct Best {
    cost: f64,
    rows: f64,
    /// Left and right part; none of a single input.
    parts: Option<(Set, Set)>,
}

impl<'t> Joins<'t> {
    fn new(inputs: Vec<Plan>, conditions: Vec<Expr>, transaction: &'t Transaction) -> Joins<'t> {
        let statistics = Statistics::new(transaction);
        let rows = inputs.iter().map(|input| statistics.estimate(input).max(1.0)).collect();
        let produced: Vec<VarSet> = inputs.iter().map(Plan::produced).collect();
        let conditions = conditions.into_iter().map(|expr| {
            let vars = expr.vars();
            let reads = produced.iter().enumerate().fold(0, |set, (at, produced)| {
                if vars.iter().any(|var| produced.contains(var)) { set | 1 << at } else { set }
            });
            Condition { expr, reads, vars }
        });
        let indexed = inputs.iter().map(|input| leading_columns(input, transaction)).collect();
        Joins { conditions: conditions.collect(), rows, indexed, statistics, inputs }
    }

    fn order(mut self) -> Plan {
        let count = self.inputs.len();
        let best = if count <= MOST_EXACT { self.exact() } else { self.greedy() };
        let all = if count == 64 { Set::MAX } else { (1 << count) - 1 };
        let mut used = vec![false; self.conditions.len()];
        self.build(all, &best, &mut used)
    }

    /// Conditions that become answerable when two parts are joined.
    fn between(&self, left: Set, right: Set) -> impl Iterator<Item = &Condition> {
        let both = left | right;
        self.conditions.iter().filter(move |condition| {
            condition.reads & !both == 0 && condition.reads & left != 0 && condition.reads & right != 0
        })
    }

    fn joined(&self, left: (Set, Best), right: (Set, Best)) -> Best {
        let on: Vec<Expr> = self.between(left.0, right.0).map(|condition| condition.expr.clone()).collect();
        let rows = self.statistics.join_rows(left.1.rows, right.1.rows, &on).max(1.0);
        let hashable = on.iter().any(is_equality);
        let mut cost = if hashable {
            left.1.cost + right.1.cost + left.1.rows + right.1.rows * BUILD_COST_ROWS
        } else {
            // Every pair is looked at.
            left.1.cost + right.1.cost + left.1.rows * right.1.rows
        };
        if right.0.count_ones() == 1 {
            let indexed = &self.indexed[right.0.trailing_zeros() as usize];
            let is_indexed = self.between(left.0, right.0).any(|condition| {
                is_equality(&condition.expr) && condition.vars.iter().any(|var| indexed.contains(var))
            });
            if is_indexed {
                cost = cost.min(left.1.cost + left.1.rows * PROBE_COST_ROWS + rows);
            }
        }
        Best { cost: cost + rows, rows, parts: Some((left.0, right.0)) }
    }

    fn single(&self, at: usize) -> Best {
        Best { cost: self.rows[at], rows: self.rows[at], parts: None }
    }

    /// Looks at every way to join every set.
    fn exact(&self) -> FxHashMap<Set, Best> {
        let mut best: FxHashMap<Set, Best> = FxHashMap::default();
        for at in 0..self.inputs.len() {
            best.insert(1 << at, self.single(at));
        }
        let all: Set = (1 << self.inputs.len()) - 1;
        for set in 1..=all {
            if set.count_ones() < 2 {
                continue;
            }
            // Parts that a condition connects first; others only when there are none.
            for connected in [true, false] {
                let mut left = (set - 1) & set;
                while left > 0 {
                    let right = set & !left;
                    if let (Some(l), Some(r)) = (best.get(&left), best.get(&right))
                        && self.between(left, right).next().is_some() == connected
                    {
                        let joined = self.joined((left, *l), (right, *r));
                        if best.get(&set).is_none_or(|known| joined.cost < known.cost) {
                            best.insert(set, joined);
                        }
                    }
                    left = (left - 1) & set;
                }
                if best.contains_key(&set) {
                    break;
                }
            }
        }
        best
    }

    /// Joins the pair that gives the fewest rows, again and again.
    fn greedy(&self) -> FxHashMap<Set, Best> {
        let mut best: FxHashMap<Set, Best> = FxHashMap::default();
        let mut parts: Vec<Set> = (0..self.inputs.len()).map(|at| 1 << at).collect();
        for (at, part) in parts.iter().enumerate() {
            best.insert(*part, self.single(at));
        }
        while parts.len() > 1 {
            let mut chosen: Option<(bool, Best)> = None;
            for left in &parts {
                for right in parts.iter().filter(|right| *right != left) {
                    let connected = self.between(*left, *right).next().is_some();
                    if !connected && chosen.as_ref().is_some_and(|(connected, _)| *connected) {
                        continue;
                    }
                    let joined = self.joined((*left, best[left]), (*right, best[right]));
                    let is_better = chosen.as_ref().is_none_or(|(known_connected, known)| {
                        (connected && !known_connected)
                            || (joined.rows, joined.cost).partial_cmp(&(known.rows, known.cost))
                                == Some(std::cmp::Ordering::Less)
                    });
                    if is_better {
                        chosen = Some((connected, joined));
                    }
                }
            }
            let Some((_, joined @ Best { parts: Some((left, right)), .. })) = chosen else { break };
            parts.retain(|part| *part != left && *part != right);
            parts.push(left | right);
            best.insert(left | right, joined);
        }
        best
    }

    /// The plan of a set; conditions go to the first join that can answer them.
    fn build(&mut self, set: Set, best: &FxHashMap<Set, Best>, used: &mut [bool]) -> Plan {
        let Some(Best { parts: Some((left, right)), .. }) = best.get(&set).copied() else {
            return std::mem::take(&mut self.inputs[set.trailing_zeros() as usize]);
        };
        let (left, right) = (self.build(left, best, used), self.build(right, best, used));
        let mut on = Vec::new();
        for (condition, used) in self.conditions.iter().zip(used) {
            if !*used && condition.reads & !set == 0 {
                *used = true;
                on.push(condition.expr.clone());
            }
        }
        Plan::Join { kind: JoinKind::Inner, left: Box::new(left), right: Box::new(right), on }
    }
}

fn is_equality(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { function, args, .. } if function.name == "=" && args.len() == 2)
}

/// Columns of a scan that an index leads with.
fn leading_columns(input: &Plan, transaction: &Transaction) -> Vec<VarId> {
    let scan = match input {
        Plan::TableScan(scan) => scan,
        Plan::Filter { input, .. } => match &**input {
            Plan::TableScan(scan) => scan,
            _ => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let catalog = transaction.catalog();
    let leading = catalog.indexes_of(scan.table.id).iter().filter_map(|index| match (&index.kind, &index.target) {
        (IndexKind::Ordered { .. }, IndexTarget::Table { columns, .. }) => {
            let position = scan.table.position_of(columns.first()?.column)?;
            scan.columns.iter().find(|(at, _)| *at == position).map(|(_, var)| *var)
        }
        _ => None,
    });
    leading.collect()
}
