//! Rewrites, then cost-based choices.

use sinew_storage::Transaction;

use crate::algebra::{Plan, VarTable};
use crate::error::Result;

/// Gives an equivalent plan. Running the plan as it came must give the same answer.
pub fn optimize(plan: Plan, vars: &mut VarTable, transaction: &Transaction) -> Result<Plan> {
    let _ = (vars, transaction);
    Ok(plan)
}
