//! New names and schemas for relations of any kind, and for schemas.

use sinew_query::sql::{with_relations_renamed, with_sequence_names};
use sinew_query::{BindContext, Result};
use sinew_storage::Transaction;
use sinew_storage::catalog::{MaterializedDef, SequenceDef, TableDef};
use sinew_storage::ids::RelationId;

use crate::Session;
use crate::ddl::missing;
use crate::materialized::set_materialized;

impl Session {
    /// Views whose text names relations that are about to move, with the text that they will have.
    pub(crate) fn reworded_views(
        &self,
        transaction: &Transaction,
        rename: &dyn Fn(&str, &str) -> Option<(String, String)>,
    ) -> Result<Vec<(RelationId, String)>> {
        let context = BindContext { transaction, session: &self.context, params: Default::default() };
        let mut reworded = Vec::new();
        for view in transaction.catalog().stored_queries() {
            // One that cannot be bound any more names nothing.
            let text = with_relations_renamed(&context, view.query, rename).ok();
            if let Some(text) = text.filter(|text| *text != view.query) {
                reworded.push((view.id, text));
            }
        }
        Ok(reworded)
    }
}

pub(crate) fn reword_views(transaction: &Transaction, views: Vec<(RelationId, String)>) -> Result<()> {
    for (view, text) in views {
        let catalog = transaction.catalog();
        match catalog.tables.get(&view).and_then(|table| table.materialized.as_ref()) {
            Some(of) => set_materialized(transaction, view, MaterializedDef { query: text, ..of.clone() })?,
            None => transaction.reword_view(view, text)?,
        }
    }
    Ok(())
}

/// Gives a relation a name and a schema; its indexes and the sequences of its columns follow it to another schema.
pub(crate) fn move_relation(transaction: &Transaction, id: RelationId, schema: &str, name: &str) -> Result<()> {
    let catalog = transaction.catalog();
    if let Some(table) = catalog.tables.get(&id) {
        let moved = TableDef { schema: schema.to_owned(), name: name.to_owned(), ..TableDef::clone(table) };
        transaction.alter_table(moved)?;
        if table.schema != schema {
            for index in catalog.indexes_of(id) {
                transaction.move_index(index.id, schema, &index.name)?;
            }
            for sequence in catalog.owned_sequences.get(&id).into_iter().flatten() {
                move_sequence(transaction, sequence, schema, &sequence.name)?;
            }
        }
        return Ok(());
    }
    if catalog.views.contains_key(&id) {
        transaction.move_view(id, schema, name)?;
        return Ok(());
    }
    if let Some(index) = catalog.indexes.get(&id) {
        transaction.move_index(index.id, schema, name)?;
        return Ok(());
    }
    match catalog.sequences.get(&id) {
        Some(sequence) => move_sequence(transaction, sequence, schema, name),
        None => Err(missing(id)),
    }
}

/// Defaults name sequences: they follow.
fn move_sequence(transaction: &Transaction, sequence: &SequenceDef, schema: &str, name: &str) -> Result<()> {
    let moved = SequenceDef { schema: schema.to_owned(), name: name.to_owned(), ..sequence.clone() };
    transaction.alter_sequence(moved, None)?;
    let old = [sequence.schema.clone(), sequence.name.clone()];
    let new = sinew_query::sql::qualified_text(schema, name);
    rename_in_defaults(transaction, |parts| (parts == old).then(|| new.clone()))
}

/// Puts the names of sequences in defaults through `rename`.
fn rename_in_defaults(transaction: &Transaction, rename: impl Fn(&[String]) -> Option<String>) -> Result<()> {
    for table in transaction.catalog().tables.values() {
        let mut changed = TableDef::clone(table);
        for column in &mut changed.columns {
            if let Some(default) = &mut column.default {
                let renamed = with_sequence_names(&default.expression, &rename);
                if renamed != default.expression {
                    default.expression = renamed;
                }
            }
        }
        if changed != **table {
            transaction.alter_table(changed)?;
        }
    }
    Ok(())
}

/// Renames a schema with all that it holds.
pub(crate) fn rename_schema(transaction: &Transaction, old: &str, new: &str) -> Result<()> {
    transaction.rename_schema(old, new)?;
    rename_in_defaults(transaction, |parts| match parts {
        [schema, name] if schema == old => Some(sinew_query::sql::qualified_text(new, name)),
        _ => None,
    })
}
