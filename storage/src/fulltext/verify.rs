//! Whether the files of a text index are as the library wrote them: it trusts most of what it reads.

use std::path::Path;

use tantivy::{Index, Searcher};

use super::schema::ID_FIELD;
use super::tantivy_error;
use crate::error::{Result, StorageError};

const META_FILE: &str = "meta.json";

/// Reads all files once. Errors with `Corrupted` for what the library would take for something else; the searcher must be
/// of the index's last commit. Nothing writes to the index meanwhile.
pub(super) fn verify(index: &Index, searcher: &Searcher, directory: &Path) -> Result<()> {
    let damaged = index.validate_checksum().map_err(tantivy_error)?;
    if !damaged.is_empty() {
        return Err(corrupted(format!("{} files of a full-text index are damaged", damaged.len())));
    }
    let metas = index.load_metas().map_err(tantivy_error)?;
    // Only files that the library lists as its own were compared with their checksums.
    let listed = index.directory().list_managed_files();
    let used = metas.list_segment_files();
    if let Some(unlisted) = used.iter().find(|file| !listed.contains(*file) && directory.join(file).exists()) {
        return Err(corrupted(format!("the file {} is not listed", unlisted.display())));
    }
    // This file has no checksum, and fields with unknown names are passed over: what was read must be all there is.
    let path = directory.join(META_FILE);
    let written = std::fs::read(&path).map_err(|error| StorageError::Io(format!("{}: {error}", path.display())))?;
    let mut expected = serde_json::to_vec_pretty(&metas)
        .map_err(|error| StorageError::Internal(format!("{META_FILE} of a full-text index: {error}")))?;
    expected.push(b'\n');
    if written != expected {
        return Err(corrupted(format!("{} is damaged", path.display())));
    }
    for segment in searcher.segment_readers() {
        let ids = segment.fast_fields().u64(ID_FIELD).map_err(tantivy_error)?;
        let meta = metas.segments.iter().find(|meta| meta.id() == segment.segment_id());
        let is_sound = ids.num_docs() == segment.max_doc()
            && meta.is_some_and(|meta| meta.num_deleted_docs() == segment.num_deleted_docs());
        if !is_sound {
            return Err(corrupted(format!("{} does not fit its segments", path.display())));
        }
    }
    Ok(())
}

fn corrupted(problem: String) -> StorageError {
    StorageError::Corrupted(problem)
}
