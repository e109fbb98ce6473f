//! Rewrites, then cost-based choices.

pub mod cardinality;
pub mod visit;

use sinew_storage::Transaction;

use crate::algebra::{Plan, VarId, VarTable};
use crate::error::Result;

/// Gives an equivalent plan. Running the plan as it came must give the same answer.
pub fn optimize(plan: Plan, vars: &mut VarTable, transaction: &Transaction) -> Result<Plan> {
    let wanted = visit::output_vars(&plan);
    optimize_for(plan, &wanted, vars, transaction)
}

/// As [`optimize`], when only the columns `wanted` are read.
pub fn optimize_for(plan: Plan, wanted: &[VarId], vars: &mut VarTable, transaction: &Transaction) -> Result<Plan> {
    let _ = (wanted, vars, transaction);
    Ok(plan)
}
