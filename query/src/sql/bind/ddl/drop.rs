//! DROP and TRUNCATE.

use std::sync::Arc;

use sinew_storage::catalog::{IndexTarget, TableDef};
use sinew_storage::ids::RelationId;
use sqlparser::ast::{CascadeOption, ObjectName, ObjectType, Spanned, Statement, Truncate, TruncateIdentityOption};

use super::super::Binder;
use super::super::names::{QualifiedName, Relation, is_system_schema};
use super::foreign_key::{cascade_notice, needed_by_foreign_keys};
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::Ddl;

impl Binder<'_> {
    pub fn drop_objects(&mut self, statement: &Statement) -> Result<Vec<Ddl>> {
        let Statement::Drop { object_type, if_exists, names, cascade, purge, temporary, table, .. } = statement else {
            return Err(QueryError::internal("DROP was expected"));
        };
        if *purge || *temporary || table.is_some() {
            return Err(QueryError::unsupported("DROP with PURGE, TEMPORARY or ON"));
        }
        let (kind, tag) = match object_type {
            ObjectType::Table => ("table", "DROP TABLE"),
            ObjectType::View => ("view", "DROP VIEW"),
            ObjectType::MaterializedView => ("materialized view", "DROP MATERIALIZED VIEW"),
            ObjectType::Index => ("index", "DROP INDEX"),
            ObjectType::Sequence => ("sequence", "DROP SEQUENCE"),
            ObjectType::Type => return self.drop_types(names, *if_exists, *cascade),
            ObjectType::Schema => return self.drop_schemas(names, *if_exists, *cascade),
            other => return Err(QueryError::unsupported(format!("DROP {other}"))),
        };
        let mut found: Vec<(String, RelationId)> = Vec::new();
        let mut foreign_keys = Vec::new();
        let mut ddl = Vec::new();
        for name in names {
            let qualified = self.qualified_name(name)?;
            let span = name.span();
            let Some(relation) = self.find_relation(&qualified) else {
                if *if_exists {
                    let notice = Some(format!("{kind} \"{qualified}\" does not exist, skipping"));
                    ddl.push(Ddl::Nothing { tag, notice });
                    continue;
                }
                return Err(self.missing_object(kind, &qualified, span));
            };
            let id = match (&relation, kind) {
                (Relation::Table(table), "table") => {
                    self.refuse_system_table(table, span)?;
                    self.refuse_dependents(table, *cascade, &mut ddl)?;
                    table.id
                }
                (Relation::View(view), "view") => view.id,
                (Relation::Materialized(table), "materialized view") => {
                    self.refuse_dependents(table, *cascade, &mut ddl)?;
                    table.id
                }
                (Relation::Sequence(sequence), "sequence") => {
                    self.drop_sequence(sequence, *cascade, &mut ddl).map_err(|error| error.at(self.at(span)))?;
                    sequence.id
                }
                (Relation::Index(index), "index") => {
                    if index.constraint.is_some() {
                        let table = match &index.target {
                            IndexTarget::Table { table, .. } => self.catalog.tables.get(table),
                            IndexTarget::Nodes { .. } | IndexTarget::Relationships { .. } => None,
                        };
                        let on = table.map(|table| format!(" on table {}", table.name)).unwrap_or_default();
                        return Err(QueryError::new(
                            sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                            format!("cannot drop index {0} because constraint {0}{on} requires it", index.name),
                        )
                        .hint(format!("You can drop constraint {}{on} instead.", index.name))
                        .at(self.at(span)));
                    }
                    if index.schema == "sinew" && matches!(index.target, IndexTarget::Table { .. }) {
                        return Err(self.permission_denied(&index.name, span));
                    }
                    if let IndexTarget::Table { table, .. } = &index.target {
                        let keys = self.referencing_keys(*table, |_, key| key.referenced_index == index.id);
                        if !keys.is_empty() && !*cascade {
                            let what = format!("index {}", index.name);
                            return Err(needed_by_foreign_keys(&what, &what, &keys).at(self.at(span)));
                        }
                        foreign_keys.extend(keys);
                    }
                    index.id
                }
                (Relation::System { .. }, _) => return Err(self.permission_denied(&qualified.name, span)),
                (other, _) => {
                    let article = if kind == "index" { "an" } else { "a" };
                    return Err(QueryError::new(
                        sqlstate::WRONG_OBJECT_TYPE,
                        format!("\"{}\" is not {article} {kind}", qualified.name),
                    )
                    .hint(format!("Use DROP {} to remove it.", other.kind().to_uppercase()))
                    .at(self.at(span)));
                }
            };
            if !found.iter().any(|(_, known)| *known == id) {
                found.push((qualified.name, id));
            }
        }
        if kind == "view" {
            self.refuse_dependents_of_views(&mut found, *cascade)?;
        }
        if kind == "table" {
            foreign_keys = self.references_to_dropped(&found, *cascade)?;
        }
        for (owner, name) in &foreign_keys {
            ddl.push(Ddl::Nothing { tag, notice: Some(cascade_notice(owner, name)) });
        }
        if !found.is_empty() {
            // The drop itself comes first: the command's tag is the first one's.
            let drop = match kind {
                "table" | "materialized view" => Ddl::DropTable { tables: found, cascade: *cascade, tag },
                "view" => Ddl::DropView { views: found },
                "sequence" => Ddl::DropSequence { sequences: found },
                _ => Ddl::DropIndex { indexes: found },
            };
            let (views, rest): (Vec<Ddl>, Vec<Ddl>) = ddl.into_iter().partition(|d| matches!(d, Ddl::DropView { .. }));
            // What needs a sequence goes before it.
            let (defaults, rest): (Vec<Ddl>, Vec<Ddl>) =
                rest.into_iter().partition(|d| matches!(d, Ddl::DropDefault { .. }));
            ddl = defaults;
            if kind == "index" && !foreign_keys.is_empty() {
                let keys = foreign_keys.into_iter().map(|(owner, name)| (owner.id, name)).collect();
                ddl.push(Ddl::DropForeignKeys { keys, tag });
            }
            ddl.push(drop);
            ddl.extend(views);
            ddl.extend(rest);
        }
        Ok(ddl)
    }

    /// Foreign keys of tables that stay to tables that go. 2BP01 without CASCADE.
    fn references_to_dropped(
        &self,
        dropped: &[(String, RelationId)],
        cascade: bool,
    ) -> Result<Vec<(Arc<TableDef>, String)>> {
        let mut all = Vec::new();
        let mut lines = Vec::new();
        for (name, id) in dropped {
            let keys = self.referencing_keys(*id, |owner, _| dropped.iter().all(|(_, other)| *other != owner.id));
            if !keys.is_empty() && !cascade {
                let object = format!("table {name}");
                let error = needed_by_foreign_keys(&object, &object, &keys);
                if dropped.len() == 1 {
                    return Err(error);
                }
                lines.extend(error.0.detail);
            }
            all.extend(keys);
        }
        if lines.is_empty() {
            return Ok(all);
        }
        Err(QueryError::new(
            sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
            "cannot drop desired object(s) because other objects depend on them",
        )
        .detail(lines.join("\n"))
        .hint("Use DROP ... CASCADE to drop the dependent objects too."))
    }

    fn missing_object(&self, kind: &str, name: &QualifiedName, span: sqlparser::tokenizer::Span) -> QueryError {
        let near = self.missing_relation(name, span);
        let code = if kind == "index" { sqlstate::UNDEFINED_OBJECT } else { sqlstate::UNDEFINED_TABLE };
        let error = QueryError::new(code, format!("{kind} \"{name}\" does not exist")).at(self.at(span));
        match near.0.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    pub(super) fn permission_denied(&self, name: &str, span: sqlparser::tokenizer::Span) -> QueryError {
        QueryError::new(sqlstate::INSUFFICIENT_PRIVILEGE, format!("permission denied: \"{name}\" is a system relation"))
            .at(self.at(span))
    }

    pub fn refuse_system_table(&self, table: &TableDef, span: sqlparser::tokenizer::Span) -> Result<()> {
        if table.id.0 < sinew_storage::catalog::FIRST_USER_RELATION {
            return Err(self.permission_denied(&table.name, span));
        }
        Ok(())
    }

    /// Views whose text names the relation depend on it.
    fn dependent_views(&self, name: &str) -> Vec<(String, RelationId)> {
        let mut views: Vec<(String, RelationId)> = self
            .catalog
            .stored_queries()
            .filter(|view| mentions_word(view.query, name))
            .map(|view| (view.name.to_owned(), view.id))
            .collect();
        views.sort_by_key(|(_, id)| *id);
        views
    }

    /// Views on a table that is dropped, and views on those, go with CASCADE. 2BP01 without.
    fn refuse_dependents(&self, table: &TableDef, cascade: bool, ddl: &mut Vec<Ddl>) -> Result<()> {
        let mut dependents = self.dependent_views(&table.name);
        dependents.retain(|(_, id)| *id != table.id);
        if dependents.is_empty() {
            return Ok(());
        }
        if !cascade {
            let kind = if table.materialized.is_some() { "materialized view" } else { "table" };
            return Err(self.needed_by_views(kind, &table.name, &dependents));
        }
        self.add_dependents(&mut dependents);
        ddl.push(Ddl::DropView { views: dependents });
        Ok(())
    }

    /// The same for views that are dropped: with CASCADE the views on them are dropped too.
    fn refuse_dependents_of_views(&self, dropped: &mut Vec<(String, RelationId)>, cascade: bool) -> Result<()> {
        if cascade {
            self.add_dependents(dropped);
            return Ok(());
        }
        for (name, id) in dropped.iter() {
            let mut dependents = self.dependent_views(name);
            dependents.retain(|(_, view)| view != id && dropped.iter().all(|(_, other)| other != view));
            if !dependents.is_empty() {
                return Err(self.needed_by_views("view", name, &dependents));
            }
        }
        Ok(())
    }

    /// 2BP01 with the views that need a relation.
    fn needed_by_views(&self, kind: &str, name: &str, dependents: &[(String, RelationId)]) -> QueryError {
        let line = |(view, id): &(String, RelationId)| {
            let of = if self.catalog.tables.contains_key(id) { "materialized view" } else { "view" };
            format!("{of} {view} depends on {kind} {name}")
        };
        let detail: Vec<String> = dependents.iter().map(line).collect();
        QueryError::new(
            sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("cannot drop {kind} {name} because other objects depend on it"),
        )
        .detail(detail.join("\n"))
        .hint("Use DROP ... CASCADE to drop the dependent objects too.")
    }

    /// Adds the views on these views, and the views on those.
    fn add_dependents(&self, views: &mut Vec<(String, RelationId)>) {
        let mut next = 0;
        while let Some((name, _)) = views.get(next).cloned() {
            next += 1;
            for dependent in self.dependent_views(&name) {
                if views.iter().all(|(_, known)| *known != dependent.1) {
                    views.push(dependent);
                }
            }
        }
    }

    fn drop_schemas(&mut self, names: &[ObjectName], if_exists: bool, cascade: bool) -> Result<Vec<Ddl>> {
        let mut ddl = Vec::new();
        for name in names {
            let parts = self.name_parts(name)?;
            let [schema] = parts.as_slice() else {
                return Err(QueryError::syntax("a schema has an unqualified name", self.at(name.span())));
            };
            if is_system_schema(schema) || schema == "sinew" {
                return Err(self.permission_denied(schema, name.span()));
            }
            if !self.catalog.schemas.contains_key(schema) {
                if if_exists {
                    let notice = Some(format!("schema \"{schema}\" does not exist, skipping"));
                    ddl.push(Ddl::Nothing { tag: "DROP SCHEMA", notice });
                    continue;
                }
                return Err(QueryError::new(
                    sqlstate::INVALID_SCHEMA_NAME,
                    format!("schema \"{schema}\" does not exist"),
                )
                .at(self.at(name.span())));
            }
            let inside: Vec<&str> =
                self.catalog.names.keys().filter(|(s, _)| s == schema).map(|(_, name)| name.as_str()).collect();
            if !inside.is_empty() && !cascade {
                let detail: Vec<String> =
                    inside.iter().map(|name| format!("{schema}.{name} depends on schema {schema}")).collect();
                return Err(QueryError::new(
                    sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!("cannot drop schema {schema} because other objects depend on it"),
                )
                .detail(detail.join("\n"))
                .hint("Use DROP ... CASCADE to drop the dependent objects too.")
                .at(self.at(name.span())));
            }
            ddl.push(Ddl::DropSchema { name: schema.clone(), if_exists, cascade });
        }
        Ok(ddl)
    }

    pub fn truncate(&mut self, truncate: &Truncate) -> Result<Vec<Ddl>> {
        if truncate.partitions.is_some() || truncate.on_cluster.is_some() || truncate.if_exists {
            return Err(QueryError::unsupported("TRUNCATE with PARTITION, ON CLUSTER or IF EXISTS"));
        }
        let mut tables = Vec::with_capacity(truncate.table_names.len());
        for target in &truncate.table_names {
            let table = self.target_table(&target.name)?;
            self.check_writable(&table, target.name.span())?;
            if !tables.contains(&table.id) {
                tables.push(table.id);
            }
        }
        let mut notices = Vec::new();
        if matches!(truncate.cascade, Some(CascadeOption::Cascade)) {
            // Tables found on the way are looked at in their turn.
            let mut next = 0;
            while let Some(table) = tables.get(next).copied() {
                next += 1;
                for (owner, _) in self.referencing_keys(table, |_, _| true) {
                    if !tables.contains(&owner.id) {
                        let notice = Some(format!("truncate cascades to table \"{}\"", owner.name));
                        notices.push(Ddl::Nothing { tag: "TRUNCATE TABLE", notice });
                        tables.push(owner.id);
                    }
                }
            }
        }
        let restart_identity = matches!(truncate.identity, Some(TruncateIdentityOption::Restart));
        let mut ddl = vec![Ddl::Truncate { tables, restart_identity }];
        ddl.extend(notices);
        Ok(ddl)
    }
}

/// Whether a word occurs in SQL text outside string literals.
pub fn mentions_word(text: &str, word: &str) -> bool {
    use sqlparser::tokenizer::{Token, Tokenizer};
    let tokens = Tokenizer::new(&sqlparser::dialect::PostgreSqlDialect {}, text).tokenize().unwrap_or_default();
    tokens.iter().any(|token| match token {
        Token::Word(found) => match found.quote_style {
            None => found.value.to_lowercase() == word,
            Some(_) => found.value == word,
        },
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_as_names_only() {
        assert!(mentions_word("SELECT * FROM public.T WHERE a = 1", "t"));
        assert!(!mentions_word("SELECT 't' FROM tt", "t"));
        assert!(mentions_word("SELECT 1 FROM \"My Table\"", "My Table"));
    }
}
