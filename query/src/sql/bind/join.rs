//! JOIN: ON, USING, NATURAL, and what may be lateral in them.

use sqlparser::ast::{Ident, Join, JoinConstraint, JoinOperator, ObjectName, Spanned, TableWithJoins};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::names::fold;
use super::scope::{Clause, Frame, FromItem, ScopeColumn};
use crate::algebra::{ApplyKind, Expr, JoinKind, Plan, VarId};
use crate::error::{QueryError, Result, sqlstate};

impl Binder<'_> {
    pub fn bind_table_with_joins(&mut self, tables: &TableWithJoins) -> Result<FromItem> {
        let mut left = self.bind_table_factor(&tables.relation)?;
        for join in &tables.joins {
            left = self.bind_join(left, join)?;
        }
        Ok(left)
    }

    fn bind_join(&mut self, left: FromItem, join: &Join) -> Result<FromItem> {
        let span = join.relation.span();
        if join.global {
            return Err(self.unsupported("GLOBAL JOIN", span));
        }
        let none = JoinConstraint::None;
        let (kind, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (JoinKind::Inner, constraint),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (JoinKind::Left, constraint),
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => (JoinKind::Right, constraint),
            JoinOperator::FullOuter(constraint) => (JoinKind::Full, constraint),
            JoinOperator::CrossJoin(JoinConstraint::None) => (JoinKind::Inner, &none),
            JoinOperator::CrossJoin(_) => {
                return Err(QueryError::syntax("CROSS JOIN takes no condition", self.at(span)));
            }
            _ => return Err(self.unsupported("this kind of join", span)),
        };
        let is_cross = matches!(join.join_operator, JoinOperator::CrossJoin(_));
        if matches!(constraint, JoinConstraint::None) && !is_cross {
            return Err(QueryError::syntax("JOIN needs ON, USING or NATURAL", self.at(span)));
        }
        let (right, correlated) = self.bind_beside(Some(&left), |binder| binder.bind_table_factor(&join.relation))?;
        self.check_aliases(&left, &right, span)?;
        self.check_join_count(&left, &right, span)?;
        match constraint {
            JoinConstraint::None => self.join_items(left, right, kind, correlated, span),
            JoinConstraint::On(condition) => {
                let mut relations = left.relations;
                relations.extend(right.relations);
                let mut star = left.star;
                star.extend(right.star);
                let frame = Frame { relations, star, ..Frame::new(Clause::On) };
                let (predicate, frame) =
                    self.with_frame(frame, |binder| binder.bind_condition(condition, "JOIN/ON"))?;
                let on = match predicate {
                    Expr::And(conjuncts) => conjuncts,
                    single => vec![single],
                };
                let plan = self.join_plans(left.plan, right.plan, kind, on, correlated, span)?;
                Ok(FromItem { plan, relations: frame.relations, star: frame.star })
            }
            JoinConstraint::Using(columns) => {
                let idents = columns.iter().map(|column| self.using_column(column)).collect::<Result<Vec<_>>>()?;
                self.join_using(left, right, kind, &idents, correlated, span)
            }
            JoinConstraint::Natural => {
                let idents: Vec<Ident> = left
                    .star
                    .iter()
                    .filter(|column| right.star.iter().any(|other| other.name == column.name))
                    .map(|column| Ident::with_quote('"', column.name.to_string()))
                    .collect();
                self.join_using(left, right, kind, &idents, correlated, span)
            }
        }
    }

    fn using_column(&self, name: &ObjectName) -> Result<Ident> {
        match name.0.as_slice() {
            [part] => part
                .as_ident()
                .cloned()
                .ok_or_else(|| QueryError::syntax("USING takes column names", self.at(name.span()))),
            _ => Err(QueryError::syntax("USING takes unqualified column names", self.at(name.span()))),
        }
    }

    /// Equal columns are merged: they come first in `*` and may be named without a qualifier.
    fn join_using(
        &mut self,
        left: FromItem,
        right: FromItem,
        kind: JoinKind,
        columns: &[Ident],
        correlated: bool,
        span: Span,
    ) -> Result<FromItem> {
        let mut on = Vec::with_capacity(columns.len());
        let mut merged: Vec<ScopeColumn> = Vec::with_capacity(columns.len());
        let mut items: Vec<(VarId, Expr)> = Vec::new();
        let mut names: Vec<String> = Vec::with_capacity(columns.len());
        for ident in columns {
            let name = fold(ident);
            if names.contains(&name) {
                return Err(QueryError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column name \"{name}\" appears more than once in USING clause"),
                )
                .at(self.at(ident.span)));
            }
            let left_column = self.find_using(&left.star, &name, "left", ident)?;
            let right_column = self.find_using(&right.star, &name, "right", ident)?;
            self.note_column(left_column.origin, None);
            self.note_column(right_column.origin, None);
            let left_expr = Expr::Column(left_column.var, self.vars.ty(left_column.var).clone());
            let right_expr = Expr::Column(right_column.var, self.vars.ty(right_column.var).clone());
            let position = self.at(if ident.span == Span::empty() { span } else { ident.span });
            on.push(self.binary("=", left_expr.clone(), right_expr.clone(), position)?);
            let (var, origin) = match kind {
                JoinKind::Right if left_expr.ty() == right_expr.ty() => (right_column.var, right_column.origin),
                JoinKind::Full => {
                    let (both, ty) = self.unify(vec![left_expr, right_expr], "JOIN/USING", position)?;
                    let var = self.vars.add(name.as_str(), ty.clone());
                    items.push((var, Expr::Coalesce(both, ty)));
                    (var, None)
                }
                _ if left_expr.ty() == right_expr.ty() => (left_column.var, left_column.origin),
                _ => {
                    let side = if kind == JoinKind::Right { right_expr.clone() } else { left_expr.clone() };
                    let types = [left_expr.ty(), right_expr.ty()];
                    let ty = self.common_type(&types, "JOIN/USING", position)?;
                    let value = self.coerce(side, &ty, position)?;
                    let var = self.vars.add(name.as_str(), ty);
                    items.push((var, value));
                    (var, None)
                }
            };
            let ty = self.vars.ty(var).clone();
            merged.push(ScopeColumn { name: name.as_str().into(), var, ty, origin });
            names.push(name);
        }
        let mut star = merged;
        for column in left.star.iter().chain(&right.star) {
            if !names.iter().any(|name| **name == *column.name) {
                star.push(column.clone());
            }
        }
        let mut relations = left.relations;
        relations.extend(right.relations);
        let mut plan = self.join_plans(left.plan, right.plan, kind, on, correlated, span)?;
        if !items.is_empty() {
            plan = Plan::Extend { input: Box::new(plan), items };
        }
        Ok(FromItem { plan, relations, star })
    }

    fn find_using(&self, star: &[ScopeColumn], name: &str, side: &str, ident: &Ident) -> Result<ScopeColumn> {
        let mut found = star.iter().filter(|column| *column.name == *name);
        let Some(first) = found.next() else {
            return Err(QueryError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("column \"{name}\" specified in USING clause does not exist in {side} table"),
            )
            .at(self.at(ident.span)));
        };
        if found.next().is_some() {
            return Err(QueryError::new(
                sqlstate::AMBIGUOUS_COLUMN,
                format!("common column name \"{name}\" appears more than once in {side} table"),
            )
            .at(self.at(ident.span)));
        }
        Ok(first.clone())
    }

    /// A join, or an apply when the right side reads the left.
    pub fn join_plans(
        &mut self,
        left: Plan,
        right: Plan,
        kind: JoinKind,
        on: Vec<Expr>,
        correlated: bool,
        span: Span,
    ) -> Result<Plan> {
        if !correlated {
            return Ok(Plan::Join { kind, left: Box::new(left), right: Box::new(right), on });
        }
        let filtered = |right: Plan, on: Vec<Expr>| match on.is_empty() {
            true => right,
            false => Plan::Filter { input: Box::new(right), predicate: Expr::and(on) },
        };
        match kind {
            JoinKind::Inner => {
                let apply = Plan::Apply { kind: ApplyKind::Cross, input: Box::new(left), subplan: Box::new(right) };
                Ok(filtered(apply, on))
            }
            JoinKind::Left => {
                Ok(Plan::Apply { kind: ApplyKind::Left, input: Box::new(left), subplan: Box::new(filtered(right, on)) })
            }
            _ => Err(QueryError::new(
                sqlstate::INVALID_COLUMN_REFERENCE,
                "invalid reference to FROM-clause entry: the left side is not available to a RIGHT or FULL JOIN",
            )
            .detail("The combining JOIN type must be INNER or LEFT for a LATERAL reference.")
            .at(self.at(span))),
        }
    }
}
