//! Files for what a statement keeps and cannot hold in memory.
//!
//! They lie beside the commit log, are never synced and belong to nobody but their owner: dropping it removes the file, and
//! opening the database removes what a killed process left. A database in memory has none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::{Disk, DiskFile};
use crate::error::{Result, StorageError};

pub(crate) const SUFFIX: &str = ".tmp";

/// A file that is appended to and read, removed when dropped.
pub struct TemporaryFile {
    name: String,
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    end: AtomicU64,
}

fn temporary_error(error: io::Error) -> StorageError {
    if error.kind() == io::ErrorKind::StorageFull {
        return StorageError::DiskFull(format!("temporary file: {error}"));
    }
    StorageError::TemporaryFile(format!("temporary file: {error}"))
}

impl TemporaryFile {
    pub(crate) fn create(disk: &Arc<dyn Disk>, number: u64) -> Result<TemporaryFile> {
        let name = format!("{number:016x}{SUFFIX}");
        let file = disk.open(&name).map_err(temporary_error)?;
        Ok(TemporaryFile { name, disk: Arc::clone(disk), file, end: AtomicU64::new(0) })
    }

    /// Appends bytes and says where they begin. Several may append at once. Errors with `DiskFull` and `TemporaryFile`.
    pub fn append(&self, bytes: &[u8]) -> Result<u64> {
        let offset = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_at(offset, bytes).map_err(temporary_error)?;
        Ok(offset)
    }

    /// Fills `out` with what was appended at `offset`.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.file.read_at(offset, out).map_err(temporary_error)
    }

    pub fn size_bytes(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Err(error) = self.disk.remove(&self.name) {
            // Opening removes what is left over.
            tracing::warn!(%error, name = self.name, "a temporary file was not removed");
        }
    }
}
