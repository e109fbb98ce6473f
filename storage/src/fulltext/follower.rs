//! Keeps text bases up to date: one tantivy writer at a time, opened when there is something to index and closed when
//! nothing has come for a while.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustc_hash::FxHashMap;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, Term};

use super::analyzer::tokenizer_manager;
use super::base::{Payload, TextBase};
use super::schema::TextSchema;
use super::tantivy_error;
use super::verify::verify;
use crate::catalog::{Catalog, IndexKind};
use crate::derived::{Follower, IndexContext, IndexSource, PendingChanges};
use crate::error::{Result, StorageError};
use crate::ids::{Lsn, RelationId};
use crate::store::{Change, KvSnapshot, StoreHistory};

/// The smallest budget that tantivy accepts.
const WRITER_MEMORY_BYTES: usize = 15_000_000;
/// Segments with more deleted documents than this are merged.
const DELETED_RATIO: f32 = 0.3;

struct OpenIndex {
    index: Index,
    reader: IndexReader,
    schema: TextSchema,
}

pub(crate) struct TextFollower {
    /// `fts/` of the data directory; None keeps bases in memory.
    directory: Option<PathBuf>,
    history: StoreHistory,
    open: FxHashMap<RelationId, OpenIndex>,
    writer: Option<(RelationId, IndexWriter)>,
}

/// Bases loaded from files, each with the logged changes since.
pub(crate) type LoadedBases = HashMap<RelationId, (Arc<TextBase>, Arc<Vec<(Lsn, Vec<Change>)>>)>;

fn io_error(path: &Path, error: std::io::Error) -> StorageError {
    StorageError::Io(format!("{}: {error}", path.display()))
}

impl TextFollower {
    /// Removes directories of indexes that no longer exist.
    pub fn open(directory: Option<&Path>, rows: &KvSnapshot, catalog: &Catalog) -> Result<TextFollower> {
        let directory = directory.map(|directory| directory.join("fts"));
        if let Some(directory) = &directory {
            std::fs::create_dir_all(directory).map_err(|error| io_error(directory, error))?;
            for entry in std::fs::read_dir(directory).map_err(|error| io_error(directory, error))?.flatten() {
                let id = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(RelationId);
                let known = id.and_then(|id| catalog.indexes.get(&id));
                if !known.is_some_and(|index| matches!(index.kind, IndexKind::FullText { .. })) {
                    remove_directory(&entry.path());
                }
            }
        }
        Ok(TextFollower { directory, history: StoreHistory::read(rows)?, open: FxHashMap::default(), writer: None })
    }

    /// Opens what is on disk and fits the database. Others are left for a rebuild.
    pub fn load(&self, rows: &KvSnapshot, catalog: &Catalog, lsn: Lsn) -> LoadedBases {
        let mut loaded = LoadedBases::new();
        let Some(directory) = &self.directory else { return loaded };
        // Bases of one age share the decoded log.
        let mut logs: HashMap<Lsn, Option<Arc<Vec<(Lsn, Vec<Change>)>>>> = HashMap::new();
        for index in catalog.indexes.values().filter(|index| matches!(index.kind, IndexKind::FullText { .. })) {
            let path = directory.join(index.id.to_string());
            if !path.join("meta.json").exists() {
                continue;
            }
            let Some(source) = IndexSource::new(index, catalog) else { continue };
            let load =
                || TextSchema::new(index, source.field_count()).and_then(|schema| self.load_one(&path, schema, lsn));
            // The library trusts its files, and may panic over damaged ones.
            let base = catch_unwind(AssertUnwindSafe(load))
                .unwrap_or_else(|_| Err(StorageError::Corrupted("opening a full-text index panicked".to_owned())));
            match base {
                Ok(Some(base)) => {
                    let log = logs.entry(base.lsn).or_insert_with(|| read_log(rows, base.lsn));
                    let reset = |log: &Vec<(Lsn, Vec<Change>)>| {
                        log.iter()
                            .flat_map(|(_, changes)| changes)
                            .any(|c| *c == Change::IndexReset { index: index.id })
                    };
                    match log {
                        Some(log) if !reset(log) => {
                            loaded.insert(index.id, (Arc::new(base), Arc::clone(log)));
                        }
                        _ => {
                            tracing::info!(index = %index.name, "full-text index is too old to catch up; rebuilding it")
                        }
                    }
                }
                Ok(None) => {
                    tracing::info!(index = %index.name, "full-text index belongs to another state; rebuilding it")
                }
                Err(error) => {
                    tracing::warn!(index = %index.name, %error, "full-text index does not open; rebuilding it")
                }
            }
        }
        loaded
    }

    fn load_one(&self, path: &Path, schema: TextSchema, lsn: Lsn) -> Result<Option<TextBase>> {
        let mut index = Index::open_in_dir(path).map_err(tantivy_error)?;
        index.set_tokenizers(tokenizer_manager());
        let payload = index.load_metas().map_err(tantivy_error)?.payload.unwrap_or_default();
        let Ok(payload) = serde_json::from_str::<Payload>(&payload) else { return Ok(None) };
        let Some(base_lsn) = payload.accepted_lsn(&self.history, lsn, &schema) else { return Ok(None) };
        if index.schema() != schema.schema {
            return Ok(None);
        }
        let searcher = open_reader(&index)?.searcher();
        verify(&index, &searcher, path)?;
        Ok(Some(TextBase { lsn: base_lsn, searcher }))
    }

    fn path(&self, index: RelationId) -> Option<PathBuf> {
        self.directory.as_ref().map(|directory| directory.join(index.to_string()))
    }

    /// Opens an index that [`Self::load`] accepted, or creates it anew.
    fn open_index(&mut self, context: &IndexContext, create: bool) -> Result<()> {
        let id = context.def.id;
        if create {
            self.close_writer(id);
            self.open.remove(&id);
        } else if self.open.contains_key(&id) {
            return Ok(());
        }
        let schema = TextSchema::new(&context.def, context.source.field_count())?;
        let mut index = match self.path(id) {
            Some(path) if create => {
                remove_directory(&path);
                std::fs::create_dir_all(&path).map_err(|error| io_error(&path, error))?;
                Index::create_in_dir(&path, schema.schema.clone()).map_err(tantivy_error)?
            }
            Some(path) => Index::open_in_dir(&path).map_err(tantivy_error)?,
            None if create => Index::create_in_ram(schema.schema.clone()),
            None => return Err(StorageError::Internal("a text index in memory was lost".to_owned())),
        };
        index.set_tokenizers(tokenizer_manager());
        let reader = open_reader(&index)?;
        self.open.insert(id, OpenIndex { index, reader, schema });
        Ok(())
    }

    fn close_writer(&mut self, index: RelationId) {
        if self.writer.as_ref().is_some_and(|(open, _)| *open == index) {
            self.writer = None;
        }
    }

    /// Takes the writer out, so that an error anywhere drops it and its uncommitted documents.
    fn take_writer(&mut self, id: RelationId) -> Result<IndexWriter> {
        match self.writer.take() {
            Some((open, writer)) if open == id => return Ok(writer),
            Some((_, writer)) => finish_merges(writer),
            None => {}
        }
        let open = self.open.get(&id).ok_or_else(|| StorageError::Internal("text index is not open".to_owned()))?;
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .memory_budget_per_thread(WRITER_MEMORY_BYTES)
            .num_merge_threads(1)
            .build();
        let writer: IndexWriter = open.index.writer_with_options(options).map_err(tantivy_error)?;
        let mut merges = LogMergePolicy::default();
        merges.set_del_docs_ratio_before_merge(DELETED_RATIO);
        writer.set_merge_policy(Box::new(merges));
        Ok(writer)
    }

    fn commit(&mut self, id: RelationId, mut writer: IndexWriter, lsn: Lsn) -> Result<Arc<TextBase>> {
        let open = self.open.get(&id).ok_or_else(|| StorageError::Internal("text index is not open".to_owned()))?;
        let payload = serde_json::to_string(&Payload::new(self.history.origin(lsn), &open.schema))
            .map_err(|error| StorageError::Internal(format!("payload of a text index: {error}")))?;
        let mut prepared = writer.prepare_commit().map_err(tantivy_error)?;
        prepared.set_payload(&payload);
        prepared.commit().map_err(tantivy_error)?;
        open.reader.reload().map_err(tantivy_error)?;
        let base = TextBase { lsn, searcher: open.reader.searcher() };
        self.writer = Some((id, writer));
        Ok(Arc::new(base))
    }
}

fn open_reader(index: &Index) -> Result<IndexReader> {
    index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .doc_store_cache_num_blocks(1)
        .try_into()
        .map_err(tantivy_error)
}

fn read_log(rows: &KvSnapshot, since: Lsn) -> Option<Arc<Vec<(Lsn, Vec<Change>)>>> {
    let read = || -> Result<_> {
        let Some(log) = rows.changes_since(since)? else { return Ok(None) };
        Ok(Some(Arc::new(log.collect::<Result<Vec<_>>>()?)))
    };
    read().unwrap_or_else(|error| {
        tracing::warn!(%error, "the change log could not be read");
        None
    })
}

fn remove_directory(path: &Path) {
    if let Err(error) = std::fs::remove_dir_all(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "files of a full-text index could not be removed");
    }
}

fn finish_merges(writer: IndexWriter) {
    if let Err(error) = writer.wait_merging_threads() {
        tracing::warn!(%error, "merging a full-text index failed");
    }
}

impl Follower for TextFollower {
    type Base = TextBase;

    fn rebuild(
        &mut self,
        index: &IndexContext,
        rows: &KvSnapshot,
        lsn: Lsn,
        stop: &AtomicBool,
    ) -> Result<Arc<TextBase>> {
        self.open_index(index, true)?;
        let id = index.def.id;
        let writer = self.take_writer(id)?;
        let schema = self.open[&id].schema.clone();
        index.source.for_each(rows, &mut |row, values| {
            if stop.load(Ordering::Acquire) {
                return Err(StorageError::ShuttingDown);
            }
            if let Some(document) = schema.document(row, &values) {
                writer.add_document(document).map_err(tantivy_error)?;
            }
            Ok(())
        })?;
        self.commit(id, writer, lsn)
    }

    fn advance(
        &mut self,
        index: &IndexContext,
        _base: &Arc<TextBase>,
        changes: PendingChanges,
        rows: &KvSnapshot,
        lsn: Lsn,
    ) -> Result<Arc<TextBase>> {
        self.open_index(index, false)?;
        let id = index.def.id;
        let writer = self.take_writer(id)?;
        let schema = self.open[&id].schema.clone();
        let mut changed: Vec<u64> = changes.into_keys().collect();
        changed.sort_unstable();
        for row in changed {
            writer.delete_term(Term::from_field_u64(schema.id, row));
            if let Some(values) = index.source.values(rows, row)?
                && let Some(document) = schema.document(row, &values)
            {
                writer.add_document(document).map_err(tantivy_error)?;
            }
        }
        self.commit(id, writer, lsn)
    }

    fn mark(&mut self, index: &IndexContext, _base: &Arc<TextBase>, lsn: Lsn) -> Result<Arc<TextBase>> {
        self.open_index(index, false)?;
        let writer = self.take_writer(index.def.id)?;
        self.commit(index.def.id, writer, lsn)
    }

    fn background(&mut self, _index: &IndexContext, _base: &Arc<TextBase>) -> Option<Arc<TextBase>> {
        None
    }

    fn forget(&mut self, index: RelationId) {
        self.close_writer(index);
        self.open.remove(&index);
        if let Some(path) = self.path(index) {
            remove_directory(&path);
        }
    }

    fn idle(&mut self) {
        if let Some((_, writer)) = self.writer.take() {
            finish_merges(writer);
        }
    }
}
