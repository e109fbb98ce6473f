//! `EXISTS`, `NOT EXISTS` and `IN` of subqueries in a filter become semi and anti joins.
//!
//! `x IN (subquery)` in a filter keeps a row only when it is TRUE, so its NULLs need no care. `NOT IN` stays as it is: one
//! NULL in the subquery makes it never TRUE, which an anti join does not know. An EXISTS is decorrelated when the subquery
//! reads outer columns only in conjuncts of its topmost filter; then those conjuncts are the join's condition. An IN that
//! reads outer columns is asked as an EXISTS.

use super::{transform_up, visit};
use crate::algebra::*;

pub(super) fn rewrite(plan: Plan) -> Plan {
    let rewritten = transform_up(plan, &mut |plan| {
        Ok(match plan {
            Plan::Filter { input, predicate } => rewrite_filter(*input, predicate),
            other => other,
        })
    });
    rewritten.expect("the rule never fails")
}

fn rewrite_filter(input: Plan, predicate: Expr) -> Plan {
    let mut plan = input;
    let mut kept = Vec::new();
    for conjunct in predicate.conjuncts() {
        plan = match into_join(plan, conjunct) {
            Ok(joined) => joined,
            Err((plan, conjunct)) => {
                kept.push(conjunct);
                plan
            }
        };
    }
    super::filtered(plan, kept)
}

fn into_join(left: Plan, conjunct: Expr) -> Result<Plan, (Plan, Expr)> {
    match conjunct {
        Expr::Subquery(subquery) if matches!(subquery.kind, SubqueryKind::Exists) => {
            exists(left, *subquery, JoinKind::Semi)
                .map_err(|(left, subquery)| (left, Expr::Subquery(Box::new(subquery))))
        }
        Expr::Not(inner) => match *inner {
            Expr::Subquery(subquery) if matches!(subquery.kind, SubqueryKind::Exists) => {
                exists(left, *subquery, JoinKind::Anti)
                    .map_err(|(left, subquery)| (left, Expr::Not(Box::new(Expr::Subquery(Box::new(subquery))))))
            }
            other => Err((left, Expr::Not(Box::new(other)))),
        },
        Expr::Subquery(subquery) => match (*subquery).clone() {
            Subquery { kind: SubqueryKind::Any { operator, input }, plan, column: Some(column), .. }
                if visit::free_vars(&plan).is_empty() && !input.is_volatile() =>
            {
                let column_ty = operator.args.get(1).cloned().unwrap_or(sinew_storage::DataType::Any);
                let condition = Expr::Call {
                    function: operator,
                    args: vec![input, Expr::Column(column, column_ty)],
                    ty: sinew_storage::DataType::Bool,
                    position: None,
                };
                Ok(Plan::Join {
                    kind: JoinKind::Semi,
                    left: Box::new(left),
                    right: Box::new(plan),
                    on: vec![condition],
                })
            }
            _ => match correlated_any(&subquery) {
                Some(as_exists) => {
                    exists(left, as_exists, JoinKind::Semi).map_err(|(left, _)| (left, Expr::Subquery(subquery)))
                }
                None => Err((left, Expr::Subquery(subquery))),
            },
        },
        other => Err((left, other)),
    }
}

/// `x IN (SELECT y FROM …)`, where the subquery reads columns around it, as `EXISTS (SELECT FROM … WHERE x = y)`.
fn correlated_any(subquery: &Subquery) -> Option<Subquery> {
    let SubqueryKind::Any { operator, input } = &subquery.kind else { return None };
    let Plan::Project { input: source, items } = &subquery.plan else { return None };
    let (_, item) = items.iter().find(|(var, _)| Some(*var) == subquery.column)?;
    if input.is_volatile() || input.has_subquery() || items.iter().any(|(_, expr)| expr.is_volatile()) {
        return None;
    }
    let condition = Expr::Call {
        function: std::sync::Arc::clone(operator),
        args: vec![input.clone(), item.clone()],
        ty: sinew_storage::DataType::Bool,
        position: None,
    };
    let (source, mut conjuncts) = match &**source {
        Plan::Filter { input, predicate } => ((**input).clone(), predicate.clone().conjuncts()),
        source => (source.clone(), Vec::new()),
    };
    conjuncts.push(condition);
    let plan = super::filtered(source, conjuncts);
    Some(Subquery { kind: SubqueryKind::Exists, plan, column: None, ty: sinew_storage::DataType::Bool })
}

/// Joins when the subquery's correlation can be lifted out of it.
fn exists(left: Plan, subquery: Subquery, kind: JoinKind) -> Result<Plan, (Plan, Subquery)> {
    let mut right = subquery.plan.clone();
    // What the subquery projects, sorts or deduplicates does not change whether it has a row.
    loop {
        right = match right {
            Plan::Project { input, items } if !items.iter().any(|(_, expr)| expr.is_volatile()) => *input,
            Plan::Sort { input, .. } => *input,
            Plan::Distinct { input, on: None } => *input,
            other => {
                right = other;
                break;
            }
        };
    }
    let mut on = Vec::new();
    if let Plan::Filter { input, predicate } = right {
        let inner = input.produced();
        let mut rest = Vec::new();
        for conjunct in predicate.conjuncts() {
            let lifted = conjunct.vars().iter().any(|var| !inner.contains(var));
            if lifted && !conjunct.is_volatile() {
                on.push(conjunct);
            } else {
                rest.push(conjunct);
            }
        }
        right = super::filtered(*input, rest);
    }
    let left_vars = left.produced();
    let lifts_here = on.iter().all(|conjunct| {
        let inner = right.produced();
        conjunct.vars().iter().all(|var| inner.contains(var) || left_vars.contains(var))
    });
    // Only equalities make a join better than asking once per row.
    let hashable = on.is_empty() || on.iter().any(is_equality);
    if visit::free_vars(&right).is_empty() && lifts_here && hashable {
        Ok(Plan::Join { kind, left: Box::new(left), right: Box::new(right), on })
    } else {
        Err((left, subquery))
    }
}

fn is_equality(expr: &Expr) -> bool {
    matches!(expr, Expr::Call { function, args, .. } if function.name == "=" && args.len() == 2)
}
