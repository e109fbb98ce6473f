//! Expressions and predicates of indexes: bound once to prove themselves, then kept as text.

use sinew_storage::DataType;
use sinew_storage::catalog::{IndexExpression, TableDef};
use sinew_storage::ids::ColumnId;
use sqlparser::ast::{Expr as Ast, Spanned};

use super::super::scope::{Clause, Frame};
use super::super::stored_text::row_relation;
use super::super::{Binder, walk};
use crate::algebra::{Expr, VarId};
use crate::error::{QueryError, Result};
use crate::functions::Volatility;
use crate::types::type_name;

impl Binder<'_> {
    /// An expression of an index's key, with the columns it reads. 42P17 unless it is immutable.
    pub(super) fn index_expression(
        &mut self,
        table: &TableDef,
        ast: &Ast,
        reads: &mut Vec<ColumnId>,
    ) -> Result<IndexExpression> {
        let (expr, columns) = self.bound_over_row(table, ast, Clause::IndexExpression)?;
        let expr = self.settle(expr)?;
        let ty = expr.ty();
        if matches!(ty, DataType::Record | DataType::Void | DataType::Any) {
            let name = type_name(&ty);
            return Err(
                QueryError::new("42P16", format!("column \"expr\" has pseudo-type {name}")).at(self.at(ast.span()))
            );
        }
        reads.extend(columns);
        Ok(IndexExpression { text: ast.to_string(), ty })
    }

    /// An index's predicate, with the columns it reads. 42P17 unless it is immutable.
    pub(super) fn index_predicate(&mut self, table: &TableDef, ast: &Ast, reads: &mut Vec<ColumnId>) -> Result<String> {
        let (_, columns) = self.bound_over_row(table, ast, Clause::IndexPredicate)?;
        reads.extend(columns);
        Ok(ast.to_string())
    }

    fn bound_over_row(&mut self, table: &TableDef, ast: &Ast, clause: Clause) -> Result<(Expr, Vec<ColumnId>)> {
        let position = self.at(ast.span());
        let row: Vec<VarId> = self.row_vars(table);
        let relation = row_relation(table, &row);
        let mut frame = Frame::new(clause);
        frame.star = relation.columns.clone();
        frame.relations.push(relation);
        let (mut expr, _) = self.with_frame(frame, |binder| match clause {
            Clause::IndexPredicate => binder.bind_condition(ast, "WHERE"),
            _ => binder.bind_expr(ast),
        })?;
        let mut subquery = false;
        let mut mutable = false;
        walk::walk_expr(&mut expr, &mut |expr| {
            subquery |= matches!(expr, Expr::Subquery(_));
            mutable |= !is_immutable(expr);
            true
        });
        let what = if clause == Clause::IndexPredicate { "index predicate" } else { "index expression" };
        if subquery {
            return Err(QueryError::unsupported_as(format!("cannot use subquery in {what}")).at(position));
        }
        if mutable {
            return Err(QueryError::new("42P17", format!("functions in {what} must be marked IMMUTABLE")).at(position));
        }
        let read = expr.vars();
        let mut columns = Vec::new();
        for (column, _) in table.columns.iter().zip(&row).filter(|(_, var)| read.contains(var)) {
            if column.virtual_expression.is_some() {
                return Err(self.unsupported("an index on a virtual generated column", ast.span()));
            }
            columns.push(column.id);
        }
        Ok((expr, columns))
    }
}

/// Whether this node alone gives the same for the same inputs, whatever the session and its time zone.
fn is_immutable(expr: &Expr) -> bool {
    let immutable = |volatility: Volatility| volatility == Volatility::Immutable;
    match expr {
        Expr::Call { function, .. } => immutable(function.volatility),
        Expr::InList { equals, .. } => immutable(equals.volatility),
        Expr::Quantified { operator, .. } => immutable(operator.volatility),
        Expr::Cast { input, to, .. } => cast_is_immutable(&input.ty(), to),
        _ => true,
    }
}

/// PostgreSQL's casts between text and what settings have a say in, and between times with and without a zone, are not.
fn cast_is_immutable(from: &DataType, to: &DataType) -> bool {
    let of_element = |ty: &DataType| match ty {
        DataType::Array(element) => (**element).clone(),
        other => other.clone(),
    };
    let (from, to) = (of_element(from), of_element(to));
    let is_text = |ty: &DataType| {
        matches!(ty, DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name | DataType::Unknown)
    };
    let is_by_zone = |ty: &DataType| type_name(ty).contains("with time zone");
    let is_time =
        |ty: &DataType| matches!(ty, DataType::Date | DataType::Interval) || type_name(ty).starts_with("time");
    let is_name = |ty: &DataType| matches!(ty, DataType::Regclass | DataType::Regtype | DataType::Regproc);
    if is_text(&from) || is_text(&to) {
        let other = if is_text(&from) { &to } else { &from };
        return !is_time(other) && !is_name(other);
    }
    is_by_zone(&from) == is_by_zone(&to) || !(is_time(&from) && is_time(&to))
}
