//! How many rows commits have changed: what tells when statistics are out of date.

use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::Keyspace;
use super::write_set::KeyspaceWrites;

/// Counts by keyspace since the store was opened. Writes that went through a file are left out: what is loaded in bulk
/// shows in the number of rows.
#[derive(Default)]
pub(crate) struct RowChanges {
    counts: Mutex<FxHashMap<Keyspace, u64>>,
}

impl RowChanges {
    /// Adds the writes of a commit.
    pub fn add(&self, keyspaces: &FxHashMap<Keyspace, KeyspaceWrites>) {
        let mut counts = self.counts.lock();
        for (keyspace, writes) in keyspaces {
            *counts.entry(*keyspace).or_default() += writes.written_count() as u64;
        }
    }

    pub fn of(&self, keyspace: Keyspace) -> u64 {
        self.counts.lock().get(&keyspace).copied().unwrap_or(0)
    }
}
