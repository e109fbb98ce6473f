//! Writing pairs in key order into a fresh redb file.
//!
//! Appending through a cursor packs pages in one pass. A transaction takes a few megabytes; all but the last are not
//! durable by themselves, so the disk is waited for once.

use std::ops::Bound;
use std::path::{Path, PathBuf};

use redb::{Builder, Database, Durability, TableDefinition};

use super::manifest::Tally;
use super::{PROGRESS_ROWS, Progress, io_error, sync_directory};
use crate::error::{Result, StorageError};
use crate::store::{FILE_NAME, Keyspace, KvIter};

/// Bytes of keys and values in one write transaction, about.
const CHUNK_BYTES: usize = if cfg!(test) { 64 << 10 } else { 4 << 20 };
/// Memory for pages of the new file, in bytes.
const CACHE_BYTES: usize = 16 << 20;

/// A file under its temporary name; removed when it is dropped unpublished.
struct PartFile {
    directory: PathBuf,
    is_published: bool,
}

impl PartFile {
    fn path(&self) -> PathBuf {
        self.directory.join(format!("{FILE_NAME}.part"))
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        if !self.is_published
            && let Err(error) = std::fs::remove_file(self.path())
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path().display(), %error, "an unfinished file could not be removed");
        }
    }
}

/// `sinew.redb.part` while it is written.
pub(super) struct FileWriter {
    database: Database,
    tally: Tally,
    part: PartFile,
}

/// A complete, durable file that still has its temporary name.
pub(super) struct FinishedFile {
    pub tally: Tally,
    part: PartFile,
}

impl FileWriter {
    pub fn create(directory: &Path) -> Result<FileWriter> {
        let part = PartFile { directory: directory.to_owned(), is_published: false };
        let database =
            Builder::new().set_cache_size(CACHE_BYTES).create(part.path()).map_err(|error| unwritten(&part, error))?;
        Ok(FileWriter { database, tally: Tally::default(), part })
    }

    /// Appends all pairs of one keyspace, which come in key order. `total` is what `progress` is told.
    pub fn append(&mut self, keyspace: Keyspace, pairs: KvIter<'_>, total: u64, progress: Progress<'_>) -> Result<()> {
        self.tally.begin(keyspace);
        let name = keyspace.table_name();
        let mut pairs = pairs.peekable();
        while pairs.peek().is_some() {
            let part = &self.part;
            let mut transaction = self.database.begin_write().map_err(|error| unwritten(part, error))?;
            transaction.set_durability(Durability::None).map_err(|error| unwritten(part, error))?;
            {
                let definition = TableDefinition::<&[u8], &[u8]>::new(&name);
                let mut table = transaction.open_table(definition).map_err(|error| unwritten(part, error))?;
                let mut cursor =
                    table.upper_bound_mut(Bound::<&[u8]>::Unbounded).map_err(|error| unwritten(part, error))?;
                let mut size_bytes = 0;
                while size_bytes < CHUNK_BYTES
                    && let Some(pair) = pairs.next()
                {
                    let (key, value) = pair?;
                    cursor.insert_before(&key[..], &value[..]).map_err(|error| unwritten(part, error))?;
                    size_bytes += key.len() + value.len();
                    self.tally.add(&key, &value);
                    if self.tally.row_count.is_multiple_of(PROGRESS_ROWS) {
                        progress(self.tally.row_count, total)?;
                    }
                }
                cursor.close().map_err(|error| unwritten(part, error))?;
            }
            transaction.commit().map_err(|error| unwritten(part, error))?;
        }
        progress(self.tally.row_count, total)
    }

    /// Makes everything durable.
    pub fn finish(self) -> Result<FinishedFile> {
        let FileWriter { database, tally, part } = self;
        // A durable commit persists those before it.
        let last = database.begin_write().map_err(|error| unwritten(&part, error))?;
        last.commit().map_err(|error| unwritten(&part, error))?;
        database.close().map_err(|error| unwritten(&part, error))?;
        let path = part.path();
        std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(|error| io_error(&path, error))?;
        Ok(FinishedFile { tally, part })
    }
}

impl FinishedFile {
    /// Gives the file its name, durably.
    pub fn publish(mut self) -> Result<()> {
        let path = self.part.directory.join(FILE_NAME);
        std::fs::rename(self.part.path(), &path).map_err(|error| io_error(&path, error))?;
        self.part.is_published = true;
        sync_directory(&self.part.directory)
    }
}

fn unwritten(part: &PartFile, error: impl std::fmt::Display) -> StorageError {
    StorageError::Backup(format!("{} cannot be written: {error}", part.path().display()))
}
