//! What ALTER does to relations and schemas as a whole: names, schemas, owners. And REINDEX.

use std::sync::Arc;

use sinew_storage::catalog::IndexTarget;
use sinew_storage::ids::RelationId;
use sqlparser::ast::{Ident, ObjectName, Spanned};
use sqlparser::tokenizer::Span;

use super::super::Binder;
use super::super::names::{Relation, fold, is_system_schema, is_temporary_schema};
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::definition::{AlterAction, ReindexTarget, RelationChange, RelationKind};
use crate::statement::Ddl;

impl Binder<'_> {
    pub(super) fn alter_relation(
        &mut self,
        kind: RelationKind,
        if_exists: bool,
        name: &ObjectName,
        change: &RelationChange,
    ) -> Result<Vec<Ddl>> {
        let tag = kind.alter_tag();
        let span = name.span();
        let qualified = self.qualified_name(name)?;
        let Some(relation) = self.find_relation(&qualified) else {
            if if_exists {
                let notice = Some(format!("relation \"{qualified}\" does not exist, skipping"));
                return Ok(vec![Ddl::Nothing { tag, notice }]);
            }
            return Err(self.missing_relation(&qualified, span));
        };
        self.check_kind(kind, &relation, change, &qualified.name, span)?;
        let (id, schema, old_name) = match &relation {
            Relation::Table(table) => {
                self.refuse_system_table(table, span)?;
                (table.id, table.schema.clone(), table.name.clone())
            }
            Relation::Materialized(table) => (table.id, table.schema.clone(), table.name.clone()),
            Relation::View(view) => (view.id, view.schema.clone(), view.name.clone()),
            Relation::Index(index) => (index.id, index.schema.clone(), index.name.clone()),
            Relation::Sequence(sequence) => (sequence.id, sequence.schema.clone(), sequence.name.clone()),
            Relation::System { .. } => return Err(self.permission_denied(&qualified.name, span)),
        };
        if schema == "sinew" {
            return Err(self.permission_denied(&old_name, span));
        }
        match change {
            RelationChange::Rename(new) => {
                let new_name = fold(new);
                if self.catalog.relation_id(&schema, &new_name).is_some() {
                    return Err(self.relation_exists(&new_name, new.span));
                }
                Ok(vec![Ddl::MoveRelation { id, schema, name: new_name, tag }])
            }
            RelationChange::SetSchema(new) => {
                self.set_schema(&relation, &schema, &old_name, new, tag, span).map(|ddl| vec![ddl])
            }
            RelationChange::Owner(owner) => {
                self.check_owner(owner)?;
                Ok(vec![Ddl::Nothing { tag, notice: None }])
            }
            RelationChange::RenameColumn { old, new } if matches!(relation, Relation::Table(_)) => {
                let operation = sqlparser::ast::AlterTableOperation::RenameColumn {
                    old_column_name: old.clone(),
                    new_column_name: new.clone(),
                };
                self.alter_table(if_exists, name, &[AlterAction::Parsed(Box::new(operation))])
            }
            RelationChange::RenameColumn { old, .. } => {
                Err(self.unsupported(format_args!("{tag} … RENAME COLUMN"), old.span))
            }
            RelationChange::Options => Err(self.unsupported(format_args!("{tag} … SET (…)"), span)),
        }
    }

    /// ALTER TABLE reaches the others where PostgreSQL lets it; ALTER INDEX and the like only their own. 42809.
    fn check_kind(
        &self,
        kind: RelationKind,
        relation: &Relation,
        change: &RelationChange,
        name: &str,
        span: Span,
    ) -> Result<()> {
        let fits = match (kind, relation) {
            (RelationKind::Table, _) => {
                !matches!(relation, Relation::Index(_))
                    || matches!(change, RelationChange::Rename(_) | RelationChange::Owner(_))
            }
            (RelationKind::Index, Relation::Index(_))
            | (RelationKind::View, Relation::View(_))
            | (RelationKind::MaterializedView, Relation::Materialized(_))
            | (RelationKind::Sequence, Relation::Sequence(_)) => true,
            // A table can be renamed by ALTER INDEX and ALTER VIEW.
            (RelationKind::Index | RelationKind::View, Relation::Table(_)) => false,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        let article = if kind == RelationKind::Index { "an" } else { "a" };
        Err(QueryError::new(sqlstate::WRONG_OBJECT_TYPE, format!("\"{name}\" is not {article} {}", kind.name()))
            .at(self.at(span)))
    }

    fn set_schema(
        &self,
        relation: &Relation,
        schema: &str,
        name: &str,
        new: &Ident,
        tag: &'static str,
        span: Span,
    ) -> Result<Ddl> {
        let new_schema = self.context.session.schema_meant(&fold(new));
        if is_system_schema(&new_schema) || !self.catalog.schemas.contains_key(&new_schema) {
            if is_system_schema(&new_schema) || new_schema == "sinew" {
                return Err(QueryError::new(
                    sqlstate::INSUFFICIENT_PRIVILEGE,
                    format!("permission denied for schema {new_schema}"),
                )
                .at(self.at(new.span)));
            }
            return Err(QueryError::new(
                sqlstate::INVALID_SCHEMA_NAME,
                format!("schema \"{new_schema}\" does not exist"),
            )
            .at(self.at(new.span)));
        }
        if is_temporary_schema(&new_schema) || is_temporary_schema(schema) {
            return Err(QueryError::unsupported_as("cannot move objects into or out of temporary schemas")
                .at(self.at(new.span)));
        }
        if let Relation::Sequence(sequence) = relation
            && let Some(owner) = sequence.owner
            && let Some(table) = self.catalog.tables.get(&owner.table)
        {
            return Err(QueryError::unsupported_as("cannot move an owned sequence into another schema")
                .detail(format!("Sequence \"{name}\" is linked to table \"{}\".", table.name))
                .at(self.at(span)));
        }
        if new_schema != schema && self.catalog.relation_id(&new_schema, name).is_some() {
            return Err(QueryError::new(
                sqlstate::DUPLICATE_TABLE,
                format!("relation \"{name}\" already exists in schema \"{new_schema}\""),
            )
            .at(self.at(span)));
        }
        let id = match relation {
            Relation::Table(table) | Relation::Materialized(table) => table.id,
            Relation::View(view) => view.id,
            Relation::Index(index) => index.id,
            Relation::Sequence(sequence) => sequence.id,
            Relation::System { .. } => return Err(self.permission_denied(name, span)),
        };
        Ok(Ddl::MoveRelation { id, schema: new_schema, name: name.to_owned(), tag })
    }

    /// Everything is the session's role's; no other exists. 42704.
    pub(super) fn check_owner(&self, owner: &Ident) -> Result<()> {
        let name = fold(owner);
        let stands_for_itself =
            owner.quote_style.is_none() && matches!(name.as_str(), "current_user" | "session_user" | "current_role");
        if stands_for_itself || name == self.context.session.user {
            return Ok(());
        }
        Err(QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist"))
            .at(self.at(owner.span)))
    }

    pub(super) fn alter_schema(&mut self, name: &ObjectName, change: &RelationChange) -> Result<Vec<Ddl>> {
        const TAG: &str = "ALTER SCHEMA";
        let span = name.span();
        let parts = self.name_parts(name)?;
        let [schema] = parts.as_slice() else {
            return Err(QueryError::syntax("a schema has an unqualified name", self.at(span)));
        };
        if !self.catalog.schemas.contains_key(schema) && !is_system_schema(schema) {
            return Err(QueryError::new(sqlstate::INVALID_SCHEMA_NAME, format!("schema \"{schema}\" does not exist"))
                .at(self.at(span)));
        }
        if is_system_schema(schema) || schema == "sinew" || is_temporary_schema(schema) {
            return Err(self.permission_denied(schema, span));
        }
        match change {
            RelationChange::Owner(owner) => {
                self.check_owner(owner)?;
                Ok(vec![Ddl::Nothing { tag: TAG, notice: None }])
            }
            RelationChange::Rename(new) => {
                let new_name = fold(new);
                if new_name.starts_with("pg_") {
                    return Err(QueryError::new("42939", format!("unacceptable schema name \"{new_name}\""))
                        .detail("The prefix \"pg_\" is reserved for system schemas.")
                        .at(self.at(new.span)));
                }
                if self.catalog.schemas.contains_key(&new_name) || is_system_schema(&new_name) {
                    return Err(QueryError::new(
                        sqlstate::DUPLICATE_SCHEMA,
                        format!("schema \"{new_name}\" already exists"),
                    )
                    .at(self.at(new.span)));
                }
                Ok(vec![Ddl::RenameSchema { old: schema.clone(), new: new_name }])
            }
            _ => Err(QueryError::syntax("ALTER SCHEMA takes RENAME TO or OWNER TO", self.at(span))),
        }
    }

    pub(super) fn reindex(
        &mut self,
        target: ReindexTarget,
        name: Option<&ObjectName>,
        concurrently: bool,
    ) -> Result<Vec<Ddl>> {
        const TAG: &str = "REINDEX";
        let mut ddl = Vec::new();
        let outside = match target {
            _ if concurrently => Some("REINDEX CONCURRENTLY"),
            ReindexTarget::Schema => Some("REINDEX SCHEMA"),
            ReindexTarget::Database => Some("REINDEX DATABASE"),
            ReindexTarget::System => Some("REINDEX SYSTEM"),
            ReindexTarget::Index | ReindexTarget::Table => None,
        };
        if let Some(what) = outside {
            ddl.push(Ddl::OutsideBlock { what, tag: TAG });
        }
        let of_tables = |wanted: &dyn Fn(&str) -> bool| -> Vec<RelationId> {
            let tables = self.catalog.tables.values().filter(|table| wanted(&table.schema));
            tables.flat_map(|table| self.catalog.indexes_of(table.id)).map(|index| index.id).collect()
        };
        let indexes = match (target, name) {
            (ReindexTarget::Index, Some(name)) => {
                let qualified = self.qualified_name(name)?;
                match self.find_relation(&qualified) {
                    Some(Relation::Index(index)) => vec![self.own_index(&index, name.span())?],
                    Some(_) => {
                        return Err(QueryError::new(
                            sqlstate::WRONG_OBJECT_TYPE,
                            format!("\"{}\" is not an index", qualified.name),
                        )
                        .at(self.at(name.span())));
                    }
                    None => return Err(self.missing_relation(&qualified, name.span())),
                }
            }
            (ReindexTarget::Table, Some(name)) => {
                let table = self.stored_relation(name)?;
                self.refuse_system_table(&table, name.span())?;
                self.catalog.indexes_of(table.id).iter().map(|index| index.id).collect()
            }
            (ReindexTarget::Schema, Some(name)) => {
                let schema = self.name_parts(name)?.join(".");
                if !self.catalog.schemas.contains_key(&schema) {
                    return Err(QueryError::new(
                        sqlstate::INVALID_SCHEMA_NAME,
                        format!("schema \"{schema}\" does not exist"),
                    )
                    .at(self.at(name.span())));
                }
                of_tables(&|other| other == schema)
            }
            (ReindexTarget::Database | ReindexTarget::System, name) => {
                if let Some(name) = name
                    && self.name_parts(name)?.join(".") != self.context.session.database
                {
                    return Err(QueryError::unsupported_as("can only reindex the currently open database")
                        .at(self.at(name.span())));
                }
                of_tables(&|schema| schema != "sinew" && !is_temporary_schema(schema))
            }
            (_, None) => return Err(QueryError::syntax("REINDEX needs a name", None)),
        };
        ddl.push(Ddl::Reindex { indexes });
        Ok(ddl)
    }

    fn own_index(&self, index: &Arc<sinew_storage::catalog::IndexDef>, span: Span) -> Result<RelationId> {
        if index.schema == "sinew" && matches!(index.target, IndexTarget::Table { .. }) {
            return Err(self.permission_denied(&index.name, span));
        }
        Ok(index.id)
    }
}
