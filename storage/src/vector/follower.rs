//! Keeps vector bases up to date: reads or computes vectors of changed rows, and grows graphs in the background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustc_hash::FxHashMap;

use super::base::VectorBase;
use super::search::VectorReader;
use crate::derived::{Follower, IndexBase, IndexContext, PendingChanges};
use crate::embed::Embedder;
use crate::error::{Result, StorageError};
use crate::ids::{Lsn, RelationId};
use crate::store::KvSnapshot;

/// Slots added to a graph per background step: about a tenth of a second.
const GRAPH_STEP: u32 = 128;

pub(crate) struct VectorFollower {
    embedders: Vec<Arc<dyn Embedder>>,
    /// Per index: the slot of each live row.
    slots: FxHashMap<RelationId, FxHashMap<u64, u32>>,
    /// Indexes whose graph failed; they are scanned.
    graph_failed: Vec<RelationId>,
}

impl VectorFollower {
    pub fn new(embedders: Vec<Arc<dyn Embedder>>) -> VectorFollower {
        VectorFollower { embedders, slots: FxHashMap::default(), graph_failed: Vec::new() }
    }
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
    }

    fn idle(&mut self) {}
}
