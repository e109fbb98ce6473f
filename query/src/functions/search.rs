//! Full-text search over a `bm25` index. Both are carried out by the index: the optimizer replaces them by a search scan;
//! evaluating them row by row means that no index serves the query.

use super::registry::Table;
use crate::error::{QueryError, Result, sqlstate};
use sinew_storage::Value;

fn needs_index(what: &str) -> Result<Value> {
    Err(QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("{what} needs a bm25 index that serves the query"))
        .hint("CREATE INDEX … USING bm25 (column); the search must stand in WHERE, combined with AND"))
}

pub(super) fn register(t: &mut Table) {
    t.section("Full text");
    t.op("text @@@ text -> bool", |_, _| needs_index("@@@")).stable();
    t.f("bm25_score() -> float8", |_, _| needs_index("bm25_score()")).stable();
}
