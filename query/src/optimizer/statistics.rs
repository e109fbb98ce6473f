//! Row estimates: exact counts of tables, labels and types; fixed guesses for predicates.

use sinew_storage::Transaction;

use crate::algebra::*;

/// Guessed share of rows that pass one conjunct.
const EQUALITY: f64 = 0.05;
const OTHER: f64 = 0.33;
/// Guessed neighbours per node of one expansion when counts say nothing.
const FAN_OUT: f64 = 5.0;

/// Expected rows of a plan.
pub(super) fn rows(plan: &Plan, transaction: &Transaction) -> f64 {
    match plan {
        Plan::Unit => 1.0,
        Plan::Values { rows, .. } => rows.len() as f64,
        Plan::Supplied { .. } => 1000.0,
        Plan::TableScan(scan) => {
            let all = transaction.row_count(&scan.table).map_or(1000.0, |count| count as f64);
            match &scan.access {
                None => all,
                Some(access) => {
                    let unique =
                        matches!(access.index.kind, sinew_storage::catalog::IndexKind::Ordered { unique: true });
                    let width = match &access.index.target {
                        sinew_storage::catalog::IndexTarget::Table { columns, .. } => columns.len(),
                        _ => 1,
                    };
                    if unique && access.equal.len() == width {
                        1.0
                    } else {
                        (all * EQUALITY.powi(access.equal.len() as i32)).max(1.0)
                    }
                }
            }
        }
        Plan::SearchScan(_) => 10.0,
        Plan::NodeScan { label, .. } => label_rows(label.as_deref(), transaction),
        Plan::NodeIndexSeek { .. } | Plan::NodeByIdSeek { .. } => 1.0,
        Plan::RelationshipScan { .. } => relationship_rows(&[], transaction),
        Plan::FunctionScan { function, .. } => function.estimated_rows(),
        Plan::Expand(expand) => {
            let input = rows(&expand.input, transaction);
            if expand.into { input } else { input * fan_out(expand, transaction) }
        }
        Plan::VarLengthExpand(expand) => rows(&expand.input, transaction) * FAN_OUT * FAN_OUT,
        Plan::ShortestPath(path) => rows(&path.input, transaction),
        Plan::Filter { input, predicate } => {
            let share: f64 = predicate
                .clone()
                .conjuncts()
                .iter()
                .map(|conjunct| match conjunct {
                    Expr::Call { function, .. } if function.name == "=" => EQUALITY,
                    _ => OTHER,
                })
                .product();
            (rows(input, transaction) * share).max(1.0)
        }
        Plan::Project { input, .. } | Plan::Extend { input, .. } | Plan::Sort { input, .. } => rows(input, transaction),
        Plan::Distinct { input, .. } => (rows(input, transaction) * 0.5).max(1.0),
        Plan::Limit { input, limit, .. } => match limit {
            Some(Expr::Literal(sinew_storage::Value::Int(limit), _)) => rows(input, transaction).min(*limit as f64),
            _ => rows(input, transaction).min(100.0),
        },
        Plan::Join { kind, left, right, on } => {
            let (l, r) = (rows(left, transaction), rows(right, transaction));
            match kind {
                JoinKind::Semi | JoinKind::Anti => (l * 0.5).max(1.0),
                _ if on.is_empty() => l * r,
                _ => l.max(r),
            }
        }
        Plan::Apply { kind, input, subplan } => {
            let outer = rows(input, transaction);
            match kind {
                ApplyKind::Semi | ApplyKind::Anti => (outer * 0.5).max(1.0),
                _ => outer * rows(subplan, transaction),
            }
        }
        Plan::Aggregate { input, groups, .. } => {
            if groups.is_empty() {
                1.0
            } else {
                (rows(input, transaction) * 0.1).max(1.0)
            }
        }
        Plan::SetOperation { left, right, .. } => rows(left, transaction) + rows(right, transaction),
        Plan::Unwind { input, .. } => rows(input, transaction) * 10.0,
        Plan::With { body, .. } | Plan::RecursiveWith { body, .. } => rows(body, transaction),
        Plan::CteScan { .. } => 100.0,
        Plan::Insert(insert) => rows(&insert.source, transaction),
        Plan::Update(update) => rows(&update.source, transaction),
        Plan::Delete(delete) => rows(&delete.source, transaction),
        Plan::GraphWrite { input, .. } | Plan::Merge { input, .. } | Plan::Foreach { input, .. } => {
            rows(input, transaction)
        }
        Plan::ProcedureCall { input, procedure, .. } => rows(input, transaction) * procedure.estimated_rows(),
        Plan::Discard { input } => rows(input, transaction),
    }
}

pub(super) fn label_rows(label: Option<&str>, transaction: &Transaction) -> f64 {
    let label = match label {
        None => None,
        Some(name) => match transaction.label_id(name) {
            Some(id) => Some(id),
            None => return 0.0,
        },
    };
    transaction.node_count(label).map_or(1000.0, |count| count as f64)
}

fn relationship_rows(types: &[std::sync::Arc<str>], transaction: &Transaction) -> f64 {
    if types.is_empty() {
        return transaction.relationship_count(None).map_or(1000.0, |count| count as f64);
    }
    types
        .iter()
        .filter_map(|ty| transaction.relationship_type_id(ty))
        .map(|ty| transaction.relationship_count(Some(ty)).map_or(1000.0, |count| count as f64))
        .sum()
}

/// Average neighbours of a node over these types.
fn fan_out(expand: &Expand, transaction: &Transaction) -> f64 {
    let nodes = label_rows(None, transaction).max(1.0);
    let both = if expand.direction == sinew_storage::graph::Direction::Both { 2.0 } else { 1.0 };
    (relationship_rows(&expand.types, transaction) * both / nodes).max(0.1)
}
