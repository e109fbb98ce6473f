//! Vector indexes: a base that follows commits, and exact evaluation of what changed since.
//!
//! The base of an index ([`VectorBase`]) is made of three parts:
//!
//! ```text
//! SlotTable    slot → row id, LSN that created it, LSN that ended it     (append-only within a generation)
//! ExactIndex   slot → vector, flat chunks: exact scan                    (always complete)
//! HnswRsIndex  slot → graph over the first `n` slots                     (above 20,000 rows, built in the background)
//! ```
//!
//! A changed row ends its slot and gets a new one, so one base serves every snapshot at or above its generation: a search
//! at LSN s sees the slots with `created ≤ s < ended`. Slots are never reused within a generation; when a quarter of them
//! are dead the live ones are copied into a new generation, and older snapshots keep the base they captured.
//!
//! A base is checkpointed to `vector/<index id>.checkpoint`: ids and vectors of the rows at one LSN, so that text need not
//! be embedded again. The indexer's thread loads it after the store is open and catches up through the change log; if
//! there is no file that fits, it reads the rows. Until then searches read the rows themselves, and until the graph has
//! grown again they scan.

mod base;
mod distance;
mod exact;
mod follower;
mod hash_embedder;
mod hnsw;
mod search;

pub(crate) use base::VectorBase;
pub use distance::vector_distance;
pub(crate) use follower::VectorFollower;
pub use hash_embedder::HashEmbedder;
pub(crate) use search::{VectorReader, VectorTail, check_definition, search};

use crate::error::Result;

/// Which slots a search may return.
pub(crate) type SlotFilter<'f> = &'f dyn Fn(u32) -> bool;

/// A structure that finds near vectors among numbered slots. Deletion is not its business: the caller's filter hides
/// dead slots, and a new generation drops them.
pub(crate) trait VectorIndex: Send + Sync {
    /// Adds the vector of the next slot: slots are inserted in order, without gaps.
    fn insert(&mut self, slot: u32, vector: &[f32]) -> Result<()>;

    /// Appends up to `k` slots that pass the filter, with their distance, in no particular order. An approximate index
    /// may give fewer; the caller then scans exactly.
    fn search(
        &self,
        query: &[f32],
        k: usize,
        search_width: usize,
        filter: SlotFilter<'_>,
        out: &mut Vec<(f64, u32)>,
    ) -> Result<()>;

    /// Slots inserted so far.
    fn slot_count(&self) -> u32;

    fn memory_size_bytes(&self) -> usize;
}

/// The `k` nearest of what is offered, by (distance, id).
pub(crate) struct NearestHeap {
    k: usize,
    heap: std::collections::BinaryHeap<Candidate>,
}

struct Candidate {
    distance: f64,
    id: u64,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then_with(|| self.id.cmp(&other.id))
    }
}

impl NearestHeap {
    pub fn new(k: usize) -> NearestHeap {
        NearestHeap { k, heap: std::collections::BinaryHeap::new() }
    }

    /// False when a candidate at this distance could not enter, so that its other checks can be skipped.
    #[inline]
    pub fn admits(&self, distance: f64) -> bool {
        // NaN (cosine of a zero vector) is no distance.
        !distance.is_nan()
            && (self.heap.len() < self.k || self.heap.peek().is_some_and(|worst| distance <= worst.distance))
    }

    pub fn push(&mut self, distance: f64, id: u64) {
        if !self.admits(distance) || self.k == 0 {
            return;
        }
        self.heap.push(Candidate { distance, id });
        if self.heap.len() > self.k {
            self.heap.pop();
        }
    }

    /// Nearest first.
    pub fn into_sorted(self) -> impl Iterator<Item = (f64, u64)> {
        self.heap.into_sorted_vec().into_iter().map(|candidate| (candidate.distance, candidate.id))
    }
}
