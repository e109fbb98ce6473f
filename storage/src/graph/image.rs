//! The graph image: topology and label membership of one snapshot, in memory.
//!
//! Following a relationship through redb costs microseconds; through this image, nanoseconds. The image is a function of
//! the graph's rows at one LSN, held by the snapshot and never changed after it is published:
//!
//! ```text
//! GraphImage ── nodes            IdSet
//!            ├─ labels[label]    IdSet                      (counts come with it)
//!            └─ types[type] ──── outgoing   RadixTree: node / 256 → AdjacencyPage
//!                            ├── incoming   RadixTree: node / 256 → AdjacencyPage
//!                            └── relationships IdSet
//! ```
//!
//! A batch of commits clones the image (a few reference counts), rebuilds each touched page once, copies the radix path
//! to it and publishes the result; every untouched page is shared with older snapshots, which go on reading theirs
//! without locks or version checks. This is block versioning: no per-edge timestamps (see the survey arXiv 2502.10959).
//!
//! The image is a checkpoint file (`graph/image.checkpoint`) and what the change log says since; without a file that
//! fits, it is built by scanning the adjacency keyspaces, which are already in page order. Either happens before the store
//! is open, since a snapshot without image answers nothing. Arrays lie in the file as in memory: loading is reading,
//! checking and copying, about 16 bytes per relationship and direction at most. It should take what reading the file takes
//! (seconds per gigabyte), where the scan compares and decodes a key of 28 bytes per relationship and direction, and a
//! small graph is ready at once either way. The file is written from the image of a published snapshot by the checkpoint
//! thread, so no commit and no reader waits for it. All pages are resident; none is loaded on demand.

mod checkpoint;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::adjacency::{AdjacencyPage, EdgeChange, page_of};
use super::id_set::IdSet;
use super::keys;
use super::radix::RadixTree;
use crate::error::{Result, StorageError};
use crate::ids::Lsn;
use crate::store::{Change, Keyspace, KvSnapshot};

/// A graph with fewer rows than this is built without telling anybody.
const PROGRESS_FROM_ROWS: u64 = 1_000_000;
/// Rows between two words of progress.
const PROGRESS_ROWS: u64 = 65_536;
/// Changes of the log that are applied at a time while catching up.
const CATCH_UP_CHANGES: usize = 50_000;

/// Topology of one relationship type.
#[derive(Clone, Default)]
pub(crate) struct TypeImage {
    pub outgoing: RadixTree<Arc<AdjacencyPage>>,
    pub incoming: RadixTree<Arc<AdjacencyPage>>,
    pub relationships: IdSet,
}

/// Topology and labels at one LSN. Clones share everything.
#[derive(Clone, Default)]
pub(crate) struct GraphImage {
    pub nodes: IdSet,
    labels: Vec<IdSet>,
    types: Vec<Arc<TypeImage>>,
}

/// Edge changes of one batch by (type, incoming, page).
type PageChanges = BTreeMap<(u32, bool, u64), Vec<EdgeChange>>;

impl GraphImage {
    /// Scans label membership, nodes and both adjacency keyspaces. For a large graph, `progress` is called with
    /// 0.0..=1.0.
    pub fn build(rows: &KvSnapshot, progress: &dyn Fn(f64)) -> Result<GraphImage> {
        use std::ops::Bound::Unbounded;
        let keyspaces = [Keyspace::NODES, Keyspace::LABEL_NODES, Keyspace::ADJACENCY_OUT, Keyspace::ADJACENCY_IN];
        let total = keyspaces.iter().map(|keyspace| rows.key_count(*keyspace)).sum::<Result<u64>>()?;
        let mut done = 0_u64;
        let mut step = || {
            done += 1;
            if total >= PROGRESS_FROM_ROWS && (done.is_multiple_of(PROGRESS_ROWS) || done == total) {
                progress(done as f64 / total as f64);
            }
        };
        let mut image = GraphImage::default();
        for row in rows.range(Keyspace::NODES, Unbounded, Unbounded, false)? {
            step();
            image.nodes.insert(keys::decode_id(&row?.0)?);
        }
        for row in rows.range(Keyspace::LABEL_NODES, Unbounded, Unbounded, false)? {
            step();
            let (label, node) = keys::decode_label_node(&row?.0)?;
            image.label_mut(label).insert(node);
        }
        for (keyspace, incoming) in [(Keyspace::ADJACENCY_OUT, false), (Keyspace::ADJACENCY_IN, true)] {
            let mut place = None;
            let mut edges = Vec::new();
            for row in rows.range(keyspace, Unbounded, Unbounded, false)? {
                step();
                let (ty, from, to, relationship) = keys::decode_adjacency(&row?.0)?;
                let (page, local) = page_of(from);
                if place != Some((ty, incoming, page)) {
                    image.rebuild_page(place, &edges);
                    edges.clear();
                    place = Some((ty, incoming, page));
                }
                edges.push(EdgeChange { local, neighbor: to, relationship, insert: true });
                if !incoming {
                    image.type_mut(ty).relationships.insert(relationship);
                }
            }
            image.rebuild_page(place, &edges);
        }
        Ok(image)
    }

    /// Brings an image of an older LSN up to date by the change log. None when the log does not reach back that far or
    /// does not say what a large commit did: then it must be built anew. `Corrupted` when afterwards the image does not
    /// have as many members as there are rows.
    pub fn catch_up(mut self, rows: &KvSnapshot, since: Lsn) -> Result<Option<GraphImage>> {
        let Some(log) = rows.changes_since(since)? else { return Ok(None) };
        let mut batch = Vec::new();
        for commit in log {
            let (_, changes) = commit?;
            if changes.contains(&Change::GraphReset) {
                return Ok(None);
            }
            batch.extend(changes);
            if batch.len() >= CATCH_UP_CHANGES {
                self.apply(batch.iter());
                batch.clear();
            }
        }
        self.apply(batch.iter());
        let label_rows: u64 = self.labels.iter().map(IdSet::len).sum();
        let fits = rows.key_count(Keyspace::NODES)? == self.nodes.len()
            && rows.key_count(Keyspace::RELATIONSHIPS)? == self.relationship_count()
            && rows.key_count(Keyspace::LABEL_NODES)? == label_rows;
        if !fits {
            return Err(StorageError::Corrupted("it does not have as many members as there are rows".to_owned()));
        }
        Ok(Some(self))
    }

    /// Nothing has ever been in it.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 0 && self.labels.is_empty() && self.types.is_empty()
    }

    /// Applies a batch of changes, in commit order. Each touched page is rebuilt once.
    pub fn apply<'c>(&mut self, changes: impl Iterator<Item = &'c Change>) {
        // (type, relationship) → (source, target, exists): the last word on each relationship of the batch.
        let mut relationships = BTreeMap::new();
        for change in changes {
            match change {
                Change::Node { id, before, after } => {
                    if after.is_some() {
                        self.nodes.insert(id.0);
                    } else {
                        self.nodes.remove(id.0);
                    }
                    for label in before.iter().flatten() {
                        if !after.as_ref().is_some_and(|after| after.contains(label)) {
                            self.label_mut(label.0).remove(id.0);
                        }
                    }
                    for label in after.iter().flatten() {
                        self.label_mut(label.0).insert(id.0);
                    }
                }
                Change::RelationshipCreated { id, ty, source, target } => {
                    relationships.insert((ty.0, id.0), (source.0, target.0, true));
                }
                Change::RelationshipDeleted { id, ty, source, target } => {
                    relationships.insert((ty.0, id.0), (source.0, target.0, false));
                }
                Change::Row { .. }
                | Change::RelationshipChanged { .. }
                | Change::IndexReset { .. }
                | Change::GraphReset => {}
            }
        }
        let mut pages = PageChanges::new();
        for ((ty, relationship), (source, target, insert)) in relationships {
            let ids = &mut self.type_mut(ty).relationships;
            if insert {
                ids.insert(relationship);
            } else {
                ids.remove(relationship);
            }
            for (incoming, from, neighbor) in [(false, source, target), (true, target, source)] {
                let (page, local) = page_of(from);
                let change = EdgeChange { local, neighbor, relationship, insert };
                pages.entry((ty, incoming, page)).or_default().push(change);
            }
        }
        for (place, mut changes) in pages {
            changes.sort_unstable();
            self.rebuild_page(Some(place), &changes);
        }
    }

    fn rebuild_page(&mut self, place: Option<(u32, bool, u64)>, changes: &[EdgeChange]) {
        let Some((ty, incoming, page)) = place else { return };
        let image = self.type_mut(ty);
        let tree = if incoming { &mut image.incoming } else { &mut image.outgoing };
        let slot = tree.slot_mut(page);
        *slot = AdjacencyPage::with_changes(slot.as_deref(), changes).map(Arc::new);
    }

    fn label_mut(&mut self, label: u32) -> &mut IdSet {
        let index = label as usize;
        if self.labels.len() <= index {
            self.labels.resize_with(index + 1, IdSet::default);
        }
        &mut self.labels[index]
    }

    fn type_mut(&mut self, ty: u32) -> &mut TypeImage {
        let index = ty as usize;
        if self.types.len() <= index {
            self.types.resize_with(index + 1, Arc::default);
        }
        Arc::make_mut(&mut self.types[index])
    }

    pub fn label(&self, label: u32) -> Option<&IdSet> {
        self.labels.get(label as usize)
    }

    pub fn relationship_type(&self, ty: u32) -> Option<&TypeImage> {
        self.types.get(ty as usize).map(|image| &**image)
    }

    /// One above the highest label with an entry.
    pub fn label_count(&self) -> u32 {
        self.labels.len() as u32
    }

    /// One above the highest type with an entry.
    pub fn type_count(&self) -> u32 {
        self.types.len() as u32
    }

    pub fn relationship_count(&self) -> u64 {
        self.types.iter().map(|image| image.relationships.len()).sum()
    }

    pub fn page(&self, ty: u32, incoming: bool, page: u64) -> Option<&AdjacencyPage> {
        let image = self.types.get(ty as usize)?;
        let tree = if incoming { &image.incoming } else { &image.outgoing };
        tree.get(page).map(|page| &**page)
    }

    /// Resident bytes, by walking the structure: for metrics, not for hot paths.
    pub fn memory_size_bytes(&self) -> usize {
        let tree = |tree: &RadixTree<Arc<AdjacencyPage>>| {
            tree.node_size_bytes() + tree.iter().map(|(_, page)| page.memory_size_bytes()).sum::<usize>()
        };
        self.nodes.memory_size_bytes()
            + self.labels.iter().map(IdSet::memory_size_bytes).sum::<usize>()
            + self
                .types
                .iter()
                .map(|t| tree(&t.outgoing) + tree(&t.incoming) + t.relationships.memory_size_bytes())
                .sum::<usize>()
    }
}
