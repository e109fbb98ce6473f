//! What an error says of the row whose lock was waited for.

use sinew_storage::catalog::TableDef;
use sinew_storage::{LockWait, LockedRow, RowId, RowLock, StorageError};

use super::run::Cx;
use crate::error::{QueryError, Result};

/// Bits of a row's id that are shown as its number in a page.
const TUPLE_BITS: u32 = 15;

/// Locks a row. An error that ended the wait has it in its context, as `while updating tuple (0,7) in relation "t"`;
/// `doing` is the first word behind `while`.
pub(super) fn lock_row(
    cx: &Cx,
    table: &TableDef,
    row: RowId,
    mode: RowLock,
    wait: LockWait,
    doing: &str,
) -> Result<LockedRow> {
    cx.transaction().lock_row(table, row, mode, wait).map_err(|error| {
        let ended_wait = matches!(
            error,
            StorageError::Deadlock { .. }
                | StorageError::LockTimeout
                | StorageError::Cancelled
                | StorageError::StatementTimeout
        );
        let error = QueryError::from(error);
        if !ended_wait {
            return error;
        }
        let (page, tuple) = (row.0 >> TUPLE_BITS, row.0 & ((1 << TUPLE_BITS) - 1));
        error.context(format!("while {doing} tuple ({page},{tuple}) in relation \"{}\"", table.name))
    })
}
