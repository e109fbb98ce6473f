//! `LIKE table [INCLUDING …]` among the columns of CREATE TABLE.

use std::sync::Arc;

use sinew_storage::catalog::{
    CheckDef, ColumnDef, ConstraintKind, EXPRESSION_COLUMN, IndexColumn, IndexDef, IndexTarget, TableDef,
};
use sinew_storage::ids::ColumnId;
use sqlparser::ast::{ColumnDef as AstColumn, DataType as AstType, ObjectName, Spanned};

use super::super::Binder;
use super::super::names::Relation;
use super::index::{distinct_name, expression_name};
use super::{Pending, unassigned};
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::lexical_like::LIKE_MARK;
use crate::sql::parse::parse_expression;
use crate::statement::NewSequence;

/// A LIKE clause with what it names.
pub(super) struct LikeClause {
    source: Relation,
    options: LikeOptions,
}

#[derive(Clone, Copy, Default)]
struct LikeOptions {
    comments: bool,
    constraints: bool,
    defaults: bool,
    identity: bool,
    indexes: bool,
}

impl LikeOptions {
    /// One option by its word; false for one that there is none of.
    fn set(&mut self, word: &str, on: bool) -> bool {
        match word {
            "ALL" => *self = LikeOptions { comments: on, constraints: on, defaults: on, identity: on, indexes: on },
            "COMMENTS" => self.comments = on,
            "CONSTRAINTS" => self.constraints = on,
            "DEFAULTS" => self.defaults = on,
            "IDENTITY" => self.identity = on,
            "INDEXES" => self.indexes = on,
            // Nothing here has any of them.
            "COMPRESSION" | "GENERATED" | "STATISTICS" | "STORAGE" => {}
            _ => return false,
        }
        true
    }
}

impl Binder<'_> {
    /// A column that stands for a LIKE clause, as [`crate::sql::lexical_like::with_like_clauses`] writes it.
    pub(super) fn like_clause(&self, column: &AstColumn) -> Result<Option<LikeClause>> {
        let Some(words) = column.name.value.strip_prefix(LIKE_MARK) else { return Ok(None) };
        let span = column.name.span;
        let AstType::Custom(name, _) = &column.data_type else {
            return Err(QueryError::syntax("LIKE needs a table", self.at(span)));
        };
        let mut options = LikeOptions::default();
        let words: Vec<&str> = words.split_whitespace().collect();
        for pair in words.chunks(2) {
            let known = match pair {
                ["INCLUDING", word] => options.set(word, true),
                ["EXCLUDING", word] => options.set(word, false),
                _ => false,
            };
            if !known {
                let near = pair.last().copied().unwrap_or_default();
                return Err(QueryError::syntax(format!("syntax error at or near \"{near}\""), self.at(span)));
            }
        }
        let source = self.like_source(name)?;
        Ok(Some(LikeClause { source, options }))
    }

    fn like_source(&self, name: &ObjectName) -> Result<Relation> {
        let qualified = self.qualified_name(name)?;
        match self.find_relation(&qualified) {
            Some(relation @ (Relation::Table(_) | Relation::Materialized(_) | Relation::View(_))) => Ok(relation),
            Some(other) => Err(QueryError::new(
                sqlstate::WRONG_OBJECT_TYPE,
                format!("relation \"{}\" is invalid in LIKE clause", qualified.name),
            )
            .detail(format!("This operation is not supported for {}s.", other.kind()))
            .at(self.at(name.span()))),
            None => Err(self.missing_relation(&qualified, name.span())),
        }
    }

    pub(super) fn add_like_columns(
        &mut self,
        table: &mut TableDef,
        like: &LikeClause,
        pending: &mut Pending,
    ) -> Result<()> {
        let source: Vec<ColumnDef> = match &like.source {
            Relation::Table(source) | Relation::Materialized(source) => source.columns.clone(),
            Relation::View(view) => view.columns.iter().map(|(name, ty)| plain_column(name, ty)).collect(),
            _ => Vec::new(),
        };
        for old in source {
            if table.column_position(&old.name).is_some() {
                return Err(QueryError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", old.name),
                ));
            }
            let mut column = ColumnDef {
                id: ColumnId(table.next_column_id),
                not_null: old.not_null,
                comment: old.comment.filter(|_| like.options.comments),
                ..plain_column(&old.name, &old.ty)
            };
            if old.identity.is_some() {
                if like.options.identity {
                    column.identity = old.identity;
                    self.copy_identity(table, &like.source, old.id, &mut column, pending);
                }
            } else if like.options.defaults
                && let Some(mut default) = old.default
            {
                // Rows of the new table are not older than the column.
                default.constant = None;
                column.default = Some(default);
            }
            table.next_column_id = table
                .next_column_id
                .checked_add(1)
                .ok_or_else(|| QueryError::new("54011", "tables can have at most 1600 columns"))?;
            table.columns.push(column);
        }
        Ok(())
    }

    /// A sequence for an identity column that counts as the source's does, from its start.
    fn copy_identity(
        &self,
        table: &TableDef,
        source: &Relation,
        old: ColumnId,
        column: &mut ColumnDef,
        pending: &mut Pending,
    ) {
        let Relation::Table(source) = source else { return };
        let owned = self.catalog.owned_sequences.get(&source.id).into_iter().flatten();
        let Some(sequence) = owned.into_iter().find(|sequence| sequence.belongs_to(source.id, old)) else { return };
        let taken = pending.names(Some(table));
        let name = self.free_relation_name(&table.schema, &[&table.name, &column.name], "seq", &taken);
        let mut def = (**sequence).clone();
        def.id = unassigned();
        def.schema.clone_from(&table.schema);
        def.name.clone_from(&name);
        def.initial = sinew_storage::catalog::SequenceValue { last_value: def.start, is_called: false };
        column.default = Some(super::super::identity::sequence_default(&table.schema, &name));
        pending.sequences.push(NewSequence { def, column: column.id, is_identity: true });
    }

    /// Checks and indexes, when all columns are there.
    pub(super) fn add_like_constraints(
        &mut self,
        table: &mut TableDef,
        like: &LikeClause,
        pending: &mut Pending,
    ) -> Result<()> {
        let Relation::Table(source) = &like.source else { return Ok(()) };
        if like.options.constraints {
            for check in &source.checks {
                if table.checks.iter().any(|other| other.name == check.name) {
                    return Err(QueryError::new(
                        sqlstate::DUPLICATE_OBJECT,
                        format!("check constraint \"{}\" already exists", check.name),
                    ));
                }
                table.checks.push(CheckDef { not_valid: false, ..check.clone() });
            }
        }
        if like.options.indexes {
            for index in self.catalog.indexes_of(source.id).to_vec() {
                self.copy_index(table, source, &index, pending)?;
            }
        }
        Ok(())
    }

    fn copy_index(
        &self,
        table: &mut TableDef,
        source: &Arc<TableDef>,
        index: &IndexDef,
        pending: &mut Pending,
    ) -> Result<()> {
        let IndexTarget::Table { columns, .. } = &index.target else { return Ok(()) };
        let new_id = |old: ColumnId| {
            let name = source.position_of(old).map(|position| source.columns[position].name.as_str());
            name.and_then(|name| table.column_position(name))
                .map(|position| table.columns[position].id)
                .ok_or_else(|| QueryError::internal(format!("a column of index {} is missing in its copy", index.name)))
        };
        let mut keys = Vec::with_capacity(columns.len());
        let mut names: Vec<String> = Vec::with_capacity(columns.len());
        for key in columns {
            let column = if key.expression.is_some() { EXPRESSION_COLUMN } else { new_id(key.column)? };
            let name = match (&key.expression, table.position_of(column)) {
                (Some(expression), _) => expression_name(&parse_expression(&expression.text)?),
                (None, Some(position)) => table.columns[position].name.clone(),
                (None, None) => return Err(QueryError::internal("a copied index has lost a column")),
            };
            names.push(distinct_name(name, &names));
            keys.push(IndexColumn { column, ..key.clone() });
        }
        let mut options = index.options.clone();
        for column in options.reads.iter_mut().chain(&mut options.included) {
            *column = new_id(*column)?;
        }
        if index.constraint == Some(ConstraintKind::PrimaryKey) {
            let has_key = pending.indexes.iter().any(|other| other.constraint == index.constraint);
            if has_key {
                return Err(QueryError::new(
                    "42P16",
                    format!("multiple primary keys for table \"{}\" are not allowed", table.name),
                ));
            }
            for key in &keys {
                if let Some(position) = table.position_of(key.column) {
                    table.columns[position].not_null = true;
                }
            }
        }
        let taken = pending.names(Some(table));
        let joined = names.join("_");
        let (parts, suffix): (&[&str], &str) = match index.constraint {
            Some(ConstraintKind::PrimaryKey) => (&[&table.name], "pkey"),
            Some(ConstraintKind::Unique) => (&[&table.name, &joined], "key"),
            None => (&[&table.name, &joined], "idx"),
        };
        let name = self.free_relation_name(&table.schema, parts, suffix, &taken);
        pending.indexes.push(IndexDef {
            id: unassigned(),
            schema: table.schema.clone(),
            name,
            target: IndexTarget::Table { table: unassigned(), columns: keys },
            kind: index.kind.clone(),
            constraint: index.constraint,
            options,
        });
        Ok(())
    }
}

fn plain_column(name: &str, ty: &sinew_storage::DataType) -> ColumnDef {
    ColumnDef {
        id: ColumnId(0),
        name: name.to_owned(),
        ty: ty.clone(),
        not_null: false,
        default: None,
        identity: None,
        virtual_expression: None,
        comment: None,
    }
}
