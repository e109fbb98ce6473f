//! Names: folding, truncation, qualified names, lookup along the search path, near misses.

use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, SequenceDef, TableDef, ViewDef};
use sinew_storage::ids::RelationId;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Spanned};
use sqlparser::tokenizer::Span;

use super::Binder;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::TableFunction;
use crate::near_miss::near_miss;
use crate::system;

/// Bytes of an identifier; longer ones are cut, as PostgreSQL does (NAMEDATALEN - 1).
const NAME_LIMIT_BYTES: usize = 63;

/// The name an identifier means: folded to lower case unless quoted, cut to 63 bytes.
pub fn fold(ident: &Ident) -> String {
    let mut name = match ident.quote_style {
        None => ident.value.to_lowercase(),
        Some(_) => ident.value.clone(),
    };
    if name.len() > NAME_LIMIT_BYTES {
        let end = (0..=NAME_LIMIT_BYTES).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
        name.truncate(end);
    }
    name
}

/// The first part of a name, folded.
pub fn fold_first(name: &ObjectName) -> String {
    name.0.first().and_then(ObjectNamePart::as_ident).map(fold).unwrap_or_default()
}

/// Quotes a name when it needs it.
pub fn quote_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A possibly schema-qualified name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualifiedName {
    pub schema: Option<String>,
    pub name: String,
}

impl std::fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What a relation name stands for.
#[derive(Clone, Debug)]
pub enum Relation {
    Table(Arc<TableDef>),
    Materialized(Arc<TableDef>),
    View(Arc<ViewDef>),
    Index(Arc<IndexDef>),
    Sequence(Arc<SequenceDef>),
    System { schema: String, function: Arc<dyn TableFunction> },
}

impl Relation {
    /// As error messages call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Relation::Table(_) => "table",
            Relation::Materialized(_) => "materialized view",
            Relation::View(_) => "view",
            Relation::Index(_) => "index",
            Relation::Sequence(_) => "sequence",
            Relation::System { .. } => "system relation",
        }
    }
}

impl Binder<'_> {
    /// Parts of an object name, folded.
    pub fn name_parts(&self, name: &ObjectName) -> Result<Vec<String>> {
        name.0
            .iter()
            .map(|part| match part {
                ObjectNamePart::Identifier(ident) => Ok(fold(ident)),
                ObjectNamePart::Function(function) => {
                    Err(self.unsupported("a function as a part of a name", function.name.span))
                }
            })
            .collect()
    }

    /// `name`, `schema.name` or `database.schema.name`.
    pub fn qualified_name(&self, name: &ObjectName) -> Result<QualifiedName> {
        let mut parts = self.name_parts(name)?;
        if parts.len() == 3 {
            if parts[0] != self.context.session.database {
                return Err(
                    self.unsupported(format_args!("cross-database reference \"{}\"", parts.join(".")), name.span())
                );
            }
            parts.remove(0);
        }
        match parts.len() {
            1 => Ok(QualifiedName { schema: None, name: parts.remove(0) }),
            2 => {
                let schema = self.context.session.schema_meant(&parts.remove(0));
                Ok(QualifiedName { schema: Some(schema), name: parts.remove(0) })
            }
            _ => Err(QueryError::syntax(
                format!("improper qualified name (too many dotted names): {}", parts.join(".")),
                self.at(name.span()),
            )),
        }
    }

    /// Searches the schema named, or the search path.
    pub fn find_relation(&self, name: &QualifiedName) -> Option<Relation> {
        match &name.schema {
            Some(schema) => self.relation_in(schema, &name.name),
            None => self.search_path.iter().find_map(|schema| self.relation_in(schema, &name.name)),
        }
    }

    fn relation_in(&self, schema: &str, name: &str) -> Option<Relation> {
        if let Some(id) = self.catalog.relation_id(schema, name) {
            return self.relation_by_id(id);
        }
        system::system_relation(schema, name).map(|function| Relation::System { schema: schema.to_owned(), function })
    }

    pub fn relation_by_id(&self, id: RelationId) -> Option<Relation> {
        if let Some(table) = self.catalog.tables.get(&id) {
            return Some(match table.materialized {
                None => Relation::Table(table.clone()),
                Some(_) => Relation::Materialized(table.clone()),
            });
        }
        if let Some(view) = self.catalog.views.get(&id) {
            return Some(Relation::View(view.clone()));
        }
        if let Some(sequence) = self.catalog.sequences.get(&id) {
            return Some(Relation::Sequence(sequence.clone()));
        }
        self.catalog.indexes.get(&id).map(|index| Relation::Index(index.clone()))
    }

    /// 42P01 with the near miss; 3F000 when the schema itself is unknown.
    pub fn missing_relation(&self, name: &QualifiedName, span: Span) -> QueryError {
        let error =
            QueryError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist")).at(self.at(span));
        let mut candidates: Vec<(String, String)> = Vec::new();
        for (schema, relation) in self.catalog.names.keys() {
            let visible = self.search_path.contains(schema);
            match &name.schema {
                Some(wanted) if wanted == schema => candidates.push((relation.clone(), format!("{schema}.{relation}"))),
                None if visible => candidates.push((relation.clone(), relation.clone())),
                None => candidates.push((relation.clone(), format!("{schema}.{relation}"))),
                _ => {}
            }
        }
        for &(schema, relation) in system::system_relation_names() {
            let wanted = match &name.schema {
                Some(wanted) => wanted == schema,
                None => schema != "information_schema",
            };
            if wanted {
                let shown = if name.schema.is_some() { format!("{schema}.{relation}") } else { relation.to_owned() };
                candidates.push((relation.to_owned(), shown));
            }
        }
        if name.schema.is_none()
            && let Some((_, shown)) = candidates.iter().find(|(relation, _)| *relation == name.name)
        {
            return error.hint(format!("There is a relation \"{shown}\" in a schema outside the search path."));
        }
        let near = near_miss(&name.name, candidates.iter().map(|(relation, _)| relation.as_str()));
        match near.and_then(|near| candidates.iter().find(|(relation, _)| *relation == near)) {
            Some((_, shown)) => error.hint(format!("Perhaps you meant to reference the relation \"{shown}\".")),
            None => error,
        }
    }

    /// The table a statement writes or changes. 42P01, 42809 for a view or an index, 42501 for engine tables.
    pub fn target_table(&self, name: &ObjectName) -> Result<Arc<TableDef>> {
        let qualified = self.qualified_name(name)?;
        match self.find_relation(&qualified) {
            Some(Relation::Table(table)) => Ok(table),
            Some(other) => {
                Err(QueryError::new(sqlstate::WRONG_OBJECT_TYPE, format!("\"{}\" is not a table", qualified.name))
                    .detail(format!("It is a {}.", other.kind()))
                    .at(self.at(name.span())))
            }
            None => Err(self.missing_relation(&qualified, name.span())),
        }
    }

    /// As [`Self::target_table`], where a materialized view does as well.
    pub fn stored_relation(&self, name: &ObjectName) -> Result<Arc<TableDef>> {
        match self.find_relation(&self.qualified_name(name)?) {
            Some(Relation::Materialized(table)) => Ok(table),
            _ => self.target_table(name),
        }
    }

    /// Schema that new objects go to: the one named, else the first of the search path that may hold user objects. What is
    /// temporary goes to the session's own schema, which need not exist yet.
    pub fn creation_schema_of(&self, name: &QualifiedName, temporary: bool, span: Span) -> Result<String> {
        let own = self.context.session.temporary_schema();
        match &name.schema {
            Some(schema) if *schema == own => return Ok(own),
            Some(schema) if is_temporary_schema(schema) => {
                return Err(QueryError::new("42P16", "cannot create relations in temporary schemas of other sessions")
                    .at(self.at(span)));
            }
            Some(_) if temporary => {
                return Err(QueryError::new("42P16", "cannot create temporary relation in non-temporary schema")
                    .at(self.at(span)));
            }
            None if temporary => return Ok(own),
            _ => {}
        }
        let schema = match &name.schema {
            Some(schema) => schema.clone(),
            None => self
                .search_path
                .iter()
                .find(|schema| {
                    !is_system_schema(schema)
                        && !is_temporary_schema(schema)
                        && self.catalog.schemas.contains_key(*schema)
                })
                .cloned()
                .ok_or_else(|| {
                    QueryError::new(sqlstate::INVALID_SCHEMA_NAME, "no schema has been selected to create in")
                        .at(self.at(span))
                })?,
        };
        if is_system_schema(&schema) {
            return Err(QueryError::new(
                sqlstate::INSUFFICIENT_PRIVILEGE,
                format!("permission denied to create \"{schema}.{}\"", name.name),
            )
            .detail("System catalog modifications are currently disallowed.")
            .at(self.at(span)));
        }
        if !self.catalog.schemas.contains_key(&schema) {
            return Err(QueryError::new(sqlstate::INVALID_SCHEMA_NAME, format!("schema \"{schema}\" does not exist"))
                .at(self.at(span)));
        }
        Ok(schema)
    }

    /// Position in `table` of a column that must exist. 42703 with the near miss.
    pub fn table_column(&self, table: &TableDef, column: &Ident) -> Result<usize> {
        let name = fold(column);
        table.column_position(&name).ok_or_else(|| {
            let error = QueryError::new(
                sqlstate::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
            )
            .at(self.at(column.span));
            match near_miss(&name, table.columns.iter().map(|column| column.name.as_str())) {
                Some(near) => {
                    error.hint(format!("Perhaps you meant to reference the column \"{}.{near}\".", table.name))
                }
                None => error,
            }
        })
    }
}

/// Schemas of sessions, for what ends with them.
pub fn is_temporary_schema(schema: &str) -> bool {
    schema.starts_with("pg_temp_")
}

/// Schemas whose relations are computed.
pub fn is_system_schema(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_fold_and_are_cut_at_character_boundaries() {
        assert_eq!(fold(&Ident::new("FooBar")), "foobar");
        assert_eq!(fold(&Ident::with_quote('"', "FooBar")), "FooBar");
        assert_eq!(fold(&Ident::new("a".repeat(80))).len(), 63);
        assert_eq!(fold(&Ident::with_quote('"', format!("{}é", "a".repeat(62)))), "a".repeat(62));
    }

    #[test]
    fn names_are_quoted_when_needed() {
        assert_eq!(quote_name("abc_1"), "abc_1");
        assert_eq!(quote_name("Abc"), "\"Abc\"");
        assert_eq!(quote_name("a\"b"), "\"a\"\"b\"");
    }
}
