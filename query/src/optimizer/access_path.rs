//! Index selection: filters directly above a scan become index reads.
//!
//! A table scan takes the ordered index that is expected to give the fewest rows: equalities on its leading columns, then
//! a list of values, a range or the beginning of a text on the next. An analyzed table is read whole when too many of its
//! rows are wanted for looking each up. The conjuncts that the index carries out exactly are dropped; NULL bounds match nothing, as `=` and `<` do.
//! Of nodes see `node_access.rs`.

use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexKind, IndexTarget};
use sinew_storage::{DataType, Transaction, Value};

use super::cardinality::Statistics;
use super::implication::{implies, same};
use super::node_access::node_access;
use super::{filtered, transform_up};
use crate::algebra::*;
use crate::error::Result;
use crate::types::text::after_prefix;

/// Looking a row up costs about as much as reading this many in order.
const LOOKUP_COST_ROWS: f64 = 8.0;

pub(super) fn rewrite(plan: Plan, transaction: &Transaction) -> Result<Plan> {
    transform_up(plan, &mut |plan| {
        Ok(match plan {
            Plan::Filter { input, predicate } => match *input {
                Plan::TableScan(scan) if scan.access.is_none() => {
                    table_access(scan, predicate.conjuncts(), transaction)
                }
                Plan::NodeScan { var, labels } => node_access(var, labels, predicate.conjuncts(), transaction),
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
    let flipped = flipped(function.name)?;
    let column = |expr: &Expr| match expr {
        Expr::Column(var, ty) if own(*var) => Some((*var, ty.clone())),
        _ => None,
    };
    let constant = |expr: &Expr| is_constant(expr, own);
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

/// A part of an index's key.
enum Key<'e> {
    Column(VarId),
    Computed(&'e Expr),
}

impl Key<'_> {
    /// `key op value` in either order, where `value` reads nothing of the scan.
    fn compared<'c>(&self, conjunct: &'c Expr, own: &dyn Fn(VarId) -> bool) -> Option<(&'static str, &'c Expr)> {
        let key = match self {
            Key::Column(var) => {
                let comparison = comparison(conjunct, own).filter(|comparison| comparison.var == *var)?;
                return Some((comparison.symbol, comparison.value));
            }
            Key::Computed(key) => *key,
        };
        let Expr::Call { function, args, .. } = conjunct else { return None };
        let [left, right] = args.as_slice() else { return None };
        let flipped = flipped(function.name)?;
        let fits = |side: &Expr, value: &Expr| {
            same(side, key) && is_constant(value, own) && comparable(&key.ty(), &value.ty())
        };
        if fits(left, right) {
            Some((function.name, right))
        } else if fits(right, left) {
            Some((flipped, left))
        } else {
            None
        }
    }
}

/// The comparison with its sides exchanged.
fn flipped(symbol: &str) -> Option<&'static str> {
    Some(match symbol {
        "=" => "=",
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        _ => return None,
    })
}

fn is_constant(expr: &Expr, own: &dyn Fn(VarId) -> bool) -> bool {
    !expr.is_volatile() && !expr.vars().iter().any(|var| own(*var)) && !expr.has_subquery()
}

/// Whether reading all of a partial index costs less than reading the table.
fn is_sparse(scan: &TableScan, index: &IndexDef, statistics: &Statistics<'_>) -> bool {
    index.options.predicate.is_some()
        && statistics.index_entries(index) * LOOKUP_COST_ROWS < statistics.table_rows(&scan.table)
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
    let statistics = Statistics::new(transaction);
    let mut best: Option<(Matched, f64)> = None;
    for index in catalog.indexes_of(scan.table.id) {
        let Some(matched) = match_index(&scan, index, &conjuncts, &own, &statistics) else { continue };
        let mut rows = statistics.access_rows(&scan, &matched.access);
        if index.options.predicate.is_some() {
            // Of two alike, the one that holds fewer rows.
            rows = rows.min(statistics.index_entries(index));
        }
        let is_better = best.as_ref().is_none_or(|(known, known_rows)| {
            (matched.whole_key, -rows, matched.access.equal.len())
                > (known.whole_key, -known_rows, known.access.equal.len())
        });
        if is_better {
            best = Some((matched, rows));
        }
    }
    let Some((Matched { access, used, whole_key }, rows)) = best else {
        return filtered(Plan::TableScan(scan), conjuncts);
    };
    if !whole_key && statistics.is_analyzed_by(&scan.table, &access) {
        let all = statistics.table_rows(&scan.table);
        if rows * LOOKUP_COST_ROWS > all {
            return filtered(Plan::TableScan(scan), conjuncts);
        }
    }
    scan.access = Some(access);
    // Conditions on computed keys stay as filters: the row's newest version is looked at by them.
    let is_computed = scan.access.as_ref().is_some_and(|access| access.index.is_computed());
    let rest = conjuncts
        .into_iter()
        .enumerate()
        .filter(|(i, _)| is_computed || !used.contains(i))
        .map(|(_, conjunct)| conjunct)
        .collect();
    filtered(Plan::TableScan(scan), rest)
}

/// An index under some conjuncts.
struct Matched {
    access: IndexAccess,
    /// The conjuncts that it carries out.
    used: Vec<usize>,
    /// It gives one row at most, or one for each value of a list.
    whole_key: bool,
}

fn match_index(
    scan: &TableScan,
    index: &Arc<IndexDef>,
    conjuncts: &[Expr],
    own: &dyn Fn(VarId) -> bool,
    statistics: &Statistics<'_>,
) -> Option<Matched> {
    let IndexKind::Ordered { unique } = index.kind else { return None };
    let IndexTarget::Table { columns, .. } = &index.target else { return None };
    let var_of = |column: &sinew_storage::catalog::IndexColumn| {
        let position = scan.table.position_of(column.column)?;
        scan.columns.iter().find(|(at, _)| *at == position).map(|(_, var)| *var)
    };
    let computed = scan.computed.iter().find(|computed| computed.index == index.id);
    if index.is_computed() && computed.is_none_or(|computed| !implies(conjuncts, &computed.predicate)) {
        return None;
    }
    let mut access = IndexAccess::whole(Arc::clone(index), false);
    let mut used = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let key = match (var_of(column), computed.and_then(|computed| computed.keys.get(at)?.as_ref())) {
            (Some(var), _) => Key::Column(var),
            (None, Some(expr)) => Key::Computed(expr),
            (None, None) => break,
        };
        let found = conjuncts.iter().enumerate().find_map(|(i, conjunct)| {
            let (symbol, value) = key.compared(conjunct, own)?;
            (symbol == "=").then(|| (i, value.clone()))
        });
        match found {
            Some((i, value)) => {
                access.equal.push(value);
                used.push(i);
            }
            None => {
                if let Key::Column(var) = key {
                    access.any = conjuncts.iter().find_map(|conjunct| any_of(conjunct, var, own));
                }
                if access.any.is_some() {
                    break;
                }
                for (i, conjunct) in conjuncts.iter().enumerate() {
                    let Some((symbol, value)) = key.compared(conjunct, own) else { continue };
                    let bound = |inclusive| Some((value.clone(), inclusive));
                    match symbol {
                        ">" | ">=" if access.lower.is_none() => access.lower = bound(symbol == ">="),
                        "<" | "<=" if access.upper.is_none() => access.upper = bound(symbol == "<="),
                        _ => continue,
                    }
                    used.push(i);
                }
                if access.lower.is_none() && access.upper.is_none() {
                    let beginning = match key {
                        Key::Column(var) => conjuncts.iter().find_map(|conjunct| beginning_of(conjunct, var)),
                        Key::Computed(_) => None,
                    };
                    if let Some((lower, upper)) = beginning {
                        access.lower = Some((lower, true));
                        access.upper = upper.map(|upper| (upper, false));
                    }
                }
                break;
            }
        }
    }
    if used.is_empty() && access.any.is_none() && access.lower.is_none() {
        // The rows of a partial index that holds few of the table's.
        return is_sparse(scan, index, statistics).then_some(Matched { access, used, whole_key: false });
    }
    let whole_key = unique && access.equal.len() + usize::from(access.any.is_some()) == columns.len();
    Some(Matched { access, used, whole_key })
}

/// The values of `column IN (…)` and `column = ANY (array)`, which read nothing of the scan.
fn any_of(conjunct: &Expr, var: VarId, own: &dyn Fn(VarId) -> bool) -> Option<AnyOf> {
    let constant = |expr: &Expr| is_constant(expr, own);
    let column = |expr: &Expr| match expr {
        Expr::Column(column, ty) if *column == var => Some(ty.clone()),
        _ => None,
    };
    match conjunct {
        Expr::InList { input, items, negated: false, equals } if equals.name == "=" => {
            let ty = column(input)?;
            items.iter().all(|item| constant(item) && comparable(&ty, &item.ty())).then(|| AnyOf::Items(items.clone()))
        }
        Expr::Quantified { operator, input, array, all: false } if operator.name == "=" => {
            let (ty, DataType::Array(element)) = (column(input)?, array.ty()) else { return None };
            (constant(array) && comparable(&ty, &element)).then(|| AnyOf::Array((**array).clone()))
        }
        _ => None,
    }
}

/// The range of texts with which `column LIKE 'abc%'` can be true: from `abc` to before `abd`. The condition stays.
fn beginning_of(conjunct: &Expr, var: VarId) -> Option<(Expr, Option<Expr>)> {
    let Expr::Call { function, args, .. } = conjunct else { return None };
    let ("~~", [Expr::Column(column, ty), Expr::Literal(pattern, _)]) = (function.name, args.as_slice()) else {
        return None;
    };
    // Blanks at the end of char(n) are no part of what is compared.
    if *column != var || !matches!(ty, DataType::Text | DataType::Varchar(_) | DataType::Name) {
        return None;
    }
    let pattern = pattern.as_str()?;
    let beginning = &pattern[..pattern.find(['%', '_', '\\']).unwrap_or(pattern.len())];
    if beginning.is_empty() {
        return None;
    }
    let text = |text: String| Expr::Literal(Value::from(text), DataType::Text);
    let upper = after_prefix(beginning).map(text);
    Some((text(beginning.to_owned()), upper))
}
