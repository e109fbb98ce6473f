//! Row estimates by transaction, for rules that choose between access paths.

use std::sync::Arc;

use sinew_storage::Transaction;

use super::cardinality::Statistics;
use crate::algebra::*;

/// Expected rows of a plan.
pub(super) fn rows(plan: &Plan, transaction: &Transaction) -> f64 {
    Statistics::new(transaction).estimate(plan)
}

/// Of a scan of nodes with any of the labels, or of all.
pub(super) fn node_scan_rows(labels: &[Arc<str>], transaction: &Transaction) -> f64 {
    Statistics::new(transaction).node_scan_rows(labels)
}
