//! Blocks of a spill file, and the entries in them.
//!
//! A block is 12 bytes of header, little-endian, and a payload; its checksum is seeded with its place, so that no block
//! is taken for another:
//!
//! ```text
//!  0  payload length, 4 bytes
//!  4  XXH3-64 of the payload, seeded with the block's offset
//! ```
//!
//! Entries follow one another in key order: key length, key, flags (1 = has a value, 2 = fresh, 4 = locked), base LSN, and
//! with a value its length and bytes. Integers are LEB128 varints.

use std::io;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::spill_error;
use crate::encoding::varint::{Reader, write_varint};
use crate::error::{Result, StorageError};
use crate::ids::Lsn;
use crate::store::disk::DiskFile;
use crate::store::write_set::{WriteEntry, WriteRef};

const HEADER_BYTES: u64 = 12;
/// Bytes gathered before they are written to the file.
const WRITE_BYTES: usize = 1 << 20;
const HAS_VALUE: u8 = 1;
const FRESH: u8 = 2;
const LOCKED: u8 = 4;

/// Appends blocks to a file.
pub(super) struct BlockWriter<'f> {
    file: &'f dyn DiskFile,
    written: u64,
    pending: Vec<u8>,
}

impl<'f> BlockWriter<'f> {
    pub fn new(file: &'f dyn DiskFile, position: u64) -> BlockWriter<'f> {
        BlockWriter { file, written: position, pending: Vec::new() }
    }

    /// Where the next block goes.
    pub fn position(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    pub fn append(&mut self, payload: &[u8]) -> Result<()> {
        let length = u32::try_from(payload.len())
            .map_err(|_| StorageError::LimitExceeded(format!("a block of {} bytes is too large", payload.len())))?;
        let checksum = xxh3_64_with_seed(payload, self.position());
        self.pending.extend_from_slice(&length.to_le_bytes());
        self.pending.extend_from_slice(&checksum.to_le_bytes());
        self.pending.extend_from_slice(payload);
        if self.pending.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    pub fn flush(&mut self) -> Result<()> {
        if !self.pending.is_empty() {
            self.file.write_at(self.written, &self.pending).map_err(spill_error)?;
            self.written += self.pending.len() as u64;
            self.pending.clear();
        }
        Ok(())
    }
}

/// The payload of the block at `offset`, and where the next one begins. Blocks end at `end`.
pub(super) fn read_block(file: &dyn DiskFile, offset: u64, end: u64) -> Result<(Vec<u8>, u64)> {
    let damaged = || StorageError::Corrupted(format!("a file of spilled writes is damaged at byte {offset}"));
    let read = |at: u64, out: &mut [u8]| {
        file.read_at(at, out).map_err(|error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged(),
            _ => spill_error(error),
        })
    };
    let payload_at = offset + HEADER_BYTES;
    if payload_at > end {
        return Err(damaged());
    }
    let mut header = [0; HEADER_BYTES as usize];
    read(offset, &mut header[..])?;
    let length = u64::from(u32::from_le_bytes(header[..4].try_into().expect("four bytes")));
    if length > end - payload_at {
        return Err(damaged());
    }
    let mut payload = vec![0; length as usize];
    read(payload_at, &mut payload[..])?;
    let checksum = u64::from_le_bytes(header[4..].try_into().expect("eight bytes"));
    if xxh3_64_with_seed(&payload, offset) != checksum {
        return Err(damaged());
    }
    Ok((payload, payload_at + length))
}

pub(super) fn encode_entry(out: &mut Vec<u8>, entry: WriteRef<'_>) {
    write_varint(out, entry.key().len() as u64);
    out.extend_from_slice(entry.key());
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let value = entry.value();
    out.push(flag(value.is_some(), HAS_VALUE) | flag(entry.is_fresh(), FRESH) | flag(entry.is_locked(), LOCKED));
    write_varint(out, entry.base().0);
    if let Some(value) = value {
        write_varint(out, value.len() as u64);
        out.extend_from_slice(value);
    }
}

/// An entry read in place.
pub(super) struct EntryRef<'b> {
    pub key: &'b [u8],
    pub value: Option<&'b [u8]>,
    base: Lsn,
    flags: u8,
}

impl EntryRef<'_> {
    pub fn to_entry(&self) -> WriteEntry {
        WriteEntry {
            value: self.value.map(Arc::from),
            base: self.base,
            fresh: self.flags & FRESH != 0,
            locked: self.flags & LOCKED != 0,
        }
    }
}

/// Entries of a payload from a position on; gives the position behind the entry too. None at the end.
pub(super) fn entry_at(payload: &[u8], position: usize) -> Result<Option<(EntryRef<'_>, usize)>> {
    let mut reader = Reader::new(&payload[position..], "block of spilled writes");
    if reader.is_empty() {
        return Ok(None);
    }
    let length = reader.length()?;
    let key = reader.bytes(length)?;
    let flags = reader.byte()?;
    let base = Lsn(reader.varint()?);
    let value = if flags & HAS_VALUE != 0 {
        let length = reader.length()?;
        Some(reader.bytes(length)?)
    } else {
        None
    };
    Ok(Some((EntryRef { key, value, base, flags }, payload.len() - reader.remaining())))
}
