//! Everything that is a function of (redb snapshot, LSN): graph image, label bitmaps, search bases and tails.
//!
//! The committer calls [`DerivedState::apply`] once per batch, after redb committed and before the snapshot is
//! published, so a snapshot's derived state always equals its rows.
//!
//! The graph image is moved at once. A search index is not: its *base* is moved by a background [`indexer`], and a
//! snapshot carries the base it knew when it was made together with the [`tail`] of ids changed since. A search picks
//! the newest base that still serves its snapshot, drops the hits that the tail or the transaction itself touched, and
//! evaluates those rows exactly.
//!
//! ```text
//!             base LSN                        snapshot LSN
//! ───────────────┼────── tail: ids changed ────────┼── own changes
//!   hits not in the tail       read from rows
//! ```
//!
//! Older snapshots keep the base they captured, so a base that moved past a snapshot is never used for it. (A vector
//! base knows the lifetime of its entries and may serve snapshots below its LSN.)

mod cache;
mod checkpoint_file;
mod checkpoints;
mod indexer;
mod source;
mod tail;
#[cfg(test)]
mod tests;

pub(crate) use cache::{CachedTail, TransactionCache};
pub(crate) use checkpoint_file::{CheckpointReader, CheckpointWriter, SECTION_BYTES};
pub(crate) use checkpoints::Checkpoints;
pub(crate) use indexer::{ChangeSpan, Follower, IndexBase, IndexCell, IndexContext, Indexer, PendingChanges};
pub(crate) use source::{IndexSource, IndexedValues, RowReader, find_embedder};
pub(crate) use tail::Tail;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashSet;

use crate::catalog::{Catalog, IndexDef, IndexKind};
use crate::embed::Embedder;
use crate::error::Result;
use crate::fulltext::{TextBase, TextFollower, TextTail};
use crate::graph::image::GraphImage;
use crate::graph::tokens::TokenRegistry;
use crate::ids::{Lsn, RelationId};
use crate::store::{Change, KvSnapshot, StoreOptions};
use crate::vector::{VectorBase, VectorFollower, VectorTail};

/// How long changes wait for company before a text base is committed (each commit costs several fsyncs).
const TEXT_INTERVAL: Duration = Duration::from_secs(1);
const VECTOR_INTERVAL: Duration = Duration::from_millis(200);
/// How long a checkpoint waits for the indexers, and at close for files to be written.
const CHECKPOINT_PATIENCE: Duration = Duration::from_secs(10);
/// Of that, how long closing waits for vectors to be up to date: without, they catch up at open.
const VECTOR_PATIENCE: Duration = Duration::from_secs(2);

/// One search index as of one snapshot.
pub(crate) struct SearchState<B, T> {
    pub def: Arc<IndexDef>,
    pub source: IndexSource,
    pub cell: Arc<IndexCell<B>>,
    /// The newest base when the snapshot was made; None while the first one is built.
    pub base: Option<Arc<B>>,
    /// Changes after the base, or since the index was created or reset.
    pub tail: Tail,
    /// The evaluated tail after an LSN, shared by the searches on this snapshot.
    pub cache: Mutex<Option<(Lsn, Arc<T>)>>,
}

pub(crate) type SearchStates<B, T> = BTreeMap<RelationId, Arc<SearchState<B, T>>>;

/// What all snapshots of a store share.
pub(crate) struct DerivedShared {
    pub tokens: TokenRegistry,
    pub embedders: Vec<Arc<dyn Embedder>>,
    pub tail_limit_rows: usize,
    pub text: Indexer<TextBase>,
    pub vector: Indexer<VectorBase>,
    /// None for a store in memory.
    checkpoints: Option<Arc<Checkpoints>>,
}

/// Immutable; one per published snapshot, sharing what did not change.
pub struct DerivedState {
    pub(crate) graph: Arc<GraphImage>,
    pub(crate) text: Arc<SearchStates<TextBase, TextTail>>,
    pub(crate) vector: Arc<SearchStates<VectorBase, VectorTail>>,
    pub(crate) shared: Arc<DerivedShared>,
    catalog_version: u64,
}

impl DerivedState {
    /// Builds or loads everything at open. `directory` is None for an in-memory store (nothing is checkpointed).
    ///
    /// The graph image is loaded or built before this returns; vector bases, and text bases that cannot be loaded, come
    /// in the background.
    pub fn open(
        directory: Option<&Path>,
        options: &StoreOptions,
        rows: &KvSnapshot,
        catalog: &Catalog,
        lsn: Lsn,
    ) -> Result<Arc<DerivedState>> {
        let text = TextFollower::open(directory, rows, catalog)?;
        let loaded = text.load(rows, catalog, lsn);
        let checkpoints = match directory {
            Some(directory) => Some(Arc::new(Checkpoints::open(directory, rows, catalog)?)),
            None => None,
        };
        let loaded_graph = checkpoints.as_ref().and_then(|checkpoints| checkpoints.load_graph(rows, lsn));
        let graph = match loaded_graph {
            Some(graph) => graph,
            None => Arc::new(GraphImage::build(rows, &|done| {
                if let Some(progress) = &options.repair_progress {
                    progress(done);
                }
            })?),
        };
        let batch_rows = (options.tail_limit_rows / 4).clamp(1, 10_000);
        let shared = Arc::new(DerivedShared {
            tokens: TokenRegistry::load(rows)?,
            embedders: options.embedders.clone(),
            tail_limit_rows: options.tail_limit_rows,
            vector: Indexer::start(
                "sinew-vectors",
                VectorFollower::new(options.embedders.clone(), checkpoints.clone(), catalog),
                VECTOR_INTERVAL,
                batch_rows,
            )?,
            text: Indexer::start("sinew-fulltext", text, TEXT_INTERVAL, batch_rows)?,
            checkpoints,
        });
        let mut state = DerivedState {
            graph,
            text: Arc::default(),
            vector: Arc::default(),
            shared,
            catalog_version: catalog.version,
        };
        let none = FxHashSet::default();
        let text = reconcile(&state.text, &state.shared.text, catalog, is_text, &none, lsn, rows, |context, cell| {
            let Some((base, changes)) = loaded.get(&context.def.id) else {
                return (Tail::default(), PendingChanges::default());
            };
            cell.preset(Arc::clone(base));
            let mut pending = PendingChanges::default();
            for change in changes.iter().flat_map(|(lsn, changes)| changes.iter().map(move |change| (*lsn, change))) {
                if let Some(id) = context.source.touched(change.1) {
                    pending.entry(id).or_insert(ChangeSpan { first: change.0, last: change.0 }).last = change.0;
                }
            }
            let mut tail = Tail::default();
            tail.push(pending.iter().map(|(id, span)| (*id, span.last)).collect());
            (tail, pending)
        });
        state.text = Arc::new(text);
        state.vector =
            Arc::new(reconcile(&state.vector, &state.shared.vector, catalog, is_vector, &none, lsn, rows, |_, _| {
                Default::default()
            }));
        Ok(Arc::new(state))
    }

    /// The state after a batch of commits. `rows` is the snapshot that includes them; each item is one commit's LSN
    /// with its changes, in order. Must not fail for reasons of input: an index that cannot follow is marked for rebuild.
    pub fn apply(
        self: &Arc<Self>,
        rows: &KvSnapshot,
        catalog: &Catalog,
        commits: &[(Lsn, Vec<Change>)],
    ) -> Arc<DerivedState> {
        let Some((lsn, _)) = commits.last() else { return Arc::clone(self) };
        let lsn = *lsn;
        let changes = || commits.iter().flat_map(|(_, changes)| changes);
        let mut graph = Arc::clone(&self.graph);
        if changes().any(is_topology_change) {
            Arc::make_mut(&mut graph).apply(changes());
        }
        let reset: FxHashSet<RelationId> = changes()
            .filter_map(|change| match change {
                Change::IndexReset { index } => Some(*index),
                _ => None,
            })
            .collect();
        let mut text = Arc::clone(&self.text);
        let mut vector = Arc::clone(&self.vector);
        if catalog.version != self.catalog_version || !reset.is_empty() {
            let fresh = |_: &IndexContext, _: &IndexCell<TextBase>| Default::default();
            text = Arc::new(reconcile(&text, &self.shared.text, catalog, is_text, &reset, lsn, rows, fresh));
            let fresh = |_: &IndexContext, _: &IndexCell<VectorBase>| Default::default();
            vector = Arc::new(reconcile(&vector, &self.shared.vector, catalog, is_vector, &reset, lsn, rows, fresh));
        }
        let text = follow(text, &self.shared.text, &reset, commits, lsn, rows);
        let vector = follow(vector, &self.shared.vector, &reset, commits, lsn, rows);
        Arc::new(DerivedState {
            graph,
            text,
            vector,
            shared: Arc::clone(&self.shared),
            catalog_version: catalog.version,
        })
    }

    /// The state with the graph as it is after a large commit, whose changes come some at a time; and what the change log is
    /// to say instead of them: that the graph changed, and the search indexes that they touch. These are to be reset: to
    /// follow that many rows would take as long as to rebuild.
    pub fn with_changes(
        &self,
        chunks: &mut dyn Iterator<Item = Result<Vec<Change>>>,
    ) -> Result<(Arc<DerivedState>, Vec<Change>)> {
        let mut graph = Arc::clone(&self.graph);
        let mut remaining = Vec::new();
        let mut touched = BTreeSet::new();
        for chunk in chunks {
            let chunk = chunk?;
            if chunk.iter().any(is_topology_change) {
                Arc::make_mut(&mut graph).apply(chunk.iter());
                if remaining.is_empty() {
                    remaining.push(Change::GraphReset);
                }
            }
            for change in &chunk {
                if let Change::IndexReset { index } = change {
                    touched.insert(*index);
                }
                touched.extend(touched_indexes(&self.text, change));
                touched.extend(touched_indexes(&self.vector, change));
            }
        }
        let state = DerivedState {
            graph,
            text: Arc::clone(&self.text),
            vector: Arc::clone(&self.vector),
            shared: Arc::clone(&self.shared),
            catalog_version: self.catalog_version,
        };
        remaining.extend(touched.into_iter().map(|index| Change::IndexReset { index }));
        Ok((Arc::new(state), remaining))
    }

    /// Brings files up to date. The caller holds this state, whose LSN is `lsn`, and knows that it is durable. The last
    /// time, at close, everything that changed is written, within [`CHECKPOINT_PATIENCE`]; otherwise large files are left
    /// for later at times, and false says so. `is_interrupted` ends the work early.
    pub(crate) fn checkpoint(&self, lsn: Lsn, is_last: bool, is_interrupted: &dyn Fn() -> bool) -> bool {
        let deadline = Instant::now() + CHECKPOINT_PATIENCE;
        let remaining = || deadline.saturating_duration_since(Instant::now());
        let is_over = || is_interrupted() || is_last && Instant::now() >= deadline;
        let shared = &self.shared;
        shared.text.mark(lsn);
        // After the last checkpoint the directory may be opened again, by this process or another.
        shared.text.release();
        let mut is_complete = true;
        // The indexers work meanwhile.
        if let Some(checkpoints) = &shared.checkpoints {
            is_complete &= checkpoints.write_graph(&self.graph, lsn, is_last, &is_over);
        }
        if !shared.text.settle(if is_last { remaining() } else { CHECKPOINT_PATIENCE }) {
            tracing::info!("full-text indexes are still being built; their checkpoint will catch up at open");
        }
        if is_last && !shared.vector.settle(remaining().min(VECTOR_PATIENCE)) {
            tracing::info!("vector indexes are still being built; their checkpoint will catch up at open");
        }
        if let Some(checkpoints) = &shared.checkpoints {
            for state in self.vector.values() {
                is_complete &= checkpoints.write_vectors(state, lsn, is_last, &is_over);
            }
        }
        is_complete
    }

    /// Waits until every committed change is in the search bases, or `timeout` passes; true when it is.
    pub fn settle(&self, timeout: Duration) -> bool {
        self.shared.text.settle(timeout) && self.shared.vector.settle(timeout)
    }

    pub fn graph_image_size_bytes(&self) -> u64 {
        self.graph.memory_size_bytes() as u64
    }

    /// Per search index: name, LSN of the newest base (0 while the first is built), changed rows not in it.
    pub fn search_index_stats(&self) -> Vec<(String, Lsn, u64)> {
        fn stats<B: IndexBase, T>(states: &SearchStates<B, T>) -> impl Iterator<Item = (String, Lsn, u64)> {
            states.values().map(|state| {
                let indexed = state.cell.latest().map_or(Lsn(0), |base| base.indexed_lsn());
                (state.def.name.clone(), indexed, state.tail.ids_after(indexed).len() as u64)
            })
        }
        stats(&self.text).chain(stats(&self.vector)).collect()
    }

    /// Resident bytes of the search bases, as far as they are known.
    pub fn search_size_bytes(&self) -> u64 {
        fn size<B: IndexBase, T>(states: &SearchStates<B, T>) -> usize {
            states.values().filter_map(|state| state.cell.latest()).map(|base| base.memory_size_bytes()).sum()
        }
        (size(&self.text) + size(&self.vector)) as u64
    }
}

fn touched_indexes<B, T>(states: &SearchStates<B, T>, change: &Change) -> impl Iterator<Item = RelationId> {
    states.values().filter(move |state| state.source.touched(change).is_some()).map(|state| state.def.id)
}

fn is_topology_change(change: &Change) -> bool {
    matches!(change, Change::Node { .. } | Change::RelationshipCreated { .. } | Change::RelationshipDeleted { .. })
}

fn is_text(index: &IndexDef) -> bool {
    matches!(index.kind, IndexKind::FullText { .. })
}

fn is_vector(index: &IndexDef) -> bool {
    matches!(index.kind, IndexKind::Vector(_))
}

/// Follows the catalog: new and reset indexes get an empty state and a background build, dropped ones are forgotten.
/// `start` may preset the base of a new cell and gives its first tail and pending changes.
fn reconcile<B: IndexBase, T>(
    states: &SearchStates<B, T>,
    indexer: &Indexer<B>,
    catalog: &Catalog,
    is_of_kind: fn(&IndexDef) -> bool,
    reset: &FxHashSet<RelationId>,
    lsn: Lsn,
    rows: &KvSnapshot,
    start: impl Fn(&IndexContext, &IndexCell<B>) -> (Tail, PendingChanges),
) -> SearchStates<B, T> {
    let mut next = SearchStates::new();
    for def in catalog.indexes.values().filter(|def| is_of_kind(def)) {
        // An index whose column is gone is being dropped.
        let Some(source) = IndexSource::new(def, catalog) else { continue };
        let context = IndexContext { def: Arc::clone(def), source: source.clone() };
        let state = match states.get(&def.id) {
            Some(old) if !reset.contains(&def.id) => {
                if !Arc::ptr_eq(&old.def, def) || !old.source.same_definition(&source) {
                    indexer.update_context(context);
                }
                SearchState {
                    def: Arc::clone(def),
                    source,
                    cell: Arc::clone(&old.cell),
                    base: old.base.clone(),
                    tail: old.tail.clone(),
                    cache: Mutex::new(None),
                }
            }
            _ => {
                let cell = IndexCell::new();
                let (tail, pending) = start(&context, &cell);
                let base = cell.latest();
                indexer.follow(context, Arc::clone(&cell), pending, lsn, rows);
                SearchState { def: Arc::clone(def), source, cell, base, tail, cache: Mutex::new(None) }
            }
        };
        next.insert(def.id, Arc::new(state));
    }
    states.keys().filter(|id| !next.contains_key(id)).for_each(|id| indexer.forget(*id));
    next
}

/// Adds a batch's changes to the tails, moves to newer bases, and hands the ids to the indexer.
fn follow<B: IndexBase, T>(
    states: Arc<SearchStates<B, T>>,
    indexer: &Indexer<B>,
    reset: &FxHashSet<RelationId>,
    commits: &[(Lsn, Vec<Change>)],
    lsn: Lsn,
    rows: &KvSnapshot,
) -> Arc<SearchStates<B, T>> {
    if states.is_empty() {
        return states;
    }
    let mut next = None;
    let mut enqueued = Vec::new();
    for (id, state) in states.iter() {
        // A reset index is rebuilt from rows that include this batch.
        let changed: Vec<(u64, Lsn)> = if reset.contains(id) {
            Vec::new()
        } else {
            let of_commit = |(lsn, changes): &(Lsn, Vec<Change>)| {
                let lsn = *lsn;
                changes
                    .iter()
                    .filter_map(|change| state.source.touched(change))
                    .map(move |id| (id, lsn))
                    .collect::<Vec<_>>()
            };
            commits.iter().flat_map(of_commit).collect()
        };
        let latest = state.cell.latest();
        let base_moved = match (&latest, &state.base) {
            (Some(latest), Some(base)) => !Arc::ptr_eq(latest, base),
            (latest, base) => latest.is_some() != base.is_some(),
        };
        if changed.is_empty() && !base_moved {
            continue;
        }
        let mut tail = match &latest {
            Some(base) if base_moved => state.tail.after(base.indexed_lsn()),
            _ => state.tail.clone(),
        };
        tail.push(changed.clone());
        let moved = SearchState {
            def: Arc::clone(&state.def),
            source: state.source.clone(),
            cell: Arc::clone(&state.cell),
            base: latest,
            tail,
            cache: Mutex::new(None),
        };
        next.get_or_insert_with(|| SearchStates::clone(&states)).insert(*id, Arc::new(moved));
        if !changed.is_empty() {
            enqueued.push((*id, changed));
        }
    }
    if !enqueued.is_empty() {
        indexer.enqueue(lsn, rows, &enqueued);
    }
    next.map_or(states, Arc::new)
}
