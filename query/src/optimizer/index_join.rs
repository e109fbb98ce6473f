//! Index nested loops: a join whose right side is an indexed scan, and whose left side is small, becomes an apply, so that
//! the equality reaches the index.

use sinew_storage::Transaction;

use super::access_path::table_access;
use super::node_access::node_access;
use super::{filtered, statistics, transform_up};
use crate::algebra::*;
use crate::error::Result;

/// An index probe costs about this many scanned rows.
const PROBE_COST_ROWS: f64 = 8.0;

pub(super) fn rewrite(plan: Plan, transaction: &Transaction) -> Result<Plan> {
    transform_up(plan, &mut |plan| {
        Ok(match plan {
            Plan::Join { kind, left, right, on } => match kind {
                JoinKind::Inner | JoinKind::Left | JoinKind::Semi | JoinKind::Anti if !on.is_empty() => {
                    into_apply(kind, *left, *right, on, transaction)
                }
                _ => Plan::Join { kind, left, right, on },
            },
            other => other,
        })
    })
}

fn into_apply(kind: JoinKind, left: Plan, right: Plan, on: Vec<Expr>, transaction: &Transaction) -> Plan {
    let keep = |left, right, on| Plan::Join { kind, left: Box::new(left), right: Box::new(right), on };
    let (leaf, own) = match &right {
        Plan::Filter { input, predicate } => (&**input, predicate.clone().conjuncts()),
        other => (other, Vec::new()),
    };
    let all = statistics::rows(leaf, transaction);
    if statistics::rows(&left, transaction) * PROBE_COST_ROWS > all {
        return keep(left, right, on);
    }
    let mut conjuncts = own;
    conjuncts.extend(on.iter().cloned());
    let probe = match leaf {
        Plan::TableScan(scan) if scan.access.is_none() => table_access(scan.clone(), conjuncts, transaction),
        Plan::NodeScan { var, labels } => node_access(*var, labels.clone(), conjuncts, transaction),
        _ => return keep(left, right, on),
    };
    if !reads_left(&probe, &left.produced()) {
        return keep(left, right, on);
    }
    let apply = match kind {
        JoinKind::Left => ApplyKind::Left,
        JoinKind::Semi => ApplyKind::Semi,
        JoinKind::Anti => ApplyKind::Anti,
        _ => ApplyKind::Cross,
    };
    filtered(Plan::Apply { kind: apply, input: Box::new(left), subplan: Box::new(probe) }, Vec::new())
}

/// The index read uses a value of the left row (an index on a constant alone is better as a hash join).
fn reads_left(probe: &Plan, left: &VarSet) -> bool {
    let leaf = match probe {
        Plan::Filter { input, .. } => input,
        other => other,
    };
    let uses = |expr: &Expr| expr.vars().iter().any(|var| left.contains(var));
    match leaf {
        Plan::TableScan(scan) => scan.access.as_ref().is_some_and(|access| access.equal.iter().any(uses)),
        // A range may give much of the label at each probe.
        Plan::PropertyIndexSeek { lookup: PropertyLookup::Equal(value) | PropertyLookup::AnyOf(value), .. }
        | Plan::NodeByIdSeek { value, .. } => uses(value),
        _ => false,
    }
}
