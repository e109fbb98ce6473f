//! A sort over an index that gives the same order is dropped, so that a limit above it stops early; so is a sort of rows
//! that a sort below has put in that order.

use std::sync::Arc;

use sinew_storage::Transaction;
use sinew_storage::catalog::{IndexKind, IndexTarget};

use super::implication::implies;
use super::transform_up;
use crate::algebra::*;

pub(super) fn rewrite(plan: Plan, transaction: &Transaction) -> Plan {
    let rewritten = transform_up(plan, &mut |plan| {
        Ok(match plan {
            // Without a limit, reading a whole table through an index costs more than sorting it.
            Plan::Limit { input, skip, limit } => {
                Plan::Limit { input: Box::new(under_limit(*input, transaction)), skip, limit }
            }
            Plan::Sort { input, keys } if is_sorted(&input, &keys) => *input,
            other => other,
        })
    });
    rewritten.expect("the rule never fails")
}

/// Whether rows come in the order of `keys`.
fn is_sorted(plan: &Plan, keys: &[SortKey]) -> bool {
    let given = given_order(plan);
    let wanted: Option<Vec<_>> = keys.iter().map(column_key).collect();
    wanted.is_some_and(|wanted| given.starts_with(&wanted))
}

fn column_key(key: &SortKey) -> Option<(VarId, bool, bool)> {
    match &key.expr {
        Expr::Column(var, _) => Some((*var, key.descending, key.nulls_first)),
        _ => None,
    }
}

/// The order that a plan's rows have by a sort in it: columns, descending, NULLs first.
fn given_order(plan: &Plan) -> Vec<(VarId, bool, bool)> {
    match plan {
        Plan::Sort { keys, .. } => keys.iter().map_while(column_key).collect(),
        Plan::Window(window) => given_order(&window.input),
        Plan::Filter { input, .. }
        | Plan::Extend { input, .. }
        | Plan::Limit { input, .. }
        | Plan::LimitTies { input, .. } => given_order(input),
        Plan::Project { input, items } => given_order(input)
            .into_iter()
            .map_while(|(var, descending, nulls_first)| {
                let is_renamed = |expr: &Expr| matches!(expr, Expr::Column(source, _) if *source == var);
                let (renamed, _) = items.iter().find(|(_, expr)| is_renamed(expr))?;
                Some((*renamed, descending, nulls_first))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Looks below operators that keep order and do not change what is sorted.
fn under_limit(plan: Plan, transaction: &Transaction) -> Plan {
    match plan {
        Plan::Project { input, items } => Plan::Project { input: Box::new(under_limit(*input, transaction)), items },
        Plan::Extend { input, items } => Plan::Extend { input: Box::new(under_limit(*input, transaction)), items },
        Plan::LockRows { input, locks } => Plan::LockRows { input: Box::new(under_limit(*input, transaction)), locks },
        Plan::Sort { mut input, keys } => {
            let wanted: Option<Vec<(VarId, bool, bool)>> = keys
                .iter()
                .map(|key| match &key.expr {
                    Expr::Column(var, _) => Some((*var, key.descending, key.nulls_first)),
                    _ => None,
                })
                .collect();
            match wanted {
                Some(wanted) if order_scan(&mut input, &wanted, &mut Vec::new(), transaction) => *input,
                _ => Plan::Sort { input, keys },
            }
        }
        other => other,
    }
}

/// Makes the scan below give `wanted` order, if an index can.
pub(super) fn order_scan(
    plan: &mut Plan,
    wanted: &[(VarId, bool, bool)],
    filters: &mut Vec<Expr>,
    transaction: &Transaction,
) -> bool {
    match plan {
        Plan::Filter { input, predicate } => {
            filters.extend(predicate.clone().conjuncts());
            order_scan(input, wanted, filters, transaction)
        }
        Plan::Project { input, items } => {
            let below: Option<Vec<(VarId, bool, bool)>> = wanted
                .iter()
                .map(|(var, descending, nulls_first)| {
                    items.iter().find(|(item, _)| item == var).and_then(|(_, expr)| match expr {
                        Expr::Column(source, _) => Some((*source, *descending, *nulls_first)),
                        _ => None,
                    })
                })
                .collect();
            below.is_some_and(|below| order_scan(input, &below, &mut Vec::new(), transaction))
        }
        Plan::Extend { input, .. } => order_scan(input, wanted, &mut Vec::new(), transaction),
        Plan::TableScan(scan) => {
            let catalog = transaction.catalog();
            let candidates: Vec<_> = match &scan.access {
                Some(IndexAccess { any: Some(_), .. }) => return false,
                Some(access) => vec![Arc::clone(&access.index)],
                None => catalog.indexes_of(scan.table.id).to_vec(),
            };
            for index in candidates {
                let IndexKind::Ordered { .. } = index.kind else { continue };
                let IndexTarget::Table { columns, .. } = &index.target else { continue };
                // A partial index gives the order of the rows that it holds.
                let holds_all = |computed: &ComputedIndex| implies(filters, &computed.predicate);
                let computed = scan.computed.iter().find(|computed| computed.index == index.id);
                if index.is_computed() && scan.access.is_none() && !computed.is_some_and(holds_all) {
                    continue;
                }
                let skip = scan.access.as_ref().map_or(0, |access| access.equal.len());
                if columns.len() < skip + wanted.len() {
                    continue;
                }
                let mut reverse = None;
                let fits = columns[skip..].iter().zip(wanted).all(|(column, (var, descending, nulls_first))| {
                    let Some(position) = scan.table.position_of(column.column) else { return false };
                    let is_column = scan.columns.iter().any(|(at, known)| *at == position && known == var);
                    let not_null = scan.table.columns[position].not_null;
                    let flipped = column.descending != *descending;
                    let nulls = not_null || (column.nulls_first != *nulls_first) == flipped;
                    is_column && nulls && *reverse.get_or_insert(flipped) == flipped
                });
                if !fits {
                    continue;
                }
                let reverse = reverse.unwrap_or(false);
                match &mut scan.access {
                    Some(access) => access.reverse = reverse,
                    None => {
                        scan.access = Some(IndexAccess::whole(index, reverse));
                    }
                }
                return true;
            }
            false
        }
        _ => false,
    }
}
