//! CREATE TABLE, and the column and constraint definitions that ALTER TABLE shares.

use sinew_storage::DataType;
use sinew_storage::catalog::{
    CheckDef, ColumnDef, ConstraintKind, ConstraintTiming, DefaultExpr, IdentityKind, IndexColumn, IndexDef, IndexKind,
    IndexTarget, TableBehaviour, TableDef,
};
use sinew_storage::ids::{ColumnId, RelationId};
use sqlparser::ast::{
    ColumnDef as AstColumn, ColumnOption, ConstraintCharacteristics, CreateTable, DeferrableInitial, Expr as Ast,
    GeneratedAs, Ident, IndexColumn as AstIndexColumn, NullsDistinctOption, Spanned, TableConstraint,
};
use sqlparser::tokenizer::Span;

use super::super::data_type::serial_type;
use super::super::names::fold;
use super::super::scope::{Clause, Frame};
use super::super::stored_text::row_relation;
use super::super::{Binder, walk};
use super::foreign_key::WrittenForeignKey;
use super::{Pending, object_name, unassigned};
use crate::algebra::{Expr, VarId};
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::{self, CastContext};
use crate::sql::lexical_like::NULLS_MARK;
use crate::statement::Ddl;
use crate::types::type_name;

/// PostgreSQL's limit.
const COLUMN_LIMIT: usize = 1600;
/// As PostgreSQL's INDEX_MAX_KEYS.
const INDEX_COLUMN_LIMIT: usize = 32;

impl Binder<'_> {
    pub fn create_table(&mut self, create: &CreateTable) -> Result<Vec<Ddl>> {
        let span = create.name.span();
        self.reject_table_options(create)?;
        let (temporary, on_commit) = self.temporary_options(create)?;
        let qualified = self.qualified_name(&create.name)?;
        let schema = self.creation_schema_of(&qualified, temporary, span)?;
        if on_commit.is_some() && !super::super::names::is_temporary_schema(&schema) {
            return Err(QueryError::new("42P16", "ON COMMIT can only be used on temporary tables").at(self.at(span)));
        }
        let options = self.table_options(&create.table_options, span)?;
        if self.catalog.relation_id(&schema, &qualified.name).is_some() {
            if create.if_not_exists {
                let notice = Some(format!("relation \"{}\" already exists, skipping", qualified.name));
                return Ok(vec![Ddl::Nothing { tag: "CREATE TABLE", notice }]);
            }
            return Err(QueryError::new(
                sqlstate::DUPLICATE_TABLE,
                format!("relation \"{}\" already exists", qualified.name),
            )
            .at(self.at(span)));
        }
        if create.columns.len() > COLUMN_LIMIT {
            return Err(QueryError::new("54011", format!("tables can have at most {COLUMN_LIMIT} columns")));
        }
        let mut table = TableDef {
            id: unassigned(),
            schema,
            name: qualified.name,
            columns: Vec::with_capacity(create.columns.len()),
            next_column_id: 1,
            checks: Vec::new(),
            foreign_keys: Vec::new(),
            behaviour: TableBehaviour::Plain,
            version: 0,
            comment: None,
            options,
            materialized: None,
        };
        let mut pending = Pending::default();
        // All columns first: checks and keys may name later ones.
        let mut likes = Vec::new();
        for column in &create.columns {
            match self.like_clause(column)? {
                Some(like) => {
                    self.add_like_columns(&mut table, &like, &mut pending)?;
                    likes.push(like);
                }
                None => self.add_column(&mut table, column, &mut pending)?,
            }
        }
        for column in &create.columns {
            self.add_column_constraints(&mut table, column, &mut pending)?;
        }
        for like in &likes {
            self.add_like_constraints(&mut table, like, &mut pending)?;
        }
        for constraint in &create.constraints {
            self.add_constraint(&mut table, constraint, &mut pending, RelationId(0))?;
        }
        let foreign_keys = self.bind_foreign_keys(&table, &pending, &[])?;
        Ok(vec![Ddl::CreateTable {
            table,
            indexes: pending.indexes,
            foreign_keys,
            sequences: pending.sequences,
            if_not_exists: create.if_not_exists,
            on_commit: on_commit.unwrap_or_default(),
        }])
    }

    pub(super) fn reject_table_options(&self, create: &CreateTable) -> Result<()> {
        let what = if create.unlogged {
            "CREATE UNLOGGED TABLE"
        } else if create.or_replace {
            "CREATE OR REPLACE TABLE"
        } else if create.like.is_some() || create.clone.is_some() {
            "CREATE TABLE LIKE"
        } else if create.inherits.is_some() {
            "INHERITS"
        } else if create.partition_by.is_some() || create.partition_of.is_some() || create.for_values.is_some() {
            "partitioned tables"
        } else if create.external
            || create.transient
            || create.volatile
            || create.iceberg
            || create.dynamic
            || create.snapshot
            || create.without_rowid
            || create.strict
            || create.file_format.is_some()
            || create.location.is_some()
            || create.version.is_some()
            || create.comment.is_some()
            || create.on_cluster.is_some()
            || create.primary_key.is_some()
            || create.order_by.is_some()
            || create.cluster_by.is_some()
            || create.clustered_by.is_some()
        {
            "this option of CREATE TABLE"
        } else {
            return Ok(());
        };
        Err(self.unsupported(what, create.name.span()))
    }

    /// Appends a column: type, NOT NULL, DEFAULT. Constraints follow when all columns are known.
    pub(super) fn add_column(&mut self, table: &mut TableDef, column: &AstColumn, pending: &mut Pending) -> Result<()> {
        let name = fold(&column.name);
        let span = column.name.span;
        if table.column_position(&name).is_some() {
            return Err(QueryError::new(
                sqlstate::DUPLICATE_COLUMN,
                if table.id == unassigned() {
                    format!("column \"{name}\" specified more than once")
                } else {
                    format!("column \"{name}\" of relation \"{}\" already exists", table.name)
                },
            )
            .at(self.at(span)));
        }
        let serial = serial_type(&column.data_type);
        let ty = match &serial {
            Some(ty) => ty.clone(),
            None => self.data_type(&column.data_type, span)?,
        };
        if matches!(ty, DataType::Record | DataType::Void | DataType::Unknown) {
            return Err(QueryError::new("42P16", format!("column \"{name}\" has pseudo-type {}", type_name(&ty)))
                .at(self.at(span)));
        }
        let mut definition = ColumnDef {
            id: ColumnId(table.next_column_id),
            name: name.clone(),
            ty: ty.clone(),
            not_null: serial.is_some(),
            default: None,
            identity: None,
            virtual_expression: None,
            comment: None,
        };
        let mut settings = None;
        for option in &column.options {
            match &option.option {
                ColumnOption::Null => {
                    if definition.not_null {
                        return Err(QueryError::syntax(
                            format!(
                                "conflicting NULL/NOT NULL declarations for column \"{name}\" of table \"{}\"",
                                table.name
                            ),
                            self.at(span),
                        ));
                    }
                }
                ColumnOption::NotNull => definition.not_null = true,
                ColumnOption::Default(expr) => {
                    if definition.default.is_some() || serial.is_some() {
                        return Err(QueryError::syntax(
                            format!(
                                "multiple default values specified for column \"{name}\" of table \"{}\"",
                                table.name
                            ),
                            self.at(expr.span()),
                        ));
                    }
                    definition.default = self.default_expression(expr, &name, &ty)?;
                }
                ColumnOption::PrimaryKey(_) => definition.not_null = true,
                ColumnOption::Unique(_) | ColumnOption::Check(_) | ColumnOption::ForeignKey(_) => {}
                ColumnOption::Comment(mark) if mark == NULLS_MARK => {}
                ColumnOption::Generated { generated_as, sequence_options, generation_expr, .. } => {
                    if generation_expr.is_some() || matches!(generated_as, GeneratedAs::ExpStored) {
                        return Err(self.unsupported("a stored generated column", span));
                    }
                    if !matches!(ty, DataType::Int2 | DataType::Int4 | DataType::Int8) {
                        return Err(QueryError::new(
                            sqlstate::INVALID_PARAMETER_VALUE,
                            "identity column type must be smallint, integer, or bigint",
                        )
                        .at(self.at(span)));
                    }
                    if definition.identity.is_some() {
                        return Err(QueryError::syntax(
                            format!(
                                "multiple identity specifications for column \"{name}\" of table \"{}\"",
                                table.name
                            ),
                            self.at(span),
                        ));
                    }
                    definition.not_null = true;
                    let always = matches!(generated_as, GeneratedAs::Always);
                    definition.identity = Some(if always { IdentityKind::Always } else { IdentityKind::ByDefault });
                    settings = Some(self.identity_settings(sequence_options.as_deref().unwrap_or_default(), span)?);
                }
                ColumnOption::Collation(collation) => {
                    let collation_name = self.qualified_name(collation)?.name;
                    if !matches!(collation_name.as_str(), "C" | "POSIX" | "default") {
                        return Err(QueryError::new(
                            sqlstate::UNDEFINED_OBJECT,
                            format!("collation \"{collation_name}\" for encoding \"UTF8\" does not exist"),
                        )
                        .at(self.at(collation.span())));
                    }
                }
                other => return Err(self.unsupported(format_args!("the column option {other}"), span)),
            }
        }
        if definition.identity.is_some() && (definition.default.is_some() || serial.is_some()) {
            return Err(QueryError::syntax(
                format!("both default and identity specified for column \"{name}\" of table \"{}\"", table.name),
                self.at(span),
            ));
        }
        if serial.is_some() || definition.identity.is_some() {
            let identity = definition.identity.zip(settings.as_ref());
            self.column_sequence(table, &mut definition, identity, pending)?;
        }
        table.next_column_id = table.next_column_id.checked_add(1).ok_or_else(|| {
            QueryError::new("54011", format!("table \"{}\" has used up its column numbers", table.name))
        })?;
        table.columns.push(definition);
        Ok(())
    }

    /// A DEFAULT as text, after it proved to be of the column's type. `DEFAULT NULL` is none.
    pub fn default_expression(&mut self, ast: &Ast, column: &str, ty: &DataType) -> Result<Option<DefaultExpr>> {
        let position = self.at(ast.span());
        // Columns would be found missing; PostgreSQL says why.
        let (expr, frame) =
            self.with_frame(Frame::new(Clause::Default), |binder| binder.bind_expr(ast)).map_err(|error| {
                if error.sqlstate() == sqlstate::UNDEFINED_COLUMN {
                    QueryError::unsupported("a column reference in a DEFAULT expression").at(position)
                } else {
                    error
                }
            })?;
        let mut subquery = false;
        walk::walk_expr(&mut expr.clone(), &mut |expr| {
            subquery |= matches!(expr, Expr::Subquery(_));
            true
        });
        if subquery {
            return Err(QueryError::unsupported("a subquery in a DEFAULT expression").at(position));
        }
        drop(frame);
        if matches!(expr, Expr::Literal(sinew_storage::Value::Null, _)) {
            return Ok(None);
        }
        let from = expr.ty();
        if from != DataType::Unknown && from != *ty && !functions::can_cast(&from, ty, CastContext::Assignment) {
            return Err(QueryError::new(
                sqlstate::DATATYPE_MISMATCH,
                format!(
                    "column \"{column}\" is of type {} but default expression is of type {}",
                    type_name(ty),
                    type_name(&from)
                ),
            )
            .hint("You will need to rewrite or cast the expression.")
            .at(position));
        }
        self.convert(expr, ty, CastContext::Assignment, position)?;
        let expression = self.with_qualified_sequences(&ast.to_string());
        Ok(Some(DefaultExpr { expression, constant: None }))
    }

    /// PRIMARY KEY, UNIQUE, CHECK and REFERENCES written at a column.
    pub(super) fn add_column_constraints(
        &mut self,
        table: &mut TableDef,
        column: &AstColumn,
        pending: &mut Pending,
    ) -> Result<()> {
        for option in &column.options {
            let name = option.name.as_ref().map(fold);
            let span = column.name.span;
            match &option.option {
                ColumnOption::PrimaryKey(key) => {
                    self.reject_deferrable_key(key.characteristics.as_ref(), span)?;
                    let columns = std::slice::from_ref(&column.name);
                    self.add_key(table, name, columns, ConstraintKind::PrimaryKey, pending, table.id, span)?;
                }
                ColumnOption::Unique(key) => {
                    self.reject_deferrable_key(key.characteristics.as_ref(), span)?;
                    let columns = std::slice::from_ref(&column.name);
                    self.add_key(table, name, columns, ConstraintKind::Unique, pending, table.id, span)?;
                }
                ColumnOption::Comment(mark) if mark == NULLS_MARK => {
                    note_nulls(pending, NullsDistinctOption::NotDistinct);
                }
                ColumnOption::Check(check) => {
                    self.add_check(table, name, &check.expr, check.no_inherit, check.enforced, Some(&column.name))?;
                }
                ColumnOption::ForeignKey(constraint) => {
                    let (columns, constraint) = (vec![column.name.clone()], constraint.clone());
                    pending.foreign_keys.push(WrittenForeignKey { name, columns, constraint, not_valid: false, span });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A table constraint. `owner` is the table's id, when it exists already.
    pub(super) fn add_constraint(
        &mut self,
        table: &mut TableDef,
        constraint: &TableConstraint,
        pending: &mut Pending,
        owner: RelationId,
    ) -> Result<()> {
        let span = constraint.span();
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                self.reject_deferrable_key(key.characteristics.as_ref(), span)?;
                if !key.include.is_empty() || !key.index_options.is_empty() || key.index_type.is_some() {
                    return Err(self.unsupported("INCLUDE and index options of a constraint", span));
                }
                let columns = self.key_columns(&key.columns)?;
                let name = key.name.as_ref().map(fold);
                self.add_key(table, name, &columns, ConstraintKind::PrimaryKey, pending, owner, span)
            }
            TableConstraint::Unique(key) => {
                self.reject_deferrable_key(key.characteristics.as_ref(), span)?;
                if !key.include.is_empty() || !key.index_options.is_empty() || key.index_type.is_some() {
                    return Err(self.unsupported("INCLUDE and index options of a constraint", span));
                }
                let columns = self.key_columns(&key.columns)?;
                let name = key.name.as_ref().map(fold);
                self.add_key(table, name, &columns, ConstraintKind::Unique, pending, owner, span)?;
                note_nulls(pending, key.nulls_distinct);
                Ok(())
            }
            TableConstraint::Check(check) => {
                let name = check.name.as_ref().map(fold);
                self.add_check(table, name, &check.expr, check.no_inherit, check.enforced, None)
            }
            TableConstraint::ForeignKey(key) => {
                pending.foreign_keys.push(WrittenForeignKey {
                    name: key.name.as_ref().map(fold),
                    columns: key.columns.clone(),
                    constraint: key.clone(),
                    not_valid: false,
                    span,
                });
                Ok(())
            }
            TableConstraint::Exclude(_) => Err(self.unsupported("an EXCLUDE constraint", span)),
            TableConstraint::PrimaryKeyUsingIndex(_) | TableConstraint::UniqueUsingIndex(_) => {
                Err(QueryError::unsupported_as("cannot use an existing index in CREATE TABLE").at(self.at(span)))
            }
            TableConstraint::Index(_) | TableConstraint::FulltextOrSpatial(_) => {
                Err(self.unsupported("an index inside CREATE TABLE", span))
            }
        }
    }

    fn key_columns(&self, columns: &[AstIndexColumn]) -> Result<Vec<Ident>> {
        columns
            .iter()
            .map(|column| match &column.column.expr {
                Ast::Identifier(ident)
                    if column.operator_class.is_none()
                        && column.column.options.sort.is_none()
                        && column.column.options.nulls_first.is_none() =>
                {
                    Ok(ident.clone())
                }
                other => Err(QueryError::syntax("a key takes column names only", self.at(other.span()))),
            })
            .collect()
    }

    /// When a constraint is to be checked. 42601 for what contradicts itself.
    pub(super) fn constraint_timing(
        &self,
        characteristics: Option<&ConstraintCharacteristics>,
        span: Span,
    ) -> Result<ConstraintTiming> {
        let Some(characteristics) = characteristics else { return Ok(ConstraintTiming::NotDeferrable) };
        if characteristics.enforced == Some(false) {
            return Err(self.unsupported("a NOT ENFORCED constraint", span));
        }
        let deferred = matches!(characteristics.initially, Some(DeferrableInitial::Deferred));
        match (characteristics.deferrable, deferred) {
            (Some(false), true) => {
                Err(QueryError::syntax("constraint declared INITIALLY DEFERRED must be DEFERRABLE", self.at(span)))
            }
            (_, true) => Ok(ConstraintTiming::InitiallyDeferred),
            (Some(true), false) => Ok(ConstraintTiming::InitiallyImmediate),
            (Some(false) | None, false) => Ok(ConstraintTiming::NotDeferrable),
        }
    }

    /// Keys are checked row by row.
    pub(super) fn reject_deferrable_key(
        &self,
        characteristics: Option<&ConstraintCharacteristics>,
        span: Span,
    ) -> Result<()> {
        match self.constraint_timing(characteristics, span)? {
            ConstraintTiming::NotDeferrable => Ok(()),
            _ => Err(self.unsupported("a DEFERRABLE primary key or unique constraint", span)),
        }
    }

    /// PRIMARY KEY or UNIQUE: an ordered, unique index named `t_pkey` or `t_a_b_key`.
    fn add_key(
        &mut self,
        table: &mut TableDef,
        name: Option<String>,
        columns: &[Ident],
        kind: ConstraintKind,
        pending: &mut Pending,
        owner: RelationId,
        span: Span,
    ) -> Result<()> {
        if kind == ConstraintKind::PrimaryKey {
            let has_key = pending.indexes.iter().any(|index| index.constraint == Some(kind))
                || (owner != RelationId(0) && self.catalog.primary_key(owner).is_some());
            if has_key {
                return Err(QueryError::new(
                    "42P16",
                    format!("multiple primary keys for table \"{}\" are not allowed", table.name),
                )
                .at(self.at(span)));
            }
        }
        if columns.len() > INDEX_COLUMN_LIMIT {
            return Err(QueryError::new(
                "54011",
                format!("cannot use more than {INDEX_COLUMN_LIMIT} columns in an index"),
            )
            .at(self.at(span)));
        }
        let mut keys: Vec<IndexColumn> = Vec::with_capacity(columns.len());
        let mut names: Vec<String> = Vec::with_capacity(columns.len());
        for ident in columns {
            let column = fold(ident);
            let Some(position) = table.column_position(&column) else {
                return Err(QueryError::new(
                    sqlstate::UNDEFINED_COLUMN,
                    format!("column \"{column}\" named in key does not exist"),
                )
                .at(self.at(ident.span)));
            };
            if names.contains(&column) {
                let what = if kind == ConstraintKind::PrimaryKey { "primary key" } else { "unique" };
                return Err(QueryError::new(
                    sqlstate::DUPLICATE_COLUMN,
                    format!("column \"{column}\" appears twice in {what} constraint"),
                )
                .at(self.at(ident.span)));
            }
            let definition = &mut table.columns[position];
            check_ordered(&definition.ty, &column).map_err(|error| error.at(self.at(ident.span)))?;
            if kind == ConstraintKind::PrimaryKey {
                definition.not_null = true;
            }
            keys.push(IndexColumn { column: definition.id, descending: false, nulls_first: false, expression: None });
            names.push(column);
        }
        let taken = pending.names(Some(table));
        let name = match name {
            Some(name) => {
                if self.catalog.relation_id(&table.schema, &name).is_some() || taken.contains(&name) {
                    return Err(QueryError::new(
                        sqlstate::DUPLICATE_TABLE,
                        format!("relation \"{name}\" already exists"),
                    )
                    .at(self.at(span)));
                }
                name
            }
            None if kind == ConstraintKind::PrimaryKey => {
                self.free_relation_name(&table.schema, &[&table.name], "pkey", &taken)
            }
            None => {
                let columns = names.join("_");
                self.free_relation_name(&table.schema, &[&table.name, &columns], "key", &taken)
            }
        };
        pending.indexes.push(IndexDef {
            id: unassigned(),
            schema: table.schema.clone(),
            name,
            target: IndexTarget::Table { table: owner, columns: keys },
            kind: IndexKind::Ordered { unique: true },
            constraint: Some(kind),
            options: Default::default(),
        });
        Ok(())
    }

    /// CHECK: bound once to prove itself, then kept as text.
    pub fn add_check(
        &mut self,
        table: &mut TableDef,
        name: Option<String>,
        ast: &Ast,
        no_inherit: bool,
        enforced: Option<bool>,
        column: Option<&Ident>,
    ) -> Result<()> {
        let span = ast.span();
        if no_inherit || enforced == Some(false) {
            return Err(self.unsupported("CHECK with NO INHERIT or NOT ENFORCED", span));
        }
        let row: Vec<VarId> = self.row_vars(table);
        let relation = row_relation(table, &row);
        let mut frame = Frame::new(Clause::Check);
        frame.star = relation.columns.clone();
        frame.relations.push(relation);
        let (mut expr, frame) = self.with_frame(frame, |binder| binder.bind_condition(ast, "CHECK"))?;
        let mut subquery = false;
        walk::walk_expr(&mut expr, &mut |expr| {
            subquery |= matches!(expr, Expr::Subquery(_));
            true
        });
        if subquery {
            return Err(QueryError::unsupported("a subquery in a check constraint").at(self.at(span)));
        }
        let taken = |candidate: &str| {
            table.checks.iter().any(|check| check.name == candidate)
                || table.foreign_keys.iter().any(|key| key.name == candidate)
        };
        let name = match name {
            Some(name) => {
                if taken(&name) {
                    return Err(QueryError::new(
                        sqlstate::DUPLICATE_OBJECT,
                        format!("constraint \"{name}\" for relation \"{}\" already exists", table.name),
                    )
                    .at(self.at(span)));
                }
                name
            }
            None => {
                // Named after the column it stands at, or the only one it reads.
                let mut read: Vec<String> = Vec::new();
                for (var, _) in &frame.references {
                    let read_name = self.vars.info(*var).name.to_string();
                    if !read.contains(&read_name) {
                        read.push(read_name);
                    }
                }
                let subject = match (column, read.as_slice()) {
                    (_, [single]) => Some(single.clone()),
                    (Some(column), []) => Some(fold(column)),
                    _ => None,
                };
                let mut parts = vec![table.name.as_str()];
                parts.extend(subject.as_deref());
                let mut number = 0usize;
                loop {
                    let suffix = if number == 0 { "check".to_owned() } else { format!("check{number}") };
                    let candidate = object_name(&parts, &suffix);
                    if !taken(&candidate) {
                        break candidate;
                    }
                    number += 1;
                }
            }
        };
        table.checks.push(CheckDef { name, expression: ast.to_string(), not_valid: false });
        Ok(())
    }
}

/// The unique constraint added last was written with these words.
fn note_nulls(pending: &mut Pending, nulls: NullsDistinctOption) {
    if let Some(index) = pending.indexes.last_mut() {
        index.options.nulls_not_distinct = matches!(nulls, NullsDistinctOption::NotDistinct);
    }
}

/// 42704 when a type has no order that an index could keep.
pub fn check_ordered(ty: &DataType, column: &str) -> Result<()> {
    if matches!(ty, DataType::Json | DataType::Vector(_) | DataType::Array(_)) {
        let hint = match ty {
            DataType::Vector(_) => "Use an index USING hnsw.",
            DataType::Json => "Use jsonb.",
            _ => "Arrays cannot be keys.",
        };
        return Err(QueryError::new(
            sqlstate::UNDEFINED_OBJECT,
            format!(
                "data type {} of column \"{column}\" has no default operator class for access method \"btree\"",
                type_name(ty)
            ),
        )
        .hint(hint));
    }
    Ok(())
}
