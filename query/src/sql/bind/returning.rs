//! RETURNING, and the parts that INSERT, UPDATE and DELETE share.

use sinew_storage::DataType;
use sinew_storage::catalog::{TableBehaviour, TableDef};
use sqlparser::ast::{Expr as Ast, Ident, ObjectName, SelectItem, Spanned};
use sqlparser::tokenizer::Span;

use super::Binder;
use super::scope::{Clause, Frame};
use super::subscript::{ColumnPart, split_subscripts};
use super::view_write::{Write, WriteTarget};
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
            super::walk::walk_expr(&mut expr, &mut |expr| {
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

    /// What a statement assigns to: a column that exists, stores something and is named once, or parts of it.
    pub fn assignment_target(
        &mut self,
        written: &WriteTarget,
        name: &ObjectName,
        write: Write,
        seen: &mut Vec<AssignmentTarget>,
    ) -> Result<AssignmentTarget> {
        let table = &written.named;
        let (names, subscripts) = split_subscripts(name);
        let idents: Vec<&Ident> = names.iter().filter_map(|part| part.as_ident()).collect();
        let ident = match idents.as_slice() {
            [ident] if names.len() == 1 => *ident,
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
        self.refuse_computed(written, &super::names::fold(ident), write, ident.span)?;
        let position = self.table_column(table, ident)?;
        if table.columns[position].virtual_expression.is_some() {
            return Err(QueryError::new(
                "428C9",
                format!("column \"{}\" can only be updated to DEFAULT", table.columns[position].name),
            )
            .detail(format!("Column \"{}\" is a generated column.", table.columns[position].name))
            .at(self.at(ident.span)));
        }
        if seen.iter().any(|other| other.position == position && (other.part.is_none() || subscripts.is_none())) {
            return Err(QueryError::new(
                sqlstate::SYNTAX_ERROR,
                format!("multiple assignments to same column \"{}\"", table.columns[position].name),
            )
            .at(self.at(ident.span)));
        }
        let part = match subscripts {
            Some(subscripts) => Some(self.bind_part(&table.columns[position], subscripts, ident.span)?),
            None => None,
        };
        let target = AssignmentTarget { position, part };
        seen.push(target.clone());
        Ok(target)
    }

    /// A value for a column or a part of it: DEFAULT, or an expression with its assignment cast.
    pub fn assigned_value(&mut self, table: &TableDef, target: &AssignmentTarget, ast: &Ast) -> Result<Expr> {
        let position = target.position;
        if let Some(part) = &target.part {
            return self.part_value(&table.columns[position], part, ast);
        }
        if is_default(ast) {
            return self.bind_default(table, position);
        }
        let expr = self.bind_expr(ast)?;
        let place = self.at(ast.span());
        let column = &table.columns[position];
        self.assign(expr, &column.name, &column.ty, place)
    }

    /// A value that is bound already, with its assignment cast.
    pub fn assign_to(
        &mut self,
        table: &TableDef,
        target: &AssignmentTarget,
        value: Expr,
        place: Option<usize>,
    ) -> Result<Expr> {
        let column = &table.columns[target.position];
        match &target.part {
            Some(part) => self.assign_part(column, part, value, place),
            None => self.assign(value, &column.name, &column.ty, place),
        }
    }

    /// Fresh variables for a row of `table`.
    pub fn row_vars(&mut self, table: &TableDef) -> Vec<VarId> {
        table.columns.iter().map(|column| self.vars.add(column.name.as_str(), column.ty.clone())).collect()
    }

    /// The frame that sees a row of `table`.
    pub fn row_frame(&mut self, table: &TableDef, row: &[VarId], clause: Clause) -> Frame {
        Frame::named(super::stored_text::row_relation(table, row), None, clause)
    }
}

/// What a value is assigned to.
#[derive(Clone)]
pub struct AssignmentTarget {
    /// Of the column.
    pub position: usize,
    /// What of it; None: all.
    pub part: Option<ColumnPart>,
}

impl AssignmentTarget {
    /// Type of the value.
    pub fn ty<'t>(&'t self, table: &'t TableDef) -> &'t DataType {
        self.part.as_ref().map_or(&table.columns[self.position].ty, |part| &part.ty)
    }

    /// Adds the value to those that the statement gives to whole columns. Parts are put into what the column has been given
    /// so far, else into `old`.
    pub fn give(self, table: &TableDef, value: Expr, old: impl FnOnce() -> Expr, given: &mut Vec<(usize, Expr)>) {
        let position = self.position;
        let Some(part) = self.part else {
            given.push((position, value));
            return;
        };
        let column = &table.columns[position];
        match given.iter_mut().find(|(other, _)| *other == position) {
            Some((_, known)) => {
                let before = std::mem::replace(known, Expr::null(column.ty.clone()));
                *known = part.assigned(column, before, value);
            }
            None => given.push((position, part.assigned(column, old(), value))),
        }
    }
}

/// The DEFAULT keyword.
pub fn is_default(ast: &Ast) -> bool {
    matches!(ast, Ast::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}
