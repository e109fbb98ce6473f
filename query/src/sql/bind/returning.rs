//! RETURNING, and the parts that INSERT, UPDATE and DELETE share.

use sinew_storage::catalog::{TableBehaviour, TableDef};
use sqlparser::ast::{Expr as Ast, Ident, ObjectName, SelectItem, Spanned};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::scope::{Clause, Frame};
use crate::algebra::{Expr, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::OutputColumn;

impl Binder<'_> {
    /// Binds RETURNING over `frame`, with `computed` columns put in their place. No list gives no columns.
    pub fn bind_returning(
        &mut self,
        returning: Option<&[SelectItem]>,
        frame: Frame,
        computed: &[(VarId, Expr)],
    ) -> Result<(Vec<(VarId, Expr)>, Vec<OutputColumn>)> {
        let Some(items) = returning else { return Ok((Vec::new(), Vec::new())) };
        let (named, frame) = self.with_frame(frame, |binder| binder.bind_item_list(items))?;
        if !frame.sets.is_empty() {
            return Err(QueryError::unsupported("a set-returning function in RETURNING"));
        }
        let mut columns = Vec::with_capacity(named.len());
        let mut output = Vec::with_capacity(named.len());
        for (name, expr, origin) in named {
            let mut expr = self.settle(expr)?;
            super::embed::walk_expr(&mut expr, &mut |expr| {
                if let Expr::Column(var, _) = expr
                    && let Some((_, value)) = computed.iter().find(|(known, _)| known == var)
                {
                    *expr = value.clone();
                    return false;
                }
                true
            });
            let ty = expr.ty();
            // RETURNING makes variables of its own: its input's need not reach the client.
            let var = self.vars.add(name.clone(), ty.clone());
            columns.push((var, expr));
            output.push(OutputColumn { name, var, ty, origin });
        }
        Ok((columns, output))
    }

    /// Virtual columns of a row that was just written, as expressions over it.
    pub fn computed_columns(&mut self, table: &TableDef, row: &[VarId]) -> Result<Vec<(VarId, Expr)>> {
        let mut computed = Vec::new();
        let relation = super::stored_text::row_relation(table, row);
        for (column, var) in table.columns.iter().zip(row) {
            if let Some(text) = &column.virtual_expression {
                computed.push((*var, self.bind_stored_expression(text, &relation, Clause::Select, &column.ty)?));
            }
        }
        Ok(computed)
    }

    /// Refuses to write what only the engine writes.
    pub fn check_writable(&self, table: &TableDef, span: Span) -> Result<()> {
        if table.behaviour == TableBehaviour::EngineOnly {
            return Err(QueryError::new(
                sqlstate::INSUFFICIENT_PRIVILEGE,
                format!("permission denied for table {}", table.name),
            )
            .detail("The engine writes this table; it can be read only.")
            .at(self.at(span)));
        }
        Ok(())
    }

    /// A column that a statement assigns to: it exists, stores something, and is named once.
    pub fn assignment_target(&self, table: &TableDef, name: &ObjectName, seen: &mut Vec<usize>) -> Result<usize> {
        let idents: Vec<&Ident> = name.0.iter().filter_map(|part| part.as_ident()).collect();
        let ident = match idents.as_slice() {
            [ident] if name.0.len() == 1 => *ident,
            _ => {
                return Err(QueryError::new(
                    sqlstate::UNDEFINED_COLUMN,
                    format!(
                        "column \"{}\" of relation \"{}\" does not exist",
                        super::names::fold_first(name),
                        table.name
                    ),
                )
                .hint("SET target columns cannot be qualified with the relation name.")
                .at(self.at(name.span())));
            }
        };
        let position = self.table_column(table, ident)?;
        if table.columns[position].virtual_expression.is_some() {
            return Err(QueryError::new(
                "428C9",
                format!("column \"{}\" can only be updated to DEFAULT", table.columns[position].name),
            )
            .detail(format!("Column \"{}\" is a generated column.", table.columns[position].name))
            .at(self.at(ident.span)));
        }
        if seen.contains(&position) {
            return Err(QueryError::new(
                sqlstate::SYNTAX_ERROR,
                format!("multiple assignments to same column \"{}\"", table.columns[position].name),
            )
            .at(self.at(ident.span)));
        }
        seen.push(position);
        Ok(position)
    }

    /// A value for a column: DEFAULT, or an expression with its assignment cast.
    pub fn assigned_value(&mut self, table: &TableDef, position: usize, ast: &Ast) -> Result<Expr> {
        if is_default(ast) {
            return self.bind_default(table, position);
        }
        let expr = self.bind_expr(ast)?;
        let place = self.at(ast.span());
        let column = &table.columns[position];
        self.assign(expr, &column.name, &column.ty, place)
    }

    /// Fresh variables for a row of `table`.
    pub fn row_vars(&mut self, table: &TableDef) -> Vec<VarId> {
        table.columns.iter().map(|column| self.vars.add(column.name.as_str(), column.ty.clone())).collect()
    }

    /// The frame in which RETURNING and ON CONFLICT see rows of `table` under `name`.
    pub fn row_frame(&mut self, table: &TableDef, name: Option<&str>, row: &[VarId], clause: Clause) -> Frame {
        let mut relation = super::stored_text::row_relation(table, row);
        if let Some(name) = name {
            relation.name = Some(name.to_owned());
            relation.schema = None;
        }
        let mut frame = Frame::new(clause);
        frame.star = relation.columns.clone();
        frame.relations.push(relation);
        frame
    }
}

/// The DEFAULT keyword.
pub fn is_default(ast: &Ast) -> bool {
    matches!(ast, Ast::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}
