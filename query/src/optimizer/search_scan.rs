//! Text and vector predicates over an index become search scans.
//!
//! `ORDER BY column <-> query LIMIT k` over a bare table scan becomes a nearest-neighbour search when the table has a vector
//! index of that metric (with a filter in between the exact scan stays: it never returns too few). `column @@@ 'query'`
//! becomes a full-text search, and `bm25_score()` its score.

use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexKind, IndexTarget, VectorMetric};
use sinew_storage::{DataType, Transaction};

use super::{filtered, transform_up, visit};
use crate::algebra::*;
use crate::error::{QueryError, Result, sqlstate};

pub(super) fn rewrite(plan: Plan, vars: &mut VarTable, transaction: &Transaction) -> Result<Plan> {
    let mut scores = Vec::new();
    let mut plan = transform_up(plan, &mut |plan| {
        Ok(match plan {
            Plan::Filter { input, predicate } => match *input {
                Plan::TableScan(scan) if scan.access.is_none() => {
                    text_scan(scan, predicate.conjuncts(), vars, transaction, &mut scores)
                }
                other => Plan::Filter { input: Box::new(other), predicate },
            },
            Plan::Limit { input, skip, limit: Some(limit) } => {
                let wanted = wanted_rows(skip.as_ref(), &limit);
                let input = match wanted {
                    Some(wanted) => nearest(*input, &wanted, transaction),
                    None => *input,
                };
                Plan::Limit { input: Box::new(input), skip, limit: Some(limit) }
            }
            other => other,
        })
    })?;
    if let Some(score) = scores.first() {
        replace_scores(&mut plan, *score, scores.len() > 1)?;
    }
    Ok(plan)
}

/// Rows that a limit after a skip takes, when both are known or there is no skip.
fn wanted_rows(skip: Option<&Expr>, limit: &Expr) -> Option<Expr> {
    use sinew_storage::Value::Int;
    match (skip, limit) {
        (None, limit) => Some(limit.clone()),
        (Some(Expr::Literal(Int(skip), _)), Expr::Literal(Int(limit), ty)) => {
            Some(Expr::Literal(Int(skip.checked_add(*limit)?), ty.clone()))
        }
        _ => None,
    }
}

fn text_scan(
    scan: TableScan,
    mut conjuncts: Vec<Expr>,
    vars: &mut VarTable,
    transaction: &Transaction,
    scores: &mut Vec<VarId>,
) -> Plan {
    let catalog = transaction.catalog();
    let found = conjuncts.iter().enumerate().find_map(|(i, conjunct)| {
        let Expr::Call { function, args, .. } = conjunct else { return None };
        let [Expr::Column(var, _), query] = args.as_slice() else { return None };
        if function.name != "@@@" || !query.vars().is_empty() {
            return None;
        }
        let index = index_over(&scan, *var, catalog.indexes_of(scan.table.id), &|kind| {
            matches!(kind, IndexKind::FullText { .. })
        })?;
        Some((i, index, query.clone()))
    });
    let Some((position, index, query)) = found else { return filtered(Plan::TableScan(scan), conjuncts) };
    conjuncts.remove(position);
    let score = vars.add("bm25_score", DataType::Float8);
    scores.push(score);
    let search = SearchScan {
        table: scan.table,
        index,
        columns: scan.columns,
        row_id: scan.row_id,
        query,
        limit: None,
        score: Some(score),
    };
    filtered(Plan::SearchScan(search), conjuncts)
}

fn index_over(
    scan: &TableScan,
    var: VarId,
    indexes: &[Arc<IndexDef>],
    kind: &dyn Fn(&IndexKind) -> bool,
) -> Option<Arc<IndexDef>> {
    let (position, _) = scan.columns.iter().find(|(_, column)| *column == var)?;
    let id = scan.table.columns[*position].id;
    indexes
        .iter()
        .find(|index| {
            kind(&index.kind)
                && matches!(&index.target, IndexTarget::Table { columns, .. } if columns.iter().any(|c| c.column == id))
        })
        .cloned()
}

/// The input of a limit, when it sorts a bare scan by distance.
fn nearest(plan: Plan, wanted: &Expr, transaction: &Transaction) -> Plan {
    match plan {
        Plan::Project { input, items } => {
            Plan::Project { input: Box::new(nearest(*input, wanted, transaction)), items }
        }
        Plan::Sort { input, keys } => match search_for(&input, &keys, wanted, transaction) {
            // The sort stays: the search's answer is exact in distance but the plan above may rely on the key.
            Some(input) => Plan::Sort { input: Box::new(input), keys },
            None => Plan::Sort { input, keys },
        },
        other => other,
    }
}

fn search_for(input: &Plan, keys: &[SortKey], wanted: &Expr, transaction: &Transaction) -> Option<Plan> {
    let [key] = keys else { return None };
    if key.descending {
        return None;
    }
    match input {
        Plan::Extend { input, items } => {
            let below = search_for(input, &[resolved(key, items)], wanted, transaction)?;
            Some(Plan::Extend { input: Box::new(below), items: items.clone() })
        }
        Plan::Project { input, items } => {
            let below = search_for(input, &[resolved(key, items)], wanted, transaction)?;
            Some(Plan::Project { input: Box::new(below), items: items.clone() })
        }
        Plan::TableScan(scan) if scan.access.is_none() => {
            let Expr::Call { function, args, .. } = &key.expr else { return None };
            let metric = match function.name {
                "<->" => VectorMetric::Euclidean,
                "<=>" => VectorMetric::Cosine,
                "<#>" => VectorMetric::InnerProduct,
                _ => return None,
            };
            let (var, query) = match args.as_slice() {
                [Expr::Column(var, _), query] if query.vars().is_empty() => (*var, query.clone()),
                [query, Expr::Column(var, _)] if query.vars().is_empty() => (*var, query.clone()),
                _ => return None,
            };
            let catalog = transaction.catalog();
            let index = index_over(scan, var, catalog.indexes_of(scan.table.id), &|kind| match kind {
                IndexKind::Vector(options) => options.metric == metric && options.embedder.is_none(),
                _ => false,
            })?;
            Some(Plan::SearchScan(SearchScan {
                table: Arc::clone(&scan.table),
                index,
                columns: scan.columns.clone(),
                row_id: scan.row_id,
                query,
                limit: Some(wanted.clone()),
                score: None,
            }))
        }
        _ => None,
    }
}

/// The key as an expression below `items`.
fn resolved(key: &SortKey, items: &[(VarId, Expr)]) -> SortKey {
    let expr = match &key.expr {
        Expr::Column(var, _) => items.iter().find(|(item, _)| item == var).map_or(&key.expr, |(_, expr)| expr),
        other => other,
    };
    SortKey { expr: expr.clone(), ..key.clone() }
}

/// Every `bm25_score()` above reads the search's score.
fn replace_scores(plan: &mut Plan, score: VarId, ambiguous: bool) -> Result<()> {
    let mut outcome = Ok(());
    visit::for_each_own_expr_mut(plan, &mut |expr| {
        if outcome.is_ok() {
            outcome = replace_in_expr(expr, score, ambiguous);
        }
    });
    outcome?;
    for child in visit::inputs_mut(plan) {
        replace_scores(child, score, ambiguous)?;
    }
    Ok(())
}

fn replace_in_expr(expr: &mut Expr, score: VarId, ambiguous: bool) -> Result<()> {
    if let Expr::Call { function, position, .. } = expr
        && function.name == "bm25_score"
    {
        if ambiguous {
            let at = position.map(|position| position as usize);
            return Err(QueryError::new(
                sqlstate::AMBIGUOUS_FUNCTION,
                "bm25_score() is ambiguous: the query searches more than one index",
            )
            .at(at));
        }
        *expr = Expr::Column(score, DataType::Float8);
        return Ok(());
    }
    for operand in visit::children_mut(expr) {
        replace_in_expr(operand, score, ambiguous)?;
    }
    Ok(())
}
