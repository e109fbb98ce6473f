//! The commit log: an append and one fdatasync make a batch of commits durable.
//!
//! redb stays the truth at rest; the log holds what was committed since redb was last brought up to date, so that a
//! commit costs one sequential write instead of a rewritten path of every B-tree it touches. It is read only at open.
//!
//! The log is a folder of segments, named by a sequence number that only grows. A segment begins with a header of 64
//! bytes and holds [`record`]s behind one another:
//!
//! ```text
//!  0  "SINEWLOG"            16  database uuid                40  XXH3-64 of bytes 0 to 40
//!  8  version, 4 bytes: 1   32  sequence number, 8 bytes     48  zeros
//! ```
//!
//! Invariants:
//!
//! 1. LSNs in the log follow one another without a gap, within and across segments.
//! 2. A segment is durable before the next one is begun, and its name before its first record is acknowledged.
//! 3. A segment is given up only when redb durably holds everything in it. It is then renamed to be written again:
//!    overwriting allocated blocks spares the file system's journal. Records of its former life fail their checksum,
//!    which covers the sequence number.
//!
//! Reading stops at the first record that is not whole: a commit that was being written when the process died. If a
//! whole record behind it says that the missing one had been durable, the file is damaged, and opening refuses.

pub(crate) mod record;
mod replay;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use self::record::{ALIGNMENT, Attachment, HEADER_BYTES, seal};
use super::disk::{Disk, DiskFile};
use super::spill::{self, SpillFile};
use super::temporary::{self, TemporaryFile};
use crate::error::{Result, StorageError};
use crate::ids::Lsn;

pub(crate) use replay::replay;

const MAGIC: &[u8; 8] = b"SINEWLOG";
const VERSION: u32 = 1;
const SEGMENT_HEADER_BYTES: u64 = 64;
/// A segment is left when it is this long. One large record may exceed it.
const SEGMENT_BYTES: u64 = if cfg!(test) { 64 << 10 } else { 16 << 20 };
/// A segment grows by zeros in steps of this size, so that most syncs find its length unchanged.
const GROWTH_BYTES: u64 = if cfg!(test) { 4 << 10 } else { 1 << 20 };
/// Bytes of an attachment that are gathered before they are written.
const WRITE_BYTES: usize = if cfg!(test) { 16 << 10 } else { 1 << 20 };
/// No log ever counts further at open; there is room above it for all that one run can add.
const MAX_SEQUENCE: u64 = u64::MAX / 2;
/// Used segments kept for reuse.
const SPARE_SEGMENTS: usize = 4;

fn segment_name(sequence: u64) -> String {
    format!("{sequence:016x}.log")
}

fn segment_sequence(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_suffix(".log")?, 16).ok()
}

pub(crate) fn attachment_name(number: u64) -> String {
    format!("{number:016x}.run")
}

fn segment_header(uuid: [u8; 16], sequence: u64) -> [u8; SEGMENT_HEADER_BYTES as usize] {
    let mut header = [0; SEGMENT_HEADER_BYTES as usize];
    header[0..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[16..32].copy_from_slice(&uuid);
    header[32..40].copy_from_slice(&sequence.to_le_bytes());
    let checksum = xxh3_64(&header[..40]);
    header[40..48].copy_from_slice(&checksum.to_le_bytes());
    header
}

fn io_error(error: io::Error) -> StorageError {
    if error.kind() == io::ErrorKind::StorageFull {
        return StorageError::DiskFull(format!("commit log: {error}"));
    }
    StorageError::Io(format!("commit log: {error}"))
}

/// Files of writes that are too large for a record, written by the committing thread before it queues, or by the
/// transaction as it goes.
pub(crate) struct Attachments {
    disk: Arc<dyn Disk>,
    next: AtomicU64,
}

/// Takes away bytes that were encoded, when they have become many.
pub(crate) type HandOn<'h> = dyn FnMut(&mut Vec<u8>) -> Result<()> + 'h;

impl Attachments {
    /// Writes and syncs one attachment of the writes parts that `encode` appends to its buffer. Called after each entry, its
    /// second argument writes what has gathered, so that a large attachment never is in memory as a whole. On error nothing
    /// is left behind.
    pub fn write(&self, encode: impl FnOnce(&mut Vec<u8>, &mut HandOn<'_>) -> Result<()>) -> Result<Attachment> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let written = self.write_numbered(number, encode);
        if written.is_err() {
            self.remove(number);
        }
        written
    }

    fn write_numbered(
        &self,
        number: u64,
        encode: impl FnOnce(&mut Vec<u8>, &mut HandOn<'_>) -> Result<()>,
    ) -> Result<Attachment> {
        let file = self.disk.open(&attachment_name(number)).map_err(io_error)?;
        let mut hash = Xxh3::new();
        let mut size_bytes = 0;
        let mut write_out = |bytes: &mut Vec<u8>| -> Result<()> {
            hash.update(bytes);
            file.write_at(size_bytes, bytes).map_err(io_error)?;
            size_bytes += bytes.len() as u64;
            bytes.clear();
            Ok(())
        };
        let mut buffer = Vec::with_capacity(WRITE_BYTES + WRITE_BYTES / 4);
        let mut hand_on =
            |bytes: &mut Vec<u8>| -> Result<()> { if bytes.len() < WRITE_BYTES { Ok(()) } else { write_out(bytes) } };
        encode(&mut buffer, &mut hand_on)?;
        write_out(&mut buffer)?;
        file.sync().map_err(io_error)?;
        self.disk.sync_directory().map_err(io_error)?;
        Ok(Attachment { number, size_bytes, checksum: hash.digest() })
    }

    /// Begins a file for the writes of a transaction that has too many for its memory.
    pub fn create_spill(&self) -> Result<Arc<SpillFile>> {
        SpillFile::open(&self.disk, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Begins a file for what a statement keeps.
    pub fn create_temporary(&self) -> Result<TemporaryFile> {
        TemporaryFile::create(&self.disk, self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Bytes that the database's files may still grow by, if that is known.
    pub fn free_bytes(&self) -> Option<u64> {
        self.disk.free_bytes().ok().flatten()
    }

    /// Removes an attachment that no record needs any more.
    pub fn remove(&self, number: u64) {
        if let Err(error) = self.disk.remove(&attachment_name(number)) {
            // Opening removes what is left over.
            tracing::warn!(%error, number, "an attachment of the commit log was not removed");
        }
    }
}

/// The end of the log, open for appending.
pub(crate) struct CommitLog {
    disk: Arc<dyn Disk>,
    uuid: [u8; 16],
    sequence: u64,
    file: Box<dyn DiskFile>,
    /// Where the next record goes.
    position: u64,
    /// Bytes of the file that are allocated.
    allocated: u64,
    /// LSN of the last record written, and of the last one known to be durable.
    written: Lsn,
    durable: Lsn,
    /// Segments before the current one that redb does not hold yet: sequence and last LSN, oldest first.
    full: Vec<(u64, Lsn)>,
    /// Sequences of segments that may be overwritten.
    spare: Vec<u64>,
}

impl CommitLog {
    /// Begins a log behind `applied`, everything at or below which redb holds durably. All that lies in the folder is
    /// given up: call [`replay()`] before.
    pub fn begin(disk: Arc<dyn Disk>, uuid: [u8; 16], applied: Lsn) -> Result<(CommitLog, Attachments)> {
        let mut sequences = Vec::new();
        for name in disk.list().map_err(io_error)? {
            if let Some(sequence) = segment_sequence(&name) {
                sequences.push(sequence);
            } else if is_attachment(&name) {
                disk.remove(&name).map_err(io_error)?;
            }
        }
        sequences.sort_unstable();
        let last = sequences.last().copied().unwrap_or(0);
        if last > MAX_SEQUENCE {
            let name = segment_name(last);
            return Err(StorageError::Corrupted(format!("{name} is no segment of the commit log; move it away")));
        }
        let sequence = last + 1;
        let mut spare = sequences;
        let (file, allocated) = start_segment(&*disk, uuid, sequence, &mut spare).map_err(io_error)?;
        let attachments = Attachments { disk: Arc::clone(&disk), next: AtomicU64::new(1) };
        let log = CommitLog {
            disk,
            uuid,
            sequence,
            file,
            position: SEGMENT_HEADER_BYTES,
            allocated,
            written: applied,
            durable: applied,
            full: Vec::new(),
            spare,
        };
        Ok((log, attachments))
    }

    /// Appends one record: [`HEADER_BYTES`] of room, then the payload. Nothing is durable before [`Self::sync`].
    ///
    /// After an error nothing was appended and the log may be used again, unless it is `CommitUnknown`: then the record
    /// may be found at the next open.
    pub fn append(&mut self, record: &mut [u8], first: Lsn, last: Lsn) -> Result<()> {
        debug_assert_eq!(first.0, self.written.0 + 1, "commits follow one another");
        debug_assert!(record.len() > HEADER_BYTES);
        if self.position + record.len() as u64 > SEGMENT_BYTES && self.position > SEGMENT_HEADER_BYTES {
            self.rotate()?;
        }
        seal(record, self.sequence, first, last, self.durable)?;
        self.write(record).map_err(|error| self.taken_back(error, record.len() as u64))?;
        self.position = (self.position + record.len() as u64).next_multiple_of(ALIGNMENT);
        self.written = last;
        Ok(())
    }

    fn write(&mut self, record: &[u8]) -> io::Result<()> {
        // Room for the zero length that ends the log.
        let end = self.position + record.len() as u64 + HEADER_BYTES as u64;
        if end > self.allocated {
            let allocated = end.next_multiple_of(GROWTH_BYTES);
            self.file.write_at(self.allocated, &vec![0; (allocated - self.allocated) as usize])?;
            self.allocated = allocated;
        }
        self.file.write_at(self.position, record)
    }

    /// After a failed write: makes sure that no part of the record can be taken for one.
    fn taken_back(&self, error: io::Error, length: u64) -> StorageError {
        let blank = vec![0; length.min(HEADER_BYTES as u64) as usize];
        match self.file.write_at(self.position, &blank) {
            Ok(()) => io_error(error),
            // A header that was never written needs no blanking.
            Err(_) if self.position >= self.allocated => io_error(error),
            Err(_) => StorageError::CommitUnknown(format!("commit log: {error}")),
        }
    }

    /// Makes everything appended durable. After an error the outcome is unknown and the log must not be used again.
    pub fn sync(&mut self) -> Result<Lsn> {
        if self.durable < self.written {
            self.file.sync().map_err(|error| StorageError::CommitUnknown(format!("commit log: {error}")))?;
            self.durable = self.written;
        }
        Ok(self.durable)
    }

    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// Something was appended that is not durable yet.
    pub fn is_behind(&self) -> bool {
        self.durable < self.written
    }

    fn rotate(&mut self) -> Result<()> {
        self.sync()?;
        let sequence = self.sequence + 1;
        let (file, allocated) = start_segment(&*self.disk, self.uuid, sequence, &mut self.spare).map_err(io_error)?;
        self.full.push((self.sequence, self.written));
        (self.sequence, self.file, self.allocated) = (sequence, file, allocated);
        self.position = SEGMENT_HEADER_BYTES;
        Ok(())
    }

    /// redb durably holds everything at or below `applied`: segments that hold nothing else are kept for reuse.
    pub fn release(&mut self, applied: Lsn) {
        let released = self.full.iter().take_while(|(_, last)| *last <= applied).count();
        for (sequence, _) in self.full.drain(..released) {
            if self.spare.len() < SPARE_SEGMENTS {
                self.spare.push(sequence);
            } else if let Err(error) = self.disk.remove(&segment_name(sequence)) {
                tracing::warn!(%error, sequence, "a segment of the commit log was not removed");
            }
        }
    }
}

/// Files that only their writer, or a record of the log, has a use for.
fn is_attachment(name: &str) -> bool {
    [".run", spill::SUFFIX, temporary::SUFFIX].iter().any(|suffix| name.ends_with(suffix))
}

/// Removes all segments and attachments: redb durably holds everything. A file that is later restored from a backup is then
/// not mistaken for the beginning of a log that goes on from another one.
pub(crate) fn clear(disk: &dyn Disk) -> Result<()> {
    for name in disk.list().map_err(io_error)? {
        if segment_sequence(&name).is_some() || is_attachment(&name) {
            disk.remove(&name).map_err(io_error)?;
        }
    }
    disk.sync_directory().map_err(io_error)
}

/// Opens a segment with its header in place (not yet durable, but its name is) and gives its allocated length.
fn start_segment(
    disk: &dyn Disk,
    uuid: [u8; 16],
    sequence: u64,
    spare: &mut Vec<u64>,
) -> io::Result<(Box<dyn DiskFile>, u64)> {
    let name = segment_name(sequence);
    // The newest spare is the one most likely to have its full length.
    if let Some(old) = spare.last().copied() {
        disk.rename(&segment_name(old), &name)?;
        spare.pop();
    }
    while spare.len() > SPARE_SEGMENTS {
        disk.remove(&segment_name(spare.remove(0)))?;
    }
    let file = disk.open(&name)?;
    let mut allocated = file.len()?;
    if allocated < GROWTH_BYTES {
        file.write_at(allocated, &vec![0; (GROWTH_BYTES - allocated) as usize])?;
        allocated = GROWTH_BYTES;
    }
    // A header of zeros behind the segment's own ends the log here, whatever the file held before.
    let mut head = segment_header(uuid, sequence).to_vec();
    head.resize(head.len() + HEADER_BYTES, 0);
    file.write_at(0, &head)?;
    file.sync()?;
    disk.sync_directory()?;
    Ok((file, allocated))
}
