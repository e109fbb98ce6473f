//! ALTER COLUMN … ADD, SET and DROP IDENTITY.

use std::sync::Arc;

use sinew_storage::catalog::{IdentityKind, SequenceDef, TableDef};
use sinew_storage::{ColumnId, DataType};
use sqlparser::ast::Ident;

use super::super::Binder;
use super::super::names::fold;
use super::alter_table::Change;
use crate::error::{QueryError, Result, sqlstate};
use crate::sql::definition::{IdentityChange, SequenceOption};
use crate::statement::{Ddl, SequencePosition};

fn wrong_state(message: String) -> QueryError {
    QueryError::new(sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
}

impl Binder<'_> {
    pub(super) fn add_identity(
        &mut self,
        change: &mut Change,
        column: &Ident,
        always: bool,
        options: &[SequenceOption],
    ) -> Result<()> {
        let position = self.table_column(&change.table, column)?;
        let mut definition = change.table.columns[position].clone();
        let (name, table) = (&definition.name, &change.table.name);
        let at = self.at(column.span);
        if !matches!(definition.ty, DataType::Int2 | DataType::Int4 | DataType::Int8) {
            return Err(QueryError::new(
                sqlstate::INVALID_PARAMETER_VALUE,
                "identity column type must be smallint, integer, or bigint",
            )
            .at(at));
        }
        if !definition.not_null {
            return Err(wrong_state(format!(
                "column \"{name}\" of relation \"{table}\" must be declared NOT NULL before identity can be added"
            ))
            .at(at));
        }
        if definition.identity.is_some() {
            return Err(wrong_state(format!(
                "column \"{name}\" of relation \"{table}\" is already an identity column"
            ))
            .at(at));
        }
        if definition.default.as_ref().is_some_and(|default| default.expression != "NULL") {
            return Err(
                wrong_state(format!("column \"{name}\" of relation \"{table}\" already has a default value")).at(at)
            );
        }
        let settings = self.sequence_settings(options)?;
        let kind = if always { IdentityKind::Always } else { IdentityKind::ByDefault };
        definition.identity = Some(kind);
        // Rows from before the column existed go on reading the value they had.
        let constant = definition.default.take().and_then(|default| default.constant);
        self.column_sequence(&change.table, &mut definition, Some((kind, &settings)), &mut change.pending)?;
        if let Some(default) = &mut definition.default {
            default.constant = constant;
        }
        change.table.columns[position] = definition;
        change.changed = true;
        Ok(())
    }

    pub(super) fn set_identity(
        &mut self,
        change: &mut Change,
        column: &Ident,
        changes: &[IdentityChange],
    ) -> Result<()> {
        let position = self.table_column(&change.table, column)?;
        if change.table.columns[position].identity.is_none() {
            return Err(self.no_identity(change, column));
        }
        let mut options = Vec::new();
        for item in changes {
            match item {
                IdentityChange::Generated { always } => {
                    let kind = if *always { IdentityKind::Always } else { IdentityKind::ByDefault };
                    change.table.columns[position].identity = Some(kind);
                    change.changed = true;
                }
                IdentityChange::Option(option) => options.push(option.clone()),
            }
        }
        if options.is_empty() {
            return Ok(());
        }
        let sequence = self
            .owned_sequence(&change.table, change.table.columns[position].id)
            .ok_or_else(|| QueryError::internal("an identity column has lost its sequence"))?;
        let settings = self.sequence_settings(&options)?;
        let mut def = SequenceDef::clone(&sequence);
        let restart = self.apply_sequence_settings(&mut def, &settings, false, true)?;
        let position = restart.map_or(SequencePosition::Checked, SequencePosition::At);
        change.sequences.push(Ddl::AlterSequence { sequence: def, position, tag: "ALTER TABLE" });
        Ok(())
    }

    pub(super) fn drop_identity(&mut self, change: &mut Change, column: &Ident, if_exists: bool) -> Result<()> {
        let position = self.table_column(&change.table, column)?;
        if change.table.columns[position].identity.is_none() {
            if !if_exists {
                return Err(self.no_identity(change, column));
            }
            let notice = Some(format!(
                "column \"{}\" of relation \"{}\" is not an identity column, skipping",
                fold(column),
                change.table.name
            ));
            change.notices.push(Ddl::Nothing { tag: "ALTER TABLE", notice });
            return Ok(());
        }
        let definition = &mut change.table.columns[position];
        definition.identity = None;
        definition.drop_default();
        let id = definition.id;
        change.changed = true;
        if let Some(sequence) = self.owned_sequence(&change.table, id) {
            change.sequences.push(Ddl::DropSequence { sequences: vec![(sequence.name.clone(), sequence.id)] });
        }
        Ok(())
    }

    /// 42601: an identity column has no other default.
    pub(super) fn refuse_identity_default(
        &self,
        table: &TableDef,
        position: usize,
        column: &Ident,
        drops: bool,
    ) -> Result<()> {
        if table.columns[position].identity.is_none() {
            return Ok(());
        }
        let message = format!("column \"{}\" of relation \"{}\" is an identity column", fold(column), table.name);
        let error = QueryError::syntax(message, self.at(column.span));
        Err(if drops { error.hint("Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.") } else { error })
    }

    fn no_identity(&self, change: &Change, column: &Ident) -> QueryError {
        wrong_state(format!(
            "column \"{}\" of relation \"{}\" is not an identity column",
            fold(column),
            change.table.name
        ))
        .at(self.at(column.span))
    }

    /// The sequence behind an identity column.
    fn owned_sequence(&self, table: &TableDef, column: ColumnId) -> Option<Arc<SequenceDef>> {
        let owned = self.catalog.owned_sequences.get(&table.id).into_iter().flatten();
        let mut of_column = owned.filter(|sequence| sequence.belongs_to(table.id, column));
        of_column.find(|sequence| sequence.owner.is_some_and(|owner| owner.is_identity)).cloned()
    }
}
