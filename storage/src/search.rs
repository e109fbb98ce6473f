//! Search on a snapshot: an index's base, with rows changed since taken from the overlay and evaluated exactly, merged.
//! A search sees precisely the transaction's snapshot and its own uncommitted writes.
//!
//! Rows whose text or vector is NULL or empty are in no index and are never found.

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::catalog::{IndexDef, IndexKind, IndexTarget};
use crate::derived::{CachedTail, IndexBase, IndexSource, Indexer, RowReader, SearchState, find_embedder};
use crate::error::{Result, StorageError};
use crate::fulltext::{self, TextTail};
use crate::ids::{Lsn, RelationId};
use crate::store::{Change, Keyspace, Transaction};
use crate::vector::{self, VectorTail};

pub use crate::fulltext::analyzer_names;
pub use crate::vector::vector_distance;

/// How long a search waits for an index that is being built before it reads all rows itself.
const BUILD_PATIENCE: Duration = Duration::from_secs(600);
/// How long a search waits for the indexer when the tail is above its limit.
const TAIL_PATIENCE: Duration = Duration::from_secs(5);

/// One hit: row, node or relationship id; BM25 score (higher is better) or distance (lower is nearer).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchHit {
    pub id: u64,
    pub score: f64,
}

/// How a text query is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextQueryMode {
    /// Any of the words, as people type (`search_messages`); never a syntax error.
    Words,
    /// Lucene-like syntax: fields, phrases, AND/OR/NOT, fuzzy (`queryNodes`, `@@@`); `InvalidSearchQuery` when malformed.
    Syntax,
}

/// Ids outside it are not returned.
pub type IdFilter<'a> = &'a dyn Fn(u64) -> bool;

impl Transaction {
    /// Best `limit` hits by BM25, best first, ties by id.
    pub fn text_search(
        &self,
        index: &IndexDef,
        query: &str,
        mode: TextQueryMode,
        limit: usize,
        filter: Option<IdFilter<'_>>,
    ) -> Result<Vec<SearchHit>> {
        let derived = self.derived();
        let source = self.index_source(index)?;
        self.note_search(index);
        let cancel = self.cancel_token();
        let search = || {
            let state = derived.text.get(&index.id);
            let build = |rows: &dyn RowReader, changed| TextTail::build(index, &source, rows, changed, &cancel);
            let caches = &self.cache().text;
            let parts = self.search_parts(index.id, &source, state, &derived.shared.text, caches, &build)?;
            let names = source.field_names(&|key| self.property_key_name(key));
            let query = fulltext::build_query(query, mode, index, &names)?;
            let Some(query) = query.filter(|_| limit > 0) else { return Ok(Vec::new()) };
            fulltext::search(&*query, parts.base.as_deref(), &parts.tails, limit, filter)
        };
        guarded("text search", search)
    }

    /// Nearest `k`, nearest first, ties by id; never fewer than k while k rows pass the filter. `search_width` is the
    /// graph's candidate list (hnsw.ef_search); exact scans ignore it.
    ///
    /// Errors: `DimensionMismatch`, `InvalidValue` for numbers that are not finite.
    pub fn vector_search(
        &self,
        index: &IndexDef,
        query: &[f32],
        k: usize,
        search_width: usize,
        filter: Option<IdFilter<'_>>,
    ) -> Result<Vec<SearchHit>> {
        let IndexKind::Vector(options) = &index.kind else {
            return Err(StorageError::Internal(format!("index \"{}\" is not a vector index", index.name)));
        };
        if query.len() != options.dimension_count as usize {
            return Err(StorageError::DimensionMismatch {
                what: format!("index \"{}\"", index.name),
                expected: options.dimension_count,
                actual: query.len() as u32,
            });
        }
        if !query.iter().all(|x| x.is_finite()) {
            return Err(StorageError::InvalidValue("a query vector holds only finite numbers".to_owned()));
        }
        let derived = self.derived();
        let source = self.index_source(index)?;
        self.note_search(index);
        let cancel = self.cancel_token();
        let embedders = &derived.shared.embedders;
        let search = || {
            let state = derived.vector.get(&index.id);
            let build =
                |rows: &dyn RowReader, changed| VectorTail::build(index, &source, rows, changed, embedders, &cancel);
            let caches = &self.cache().vector;
            let parts = self.search_parts(index.id, &source, state, &derived.shared.vector, caches, &build)?;
            let lsn = self.snapshot_lsn();
            vector::search(options, parts.base.as_deref(), &parts.tails, lsn, query, k, search_width, filter)
        };
        guarded("vector search", search)
    }

    /// The vector of a text under the index's embedder. `InvalidValue` when the index stores vectors of its own.
    pub fn embed_for(&self, index: &IndexDef, text: &str) -> Result<Vec<f32>> {
        match &index.kind {
            IndexKind::Vector(options) => match &options.embedder {
                Some(name) => Ok(find_embedder(&self.derived().shared.embedders, name)?.embed(text)),
                None => Err(StorageError::InvalidValue(format!(
                    "vector index \"{}\" has no embedder: it needs a vector to search for",
                    index.name
                ))),
            },
            _ => Err(StorageError::InvalidValue(format!("index \"{}\" is not a vector index", index.name))),
        }
    }

    /// Refuses a definition that no search could use: `InvalidValue` for an unknown analyzer or embedder and for options
    /// out of range, `DimensionMismatch` for an embedder of other dimensions.
    pub(crate) fn check_search_index(&self, index: &IndexDef) -> Result<()> {
        let source = self.index_source(index)?;
        if source.field_count() == 0 {
            return Err(StorageError::InvalidValue(format!("index \"{}\" has no columns", index.name)));
        }
        match &index.kind {
            IndexKind::Ordered { .. } => Ok(()),
            IndexKind::FullText { .. } => fulltext::check_definition(index, source.field_count()),
            IndexKind::Vector(_) => {
                vector::check_definition(index, source.field_count(), &self.derived().shared.embedders)
            }
        }
    }

    /// A search reads everything that its index covers.
    fn note_search(&self, index: &IndexDef) {
        let Some(reads) = self.reads() else { return };
        match &index.target {
            IndexTarget::Table { table, .. } => reads.whole(Keyspace::of_relation(*table)),
            IndexTarget::Nodes { .. } => reads.whole(Keyspace::NODES),
            IndexTarget::Relationships { .. } => reads.whole(Keyspace::RELATIONSHIPS),
        }
    }

    fn index_source(&self, index: &IndexDef) -> Result<IndexSource> {
        IndexSource::new(index, &self.catalog())
            .ok_or(StorageError::ObjectNotFound { kind: "index", name: index.name.clone() })
    }

    /// Ids of the index that this transaction changed; None when it reset the index.
    fn own_changes(&self, index: RelationId, source: &IndexSource) -> Option<FxHashSet<u64>> {
        let mut ids = FxHashSet::default();
        let mut reset = false;
        if self.has_writes() {
            self.for_each_own_change(&mut |change| {
                ids.extend(source.touched(change));
                reset |= *change == Change::IndexReset { index };
            });
        }
        (!reset).then_some(ids)
    }

    /// The newest base that serves this snapshot, and the evaluated rows that it does not know. Without a base the only
    /// tail is every row as the transaction sees it.
    fn search_parts<B: IndexBase, T>(
        &self,
        index: RelationId,
        source: &IndexSource,
        state: Option<&Arc<SearchState<B, T>>>,
        indexer: &Indexer<B>,
        caches: &Mutex<FxHashMap<RelationId, CachedTail<T>>>,
        build: &dyn Fn(&dyn RowReader, Option<FxHashSet<u64>>) -> Result<T>,
    ) -> Result<SearchParts<B, T>> {
        let epoch = self.change_epoch();
        let own_tail = |complete: bool, changed: Option<FxHashSet<u64>>| -> Result<Arc<T>> {
            if let Some(cached) = caches.lock().get(&index)
                && cached.epoch == epoch
                && cached.complete == complete
            {
                return Ok(Arc::clone(&cached.tail));
            }
            let tail = Arc::new(build(self, changed)?);
            caches.lock().insert(index, CachedTail { epoch, complete, tail: Arc::clone(&tail) });
            Ok(tail)
        };
        let own = self.own_changes(index, source);
        // An index this transaction created is not in the snapshot; one it reset is not what the snapshot knows.
        let (Some(state), Some(own)) = (state, own) else {
            return Ok(SearchParts { base: None, tails: vec![own_tail(true, None)?] });
        };
        let Some(base) = self.base_for(state, indexer)? else {
            return Ok(SearchParts { base: None, tails: vec![own_tail(true, None)?] });
        };
        // A base past the snapshot still holds what the snapshot's tail does not name.
        let since = if base.indexed_lsn() <= self.snapshot_lsn() { base.indexed_lsn() } else { Lsn(0) };
        let mut tails = vec![self.committed_tail(state, since, build)?];
        if !own.is_empty() {
            tails.push(own_tail(false, Some(own))?);
        }
        Ok(SearchParts { base: Some(base), tails })
    }

    /// What others committed after the base, evaluated once for all transactions on this snapshot.
    fn committed_tail<B, T>(
        &self,
        state: &SearchState<B, T>,
        since: Lsn,
        build: &dyn Fn(&dyn RowReader, Option<FxHashSet<u64>>) -> Result<T>,
    ) -> Result<Arc<T>> {
        let mut cached = state.cache.lock();
        match &*cached {
            Some((known, tail)) if *known == since => Ok(Arc::clone(tail)),
            _ => {
                let tail = Arc::new(build(&self.rows(), Some(state.tail.ids_after(since)))?);
                *cached = Some((since, Arc::clone(&tail)));
                Ok(tail)
            }
        }
    }

    /// Waits for a first base, and for a newer one while the tail is above its limit; None when all rows must be read.
    fn base_for<B: IndexBase, T>(&self, state: &SearchState<B, T>, indexer: &Indexer<B>) -> Result<Option<Arc<B>>> {
        let snapshot = self.snapshot_lsn();
        let limit = self.derived().shared.tail_limit_rows;
        let newest =
            |latest: Option<Arc<B>>| latest.filter(|base| base.serves_from() <= snapshot).or(state.base.clone());
        let tail_len = |base: &B| {
            if state.tail.len() <= limit { 0 } else { state.tail.ids_after(base.indexed_lsn()).len() }
        };
        match newest(state.cell.latest()) {
            Some(base) if tail_len(&base) <= limit => Ok(Some(base)),
            current => {
                indexer.hurry();
                let patience = if current.is_some() { TAIL_PATIENCE } else { BUILD_PATIENCE };
                // A base past the snapshot never serves it: waiting longer is of no use.
                let enough = |base: &B| base.serves_from() > snapshot || tail_len(base) <= limit;
                Ok(newest(state.cell.wait(&self.cancel_token(), patience, enough)?))
            }
        }
    }
}

/// What one search reads: a row counts in the last part that names it.
struct SearchParts<B, T> {
    base: Option<Arc<B>>,
    /// What others committed after the base, then what the transaction changed itself.
    tails: Vec<Arc<T>>,
}

/// Turns a panic of a search library into an error.
fn guarded<T>(what: &str, search: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(search)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(StorageError::Internal(format!("{what} panicked: {message}")))
    })
}
