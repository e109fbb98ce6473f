//! Rewrites, then choices of access paths.
//!
//! Every rule gives a plan with the same rows (in the same order where the plan orders them); `SET sinew.optimizer = off`
//! runs plans as they were bound, and must give the same answers.
//!
//! Order matters: filters are pushed as far down as they go, so that the rules after it find them directly above the
//! scans they restrict.

mod access_path;
pub mod cardinality;
mod column_pruning;
mod extremes;
mod filter_pushdown;
mod implication;
mod index_join;
mod join_order;
mod late_columns;
mod node_access;
mod order;
mod pattern_order;
mod scalar_subquery;
mod search_scan;
mod semi_join;
mod statistics;

pub(crate) use implication::{implies, same};
use sinew_storage::Transaction;

pub use crate::algebra::visit;

use crate::algebra::{Plan, VarId, VarTable};
use crate::error::Result;

/// Gives an equivalent plan, unless the transaction is cancelled. `output` are the variables the statement returns.
pub fn optimize_for(plan: Plan, output: &[VarId], vars: &mut VarTable, transaction: &Transaction) -> Result<Plan> {
    // A statement of a megabyte takes each of them a while.
    let cancel = transaction.cancel_token();
    let plan = semi_join::rewrite(plan);
    cancel.check()?;
    let plan = scalar_subquery::rewrite(plan, vars, transaction)?;
    cancel.check()?;
    let plan = filter_pushdown::rewrite(plan);
    cancel.check()?;
    let plan = pattern_order::rewrite(plan, transaction)?;
    cancel.check()?;
    let plan = search_scan::rewrite(plan, vars, transaction)?;
    cancel.check()?;
    let plan = join_order::rewrite(plan, transaction);
    let plan = index_join::rewrite(plan, transaction)?;
    cancel.check()?;
    let plan = access_path::rewrite(plan, transaction)?;
    cancel.check()?;
    let plan = order::rewrite(plan, transaction);
    let plan = extremes::rewrite(plan, transaction)?;
    cancel.check()?;
    let plan = late_columns::rewrite(plan)?;
    Ok(column_pruning::rewrite(plan, output))
}

/// Applies `rule` to every operator, inputs first, subqueries of expressions included.
pub(crate) fn transform_up(mut plan: Plan, rule: &mut dyn FnMut(Plan) -> Result<Plan>) -> Result<Plan> {
    for child in visit::inputs_mut(&mut plan) {
        *child = transform_up(std::mem::take(child), rule)?;
    }
    let mut failure = None;
    for_each_subquery(&mut plan, &mut |subplan| match transform_up(std::mem::take(subplan), rule) {
        Ok(done) => *subplan = done,
        Err(error) => failure = Some(error),
    });
    match failure {
        Some(error) => Err(error),
        None => rule(plan),
    }
}

/// `plan` with a filter of the conjuncts above it; without any, just `plan`.
pub(crate) fn filtered(plan: Plan, conjuncts: Vec<crate::algebra::Expr>) -> Plan {
    if conjuncts.is_empty() {
        return plan;
    }
    Plan::Filter { input: Box::new(plan), predicate: crate::algebra::Expr::and(conjuncts) }
}

/// Calls `visit` on the plan of each subquery in this operator's own expressions.
pub(crate) fn for_each_subquery(plan: &mut Plan, visit: &mut dyn FnMut(&mut Plan)) {
    visit::for_each_own_expr_mut(plan, &mut |expr| expr.for_each_plan(visit));
}
