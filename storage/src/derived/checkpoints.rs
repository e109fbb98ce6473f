//! The checkpoint files of a data directory: where they are, when they are written, and reading them at open.
//!
//! ```text
//! graph/image.checkpoint         the graph image
//! vector/<index id>.checkpoint   ids and vectors of an index
//! fts/<index id>/                full text, whose library writes files of its own
//! ```
//!
//! Writing works on structures that a published snapshot shares: nothing waits for it. The caller passes an LSN at or
//! below which everything is durable, and structures that hold nothing above it. A file that was written is left alone
//! while its content stays the same, unless the change log would soon no longer reach back to it; otherwise it is written
//! again after a pause that grows with its size, so that large files do not keep the disk busy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::checkpoint_file::{
    CheckpointKey, CheckpointKind, CheckpointReader, CheckpointWriter, IsInterrupted, UNFINISHED,
};
use super::{IndexBase, SearchState};
use crate::catalog::{Catalog, IndexDef, IndexKind};
use crate::error::{Result, StorageError};
use crate::graph::image::GraphImage;
use crate::ids::{Lsn, RelationId};
use crate::store::{CHANGE_LOG_COMMITS, KvSnapshot, StoreHistory};
use crate::vector::{VectorBase, VectorTail};

/// A file this many commits old is written again even if it would hold the same.
const MAX_AGE_COMMITS: u64 = CHANGE_LOG_COMMITS / 2;
/// A file is written again at the earliest after the time in which this many bytes a second make its size.
const BYTES_PER_SECOND: u64 = 4 << 20;
const GRAPH_FOLDER: &str = "graph";
const VECTOR_FOLDER: &str = "vector";
const EXTENSION: &str = "checkpoint";

/// A file that is there.
struct Written<C> {
    /// Tells whether the structure has changed since.
    content: C,
    lsn: Lsn,
    size_bytes: u64,
    at: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Due {
    Now,
    /// There is something to write, but not yet.
    Later,
    No,
}

impl<C> Written<C> {
    fn due(written: Option<&Written<C>>, is_same: impl Fn(&C) -> bool, lsn: Lsn, is_last: bool) -> Due {
        let Some(written) = written else { return Due::Now };
        if is_same(&written.content) && lsn.0 <= written.lsn.0.saturating_add(MAX_AGE_COMMITS) {
            return Due::No;
        }
        let pause = Duration::from_secs(written.size_bytes / BYTES_PER_SECOND);
        if is_last || written.at.elapsed() >= pause { Due::Now } else { Due::Later }
    }
}

pub(crate) struct Checkpoints {
    directory: PathBuf,
    history: StoreHistory,
    graph: Mutex<Option<Written<Weak<GraphImage>>>>,
    /// The content of a vector base is told by the LSN it was indexed to.
    vectors: Mutex<FxHashMap<RelationId, Written<Lsn>>>,
}

impl Checkpoints {
    /// Removes files of indexes that no longer exist, and what was left half written.
    pub fn open(directory: &Path, rows: &KvSnapshot, catalog: &Catalog) -> Result<Checkpoints> {
        let checkpoints = Checkpoints {
            directory: directory.to_owned(),
            history: StoreHistory::read(rows)?,
            graph: Mutex::new(None),
            vectors: Mutex::default(),
        };
        let unfinished = checkpoints.graph_path().with_extension(UNFINISHED);
        remove_file(&unfinished);
        if let Ok(entries) = std::fs::read_dir(directory.join(VECTOR_FOLDER)) {
            for path in entries.flatten().map(|entry| entry.path()) {
                let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
                let index = id.map(RelationId).and_then(|id| catalog.indexes.get(&id));
                let is_known = index.is_some_and(|index| matches!(index.kind, IndexKind::Vector(_)));
                if !is_known || path.extension().is_none_or(|extension| extension != EXTENSION) {
                    remove_file(&path);
                }
            }
        }
        Ok(checkpoints)
    }

    fn graph_path(&self) -> PathBuf {
        self.directory.join(GRAPH_FOLDER).join("image").with_extension(EXTENSION)
    }

    fn vectors_path(&self, index: RelationId) -> PathBuf {
        self.directory.join(VECTOR_FOLDER).join(index.to_string()).with_extension(EXTENSION)
    }

    /// The image of `rows`, whose last commit is `lsn`, from its file and the change log. None when there is no file, or
    /// none that can be used.
    pub fn load_graph(&self, rows: &KvSnapshot, lsn: Lsn) -> Option<Arc<GraphImage>> {
        let loaded = catch_unwind(AssertUnwindSafe(|| self.read_graph(rows, lsn)))
            .unwrap_or_else(|_| Err(StorageError::Internal("reading it panicked".to_owned())));
        loaded.unwrap_or_else(|error| {
            tracing::warn!(%error, "the checkpoint of the graph cannot be used; building the graph from its rows");
            None
        })
    }

    fn read_graph(&self, rows: &KvSnapshot, lsn: Lsn) -> Result<Option<Arc<GraphImage>>> {
        let started = Instant::now();
        let Some(mut file) = CheckpointReader::open(&self.graph_path(), GRAPH_KEY, &self.history, lsn)? else {
            return Ok(None);
        };
        let image = GraphImage::read_checkpoint(&mut file)?;
        let (from, size_bytes) = (file.lsn(), file.size_bytes());
        let Some(image) = image.catch_up(rows, from)? else {
            tracing::info!("the checkpoint of the graph is too old to catch up; building the graph from its rows");
            return Ok(None);
        };
        let image = Arc::new(image);
        if from == lsn {
            let content = Arc::downgrade(&image);
            *self.graph.lock() = Some(Written { content, lsn, size_bytes, at: Instant::now() });
        }
        tracing::debug!(elapsed = ?started.elapsed(), %from, to = %lsn, size_bytes, "loaded the graph");
        Ok(Some(image))
    }

    /// Writes the image as of `lsn` if it is time; false when something was put off.
    pub fn write_graph(
        &self,
        image: &Arc<GraphImage>,
        lsn: Lsn,
        is_last: bool,
        is_interrupted: IsInterrupted<'_>,
    ) -> bool {
        let due = {
            let written = self.graph.lock();
            if written.is_none() && image.is_empty() {
                return true;
            }
            Written::due(written.as_ref(), |content| std::ptr::eq(content.as_ptr(), Arc::as_ptr(image)), lsn, is_last)
        };
        if due != Due::Now {
            return due == Due::No;
        }
        let write = |writer: &mut CheckpointWriter<'_>| image.write_checkpoint(writer);
        match self.write(&self.graph_path(), GRAPH_KEY, lsn, is_interrupted, write) {
            Ok(size_bytes) => {
                let content = Arc::downgrade(image);
                *self.graph.lock() = Some(Written { content, lsn, size_bytes, at: Instant::now() });
                true
            }
            Err(error) => put_off("the graph", &error),
        }
    }

    /// Opens an index's file; see [`CheckpointReader::open`].
    pub fn open_vectors(&self, index: &IndexDef, lsn: Lsn) -> Result<Option<CheckpointReader>> {
        CheckpointReader::open(&self.vectors_path(index.id), vectors_key(index)?, &self.history, lsn)
    }

    /// A base was read from a file, and nothing has changed since up to `indexed`.
    pub fn loaded_vectors(&self, index: RelationId, indexed: Lsn, file: &CheckpointReader) {
        let written = Written { content: indexed, lsn: file.lsn(), size_bytes: file.size_bytes(), at: Instant::now() };
        self.vectors.lock().insert(index, written);
    }

    /// Writes the newest base of an index, as of a snapshot at `lsn`, if it is time; false when something was put off.
    pub fn write_vectors(
        &self,
        state: &SearchState<VectorBase, VectorTail>,
        lsn: Lsn,
        is_last: bool,
        is_interrupted: IsInterrupted<'_>,
    ) -> bool {
        let newest = state.cell.latest().filter(|base| base.indexed_lsn() <= lsn);
        let Some(base) = newest.or_else(|| state.base.clone()) else {
            // The first base is being built.
            return false;
        };
        let (id, indexed) = (state.def.id, base.indexed_lsn());
        // A base that nothing follows holds everything up to the snapshot.
        let complete = if state.tail.ids_after(indexed).is_empty() { lsn } else { indexed };
        let due = {
            let vectors = self.vectors.lock();
            let written = vectors.get(&id);
            if written.is_none() && base.visible_ids(complete).next().is_none() {
                return true;
            }
            Written::due(written, |content| *content == indexed, complete, is_last)
        };
        if due != Due::Now {
            return due == Due::No;
        }
        let write = |writer: &mut CheckpointWriter<'_>| base.write_checkpoint(complete, writer);
        let result = vectors_key(&state.def)
            .and_then(|key| self.write(&self.vectors_path(id), key, complete, is_interrupted, write));
        match result {
            Ok(size_bytes) => {
                let written = Written { content: indexed, lsn: complete, size_bytes, at: Instant::now() };
                self.vectors.lock().insert(id, written);
                true
            }
            Err(error) => put_off(&state.def.name, &error),
        }
    }

    /// The index is gone.
    pub fn remove_vectors(&self, index: RelationId) {
        self.vectors.lock().remove(&index);
        remove_file(&self.vectors_path(index));
    }

    fn write(
        &self,
        path: &Path,
        key: CheckpointKey,
        lsn: Lsn,
        is_interrupted: IsInterrupted<'_>,
        write: impl FnOnce(&mut CheckpointWriter<'_>) -> Result<()>,
    ) -> Result<u64> {
        let started = Instant::now();
        let mut writer = CheckpointWriter::create(path, key, self.history.origin(lsn), is_interrupted)?;
        write(&mut writer)?;
        let size_bytes = writer.finish()?;
        tracing::debug!(path = %path.display(), %lsn, size_bytes, elapsed = ?started.elapsed(), "wrote a checkpoint");
        Ok(size_bytes)
    }
}

const GRAPH_KEY: CheckpointKey =
    CheckpointKey { kind: CheckpointKind::GraphImage, index: RelationId(0), fingerprint: 0 };

fn vectors_key(index: &IndexDef) -> Result<CheckpointKey> {
    let definition = serde_json::to_vec(&(&index.target, &index.kind))
        .map_err(|error| StorageError::Internal(format!("definition of a vector index: {error}")))?;
    Ok(CheckpointKey { kind: CheckpointKind::VectorBase, index: index.id, fingerprint: xxh3_64(&definition) })
}

/// Without a new file, the one before it serves, or the rows do.
fn put_off(what: &str, error: &StorageError) -> bool {
    match error {
        StorageError::ShuttingDown => tracing::info!("the checkpoint of {what} was not finished in time"),
        error => tracing::warn!(%error, "{what} was not checkpointed"),
    }
    false
}

fn remove_file(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a checkpoint file could not be removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_when_something_changed_or_the_log_moves_on() {
        let written = |size_bytes: u64| Written { content: 7, lsn: Lsn(100), size_bytes, at: Instant::now() };
        let due = |written: Option<&Written<i32>>, content: i32, lsn: u64, is_last: bool| {
            Written::due(written, |old| *old == content, Lsn(lsn), is_last)
        };
        assert!(due(None, 7, 100, false) == Due::Now);
        let small = written(1_000);
        assert!(due(Some(&small), 7, 100 + MAX_AGE_COMMITS, true) == Due::No);
        assert!(due(Some(&small), 7, 101 + MAX_AGE_COMMITS, false) == Due::Now);
        assert!(due(Some(&small), 8, 101, false) == Due::Now);
        let large = written(BYTES_PER_SECOND * 3_600);
        assert!(due(Some(&large), 8, 101, false) == Due::Later);
        assert!(due(Some(&large), 8, 101, true) == Due::Now);
    }
}
