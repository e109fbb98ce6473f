//! Deferred foreign keys: SET CONSTRAINTS, and what COMMIT checks.

use std::sync::Arc;

use sinew_query::deferred::ConstraintId;
use sinew_query::{QueryError, Result, exec, sqlstate};
use sinew_storage::RelationId;
use sinew_storage::catalog::{Catalog, ConstraintTiming, TableDef};

use crate::Session;

impl Session {
    /// No names: all constraints. Those that become immediate are checked at once, for what the transaction has done so
    /// far. 42704, 42809, 23503.
    pub(crate) fn set_constraints(&mut self, names: &[(Option<String>, String)], deferred: bool) -> Result<()> {
        let is_block = self.active.as_ref().is_some_and(|active| active.explicit) || self.implicit_block;
        if !is_block {
            self.warn("SET CONSTRAINTS can only be used in transaction blocks", sqlstate::NO_ACTIVE_SQL_TRANSACTION);
        }
        let catalog = match &self.active {
            Some(active) if active.ran_ddl => active.transaction.catalog(),
            _ => self.database.store().begin(Default::default()).catalog(),
        };
        let mut constraints = Vec::new();
        for (schema, name) in names {
            constraints.extend(self.constraints_named(&catalog, schema.as_deref(), name, deferred)?);
        }
        if !is_block {
            return Ok(());
        }
        self.ensure_transaction();
        match names {
            [] => self.context.deferred.set_all(deferred),
            _ => self.context.deferred.set(constraints, deferred),
        }
        if deferred || !self.context.deferred.has_pending() {
            return Ok(());
        }
        let context = self.begin_statement(&[])?;
        let checked = exec::check_immediate(context);
        self.guard(checked)?;
        self.end_statement()
    }

    /// The deferrable constraints of this name in the first schema that has any constraint of it.
    fn constraints_named(
        &self,
        catalog: &Catalog,
        schema: Option<&str>,
        name: &str,
        deferred: bool,
    ) -> Result<Vec<ConstraintId>> {
        let path = match schema {
            Some(schema) => {
                let schema = self.context.schema_meant(schema);
                if !catalog.schemas.contains_key(&schema) {
                    let message = format!("schema \"{schema}\" does not exist");
                    return Err(QueryError::new(sqlstate::INVALID_SCHEMA_NAME, message));
                }
                vec![schema]
            }
            None => self.context.search_path(),
        };
        for schema in &path {
            let found: Vec<(RelationId, ConstraintTiming)> = catalog
                .tables
                .values()
                .filter(|table| table.schema == *schema)
                .flat_map(|table| timings(catalog, table, name).map(|timing| (table.id, timing)))
                .collect();
            if deferred && found.iter().any(|(_, timing)| !timing.is_deferrable()) {
                let message = format!("constraint \"{name}\" is not deferrable");
                return Err(QueryError::new(sqlstate::WRONG_OBJECT_TYPE, message));
            }
            if !found.is_empty() {
                let deferrable = found.into_iter().filter(|(_, timing)| timing.is_deferrable());
                return Ok(deferrable.map(|(table, _)| (table, Arc::from(name))).collect());
            }
        }
        Err(QueryError::new(sqlstate::UNDEFINED_OBJECT, format!("constraint \"{name}\" does not exist")))
    }

    /// Makes the checks that waited for the transaction's end. 23503.
    pub(crate) fn check_deferred_constraints(&mut self) -> Result<()> {
        if self.active.is_none() || !self.context.deferred.has_pending() {
            return Ok(());
        }
        let context = self.begin_statement(&[])?;
        let transaction = Arc::clone(&context.transaction);
        let result = exec::check_deferred(context);
        let finished = transaction.finish_statement();
        result.and(Ok(finished?))
    }

    /// 55006 while checks wait that come from rows of a table that `command` changes or drops.
    pub(crate) fn refuse_pending_checks(&self, table: &TableDef, command: &str) -> Result<()> {
        if !self.context.deferred.is_pending(table.id) {
            return Ok(());
        }
        let message = format!("cannot {command} \"{}\" because it has pending trigger events", table.name);
        Err(QueryError::new(sqlstate::OBJECT_IN_USE, message))
    }
}

/// When the table's constraints of this name are checked; a table has at most one.
fn timings<'c>(
    catalog: &'c Catalog,
    table: &'c TableDef,
    name: &'c str,
) -> impl Iterator<Item = ConstraintTiming> + 'c {
    let keys = table.foreign_keys.iter().filter(move |key| key.name == name).map(|key| key.timing);
    let checks = table.checks.iter().filter(move |check| check.name == name).map(|_| ConstraintTiming::NotDeferrable);
    let indexes = catalog.indexes_of(table.id).iter();
    let unique = indexes.filter(move |index| index.constraint.is_some() && index.name == name);
    keys.chain(checks).chain(unique.map(|_| ConstraintTiming::NotDeferrable))
}
