//! Everything that is a function of (redb snapshot, LSN): graph image, label bitmaps, search bases and tails.
//!
//! The committer calls [`DerivedState::apply`] once per batch, after redb committed and before the snapshot is
//! published, so a snapshot's derived state always equals its rows.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::error::Result;
use crate::ids::Lsn;
use crate::store::{Change, KvSnapshot, StoreOptions};

/// Immutable; one per published snapshot, sharing what did not change.
pub struct DerivedState {}

impl DerivedState {
    /// Builds or loads everything at open. `directory` is None for an in-memory store (nothing is checkpointed).
    pub fn open(
        directory: Option<&std::path::Path>,
        options: &StoreOptions,
        rows: &KvSnapshot,
        catalog: &Catalog,
        lsn: Lsn,
    ) -> Result<Arc<DerivedState>> {
        let _ = (directory, options, rows, catalog, lsn);
        Ok(Arc::new(DerivedState {}))
    }

    /// The state after a batch of commits. `rows` is the snapshot that includes them; each item is one commit's LSN
    /// with its changes, in order. Must not fail for reasons of input: an index that cannot follow is marked for rebuild.
    pub fn apply(
        self: &Arc<Self>,
        rows: &KvSnapshot,
        catalog: &Catalog,
        commits: &[(Lsn, Vec<Change>)],
    ) -> Arc<DerivedState> {
        let _ = (rows, catalog, commits);
        Arc::clone(self)
    }

    /// Writes checkpoints of what is at or below `durable`; called at close and from time to time.
    pub fn checkpoint(&self, durable: Lsn) -> Result<()> {
        let _ = durable;
        Ok(())
    }
}
