//! Reading the log at open.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::record::{ALIGNMENT, Attachment, HEADER_BYTES, Part, RecordHeader, for_each_part};
use super::{
    Disk, DiskFile, MAGIC, SEGMENT_HEADER_BYTES, VERSION, attachment_name, io_error, segment_header, segment_name,
    segment_sequence,
};
use crate::error::{Result, StorageError};
use crate::ids::Lsn;

/// Largest attachment read back, in bytes.
const MAX_ATTACHMENT_BYTES: u64 = 64 << 30;
/// How many times the length of a segment is summed at most in the search behind its last whole record.
const TAIL_SEARCHES: u64 = 4;
/// No record holds as many commits.
const MAX_RECORD_COMMITS: u64 = 1_000_000;

/// Calls `visit(last LSN, bytes, part)` for every part above `applied`, in order, attachments resolved to their writes;
/// `bytes` is what has been read of `total`, for progress. Returns the LSN of the last whole record, or `applied`.
///
/// Errors: `Corrupted` when a commit that had been durable is missing or damaged, `FormatTooNew`.
pub(crate) fn replay(
    disk: &Arc<dyn Disk>,
    uuid: [u8; 16],
    applied: Lsn,
    visit: &mut dyn FnMut(Lsn, Part<'_>) -> Result<()>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Lsn> {
    let mut sequences: Vec<u64> =
        disk.list().map_err(io_error)?.iter().filter_map(|name| segment_sequence(name)).collect();
    sequences.sort_unstable();
    let mut reader = LogReader { disk, applied, last: None, visit };
    let mut done = 0;
    for (at, sequence) in sequences.iter().enumerate() {
        let file = disk.open(&segment_name(*sequence)).map_err(io_error)?;
        let length = file.len().map_err(io_error)?;
        if is_of_log(&*file, length, uuid, *sequence)? {
            reader.segment(&*file, length, *sequence)?;
        }
        done += length;
        progress(done, done + (sequences.len() - at - 1) as u64 * length);
    }
    Ok(reader.last.unwrap_or(applied).max(applied))
}

/// False for a segment whose header was never finished, or that belongs to another life of the file.
fn is_of_log(file: &dyn DiskFile, length: u64, uuid: [u8; 16], sequence: u64) -> Result<bool> {
    if length < SEGMENT_HEADER_BYTES {
        return Ok(false);
    }
    let mut header = [0; SEGMENT_HEADER_BYTES as usize];
    file.read_at(0, &mut header).map_err(io_error)?;
    if header == segment_header(uuid, sequence) {
        return Ok(true);
    }
    let version = u32::from_le_bytes(header[8..12].try_into().expect("four bytes"));
    let is_whole = header[0..8] == *MAGIC && xxh3_64(&header[..40]).to_le_bytes() == header[40..48];
    if is_whole && version > VERSION {
        return Err(StorageError::FormatTooNew { found: version, supported: VERSION });
    }
    if is_whole && header[16..32] != uuid {
        return Err(StorageError::Corrupted(
            "the commit log belongs to another database; move the folder \"log\" away if the rows were restored alone"
                .to_owned(),
        ));
    }
    Ok(false)
}

struct LogReader<'v> {
    disk: &'v Arc<dyn Disk>,
    applied: Lsn,
    /// LSN of the last record taken.
    last: Option<Lsn>,
    visit: &'v mut dyn FnMut(Lsn, Part<'_>) -> Result<()>,
}

impl LogReader<'_> {
    fn segment(&mut self, file: &dyn DiskFile, length: u64, sequence: u64) -> Result<()> {
        let mut position = SEGMENT_HEADER_BYTES;
        while let Some((header, payload)) = read_record(file, length, sequence, position)? {
            self.record(&header, &payload)?;
            position = (position + (HEADER_BYTES + payload.len()) as u64).next_multiple_of(ALIGNMENT);
        }
        self.check_tail(file, length, sequence, position)
    }

    fn record(&mut self, header: &RecordHeader, payload: &[u8]) -> Result<()> {
        // Segments kept for reuse may lie before the ones that matter; redb holds all they say.
        let next = self.last.unwrap_or(self.applied).max(self.applied).0 + 1;
        if header.first.0 > next || (header.first.0 < next && header.last.0 >= next) {
            return Err(StorageError::Corrupted(format!(
                "the commit log continues at LSN {} instead of {next}",
                header.first
            )));
        }
        if header.last.0 < next {
            return Ok(());
        }
        self.last = Some(header.last);
        let (disk, visit) = (self.disk, &mut *self.visit);
        for_each_part(payload, |part| match part {
            Part::Attachment(attachment) => {
                let bytes = read_attachment(disk, attachment)?;
                for_each_part(&bytes, |part| visit(header.last, part))
            }
            part => visit(header.last, part),
        })
    }

    /// Looks behind the last whole record for one that was written when the missing one was already durable.
    fn check_tail(&self, file: &dyn DiskFile, length: u64, sequence: u64, from: u64) -> Result<()> {
        let last = self.last.unwrap_or(self.applied).max(self.applied);
        let size = usize::try_from(length.saturating_sub(from))
            .map_err(|_| StorageError::Corrupted("a segment of the commit log is too long".to_owned()))?;
        let mut rest = vec![0; size];
        file.read_at(from, &mut rest).map_err(io_error)?;
        match search_tail(&rest, sequence, last, length.saturating_mul(TAIL_SEARCHES)) {
            Tail::Durable(durable) => Err(StorageError::Corrupted(format!(
                "the commit log is damaged behind LSN {last}: commits up to {durable} were durable"
            ))),
            Tail::Unknown => {
                tracing::warn!(
                    sequence,
                    "the unfinished end of the commit log holds too much that looks like records to look through all of it"
                );
                Ok(())
            }
            Tail::Unfinished => Ok(()),
        }
    }
}

/// What lies behind the last whole record of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Only commits that nobody was told of.
    Unfinished,
    /// A whole record, written when everything up to this LSN was durable.
    Durable(Lsn),
    /// The search was given up.
    Unknown,
}

/// Looks in `rest`, from its second place for a record on, for a whole record that says that a commit above `last` was
/// durable. Rows may hold bytes that look like headers, each of which costs a checksum: no more than `budget` bytes are
/// summed.
pub(super) fn search_tail(rest: &[u8], sequence: u64, last: Lsn, mut budget: u64) -> Tail {
    for at in (ALIGNMENT as usize..rest.len().saturating_sub(HEADER_BYTES)).step_by(ALIGNMENT as usize) {
        let bytes: &[u8; HEADER_BYTES] = rest[at..at + HEADER_BYTES].try_into().expect("the range was checked");
        if bytes[..4] == [0; 4] {
            continue;
        }
        let Some(header) = RecordHeader::decode(bytes) else { continue };
        let payload_end = at + HEADER_BYTES + header.payload_bytes as usize;
        // What is durable when a record is written was written before it.
        let is_plausible = header.durable > last
            && header.first > header.durable
            && header.last.0 - header.first.0 < MAX_RECORD_COMMITS
            && payload_end <= rest.len();
        if !is_plausible {
            continue;
        }
        let Some(left) = budget.checked_sub(u64::from(header.payload_bytes)) else { return Tail::Unknown };
        budget = left;
        if header.matches(sequence, bytes, &rest[at + HEADER_BYTES..payload_end]) {
            return Tail::Durable(header.durable);
        }
    }
    Tail::Unfinished
}

fn read_record(
    file: &dyn DiskFile,
    length: u64,
    sequence: u64,
    position: u64,
) -> Result<Option<(RecordHeader, Vec<u8>)>> {
    let payload_at = position + HEADER_BYTES as u64;
    if payload_at > length {
        return Ok(None);
    }
    let mut bytes = [0; HEADER_BYTES];
    file.read_at(position, &mut bytes).map_err(io_error)?;
    let Some(header) = RecordHeader::decode(&bytes) else { return Ok(None) };
    if u64::from(header.payload_bytes) > length - payload_at {
        return Ok(None);
    }
    let mut payload = vec![0; header.payload_bytes as usize];
    file.read_at(payload_at, &mut payload).map_err(io_error)?;
    Ok(header.matches(sequence, &bytes, &payload).then_some((header, payload)))
}

fn read_attachment(disk: &Arc<dyn Disk>, attachment: Attachment) -> Result<Vec<u8>> {
    let name = attachment_name(attachment.number);
    let damaged = || StorageError::Corrupted(format!("the commit log's file {name} is missing or damaged"));
    if attachment.size_bytes > MAX_ATTACHMENT_BYTES {
        return Err(damaged());
    }
    let file = disk.open(&name).map_err(io_error)?;
    if file.len().map_err(io_error)? < attachment.size_bytes {
        return Err(damaged());
    }
    let mut bytes = vec![0; attachment.size_bytes as usize];
    file.read_at(0, &mut bytes).map_err(io_error)?;
    if xxh3_64(&bytes) != attachment.checksum { Err(damaged()) } else { Ok(bytes) }
}
