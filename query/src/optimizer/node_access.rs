//! How nodes are found: by id, by a property index, or by their labels; and relationships, by an index or their types.
//!
//! All conditions but that of the label stay as a filter, since Cypher's comparisons and the order of keys differ (for lists,
//! NaN, times of day, values of different types).

use std::sync::Arc;

use sinew_storage::catalog::IndexDef;
use sinew_storage::{DataType, PropertyKeyId, Transaction, Value};

use super::{filtered, statistics};
use crate::algebra::*;

/// The scan of nodes with any of `any_of` (all when empty) under these conjuncts: by id, by property index, or by the
/// rarest label.
pub(super) fn node_access(var: VarId, any_of: Vec<Arc<str>>, conjuncts: Vec<Expr>, transaction: &Transaction) -> Plan {
    let node = || Box::new(Expr::Column(var, DataType::Node));
    let mut rest = conjuncts;
    match any_of.len() {
        0 => {}
        1 => rest.push(Expr::HasLabels { input: node(), labels: any_of }),
        _ => {
            let has = |label: Arc<str>| Expr::HasLabels { input: node(), labels: vec![label] };
            rest.push(Expr::Or(any_of.into_iter().map(has).collect()));
        }
    }
    if let Some(value) = rest.iter().find_map(|conjunct| id_equality(conjunct, var)) {
        return filtered(Plan::NodeByIdSeek { var, value }, rest);
    }
    let labels: Vec<Arc<str>> = rest.iter().flat_map(|conjunct| labels_of(conjunct, var)).cloned().collect();
    let rows = |labels: &[Arc<str>]| statistics::node_scan_rows(labels, transaction);
    let alternatives = rest.iter().filter_map(|conjunct| one_label_of(conjunct, var));
    let fewest = |a: &Vec<Arc<str>>, b: &Vec<Arc<str>>| rows(a).total_cmp(&rows(b));
    let single = labels.iter().map(|label| vec![Arc::clone(label)]);
    let scanned = single.chain(alternatives).min_by(fewest).unwrap_or_default();
    let index_of = |label: &str, key| transaction.node_property_index(transaction.label_id(label)?, key);
    if let Some((label_or_type, key, lookup, index)) = best_lookup(var, &labels, &rest, transaction, &index_of) {
        let is_equality = matches!(lookup, PropertyLookup::Equal(_));
        let seek = Plan::PropertyIndexSeek { var, label_or_type: Arc::clone(&label_or_type), key, lookup, index };
        if is_equality || statistics::rows(&seek, transaction) < rows(&scanned) {
            return filtered(seek, without_label(rest, var, &label_or_type));
        }
    }
    match &scanned[..] {
        [label] => rest = without_label(rest, var, label),
        labels => rest.retain(|conjunct| !is_one_of(conjunct, var, labels)),
    }
    filtered(Plan::NodeScan { var, labels: scanned }, rest)
}

/// All relationships of the types, or those of one type that an index gives under these conjuncts, as they are stored.
pub(super) fn relationship_access(
    var: VarId,
    types: &[Arc<str>],
    conjuncts: &[Expr],
    transaction: &Transaction,
) -> Plan {
    let index_of = |ty: &str, key| transaction.relationship_property_index(transaction.relationship_type_id(ty)?, key);
    let lookup = match types {
        [_] => best_lookup(var, types, conjuncts, transaction, &index_of),
        _ => None,
    };
    match lookup {
        Some((label_or_type, key, lookup, index)) => Plan::PropertyIndexSeek { var, label_or_type, key, lookup, index },
        None => Plan::RelationshipScan { var, types: types.to_vec() },
    }
}

/// The labels that a conjunct demands.
fn labels_of(conjunct: &Expr, var: VarId) -> &[Arc<str>] {
    match conjunct {
        Expr::HasLabels { input, labels } if is_column(input, var) => labels,
        _ => &[],
    }
}

/// Of `n:A OR n:B` labels of which each node must have one.
fn one_label_of(conjunct: &Expr, var: VarId) -> Option<Vec<Arc<str>>> {
    let Expr::Or(items) = conjunct else { return None };
    let mut labels: Vec<Arc<str>> = items
        .iter()
        .map(|item| match item {
            Expr::And(parts) => parts.iter().find_map(|part| labels_of(part, var).first()).cloned(),
            other => labels_of(other, var).first().cloned(),
        })
        .collect::<Option<_>>()?;
    labels.sort_unstable();
    labels.dedup();
    Some(labels)
}

/// Whether `conjunct` demands one of these labels and no more.
fn is_one_of(conjunct: &Expr, var: VarId, labels: &[Arc<str>]) -> bool {
    let Expr::Or(items) = conjunct else { return false };
    items.iter().all(|item| labels_of(item, var).len() == 1)
        && one_label_of(conjunct, var).is_some_and(|demanded| demanded == labels)
}

/// The conjuncts without the demand of one label, which the scan meets.
fn without_label(conjuncts: Vec<Expr>, var: VarId, met: &Arc<str>) -> Vec<Expr> {
    let keep = |conjunct| match conjunct {
        Expr::HasLabels { input, mut labels } if is_column(&input, var) => {
            labels.retain(|label| label != met);
            (!labels.is_empty()).then_some(Expr::HasLabels { input, labels })
        }
        other => Some(other),
    };
    conjuncts.into_iter().filter_map(keep).collect()
}

fn is_column(expr: &Expr, var: VarId) -> bool {
    matches!(expr, Expr::Column(column, _) if *column == var)
}

type Lookup = (Arc<str>, Arc<str>, PropertyLookup, Arc<IndexDef>);

/// The index to look in: by equality rather than by a list, by that rather than by a beginning or bounds.
fn best_lookup(
    var: VarId,
    labels_or_types: &[Arc<str>],
    conjuncts: &[Expr],
    transaction: &Transaction,
    index_of: &dyn Fn(&str, PropertyKeyId) -> Option<Arc<IndexDef>>,
) -> Option<Lookup> {
    let find = |conditions: &[(Arc<str>, PropertyLookup)]| {
        labels_or_types.iter().find_map(|name| {
            conditions.iter().find_map(|(key, lookup)| {
                let index = index_of(name, transaction.property_key_id(key)?)?;
                Some((Arc::clone(name), Arc::clone(key), lookup.clone(), index))
            })
        })
    };
    let each = |condition: &dyn Fn(&Expr) -> Option<(Arc<str>, PropertyLookup)>| -> Vec<(Arc<str>, PropertyLookup)> {
        conjuncts.iter().filter_map(condition).collect()
    };
    find(&each(&|conjunct| property_equality(conjunct, var).map(|(key, value)| (key, PropertyLookup::Equal(value)))))
        .or_else(|| find(&each(&|conjunct| any_of(conjunct, var))))
        .or_else(|| find(&each(&|conjunct| of_operator(conjunct, "starts with", var, PropertyLookup::Prefix))))
        .or_else(|| find(&ranges(conjuncts, var)))
}

/// `n.key IN values`, in Cypher's form or SQL's.
fn any_of(conjunct: &Expr, var: VarId) -> Option<(Arc<str>, PropertyLookup)> {
    if let Expr::InList { input, items, negated: false, equals } = conjunct {
        let key = property_of(input, var)?;
        let list = Expr::List(items.clone(), DataType::array_of(DataType::Any));
        // To SQL NaN equals NaN.
        let may_be_nan = items.iter().any(|item| may_be_nan(&item.ty()));
        return (equals.name == "=" && !may_be_nan && independent(&list, var))
            .then(|| (Arc::clone(key), PropertyLookup::AnyOf(list)));
    }
    of_operator(conjunct, "in", var, PropertyLookup::AnyOf)
}

/// `n.key OPERATOR value`, where value reads nothing of `n`.
fn of_operator(
    conjunct: &Expr,
    operator: &str,
    var: VarId,
    lookup: fn(Expr) -> PropertyLookup,
) -> Option<(Arc<str>, PropertyLookup)> {
    let Expr::Call { function, args, .. } = conjunct else { return None };
    let [property, value] = args.as_slice() else { return None };
    (function.name == operator && independent(value, var))
        .then(|| property_of(property, var).map(|key| (Arc::clone(key), lookup(value.clone()))))
        .flatten()
}

/// The bounds of each property that has any.
fn ranges(conjuncts: &[Expr], var: VarId) -> Vec<(Arc<str>, PropertyLookup)> {
    let mut found: Vec<(Arc<str>, PropertyLookup)> = Vec::new();
    for conjunct in conjuncts {
        let Expr::Call { function, args, .. } = conjunct else { continue };
        let [left, right] = args.as_slice() else { continue };
        let (key, value, is_lower) = match (function.name, property_of(left, var), property_of(right, var)) {
            (">" | ">=", Some(key), _) => (key, right, true),
            ("<" | "<=", Some(key), _) => (key, right, false),
            ("<" | "<=", None, Some(key)) => (key, left, true),
            (">" | ">=", None, Some(key)) => (key, left, false),
            _ => continue,
        };
        if !independent(value, var) {
            continue;
        }
        let position = found.iter().position(|(known, _)| known == key).unwrap_or_else(|| {
            found.push((Arc::clone(key), PropertyLookup::Range { lower: None, upper: None }));
            found.len() - 1
        });
        if let PropertyLookup::Range { lower, upper } = &mut found[position].1 {
            let bound = if is_lower { lower } else { upper };
            bound.get_or_insert_with(|| value.clone());
        }
    }
    found
}

fn may_be_nan(ty: &DataType) -> bool {
    matches!(ty, DataType::Float4 | DataType::Float8 | DataType::Numeric(_))
}

fn property_of(expr: &Expr, var: VarId) -> Option<&Arc<str>> {
    match expr {
        Expr::Property { input, key, .. } if is_column(input, var) => Some(key),
        _ => None,
    }
}

/// `id(n) = value` or `id(n) IN values`, also of elementId(), where the value reads nothing of `n`.
fn id_equality(conjunct: &Expr, var: VarId) -> Option<Expr> {
    let is_id = |expr: &Expr| match expr {
        Expr::Call { function, args, .. } => {
            matches!(function.name, "id" | "elementId")
                && matches!(args.as_slice(), [Expr::Column(column, _)] if *column == var)
        }
        _ => false,
    };
    if let Expr::Call { function, args, .. } = conjunct
        && function.name == "in"
        && let [member, list] = args.as_slice()
    {
        return (is_id(member) && independent(list, var)).then(|| list.clone());
    }
    let [pair, turned] = sides(conjunct)?;
    [pair, turned]
        .into_iter()
        .find(|(side, other)| is_id(side) && independent(other, var))
        .map(|(_, other)| other.clone())
}

/// `n.key = value`, where value reads nothing of `n`.
fn property_equality(conjunct: &Expr, var: VarId) -> Option<(Arc<str>, Expr)> {
    // Cypher's operators take anything.
    let is_sql = matches!(conjunct, Expr::Call { function, .. } if function.args.first() != Some(&DataType::Any));
    sides(conjunct)?.into_iter().find_map(|(side, other)| {
        let key = property_of(side, var)?;
        let is_useless = matches!(other, Expr::Literal(Value::Null, _)) || is_sql && may_be_nan(&other.ty());
        (!is_useless && independent(other, var)).then(|| (Arc::clone(key), other.clone()))
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
