//! The base of a vector index: slots with their lifetimes, the exact index, and the graph once there is one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::exact::{ExactIndex, PreparedQuery};
use super::hnsw::HnswRsIndex;
use super::{NearestHeap, VectorIndex};
use crate::catalog::VectorIndexOptions;
use crate::derived::IndexBase;
use crate::error::Result;
use crate::ids::Lsn;

/// Up to this many slots an exact scan beats the graph on recall and ties on time.
pub(crate) const EXACT_SCAN_LIMIT: u32 = 20_000;
const CHUNK_SLOTS: usize = 1_024;
const LIVE: u64 = u64::MAX;

struct SlotChunk {
    ids: Vec<u64>,
    created: Vec<u64>,
    /// LSN from which the slot is dead. Written by the follower while older snapshots search: they ignore LSNs above
    /// their own.
    ended: Vec<AtomicU64>,
}

impl Clone for SlotChunk {
    fn clone(&self) -> Self {
        let mut ended = Vec::with_capacity(CHUNK_SLOTS);
        ended.extend(self.ended.iter().map(|lsn| AtomicU64::new(lsn.load(Ordering::Acquire))));
        SlotChunk { ids: self.ids.clone(), created: self.created.clone(), ended }
    }
}

/// Row id and lifetime per slot. Clones share full chunks.
#[derive(Clone, Default)]
pub(crate) struct SlotTable {
    chunks: Vec<Arc<SlotChunk>>,
    len: u32,
}

impl SlotTable {
    fn chunk(&self, slot: u32) -> (&SlotChunk, usize) {
        (&self.chunks[slot as usize / CHUNK_SLOTS], slot as usize % CHUNK_SLOTS)
    }

    pub fn id(&self, slot: u32) -> u64 {
        let (chunk, at) = self.chunk(slot);
        chunk.ids[at]
    }

    pub fn is_visible(&self, slot: u32, lsn: Lsn) -> bool {
        if slot >= self.len {
            return false;
        }
        let (chunk, at) = self.chunk(slot);
        chunk.created[at] <= lsn.0 && lsn.0 < chunk.ended[at].load(Ordering::Acquire)
    }

    pub fn is_live(&self, slot: u32) -> bool {
        let (chunk, at) = self.chunk(slot);
        chunk.ended[at].load(Ordering::Acquire) == LIVE
    }

    fn push(&mut self, id: u64, created: u64) {
        if self.len as usize == self.chunks.len() * CHUNK_SLOTS {
            self.chunks.push(Arc::new(SlotChunk { ids: Vec::new(), created: Vec::new(), ended: Vec::new() }));
        }
        let chunk = Arc::make_mut(self.chunks.last_mut().expect("a chunk with room was pushed above"));
        chunk.ids.push(id);
        chunk.created.push(created);
        chunk.ended.push(AtomicU64::new(LIVE));
        self.len += 1;
    }

    fn end(&self, slot: u32, lsn: u64) {
        let (chunk, at) = self.chunk(slot);
        chunk.ended[at].store(lsn, Ordering::Release);
    }
}

/// One published state of a vector index. Clones share everything that is full.
#[derive(Clone)]
pub(crate) struct VectorBase {
    /// Rows as of this LSN are in; it serves no snapshot below.
    generation: Lsn,
    /// Changes up to this LSN are in.
    indexed: Lsn,
    pub options: VectorIndexOptions,
    slots: SlotTable,
    exact: ExactIndex,
    graph: Option<HnswRsIndex>,
    dead_count: u32,
}

impl IndexBase for VectorBase {
    fn indexed_lsn(&self) -> Lsn {
        self.indexed
    }

    fn serves_from(&self) -> Lsn {
        self.generation
    }

    fn memory_size_bytes(&self) -> usize {
        self.exact.memory_size_bytes()
            + self.graph.as_ref().map_or(0, VectorIndex::memory_size_bytes)
            + self.slots.len as usize * 24
    }
}

impl VectorBase {
    pub fn new(options: VectorIndexOptions, generation: Lsn) -> VectorBase {
        let exact = ExactIndex::new(options.metric, options.dimension_count as usize);
        VectorBase {
            generation,
            indexed: generation,
            options,
            slots: SlotTable::default(),
            exact,
            graph: None,
            dead_count: 0,
        }
    }

    pub fn set_indexed(&mut self, lsn: Lsn) {
        self.indexed = lsn;
    }

    /// Adds a row's vector, visible from `created` on; gives its slot.
    pub fn push(&mut self, id: u64, created: Lsn, vector: &[f32]) -> Result<u32> {
        let slot = self.slots.len;
        self.exact.insert(slot, vector)?;
        self.slots.push(id, created.0);
        Ok(slot)
    }

    /// Hides a slot from `lsn` on.
    pub fn end_slot(&mut self, slot: u32, lsn: Lsn) {
        self.slots.end(slot, lsn.0);
        self.dead_count += 1;
    }

    /// True when enough slots are dead that copying the live ones pays.
    pub fn wants_new_generation(&self) -> bool {
        self.dead_count > 1_000 && self.dead_count * 4 > self.slots.len
    }

    /// The live slots alone, serving from the last indexed LSN on; tells where each row went.
    pub fn next_generation(&self, mut moved: impl FnMut(u64, u32)) -> Result<VectorBase> {
        let mut next = VectorBase::new(self.options.clone(), self.indexed);
        for slot in 0..self.slots.len {
            if self.slots.is_live(slot) {
                let (chunk, at) = self.slots.chunk(slot);
                let new_slot = next.push(chunk.ids[at], Lsn(chunk.created[at]), self.exact.vector(slot))?;
                moved(chunk.ids[at], new_slot);
            }
        }
        Ok(next)
    }

    /// Moves the graph on by up to `step` slots; None when there is nothing to do.
    pub fn grow_graph(&self, step: u32) -> Result<Option<VectorBase>> {
        if self.slots.len <= EXACT_SCAN_LIMIT {
            return Ok(None);
        }
        let mut graph = match &self.graph {
            Some(graph) => graph.clone(),
            None => match HnswRsIndex::new(&self.options, self.slots.len as usize) {
                Some(graph) => graph,
                None => return Ok(None),
            },
        };
        let start = graph.slot_count();
        let end = self.slots.len.min(start + step);
        if start == end {
            return Ok(None);
        }
        for slot in start..end {
            graph.insert(slot, self.exact.vector(slot))?;
        }
        Ok(Some(VectorBase { graph: Some(graph), ..self.clone() }))
    }

    /// Gives up the graph after a failure of the library; searches scan exactly.
    pub fn without_graph(&self) -> VectorBase {
        VectorBase { graph: None, ..self.clone() }
    }

    /// The `k` nearest rows visible at `lsn` whose id passes, as (distance, id) in no particular order. Complete: when
    /// the graph gives fewer than `k`, everything is scanned.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        search_width: usize,
        lsn: Lsn,
        passes: &dyn Fn(u64) -> bool,
    ) -> Result<Vec<(f64, u64)>> {
        let prepared = PreparedQuery::new(self.options.metric, query);
        let filter = |slot: u32| self.slots.is_visible(slot, lsn) && passes(self.slots.id(slot));
        let mut heap = NearestHeap::new(k);
        let graph = self.graph.as_ref().filter(|graph| {
            let covered = graph.slot_count();
            covered > EXACT_SCAN_LIMIT && self.slots.len - covered <= EXACT_SCAN_LIMIT
        });
        let mut found = Vec::new();
        if let Some(graph) = graph
            && let Err(error) = graph.search(query, k, search_width, &filter, &mut found)
        {
            tracing::error!(%error, "vector graph search failed; scanning exactly");
            found.clear();
        }
        let start = match graph {
            Some(graph) if found.len() >= k => {
                for (_, slot) in &found {
                    heap.push(self.exact.distance(&prepared, *slot), self.slots.id(*slot));
                }
                graph.slot_count()
            }
            _ => 0,
        };
        self.exact.scan(&prepared, start, &filter, |slot| self.slots.id(slot), &mut heap);
        Ok(heap.into_sorted().collect())
    }
}
