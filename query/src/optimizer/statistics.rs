//! Row estimates by transaction, for rules that choose between access paths.

use sinew_storage::Transaction;

use super::cardinality::Statistics;
use crate::algebra::*;

/// Expected rows of a plan.
pub(super) fn rows(plan: &Plan, transaction: &Transaction) -> f64 {
    Statistics::new(transaction).estimate(plan)
}

/// Nodes of a label, or all.
pub(super) fn label_rows(label: Option<&str>, transaction: &Transaction) -> f64 {
    Statistics::new(transaction).node_count(label)
}
