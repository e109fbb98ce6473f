//! CREATE SCHEMA.

use sqlparser::ast::{SchemaName, Spanned, Statement};

use super::super::Binder;
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::Ddl;

impl Binder<'_> {
    pub fn create_schema(&mut self, statement: &Statement) -> Result<Vec<Ddl>> {
        let Statement::CreateSchema {
            schema_name,
            or_replace,
            if_not_exists,
            with,
            options,
            default_collate_spec,
            clone,
        } = statement
        else {
            return Err(QueryError::internal("CREATE SCHEMA was expected"));
        };
        let SchemaName::Simple(name) = schema_name else {
            return Err(QueryError::unsupported("CREATE SCHEMA … AUTHORIZATION"));
        };
        if *or_replace || with.is_some() || options.is_some() || default_collate_spec.is_some() || clone.is_some() {
            return Err(self.unsupported("CREATE SCHEMA with options", name.span()));
        }
        let parts = self.name_parts(name)?;
        let [name_text] = parts.as_slice() else {
            return Err(QueryError::syntax("a schema has an unqualified name", self.at(name.span())));
        };
        if name_text.starts_with("pg_") {
            return Err(QueryError::new("42939", format!("unacceptable schema name \"{name_text}\""))
                .detail("The prefix \"pg_\" is reserved for system schemas.")
                .at(self.at(name.span())));
        }
        let exists = self.catalog.schemas.contains_key(name_text) || super::super::names::is_system_schema(name_text);
        if exists && !if_not_exists {
            return Err(QueryError::new(sqlstate::DUPLICATE_SCHEMA, format!("schema \"{name_text}\" already exists"))
                .at(self.at(name.span())));
        }
        if exists {
            let notice = Some(format!("schema \"{name_text}\" already exists, skipping"));
            return Ok(vec![Ddl::Nothing { tag: "CREATE SCHEMA", notice }]);
        }
        Ok(vec![Ddl::CreateSchema { name: name_text.clone(), if_not_exists: *if_not_exists }])
    }
}
