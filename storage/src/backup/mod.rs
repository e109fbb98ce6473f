//! Backups of a running database, and restoring them.
//!
//! A backup is a directory with a redb file of all rows at one LSN and a manifest that says what must be in it:
//!
//! ```text
//! published snapshot ─▶ every keyspace, in key order ─▶ sinew.redb.part ─▶ fsync
//!                                                                          │
//!                        backup.json (counts, checksum) ◀──────────────────┘
//!                             └─▶ rename to sinew.redb ─▶ fsync of the directory
//! ```
//!
//! The snapshot pins its pages, so commits go on meanwhile and are not in the backup. The rename is the last step: a
//! backup that was interrupted has no `sinew.redb` and is refused by [`restore`].
//!
//! The copy reads rows through [`KvSnapshot`] alone, so it is the same whatever lies beneath. Derived files (full text,
//! graph, vectors) are not copied: they are built from the rows when the restored database is opened. Should somebody put
//! those of another time beside it, they are noticed by their epoch and LSN, as always.
//!
//! Ids are not given twice after a restore. A counter's row holds the end of the last reserved block, and the committer
//! writes it in the same commit as, or one before, the first row with an id of that block (see `store/counters.rs`); so in
//! every snapshot the counters lie above all ids in its rows. The copy computes that bound once more from the rows and
//! writes the larger of the two. Ids that were given out after the snapshot are in no row of it.

mod manifest;
mod source;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::BTreeMap;
use std::ops::Bound::Unbounded;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use self::manifest::Manifest;
use self::source::BackupSource;
use self::writer::FileWriter;
use crate::catalog::Catalog;
use crate::error::{Result, StorageError};
use crate::ids::Lsn;
use crate::index::is_ordered;
use crate::store::{
    FILE_NAME, FORMAT_VERSION, Keyspace, KvBytes, KvIter, KvSnapshot, LSN_KEY, Store, StoreOptions, decode_u64,
    first_free_ids,
};

/// Told (rows done, rows in all) from time to time; an error ends the work, and what was written is removed.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64) -> Result<()>;

/// Rows between two calls of [`Progress`].
const PROGRESS_ROWS: u64 = 1_024;

/// What a backup holds, or what was restored from it.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupReport {
    /// The last commit that is in it.
    pub lsn: Lsn,
    /// Rows of all keyspaces: index entries and metadata count too.
    pub row_count: u64,
    /// Size of the redb file.
    pub size_bytes: u64,
    /// Where it is, absolute.
    pub directory: PathBuf,
}

impl Store {
    /// Copies the newest published snapshot into `directory`, which is created or must be empty. Durable when this
    /// returns. Errors: `FileExists` for a directory that holds anything, `Backup` when it cannot be written.
    pub fn backup_to(&self, directory: &Path, progress: Progress<'_>) -> Result<BackupReport> {
        let (rows, catalog, lsn) = {
            let snapshot = self.published().current();
            (snapshot.rows.clone(), Arc::clone(&snapshot.catalog), snapshot.lsn)
        };
        let directory = prepare_directory(directory)?;
        let keyspaces = keyspaces_of(&catalog);
        let total = keyspaces.iter().map(|keyspace| rows.exact_key_count(*keyspace)).sum::<Result<u64>>()?;
        let mut writer = FileWriter::create(&directory)?;
        for keyspace in keyspaces {
            let pairs = match keyspace {
                Keyspace::META => owned_pairs(metadata(&rows, lsn)?),
                Keyspace::COUNTERS => owned_pairs(counters(&rows, &catalog)?),
                other => rows.range(other, Unbounded, Unbounded, false)?,
            };
            writer.append(keyspace, pairs, total, progress)?;
        }
        let finished = writer.finish()?;
        let identity = rows.identity()?;
        let manifest = Manifest {
            manifest_version: manifest::VERSION,
            database_uuid: uuid::Uuid::from_bytes(identity.database_uuid).to_string(),
            epoch: identity.epoch,
            lsn: lsn.0,
            format_version: rows.format_version()?.unwrap_or(FORMAT_VERSION),
            taken_at_us: now_us(),
            row_count: finished.tally.row_count,
            checksum: finished.tally.checksum(),
            keyspaces: finished.tally.keyspaces.clone(),
        };
        manifest.write(&directory)?;
        finished.publish()?;
        report(&directory, lsn, manifest.row_count)
    }
}

/// Reads a whole backup and compares it with its manifest. Errors with `Backup`, naming what is wrong, and
/// `FormatTooNew`.
pub fn verify_backup(directory: &Path, progress: Progress<'_>) -> Result<BackupReport> {
    let directory = absolute(directory)?;
    guarded(&directory, || {
        let source = BackupSource::open(&directory)?;
        let mut tally = manifest::Tally::default();
        for keyspace in source.keyspaces() {
            tally.begin(keyspace);
            for pair in source.pairs(keyspace)? {
                let (key, value) = pair?;
                tally.add(&key, &value);
                if tally.row_count.is_multiple_of(PROGRESS_ROWS) {
                    progress(tally.row_count, source.manifest.row_count)?;
                }
            }
        }
        source.compare(&tally)?;
        progress(tally.row_count, source.manifest.row_count)?;
        report(&directory, Lsn(source.manifest.lsn), tally.row_count)
    })
}

/// Makes a data directory of a backup: `to` is created or must be empty. The rows are compared with the manifest while
/// they are copied, and the database is opened once, before this returns. Errors as [`verify_backup`] and
/// [`Store::backup_to`]; then `to` holds no database.
pub fn restore(from: &Path, to: &Path, progress: Progress<'_>) -> Result<BackupReport> {
    let (from, to) = (absolute(from)?, absolute(to)?);
    let (lsn, row_count) = guarded(&from, || {
        let source = BackupSource::open(&from)?;
        let to = prepare_directory(&to)?;
        let mut writer = FileWriter::create(&to)?;
        for keyspace in source.keyspaces() {
            writer.append(keyspace, source.pairs(keyspace)?, source.manifest.row_count, progress)?;
        }
        let finished = writer.finish()?;
        source.compare(&finished.tally)?;
        finished.publish()?;
        Ok((Lsn(source.manifest.lsn), source.manifest.row_count))
    })?;
    // The opening moves the epoch: what is committed from now on is another history than the backed-up database's.
    let store = Store::open(&to, StoreOptions::default())?;
    store.close()?;
    report(&to, lsn, row_count)
}

/// All keyspaces that may hold rows, ascending.
fn keyspaces_of(catalog: &Catalog) -> Vec<Keyspace> {
    let tables = catalog.tables.keys().copied();
    let indexes = catalog.indexes.values().filter(|index| is_ordered(index)).map(|index| index.id);
    let mut relations: Vec<Keyspace> = tables.chain(indexes).map(Keyspace::of_relation).collect();
    relations.sort_unstable();
    Keyspace::FIXED.into_iter().chain(relations).collect()
}

type OwnedRows = BTreeMap<Vec<u8>, Vec<u8>>;

fn collect(rows: &KvSnapshot, keyspace: Keyspace) -> Result<OwnedRows> {
    let pairs = rows.range(keyspace, Unbounded, Unbounded, false)?;
    pairs.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect()
}

fn owned_pairs(rows: OwnedRows) -> KvIter<'static> {
    Box::new(rows.into_iter().map(|(key, value)| Ok((KvBytes::Shared(key.into()), KvBytes::Shared(value.into())))))
}

/// The metadata rows, with the LSN of the snapshot.
fn metadata(rows: &KvSnapshot, lsn: Lsn) -> Result<OwnedRows> {
    let mut metadata = collect(rows, Keyspace::META)?;
    metadata.insert(LSN_KEY.to_vec(), lsn.0.to_be_bytes().to_vec());
    Ok(metadata)
}

/// The counters' rows, none below an id that the snapshot's rows hold.
fn counters(rows: &KvSnapshot, catalog: &Catalog) -> Result<OwnedRows> {
    let mut counters = collect(rows, Keyspace::COUNTERS)?;
    for (name, free) in first_free_ids(rows, catalog)? {
        let stored = match counters.get(name.as_bytes()) {
            Some(bytes) => decode_u64(bytes, "counter")?,
            None => 1,
        };
        if free > stored {
            tracing::warn!(counter = %name, stored, free, "a counter lies below ids in use; the backup raises it");
            counters.insert(name.into_bytes(), free.to_be_bytes().to_vec());
        }
    }
    Ok(counters)
}

fn report(directory: &Path, lsn: Lsn, row_count: u64) -> Result<BackupReport> {
    let file = directory.join(FILE_NAME);
    let metadata = std::fs::metadata(&file).map_err(|error| io_error(&file, error))?;
    Ok(BackupReport { lsn, row_count, size_bytes: metadata.len(), directory: directory.to_owned() })
}

fn absolute(directory: &Path) -> Result<PathBuf> {
    std::path::absolute(directory).map_err(|error| io_error(directory, error))
}

/// Creates the directory, or makes sure that it is empty; gives its absolute path.
fn prepare_directory(directory: &Path) -> Result<PathBuf> {
    let directory = absolute(directory)?;
    std::fs::create_dir_all(&directory).map_err(|error| io_error(&directory, error))?;
    let mut entries = std::fs::read_dir(&directory).map_err(|error| io_error(&directory, error))?;
    if let Some(entry) = entries.next() {
        let entry = entry.map_err(|error| io_error(&directory, error))?;
        return Err(StorageError::FileExists(format!(
            "directory \"{}\" is not empty: it holds \"{}\"",
            directory.display(),
            entry.file_name().to_string_lossy()
        )));
    }
    if let Some(parent) = directory.parent() {
        sync_directory(parent)?;
    }
    Ok(directory)
}

fn sync_directory(directory: &Path) -> Result<()> {
    std::fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_error(directory, error))
}

fn io_error(path: &Path, error: std::io::Error) -> StorageError {
    StorageError::Backup(format!("{}: {error}", path.display()))
}

/// redb trusts a file that says it was closed cleanly, and may panic when that was damaged since.
fn guarded<T>(directory: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(StorageError::Backup(format!("the backup in {} is damaged: its file cannot be read", directory.display())))
    })
}

/// Microseconds since 1970 UTC.
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
