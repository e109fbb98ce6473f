//! Carrying out bound DDL through the session's transaction.

use std::sync::Arc;

use sinew_query::exec::RowTransform;
use sinew_query::sql::columns_named;
use sinew_query::statement::{AddForeignKey, ColumnRewrite, Ddl, EnumChange, NewSequence};
use sinew_query::{BindContext, QueryError, Result, sqlstate};
use sinew_storage::catalog::{DefaultExpr, IndexDef, IndexTarget, TableBehaviour, TableDef};
use sinew_storage::ids::RelationId;
use sinew_storage::{StorageError, Transaction};

use crate::ddl_relation::{move_relation, rename_schema, reword_views};
use crate::ddl_sequence::{alter_sequence, create_column_sequence, restart_sequences};
use crate::foreign_key;
use crate::{INTERNAL_USER, Session};

impl Session {
    /// Gives the tag of the first statement. The caller has begun the statement.
    pub(crate) fn run_ddl(&mut self, list: Vec<Ddl>) -> Result<String> {
        let transaction = Arc::clone(&self.ensure_transaction().transaction);
        let read_only = self.ensure_transaction().read_only;
        let mut tag = None;
        for ddl in list {
            if read_only {
                return Err(QueryError::new(
                    sqlstate::READ_ONLY_SQL_TRANSACTION,
                    format!("cannot execute {} in a read-only transaction", ddl_tag(&ddl)),
                ));
            }
            tag.get_or_insert(ddl_tag(&ddl));
            self.refuse_tables_in_use(transaction.as_ref(), &ddl)?;
            self.run_one_ddl(&transaction, ddl)?;
        }
        Ok(tag.unwrap_or("OK").to_owned())
    }

    fn refuse_tables_in_use(&self, transaction: &Transaction, ddl: &Ddl) -> Result<()> {
        if !self.context.deferred.has_pending() {
            return Ok(());
        }
        let command = match ddl {
            Ddl::Truncate { .. } => "TRUNCATE",
            ddl => ddl_tag(ddl),
        };
        let tables = match ddl {
            Ddl::AddForeignKeys { table, .. } => vec![*table],
            ddl => relations_to_lock(std::slice::from_ref(ddl)),
        };
        let catalog = transaction.catalog();
        tables
            .iter()
            .filter_map(|id| catalog.tables.get(id))
            .try_for_each(|table| self.refuse_pending_checks(table, command))
    }

    pub(crate) fn run_one_ddl(&mut self, transaction: &Transaction, ddl: Ddl) -> Result<()> {
        match ddl {
            Ddl::CreateSchema { name, if_not_exists } => {
                if if_not_exists && transaction.catalog().schemas.contains_key(&name) {
                    self.context.notice(format!("schema \"{name}\" already exists, skipping"));
                    return Ok(());
                }
                Ok(transaction.create_schema(&name)?)
            }
            Ddl::DropSchema { name, if_exists, cascade } => self.drop_schema(transaction, &name, if_exists, cascade),
            Ddl::CreateTable { table, indexes, foreign_keys, sequences, if_not_exists, on_commit } => {
                if transaction.catalog().relation_id(&table.schema, &table.name).is_some() && if_not_exists {
                    self.context.notice(format!("relation \"{}\" already exists, skipping", table.name));
                    return Ok(());
                }
                self.refuse_system_schema(&table.schema)?;
                self.prepare_schema(transaction, &table.schema)?;
                let id = self.create_table(transaction, table, indexes, sequences)?;
                self.note_on_commit(id, on_commit);
                for key in foreign_keys {
                    // A new table has no rows that could violate it.
                    foreign_key::add(transaction, id, key)?;
                }
                Ok(())
            }
            Ddl::DropTable { tables, cascade, .. } => {
                // Views name their tables in text; a view over a dropped table fails when it is read.
                let ids: Vec<RelationId> = tables.into_iter().map(|(_, id)| id).collect();
                for id in &ids {
                    self.refuse_system_table(transaction, *id)?;
                }
                foreign_key::release(transaction, &ids, cascade)?;
                for id in ids {
                    transaction.drop_table(id)?;
                }
                Ok(())
            }
            Ddl::AlterTable { table, validate, not_null, add_indexes, drop_indexes, add_sequences, rewrites } => {
                self.refuse_system_table(transaction, table.id)?;
                let id = table.id;
                for sequence in add_sequences {
                    create_column_sequence(transaction, id, sequence)?;
                }
                if rewrites.is_empty() {
                    return self.alter_table(transaction, table, validate, not_null, add_indexes, drop_indexes);
                }
                let keyed = self.rewrite_columns(transaction, id, &rewrites)?;
                self.alter_table(transaction, table, validate, not_null, add_indexes, drop_indexes)?;
                for index in keyed {
                    // Those over a dropped column have gone with it.
                    if transaction.catalog().indexes.contains_key(&index) {
                        rebuild_index(transaction, index)?;
                    }
                }
                Ok(())
            }
            Ddl::CreateSequence { mut sequence } => {
                self.refuse_system_schema(&sequence.schema)?;
                self.prepare_schema(transaction, &sequence.schema)?;
                sequence.id = transaction.allocate_relation_id()?;
                transaction.create_sequence(sequence)?;
                Ok(())
            }
            Ddl::AlterSequence { sequence, position, .. } => {
                self.refuse_system_schema(&sequence.schema)?;
                alter_sequence(transaction, sequence, position)
            }
            Ddl::DropSequence { sequences } => {
                for (_, id) in sequences {
                    transaction.drop_sequence(id)?;
                }
                Ok(())
            }
            Ddl::DropDefault { table, column } => {
                self.refuse_system_table(transaction, table)?;
                let catalog = transaction.catalog();
                let mut table = TableDef::clone(catalog.tables.get(&table).ok_or_else(|| missing(table))?);
                if let Some(position) = table.column_position(&column) {
                    table.columns[position].drop_default();
                }
                transaction.alter_table(table)?;
                Ok(())
            }
            Ddl::AddForeignKeys { table, keys } => {
                self.refuse_system_table(transaction, table)?;
                for key in keys {
                    self.add_foreign_key(transaction, table, key)?;
                }
                Ok(())
            }
            Ddl::RefreshMaterialized { table, with_data } => self.refresh_materialized(transaction, table, with_data),
            Ddl::ValidateForeignKey { table, name } => foreign_key::check_rows(self, transaction, table, &name),
            Ddl::DropForeignKeys { keys, .. } => {
                for (table, name) in keys {
                    self.refuse_system_table(transaction, table)?;
                    transaction.drop_foreign_key(table, &name)?;
                }
                Ok(())
            }
            Ddl::RenameIndex { id, new_name } => {
                transaction.rename_index(id, &new_name)?;
                Ok(())
            }
            Ddl::RewordIndex { index } => {
                transaction.reword_index(index)?;
                Ok(())
            }
            Ddl::RewordView { view, reworded, refused } => {
                let context = BindContext { transaction, session: &self.context, params: Default::default() };
                if columns_named(&context, &reworded.text).ok().as_ref() != Some(&reworded.columns) {
                    return Err(refused);
                }
                reword_views(transaction, vec![(view, reworded.text)])
            }
            Ddl::RenameTable { id, new_name } => {
                self.refuse_system_table(transaction, id)?;
                let catalog = transaction.catalog();
                let table = catalog.tables.get(&id).ok_or_else(|| missing(id))?;
                transaction.alter_table(TableDef { name: new_name, ..TableDef::clone(table) })?;
                Ok(())
            }
            Ddl::MoveRelation { id, schema, name, .. } => {
                self.refuse_system_table(transaction, id)?;
                self.refuse_system_schema(&schema)?;
                let old =
                    transaction.catalog().names.iter().find(|(_, known)| **known == id).map(|(name, _)| name.clone());
                let views = self.reworded_views(transaction, &|old_schema, old_name| {
                    let is_it = old.as_ref().is_some_and(|(schema, name)| schema == old_schema && name == old_name);
                    is_it.then(|| (schema.clone(), name.clone()))
                })?;
                move_relation(transaction, id, &schema, &name)?;
                reword_views(transaction, views)
            }
            Ddl::RenameSchema { old, new } => {
                self.refuse_system_schema(&old)?;
                let views = self.reworded_views(transaction, &|schema, name| {
                    (schema == old).then(|| (new.clone(), name.to_owned()))
                })?;
                rename_schema(transaction, &old, &new)?;
                reword_views(transaction, views)
            }
            Ddl::OutsideBlock { what, .. } => {
                if self.active.as_ref().is_some_and(|active| active.explicit) || self.implicit_block {
                    return Err(QueryError::new(
                        sqlstate::ACTIVE_SQL_TRANSACTION,
                        format!("{what} cannot run inside a transaction block"),
                    ));
                }
                Ok(())
            }
            Ddl::Reindex { indexes } => {
                for index in indexes {
                    rebuild_index(transaction, index)?;
                }
                Ok(())
            }
            Ddl::CommentOn { class, object, comment } => {
                transaction.comment_on(class, object, comment.as_deref())?;
                Ok(())
            }
            Ddl::Truncate { tables, restart_identity } => {
                for id in &tables {
                    transaction.truncate_table(*id)?;
                    if restart_identity {
                        restart_sequences(transaction, *id)?;
                    }
                }
                // Under the tables' locks nobody adds another.
                foreign_key::check_truncated(&transaction.catalog(), &tables)
            }
            Ddl::CreateIndex { index, if_not_exists } if !is_table_index(&index) => {
                self.create_graph_index(transaction, index, if_not_exists)
            }
            Ddl::CreateGraphConstraint { constraint, if_not_exists } => {
                self.create_graph_constraint(transaction, constraint, if_not_exists)
            }
            Ddl::DropGraphConstraint { id } => {
                if transaction.catalog().graph_constraints.contains_key(&id) {
                    transaction.drop_graph_constraint(id)?;
                } else {
                    transaction.drop_index(id)?;
                }
                Ok(())
            }
            Ddl::CreateIndex { index, if_not_exists } => {
                if if_not_exists && transaction.catalog().relation_id(&index.schema, &index.name).is_some() {
                    self.context.notice(format!("relation \"{}\" already exists, skipping", index.name));
                    return Ok(());
                }
                self.create_index(transaction, index, None)
            }
            Ddl::DropIndex { indexes } => {
                for (name, id) in indexes {
                    let catalog = transaction.catalog();
                    if catalog.indexes.get(&id).is_some_and(|index| index.constraint.is_some() && is_table_index(index))
                    {
                        return Err(QueryError::new(
                            sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                            format!("cannot drop index {name} because a constraint requires it"),
                        )
                        .hint("use ALTER TABLE … DROP CONSTRAINT instead"));
                    }
                    transaction.drop_index(id)?;
                }
                Ok(())
            }
            Ddl::CreateView { mut view, replace } => {
                self.refuse_system_schema(&view.schema)?;
                self.prepare_schema(transaction, &view.schema)?;
                if replace && let Some(id) = transaction.catalog().relation_id(&view.schema, &view.name) {
                    transaction.drop_view(id)?;
                }
                // What it reads stays as it is until the view is committed; whoever waited reads it anew.
                let reads = self.prepare(&view.query, &[])?;
                if let Some(plan) = reads.planned.plan()
                    && plan.lock_relations(transaction)?
                {
                    self.prepare(&view.query, &[])?;
                }
                view.id = transaction.allocate_relation_id()?;
                transaction.create_view(view)?;
                Ok(())
            }
            Ddl::DropView { views } => {
                for (_, id) in views {
                    // A view over several dropped tables is named once for each.
                    if transaction.catalog().views.contains_key(&id) {
                        transaction.drop_view(id)?;
                    } else if transaction.catalog().tables.contains_key(&id) {
                        transaction.drop_table(id)?;
                    }
                }
                Ok(())
            }
            Ddl::Comment { relation, column, comment } => {
                let catalog = transaction.catalog();
                let table = catalog.tables.get(&relation).ok_or_else(|| missing(relation))?;
                let column = match column {
                    None => None,
                    Some(name) => {
                        let position = table.column_position(&name).ok_or_else(|| {
                            QueryError::new(sqlstate::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"))
                        })?;
                        Some(table.columns[position].id)
                    }
                };
                transaction.comment_on_table(relation, column, comment)?;
                Ok(())
            }
            Ddl::CreateEnum { schema, name, labels } => {
                self.refuse_system_schema(&schema)?;
                transaction.create_enum(&schema, &name, labels)?;
                Ok(())
            }
            Ddl::AlterEnum { oid, change } => {
                let catalog = transaction.catalog();
                let def = catalog.enums.get(&oid).ok_or_else(|| missing(RelationId(oid)))?;
                match change {
                    EnumChange::AddLabel { label, position } => transaction.add_enum_label(oid, label, &position)?,
                    EnumChange::RenameLabel { from, to } => transaction.rename_enum_label(oid, &from, to)?,
                    EnumChange::Rename(name) => transaction.move_enum(oid, &def.schema, &name)?,
                }
                Ok(())
            }
            Ddl::DropEnum { oid } => {
                transaction.drop_enum(oid)?;
                Ok(())
            }
            Ddl::DropColumn { table, column } => {
                self.mark_ddl();
                let catalog = transaction.catalog();
                let table = catalog.tables.get(&table).ok_or_else(|| missing(table))?;
                let name = format!("{}.{}", quote(&table.schema), quote(&table.name));
                self.nested_query(&format!("ALTER TABLE {name} DROP COLUMN {} CASCADE", quote(&column)))?;
                Ok(())
            }
            Ddl::Nothing { notice, .. } => {
                if let Some(notice) = notice {
                    self.context.notice(notice);
                }
                Ok(())
            }
        }
    }

    pub(crate) fn create_table(
        &mut self,
        transaction: &Transaction,
        mut table: TableDef,
        indexes: Vec<IndexDef>,
        sequences: Vec<NewSequence>,
    ) -> Result<RelationId> {
        table.id = transaction.allocate_relation_id()?;
        for sequence in sequences {
            create_column_sequence(transaction, table.id, sequence)?;
        }
        let table = transaction.create_table(table)?;
        for index in indexes {
            self.create_index(transaction, index, Some(table.id))?;
        }
        Ok(table.id)
    }

    fn add_foreign_key(&mut self, transaction: &Transaction, table: RelationId, key: AddForeignKey) -> Result<()> {
        let (name, not_valid) = (key.key.name.clone(), key.key.not_valid);
        foreign_key::add(transaction, table, key)?;
        self.mark_ddl();
        if not_valid { Ok(()) } else { foreign_key::check_rows(self, transaction, table, &name) }
    }

    /// `table` replaces the target of an index that was bound before its table had an id.
    fn create_index(
        &mut self,
        transaction: &Transaction,
        mut index: IndexDef,
        table: Option<RelationId>,
    ) -> Result<()> {
        index.id = transaction.allocate_relation_id()?;
        if let (IndexTarget::Table { table: target, .. }, Some(id)) = (&mut index.target, table) {
            *target = id;
        }
        match transaction.create_index(index) {
            Ok(_) => Ok(()),
            Err(StorageError::DuplicateKey { schema, table, constraint, detail }) => {
                Err(not_unique(schema, table, constraint, &detail))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn alter_table(
        &mut self,
        transaction: &Transaction,
        mut table: TableDef,
        validate: Vec<(String, String)>,
        not_null: Vec<String>,
        add_indexes: Vec<IndexDef>,
        drop_indexes: Vec<RelationId>,
    ) -> Result<()> {
        let catalog = transaction.catalog();
        let old = catalog.tables.get(&table.id).ok_or_else(|| missing(table.id))?;
        let mut volatile = Vec::new();
        for column in &mut table.columns {
            if old.position_of(column.id).is_some() {
                continue;
            }
            if let Some(default) = &mut column.default {
                if is_volatile(&default.expression) {
                    volatile.push(column.name.clone());
                } else {
                    fill_constant(self, default, &column.ty)?;
                }
            }
        }
        let id = table.id;
        let relation = table.name.clone();
        let name = format!("{}.{}", quote(&table.schema), quote(&table.name));
        transaction.alter_table(table)?;
        for index in drop_indexes {
            // Those over a dropped column have gone with it.
            if transaction.catalog().indexes.contains_key(&index) {
                transaction.drop_index(index)?;
            }
        }
        self.mark_ddl();
        for column in volatile {
            self.nested_query(&format!("UPDATE {name} SET {0} = DEFAULT", quote(&column)))?;
        }
        for column in not_null {
            let found = self.nested_query(&format!("SELECT 1 FROM {name} WHERE {} IS NULL LIMIT 1", quote(&column)))?;
            if !found.rows.is_empty() {
                let mut error = QueryError::new(
                    sqlstate::NOT_NULL_VIOLATION,
                    format!("column \"{column}\" of relation \"{relation}\" contains null values"),
                );
                error.0.column = Some(column);
                return Err(error);
            }
        }
        for (constraint, expression) in validate {
            let found = self.nested_query(&format!("SELECT 1 FROM {name} WHERE NOT ({expression}) LIMIT 1"))?;
            if !found.rows.is_empty() {
                let mut error = QueryError::new(
                    sqlstate::CHECK_VIOLATION,
                    format!("check constraint \"{constraint}\" of relation \"{relation}\" is violated by some row"),
                );
                error.0.constraint = Some(constraint);
                return Err(error);
            }
        }
        for index in add_indexes {
            self.create_index(transaction, index, Some(id))?;
        }
        Ok(())
    }

    /// Writes every row anew with columns of another type. Gives the indexes that are to be built anew when the definition has
    /// changed.
    fn rewrite_columns(
        &mut self,
        transaction: &Transaction,
        table: RelationId,
        rewrites: &[ColumnRewrite],
    ) -> Result<Vec<RelationId>> {
        let catalog = transaction.catalog();
        let old = catalog.tables.get(&table).ok_or_else(|| missing(table))?;
        let mut columns = Vec::with_capacity(rewrites.len());
        for rewrite in rewrites {
            let position = old.position_of(rewrite.column).ok_or_else(|| {
                QueryError::internal(format!("column {} is to be rewritten and missing", rewrite.column))
            })?;
            columns.push((position, rewrite.expression.clone(), rewrite.ty.clone()));
        }
        let own = Arc::clone(&self.ensure_transaction().transaction);
        let context = self.exec_context(own, &[], true);
        let transform = RowTransform::new(old, &columns, &context)?;
        drop(context);
        transaction.rewrite_rows(old, &mut |row| transform.apply(row))?;
        let concerned = |index: &&Arc<IndexDef>| rewrites.iter().any(|rewrite| index.needs_column(rewrite.column));
        Ok(catalog.indexes_of(table).iter().filter(concerned).map(|index| index.id).collect())
    }

    fn drop_schema(&mut self, transaction: &Transaction, name: &str, if_exists: bool, cascade: bool) -> Result<()> {
        let catalog = transaction.catalog();
        if !catalog.schemas.contains_key(name) && if_exists {
            self.context.notice(format!("schema \"{name}\" does not exist, skipping"));
            return Ok(());
        }
        self.refuse_system_schema(name)?;
        if cascade {
            let tables: Vec<RelationId> =
                catalog.tables.values().filter(|table| table.schema == name).map(|table| table.id).collect();
            foreign_key::release(transaction, &tables, true)?;
            for table in tables {
                transaction.drop_table(table)?;
            }
            for view in catalog.views.values().filter(|view| view.schema == name) {
                transaction.drop_view(view.id)?;
            }
            // Those of columns have gone with their tables.
            for sequence in transaction.catalog().sequences.values().filter(|sequence| sequence.schema == name) {
                transaction.drop_sequence(sequence.id)?;
            }
            for of in catalog.enums.values().filter(|of| of.schema == name) {
                transaction.drop_enum(of.oid)?;
            }
        }
        Ok(transaction.drop_schema(name)?)
    }

    fn refuse_system_schema(&self, schema: &str) -> Result<()> {
        if matches!(schema, "sinew" | "pg_catalog" | "information_schema") && self.context.user != INTERNAL_USER {
            return Err(QueryError::new(
                sqlstate::INSUFFICIENT_PRIVILEGE,
                format!("permission denied for schema {schema}"),
            )
            .hint("create your own relations in schema public or one you made"));
        }
        Ok(())
    }

    fn refuse_system_table(&self, transaction: &Transaction, id: RelationId) -> Result<()> {
        let catalog = transaction.catalog();
        let Some(table) = catalog.tables.get(&id) else { return Ok(()) };
        if table.schema == "sinew" && self.context.user != INTERNAL_USER {
            return Err(QueryError::new(
                sqlstate::INSUFFICIENT_PRIVILEGE,
                format!("permission denied: \"{}\" is a system relation", table.name),
            ));
        }
        Ok(())
    }

    pub(crate) fn mark_ddl(&mut self) {
        self.ensure_transaction().ran_ddl = true;
    }

    /// Runs a statement inside the current one.
    pub(crate) fn nested_query(&mut self, text: &str) -> Result<crate::QueryResult> {
        self.nested(|session| session.query(text, &[]))
    }
}

/// Marks a relation as written by the engine only, or as `messages`.
pub(crate) fn set_behaviour(
    transaction: &Transaction,
    schema: &str,
    name: &str,
    behaviour: TableBehaviour,
) -> Result<()> {
    let catalog = transaction.catalog();
    let table = catalog
        .table(schema, name)
        .ok_or_else(|| QueryError::internal(format!("relation {schema}.{name} is missing")))?;
    transaction.alter_table(TableDef { behaviour, ..TableDef::clone(table) })?;
    Ok(())
}

fn fill_constant(session: &mut Session, default: &mut DefaultExpr, ty: &sinew_storage::DataType) -> Result<()> {
    let name = sinew_query::types::type_name(ty);
    let result = session.nested_query(&format!("SELECT CAST(({}) AS {name})", default.expression))?;
    let value = result.rows.into_iter().next().and_then(|row| row.into_iter().next()).unwrap_or_default();
    default.constant = Some(sinew_storage::encoding::value::value_bytes(&value));
    Ok(())
}

/// Builds an index anew; PostgreSQL's words for a unique one that cannot be.
fn rebuild_index(transaction: &Transaction, id: RelationId) -> Result<()> {
    transaction.rebuild_index(id).map_err(|error| match error {
        StorageError::DuplicateKey { schema, table, constraint, detail } => {
            not_unique(schema, table, constraint, &detail)
        }
        error => error.into(),
    })
}

fn not_unique(schema: Option<String>, table: String, index: String, detail: &str) -> QueryError {
    let mut error = QueryError::new(sqlstate::UNIQUE_VIOLATION, format!("could not create unique index \"{index}\""))
        .detail(detail.replace("already exists", "is duplicated"));
    error.0.schema = schema;
    error.0.table = Some(table);
    error.0.constraint = Some(index);
    error
}

/// Whether each row needs its own value (PostgreSQL rewrites the table then).
fn is_volatile(expression: &str) -> bool {
    let lower = expression.to_lowercase();
    ["random", "uuid", "nextval", "setval", "clock_timestamp", "timeofday"].iter().any(|name| lower.contains(name))
}

fn is_table_index(index: &IndexDef) -> bool {
    matches!(index.target, IndexTarget::Table { .. })
}

pub(crate) fn missing(id: RelationId) -> QueryError {
    QueryError::new(sqlstate::UNDEFINED_TABLE, format!("relation with oid {id} does not exist"))
}

pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Relations that a list of definitions changes or drops as a whole.
pub(crate) fn relations_to_lock(list: &[Ddl]) -> Vec<RelationId> {
    let of = |ddl: &Ddl| match ddl {
        Ddl::DropTable { tables, .. } => tables.iter().map(|(_, id)| *id).collect(),
        Ddl::AlterTable { table, .. } => vec![table.id],
        Ddl::RenameTable { id, .. } => vec![*id],
        Ddl::RefreshMaterialized { table, .. } => vec![*table],
        Ddl::Truncate { tables, .. } => tables.clone(),
        Ddl::DropDefault { table, .. } => vec![*table],
        Ddl::MoveRelation { id, tag: "ALTER TABLE", .. } => vec![*id],
        _ => Vec::new(),
    };
    list.iter().flat_map(of).collect()
}

fn ddl_tag(ddl: &Ddl) -> &'static str {
    match ddl {
        Ddl::CreateSchema { .. } => "CREATE SCHEMA",
        Ddl::DropSchema { .. } => "DROP SCHEMA",
        Ddl::CreateTable { .. } => "CREATE TABLE",
        Ddl::RefreshMaterialized { .. } => "REFRESH MATERIALIZED VIEW",
        Ddl::AlterTable { .. }
        | Ddl::AddForeignKeys { .. }
        | Ddl::ValidateForeignKey { .. }
        | Ddl::RenameIndex { .. }
        | Ddl::RenameTable { .. }
        | Ddl::RewordIndex { .. }
        | Ddl::RewordView { .. } => "ALTER TABLE",
        Ddl::DropForeignKeys { tag, .. } => tag,
        Ddl::Truncate { .. } => "TRUNCATE TABLE",
        Ddl::CreateIndex { .. } => "CREATE INDEX",
        Ddl::DropIndex { .. } => "DROP INDEX",
        Ddl::CreateGraphConstraint { .. } => "CREATE CONSTRAINT",
        Ddl::DropGraphConstraint { .. } => "DROP CONSTRAINT",
        Ddl::CreateView { .. } => "CREATE VIEW",
        Ddl::DropView { .. } => "DROP VIEW",
        Ddl::CreateEnum { .. } => "CREATE TYPE",
        Ddl::AlterEnum { .. } => "ALTER TYPE",
        Ddl::DropEnum { .. } | Ddl::DropColumn { .. } => "DROP TYPE",
        Ddl::Comment { .. } | Ddl::CommentOn { .. } => "COMMENT",
        Ddl::CreateSequence { .. } => "CREATE SEQUENCE",
        Ddl::DropSequence { .. } | Ddl::DropDefault { .. } => "DROP SEQUENCE",
        Ddl::RenameSchema { .. } => "ALTER SCHEMA",
        Ddl::Reindex { .. } => "REINDEX",
        Ddl::AlterSequence { tag, .. }
        | Ddl::DropTable { tag, .. }
        | Ddl::MoveRelation { tag, .. }
        | Ddl::OutsideBlock { tag, .. }
        | Ddl::Nothing { tag, .. } => tag,
    }
}
