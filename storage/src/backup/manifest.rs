//! `backup.json`: what a backup is of, and what its file must hold.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::{io_error, sync_directory};
use crate::error::{Result, StorageError};
use crate::store::Keyspace;

/// Name of the manifest within the backup's directory.
pub(super) const MANIFEST_NAME: &str = "backup.json";
/// Version of the manifest that this program writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub manifest_version: u32,
    pub database_uuid: String,
    pub epoch: u64,
    pub lsn: u64,
    /// Of the redb file's contents (see `docs/file-format.md`).
    pub format_version: u32,
    /// Microseconds since 1970 UTC.
    pub taken_at_us: u64,
    pub row_count: u64,
    /// XXH3-128 over all pairs, in hexadecimal; see [`Tally::add`].
    pub checksum: String,
    pub keyspaces: Vec<KeyspaceRows>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyspaceRows {
    pub keyspace: u32,
    pub row_count: u64,
}

impl Manifest {
    /// Durable when this returns, except for the directory's entry of a file that is published later.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(MANIFEST_NAME);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|error| StorageError::Internal(format!("manifest of a backup: {error}")))?;
        text.push('\n');
        let write = || {
            let mut file = std::fs::File::create_new(&path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error| io_error(&path, error))?;
        sync_directory(directory)
    }

    /// Errors with `Backup`.
    pub fn read(directory: &Path) -> Result<Manifest> {
        let path = directory.join(MANIFEST_NAME);
        let bad = |what: String| StorageError::Backup(format!("{}: {what}", path.display()));
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(StorageError::Backup(format!(
                    "{} is no complete backup: {MANIFEST_NAME} is missing",
                    directory.display()
                )));
            }
            Err(error) => return Err(bad(error.to_string())),
        };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        match value.get("manifest_version").and_then(serde_json::Value::as_u64) {
            Some(version) if version <= u64::from(VERSION) => {}
            Some(version) => {
                return Err(bad(format!("manifest version {version} is newer than this program reads ({VERSION})")));
            }
            None => return Err(bad("it has no manifest_version".to_owned())),
        }
        serde_json::from_value(value).map_err(|error| bad(error.to_string()))
    }
}

/// Counts and checksum of pairs as they pass.
#[derive(Default)]
pub(super) struct Tally {
    pub keyspaces: Vec<KeyspaceRows>,
    pub row_count: u64,
    hash: Xxh3,
}

impl Tally {
    /// The pairs that follow are of this keyspace.
    pub fn begin(&mut self, keyspace: Keyspace) {
        self.keyspaces.push(KeyspaceRows { keyspace: keyspace.0, row_count: 0 });
    }

    /// Hashes keyspace (4 bytes), length of the key (8 bytes), key, length of the value (8 bytes), value; integers
    /// big-endian.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let Some(current) = self.keyspaces.last_mut() else { return };
        current.row_count += 1;
        self.row_count += 1;
        self.hash.update(&current.keyspace.to_be_bytes());
        self.hash.update(&(key.len() as u64).to_be_bytes());
        self.hash.update(key);
        self.hash.update(&(value.len() as u64).to_be_bytes());
        self.hash.update(value);
    }

    pub fn checksum(&self) -> String {
        format!("{:032x}", self.hash.digest128())
    }
}
