//! CREATE and REFRESH MATERIALIZED VIEW.

use sinew_storage::catalog::{IndexKind, IndexTarget};
use sqlparser::ast::{ObjectName, Spanned};

use super::super::Binder;
use super::super::names::{Relation, is_temporary_schema};
use super::super::relation_names::with_schemas;
use super::create_table_as::Target;
use super::view::with_column_names;
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::definition::Definition;
use crate::sql::printed_query;
use crate::statement::{BoundStatement, Ddl, OnCommit};

impl Binder<'_> {
    pub(super) fn materialized_view(mut self, definition: &Definition) -> Result<BoundStatement> {
        let Definition::CreateMaterializedView { if_not_exists, name, columns, options, query, with_data } = definition
        else {
            return Err(QueryError::internal("CREATE MATERIALIZED VIEW was expected"));
        };
        let options = self.checked_options(options)?;
        let qualified = self.qualified_name(name)?;
        let schema = self.creation_schema_of(&qualified, false, name.span())?;
        let exists = self.catalog.relation_id(&schema, &qualified.name).is_some();
        if !exists {
            self.used_relations.clear();
            let params_before = self.context.params.read().len();
            self.bind_query(query, false)?;
            if self.context.params.read().len() > params_before {
                let message = "materialized views may not be defined using bound parameters";
                return Err(QueryError::unsupported_as(message).at(self.at(name.span())));
            }
            let schema_of = |id| match self.relation_by_id(id) {
                Some(Relation::Table(table) | Relation::Materialized(table)) => table.schema.clone(),
                Some(Relation::View(view)) => view.schema.clone(),
                _ => String::new(),
            };
            if self.used_relations.iter().any(|id| is_temporary_schema(&schema_of(*id))) {
                let message = "materialized views must not use temporary tables or views";
                return Err(QueryError::unsupported_as(message).at(self.at(name.span())));
            }
        }
        let text = printed_query(with_column_names(query, columns).to_string());
        let target = Target {
            name,
            columns: columns.iter().collect(),
            temporary: false,
            if_not_exists: *if_not_exists,
            on_commit: OnCommit::PreserveRows,
            options,
            with_data: *with_data,
            materialized: if exists { None } else { Some(with_schemas(self.context, &text)?) },
        };
        self.table_from_query(&target, query, "CREATE MATERIALIZED VIEW")
    }

    pub(super) fn refresh_materialized(
        &mut self,
        name: &ObjectName,
        concurrently: bool,
        with_data: bool,
    ) -> Result<Vec<Ddl>> {
        let qualified = self.qualified_name(name)?;
        let span = name.span();
        let table = match self.find_relation(&qualified) {
            Some(Relation::Materialized(table)) => table,
            Some(_) => {
                let message = format!("\"{}\" is not a materialized view", qualified.name);
                return Err(QueryError::unsupported_as(message).at(self.at(span)));
            }
            None => return Err(self.missing_relation(&qualified, span)),
        };
        if concurrently {
            if !with_data {
                let message = "CONCURRENTLY and WITH NO DATA options cannot be used together";
                return Err(QueryError::syntax(message, self.at(span)));
            }
            if table.materialized.as_ref().is_some_and(|of| !of.is_populated) {
                let message = "CONCURRENTLY cannot be used when the materialized view is not populated";
                return Err(QueryError::unsupported_as(message).at(self.at(span)));
            }
            let indexes = self.catalog.indexes_of(table.id);
            let identifies_rows = indexes.iter().any(|index| {
                let IndexTarget::Table { .. } = &index.target else { return false };
                matches!(index.kind, IndexKind::Ordered { unique: true }) && !index.is_computed()
            });
            if !identifies_rows {
                let message =
                    format!("cannot refresh materialized view \"{}.{}\" concurrently", table.schema, table.name);
                return Err(QueryError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message).hint(
                    "Create a unique index with no WHERE clause on one or more columns of the materialized view.",
                ));
            }
        }
        Ok(vec![Ddl::RefreshMaterialized { table: table.id, with_data }])
    }
}
