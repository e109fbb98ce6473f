//! A published state of a text index, and its identity on disk.

use serde::{Deserialize, Serialize};
use tantivy::Searcher;
use xxhash_rust::xxh3::xxh3_64;

use super::schema::{ID_FIELD, TextSchema};
use super::tantivy_error;
use crate::derived::IndexBase;
use crate::error::Result;
use crate::ids::Lsn;
use crate::store::{Origin, StoreHistory};

/// A searcher over the base as of one LSN. Immutable; holds its segments.
pub(crate) struct TextBase {
    pub lsn: Lsn,
    pub searcher: Searcher,
}

impl TextBase {
    /// Ids of all live documents, in no particular order.
    pub fn ids(&self) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        for segment in self.searcher.segment_readers() {
            let ids = segment.fast_fields().u64(ID_FIELD).map_err(tantivy_error)?.first_or_default_col(0);
            let alive = segment.alive_bitset();
            let live = (0..segment.max_doc()).filter(|document| alive.is_none_or(|alive| alive.is_alive(*document)));
            found.extend(live.map(|document| ids.get_val(document)));
        }
        Ok(found)
    }
}

impl IndexBase for TextBase {
    fn indexed_lsn(&self) -> Lsn {
        self.lsn
    }

    fn serves_from(&self) -> Lsn {
        self.lsn
    }

    fn memory_size_bytes(&self) -> usize {
        // Segments are mapped files; what stays in memory is small and not reported by the library.
        self.searcher.segment_readers().len() * 4_096
    }
}

/// Version of the schema and the analyzers; a base of another version is rebuilt.
const LAYOUT_VERSION: u32 = 2;

/// Kept in the payload of each tantivy commit, so that it is written atomically with what it describes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Payload {
    layout: u32,
    origin: Origin,
    analyzer: String,
    field_count: usize,
    /// Of the others: the library keeps none.
    checksum: u64,
}

impl Payload {
    pub fn new(origin: Origin, schema: &TextSchema) -> Payload {
        let (analyzer, field_count) = (schema.analyzer.clone(), schema.fields.len());
        let checksum = xxh3_64(format!("{LAYOUT_VERSION} {origin:?} {analyzer} {field_count}").as_bytes());
        Payload { layout: LAYOUT_VERSION, origin, analyzer, field_count, checksum }
    }

    /// The LSN of the base, when it belongs to this database's past: not to a copy's or to one that was rolled back by
    /// restoring a backup.
    pub fn accepted_lsn(&self, history: &StoreHistory, current: Lsn, schema: &TextSchema) -> Option<Lsn> {
        let fits = history.leads_from(&self.origin, current) && *self == Payload::new(self.origin, schema);
        fits.then_some(self.origin.lsn)
    }
}
