//! Predicates move towards the scans: through projections, joins, expansions and applies, split by conjunct.

use sinew_storage::DataType;

use super::{filtered, for_each_subquery, visit};
use crate::algebra::*;

pub(super) fn rewrite(plan: Plan) -> Plan {
    push(plan, Vec::new())
}

/// Splits by a test on the variables a conjunct reads; volatile conjuncts never move.
fn split(conjuncts: Vec<Expr>, movable: impl Fn(&VarSet) -> bool) -> (Vec<Expr>, Vec<Expr>) {
    conjuncts.into_iter().partition(|conjunct| !conjunct.is_volatile() && movable(&conjunct.vars()))
}

/// Conjuncts rewritten through `items` that merely rename, are literals or properties of an entity; the rest stay above.
fn through_items(conjuncts: Vec<Expr>, items: &[(VarId, Expr)]) -> (Vec<Expr>, Vec<Expr>) {
    let simple = |var: VarId| {
        items.iter().find(|(item, _)| *item == var).and_then(|(_, expr)| match expr {
            Expr::Column(..) | Expr::Literal(..) | Expr::Parameter(..) => Some(expr.clone()),
            // Quick to read twice, never an error, and what indexes of nodes are found by.
            Expr::Property { input, .. }
                if matches!(**input, Expr::Column(_, DataType::Node | DataType::Relationship)) =>
            {
                Some(expr.clone())
            }
            _ => None,
        })
    };
    let computed = |var: &VarId| items.iter().any(|(item, _)| item == var) && simple(*var).is_none();
    let (mut below, above): (Vec<Expr>, Vec<Expr>) = conjuncts.into_iter().partition(|conjunct| {
        let vars = conjunct.vars();
        let renames = vars.iter().any(|var| simple(*var).is_some());
        let stays = conjunct.is_volatile() || vars.iter().any(&computed) || renames && conjunct.has_subquery();
        !stays
    });
    for conjunct in below.iter_mut().filter(|conjunct| !conjunct.has_subquery()) {
        conjunct.substitute(&simple);
    }
    (below, above)
}

/// `plan` under the conjunction of `conjuncts`.
fn push(plan: Plan, mut conjuncts: Vec<Expr>) -> Plan {
    match plan {
        Plan::Filter { input, predicate } => {
            // The inner filter's conjuncts come first, as they did.
            let mut all = predicate.conjuncts();
            all.append(&mut conjuncts);
            push(*input, all)
        }
        Plan::Project { input, items } => {
            let (below, above) = through_items(conjuncts, &items);
            let plan = Plan::Project { input: Box::new(push(*input, below)), items };
            filtered(inside_exprs(plan), above)
        }
        Plan::Extend { input, items } => {
            let (below, above) = through_items(conjuncts, &items);
            let plan = Plan::Extend { input: Box::new(push(*input, below)), items };
            filtered(inside_exprs(plan), above)
        }
        Plan::Join { kind, left, right, on } => push_join(kind, *left, *right, on, conjuncts),
        Plan::Apply { kind, input, subplan } => {
            let inner = subplan.produced();
            let outer = input.produced();
            let only_in_subplan = |vars: &VarSet| vars.iter().any(|var| inner.contains(var) && !outer.contains(var));
            let (to_input, rest) = split(conjuncts, |vars| !only_in_subplan(vars));
            let (to_subplan, above) = if kind == ApplyKind::Cross { split(rest, |_| true) } else { (Vec::new(), rest) };
            let plan = Plan::Apply {
                kind,
                input: Box::new(push(*input, to_input)),
                subplan: Box::new(push(*subplan, to_subplan)),
            };
            filtered(plan, above)
        }
        Plan::Expand(mut expand) => {
            let (below, above) = split(conjuncts, |vars| {
                (expand.relationship_bound || !vars.contains(&expand.relationship))
                    && (expand.into || !vars.contains(&expand.to))
            });
            expand.input = push(std::mem::take(&mut expand.input), below);
            filtered(Plan::Expand(expand), above)
        }
        Plan::VarLengthExpand(mut expand) => {
            let (below, above) = split(conjuncts, |vars| {
                !vars.contains(&expand.relationships) && (expand.into || !vars.contains(&expand.to))
            });
            expand.input = push(std::mem::take(&mut expand.input), below);
            filtered(inside_exprs(Plan::VarLengthExpand(expand)), above)
        }
        Plan::ShortestPath(mut path) => {
            let (below, above) = split(conjuncts, |vars| !vars.contains(&path.relationships));
            path.input = push(std::mem::take(&mut path.input), below);
            filtered(inside_exprs(Plan::ShortestPath(path)), above)
        }
        Plan::RepeatPath(mut repeat) => {
            let added = repeat.added();
            let (below, above) = split(conjuncts, |vars| !added.iter().any(|var| vars.contains(var)));
            repeat.input = push(std::mem::take(&mut repeat.input), below);
            repeat.body = push(std::mem::take(&mut repeat.body), Vec::new());
            filtered(Plan::RepeatPath(repeat), above)
        }
        Plan::Unwind { input, list, var } => {
            let (below, above) = split(conjuncts, |vars| !vars.contains(&var));
            filtered(inside_exprs(Plan::Unwind { input: Box::new(push(*input, below)), list, var }), above)
        }
        Plan::Sort { input, keys } => inside_exprs(Plan::Sort { input: Box::new(push(*input, conjuncts)), keys }),
        Plan::Window(mut window) => {
            // A whole partition stays or goes by what is the same for all its rows.
            let partition: VarSet = window
                .partition_by
                .iter()
                .filter_map(|key| match key {
                    Expr::Column(var, _) => Some(*var),
                    _ => None,
                })
                .collect();
            let produced: VarSet = window.input.produced();
            let own = |var: &VarId| produced.contains(var) || window.calls.iter().any(|(call, _)| call == var);
            let (below, above) = split(conjuncts, |vars| vars.iter().all(|var| partition.contains(var) || !own(var)));
            window.input = push(std::mem::take(&mut window.input), below);
            filtered(inside_exprs(Plan::Window(window)), above)
        }
        Plan::Distinct { input, on: None } => Plan::Distinct { input: Box::new(push(*input, conjuncts)), on: None },
        Plan::Aggregate { input, groups, aggregates } => {
            let (below, above) = if groups.is_empty() {
                (Vec::new(), conjuncts)
            } else {
                let (on_groups, above) =
                    split(conjuncts, |vars| vars.iter().all(|var| !aggregates.iter().any(|(a, _)| a == var)));
                let (below, mut stay) = through_items(on_groups, &groups);
                stay.extend(above);
                (below, stay)
            };
            filtered(inside_exprs(Plan::Aggregate { input: Box::new(push(*input, below)), groups, aggregates }), above)
        }
        Plan::SetOperation { op: SetOp::Union, all, left, right, left_columns, right_columns, output } => {
            let (below, above): (Vec<Expr>, Vec<Expr>) =
                conjuncts.into_iter().partition(|conjunct| !conjunct.is_volatile() && !conjunct.has_subquery());
            let side = |columns: &[VarId]| -> Vec<Expr> {
                let rename = |var: VarId| output.iter().position(|out| *out == var).map(|at| columns[at]);
                below
                    .iter()
                    .map(|conjunct| {
                        let mut conjunct = conjunct.clone();
                        let types = column_types(&conjunct);
                        conjunct.substitute(&|var| {
                            rename(var).map(|to| Expr::Column(to, types.get(&var).cloned().unwrap_or(DataType::Any)))
                        });
                        conjunct
                    })
                    .collect()
            };
            let plan = Plan::SetOperation {
                op: SetOp::Union,
                all,
                left: Box::new(push(*left, side(&left_columns))),
                right: Box::new(push(*right, side(&right_columns))),
                left_columns,
                right_columns,
                output,
            };
            filtered(plan, above)
        }
        Plan::With { cte, definition, columns, body } => Plan::With {
            cte,
            definition: Box::new(push(*definition, Vec::new())),
            columns,
            body: Box::new(push(*body, conjuncts)),
        },
        // Leaves, limits, writes: filters stay above, inputs are done on their own.
        mut other => {
            for child in visit::inputs_mut(&mut other) {
                *child = push(std::mem::take(child), Vec::new());
            }
            filtered_done(inside_exprs(other), conjuncts)
        }
    }
}

/// Types of the columns an expression reads.
fn column_types(expr: &Expr) -> rustc_hash::FxHashMap<VarId, DataType> {
    fn walk(expr: &Expr, out: &mut rustc_hash::FxHashMap<VarId, DataType>) {
        if let Expr::Column(var, ty) = expr {
            out.insert(*var, ty.clone());
        }
        for child in visit::children(expr) {
            walk(child, out);
        }
    }
    let mut out = Default::default();
    walk(expr, &mut out);
    out
}

/// Pushes inside the subqueries of this operator's expressions.
fn inside_exprs(mut plan: Plan) -> Plan {
    for_each_subquery(&mut plan, &mut |subplan| *subplan = push(std::mem::take(subplan), Vec::new()));
    plan
}

fn filtered_done(plan: Plan, conjuncts: Vec<Expr>) -> Plan {
    match filtered(plan, conjuncts) {
        filter @ Plan::Filter { .. } => inside_exprs(filter),
        plan => plan,
    }
}

fn push_join(kind: JoinKind, left: Plan, right: Plan, on: Vec<Expr>, conjuncts: Vec<Expr>) -> Plan {
    let left_vars = left.produced();
    let right_vars = right.produced();
    let reads = |vars: &VarSet, side: &VarSet| vars.iter().any(|var| side.contains(var));
    let on: Vec<Expr> = on.into_iter().flat_map(Expr::conjuncts).collect();
    let (mut to_left, mut to_right, mut kept_on, mut above) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    match kind {
        JoinKind::Inner => {
            for conjunct in on.into_iter().chain(conjuncts) {
                let vars = conjunct.vars();
                if conjunct.is_volatile() {
                    above.push(conjunct);
                } else if !reads(&vars, &right_vars) {
                    to_left.push(conjunct);
                } else if !reads(&vars, &left_vars) {
                    to_right.push(conjunct);
                } else {
                    kept_on.push(conjunct);
                }
            }
        }
        JoinKind::Left | JoinKind::Semi | JoinKind::Anti => {
            for conjunct in on {
                let vars = conjunct.vars();
                if !conjunct.is_volatile() && reads(&vars, &right_vars) && !reads(&vars, &left_vars) {
                    to_right.push(conjunct);
                } else {
                    kept_on.push(conjunct);
                }
            }
            for conjunct in conjuncts {
                if !conjunct.is_volatile() && !reads(&conjunct.vars(), &right_vars) {
                    to_left.push(conjunct);
                } else {
                    above.push(conjunct);
                }
            }
        }
        JoinKind::Right => {
            for conjunct in on {
                let vars = conjunct.vars();
                if !conjunct.is_volatile() && reads(&vars, &left_vars) && !reads(&vars, &right_vars) {
                    to_left.push(conjunct);
                } else {
                    kept_on.push(conjunct);
                }
            }
            for conjunct in conjuncts {
                if !conjunct.is_volatile() && !reads(&conjunct.vars(), &left_vars) {
                    to_right.push(conjunct);
                } else {
                    above.push(conjunct);
                }
            }
        }
        JoinKind::Full => {
            kept_on = on;
            above = conjuncts;
        }
    }
    let plan =
        Plan::Join { kind, left: Box::new(push(left, to_left)), right: Box::new(push(right, to_right)), on: kept_on };
    filtered_done(inside_exprs(plan), above)
}
