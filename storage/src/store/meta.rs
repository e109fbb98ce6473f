//! Metadata rows: format version, identity, epoch and LSN.

use super::kv::decode_u64;
use super::{Keyspace, KvSnapshot};
use crate::error::{Result, StorageError};
use crate::ids::Lsn;

/// Version of the file format that this program writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 2;

pub(super) const FORMAT_KEY: &[u8] = b"format_version";
pub(super) const UUID_KEY: &[u8] = b"database_uuid";
pub(super) const EPOCH_KEY: &[u8] = b"epoch";
pub(super) const EPOCH_HISTORY_KEY: &[u8] = b"epoch_history";
pub(crate) const LSN_KEY: &[u8] = b"lsn";
pub(super) const CHANGE_LOG_FLOOR_KEY: &[u8] = b"change_log_floor";

/// Identity of the store a snapshot belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreIdentity {
    /// Given once, when the database is created.
    pub database_uuid: [u8; 16],
    /// Moves with every opening, so that an LSN reused after a restored backup is noticed.
    pub epoch: u64,
}

impl KvSnapshot {
    /// Database uuid and current epoch.
    pub fn identity(&self) -> Result<StoreIdentity> {
        let uuid = self.meta(UUID_KEY)?.ok_or_else(|| missing("database_uuid"))?;
        let database_uuid = <[u8; 16]>::try_from(&uuid[..])
            .map_err(|_| StorageError::Corrupted(format!("database uuid has {} bytes", uuid.len())))?;
        let epoch = self.meta(EPOCH_KEY)?.ok_or_else(|| missing("epoch"))?;
        Ok(StoreIdentity { database_uuid, epoch: decode_u64(&epoch, "epoch")? })
    }

    /// LSN up to which redb holds all commits.
    pub(super) fn applied_lsn(&self) -> Result<Lsn> {
        let bytes = self.meta(LSN_KEY)?.ok_or_else(|| missing("lsn"))?;
        Ok(Lsn(decode_u64(&bytes, "lsn")?))
    }

    /// Changes at or below this LSN have been trimmed from the change log.
    pub fn change_log_floor(&self) -> Result<Lsn> {
        match self.meta(CHANGE_LOG_FLOOR_KEY)? {
            Some(bytes) => Ok(Lsn(decode_u64(&bytes, "change log floor")?)),
            None => Ok(Lsn(0)),
        }
    }

    pub(crate) fn format_version(&self) -> Result<Option<u32>> {
        let Some(bytes) = self.meta(FORMAT_KEY)? else { return Ok(None) };
        let bytes = <[u8; 4]>::try_from(&bytes[..])
            .map_err(|_| StorageError::Corrupted(format!("format version has {} bytes", bytes.len())))?;
        Ok(Some(u32::from_be_bytes(bytes)))
    }

    pub(super) fn meta(&self, name: &[u8]) -> Result<Option<super::KvBytes>> {
        self.get(Keyspace::META, name)
    }
}

fn missing(name: &str) -> StorageError {
    StorageError::Corrupted(format!("metadata row {name} is missing"))
}
