//! LOCK TABLE.

use std::sync::Arc;
use std::time::Duration;

use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::catalog::Catalog;
use sinew_storage::{RelationId, RelationLock, StorageError};

use crate::Session;

impl Session {
    /// Locks tables in the order given, to the end of the block. 25P01 outside of a block, 42P01 for an unknown table, 42809
    /// for what is no table, 55P03 when `nowait` and somebody holds a conflicting lock.
    ///
    /// It is no statement of the transaction: one that keeps its first snapshot takes it after the locks are granted.
    pub(crate) fn lock_tables(
        &mut self,
        tables: &[(Option<String>, String)],
        mode: RelationLock,
        nowait: bool,
    ) -> Result<()> {
        self.savepoint_outside_block("LOCK TABLE")?;
        let active = self.ensure_transaction();
        // Another isolation level would need another transaction, without the locks.
        active.used = true;
        let ran_ddl = active.ran_ddl;
        let transaction = Arc::clone(&active.transaction);
        let catalog =
            if ran_ddl { transaction.catalog() } else { self.database.store().begin(Default::default()).catalog() };
        transaction.set_cancel_token(self.cancel_token());
        let lock_timeout = if nowait { Some(Duration::ZERO) } else { self.current_settings().lock_timeout };
        for (schema, name) in tables {
            let id = self.table_to_lock(&catalog, schema.as_deref(), name)?;
            transaction.set_lock_timeout(lock_timeout);
            match transaction.lock_relation(id, mode) {
                Err(StorageError::LockTimeout) if nowait => {
                    return Err(QueryError::new(
                        sqlstate::LOCK_NOT_AVAILABLE,
                        format!("could not obtain lock on relation \"{name}\""),
                    ));
                }
                locked => locked?,
            }
        }
        Ok(())
    }

    fn table_to_lock(&self, catalog: &Catalog, schema: Option<&str>, name: &str) -> Result<RelationId> {
        let path = match schema {
            Some(schema) => vec![schema.to_owned()],
            None => self.context.search_path(),
        };
        if let Some(id) = path.iter().find_map(|schema| catalog.relation_id(schema, name)) {
            if catalog.tables.get(&id).is_some_and(|table| table.materialized.is_none()) {
                return Ok(id);
            }
            let kind = if catalog.tables.contains_key(&id) {
                "materialized view"
            } else if catalog.views.contains_key(&id) {
                "view"
            } else {
                "index"
            };
            return Err(QueryError::new(sqlstate::WRONG_OBJECT_TYPE, format!("\"{name}\" is not a table"))
                .detail(format!("It is a {kind}; only tables can be locked.")));
        }
        let shown = schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"));
        Err(QueryError::new(sqlstate::UNDEFINED_TABLE, format!("relation \"{shown}\" does not exist")))
    }
}
