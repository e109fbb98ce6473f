//! Large write sets on disk.
//!
//! A transaction that writes more than fits its memory freezes what it wrote into *layers* and appends each to one
//! temporary file beside the log, as a *run*: a sorted section of blocks per keyspace, and the changes noted meanwhile.
//! The file is only appended to, and a run never changes.
//!
//! ```text
//! newest   map          what was written since
//!          run 3        a layer per mark that was open when it was frozen
//!          run 2        ◄─ savepoint b began here
//!          run 1        ◄─ savepoint a began here
//! oldest   run 0
//! below    snapshot
//! ```
//!
//! Because the layers are cut at the marks (`write_set/freeze.rs`), rolling back to a mark drops the runs above it and the
//! map; nothing has to be read back or undone. Reads ask the map, then the runs from the newest to the oldest: the first
//! that knows a key decides its value. What a write says of the world below the write set (whether the key is new there,
//! which snapshot it was based on) is taken from the oldest run that knows the key, so no write has to look for earlier
//! ones.
//!
//! At commit the rest is frozen too, the file gets a directory and is synced, and the log's record names it: from then on
//! the runs are a layer over redb, which the applier merges into redb, one key after another. In memory stay the first key
//! of each block of 16 KiB, the block read last and a Bloom filter of ten bits a key for each section.
//!
//! A file that no record names is removed when the transaction ends, or at open. A database in memory spills nothing.

mod block;
mod bloom;
pub(crate) mod merge;
mod run;
mod set;

pub(crate) use run::Run;
pub(crate) use set::{SealedSpill, SpilledSet, seal};

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::disk::{Disk, DiskFile};
use super::write_set::KeyspaceWrites;
use super::{Change, Keyspace};
use crate::error::{Result, StorageError};

pub(crate) const SUFFIX: &str = ".spill";

pub(crate) fn spill_name(number: u64) -> String {
    format!("{number:016x}{SUFFIX}")
}

fn spill_error(error: io::Error) -> StorageError {
    if error.kind() == io::ErrorKind::StorageFull {
        return StorageError::DiskFull(format!("spilled writes: {error}"));
    }
    StorageError::TemporaryFile(format!("spilled writes: {error}"))
}

/// The file of one write set. Removed with its last user, unless a record of the log needs it.
pub(crate) struct SpillFile {
    number: u64,
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    /// Where the next run goes. A run that could not be written is written over.
    end: Mutex<u64>,
    is_needed: AtomicBool,
}

impl SpillFile {
    /// Opens a file of the directory, made when there is none.
    pub fn open(disk: &Arc<dyn Disk>, number: u64) -> Result<Arc<SpillFile>> {
        let file = disk.open(&spill_name(number)).map_err(spill_error)?;
        Ok(Arc::new(SpillFile {
            number,
            disk: Arc::clone(disk),
            file,
            end: Mutex::new(0),
            is_needed: AtomicBool::new(false),
        }))
    }

    /// Appends a layer. After an error the file is as before.
    pub fn append<'k>(
        self: &Arc<Self>,
        keyspaces: impl Iterator<Item = (Keyspace, &'k KeyspaceWrites)>,
        changes: &[Change],
    ) -> Result<Arc<Run>> {
        let mut end = self.end.lock();
        let (run, position) = Run::write(self, *end, keyspaces, changes)?;
        *end = position;
        Ok(Arc::new(run))
    }

    pub fn size_bytes(&self) -> u64 {
        *self.end.lock()
    }

    /// A record of the log may name the file, so it has to stay; or no longer does.
    pub fn set_needed(&self, is_needed: bool) {
        self.is_needed.store(is_needed, Ordering::Release);
    }

    fn disk_file(&self) -> &dyn DiskFile {
        &*self.file
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        if !*self.is_needed.get_mut()
            && let Err(error) = self.disk.remove(&spill_name(self.number))
        {
            // Opening removes what is left over.
            tracing::warn!(%error, number = self.number, "a file of spilled writes was not removed");
        }
    }
}
