//! Why the store takes no writes, for those who ask about its health.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::StoreShared;
use crate::error::{Result, StorageError};

/// A full disk is reported this long after the last write that it refused; a write that succeeds ends it at once. Nobody
/// may be writing any more, and then nothing else would tell that there is room again.
const FULL_DISK_MEMORY: Duration = Duration::from_secs(60);

/// What went wrong with the store's own writes.
#[derive(Default)]
pub(crate) struct Failure {
    /// Lasts until the store is reopened.
    lasting: OnceLock<String>,
    /// The last write found the disk full.
    full_disk: Mutex<Option<(Instant, String)>>,
}

impl Failure {
    /// No commit is taken any more.
    pub fn note(&self, error: &StorageError) {
        // The first one says why.
        let _ = self.lasting.set(error.to_string());
    }

    /// How a batch of commits, or a part of it, was written.
    pub fn note_write<T>(&self, result: &Result<T>) {
        match result {
            Ok(_) => *self.full_disk.lock() = None,
            Err(error @ StorageError::DiskFull(_)) => {
                *self.full_disk.lock() = Some((Instant::now(), error.to_string()))
            }
            Err(_) => {}
        }
    }
}

impl StoreShared {
    /// Why commits are refused; None when they are taken.
    pub fn failure(&self) -> Option<String> {
        if let Some(lasting) = self.failure.lasting.get() {
            return Some(lasting.clone());
        }
        if let Some(error) = &self.layers.lock().failed {
            return Some(error.to_string());
        }
        let full_disk = self.failure.full_disk.lock();
        full_disk.as_ref().filter(|(at, _)| at.elapsed() < FULL_DISK_MEMORY).map(|(_, error)| error.clone())
    }
}
