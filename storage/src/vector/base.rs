//! The base of a vector index: slots with their lifetimes, the exact index, and the graph once there is one.

mod checkpoint;

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
const EXACT_SCAN_LIMIT: u32 = 20_000;
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
    exact_scan_limit: u32,
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
            exact_scan_limit: EXACT_SCAN_LIMIT,
        }
    }

    /// Ids of the rows visible at `lsn`, in slot order.
    pub fn visible_ids(&self, lsn: Lsn) -> impl Iterator<Item = u64> + '_ {
        (0..self.slots.len).filter(move |slot| self.slots.is_visible(*slot, lsn)).map(move |slot| self.slots.id(slot))
    }

    /// Lets a small base have a graph.
    #[cfg(test)]
    pub fn with_exact_scan_limit(self, exact_scan_limit: u32) -> VectorBase {
        VectorBase { exact_scan_limit, ..self }
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
        next.exact_scan_limit = self.exact_scan_limit;
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
        if self.slots.len <= self.exact_scan_limit {
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
            covered > self.exact_scan_limit && self.slots.len - covered <= self.exact_scan_limit
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

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::catalog::VectorMetric;
    use crate::vector::vector_distance;

    fn options(metric: VectorMetric, dimension_count: u32) -> VectorIndexOptions {
        VectorIndexOptions { metric, dimension_count, embedder: None, connections: 12, construction_width: 80 }
    }

    /// Points around a few centres, as embeddings are.
    fn clustered(rng: &mut StdRng, dimension_count: usize) -> Vec<f32> {
        let centre = rng.random_range(0..20u32);
        let coordinate = |i: usize, rng: &mut StdRng| {
            let base = ((centre as usize * 31 + i * 17) % 23) as f32 - 11.0;
            base + rng.random_range(-2.0..2.0f32)
        };
        (0..dimension_count).map(|i| coordinate(i, rng)).collect()
    }

    #[test]
    fn graph_recall_holds_under_deletes_and_filters_and_is_never_short() {
        const DIMENSIONS: usize = 12;
        let mut rng = StdRng::seed_from_u64(23);
        for metric in [VectorMetric::Cosine, VectorMetric::Euclidean] {
            let mut base = VectorBase::new(options(metric, DIMENSIONS as u32), Lsn(1)).with_exact_scan_limit(100);
            let mut rows: Vec<(u64, Vec<f32>)> = Vec::new();
            for id in 0..1_500u64 {
                let vector = clustered(&mut rng, DIMENSIONS);
                base.push(id, Lsn(1), &vector).expect("push");
                rows.push((id, vector));
            }
            while let Some(next) = base.grow_graph(500).expect("graph") {
                base = next;
            }
            assert!(base.graph.is_some());
            // A third is deleted, some is added beyond the graph.
            for slot in (0..1_500).step_by(3) {
                base.end_slot(slot, Lsn(2));
            }
            rows.retain(|row| row.0 % 3 != 0);
            for id in 2_000..2_050u64 {
                let vector = clustered(&mut rng, DIMENSIONS);
                base.push(id, Lsn(2), &vector).expect("push");
                rows.push((id, vector));
            }
            base.set_indexed(Lsn(2));
            for (modulus, min_recall) in [(1, 0.9), (4, 0.9), (100, 0.99)] {
                let (mut found, mut wanted) = (0, 0);
                for _ in 0..30 {
                    let query = clustered(&mut rng, DIMENSIONS);
                    let passes = |id: u64| id % modulus == modulus - 1;
                    let mut expected: Vec<(f64, u64)> = rows
                        .iter()
                        .filter(|row| passes(row.0))
                        .map(|row| (vector_distance(metric, &query, &row.1), row.0))
                        .collect();
                    expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                    expected.truncate(10);
                    let actual = base.search(&query, 10, 64, Lsn(2), &passes).expect("search");
                    assert_eq!(actual.len(), expected.len(), "never short");
                    assert!(actual.iter().all(|hit| rows.iter().any(|row| row.0 == hit.1) && passes(hit.1)));
                    found += expected.iter().filter(|hit| actual.iter().any(|other| other.1 == hit.1)).count();
                    wanted += expected.len();
                }
                let recall = found as f64 / wanted as f64;
                assert!(recall >= min_recall, "{metric:?} 1/{modulus}: recall {recall}");
            }
            // The snapshot before the deletes still sees them.
            let all = base.search(&rows[0].1, 5_000, 64, Lsn(1), &|_| true).expect("search");
            assert_eq!(all.len(), 1_500);
        }
    }

    #[test]
    fn a_new_generation_keeps_live_slots_only() {
        let mut base = VectorBase::new(options(VectorMetric::Euclidean, 2), Lsn(1));
        for id in 0..3_000u64 {
            base.push(id, Lsn(1), &[id as f32, 0.0]).expect("push");
        }
        for slot in 0..1_200 {
            base.end_slot(slot, Lsn(5));
        }
        base.set_indexed(Lsn(5));
        assert!(base.wants_new_generation());
        let mut moved = Vec::new();
        let next = base.next_generation(|id, slot| moved.push((id, slot))).expect("copy");
        assert_eq!((moved.len(), moved[0]), (1_800, (1_200, 0)));
        assert_eq!((next.serves_from(), next.indexed_lsn()), (Lsn(5), Lsn(5)));
        let hits = next.search(&[0.0, 0.0], 2, 0, Lsn(5), &|_| true).expect("search");
        assert_eq!(hits, [(1_200.0, 1_200), (1_201.0, 1_201)]);
    }
}
