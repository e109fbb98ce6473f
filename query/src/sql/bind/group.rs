//! Grouping: after GROUP BY only group expressions and aggregates can be read (42803).

use rustc_hash::FxHashSet;

use super::Binder;
use super::grouping_sets::GroupBy;
use super::walk::{walk_expr, walk_plan_exprs};
use crate::algebra::{AggregateCall, Expr, Subquery, VarId};
use crate::error::{QueryError, Result, sqlstate};

/// The groups of a query level.
pub struct Grouping {
    pub groups: Vec<(VarId, Expr)>,
    /// Which groups are in each grouping set, when there are several sets.
    pub sets: Option<Vec<Vec<bool>>>,
    aggregates: FxHashSet<VarId>,
    /// Columns of the FROM clause: what may not be read directly.
    local: FxHashSet<VarId>,
    /// All columns of a table whose primary key is grouped by depend on it functionally.
    dependent: FxHashSet<VarId>,
}

/// Whether two expressions are the same, as GROUP BY, DISTINCT and ORDER BY see it.
pub fn same(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Column(a, _), Expr::Column(b, _)) => a == b,
        (Expr::Column(..), _) | (_, Expr::Column(..)) => false,
        _ => std::mem::discriminant(a) == std::mem::discriminant(b) && shape(a) == shape(b),
    }
}

/// A printed form in which places do not count.
fn shape(expr: &Expr) -> String {
    let mut expr = expr.clone();
    walk_expr(&mut expr, &mut |expr| {
        if let Expr::Call { position, .. } = expr {
            *position = None;
        }
        true
    });
    format!("{expr:?}")
}

impl Binder<'_> {
    pub fn grouping(
        &mut self,
        group_by: Option<GroupBy>,
        aggregates: &[(VarId, AggregateCall, Option<usize>)],
        local: FxHashSet<VarId>,
    ) -> Grouping {
        let GroupBy { exprs, sets } = group_by.unwrap_or_else(|| GroupBy { exprs: Vec::new(), sets: Vec::new() });
        let everywhere = |index: &usize| sets.iter().all(|set| set.contains(index));
        // One set alone is a plain list of groups.
        let several = sets.len() > 1;
        let mut groups: Vec<(VarId, Expr)> = Vec::with_capacity(exprs.len());
        let mut certain: FxHashSet<VarId> = FxHashSet::default();
        for (index, expr) in exprs.into_iter().enumerate() {
            if !several && !everywhere(&index) {
                continue;
            }
            if let Expr::Column(var, _) = &expr
                && everywhere(&index)
            {
                certain.insert(*var);
            }
            let var = match &expr {
                Expr::Column(var, _) if !several => *var,
                other => self.vars.add("group", other.ty()),
            };
            groups.push((var, expr));
        }
        let own = groups.len();
        let dependent = self.dependent_columns(&mut groups, &certain, several);
        let member = |set: &Vec<usize>, index: usize| index >= own || set.contains(&index);
        let sets = several
            .then(|| sets.iter().map(|set| (0..groups.len()).map(|index| member(set, index)).collect()).collect());
        Grouping { groups, sets, aggregates: aggregates.iter().map(|(var, ..)| *var).collect(), local, dependent }
    }

    /// Grouping by a primary key makes the table's other columns readable: they become groups themselves, which
    /// changes nothing about the groups.
    fn dependent_columns(
        &mut self,
        groups: &mut Vec<(VarId, Expr)>,
        grouped: &FxHashSet<VarId>,
        renamed: bool,
    ) -> FxHashSet<VarId> {
        let mut dependent = FxHashSet::default();
        let relations = self.frame().relations.clone();
        let references: FxHashSet<VarId> = self.frame().references.iter().map(|(var, _)| *var).collect();
        for relation in relations {
            let Some((oid, _)) = relation.columns.first().and_then(|column| column.origin) else { continue };
            let id = sinew_storage::ids::RelationId(oid);
            let (Some(table), Some(index)) = (self.catalog.tables.get(&id), self.catalog.primary_key(id)) else {
                continue;
            };
            let sinew_storage::catalog::IndexTarget::Table { columns, .. } = &index.target else { continue };
            let covered = columns.iter().all(|key| {
                table.position_of(key.column).is_some_and(|position| {
                    let attribute = (position + 1) as i16;
                    relation
                        .columns
                        .iter()
                        .any(|column| column.origin == Some((oid, attribute)) && grouped.contains(&column.var))
                })
            });
            if !covered {
                continue;
            }
            for column in &relation.columns {
                if column.origin.is_some_and(|(table, _)| table == oid)
                    && references.contains(&column.var)
                    && !grouped.contains(&column.var)
                    && dependent.insert(column.var)
                {
                    let ty = self.vars.ty(column.var).clone();
                    let var = if renamed { self.vars.add(column.name.clone(), ty.clone()) } else { column.var };
                    groups.push((var, Expr::Column(column.var, ty)));
                }
            }
        }
        dependent
    }

    /// Replaces group expressions by their variables; what then still reads the FROM clause is 42803.
    pub fn check_grouped(
        &self,
        expr: &mut Expr,
        grouping: &Grouping,
        references: std::ops::Range<usize>,
    ) -> Result<()> {
        let mut ungrouped: Option<(VarId, bool)> = None;
        replace(expr, grouping, false, &mut ungrouped);
        let Some((var, in_subquery)) = ungrouped else { return Ok(()) };
        let frame = self.frames.last().expect("a frame is pushed before expressions are bound");
        let end = references.end.min(frame.references.len());
        let known = frame.references.get(references.start..end).unwrap_or_default();
        let span = known.iter().chain(&frame.references).find(|(column, _)| *column == var).map(|(_, span)| *span);
        let name = frame
            .relations
            .iter()
            .find_map(|relation| {
                let column = relation.columns.iter().find(|column| column.var == var)?;
                Some(match &relation.name {
                    Some(relation) => format!("{relation}.{}", column.name),
                    None => column.name.to_string(),
                })
            })
            .unwrap_or_else(|| self.vars.info(var).name.to_string());
        let message = if in_subquery {
            format!("subquery uses ungrouped column \"{name}\" from outer query")
        } else {
            format!("column \"{name}\" must appear in the GROUP BY clause or be used in an aggregate function")
        };
        Err(QueryError::new(sqlstate::GROUPING_ERROR, message).at(span.and_then(|span| self.at(span))))
    }
}

fn replace(expr: &mut Expr, grouping: &Grouping, in_subquery: bool, ungrouped: &mut Option<(VarId, bool)>) {
    walk_expr(expr, &mut |expr| {
        if let Some((var, group)) = grouping.groups.iter().find(|(_, group)| same(group, expr)) {
            *expr = Expr::Column(*var, group.ty());
            return false;
        }
        if let Expr::Column(var, _) = expr {
            let readable =
                grouping.aggregates.contains(var) || !grouping.local.contains(var) || grouping.dependent.contains(var);
            if !readable && ungrouped.is_none() {
                *ungrouped = Some((*var, in_subquery));
            }
            return false;
        }
        if let Expr::Subquery(subquery) = expr {
            let Subquery { kind, plan, .. } = &mut **subquery;
            if let crate::algebra::SubqueryKind::Any { input, .. } | crate::algebra::SubqueryKind::All { input, .. } =
                kind
            {
                replace(input, grouping, in_subquery, ungrouped);
            }
            walk_plan_exprs(plan, &mut |inner| replace(inner, grouping, true, ungrouped));
            return false;
        }
        true
    });
}
