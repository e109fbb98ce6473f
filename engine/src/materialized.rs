//! Materialized views: tables that are filled from their query.

use std::sync::Arc;

use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::Transaction;
use sinew_storage::catalog::{MaterializedDef, TableDef};
use sinew_storage::ids::RelationId;

use crate::Session;
use crate::ddl::{missing, quote};

impl Session {
    /// Empties it and, `with_data`, fills it with what its query gives now. Nobody reads it meanwhile.
    pub(crate) fn refresh_materialized(
        &mut self,
        transaction: &Transaction,
        id: RelationId,
        with_data: bool,
    ) -> Result<()> {
        let catalog = transaction.catalog();
        let table = catalog.tables.get(&id).ok_or_else(|| missing(id))?;
        let Some(of) = &table.materialized else { return Err(missing(id)) };
        // A table like any other while it is written.
        transaction.alter_table(TableDef { materialized: None, ..TableDef::clone(table) })?;
        self.mark_ddl();
        transaction.truncate_table(id)?;
        if with_data {
            let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
            let columns = columns.join(", ");
            // A `*` may give more columns by now than it gave at first.
            let query = format!("SELECT {columns} FROM ({}) AS q ({columns})", of.query);
            let source = self.nested(|session| session.prepare(&query, &[]))?;
            let plan = source.planned.plan().ok_or_else(|| QueryError::internal("a materialized view has no query"))?;
            plan.lock_relations(transaction)?;
            let into = format!("COPY {}.{} FROM STDIN", quote(&table.schema), quote(&table.name));
            let own = Arc::clone(&self.ensure_transaction().transaction);
            let context = self.exec_context(own, &[], true);
            self.fill(&into, plan, context).map_err(index_not_unique)?;
        }
        let of = MaterializedDef { is_populated: with_data, ..of.clone() };
        set_materialized(transaction, id, of)
    }
}

/// The indexes are as if made anew.
fn index_not_unique(mut error: QueryError) -> QueryError {
    if error.sqlstate() == sqlstate::UNIQUE_VIOLATION {
        error.0.message =
            format!("could not create unique index \"{}\"", error.0.constraint.clone().unwrap_or_default());
        error.0.detail = error.0.detail.map(|detail| detail.replace("already exists", "is duplicated"));
    }
    error
}

/// Makes a table a materialized view, which no statement but REFRESH writes.
pub(crate) fn set_materialized(transaction: &Transaction, id: RelationId, of: MaterializedDef) -> Result<()> {
    let catalog = transaction.catalog();
    let table = catalog.tables.get(&id).ok_or_else(|| missing(id))?;
    transaction.alter_table(TableDef { materialized: Some(of), ..TableDef::clone(table) })?;
    Ok(())
}
