//! The settings of a session.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Values as SET gives them, by lower-case name. Whoever reads some of them for every statement keeps what it made of them
/// for as long as [`Self::version`] stands still.
#[derive(Default)]
pub struct Settings {
    values: RwLock<BTreeMap<String, String>>,
    version: AtomicU64,
}

impl Settings {
    pub fn new(values: BTreeMap<String, String>) -> Settings {
        Settings { values: RwLock::new(values), version: AtomicU64::new(1) }
    }

    pub fn read(&self) -> RwLockReadGuard<'_, BTreeMap<String, String>> {
        self.values.read()
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<String, String>> {
        let values = self.values.write();
        // Behind the lock: who sees the new number and reads waits for what is written now.
        self.version.fetch_add(1, Ordering::Release);
        values
    }

    /// Moves with every change; never 0 for settings made by [`Self::new`].
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}
