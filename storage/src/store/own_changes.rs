//! What a transaction itself changed, as its derived deltas and its commit are told.

use std::sync::atomic::Ordering;

use super::write_set::ChangePosition;
use super::{Change, Transaction};
use crate::ids::{RelationId, RowId};

/// Own changes copied per lock.
const CHANGE_CHUNK: usize = 256;

impl Transaction {
    /// Remembers a touched id in the top layer.
    pub(crate) fn note_change(&self, change: Change) {
        self.state.write().writes.note_change(change);
        self.move_epoch();
    }

    /// Notes a touched row of a table, so that its search indexes follow. Once the writes are spilled these indexes are
    /// rebuilt instead of being told of every row.
    pub(crate) fn note_row_change(&self, table: RelationId, row: RowId, search_indexes: &[RelationId]) {
        if search_indexes.is_empty() {
            return;
        }
        let mut state = self.state.write();
        let writes = &mut state.writes;
        if writes.is_spilled() {
            search_indexes.iter().for_each(|index| writes.note_rescan(*index));
        } else {
            writes.note_change(Change::Row { table, row });
        }
        drop(state);
        self.move_epoch();
    }

    /// Calls `visit` on the transaction's own changes so far, oldest first (rolled-back layers are gone). No lock is held
    /// during the calls. When spilled changes cannot be read, the transaction can only be rolled back.
    pub(crate) fn for_each_own_change(&self, visit: &mut dyn FnMut(&Change)) {
        let mut position = ChangePosition::default();
        loop {
            let chunk = self.state.read_recursive().writes.next_changes(&mut position, CHANGE_CHUNK);
            match chunk {
                Ok(chunk) if chunk.is_empty() => return,
                Ok(chunk) => chunk.iter().for_each(&mut *visit),
                Err(error) => {
                    tracing::error!(%error, "spilled changes could not be read");
                    self.state.write().writes.fail(error);
                    return;
                }
            }
        }
    }

    /// Moves whenever the transaction's own changes do (writes, rollbacks, new snapshot): key for cached deltas.
    pub(crate) fn change_epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }
}
