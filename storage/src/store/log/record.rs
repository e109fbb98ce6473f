//! Records of the commit log, and the writes they hold.
//!
//! A record is one batch of commits. Its header is 40 bytes, little-endian:
//!
//! ```text
//!  0  payload length, 4 bytes; 0 marks the end of what was written
//!  4  kind, 4 bytes: 1
//!  8  LSN of its first commit
//! 16  LSN of its last commit
//! 24  LSN up to which everything was known to be durable when it was written
//! 32  XXH3-64 of the segment's sequence number, bytes 0 to 32, and the payload
//! ```
//!
//! The payload is a list of parts; records start at multiples of 8. Integers are LEB128 varints.
//!
//! | part | fields |
//! |---|---|
//! | 1 writes | keyspace, flags (1 = everything below was cleared), count, then per entry: key length, key, value length + 1 (0 deletes the key), value |
//! | 2 attachment | number, length, 8 bytes XXH3-64: a file of writes parts beside the segments |
//! | 3 spill | number, length, place of the directory, 8 bytes XXH3-64 of it: a file of spilled writes beside the segments |

use xxhash_rust::xxh3::Xxh3;

use crate::encoding::varint::{Reader, write_varint};
use crate::error::{Result, StorageError};
use crate::ids::Lsn;
use crate::store::Keyspace;
use crate::store::spill::SealedSpill;

pub(crate) const HEADER_BYTES: usize = 40;
/// Records start at multiples of this.
pub(super) const ALIGNMENT: u64 = 8;
const KIND_COMMITS: u32 = 1;
const PART_WRITES: u8 = 1;
const PART_ATTACHMENT: u8 = 2;
const PART_SPILL: u8 = 3;
const FLAG_CLEARED: u64 = 1;

/// The fixed part of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub payload_bytes: u32,
    pub first: Lsn,
    pub last: Lsn,
    pub durable: Lsn,
    checksum: u64,
}

impl RecordHeader {
    /// None for bytes that are no header.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<RecordHeader> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let header = RecordHeader {
            payload_bytes: u32_at(0),
            first: Lsn(u64_at(8)),
            last: Lsn(u64_at(16)),
            durable: Lsn(u64_at(24)),
            checksum: u64_at(32),
        };
        let is_plausible = header.payload_bytes > 0 && u32_at(4) == KIND_COMMITS && header.first <= header.last;
        is_plausible.then_some(header)
    }

    /// True when the payload is what was written under this header in this segment.
    pub fn matches(&self, sequence: u64, bytes: &[u8; HEADER_BYTES], payload: &[u8]) -> bool {
        self.checksum == checksum(sequence, &bytes[..32], payload)
    }
}

fn checksum(sequence: u64, header: &[u8], payload: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&sequence.to_le_bytes());
    hash.update(header);
    hash.update(payload);
    hash.digest()
}

/// Fills in the header of `record`, whose payload follows the first [`HEADER_BYTES`].
pub(super) fn seal(record: &mut [u8], sequence: u64, first: Lsn, last: Lsn, durable: Lsn) -> Result<()> {
    let (header, payload) = record.split_at_mut(HEADER_BYTES);
    let length = u32::try_from(payload.len())
        .map_err(|_| StorageError::LimitExceeded(format!("a commit of {} bytes is too large", payload.len())))?;
    header[0..4].copy_from_slice(&length.to_le_bytes());
    header[4..8].copy_from_slice(&KIND_COMMITS.to_le_bytes());
    header[8..16].copy_from_slice(&first.0.to_le_bytes());
    header[16..24].copy_from_slice(&last.0.to_le_bytes());
    header[24..32].copy_from_slice(&durable.0.to_le_bytes());
    let checksum = checksum(sequence, &header[..32], payload);
    header[32..40].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Begins a writes part of `count` entries, which are to follow in key order.
pub(crate) fn begin_writes(out: &mut Vec<u8>, keyspace: Keyspace, cleared: bool, count: usize) {
    out.push(PART_WRITES);
    write_varint(out, u64::from(keyspace.0));
    write_varint(out, if cleared { FLAG_CLEARED } else { 0 });
    write_varint(out, count as u64);
}

/// Appends an entry of a writes part; without a value it deletes the key.
pub(crate) fn encode_entry(out: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    write_varint(out, key.len() as u64);
    out.extend_from_slice(key);
    write_varint(out, value.map_or(0, |value| value.len() as u64 + 1));
    if let Some(value) = value {
        out.extend_from_slice(value);
    }
}

/// A file of writes parts that a record stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub number: u64,
    pub size_bytes: u64,
    pub checksum: u64,
}

pub(crate) fn encode_attachment(out: &mut Vec<u8>, attachment: Attachment) {
    out.push(PART_ATTACHMENT);
    write_varint(out, attachment.number);
    write_varint(out, attachment.size_bytes);
    out.extend_from_slice(&attachment.checksum.to_le_bytes());
}

pub(crate) fn encode_spill(out: &mut Vec<u8>, sealed: SealedSpill) {
    out.push(PART_SPILL);
    for field in [sealed.number, sealed.size_bytes, sealed.directory_at] {
        write_varint(out, field);
    }
    out.extend_from_slice(&sealed.checksum.to_le_bytes());
}

/// One part of a payload, read in place.
pub(crate) enum Part<'b> {
    Writes { keyspace: Keyspace, cleared: bool, entries: Entries<'b> },
    Attachment(Attachment),
    Spill(SealedSpill),
}

/// Entries of a writes part. Must be read to its end before the next part.
pub(crate) struct Entries<'b> {
    left: u64,
    reader: Reader<'b>,
}

/// Calls `visit` on every part, in order. Errors with `Corrupted` for bytes that were not written by this module.
pub(crate) fn for_each_part(payload: &[u8], mut visit: impl FnMut(Part<'_>) -> Result<()>) -> Result<()> {
    let mut reader = Reader::new(payload, "commit log record");
    while !reader.is_empty() {
        match reader.byte()? {
            PART_WRITES => {
                let keyspace = Keyspace(reader.varint_u32()?);
                let cleared = reader.varint()? & FLAG_CLEARED != 0;
                let left = reader.varint()?;
                let start = reader.clone();
                for _ in 0..left {
                    next_entry(&mut reader)?;
                }
                visit(Part::Writes { keyspace, cleared, entries: Entries { left, reader: start } })?;
            }
            PART_ATTACHMENT => {
                let (number, size_bytes) = (reader.varint()?, reader.varint()?);
                let checksum = u64::from_le_bytes(reader.array()?);
                visit(Part::Attachment(Attachment { number, size_bytes, checksum }))?;
            }
            PART_SPILL => {
                let (number, size_bytes, directory_at) = (reader.varint()?, reader.varint()?, reader.varint()?);
                let checksum = u64::from_le_bytes(reader.array()?);
                visit(Part::Spill(SealedSpill { number, size_bytes, directory_at, checksum }))?;
            }
            part => return Err(StorageError::Corrupted(format!("commit log record has a part of kind {part}"))),
        }
    }
    Ok(())
}

fn next_entry<'b>(reader: &mut Reader<'b>) -> Result<(&'b [u8], Option<&'b [u8]>)> {
    let length = reader.length()?;
    let key = reader.bytes(length)?;
    let value = match reader.varint()? {
        0 => None,
        length => {
            let length = usize::try_from(length - 1)
                .map_err(|_| StorageError::Corrupted("commit log value is too long".to_owned()))?;
            Some(reader.bytes(length)?)
        }
    };
    Ok((key, value))
}

impl<'b> Iterator for Entries<'b> {
    type Item = (&'b [u8], Option<&'b [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        Some(next_entry(&mut self.reader).expect("the part was read through before"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_survive_encoding_and_damage_is_noticed() {
        let mut record = vec![0; HEADER_BYTES];
        begin_writes(&mut record, Keyspace(7), true, 3);
        encode_entry(&mut record, b"a", Some(b"1"));
        encode_entry(&mut record, b"b", None);
        encode_entry(&mut record, b"c", Some(b""));
        let attachment = Attachment { number: 3, size_bytes: 99, checksum: 5 };
        encode_attachment(&mut record, attachment);
        let sealed = SealedSpill { number: 1 << 40, size_bytes: 7_000, directory_at: 6_000, checksum: 6 };
        encode_spill(&mut record, sealed);
        seal(&mut record, 11, Lsn(4), Lsn(6), Lsn(3)).unwrap();

        let header_bytes: [u8; HEADER_BYTES] = record[..HEADER_BYTES].try_into().unwrap();
        let header = RecordHeader::decode(&header_bytes).unwrap();
        assert_eq!((header.first, header.last, header.durable), (Lsn(4), Lsn(6), Lsn(3)));
        let payload = &record[HEADER_BYTES..];
        assert!(header.matches(11, &header_bytes, payload));
        assert!(
            !header.matches(12, &header_bytes, payload),
            "a record of a recycled segment is not taken for a new one"
        );
        for at in 0..payload.len() {
            let mut damaged = payload.to_vec();
            damaged[at] ^= 1;
            assert!(!header.matches(11, &header_bytes, &damaged));
        }

        let mut seen = Vec::new();
        for_each_part(payload, |part| {
            match part {
                Part::Writes { keyspace, cleared, entries } => {
                    assert_eq!((keyspace, cleared), (Keyspace(7), true));
                    seen.extend(entries.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))));
                }
                Part::Attachment(found) => assert_eq!(found, attachment),
                Part::Spill(found) => assert_eq!(found, sealed),
            }
            Ok(())
        })
        .unwrap();
        let expected =
            vec![(b"a".to_vec(), Some(b"1".to_vec())), (b"b".to_vec(), None), (b"c".to_vec(), Some(Vec::new()))];
        assert_eq!(seen, expected);
        // No prefix is read beyond its end.
        for length in 0..payload.len() {
            let _ = for_each_part(&payload[..length], |_| Ok(()));
        }
    }
}
