//! `min` and `max` of an indexed column read one row: the first or the last of the index.
//!
//! The aggregate stays, over the one row: `SELECT max(a) FROM t` becomes `SELECT max(a) FROM (SELECT a FROM t WHERE a IS NOT
//! NULL ORDER BY a DESC LIMIT 1)`, and the sort is dropped because the index gives its order.

use sinew_storage::{DataType, Transaction, Value};

use super::{order, statistics, transform_up};
use crate::algebra::*;
use crate::error::Result;

/// When so few rows are expected to pass, most of the index would be read to find one.
const FEWEST_ROWS: f64 = 16.0;

pub(super) fn rewrite(plan: Plan, transaction: &Transaction) -> Result<Plan> {
    transform_up(plan, &mut |plan| {
        Ok(match plan {
            Plan::Aggregate { input, groups, aggregates } if groups.is_empty() => {
                let input = match extreme(&aggregates) {
                    Some((var, ty, descending)) => Box::new(one_row(*input, var, ty, descending, transaction)),
                    None => input,
                };
                Plan::Aggregate { input, groups, aggregates }
            }
            other => other,
        })
    })
}

/// The column of which the only aggregate is the least or greatest value.
fn extreme(aggregates: &[(VarId, AggregateCall)]) -> Option<(VarId, DataType, bool)> {
    let [(_, call)] = aggregates else { return None };
    let [Expr::Column(var, ty)] = call.args.as_slice() else { return None };
    let descending = match call.function.name {
        "min" => false,
        "max" => true,
        _ => return None,
    };
    (call.filter.is_none() && call.order_by.is_empty()).then(|| (*var, ty.clone(), descending))
}

/// The input's first row in the order of a column; all of it when no index gives that order.
fn one_row(input: Plan, var: VarId, ty: DataType, descending: bool, transaction: &Transaction) -> Plan {
    if statistics::rows(&input, transaction) < FEWEST_ROWS {
        return input;
    }
    // NULLs are skipped, wherever the index has them.
    for nulls_first in [descending, !descending] {
        let mut ordered = input.clone();
        if order::order_scan(&mut ordered, &[(var, descending, nulls_first)], &mut Vec::new(), transaction) {
            let present = Expr::Not(Box::new(Expr::IsNull(Box::new(Expr::Column(var, ty)))));
            let filtered = Plan::Filter { input: Box::new(ordered), predicate: present };
            let one = Expr::Literal(Value::Int(1), DataType::Int8);
            return Plan::Limit { input: Box::new(filtered), skip: None, limit: Some(one) };
        }
    }
    input
}
