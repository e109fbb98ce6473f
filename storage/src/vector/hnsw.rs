//! Approximate index over hnsw_rs, behind the rules that make it safe to use:
//!
//! - only `DistL2`, whose kernel is vectorised; cosine is L2 on normalised copies. Inner product has no such form, so it
//!   is always scanned exactly;
//! - its filter is never called (it walks the graph or returns short): the caller over-fetches and filters afterwards;
//! - deleted slots stay in the graph and are filtered out; a new generation drops them;
//! - its dump and loader are never called (unsynced, and they may exit the process);
//! - every call runs under `catch_unwind`: an assertion of the library ends the call, not the process.
//!
//! Vectors are finite (checked when rows are read). Insertion is serial and its level generator has a fixed seed, so the
//! graph is a function of the insertion order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use hnsw_rs::prelude::{DistL2, Hnsw};

use super::distance::dot;
use super::{SlotFilter, VectorIndex};
use crate::catalog::{VectorIndexOptions, VectorMetric};
use crate::error::{Result, StorageError};

const MAX_LAYERS: usize = 16;
/// Largest over-fetch before the caller is left to scan.
const MAX_FETCH: usize = 2_048;
/// Graph bytes per slot beside the vector, from measurement (M = 16).
const GRAPH_BYTES_PER_SLOT: usize = 2_600;

/// Clones share the graph; slots inserted through one are in all of them, which is why searches filter by slot.
#[derive(Clone)]
pub(crate) struct HnswRsIndex {
    graph: Arc<Hnsw<'static, f32, DistL2>>,
    metric: VectorMetric,
    dimension_count: usize,
    /// Slots below this are in the graph as this clone knows it.
    len: u32,
}

impl HnswRsIndex {
    /// None for metrics it does not serve.
    pub fn new(options: &VectorIndexOptions, expected_slot_count: usize) -> Option<HnswRsIndex> {
        if options.metric == VectorMetric::InnerProduct {
            return None;
        }
        // Outside 2..=256 the library ends the process.
        let connections = usize::from(options.connections).clamp(2, 256);
        let construction_width = usize::from(options.construction_width).clamp(connections, 2_000);
        let graph = Hnsw::new(connections, expected_slot_count, MAX_LAYERS, construction_width, DistL2 {});
        Some(HnswRsIndex {
            graph: Arc::new(graph),
            metric: options.metric,
            dimension_count: options.dimension_count as usize,
            len: 0,
        })
    }

    /// The vector as the graph compares it; None when it has no direction under cosine.
    fn comparable(&self, vector: &[f32]) -> Option<Vec<f32>> {
        if self.metric != VectorMetric::Cosine {
            return Some(vector.to_vec());
        }
        let norm = dot(vector, vector).sqrt();
        (norm > 0.0 && norm.is_finite()).then(|| vector.iter().map(|x| x / norm).collect())
    }
}

fn guarded<T>(what: &str, call: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|_| StorageError::Internal(format!("{what} in the vector graph panicked")))
}

impl VectorIndex for HnswRsIndex {
    fn insert(&mut self, slot: u32, vector: &[f32]) -> Result<()> {
        if slot != self.len {
            return Err(StorageError::Internal(format!("vector slot {slot} does not follow slot count {}", self.len)));
        }
        if let Some(vector) = self.comparable(vector) {
            guarded("insertion", || self.graph.insert((&vector, slot as usize)))?;
        }
        self.len += 1;
        Ok(())
    }

    /// Over-fetches without filter and filters afterwards, four times as much each round. Distances are the graph's own
    /// (Euclidean, of normalised vectors under cosine): the caller computes the exact ones.
    fn search(
        &self,
        query: &[f32],
        k: usize,
        search_width: usize,
        filter: SlotFilter<'_>,
        out: &mut Vec<(f64, u32)>,
    ) -> Result<()> {
        let Some(query) = self.comparable(query) else { return Ok(()) };
        let len = self.len as usize;
        let start = out.len();
        let mut fetch = (k * 2).max(search_width);
        while k > 0 && fetch <= MAX_FETCH {
            let found = guarded("search", || self.graph.search(&query, fetch, fetch.max(search_width)))?;
            out.truncate(start);
            out.extend(
                found
                    .iter()
                    .filter(|neighbor| neighbor.d_id < len && filter(neighbor.d_id as u32))
                    .map(|neighbor| (f64::from(neighbor.distance), neighbor.d_id as u32)),
            );
            if out.len() - start >= k || found.len() >= len {
                break;
            }
            fetch *= 4;
        }
        Ok(())
    }

    fn slot_count(&self) -> u32 {
        self.len
    }

    fn memory_size_bytes(&self) -> usize {
        self.len as usize * (self.dimension_count * 4 + GRAPH_BYTES_PER_SLOT)
    }
}
