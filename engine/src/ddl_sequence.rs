//! Carrying out definitions of sequences.

use sinew_query::statement::{NewSequence, SequencePosition};
use sinew_query::{QueryError, Result, sqlstate};
use sinew_storage::Transaction;
use sinew_storage::catalog::{SequenceDef, SequenceOwner, SequenceValue};
use sinew_storage::ids::RelationId;

/// The sequence of a column of a table that has its id already.
pub(crate) fn create_column_sequence(transaction: &Transaction, table: RelationId, new: NewSequence) -> Result<()> {
    let id = transaction.allocate_relation_id()?;
    let owner = Some(SequenceOwner { table, column: new.column, is_identity: new.is_identity });
    transaction.create_sequence(SequenceDef { id, owner, ..new.def })?;
    Ok(())
}

pub(crate) fn alter_sequence(
    transaction: &Transaction,
    sequence: SequenceDef,
    position: SequencePosition,
) -> Result<()> {
    let position = match position {
        SequencePosition::Unchanged => None,
        SequencePosition::At(value) => Some(SequenceValue { last_value: value, is_called: false }),
        SequencePosition::Checked => {
            // Nobody moves it meanwhile.
            transaction.lock_relation(sequence.id, sinew_storage::RelationLock::ShareRowExclusive)?;
            let (value, _) = transaction.sequence_value(sequence.id)?;
            check_within(&sequence, value.last_value)?;
            Some(value)
        }
    };
    transaction.alter_sequence(sequence, position)?;
    Ok(())
}

/// As PostgreSQL words it.
fn check_within(sequence: &SequenceDef, value: i64) -> Result<()> {
    let message = if value < sequence.min_value {
        format!("RESTART value ({value}) cannot be less than MINVALUE ({})", sequence.min_value)
    } else if value > sequence.max_value {
        format!("RESTART value ({value}) cannot be greater than MAXVALUE ({})", sequence.max_value)
    } else {
        return Ok(());
    };
    Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message))
}

/// Puts the sequences of a table's columns where they started.
pub(crate) fn restart_sequences(transaction: &Transaction, table: RelationId) -> Result<()> {
    let catalog = transaction.catalog();
    for sequence in catalog.owned_sequences.get(&table).into_iter().flatten() {
        let start = SequenceValue { last_value: sequence.start, is_called: false };
        transaction.alter_sequence(SequenceDef::clone(sequence), Some(start))?;
    }
    Ok(())
}
