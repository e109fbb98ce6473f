//! ALTER COLUMN … TYPE.

use sinew_storage::DataType;
use sinew_storage::catalog::{IndexDef, IndexTarget, TableDef};
use sqlparser::ast::{DataType as AstType, Expr as Ast, Ident, Spanned};

use super::super::names::fold;
use super::super::scope::{Clause, Frame, ScopeRelation};
use super::super::stored_text::row_relation;
use super::super::{Binder, walk};
use super::alter_table::Change;
use super::create_table::check_ordered;
use super::drop::mentions_word;
use super::foreign_key::keys_fit;
use crate::algebra::{Expr, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, CastContext};
use crate::sql::parse::parse_expression;
use crate::statement::{ColumnRewrite, Ddl};
use crate::types::type_name;

impl Binder<'_> {
    pub(super) fn alter_type(
        &mut self,
        old: &TableDef,
        change: &mut Change,
        column: &Ident,
        data_type: &AstType,
        using: Option<&Ast>,
    ) -> Result<()> {
        let position = self.table_column(&change.table, column)?;
        let name = fold(column);
        let at = self.at(column.span);
        let definition = &change.table.columns[position];
        if definition.virtual_expression.is_some() {
            return Err(self.unsupported("ALTER COLUMN … TYPE of a virtual generated column", column.span));
        }
        let id = definition.id;
        let Some(old_position) = old.position_of(id) else {
            return Err(self.unsupported("ALTER COLUMN … TYPE of a column that the same command adds", column.span));
        };
        if change.rewrites.iter().any(|rewrite| rewrite.column == id) {
            return Err(QueryError::unsupported_as(format!("cannot alter type of column \"{name}\" twice")).at(at));
        }
        let from = definition.ty.clone();
        let to = self.data_type(data_type, column.span)?;
        if matches!(to, DataType::Record | DataType::Void | DataType::Unknown | DataType::Any) {
            let message = format!("column \"{name}\" has pseudo-type {}", type_name(&to));
            return Err(QueryError::new("42P16", message).at(at));
        }
        if definition.identity.is_some() && !matches!(to, DataType::Int2 | DataType::Int4 | DataType::Int8) {
            return Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "identity column type must be smallint, integer, or bigint",
            )
            .at(at));
        }
        let reader = self
            .catalog
            .stored_queries()
            .find(|view| mentions_word(view.query, &old.name) && mentions_word(view.query, &name));
        if let Some(view) = reader {
            return Err(QueryError::unsupported_as("cannot alter type of a column used by a view or rule")
                .detail(format!("rule _RETURN on {} {} depends on column \"{name}\"", view.kind, view.name))
                .at(at));
        }
        let text = match using {
            Some(ast) => {
                self.check_transform(old, ast, &name, &to)?;
                ast.to_string()
            }
            None if !functions::can_cast(&from, &to, CastContext::Assignment) && from != to => {
                return Err(QueryError::new(
                    sqlstate::DATATYPE_MISMATCH,
                    format!("column \"{name}\" cannot be cast automatically to type {}", type_name(&to)),
                )
                .hint(format!(
                    "You might need to specify \"USING {}::{}\".",
                    crate::types::reg::quote_identifier(&name),
                    type_name(&to)
                ))
                .at(at));
            }
            None => crate::types::reg::quote_identifier(&old.columns[old_position].name),
        };
        if definition.default.is_some() && !functions::can_cast(&from, &to, CastContext::Assignment) && from != to {
            return Err(QueryError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!("default for column \"{name}\" cannot be cast automatically to type {}", type_name(&to)),
            )
            .at(at));
        }
        self.check_keys(old, change, id, &to, column)?;
        let definition = &mut change.table.columns[position];
        definition.ty = to.clone();
        if let Some(default) = &mut definition.default {
            // Every row is written anew.
            default.constant = None;
            if default.expression == "NULL" {
                definition.default = None;
            }
        }
        for check in change.table.checks.iter().filter(|check| mentions_word(&check.expression, &name)) {
            change.validate.push((check.name.clone(), check.expression.clone()));
        }
        for sequence in self.catalog.owned_sequences.get(&old.id).into_iter().flatten() {
            if sequence.belongs_to(old.id, id) && sequence.owner.is_some_and(|owner| owner.is_identity) {
                let mut def = (**sequence).clone();
                let (_, greatest) = sinew_storage::catalog::SequenceDef::range_of(&def.ty);
                if def.max_value == greatest {
                    def.max_value = sinew_storage::catalog::SequenceDef::range_of(&to).1;
                }
                def.ty = to.clone();
                let position = crate::statement::SequencePosition::Checked;
                change.sequences.push(Ddl::AlterSequence { sequence: def, position, tag: "ALTER TABLE" });
            }
        }
        self.reword_indexes(change, id)?;
        change.rewrites.push(ColumnRewrite { column: id, ty: to, expression: text });
        change.changed = true;
        Ok(())
    }

    /// USING, over the row as it was. 0A000, 42804.
    fn check_transform(&mut self, old: &TableDef, ast: &Ast, name: &str, to: &DataType) -> Result<()> {
        let position = self.at(ast.span());
        let row: Vec<VarId> = self.row_vars(old);
        let relation: ScopeRelation = row_relation(old, &row);
        let mut frame = Frame::new(Clause::Transform);
        frame.star = relation.columns.clone();
        frame.relations.push(relation);
        let (mut expr, _) = self.with_frame(frame, |binder| binder.bind_expr(ast))?;
        let mut subquery = false;
        walk::walk_expr(&mut expr, &mut |expr| {
            subquery |= matches!(expr, Expr::Subquery(_));
            true
        });
        if subquery {
            return Err(QueryError::unsupported_as("cannot use subquery in transform expression").at(position));
        }
        let from = expr.ty();
        if from != DataType::Unknown && from != *to && !functions::can_cast(&from, to, CastContext::Assignment) {
            return Err(QueryError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!(
                    "result of USING clause for column \"{name}\" cannot be cast automatically to type {}",
                    type_name(to)
                ),
            )
            .hint("You might need to add an explicit cast.")
            .at(position));
        }
        self.convert(expr, to, CastContext::Assignment, position).map(drop)
    }

    /// What is keyed by the column can be keyed by the new type too.
    fn check_keys(
        &self,
        old: &TableDef,
        change: &Change,
        id: sinew_storage::ColumnId,
        to: &DataType,
        column: &Ident,
    ) -> Result<()> {
        for index in self.catalog.indexes_of(old.id) {
            let IndexTarget::Table { columns, .. } = &index.target else { continue };
            if columns.iter().any(|key| key.column == id) && !change.drop_indexes.contains(&index.id) {
                if !matches!(index.kind, sinew_storage::catalog::IndexKind::Ordered { .. }) {
                    return Err(self.unsupported(
                        format_args!("ALTER COLUMN … TYPE of a column of the index \"{}\"", index.name),
                        column.span,
                    ));
                }
                check_ordered(to, &fold(column)).map_err(|error| error.at(self.at(column.span)))?;
            }
        }
        let type_of = |table: &TableDef, other: sinew_storage::ColumnId| {
            if table.id == old.id && other == id {
                return Some(to.clone());
            }
            table.position_of(other).map(|position| table.columns[position].ty.clone())
        };
        let outgoing = change.table.foreign_keys.iter().map(|key| (old, key));
        let incoming = self.catalog.references_to(old.id).map(|(owner, key)| (&**owner, key));
        for (owner, key) in outgoing.chain(incoming) {
            let Some(referenced) = self.catalog.tables.get(&key.referenced_table) else { continue };
            for (from, target) in key.columns.iter().zip(&key.referenced_columns) {
                let is_concerned = (owner.id == old.id && *from == id) || (referenced.id == old.id && *target == id);
                if !is_concerned {
                    continue;
                }
                if let (Some(from), Some(target)) = (type_of(owner, *from), type_of(referenced, *target))
                    && !keys_fit(&from, &target)
                {
                    return Err(QueryError::unsupported(format!(
                        "a foreign key from type {} to {} (constraint \"{}\")",
                        type_name(&from),
                        type_name(&target),
                        key.name
                    ))
                    .at(self.at(column.span)));
                }
            }
        }
        Ok(())
    }

    /// Expressions of indexes may have another type over the new column.
    fn reword_indexes(&mut self, change: &mut Change, id: sinew_storage::ColumnId) -> Result<()> {
        let catalog = std::sync::Arc::clone(&self.catalog);
        for index in catalog.indexes_of(change.table.id).iter().filter(|index| index.options.reads.contains(&id)) {
            let mut index = IndexDef::clone(index);
            let mut changed = false;
            if let IndexTarget::Table { columns, .. } = &mut index.target {
                for column in columns {
                    let Some(expression) = &mut column.expression else { continue };
                    let ast = parse_expression(&expression.text)?;
                    let mut reads = Vec::new();
                    let new = self.index_expression(&change.table, &ast, &mut reads)?;
                    changed |= new.ty != expression.ty;
                    expression.ty = new.ty;
                }
            }
            if changed {
                change.before.push(Ddl::RewordIndex { index });
            }
        }
        Ok(())
    }
}
