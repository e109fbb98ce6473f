//! Changed rows as a small text index in memory, with the base's analyzer and schema, so that they match and score alike.

use rustc_hash::FxHashSet;
use tantivy::{Index, ReloadPolicy, Searcher};

use super::analyzer::tokenizer_manager;
use super::schema::TextSchema;
use super::tantivy_error;
use crate::catalog::IndexDef;
use crate::derived::{IndexSource, RowReader};
use crate::error::Result;
use crate::store::CancelToken;

/// Sizes the first hash table only: small, since most tails are.
const WRITER_MEMORY_BYTES: usize = 3_000_000;

pub(crate) struct TextTail {
    /// Ids that are evaluated here: hits of the base on them are dropped. None stands for all rows.
    changed: Option<FxHashSet<u64>>,
    /// None when no changed row holds text.
    pub searcher: Option<Searcher>,
}

impl TextTail {
    /// True when rows with this id are evaluated here, so that older parts must not give them.
    pub fn covers(&self, id: u64) -> bool {
        self.changed.as_ref().is_none_or(|changed| changed.contains(&id))
    }

    /// Reads and indexes the changed rows, or all of them.
    pub fn build(
        index: &IndexDef,
        source: &IndexSource,
        rows: &dyn RowReader,
        changed: Option<FxHashSet<u64>>,
        cancel: &CancelToken,
    ) -> Result<TextTail> {
        let schema = TextSchema::new(index, source.field_count())?;
        let mut writer = None;
        let mut add = |id: u64, values| -> Result<()> {
            let Some(document) = schema.document(id, &values) else { return Ok(()) };
            if writer.is_none() {
                let builder = Index::builder().schema(schema.schema.clone()).tokenizers(tokenizer_manager());
                let directory = Box::new(tantivy::directory::RamDirectory::create());
                let opened = builder.single_segment_index_writer(*directory, WRITER_MEMORY_BYTES);
                writer = Some(opened.map_err(tantivy_error)?);
            }
            let writer: &mut tantivy::SingleSegmentIndexWriter = writer.as_mut().expect("opened above");
            writer.add_document(document).map_err(tantivy_error)
        };
        match &changed {
            Some(ids) => {
                for (count, id) in ids.iter().enumerate() {
                    if count % 256 == 0 {
                        cancel.check()?;
                    }
                    if let Some(values) = source.values(rows, *id)? {
                        add(*id, values)?;
                    }
                }
            }
            None => source.for_each(rows, &mut |id, values| {
                cancel.check()?;
                add(id, values)
            })?,
        }
        let searcher = match writer {
            Some(writer) => {
                let index = writer.finalize().map_err(tantivy_error)?;
                let reader = index
                    .reader_builder()
                    .reload_policy(ReloadPolicy::Manual)
                    .doc_store_cache_num_blocks(1)
                    .try_into()
                    .map_err(tantivy_error)?;
                Some(reader.searcher())
            }
            None => None,
        };
        Ok(TextTail { changed, searcher })
    }
}
