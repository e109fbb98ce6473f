//! Looking whether a key is there, and who refers to one that is not.

use sinew_storage::{IndexRange, LockWait, RowId, RowLock, Value};

use super::reference::{Reference, same_key, values_at};
use crate::error::Result;
use crate::exec::run::Cx;

/// Rows looked at between two looks at the cancel token.
const CANCEL_INTERVAL: usize = 1_024;

impl Reference {
    /// A row refers to `key`: it must exist, and go on existing until this transaction ends. `may_be_gone`: the row may not
    /// refer to it any more.
    pub fn check(&self, key: &[Value], may_be_gone: bool, cx: &Cx) -> Result<()> {
        let transaction = cx.transaction();
        let index_key = self.index_key(key);
        while let Some(id) = transaction.newest_row_by_key(&self.index, &index_key)? {
            cx.check_cancel()?;
            transaction.lock_row(&self.referenced, id, RowLock::KeyShare, LockWait::Block)?;
            // Another version may have another key, and another row this one; under the lock it stays as it is found.
            if transaction.newest_row_by_key(&self.index, &index_key)? == Some(id) {
                return Ok(());
            }
        }
        if may_be_gone && self.candidates(key, cx)?.is_empty() {
            return Ok(());
        }
        Err(self.missing(key, cx))
    }

    /// 23503 while a row refers to `key`, unless a row has it (again).
    pub fn refuse_unless_replaced(&self, key: &[Value], cx: &Cx) -> Result<()> {
        if cx.transaction().newest_row_by_key(&self.index, &self.index_key(key))?.is_some() {
            return Ok(());
        }
        self.refuse(key, cx)
    }

    /// 23503 while a row refers to `key`.
    pub fn refuse(&self, key: &[Value], cx: &Cx) -> Result<()> {
        for id in self.candidates(key, cx)? {
            // Somebody may be about to delete it: wait and see.
            if self.refers_now(id, key, cx)? {
                return Err(self.still_referenced(key, cx));
            }
        }
        Ok(())
    }

    /// Rows that refer to `key` and are not locked yet.
    pub fn candidates(&self, key: &[Value], cx: &Cx) -> Result<Vec<RowId>> {
        let transaction = cx.transaction();
        let Some((index, places)) = &self.search else {
            let mut found = Vec::new();
            for (count, row) in transaction.newest_rows_scan(&self.referencing)?.enumerate() {
                if count.is_multiple_of(CANCEL_INTERVAL) {
                    cx.check_cancel()?;
                }
                let (id, row) = row?;
                if same_key(&values_at(&row, &self.columns), key) {
                    found.push(id);
                }
            }
            return Ok(found);
        };
        let range = IndexRange::equal(places.iter().map(|place| key[*place].clone()).collect());
        let mut found = transaction.newest_rows_by_index(index, &range)?;
        if places.len() < key.len() {
            let mut matching = Vec::with_capacity(found.len());
            for (count, id) in found.into_iter().enumerate() {
                if count.is_multiple_of(CANCEL_INTERVAL) {
                    cx.check_cancel()?;
                }
                let row = transaction.newest_row(&self.referencing, id)?;
                if row.is_some_and(|row| same_key(&values_at(&row, &self.columns), key)) {
                    matching.push(id);
                }
            }
            found = matching;
        }
        Ok(found)
    }
}
