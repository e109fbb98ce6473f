//! Columns that a sort with a limit does not need are computed behind it, for the rows that remain.
//!
//! ```text
//! RETURN n.name, COLLECT { … } ORDER BY n.age DESC LIMIT 10
//!
//! Limit 10                        Extend name, list
//!   Sort age                        Limit 10
//!     Extend name, list, age   →      Sort age
//!       …                               Extend age
//! ```

use super::transform_up;
use crate::algebra::visit::VarSet;
use crate::algebra::{Expr, Plan, SortKey, VarId};
use crate::error::Result;

pub(super) fn rewrite(plan: Plan) -> Result<Plan> {
    transform_up(plan, &mut |plan| {
        Ok(match plan {
            Plan::Limit { input, skip, limit: Some(limit) } => match *input {
                Plan::Sort { input, keys } => match *input {
                    Plan::Extend { input, items } => deferred(*input, items, keys, skip, limit),
                    input => limited(sorted(input, keys), skip, limit),
                },
                input => limited(input, skip, limit),
            },
            other => other,
        })
    })
}

fn sorted(input: Plan, keys: Vec<SortKey>) -> Plan {
    Plan::Sort { input: Box::new(input), keys }
}

fn limited(input: Plan, skip: Option<Expr>, limit: Expr) -> Plan {
    Plan::Limit { input: Box::new(input), skip, limit: Some(limit) }
}

fn extended(input: Plan, items: Vec<(VarId, Expr)>) -> Plan {
    if items.is_empty() { input } else { Plan::Extend { input: Box::new(input), items } }
}

fn deferred(input: Plan, items: Vec<(VarId, Expr)>, keys: Vec<SortKey>, skip: Option<Expr>, limit: Expr) -> Plan {
    let mut needed: VarSet = keys.iter().flat_map(|key| key.expr.vars()).collect();
    // What is random is computed for as many rows as before. An item may read one before it.
    for (var, expr) in items.iter().rev() {
        if expr.is_volatile() {
            needed.insert(*var);
        }
        if needed.contains(var) {
            needed.extend(expr.vars());
        }
    }
    let (early, late): (Vec<_>, Vec<_>) = items.into_iter().partition(|(var, _)| needed.contains(var));
    extended(limited(sorted(extended(input, early), keys), skip, limit), late)
}
