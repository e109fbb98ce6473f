//! COMMENT ON.

use sinew_storage::ddl::{PG_CLASS, PG_CONSTRAINT, PG_NAMESPACE};
use sqlparser::ast::{ObjectName, Spanned};

use super::super::Binder;
use super::super::names::{Relation, fold};
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::definition::{CommentedObject, RelationKind};
use crate::statement::Ddl;
use crate::system::extensions;
use crate::system::pg_catalog::identity;

/// PostgreSQL's oid of `pg_database`.
const PG_DATABASE: u32 = 1_262;

impl Binder<'_> {
    pub(super) fn comment(&mut self, object: &CommentedObject, comment: Option<String>) -> Result<Vec<Ddl>> {
        let ddl = match object {
            CommentedObject::Relation { kind: RelationKind::Table, name } => {
                let table = self.target_table(name)?;
                Ddl::Comment { relation: table.id, column: None, comment }
            }
            CommentedObject::Relation { kind, name } => {
                let qualified = self.qualified_name(name)?;
                let id = match (kind, self.find_relation(&qualified)) {
                    (RelationKind::Index, Some(Relation::Index(index))) => index.id,
                    (RelationKind::View, Some(Relation::View(view))) => view.id,
                    (RelationKind::Sequence, Some(Relation::Sequence(sequence))) => sequence.id,
                    (RelationKind::MaterializedView, Some(Relation::Materialized(table))) => {
                        return Ok(vec![Ddl::Comment { relation: table.id, column: None, comment }]);
                    }
                    (_, None) => return Err(self.missing_relation(&qualified, name.span())),
                    (kind, Some(_)) => {
                        let article = if *kind == RelationKind::Index { "an" } else { "a" };
                        return Err(QueryError::new(
                            sqlstate::WRONG_OBJECT_TYPE,
                            format!("\"{}\" is not {article} {}", qualified.name, kind.name()),
                        )
                        .at(self.at(name.span())));
                    }
                };
                Ddl::CommentOn { class: PG_CLASS, object: id.0, comment }
            }
            CommentedObject::Column(name) => {
                let mut parts = name.0.clone();
                let Some(column) = parts.pop() else {
                    return Err(QueryError::syntax("COMMENT ON COLUMN needs a name", None));
                };
                if parts.is_empty() {
                    return Err(QueryError::syntax("column name must be qualified", self.at(name.span())));
                }
                let relation = ObjectName(parts);
                if let Some(Relation::View(_)) = self.find_relation(&self.qualified_name(&relation)?) {
                    return Err(self.unsupported("COMMENT ON COLUMN of a view", name.span()));
                }
                let table = self.stored_relation(&relation)?;
                let Some(ident) = column.as_ident() else {
                    return Err(QueryError::syntax("COMMENT ON COLUMN needs a name", self.at(name.span())));
                };
                let position = self.table_column(&table, ident)?;
                let column = Some(table.columns[position].name.clone());
                Ddl::Comment { relation: table.id, column, comment }
            }
            CommentedObject::Constraint { name, table } => {
                let table = self.target_table(table)?;
                let wanted = fold(name);
                let all = identity::constraints(&self.catalog);
                let found = all.iter().find(|constraint| constraint.table.id == table.id && constraint.name == wanted);
                let Some(constraint) = found else {
                    return Err(QueryError::new(
                        sqlstate::UNDEFINED_OBJECT,
                        format!("constraint \"{wanted}\" for table \"{}\" does not exist", table.name),
                    )
                    .at(self.at(name.span)));
                };
                Ddl::CommentOn { class: PG_CONSTRAINT, object: constraint.oid, comment }
            }
            CommentedObject::Schema(name) => {
                let parts = self.name_parts(name)?;
                let schema = match parts.as_slice() {
                    [schema] => self.catalog.schemas.get(schema),
                    _ => None,
                };
                let Some(schema) = schema else {
                    return Err(QueryError::new(
                        sqlstate::INVALID_SCHEMA_NAME,
                        format!("schema \"{}\" does not exist", parts.join(".")),
                    )
                    .at(self.at(name.span())));
                };
                Ddl::CommentOn { class: PG_NAMESPACE, object: schema.oid, comment }
            }
            CommentedObject::Database(name) => {
                let database = self.name_parts(name)?.join(".");
                if database != self.context.session.database {
                    return Err(QueryError::new("3D000", format!("database \"{database}\" does not exist"))
                        .at(self.at(name.span())));
                }
                Ddl::CommentOn { class: PG_DATABASE, object: identity::DATABASE_OID, comment }
            }
            CommentedObject::Extension(name) => {
                let wanted = fold(name);
                let Some(extension) = extensions::extension_oid(&wanted) else {
                    return Err(QueryError::new(
                        sqlstate::UNDEFINED_OBJECT,
                        format!("extension \"{wanted}\" does not exist"),
                    )
                    .at(self.at(name.span)));
                };
                Ddl::CommentOn { class: extensions::PG_EXTENSION, object: extension, comment }
            }
            CommentedObject::Other { what, span } => return Err(self.unsupported(what, *span)),
        };
        Ok(vec![ddl])
    }
}
