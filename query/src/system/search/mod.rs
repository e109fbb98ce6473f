//! `search_messages` and `search_nodes`: full text and vectors together, fused and ranked.
//!
//! ```text
//! query ──┬─ full-text index ── BM25 ────────┐
//!         │                                  ├─ union of candidates ─ fuse ─ (neighbouring turns) ─ best k ─ rows
//!         └─ embedder ─ vector index ─ cosine┘
//! ```
//! Each side gives more candidates than are asked for ([`candidate_count`]), because the best of both together may be
//! far down in either. [`fusion`] holds the arithmetic, [`messages`] and [`nodes`] what is searched, [`crate::system::rows`] the stream
//! in which finished rows go out.

mod fusion;
mod messages;
mod nodes;

#[cfg(test)]
pub(super) mod tests;

use std::sync::Arc;

use sinew_storage::catalog::{IndexDef, IndexKind, VectorMetric};
use sinew_storage::search::{IdFilter, TextQueryMode};
use sinew_storage::{DataType, Value};

use crate::context::ExecContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::functions::args;
use crate::functions::{FunctionRegistry, Param};

use fusion::Side;

/// Most rows one search gives.
const MAX_K: i64 = 1_000;
const DEFAULT_K: i64 = 10;
/// `hnsw.ef_search` where the session has none.
const DEFAULT_SEARCH_WIDTH: usize = 40;

/// Registers this module's functions.
pub(super) fn register(registry: &FunctionRegistry) {
    registry.register_table_function(Arc::new(messages::SearchMessages::new()));
    registry.register_table_function(Arc::new(nodes::SearchNodes::new()));
}

/// Which indexes are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Text,
    Vector,
    Hybrid,
}

/// How the two sides of a hybrid search become one score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fusion {
    /// Sum of standardised scores.
    Standard,
    /// Reciprocal rank fusion.
    ReciprocalRank,
}

impl Mode {
    fn uses_text(self) -> bool {
        self != Mode::Vector
    }

    fn uses_vectors(self) -> bool {
        self != Mode::Text
    }
}

/// Candidates each side of a hybrid search gives.
fn candidate_count(mode: Mode, k: usize) -> usize {
    if mode == Mode::Hybrid { 4 * k + 50 } else { k }
}

fn param(name: &'static str, ty: DataType) -> Param {
    Param { name, ty, default: None }
}

fn param_or(name: &'static str, ty: DataType, default: Value) -> Param {
    Param { name, ty, default: Some(default) }
}

/// NULL is the default. 22023 out of 1 to 1000.
fn k_argument(value: &Value) -> Result<usize> {
    let k = if value.is_null() { DEFAULT_K } else { args::int(value)? };
    match usize::try_from(k) {
        Ok(count) if (1..=MAX_K).contains(&k) => Ok(count),
        _ => Err(QueryError::new(
            sqlstate::INVALID_PARAMETER_VALUE,
            format!("k must be between 1 and {MAX_K}, it is {k}"),
        )),
    }
}

/// One of some words, in any case; NULL is the first. 22023 naming them all.
pub(super) fn choice<T: Copy>(name: &str, value: &Value, choices: &[(&str, T)]) -> Result<T> {
    if value.is_null() {
        return choices.first().map(|choice| choice.1).ok_or_else(|| QueryError::internal("a choice of nothing"));
    }
    let text = args::text(value)?;
    if let Some((_, found)) = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
        return Ok(*found);
    }
    let words: Vec<String> = choices.iter().map(|(word, _)| format!("'{word}'")).collect();
    Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("unrecognized {name} \"{text}\""))
        .hint(format!("allowed values are {}", words.join(", "))))
}

fn mode_argument(value: &Value) -> Result<Mode> {
    choice("mode", value, &[("hybrid", Mode::Hybrid), ("text", Mode::Text), ("vector", Mode::Vector)])
}

fn fusion_argument(value: &Value) -> Result<Fusion> {
    choice("fusion", value, &[("standard", Fusion::Standard), ("rrf", Fusion::ReciprocalRank)])
}

fn optional_text(value: &Value) -> Result<Option<&str>> {
    if value.is_null() { Ok(None) } else { args::text(value).map(Some) }
}

/// Candidates a graph of vectors looks at (`hnsw.ef_search`).
pub(super) fn search_width(context: &ExecContext) -> usize {
    let setting = context.session.setting("hnsw.ef_search").and_then(|text| text.trim().parse().ok());
    setting.unwrap_or(DEFAULT_SEARCH_WIDTH)
}

/// The best `limit` rows by BM25.
fn text_side(
    context: &ExecContext,
    index: &IndexDef,
    query: &str,
    limit: usize,
    filter: Option<IdFilter<'_>>,
) -> Result<Side> {
    let hits = context.transaction.text_search(index, query, TextQueryMode::Words, limit, filter)?;
    // When every row with one of the words is here, the others' BM25 is known to be 0.
    let floor = (hits.len() < limit).then_some(0.0);
    Ok(Side::new(hits.iter().map(|hit| (hit.id, hit.score)).collect(), floor))
}

/// The nearest `limit` rows by similarity. A query without direction (nothing to embed) is near nothing.
fn vector_side(
    context: &ExecContext,
    index: &IndexDef,
    query: &[f32],
    limit: usize,
    filter: Option<IdFilter<'_>>,
) -> Result<Side> {
    let IndexKind::Vector(options) = &index.kind else {
        return Err(QueryError::internal(format!("index \"{}\" is not a vector index", index.name)));
    };
    if query.iter().all(|x| *x == 0.0) {
        return Ok(Side::default());
    }
    let width = search_width(context).max(limit);
    let hits = context.transaction.vector_search(index, query, limit, width, filter)?;
    Ok(Side::new(hits.iter().map(|hit| (hit.id, similarity(options.metric, hit.score))).collect(), None))
}

/// Higher is nearer: the cosine, 1 / (1 + d²), or the inner product.
fn similarity(metric: VectorMetric, distance: f64) -> f64 {
    match metric {
        VectorMetric::Cosine => 1.0 - distance,
        VectorMetric::Euclidean => 1.0 / (1.0 + distance * distance),
        VectorMetric::InnerProduct => -distance,
    }
}
