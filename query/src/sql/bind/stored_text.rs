//! SQL text kept in the catalog: view queries, defaults, checks, virtual columns. It is bound on its own, without the
//! names and positions of the statement that uses it.

use std::sync::Arc;

use sinew_storage::DataType;
use sinew_storage::catalog::TableDef;

use super::scope::{Clause, Frame, ScopeColumn, ScopeRelation};
use super::{Binder, Bound};
use crate::algebra::{Expr, RowRule, VarId, VarTable};
use crate::context::BindContext;
use crate::error::{QueryError, Result};
use crate::functions::CastContext;
use crate::sql::parse::{parse_expression, parse_query};

/// A table's CHECK constraints and defaults, bound apart from any statement.
pub struct StoredRules {
    pub vars: VarTable,
    /// The row that the checks are over, in table order.
    pub row: Vec<VarId>,
    pub checks: Vec<(RowRule, Expr)>,
    /// One for each column; NULL where none is declared.
    pub defaults: Vec<Expr>,
}

pub fn bind_stored_rules(context: &BindContext<'_>, table: &TableDef) -> Result<StoredRules> {
    let mut binder = Binder::new(context, "");
    let row = binder.row_vars(table);
    let checks = binder.bind_checks(table, &row)?;
    let mut defaults = Vec::with_capacity(table.columns.len());
    for position in 0..table.columns.len() {
        defaults.push(binder.bind_default(table, position)?);
    }
    Ok(StoredRules { vars: binder.vars, row, checks, defaults })
}

/// Expressions over a table's row, each as a value of its type: their variables, the row in table order, and them.
pub fn bind_row_expressions(
    context: &BindContext<'_>,
    table: &TableDef,
    texts: &[(&str, &DataType)],
) -> Result<(VarTable, Vec<VarId>, Vec<Expr>)> {
    let mut binder = Binder::new(context, "");
    let row = binder.row_vars(table);
    let relation = row_relation(table, &row);
    let mut exprs = Vec::with_capacity(texts.len());
    for (text, ty) in texts {
        exprs.push(binder.bind_stored_expression(text, &relation, Clause::Transform, ty)?);
    }
    Ok((binder.vars, row, exprs))
}

impl Binder<'_> {
    /// Binds with no scope and no positions but its own.
    pub(super) fn apart<T>(&mut self, bind: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let frames = std::mem::take(&mut self.frames);
        let ctes = std::mem::take(&mut self.ctes);
        let lateral_used = std::mem::take(&mut self.lateral_used);
        let source = self.source.take();
        let noted_names = self.noted_names.take();
        let noted_columns = self.noted_columns.take();
        let result = self.nested(bind);
        self.frames = frames;
        self.ctes = ctes;
        self.lateral_used = lateral_used;
        self.source = source;
        self.noted_names = noted_names;
        self.noted_columns = noted_columns;
        result
    }

    pub fn bind_stored_query(&mut self, text: &str) -> Result<Bound> {
        let query = parse_query(text)?;
        let mentions = std::mem::replace(&mut self.mentions_tableoid, super::mentions_tableoid(text));
        let bound = self.apart(|binder| binder.bind_query(&query, false));
        self.mentions_tableoid = mentions;
        bound
    }

    /// An expression over one relation's columns, as a value of `ty`.
    pub fn bind_stored_expression(
        &mut self,
        text: &str,
        relation: &ScopeRelation,
        clause: Clause,
        ty: &DataType,
    ) -> Result<Expr> {
        let ast = parse_expression(text)?;
        let mut frame = Frame::new(clause);
        frame.star = relation.columns.clone();
        frame.relations.push(relation.clone());
        self.apart(|binder| {
            let (expr, frame) = binder.with_frame(frame, |binder| binder.bind_expr(&ast))?;
            if !frame.aggregates.is_empty() || !frame.sets.is_empty() {
                return Err(QueryError::unsupported("an aggregate or set-returning function in a stored expression"));
            }
            binder.convert(expr, ty, CastContext::Assignment, None)
        })
    }

    /// What a column gets when an INSERT gives it nothing.
    pub fn bind_default(&mut self, table: &TableDef, position: usize) -> Result<Expr> {
        let column = &table.columns[position];
        match &column.default {
            None => Ok(Expr::null(column.ty.clone())),
            Some(default) => {
                let none = ScopeRelation { name: None, schema: None, columns: Vec::new(), tableoid: None };
                self.bind_stored_expression(&default.expression, &none, Clause::Default, &column.ty)
            }
        }
    }

    /// CHECK constraints over a row given as variables in table order.
    pub fn bind_checks(&mut self, table: &TableDef, row: &[VarId]) -> Result<Vec<(RowRule, Expr)>> {
        if table.checks.is_empty() {
            return Ok(Vec::new());
        }
        let relation = row_relation(table, row);
        table
            .checks
            .iter()
            .map(|check| {
                let expr = self.bind_stored_expression(&check.expression, &relation, Clause::Check, &DataType::Bool)?;
                Ok((RowRule::Constraint(check.name.clone()), expr))
            })
            .collect()
    }
}

/// A table's row as a relation.
pub fn row_relation(table: &TableDef, row: &[VarId]) -> ScopeRelation {
    let columns = table
        .columns
        .iter()
        .zip(row)
        .enumerate()
        .map(|(position, (column, var))| ScopeColumn {
            name: Arc::from(column.name.as_str()),
            var: *var,
            ty: column.ty.clone(),
            origin: Some((table.id.0, (position + 1) as i16)),
        })
        .collect();
    ScopeRelation { name: Some(table.name.clone()), schema: Some(table.schema.clone()), columns, tableoid: None }
}
