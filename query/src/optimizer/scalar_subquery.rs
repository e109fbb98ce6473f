//! Correlated scalar subqueries that aggregate become joins.
//!
//! ```text
//! SELECT a.x, (SELECT max(c.v) FROM c WHERE c.k = a.k AND c.w > 5) FROM a
//!
//! project x, m
//!   left join on g = a.k
//!     a
//!     aggregate m = max(v) by g = c.k
//!       filter w > 5
//!         c
//! ```
//!
//! Run as it is written, the subquery reads its table once for each distinct `a.k`; the join reads it once. Where few rows
//! ask and an index answers, asking is cheaper and the subquery stays. Only aggregates of plain columns are taken, because
//! the join also aggregates rows that nobody asks for, and must not fail on them. `count` of no rows is 0, not NULL.

use sinew_storage::catalog::{IndexKind, IndexTarget};
use sinew_storage::{DataType, Transaction, Value};

use super::{statistics, visit};
use crate::algebra::*;
use crate::error::Result;

/// Looking rows up costs as much as reading this many.
const PROBE_COST_ROWS: f64 = 8.0;
/// Aggregating a row and keeping its group, likewise.
const AGGREGATE_COST_ROWS: f64 = 3.0;

pub(super) fn rewrite(plan: Plan, vars: &mut VarTable, transaction: &Transaction) -> Result<Plan> {
    super::transform_up(plan, &mut |plan| {
        Ok(match plan {
            Plan::Filter { mut input, mut predicate } => {
                join_all(&mut input, [&mut predicate], vars, transaction);
                Plan::Filter { input, predicate }
            }
            Plan::Project { mut input, mut items } => {
                join_all(&mut input, items.iter_mut().map(|(_, expr)| expr), vars, transaction);
                Plan::Project { input, items }
            }
            Plan::Extend { mut input, mut items } => {
                // What is joined comes between the input's columns and the items, where nobody looks.
                join_all(&mut input, items.iter_mut().map(|(_, expr)| expr), vars, transaction);
                Plan::Extend { input, items }
            }
            other => other,
        })
    })
}

/// Joins the input with what subqueries in these expressions compute.
fn join_all<'e>(
    input: &mut Plan,
    exprs: impl IntoIterator<Item = &'e mut Expr>,
    vars: &mut VarTable,
    transaction: &Transaction,
) {
    for expr in exprs {
        replace(expr, &mut |subquery| {
            let decorrelated = Decorrelated::of(subquery, input, vars, transaction)?;
            let left = std::mem::take(input);
            let right = Box::new(decorrelated.plan);
            *input = Plan::Join { kind: JoinKind::Left, left: Box::new(left), right, on: decorrelated.on };
            Some(decorrelated.value)
        });
    }
}

/// Puts what `make` gives in the place of scalar subqueries that are always evaluated.
fn replace(expr: &mut Expr, make: &mut dyn FnMut(&Subquery) -> Option<Expr>) {
    if let Expr::Subquery(subquery) = expr {
        if matches!(subquery.kind, SubqueryKind::Scalar)
            && let Some(value) = make(subquery)
        {
            *expr = value;
        }
        return;
    }
    match expr {
        Expr::Call { args, .. } => args.iter_mut().for_each(|arg| replace(arg, make)),
        Expr::Cast { input, .. } | Expr::Not(input) | Expr::IsNull(input) => replace(input, make),
        Expr::And(items) => items.iter_mut().for_each(|item| replace(item, make)),
        Expr::IsNotDistinct(a, b) => {
            replace(a, make);
            replace(b, make);
        }
        Expr::Coalesce(items, _) => {
            // The others may never be reached.
            if let Some(first) = items.first_mut() {
                replace(first, make);
            }
        }
        _ => {}
    }
}

struct Decorrelated {
    plan: Plan,
    on: Vec<Expr>,
    /// What stands for the subquery above the join.
    value: Expr,
}

impl Decorrelated {
    fn of(subquery: &Subquery, outer: &Plan, vars: &mut VarTable, transaction: &Transaction) -> Option<Decorrelated> {
        let Plan::Project { input, items } = &subquery.plan else { return None };
        let Plan::Aggregate { input, groups, aggregates } = &**input else { return None };
        let [(column, value)] = items.as_slice() else { return None };
        if !groups.is_empty() || subquery.column != Some(*column) || !aggregates.iter().all(|(_, call)| is_total(call))
        {
            return None;
        }
        let Plan::Filter { input: source, predicate } = &**input else { return None };
        if !visit::free_vars(source).is_empty() || visit::plan_is_volatile(source) {
            return None;
        }
        let (inner, around) = (source.produced(), outer.produced());
        let (mut keys, mut rest) = (Vec::new(), Vec::new());
        for conjunct in predicate.clone().conjuncts() {
            if conjunct.is_volatile() || conjunct.has_subquery() {
                return None;
            }
            if conjunct.vars().iter().all(|var| inner.contains(var)) {
                rest.push(conjunct);
            } else {
                keys.push(correlation(&conjunct, &inner, &around)?);
            }
        }
        if keys.is_empty() || !reads_only_aggregates(value, aggregates) {
            return None;
        }
        if !is_cheaper(outer, source, &keys, transaction) {
            return None;
        }
        let mut on = Vec::with_capacity(keys.len());
        let mut groups = Vec::with_capacity(keys.len());
        for key in keys {
            let group = vars.add("key", key.inner.ty());
            let column = Expr::Column(group, key.inner.ty());
            let args = if key.inner_is_first { vec![column, key.outer] } else { vec![key.outer, column] };
            on.push(Expr::Call { function: key.function, args, ty: DataType::Bool, position: None });
            groups.push((group, key.inner));
        }
        let mut value = value.clone();
        value.substitute(&|var| {
            let (_, call) = aggregates.iter().find(|(known, call)| *known == var && call.function.name == "count")?;
            let count = Expr::Column(var, call.ty.clone());
            Some(Expr::Coalesce(vec![count, Expr::Literal(Value::Int(0), call.ty.clone())], call.ty.clone()))
        });
        let input = Box::new(super::filtered((**source).clone(), rest));
        Some(Decorrelated { plan: Plan::Aggregate { input, groups, aggregates: aggregates.clone() }, on, value })
    }
}

/// An aggregate that fails on no input.
fn is_total(call: &AggregateCall) -> bool {
    matches!(call.function.name, "count" | "min" | "max" | "sum" | "avg" | "bool_and" | "bool_or" | "every")
        && call.args.iter().all(|arg| matches!(arg, Expr::Column(..)))
        && call.filter.is_none()
        && call.order_by.is_empty()
}

/// A NULL of the join (no group) must give what NULL of the aggregate gives: no CASE and no COALESCE between them.
fn reads_only_aggregates(value: &Expr, aggregates: &[(VarId, AggregateCall)]) -> bool {
    value.vars().iter().all(|var| aggregates.iter().any(|(known, _)| known == var))
        && !value.vars().is_empty()
        && !value.is_volatile()
        && !value.has_subquery()
}

/// `inner = outer`
struct Correlation {
    function: std::sync::Arc<crate::functions::ScalarFunction>,
    inner: Expr,
    outer: Expr,
    inner_is_first: bool,
}

fn correlation(conjunct: &Expr, inner: &VarSet, around: &VarSet) -> Option<Correlation> {
    let Expr::Call { function, args, .. } = conjunct else { return None };
    let ("=", [left, right]) = (function.name, args.as_slice()) else { return None };
    let reads = |expr: &Expr, set: &VarSet| !expr.vars().is_empty() && expr.vars().iter().all(|var| set.contains(var));
    let is_plain = |expr: &Expr| matches!(expr, Expr::Column(..));
    let (own, outer, inner_is_first) = if is_plain(left) && reads(left, inner) && reads(right, around) {
        (left, right, true)
    } else if is_plain(right) && reads(right, inner) && reads(left, around) {
        (right, left, false)
    } else {
        return None;
    };
    // Equal values of these types are one group.
    crate::exec::key::exact_key_class(&own.ty())?;
    let function = std::sync::Arc::clone(function);
    Some(Correlation { function, inner: own.clone(), outer: outer.clone(), inner_is_first })
}

fn is_cheaper(outer: &Plan, source: &Plan, keys: &[Correlation], transaction: &Transaction) -> bool {
    let (asking, read) = (statistics::rows(outer, transaction), statistics::rows(source, transaction));
    let once = if is_indexed(source, keys, transaction) { PROBE_COST_ROWS } else { read.max(1.0) };
    read * AGGREGATE_COST_ROWS < asking * once
}

/// Whether an index of the source leads with one of the keys.
fn is_indexed(source: &Plan, keys: &[Correlation], transaction: &Transaction) -> bool {
    let Plan::TableScan(scan) = source else { return false };
    let catalog = transaction.catalog();
    catalog.indexes_of(scan.table.id).iter().any(|index| {
        let (IndexKind::Ordered { .. }, IndexTarget::Table { columns, .. }) = (&index.kind, &index.target) else {
            return false;
        };
        let position = columns.first().and_then(|column| scan.table.position_of(column.column));
        let var = position.and_then(|position| scan.columns.iter().find(|(at, _)| *at == position));
        var.is_some_and(|(_, var)| keys.iter().any(|key| matches!(&key.inner, Expr::Column(known, _) if known == var)))
    })
}
