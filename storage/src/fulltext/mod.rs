//! Full-text indexes: tantivy as the base, a small index in memory for what changed since.
//!
//! The base of an index is a tantivy index in `fts/<index id>/` of the data directory (in memory for a store without
//! one). It holds, per row, the id and the postings of each indexed column or property, no text. Each commit of the base
//! carries, in its payload, the state it was made of (`store/history.rs`): database uuid, epoch with its mark, LSN. A base
//! whose payload does not fit the database is thrown away and rebuilt from the rows, as is one that does not open. Files
//! may be deleted at any time while the store is closed.
//!
//! A base serves snapshots at or above its LSN. A snapshot captures the searcher of the newest base when it is made, so
//! an older snapshot keeps the older searcher (and its segments) alive while it lives.

mod analyzer;
mod base;
mod follower;
mod lucene;
mod query;
mod schema;
mod search;
mod tail;
mod verify;

pub(crate) use analyzer::WordTokenizer;
pub use analyzer::analyzer_names;
pub(crate) use base::TextBase;
pub(crate) use follower::TextFollower;
pub(crate) use query::build_query;
pub(crate) use search::search;
pub(crate) use tail::TextTail;

use crate::catalog::IndexDef;
use crate::derived::IndexedValues;
use crate::error::{Result, StorageError};
use crate::value::Value;

/// `InvalidValue` for an analyzer that does not exist.
pub(crate) fn check_definition(index: &IndexDef, field_count: usize) -> Result<()> {
    schema::TextSchema::new(index, field_count).map(drop)
}

/// True when a row with these values has a document.
pub(crate) fn has_text(values: &IndexedValues) -> bool {
    values.iter().any(|value| !text_of(value).is_empty())
}

fn tantivy_error(error: tantivy::TantivyError) -> StorageError {
    StorageError::Io(format!("full-text index: {error}"))
}

/// Text of an indexed value: of a string itself, of a list its strings. Nothing else is text.
fn text_of(value: &Value) -> smallvec::SmallVec<[&str; 1]> {
    match value {
        Value::Text(text) => std::iter::once(&**text).filter(|text| !text.is_empty()).collect(),
        Value::List(items) => items.iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect(),
        _ => Default::default(),
    }
}
