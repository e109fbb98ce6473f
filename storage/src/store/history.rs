//! The openings of a database: which states of the past lead to the one that is open now.
//!
//! A derived file says of which state it was made: database, epoch, LSN. An LSN alone names no state, because it is given
//! twice when commits that were not yet durable are lost, or when an older copy of the database is put in place of the
//! newer one. The epoch, which moves with every opening, is not enough either: two copies of one directory that are both
//! opened have the same next epoch. So every opening draws a random mark, and the metadata keeps the recent openings with
//! the LSN each began at:
//!
//! ```text
//! epoch   mark   began at
//!   7     3f0c      1200      a file of epoch 7 counts up to LSN 1850, where the next opening began
//!   8     a911      1850      a file of epoch 8 counts up to LSN 2400
//!   9     77de      2400      the opening at hand
//! ```
//!
//! A file of (7, 3f0c, 1900) was made of commits that this database lost; one of (8, 0b52, 2000) belongs to a copy.

use redb::{Database, ReadableDatabase, TableDefinition};
use serde::{Deserialize, Serialize};

use super::errors::{commit_error, storage_error, table_error, transaction_error};
use super::kv::TableBase;
use super::meta::{EPOCH_HISTORY_KEY, EPOCH_KEY, FORMAT_KEY, FORMAT_VERSION};
use super::{Keyspace, KvSnapshot};
use crate::error::{Result, StorageError};
use crate::ids::Lsn;

/// Openings that are remembered; derived files of older ones are rebuilt.
const MAX_OPENINGS: usize = 128;
const OPENING_BYTES: usize = 24;

/// One opening of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Opening {
    epoch: u64,
    mark: u64,
    /// LSN of the last commit that it found.
    start: Lsn,
}

/// The state that a derived file was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub database_uuid: [u8; 16],
    pub epoch: u64,
    pub mark: u64,
    pub lsn: Lsn,
}

/// Identity of the database with its recent openings, the last of which is the one at hand.
#[derive(Clone, Debug)]
pub(crate) struct StoreHistory {
    database_uuid: [u8; 16],
    current: Opening,
    earlier: Vec<Opening>,
}

impl StoreHistory {
    /// As of the opening that wrote `rows`.
    pub fn read(rows: &KvSnapshot) -> Result<StoreHistory> {
        let identity = rows.identity()?;
        let mut earlier = match rows.meta(EPOCH_HISTORY_KEY)? {
            Some(bytes) => decode(&bytes)?,
            None => Vec::new(),
        };
        match earlier.pop() {
            Some(current) if current.epoch == identity.epoch => {
                Ok(StoreHistory { database_uuid: identity.database_uuid, current, earlier })
            }
            _ => Err(StorageError::Corrupted("the current epoch is missing among the openings".to_owned())),
        }
    }

    /// Origin of a file that is made now.
    pub fn origin(&self, lsn: Lsn) -> Origin {
        Origin { database_uuid: self.database_uuid, epoch: self.current.epoch, mark: self.current.mark, lsn }
    }

    /// True when a state is in this database's past, whose last commit is `newest`.
    pub fn leads_from(&self, origin: &Origin, newest: Lsn) -> bool {
        let openings = || self.earlier.iter().chain(std::iter::once(&self.current));
        let Some(at) = openings().position(|opening| (opening.epoch, opening.mark) == (origin.epoch, origin.mark))
        else {
            return false;
        };
        let end = openings().nth(at + 1).map_or(newest, |next| next.start);
        origin.database_uuid == self.database_uuid && origin.lsn <= end.min(newest)
    }
}

fn decode(bytes: &[u8]) -> Result<Vec<Opening>> {
    let (openings, rest) = bytes.as_chunks::<OPENING_BYTES>();
    if !rest.is_empty() {
        return Err(StorageError::Corrupted(format!("the list of openings has {} bytes", bytes.len())));
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let opening = |bytes: &[u8; OPENING_BYTES]| Opening {
        epoch: number(&bytes[..8]),
        mark: number(&bytes[8..16]),
        start: Lsn(number(&bytes[16..])),
    };
    Ok(openings.iter().map(opening).collect())
}

/// The metadata row once another opening has begun. `row` is None for a new database, or one from before this row.
pub(super) fn with_opening(row: Option<&[u8]>, epoch: u64, start: Lsn) -> Result<Vec<u8>> {
    let mut openings = row.map(decode).transpose()?.unwrap_or_default();
    openings.push(Opening { epoch, mark: uuid::Uuid::new_v4().as_u64_pair().1, start });
    let first = openings.len().saturating_sub(MAX_OPENINGS);
    let fields = openings[first..].iter().flat_map(|opening| [opening.epoch, opening.mark, opening.start.0]);
    Ok(fields.flat_map(u64::to_be_bytes).collect())
}

/// Moves the epoch, once redb holds every commit that was found.
pub(super) fn begin_epoch(database: &Database) -> Result<()> {
    let rows = KvSnapshot::of_base(TableBase::new(database.begin_read().map_err(transaction_error)?), Lsn(0));
    let epoch = rows.identity()?.epoch + 1;
    let history = with_opening(rows.meta(EPOCH_HISTORY_KEY)?.as_deref(), epoch, rows.applied_lsn()?)?;
    drop(rows);
    let mut transaction = database.begin_write().map_err(transaction_error)?;
    transaction.set_quick_repair(true);
    {
        let name = Keyspace::META.table_name();
        let mut meta = transaction.open_table(TableDefinition::<&[u8], &[u8]>::new(&name)).map_err(table_error)?;
        meta.insert(EPOCH_KEY, &epoch.to_be_bytes()[..]).map_err(storage_error)?;
        // A file of an older format differs from one of this only in what it lacks.
        meta.insert(FORMAT_KEY, &FORMAT_VERSION.to_be_bytes()[..]).map_err(storage_error)?;
        meta.insert(EPOCH_HISTORY_KEY, &history[..]).map_err(storage_error)?;
    }
    transaction.commit().map_err(commit_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The history after openings that began at these LSNs, over a row written before.
    fn opened(row: Option<Vec<u8>>, starts: &[u64]) -> (Vec<u8>, StoreHistory) {
        let mut row = row;
        for start in starts {
            let epoch = row.as_deref().map_or(0, |row| decode(row).unwrap().last().unwrap().epoch) + 1;
            row = Some(with_opening(row.as_deref(), epoch, Lsn(*start)).unwrap());
        }
        let row = row.unwrap();
        let mut earlier = decode(&row).unwrap();
        let current = earlier.pop().unwrap();
        (row, StoreHistory { database_uuid: [7; 16], current, earlier })
    }

    #[test]
    fn only_states_of_the_own_past_count() {
        let (row, first) = opened(None, &[0, 100]);
        let file = first.origin(Lsn(150));
        assert!(first.leads_from(&file, Lsn(150)) && !first.leads_from(&file, Lsn(149)));
        let (_, kept) = opened(Some(row.clone()), &[160]);
        assert!(kept.leads_from(&file, Lsn(500)));
        // The commits from 140 on were lost, then others took their numbers.
        let (_, lost) = opened(Some(row.clone()), &[140]);
        assert!(!lost.leads_from(&file, Lsn(500)) && lost.leads_from(&first.origin(Lsn(140)), Lsn(500)));
        // A copy of the directory has the same epochs.
        assert!(!lost.leads_from(&kept.origin(Lsn(140)), Lsn(500)));
        let other = Origin { database_uuid: [8; 16], ..file };
        assert!(!kept.leads_from(&other, Lsn(500)));
    }

    #[test]
    fn the_list_stays_short_and_damage_is_noticed() {
        let (row, history) = opened(None, &[5; 300]);
        assert_eq!(row.len(), MAX_OPENINGS * OPENING_BYTES);
        assert_eq!(history.current.epoch, 300);
        assert!(decode(&row[1..]).is_err());
    }
}
