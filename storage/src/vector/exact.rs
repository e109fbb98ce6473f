//! The exact index: vectors in flat chunks, scanned. Small sets, selective filters and the test oracle.

use std::sync::Arc;

use super::distance::{cosine_from_parts, dot, squared_euclidean};
use super::{NearestHeap, SlotFilter, VectorIndex};
use crate::catalog::VectorMetric;
use crate::error::{Result, StorageError};

const CHUNK_SLOTS: usize = 256;

/// Row-major vectors of up to [`CHUNK_SLOTS`] slots, with their squared norms.
#[derive(Clone)]
struct VectorChunk {
    vectors: Vec<f32>,
    squared_norms: Vec<f32>,
}

/// Clones share full chunks; appending copies at most the last one.
#[derive(Clone)]
pub(crate) struct ExactIndex {
    metric: VectorMetric,
    dimension_count: usize,
    chunks: Vec<Arc<VectorChunk>>,
    len: u32,
}

/// A query with what the metric needs of it, computed once.
pub(crate) struct PreparedQuery<'q> {
    metric: VectorMetric,
    vector: &'q [f32],
    squared_norm: f32,
}

impl<'q> PreparedQuery<'q> {
    pub fn new(metric: VectorMetric, vector: &'q [f32]) -> PreparedQuery<'q> {
        PreparedQuery { metric, vector, squared_norm: dot(vector, vector) }
    }

    /// Bitwise equal to [`super::vector_distance`].
    fn distance(&self, vector: &[f32], squared_norm: f32) -> f64 {
        match self.metric {
            VectorMetric::Euclidean => f64::from(squared_euclidean(self.vector, vector)).sqrt(),
            VectorMetric::Cosine => cosine_from_parts(dot(self.vector, vector), self.squared_norm, squared_norm),
            VectorMetric::InnerProduct => -f64::from(dot(self.vector, vector)),
        }
    }

    pub fn distance_to(&self, vector: &[f32]) -> f64 {
        self.distance(vector, dot(vector, vector))
    }
}

impl ExactIndex {
    pub fn new(metric: VectorMetric, dimension_count: usize) -> ExactIndex {
        ExactIndex { metric, dimension_count, chunks: Vec::new(), len: 0 }
    }

    pub fn vector(&self, slot: u32) -> &[f32] {
        let (chunk, at) = (slot as usize / CHUNK_SLOTS, slot as usize % CHUNK_SLOTS);
        &self.chunks[chunk].vectors[at * self.dimension_count..][..self.dimension_count]
    }

    pub fn distance(&self, query: &PreparedQuery<'_>, slot: u32) -> f64 {
        let norm = self.chunks[slot as usize / CHUNK_SLOTS].squared_norms[slot as usize % CHUNK_SLOTS];
        query.distance(self.vector(slot), norm)
    }

    /// Offers every slot from `start` on that passes the filter, under the id that breaks ties.
    pub fn scan(
        &self,
        query: &PreparedQuery<'_>,
        start: u32,
        filter: SlotFilter<'_>,
        id_of: impl Fn(u32) -> u64,
        heap: &mut NearestHeap,
    ) {
        let first = start as usize / CHUNK_SLOTS;
        for (index, chunk) in self.chunks.iter().enumerate().skip(first) {
            let base = (index * CHUNK_SLOTS) as u32;
            let vectors = chunk.vectors.chunks_exact(self.dimension_count);
            for (at, (vector, norm)) in vectors.zip(&chunk.squared_norms).enumerate() {
                let slot = base + at as u32;
                if slot < start {
                    continue;
                }
                let distance = query.distance(vector, *norm);
                // The filter reads more than the distance does, so it comes second.
                if heap.admits(distance) && filter(slot) {
                    heap.push(distance, id_of(slot));
                }
            }
        }
    }
}

impl VectorIndex for ExactIndex {
    fn insert(&mut self, slot: u32, vector: &[f32]) -> Result<()> {
        if slot != self.len || vector.len() != self.dimension_count {
            return Err(StorageError::Internal(format!(
                "vector slot {slot} with {} dimensions does not follow slot count {}",
                vector.len(),
                self.len
            )));
        }
        if self.len as usize == self.chunks.len() * CHUNK_SLOTS {
            self.chunks.push(Arc::new(VectorChunk { vectors: Vec::new(), squared_norms: Vec::new() }));
        }
        let chunk = Arc::make_mut(self.chunks.last_mut().expect("a chunk with room was pushed above"));
        chunk.vectors.extend_from_slice(vector);
        chunk.squared_norms.push(dot(vector, vector));
        self.len += 1;
        Ok(())
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        _search_width: usize,
        filter: SlotFilter<'_>,
        out: &mut Vec<(f64, u32)>,
    ) -> Result<()> {
        let mut heap = NearestHeap::new(k);
        self.scan(&PreparedQuery::new(self.metric, query), 0, filter, u64::from, &mut heap);
        out.extend(heap.into_sorted().map(|(distance, slot)| (distance, slot as u32)));
        Ok(())
    }

    fn slot_count(&self) -> u32 {
        self.len
    }

    fn memory_size_bytes(&self) -> usize {
        self.len as usize * (self.dimension_count + 1) * 4 + self.chunks.len() * 80
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};

    use super::super::vector_distance;
    use super::*;

    #[test]
    fn agrees_with_sorting_everything() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(3);
        for metric in [VectorMetric::Euclidean, VectorMetric::Cosine, VectorMetric::InnerProduct] {
            let dimension_count = 19;
            let mut index = ExactIndex::new(metric, dimension_count);
            let mut rows: Vec<Vec<f32>> = Vec::new();
            for slot in 0..700u32 {
                // Few distinct values: ties occur and are broken by slot.
                let vector: Vec<f32> = (0..dimension_count).map(|_| rng.random_range(0..3u32) as f32).collect();
                let vector = if slot % 3 == 0 && slot > 0 { rows[0].clone() } else { vector };
                index.insert(slot, &vector).expect("in order");
                rows.push(vector);
            }
            let query: Vec<f32> = (0..dimension_count).map(|_| rng.random_range(0..3u32) as f32).collect();
            let filter = |slot: u32| slot.is_multiple_of(2);
            let mut expected: Vec<(f64, u32)> = (0..700)
                .filter(|slot| filter(*slot))
                .map(|slot| (vector_distance(metric, &query, &rows[slot as usize]), slot))
                .filter(|hit| !hit.0.is_nan())
                .collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            expected.truncate(25);
            let mut actual = Vec::new();
            index.search(&query, 25, 0, &filter, &mut actual).expect("dimensions match");
            assert_eq!(actual, expected, "{metric:?}");
        }
    }

    #[test]
    fn a_clone_does_not_see_later_slots() {
        let mut index = ExactIndex::new(VectorMetric::Euclidean, 2);
        index.insert(0, &[1.0, 1.0]).expect("first");
        let old = index.clone();
        index.insert(1, &[0.0, 0.0]).expect("second");
        assert!(index.insert(5, &[0.0, 0.0]).is_err() && index.insert(2, &[0.0]).is_err());
        let mut hits = Vec::new();
        old.search(&[0.0, 0.0], 5, 0, &|_| true, &mut hits).expect("search");
        assert_eq!(hits.iter().map(|hit| hit.1).collect::<Vec<_>>(), [0]);
    }
}
