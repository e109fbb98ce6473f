//! CREATE and DROP EXTENSION: what there is is built in.

use sqlparser::ast::{CreateExtension, DropExtension};

use super::super::Binder;
use super::super::names::fold;
use crate::error::{QueryError, Result, sqlstate};
use crate::statement::Ddl;
use crate::system::extensions;

impl Binder<'_> {
    /// Every extension that there is has been created. 0A000 for others, as PostgreSQL says it.
    pub(super) fn create_extension(&self, create: &CreateExtension) -> Result<Vec<Ddl>> {
        let name = fold(&create.name);
        let position = self.at(create.name.span);
        if extensions::extension_oid(&name).is_none() {
            return Err(QueryError::unsupported_as(format!("extension \"{name}\" is not available"))
                .hint("The extensions are built in: SELECT * FROM pg_available_extensions.")
                .at(position));
        }
        if !create.if_not_exists {
            return Err(QueryError::new(sqlstate::DUPLICATE_OBJECT, format!("extension \"{name}\" already exists"))
                .at(position));
        }
        let notice = Some(format!("extension \"{name}\" already exists, skipping"));
        Ok(vec![Ddl::Nothing { tag: "CREATE EXTENSION", notice }])
    }

    pub(super) fn drop_extension(&self, drop: &DropExtension) -> Result<Vec<Ddl>> {
        const TAG: &str = "DROP EXTENSION";
        let mut ddl = Vec::new();
        for ident in &drop.names {
            let name = fold(ident);
            if extensions::extension_oid(&name).is_some() {
                return Err(QueryError::new(
                    sqlstate::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!("cannot drop extension {name} because it is required by the database system"),
                )
                .at(self.at(ident.span)));
            }
            if !drop.if_exists {
                return Err(QueryError::new(
                    sqlstate::UNDEFINED_OBJECT,
                    format!("extension \"{name}\" does not exist"),
                )
                .at(self.at(ident.span)));
            }
            let notice = Some(format!("extension \"{name}\" does not exist, skipping"));
            ddl.push(Ddl::Nothing { tag: TAG, notice });
        }
        Ok(ddl)
    }
}
