//! Index selection: filters directly above a scan become index reads.
//!
//! A table scan takes the ordered index with the longest run of equalities on its leading columns, then a range on the
//! next. The conjuncts that the index carries out exactly are dropped; NULL bounds match nothing, as `=` and `<` do. A node
//! scan takes a label's property index; the equality stays as a filter, since Cypher's `=` and key equality differ for
//! lists and NaN.

use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexKind, IndexTarget};
use sinew_storage::{DataType, Transaction, Value};

use super::{filtered, statistics, transform_up};
use crate::algebra::*;
use crate::error::Result;

pub(super) fn rewrite(plan: Plan, transaction: &Transaction) -> Result<Plan> {
    transform_up(plan, &mut |plan| {
        Ok(match plan {
            Plan::Filter { input, predicate } => match *input {
                Plan::TableScan(scan) if scan.access.is_none() => {
                    table_access(scan, predicate.conjuncts(), transaction)
                }
                Plan::NodeScan { var, label } => node_access(var, label, predicate.conjuncts(), transaction),
                other => Plan::Filter { input: Box::new(other), predicate },
            },
            other => other,
        })
    })
}

/// `column op value` in either order, where `value` reads nothing of the scan.
pub(super) struct Comparison<'e> {
    pub var: VarId,
    pub symbol: &'static str,
    pub value: &'e Expr,
}

pub(super) fn comparison<'e>(conjunct: &'e Expr, own: &dyn Fn(VarId) -> bool) -> Option<Comparison<'e>> {
    let Expr::Call { function, args, .. } = conjunct else { return None };
    let [left, right] = args.as_slice() else { return None };
    let flipped = match function.name {
        "=" => "=",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        _ => return None,
    };
    let column = |expr: &Expr| match expr {
        Expr::Column(var, ty) if own(*var) => Some((*var, ty.clone())),
        _ => None,
    };
    let constant =
        |expr: &Expr| !expr.is_volatile() && !expr.vars().iter().any(|var| own(*var)) && !expr.has_subquery();
    if let Some((var, ty)) = column(left)
        && constant(right)
        && comparable(&ty, &right.ty())
    {
        return Some(Comparison { var, symbol: function.name, value: right });
    }
    if let Some((var, ty)) = column(right)
        && constant(left)
        && comparable(&ty, &left.ty())
    {
        return Some(Comparison { var, symbol: flipped, value: left });
    }
    None
}

/// Whether key order agrees with the comparison of these types: numbers share one encoding, others must be one type.
fn comparable(column: &DataType, value: &DataType) -> bool {
    let number = |ty: &DataType| {
        matches!(
            ty,
            DataType::Int2
                | DataType::Int4
                | DataType::Int8
                | DataType::Float4
                | DataType::Float8
                | DataType::Numeric(_)
                | DataType::Oid
        )
    };
    let text = |ty: &DataType| matches!(ty, DataType::Text | DataType::Varchar(_) | DataType::Name);
    column.same_base(value) || number(column) && number(value) || text(column) && text(value)
}

/// The scan under these conjuncts, through the best index there is.
pub(super) fn table_access(mut scan: TableScan, conjuncts: Vec<Expr>, transaction: &Transaction) -> Plan {
    let own = |var: VarId| scan.columns.iter().any(|(_, column)| *column == var) || scan.row_id == Some(var);
    let catalog = transaction.catalog();
    let mut best: Option<(usize, IndexAccess, Vec<usize>)> = None;
    for index in catalog.indexes_of(scan.table.id) {
        let Some((score, access, used)) = match_index(&scan, index, &conjuncts, &own) else { continue };
        if best.as_ref().is_none_or(|(known, ..)| score > *known) {
            best = Some((score, access, used));
        }
    }
    let Some((_, access, used)) = best else { return filtered(Plan::TableScan(scan), conjuncts) };
    scan.access = Some(access);
    let rest =
        conjuncts.into_iter().enumerate().filter(|(i, _)| !used.contains(i)).map(|(_, conjunct)| conjunct).collect();
    filtered(Plan::TableScan(scan), rest)
}

fn match_index(
    scan: &TableScan,
    index: &Arc<IndexDef>,
    conjuncts: &[Expr],
    own: &dyn Fn(VarId) -> bool,
) -> Option<(usize, IndexAccess, Vec<usize>)> {
    let IndexKind::Ordered { unique } = index.kind else { return None };
    let IndexTarget::Table { columns, .. } = &index.target else { return None };
    let var_of = |column: &sinew_storage::catalog::IndexColumn| {
        let position = scan.table.position_of(column.column)?;
        scan.columns.iter().find(|(at, _)| *at == position).map(|(_, var)| *var)
    };
    let mut access =
        IndexAccess { index: Arc::clone(index), equal: Vec::new(), lower: None, upper: None, reverse: false };
    let mut used = Vec::new();
    for column in columns {
        let Some(var) = var_of(column) else { break };
        let found = conjuncts.iter().enumerate().find_map(|(i, conjunct)| {
            let comparison = comparison(conjunct, own)?;
            (comparison.var == var && comparison.symbol == "=").then(|| (i, comparison.value.clone()))
        });
        match found {
            Some((i, value)) => {
                access.equal.push(value);
                used.push(i);
            }
            None => {
                for (i, conjunct) in conjuncts.iter().enumerate() {
                    let Some(comparison) = comparison(conjunct, own).filter(|comparison| comparison.var == var) else {
                        continue;
                    };
                    let bound = |inclusive| Some((comparison.value.clone(), inclusive));
                    match comparison.symbol {
                        ">" | ">=" if access.lower.is_none() => access.lower = bound(comparison.symbol == ">="),
                        "<" | "<=" if access.upper.is_none() => access.upper = bound(comparison.symbol == "<="),
                        _ => continue,
                    }
                    used.push(i);
                }
                break;
            }
        }
    }
    if used.is_empty() {
        return None;
    }
    let ranged = usize::from(access.lower.is_some()) + usize::from(access.upper.is_some());
    let whole_key = unique && access.equal.len() == columns.len();
    let score = access.equal.len() * 4 + ranged + if whole_key { 1000 } else { 0 };
    Some((score, access, used))
}

/// The node scan under these conjuncts: by id, by property index, or by the rarest label.
pub(super) fn node_access(
    var: VarId,
    label: Option<Arc<str>>,
    conjuncts: Vec<Expr>,
    transaction: &Transaction,
) -> Plan {
    for conjunct in &conjuncts {
        if let Some(value) = id_equality(conjunct, var) {
            let mut rest = conjuncts.clone();
            if let Some(label) = &label {
                rest.push(Expr::HasLabels {
                    input: Box::new(Expr::Column(var, DataType::Node)),
                    labels: vec![Arc::clone(label)],
                });
            }
            return filtered(Plan::NodeByIdSeek { var, value }, rest);
        }
    }
    let mut labels: Vec<Arc<str>> = label.iter().cloned().collect();
    for conjunct in &conjuncts {
        if let Expr::HasLabels { input, labels: more } = conjunct
            && matches!(&**input, Expr::Column(column, _) if *column == var)
        {
            labels.extend(more.iter().cloned());
        }
    }
    for label in &labels {
        for conjunct in &conjuncts {
            let Some((key, value)) = property_equality(conjunct, var) else { continue };
            let (Some(label_id), Some(key_id)) = (transaction.label_id(label), transaction.property_key_id(&key))
            else {
                continue;
            };
            let Some(index) = transaction.node_property_index(label_id, key_id) else { continue };
            let seek = Plan::NodeIndexSeek { var, label: Arc::clone(label), key, value, index };
            let mut rest = conjuncts.clone();
            let others: Vec<Arc<str>> = labels.iter().filter(|other| *other != label).cloned().collect();
            if !others.is_empty() {
                rest.push(Expr::HasLabels { input: Box::new(Expr::Column(var, DataType::Node)), labels: others });
            }
            return filtered(seek, rest);
        }
    }
    let rarest = labels
        .iter()
        .min_by(|a, b| {
            let (a, b) = (statistics::label_rows(Some(a), transaction), statistics::label_rows(Some(b), transaction));
            a.total_cmp(&b)
        })
        .cloned();
    let mut rest = conjuncts;
    if let (Some(label), Some(rarest)) = (&label, &rarest)
        && label != rarest
    {
        rest.push(Expr::HasLabels {
            input: Box::new(Expr::Column(var, DataType::Node)),
            labels: vec![Arc::clone(label)],
        });
    }
    filtered(Plan::NodeScan { var, label: rarest }, rest)
}

/// `id(n) = value`, where value reads nothing of `n`.
fn id_equality(conjunct: &Expr, var: VarId) -> Option<Expr> {
    sides(conjunct)?.into_iter().find_map(|(side, other)| match side {
        Expr::Call { function, args, .. }
            if function.name.eq_ignore_ascii_case("id")
                && matches!(args.as_slice(), [Expr::Column(column, _)] if *column == var)
                && independent(other, var) =>
        {
            Some(other.clone())
        }
        _ => None,
    })
}

/// `n.key = value`, where value reads nothing of `n`.
pub(super) fn property_equality(conjunct: &Expr, var: VarId) -> Option<(Arc<str>, Expr)> {
    sides(conjunct)?.into_iter().find_map(|(side, other)| match side {
        Expr::Property { input, key, .. }
            if matches!(&**input, Expr::Column(column, _) if *column == var)
                && independent(other, var)
                && !matches!(other, Expr::Literal(Value::Null, _)) =>
        {
            Some((Arc::clone(key), other.clone()))
        }
        _ => None,
    })
}

fn independent(expr: &Expr, var: VarId) -> bool {
    !expr.is_volatile() && !expr.vars().contains(&var) && !expr.has_subquery()
}

fn sides(conjunct: &Expr) -> Option<[(&Expr, &Expr); 2]> {
    match conjunct {
        Expr::Call { function, args, .. } if function.name == "=" => match args.as_slice() {
            [left, right] => Some([(left, right), (right, left)]),
            _ => None,
        },
        _ => None,
    }
}
