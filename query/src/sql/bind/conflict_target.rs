//! ON CONFLICT: which unique index a target means.

use std::sync::Arc;

use sinew_storage::DataType;
use sinew_storage::catalog::{IndexDef, IndexTarget, TableDef};
use sinew_storage::ids::ColumnId;
use sqlparser::ast::{Expr as Ast, Ident};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::insert::is_unique;
use super::scope::{Clause, Frame, ScopeRelation};
use super::stored_text::row_relation;
use super::view_write::WriteTarget;
use crate::algebra::Expr;
use crate::error::{QueryError, Result, sqlstate};
use crate::optimizer::{implies, same};
use crate::sql::lexical_like::{PREDICATE_MARK, TARGET_MARK};
use crate::sql::parse::{parse_expression, parse_expressions};

/// A part of a target.
enum Part {
    Column(ColumnId),
    Expression(Expr),
}

impl Binder<'_> {
    /// The index that the columns and expressions of a target are the key of, and whose predicate the target's implies.
    /// 42P10 when there is none.
    pub(super) fn conflict_index(&mut self, written: &WriteTarget, target: &[Ident]) -> Result<Arc<IndexDef>> {
        let table = &written.table;
        let row = self.row_vars(table);
        let relation = row_relation(table, &row);
        let marked = match target {
            [only] => only.value.strip_prefix(TARGET_MARK),
            _ => None,
        };
        let (parts, predicate) = match marked {
            Some(text) if written.view.is_none() => self.written_target(table, &relation, text)?,
            Some(_) => {
                let span = target.first().map_or_else(Span::empty, |column| column.span);
                return Err(self.unsupported("an expression or WHERE in ON CONFLICT on a view", span));
            }
            None => {
                let mut parts = Vec::with_capacity(target.len());
                for column in target {
                    parts.push(Part::Column(table.columns[self.table_column(&written.named, column)?].id));
                }
                (parts, Vec::new())
            }
        };
        let catalog = Arc::clone(&self.catalog);
        for index in catalog.indexes_of(table.id).iter().filter(|index| is_unique(index)) {
            let IndexTarget::Table { columns, .. } = &index.target else { continue };
            let (keys, condition) = self.index_parts(&relation, index)?;
            let is_part = |at: usize, part: &Part| match (part, keys.get(at).and_then(Option::as_ref)) {
                (Part::Column(column), None) => columns[at].column == *column,
                (Part::Expression(expr), Some(key)) => same(expr, key),
                _ => false,
            };
            let all_named = (0..columns.len()).all(|at| parts.iter().any(|part| is_part(at, part)));
            let all_found = parts.iter().all(|part| (0..columns.len()).any(|at| is_part(at, part)));
            let is_implied = condition.is_none_or(|condition| implies(&predicate, &condition.conjuncts()));
            if all_named && all_found && is_implied {
                return Ok(Arc::clone(index));
            }
        }
        Err(QueryError::new(
            sqlstate::INVALID_COLUMN_REFERENCE,
            "there is no unique or exclusion constraint matching the ON CONFLICT specification",
        )
        .at(target.first().and_then(|column| self.at(column.span))))
    }

    /// A target that was kept as text.
    fn written_target(
        &mut self,
        table: &TableDef,
        relation: &ScopeRelation,
        text: &str,
    ) -> Result<(Vec<Part>, Vec<Expr>)> {
        let (keys, predicate) = match text.split_once(PREDICATE_MARK) {
            Some((keys, predicate)) => (keys, Some(predicate)),
            None => (text, None),
        };
        let mut parts = Vec::new();
        for ast in parse_expressions(keys)? {
            let mut ast = &ast;
            while let Ast::Nested(inner) | Ast::Collate { expr: inner, .. } = ast {
                ast = inner;
            }
            parts.push(match ast {
                Ast::Identifier(ident) => Part::Column(table.columns[self.table_column(table, ident)?].id),
                other => Part::Expression(self.bound_apart(relation, Clause::IndexExpression, |binder| {
                    let expr = binder.bind_expr(other)?;
                    binder.settle(expr)
                })?),
            });
        }
        let predicate = match predicate {
            Some(text) => {
                let ast = parse_expression(text)?;
                self.bound_apart(relation, Clause::IndexPredicate, |binder| {
                    let expr = binder.bind_expr(&ast)?;
                    binder.convert(expr, &DataType::Bool, crate::functions::CastContext::Assignment, None)
                })?
                .conjuncts()
            }
            None => Vec::new(),
        };
        Ok((parts, predicate))
    }

    fn bound_apart(
        &mut self,
        relation: &ScopeRelation,
        clause: Clause,
        bind: impl FnOnce(&mut Self) -> Result<Expr>,
    ) -> Result<Expr> {
        let mut frame = Frame::new(clause);
        frame.star = relation.columns.clone();
        frame.relations.push(relation.clone());
        self.apart(|binder| binder.with_frame(frame, bind).map(|(expr, _)| expr))
    }
}
