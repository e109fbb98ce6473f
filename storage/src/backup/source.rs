//! Reading a backup: its manifest and the pairs of its file.

use std::path::{Path, PathBuf};

use redb::{Builder, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, TableDefinition, TableError, TableHandle};

use super::manifest::{MANIFEST_NAME, Manifest, Tally};
use crate::error::{Result, StorageError};
use crate::store::{FILE_NAME, FORMAT_VERSION, Keyspace, KvBytes, KvIter};

/// Memory for pages of the backup, in bytes: they are read once.
const CACHE_BYTES: usize = 8 << 20;

/// An opened backup; nothing in it is changed.
pub(super) struct BackupSource {
    pub manifest: Manifest,
    file: PathBuf,
    read: ReadTransaction,
    // Closes the file when everything else is gone.
    _database: ReadOnlyDatabase,
}

impl BackupSource {
    /// Errors with `Backup` when a part is missing or does not open, and `FormatTooNew`.
    pub fn open(directory: &Path) -> Result<BackupSource> {
        let manifest = Manifest::read(directory)?;
        if manifest.format_version > FORMAT_VERSION {
            return Err(StorageError::FormatTooNew { found: manifest.format_version, supported: FORMAT_VERSION });
        }
        let file = directory.join(FILE_NAME);
        if !file.exists() {
            return Err(StorageError::Backup(format!(
                "{} is no complete backup: {FILE_NAME} is missing, the backup was interrupted",
                directory.display()
            )));
        }
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let database = builder.open_read_only(&file).map_err(|error| match error {
            // A backup is closed cleanly, and never written to after that.
            redb::DatabaseError::RepairAborted => damaged(&file, "it was not closed cleanly"),
            other => damaged(&file, other),
        })?;
        let read = database.begin_read().map_err(|error| damaged(&file, error))?;
        let source = BackupSource { manifest, file, read, _database: database };
        source.check_tables()?;
        Ok(source)
    }

    /// In the order in which they are hashed.
    pub fn keyspaces(&self) -> Vec<Keyspace> {
        self.manifest.keyspaces.iter().map(|rows| Keyspace(rows.keyspace)).collect()
    }

    /// All pairs of a keyspace, ascending.
    pub fn pairs(&self, keyspace: Keyspace) -> Result<KvIter<'static>> {
        let name = keyspace.table_name();
        let table = match self.read.open_table(TableDefinition::<&[u8], &[u8]>::new(&name)) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(Box::new(std::iter::empty())),
            Err(error) => return Err(damaged(&self.file, error)),
        };
        let file = self.file.clone();
        let range = table.range_owned::<&[u8]>(..).map_err(|error| damaged(&file, error))?;
        Ok(Box::new(range.map(move |pair| match pair {
            Ok((key, value)) => Ok((KvBytes::Page(Box::new(key)), KvBytes::Page(Box::new(value)))),
            Err(error) => Err(damaged(&file, error)),
        })))
    }

    /// Errors with `Backup` when what was read is not what the manifest says.
    pub fn compare(&self, tally: &Tally) -> Result<()> {
        for (expected, found) in self.manifest.keyspaces.iter().zip(&tally.keyspaces) {
            if expected.row_count != found.row_count {
                let problem = format!(
                    "keyspace {} has {} rows, {MANIFEST_NAME} says {}",
                    expected.keyspace, found.row_count, expected.row_count
                );
                return Err(damaged(&self.file, problem));
            }
        }
        if tally.row_count != self.manifest.row_count {
            let problem = format!("it has {} rows, {MANIFEST_NAME} says {}", tally.row_count, self.manifest.row_count);
            return Err(damaged(&self.file, problem));
        }
        let checksum = tally.checksum();
        if checksum != self.manifest.checksum {
            let problem =
                format!("the checksum of its rows is {checksum}, {MANIFEST_NAME} says {}", self.manifest.checksum);
            return Err(damaged(&self.file, problem));
        }
        Ok(())
    }

    fn check_tables(&self) -> Result<()> {
        let known: Vec<String> = self.keyspaces().into_iter().map(Keyspace::table_name).collect();
        for table in self.read.list_tables().map_err(|error| damaged(&self.file, error))? {
            if !known.iter().any(|name| name == table.name()) {
                let problem = format!("it has a table {} that {MANIFEST_NAME} does not name", table.name());
                return Err(damaged(&self.file, problem));
            }
        }
        Ok(())
    }
}

fn damaged(file: &Path, problem: impl std::fmt::Display) -> StorageError {
    StorageError::Backup(format!("the backup is damaged: {}: {problem}", file.display()))
}
