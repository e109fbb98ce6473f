//! Search on a snapshot: an index's base, with rows changed since taken from the overlay and evaluated exactly, merged.
//! A search sees precisely the transaction's snapshot and its own uncommitted writes.

use crate::catalog::{IndexDef, VectorMetric};
use crate::error::Result;
use crate::store::Transaction;

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
        let _ = (index, query, mode, limit, filter);
        todo!("storage-search")
    }

    /// Nearest `k`, nearest first, ties by id; never fewer than k while k rows pass the filter.
    pub fn vector_search(
        &self,
        index: &IndexDef,
        query: &[f32],
        k: usize,
        search_width: usize,
        filter: Option<IdFilter<'_>>,
    ) -> Result<Vec<SearchHit>> {
        let _ = (index, query, k, search_width, filter);
        todo!("storage-search")
    }
}

/// Distance as pgvector's operator of the metric gives it. NaN for cosine with a zero vector.
pub fn vector_distance(metric: VectorMetric, a: &[f32], b: &[f32]) -> f64 {
    let _ = (metric, a, b);
    todo!("storage-search")
}
