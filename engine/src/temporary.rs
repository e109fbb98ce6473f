//! What ends with the session: its temporary schema, and what happens to temporary tables at commit.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use sinew_query::Result;
use sinew_query::statement::OnCommit;
use sinew_storage::Transaction;
use sinew_storage::ids::RelationId;

use crate::{Database, Session};

/// Of the session's temporary tables; those that are gone are found missing in the catalog.
pub(crate) type OnCommitActions = BTreeMap<RelationId, OnCommit>;

/// Begins the names of temporary schemas.
const PREFIX: &str = "pg_temp_";

impl Session {
    /// Makes the session's temporary schema when something is to be made in it.
    pub(crate) fn prepare_schema(&mut self, transaction: &Transaction, schema: &str) -> Result<()> {
        if schema != self.context.temporary_schema() {
            return Ok(());
        }
        if !transaction.catalog().schemas.contains_key(schema) {
            transaction.create_schema(schema)?;
        }
        self.context.has_temporary.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn note_on_commit(&mut self, table: RelationId, action: OnCommit) {
        if action != OnCommit::PreserveRows {
            self.on_commit.insert(table, action);
        }
    }

    /// Empties and drops temporary tables as they were declared, as the transaction's last act.
    pub(crate) fn run_on_commit(&mut self) -> Result<()> {
        if self.on_commit.is_empty() {
            return Ok(());
        }
        let Some(active) = &self.active else { return Ok(()) };
        let transaction = &active.transaction;
        let catalog = transaction.catalog();
        self.on_commit.retain(|table, _| catalog.tables.contains_key(table));
        let mut dropped = Vec::new();
        let mut changed = Vec::new();
        for (id, action) in &self.on_commit {
            let Some(table) = catalog.tables.get(id) else { continue };
            match action {
                OnCommit::Drop => dropped.push(*id),
                OnCommit::DeleteRows if transaction.row_count(table)? > 0 => changed.push(*id),
                OnCommit::DeleteRows | OnCommit::PreserveRows => {}
            }
        }
        if dropped.is_empty() && changed.is_empty() {
            return Ok(());
        }
        transaction.begin_statement()?;
        let run = || -> Result<()> {
            for id in changed {
                transaction.truncate_table(id)?;
            }
            crate::foreign_key::release(transaction, &dropped, true)?;
            for id in &dropped {
                transaction.drop_table(*id)?;
            }
            Ok(())
        };
        let result = run();
        let finished = transaction.finish_statement();
        result.and(Ok(finished?))
    }

    /// DISCARD TEMP. Within a block it is part of the transaction.
    pub(crate) fn discard_temporary(&mut self) -> Result<()> {
        if !self.context.has_temporary.load(Ordering::Relaxed) {
            return Ok(());
        }
        let schema = self.context.temporary_schema();
        self.begin_statement(&[])?;
        let transaction = std::sync::Arc::clone(&self.ensure_transaction().transaction);
        let done = drop_contents(&transaction, &schema);
        drop(transaction);
        self.guard(done)?;
        self.mark_ddl();
        self.end_statement()
    }

    /// The session ends: nobody waits for what was its own to reach the disk.
    pub(crate) fn drop_temporary(&mut self) {
        if !self.context.has_temporary.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = drop_schema(&self.database, &self.context.temporary_schema()) {
            // Opening the database drops what is left.
            tracing::warn!(%error, "temporary tables of a session could not be dropped");
        }
    }
}

fn drop_contents(transaction: &Transaction, schema: &str) -> Result<()> {
    let catalog = transaction.catalog();
    for view in catalog.views.values().filter(|view| view.schema == schema) {
        transaction.drop_view(view.id)?;
    }
    let tables: Vec<RelationId> =
        catalog.tables.values().filter(|table| table.schema == schema).map(|table| table.id).collect();
    crate::foreign_key::release(transaction, &tables, true)?;
    for table in tables {
        transaction.drop_table(table)?;
    }
    for sequence in transaction.catalog().sequences.values().filter(|sequence| sequence.schema == schema) {
        transaction.drop_sequence(sequence.id)?;
    }
    Ok(())
}

fn drop_schema(database: &Database, schema: &str) -> Result<()> {
    let transaction = database.store().begin(Default::default());
    if !transaction.catalog().schemas.contains_key(schema) {
        return Ok(());
    }
    transaction.begin_statement()?;
    drop_contents(&transaction, schema)?;
    transaction.drop_schema(schema)?;
    transaction.finish_statement()?;
    transaction.set_synchronous_commit(false);
    transaction.commit()?;
    Ok(())
}

/// Drops what sessions left behind when the process ended with them.
pub(crate) fn drop_left_over(database: &Database) -> Result<()> {
    let catalog = database.store().catalog();
    for schema in catalog.schemas.keys().filter(|schema| schema.starts_with(PREFIX)) {
        drop_schema(database, schema)?;
    }
    Ok(())
}
