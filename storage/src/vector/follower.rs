//! Keeps vector bases up to date: reads or computes vectors of changed rows, and grows graphs in the background.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustc_hash::{FxHashMap, FxHashSet};

use super::base::VectorBase;
use super::search::VectorReader;
use crate::catalog::{Catalog, IndexKind};
use crate::derived::{ChangeSpan, Checkpoints, Follower, IndexBase, IndexContext, PendingChanges};
use crate::embed::Embedder;
use crate::error::{Result, StorageError};
use crate::ids::{Lsn, RelationId};
use crate::store::{Change, KvSnapshot};

/// Slots added to a graph per background step: about a tenth of a second.
const GRAPH_STEP: u32 = 128;

pub(crate) struct VectorFollower {
    embedders: Vec<Arc<dyn Embedder>>,
    /// Per index: the slot of each live row.
    slots: FxHashMap<RelationId, FxHashMap<u64, u32>>,
    /// Indexes whose graph failed; they are scanned.
    graph_failed: Vec<RelationId>,
    /// None when nothing is kept in files.
    checkpoints: Option<Arc<Checkpoints>>,
    /// Indexes that existed when the store was opened and whose file has not been looked at.
    unread: FxHashSet<RelationId>,
}

impl VectorFollower {
    pub fn new(
        embedders: Vec<Arc<dyn Embedder>>,
        checkpoints: Option<Arc<Checkpoints>>,
        catalog: &Catalog,
    ) -> VectorFollower {
        let indexes = catalog.indexes.values().filter(|index| matches!(index.kind, IndexKind::Vector(_)));
        let unread = indexes.map(|index| index.id).collect();
        VectorFollower { embedders, slots: FxHashMap::default(), graph_failed: Vec::new(), checkpoints, unread }
    }

    /// The base in the index's file, brought up to date by the change log. None when there is no file, or the log says
    /// that it is of no use.
    fn load(&mut self, index: &IndexContext, rows: &KvSnapshot, lsn: Lsn) -> Result<Option<Arc<VectorBase>>> {
        let Some(checkpoints) = self.checkpoints.clone() else { return Ok(None) };
        let reader = VectorReader::new(&index.def, &self.embedders)?;
        let Some(mut file) = checkpoints.open_vectors(&index.def, lsn)? else { return Ok(None) };
        let Some(changes) = changes_of(index, rows, file.lsn())? else {
            tracing::info!(index = %index.def.name, "the checkpoint of a vector index is too old to catch up");
            return Ok(None);
        };
        let (mut base, slots) = VectorBase::read_checkpoint(&mut file, reader.options().clone())?;
        self.slots.insert(index.def.id, slots);
        if !changes.is_empty() {
            return self.advance(index, &Arc::new(base), changes, rows, lsn).map(Some);
        }
        base.set_indexed(lsn);
        checkpoints.loaded_vectors(index.def.id, lsn, &file);
        Ok(Some(Arc::new(base)))
    }
}

/// What the log says of an index after `since`. None when it does not reach back, or the index was emptied.
fn changes_of(index: &IndexContext, rows: &KvSnapshot, since: Lsn) -> Result<Option<PendingChanges>> {
    let Some(log) = rows.changes_since(since)? else { return Ok(None) };
    let mut pending = PendingChanges::default();
    for commit in log {
        let (lsn, changes) = commit?;
        for change in &changes {
            if *change == (Change::IndexReset { index: index.def.id }) {
                return Ok(None);
            }
            if let Some(id) = index.source.touched(change) {
                pending.entry(id).or_insert(ChangeSpan { first: lsn, last: lsn }).last = lsn;
            }
        }
    }
    Ok(Some(pending))
}

impl Follower for VectorFollower {
    type Base = VectorBase;

    fn rebuild(
        &mut self,
        index: &IndexContext,
        rows: &KvSnapshot,
        lsn: Lsn,
        stop: &AtomicBool,
    ) -> Result<Arc<VectorBase>> {
        if self.unread.remove(&index.def.id) {
            let loaded = catch_unwind(AssertUnwindSafe(|| self.load(index, rows, lsn)))
                .unwrap_or_else(|_| Err(StorageError::Internal("loading it panicked".to_owned())));
            match loaded {
                Ok(Some(base)) => return Ok(base),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(index = %index.def.name, %error, "a checkpoint cannot be used; reading the rows");
                }
            }
        }
        let reader = VectorReader::new(&index.def, &self.embedders)?;
        let mut base = VectorBase::new(reader.options().clone(), lsn);
        let mut slots = FxHashMap::default();
        index.source.for_each(rows, &mut |id, values| {
            if stop.load(Ordering::Acquire) {
                return Err(StorageError::ShuttingDown);
            }
            if let Some(vector) = reader.vector(&values) {
                slots.insert(id, base.push(id, lsn, &vector)?);
            }
            Ok(())
        })?;
        self.slots.insert(index.def.id, slots);
        self.graph_failed.retain(|failed| *failed != index.def.id);
        Ok(Arc::new(base))
    }

    fn advance(
        &mut self,
        index: &IndexContext,
        base: &Arc<VectorBase>,
        changes: PendingChanges,
        rows: &KvSnapshot,
        lsn: Lsn,
    ) -> Result<Arc<VectorBase>> {
        let reader = VectorReader::new(&index.def, &self.embedders)?;
        let slots = self
            .slots
            .get_mut(&index.def.id)
            .ok_or_else(|| StorageError::Internal("slots of a vector index were lost".to_owned()))?;
        let mut next = (**base).clone();
        let mut changes: Vec<_> = changes.into_iter().collect();
        changes.sort_unstable_by_key(|change| change.0);
        for (id, span) in changes {
            let vector = index.source.values(rows, id)?.and_then(|values| reader.vector(&values));
            if let Some(slot) = slots.remove(&id) {
                next.end_slot(slot, span.first);
            }
            if let Some(vector) = vector {
                slots.insert(id, next.push(id, span.last, &vector)?);
            }
        }
        next.set_indexed(lsn);
        if next.wants_new_generation() {
            slots.clear();
            next = next.next_generation(|id, slot| {
                slots.insert(id, slot);
            })?;
        }
        Ok(Arc::new(next))
    }

    fn mark(&mut self, _index: &IndexContext, base: &Arc<VectorBase>, lsn: Lsn) -> Result<Arc<VectorBase>> {
        let mut next = (**base).clone();
        next.set_indexed(lsn.max(base.indexed_lsn()));
        Ok(Arc::new(next))
    }

    fn background(&mut self, index: &IndexContext, base: &Arc<VectorBase>) -> Option<Arc<VectorBase>> {
        if self.graph_failed.contains(&index.def.id) {
            return None;
        }
        match base.grow_graph(GRAPH_STEP) {
            Ok(next) => next.map(Arc::new),
            Err(error) => {
                tracing::error!(index = %index.def.name, %error, "vector graph failed; searches scan exactly");
                self.graph_failed.push(index.def.id);
                Some(Arc::new(base.without_graph()))
            }
        }
    }

    fn forget(&mut self, index: RelationId) {
        self.slots.remove(&index);
        self.graph_failed.retain(|failed| *failed != index);
        self.unread.remove(&index);
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.remove_vectors(index);
        }
    }

    fn idle(&mut self) {}
}
