//! Neighbour lists of 256 nodes: one immutable page.
//!
//! ```text
//!            local node   0    1    2    3        255
//! offsets               [ 0 |  2 |  2 |  5 | ...  | n ]          u32 × 257
//! neighbors             [ 7  9 |     | 1  1  4 | ...  ]          sorted by (neighbour, relationship) within a node
//! relationships         [ 30 12|     | 8  9  2 | ...  ]          parallel to neighbors
//! hubs                  (2, [chunk ≤ 512 | chunk | …])            nodes above 1,024 neighbours leave the arrays
//! ```
//! A change rebuilds the arrays of its page (a few KB) once per batch; for a hub only the chunks it falls into. Ids below
//! 2³² are kept in 32 bits. Pages never change after construction, so readers take no locks.

mod encoding;

use std::sync::Arc;

pub(crate) use encoding::PageReader;

/// Nodes in a page.
pub(crate) const PAGE_NODES: usize = 256;
const PAGE_BITS: u32 = 8;
/// A list above this becomes a hub.
const HUB_DEGREE: usize = 1_024;
/// A hub at or below this becomes a plain list again.
const HUB_DEMOTE_DEGREE: usize = 512;
const CHUNK_LEN: usize = 512;
/// Length of the pieces a full chunk is split into: leaves room for the next insertions.
const CHUNK_FILL: usize = 384;

/// Page number and position in the page of a node.
pub(crate) fn page_of(node: u64) -> (u64, u8) {
    (node >> PAGE_BITS, node as u8)
}

/// One edge to add to or remove from a page; ordered by (local, neighbor, relationship).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EdgeChange {
    pub local: u8,
    pub neighbor: u64,
    pub relationship: u64,
    pub insert: bool,
}

type Edge = (u64, u64);

enum IdArray {
    Narrow(Box<[u32]>),
    Wide(Box<[u64]>),
}

impl IdArray {
    fn new(ids: impl ExactSizeIterator<Item = u64> + Clone) -> IdArray {
        if ids.clone().all(|id| id <= u64::from(u32::MAX)) {
            IdArray::Narrow(ids.map(|id| id as u32).collect())
        } else {
            IdArray::Wide(ids.collect())
        }
    }

    #[inline]
    fn get(&self, index: usize) -> u64 {
        match self {
            IdArray::Narrow(ids) => u64::from(ids[index]),
            IdArray::Wide(ids) => ids[index],
        }
    }

    fn size_bytes(&self) -> usize {
        match self {
            IdArray::Narrow(ids) => ids.len() * 4,
            IdArray::Wide(ids) => ids.len() * 8,
        }
    }
}

/// Parallel arrays of edges.
struct EdgeArray {
    neighbors: IdArray,
    relationships: IdArray,
    len: usize,
}

impl EdgeArray {
    fn new(edges: &[Edge]) -> EdgeArray {
        EdgeArray {
            neighbors: IdArray::new(edges.iter().map(|edge| edge.0)),
            relationships: IdArray::new(edges.iter().map(|edge| edge.1)),
            len: edges.len(),
        }
    }

    #[inline]
    fn get(&self, index: usize) -> Edge {
        (self.neighbors.get(index), self.relationships.get(index))
    }

    /// First index in `start..end` whose edge is at or above `edge`.
    fn lower_bound(&self, mut start: usize, mut end: usize, edge: Edge) -> usize {
        while start < end {
            let middle = start + (end - start) / 2;
            if self.get(middle) < edge {
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        start
    }

    fn size_bytes(&self) -> usize {
        self.neighbors.size_bytes() + self.relationships.size_bytes() + 48
    }
}

#[derive(Clone)]
struct Hub {
    chunks: Vec<Arc<EdgeArray>>,
    len: usize,
}

impl Hub {
    fn from_edges(edges: &[Edge]) -> Hub {
        Hub { chunks: edges.chunks(CHUNK_FILL).map(|part| Arc::new(EdgeArray::new(part))).collect(), len: edges.len() }
    }

    /// Index of the chunk that holds `edge` or would receive it.
    fn chunk_for(&self, edge: Edge) -> usize {
        self.chunks.partition_point(|chunk| chunk.get(0) <= edge).saturating_sub(1)
    }

    /// Copies only the chunks that `changes` (sorted) fall into.
    fn with_changes(&self, changes: &[EdgeChange]) -> Hub {
        let mut chunks = Vec::with_capacity(self.chunks.len() + changes.len() / CHUNK_FILL + 1);
        let mut rest = changes;
        let mut edges = Vec::new();
        for (index, chunk) in self.chunks.iter().enumerate() {
            let end = match self.chunks.get(index + 1) {
                Some(next) => rest.partition_point(|change| (change.neighbor, change.relationship) < next.get(0)),
                None => rest.len(),
            };
            let (here, later) = rest.split_at(end);
            rest = later;
            if here.is_empty() {
                chunks.push(Arc::clone(chunk));
                continue;
            }
            edges.clear();
            merge(chunk, 0, chunk.len, here, &mut edges);
            if edges.len() <= CHUNK_LEN {
                if !edges.is_empty() {
                    chunks.push(Arc::new(EdgeArray::new(&edges)));
                }
            } else {
                chunks.extend(edges.chunks(CHUNK_FILL).map(|part| Arc::new(EdgeArray::new(part))));
            }
        }
        let len = chunks.iter().map(|chunk| chunk.len).sum();
        Hub { chunks, len }
    }
}

/// Appends the edges of `array[start..end]` with `changes` applied. Removing what is absent and inserting what is
/// present change nothing.
fn merge(array: &EdgeArray, start: usize, end: usize, changes: &[EdgeChange], out: &mut Vec<Edge>) {
    let mut index = start;
    for change in changes {
        let edge = (change.neighbor, change.relationship);
        while index < end && array.get(index) < edge {
            out.push(array.get(index));
            index += 1;
        }
        if index < end && array.get(index) == edge {
            index += 1;
        }
        if change.insert {
            out.push(edge);
        }
    }
    out.extend((index..end).map(|i| array.get(i)));
}

/// Neighbour lists of 256 consecutive node ids, in one direction of one relationship type.
pub(crate) struct AdjacencyPage {
    offsets: Box<[u32; PAGE_NODES + 1]>,
    edges: EdgeArray,
    /// Sorted by local node; such a node's range in `edges` is empty.
    hubs: Vec<(u8, Hub)>,
}

impl AdjacencyPage {
    /// The page after `changes`, which are sorted and name each edge once. None when no edge is left.
    pub fn with_changes(old: Option<&AdjacencyPage>, changes: &[EdgeChange]) -> Option<AdjacencyPage> {
        debug_assert!(changes.is_sorted());
        let mut offsets = Box::new([0u32; PAGE_NODES + 1]);
        let mut edges: Vec<Edge> = Vec::with_capacity(old.map_or(0, |page| page.edges.len) + changes.len());
        let mut hubs = Vec::new();
        let mut rest = changes;
        for local in 0..=u8::MAX {
            let end = rest.partition_point(|change| change.local <= local);
            let (here, later) = rest.split_at(end);
            rest = later;
            let start = edges.len();
            match old.and_then(|page| page.hub(local)) {
                Some(hub) => {
                    let hub = if here.is_empty() { hub.clone() } else { hub.with_changes(here) };
                    if hub.len > HUB_DEMOTE_DEGREE {
                        hubs.push((local, hub));
                    } else {
                        edges.extend(hub.chunks.iter().flat_map(|chunk| (0..chunk.len).map(|i| chunk.get(i))));
                    }
                }
                None => {
                    if let Some(page) = old {
                        let (from, to) = page.range(local);
                        merge(&page.edges, from, to, here, &mut edges);
                    } else {
                        edges.extend(here.iter().filter(|c| c.insert).map(|c| (c.neighbor, c.relationship)));
                    }
                    if edges.len() - start > HUB_DEGREE {
                        hubs.push((local, Hub::from_edges(&edges[start..])));
                        edges.truncate(start);
                    }
                }
            }
            offsets[usize::from(local) + 1] = edges.len() as u32;
        }
        if edges.is_empty() && hubs.is_empty() {
            return None;
        }
        Some(AdjacencyPage { offsets, edges: EdgeArray::new(&edges), hubs })
    }

    fn range(&self, local: u8) -> (usize, usize) {
        (self.offsets[usize::from(local)] as usize, self.offsets[usize::from(local) + 1] as usize)
    }

    fn hub(&self, local: u8) -> Option<&Hub> {
        if self.hubs.is_empty() {
            return None;
        }
        self.hubs.binary_search_by_key(&local, |hub| hub.0).ok().map(|index| &self.hubs[index].1)
    }

    pub fn degree(&self, local: u8) -> usize {
        let (start, end) = self.range(local);
        if start < end { end - start } else { self.hub(local).map_or(0, |hub| hub.len) }
    }

    /// All neighbours, in order of (neighbour, relationship).
    pub fn cursor(&self, local: u8) -> EdgeCursor<'_> {
        let (start, end) = self.range(local);
        if start == end
            && let Some(hub) = self.hub(local)
        {
            return EdgeCursor { array: &self.edges, index: 0, end: 0, chunks: &hub.chunks };
        }
        EdgeCursor { array: &self.edges, index: start, end, chunks: &[] }
    }

    /// As [`Self::cursor`], starting at the first edge at or above (`neighbor`, `relationship`).
    pub fn cursor_from(&self, local: u8, neighbor: u64, relationship: u64) -> EdgeCursor<'_> {
        let edge = (neighbor, relationship);
        let (start, end) = self.range(local);
        if start == end
            && let Some(hub) = self.hub(local)
        {
            let at = hub.chunk_for(edge);
            let chunk = &hub.chunks[at];
            let index = chunk.lower_bound(0, chunk.len, edge);
            return EdgeCursor { array: chunk, index, end: chunk.len, chunks: &hub.chunks[at + 1..] };
        }
        EdgeCursor { array: &self.edges, index: self.edges.lower_bound(start, end, edge), end, chunks: &[] }
    }

    pub fn memory_size_bytes(&self) -> usize {
        let hubs =
            self.hubs.iter().flat_map(|(_, hub)| &hub.chunks).map(|chunk| chunk.size_bytes() + 24).sum::<usize>();
        std::mem::size_of_val(&*self.offsets) + self.edges.size_bytes() + 64 + hubs
    }
}

/// Walks one node's edges as (neighbour, relationship).
#[derive(Clone)]
pub(crate) struct EdgeCursor<'p> {
    array: &'p EdgeArray,
    index: usize,
    end: usize,
    chunks: &'p [Arc<EdgeArray>],
}

impl Iterator for EdgeCursor<'_> {
    type Item = Edge;

    #[inline]
    fn next(&mut self) -> Option<Edge> {
        while self.index == self.end {
            let (first, rest) = self.chunks.split_first()?;
            (self.array, self.index, self.end, self.chunks) = (first, 0, first.len, rest);
        }
        let edge = self.array.get(self.index);
        self.index += 1;
        Some(edge)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::{RngExt, SeedableRng};

    use super::*;

    fn check(page: Option<&AdjacencyPage>, model: &BTreeSet<(u8, u64, u64)>) {
        assert_eq!(page.is_some(), !model.is_empty());
        let Some(page) = page else { return };
        for local in 0..=u8::MAX {
            let expected: Vec<Edge> =
                model.range((local, 0, 0)..=(local, u64::MAX, u64::MAX)).map(|edge| (edge.1, edge.2)).collect();
            assert_eq!(page.degree(local), expected.len());
            assert_eq!(page.cursor(local).collect::<Vec<_>>(), expected);
            for probe in [(0, 0), (50, 3), (u64::MAX, 0)] {
                let from: Vec<Edge> = expected.iter().copied().filter(|edge| *edge >= probe).collect();
                assert_eq!(page.cursor_from(local, probe.0, probe.1).collect::<Vec<_>>(), from);
            }
        }
    }

    #[test]
    fn random_changes_agree_with_a_set_also_around_hubs() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(11);
        let mut model = BTreeSet::new();
        let mut page: Option<AdjacencyPage> = None;
        for round in 0..60 {
            let growing = round % 20 < 12;
            let mut changes = std::collections::BTreeMap::new();
            for _ in 0..rng.random_range(1..400u32) {
                // Node 3 becomes a hub and stops being one.
                let local = if rng.random_range(0..2u32) == 0 { 3 } else { rng.random_range(0..8u32) as u8 * 31 };
                let wide = if local == 31 { 1u64 << 33 } else { 0 };
                let edge = (local, rng.random_range(0..900u64) + wide, rng.random_range(0..4u64));
                let insert = if growing { rng.random_range(0..10u32) != 0 } else { rng.random_range(0..10u32) == 0 };
                changes.insert(edge, insert);
            }
            if !growing {
                changes.extend(model.iter().take(300).map(|edge| (*edge, false)));
            }
            let list: Vec<EdgeChange> = changes
                .iter()
                .map(|(&(local, neighbor, relationship), &insert)| EdgeChange { local, neighbor, relationship, insert })
                .collect();
            page = AdjacencyPage::with_changes(page.as_ref(), &list);
            for (edge, insert) in changes {
                if insert {
                    model.insert(edge)
                } else {
                    model.remove(&edge)
                };
            }
            check(page.as_ref(), &model);
        }
    }

    #[test]
    fn a_hub_copies_only_the_chunk_it_changes() {
        let insert = |neighbor| EdgeChange { local: 9, neighbor, relationship: neighbor, insert: true };
        let page = AdjacencyPage::with_changes(None, &(0..5_000).map(|n| insert(n * 2)).collect::<Vec<_>>());
        let page = page.expect("has edges");
        let next = AdjacencyPage::with_changes(Some(&page), &[insert(4_001)]).expect("has edges");
        let (old, new) = (page.hub(9).expect("hub"), next.hub(9).expect("hub"));
        let shared = old.chunks.iter().filter(|a| new.chunks.iter().any(|b| Arc::ptr_eq(a, b))).count();
        assert_eq!(shared, old.chunks.len() - 1);
        assert_eq!(next.degree(9), 5_001);
    }
}
