//! Opening: what the log holds beyond redb is applied to redb, so that everything starts from one place.

use std::sync::Arc;

use redb::{Database, ReadableDatabase};
use rustc_hash::FxHashMap;

use super::applier::{apply_layers, room_needed};
use super::disk::Disk;
use super::errors::transaction_error;
use super::kv::TableBase;
use super::layers::{CommittedSet, Layer, LayerStack};
use super::log::record::Part;
use super::log::replay;
use super::memory_table::Stored;
use super::spill::SpilledSet;
use super::write_set::KeyspaceWrites;
use super::{KvSnapshot, Lsn};
use crate::error::{Result, StorageError};

/// What failed for want of room says so, rather than what redb makes of it.
fn full_or(error: StorageError, disk: &dyn Disk, needed: u64) -> StorageError {
    let free = disk.free_bytes().ok().flatten();
    match (&error, free) {
        (StorageError::Io(_) | StorageError::CommitUnknown(_), Some(free)) if free < needed => StorageError::DiskFull(
            format!("{free} bytes are left, and applying the commit log may need {needed}; nothing is lost"),
        ),
        _ => error,
    }
}

/// Applies the log to redb. `progress` is called with 0.0..=1.0. Stopping half way
/// loses nothing: the log is given up only afterwards.
pub(super) fn replay_log(
    disk: &Arc<dyn Disk>,
    database: &Database,
    table_size_bytes: usize,
    progress: &dyn Fn(f64),
) -> Result<()> {
    let read = || database.begin_read().map(TableBase::new).map_err(transaction_error);
    let rows = KvSnapshot::of_base(read()?, Lsn(0));
    let (uuid, applied, mut floor) = (rows.identity()?.database_uuid, rows.applied_lsn()?, rows.change_log_floor()?);
    let mut stack = LayerStack::new(read()?);
    drop(rows);
    let mut apply = |stack: &mut LayerStack, complete: Lsn| -> Result<()> {
        stack.freeze(complete);
        let layers = stack.frozen(complete);
        let layer_list: Vec<&Layer> = layers.iter().map(|frozen| &frozen.layer).collect();
        floor = apply_layers(database, &layer_list, complete, floor, true)
            .map_err(|error| full_or(error, &**disk, room_needed(&layers)))?;
        stack.applied(layers.len(), read()?);
        Ok(())
    };
    let mut record = applied;
    let last = replay(
        disk,
        uuid,
        applied,
        &mut |lsn, part| {
            // A record is applied whole: redb must never hold a part of a commit.
            if lsn != record && stack.size_bytes() >= table_size_bytes {
                apply(&mut stack, record)?;
            }
            record = lsn;
            let (keyspace, cleared, entries) = match part {
                Part::Writes { keyspace, cleared, entries } => (keyspace, cleared, entries),
                Part::Spill(sealed) => {
                    let set = Arc::new(SpilledSet::find(disk, sealed, lsn)?);
                    stack.push_set(Layer::Spilled(set), applied, lsn);
                    return Ok(());
                }
                Part::Attachment(_) => {
                    return Err(StorageError::Internal("an attachment of the log was not resolved".to_owned()));
                }
            };
            if cleared {
                let keyspaces = FxHashMap::from_iter([(keyspace, KeyspaceWrites::cleared_at(lsn))]);
                let set = CommittedSet { lsn, keyspaces, size_bytes: 0, attachment: None };
                stack.push_set(Layer::Set(Arc::new(set)), applied, lsn);
            }
            let active = &stack.active;
            for (key, value) in entries {
                active.insert(keyspace, Arc::from(key), lsn, Stored { value: value.map(Arc::from), fresh: false });
            }
            Ok(())
        },
        &mut |done, total| progress(done as f64 / total.max(1) as f64),
    )?;
    if last > applied {
        apply(&mut stack, last)?;
        tracing::info!(from = %applied, to = %last, "applied commits from the log");
    }
    Ok(())
}
