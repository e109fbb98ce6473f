//! Checkpoint files: one derived structure as of one LSN.
//!
//! ```text
//! header   96 bytes, with a checksum of its own
//! sections one after another, each at most 8 MiB
//! table    tag, length and XXH3-64 of each section; its own XXH3-64 is in the header
//! ```
//!
//! A file is written under another name, the header last, synced, and renamed over the one before it: a reader finds the
//! old file or the new one. It is read a section at a time, so memory is bounded by a section and the table. Every length
//! is compared with what is there before anything is allocated for it, and a section's checksum before it is given out.
//! Whatever does not verify is an error; the caller says so in the log and rebuilds from the rows.
//!
//! The byte-by-byte description is in `docs/file-format.md`.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::error::{Result, StorageError};
use crate::ids::{Lsn, RelationId};
use crate::store::{Origin, StoreHistory, sync_directory};

const MAGIC: [u8; 8] = *b"SINEWCKP";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 96;
const ENTRY_BYTES: usize = 16;
/// Whoever writes sections begins a new one at this size, in bytes.
pub(crate) const SECTION_BYTES: usize = 1 << 20;
const MAX_SECTION_BYTES: usize = 8 << 20;
const MAX_SECTIONS: usize = 1 << 20;
/// Written data is synced in steps of this size, so that the fsync of a commit never waits for all of a large file.
const SYNC_BYTES: u64 = 16 << 20;
/// Ending of a file that is being written.
pub(crate) const UNFINISHED: &str = "new";

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckpointKind {
    GraphImage = 1,
    VectorBase = 2,
}

/// Which structure a file is of: it is not taken for any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckpointKey {
    pub kind: CheckpointKind,
    /// The index; 0 for the graph.
    pub index: RelationId,
    /// Hash of the definition that the structure follows.
    pub fingerprint: u64,
}

impl CheckpointKey {
    fn fields(&self) -> (u32, u32, u64) {
        (self.kind as u32, self.index.0, self.fingerprint)
    }
}

/// Asked between sections: true ends the writing with `ShuttingDown`.
pub(crate) type IsInterrupted<'i> = &'i dyn Fn() -> bool;

fn io_error(path: &Path, error: &std::io::Error) -> StorageError {
    StorageError::Io(format!("{}: {error}", path.display()))
}

/// Writes one file; unless it is finished, nothing stays.
pub(crate) struct CheckpointWriter<'i> {
    path: PathBuf,
    unfinished: PathBuf,
    file: File,
    key: CheckpointKey,
    origin: Origin,
    table: Vec<u8>,
    /// End of the last section.
    end: u64,
    synced: u64,
    is_interrupted: IsInterrupted<'i>,
    is_finished: bool,
}

impl<'i> CheckpointWriter<'i> {
    /// Creates the directory when it is missing.
    pub fn create(
        path: &Path,
        key: CheckpointKey,
        origin: Origin,
        is_interrupted: IsInterrupted<'i>,
    ) -> Result<CheckpointWriter<'i>> {
        let unfinished = path.with_extension(UNFINISHED);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| io_error(directory, &error))?;
        }
        let file = File::create(&unfinished).map_err(|error| io_error(&unfinished, &error))?;
        Ok(CheckpointWriter {
            path: path.to_owned(),
            unfinished,
            file,
            key,
            origin,
            table: Vec::new(),
            end: HEADER_BYTES as u64,
            synced: 0,
            is_interrupted,
            is_finished: false,
        })
    }

    /// Appends a section of at most 8 MiB. `ShuttingDown` when the writing was interrupted.
    pub fn section(&mut self, tag: u32, payload: &[u8]) -> Result<()> {
        if (self.is_interrupted)() {
            return Err(StorageError::ShuttingDown);
        }
        if payload.len() > MAX_SECTION_BYTES || self.table.len() / ENTRY_BYTES >= MAX_SECTIONS {
            return Err(StorageError::LimitExceeded(format!(
                "a checkpoint has at most {MAX_SECTIONS} sections of {MAX_SECTION_BYTES} bytes"
            )));
        }
        self.write_at(self.end, payload)?;
        self.end += payload.len() as u64;
        self.table.extend_from_slice(&tag.to_le_bytes());
        self.table.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.table.extend_from_slice(&xxh3_64(payload).to_le_bytes());
        if self.end - self.synced >= SYNC_BYTES {
            self.file.sync_data().map_err(|error| io_error(&self.unfinished, &error))?;
            self.synced = self.end;
        }
        Ok(())
    }

    /// Makes the file durable under its name; gives its size in bytes.
    pub fn finish(mut self) -> Result<u64> {
        self.write_at(self.end, &self.table)?;
        self.write_at(0, &self.header())?;
        self.file.sync_all().map_err(|error| io_error(&self.unfinished, &error))?;
        std::fs::rename(&self.unfinished, &self.path).map_err(|error| io_error(&self.path, &error))?;
        self.is_finished = true;
        if let Some(directory) = self.path.parent() {
            sync_directory(directory).map_err(|error| io_error(directory, &error))?;
        }
        Ok(self.end + self.table.len() as u64)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.file.write_all_at(bytes, offset).map_err(|error| io_error(&self.unfinished, &error))
    }

    fn header(&self) -> Vec<u8> {
        let (kind, index, fingerprint) = self.key.fields();
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&kind.to_le_bytes());
        header.extend_from_slice(&self.origin.database_uuid);
        header.extend_from_slice(&self.origin.epoch.to_le_bytes());
        header.extend_from_slice(&self.origin.mark.to_le_bytes());
        header.extend_from_slice(&self.origin.lsn.0.to_le_bytes());
        header.extend_from_slice(&index.to_le_bytes());
        header.extend_from_slice(&((self.table.len() / ENTRY_BYTES) as u32).to_le_bytes());
        header.extend_from_slice(&fingerprint.to_le_bytes());
        header.extend_from_slice(&self.end.to_le_bytes());
        header.extend_from_slice(&xxh3_64(&self.table).to_le_bytes());
        let checksum = xxh3_64(&header);
        header.extend_from_slice(&checksum.to_le_bytes());
        header
    }
}

impl Drop for CheckpointWriter<'_> {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed now is removed at the next opening.
            let _ = std::fs::remove_file(&self.unfinished);
        }
    }
}

#[derive(Debug)]
struct Section {
    tag: u32,
    len: usize,
    checksum: u64,
}

/// Reads one file from its beginning to its end.
#[derive(Debug)]
pub(crate) struct CheckpointReader {
    path: PathBuf,
    file: File,
    lsn: Lsn,
    size_bytes: u64,
    sections: std::vec::IntoIter<Section>,
    offset: u64,
    buffer: Vec<u8>,
}

impl CheckpointReader {
    /// None when there is no file. `Corrupted` for one that is damaged, of another structure, or of a state that is not in
    /// the past of this database, whose last commit is `newest`.
    pub fn open(
        path: &Path,
        key: CheckpointKey,
        history: &StoreHistory,
        newest: Lsn,
    ) -> Result<Option<CheckpointReader>> {
        let metadata = match std::fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(path, &error)),
        };
        if !metadata.is_file() {
            return Err(corrupted(path, "it is not a file"));
        }
        let file = File::open(path).map_err(|error| io_error(path, &error))?;
        let size_bytes = file.metadata().map_err(|error| io_error(path, &error))?.len();
        let mut header = [0; HEADER_BYTES];
        read_at(path, &file, 0, &mut header)?;
        let header = Header::decode(&header).ok_or_else(|| corrupted(path, "its header is damaged"))?;
        if header.format != FORMAT {
            return Err(corrupted(path, &format!("it has format {}", header.format)));
        }
        if header.key != key.fields() {
            return Err(corrupted(path, "it is of another structure"));
        }
        if !history.leads_from(&header.origin, newest) {
            return Err(corrupted(path, "it is of a state that is not in this database's past"));
        }
        let count = header.section_count as usize;
        let table_bytes = (count * ENTRY_BYTES) as u64;
        if count > MAX_SECTIONS || header.table_offset.checked_add(table_bytes) != Some(size_bytes) {
            return Err(corrupted(path, "its length is not that of its sections"));
        }
        let mut table = vec![0; count * ENTRY_BYTES];
        read_at(path, &file, header.table_offset, &mut table)?;
        if xxh3_64(&table) != header.table_checksum {
            return Err(corrupted(path, "its table is damaged"));
        }
        let sections: Vec<Section> = table.as_chunks::<ENTRY_BYTES>().0.iter().map(Section::decode).collect();
        let total: u64 = sections.iter().map(|section| section.len as u64).sum();
        let is_too_long = sections.iter().any(|section| section.len > MAX_SECTION_BYTES);
        if is_too_long || HEADER_BYTES as u64 + total != header.table_offset {
            return Err(corrupted(path, "its length is not that of its sections"));
        }
        Ok(Some(CheckpointReader {
            path: path.to_owned(),
            file,
            lsn: header.origin.lsn,
            size_bytes,
            sections: sections.into_iter(),
            offset: HEADER_BYTES as u64,
            buffer: Vec::new(),
        }))
    }

    /// The LSN as of which the structure is.
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Tag and payload of the next section; None at the end.
    pub fn next_section(&mut self) -> Result<Option<(u32, &[u8])>> {
        let Some(section) = self.sections.next() else { return Ok(None) };
        self.buffer.resize(section.len, 0);
        read_at(&self.path, &self.file, self.offset, &mut self.buffer)?;
        self.offset += section.len as u64;
        if xxh3_64(&self.buffer) != section.checksum {
            return Err(corrupted(&self.path, "a section is damaged"));
        }
        Ok(Some((section.tag, &self.buffer[..])))
    }
}

fn corrupted(path: &Path, problem: &str) -> StorageError {
    StorageError::Corrupted(format!("{}: {problem}", path.display()))
}

fn read_at(path: &Path, file: &File, offset: u64, out: &mut [u8]) -> Result<()> {
    file.read_exact_at(out, offset).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => corrupted(path, "it ends early"),
        _ => io_error(path, &error),
    })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u64_of(&bytes[at..at + 4]) as u32
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64_of(&bytes[at..at + 8])
}

fn u64_of(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

struct Header {
    format: u32,
    key: (u32, u32, u64),
    origin: Origin,
    section_count: u32,
    table_offset: u64,
    table_checksum: u64,
}

impl Header {
    /// None for bytes that are no whole header.
    fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
        let is_whole = bytes[..8] == MAGIC && u64_at(bytes, 88) == xxh3_64(&bytes[..88]);
        let database_uuid = <[u8; 16]>::try_from(&bytes[16..32]).ok()?;
        let origin =
            Origin { database_uuid, epoch: u64_at(bytes, 32), mark: u64_at(bytes, 40), lsn: Lsn(u64_at(bytes, 48)) };
        is_whole.then(|| Header {
            format: u32_at(bytes, 8),
            key: (u32_at(bytes, 12), u32_at(bytes, 56), u64_at(bytes, 64)),
            origin,
            section_count: u32_at(bytes, 60),
            table_offset: u64_at(bytes, 72),
            table_checksum: u64_at(bytes, 80),
        })
    }
}

impl Section {
    fn decode(bytes: &[u8; ENTRY_BYTES]) -> Section {
        Section { tag: u32_at(bytes, 0), len: u32_at(bytes, 4) as usize, checksum: u64_at(bytes, 8) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Store, StoreOptions};

    const KEY: CheckpointKey =
        CheckpointKey { kind: CheckpointKind::VectorBase, index: RelationId(17), fingerprint: 5 };

    fn history() -> StoreHistory {
        let store = Store::in_memory(StoreOptions::default()).unwrap();
        StoreHistory::read(&store.published().current().rows).unwrap()
    }

    fn write(path: &Path, history: &StoreHistory, sections: &[&[u8]]) -> u64 {
        let mut writer = CheckpointWriter::create(path, KEY, history.origin(Lsn(3)), &|| false).unwrap();
        for (tag, payload) in sections.iter().enumerate() {
            writer.section(tag as u32, payload).unwrap();
        }
        writer.finish().unwrap()
    }

    /// The payloads, or what is wrong.
    fn read(path: &Path, history: &StoreHistory) -> Result<Option<Vec<Vec<u8>>>> {
        let Some(mut reader) = CheckpointReader::open(path, KEY, history, Lsn(9))? else { return Ok(None) };
        assert_eq!(reader.lsn(), Lsn(3));
        let mut payloads = Vec::new();
        while let Some((tag, payload)) = reader.next_section()? {
            assert_eq!(tag as usize, payloads.len());
            payloads.push(payload.to_vec());
        }
        Ok(Some(payloads))
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let (path, history) = (directory.path().join("a").join("x.checkpoint"), history());
        assert!(read(&path, &history).unwrap().is_none());
        let sections: [&[u8]; 3] = [b"some bytes", b"", b"others"];
        let size_bytes = write(&path, &history, &sections);
        assert_eq!(read(&path, &history).unwrap().unwrap(), sections);
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(whole.len() as u64, size_bytes);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, &damaged).unwrap();
            assert!(read(&path, &history).is_err(), "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(read(&path, &history).is_err(), "{at} bytes");
        }
        std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert!(read(&path, &history).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(read(&path, &history).is_err());
    }

    #[test]
    fn other_structures_other_databases_and_the_future_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (path, own) = (directory.path().join("x.checkpoint"), history());
        write(&path, &own, &[b"payload"]);
        let open = |key, history: &StoreHistory, newest| CheckpointReader::open(&path, key, history, newest);
        assert!(open(KEY, &own, Lsn(3)).unwrap().is_some());
        assert!(open(KEY, &own, Lsn(2)).is_err());
        assert!(open(KEY, &history(), Lsn(3)).is_err());
        assert!(open(CheckpointKey { index: RelationId(18), ..KEY }, &own, Lsn(3)).is_err());
        assert!(open(CheckpointKey { fingerprint: 6, ..KEY }, &own, Lsn(3)).is_err());
        assert!(open(CheckpointKey { kind: CheckpointKind::GraphImage, ..KEY }, &own, Lsn(3)).is_err());
    }

    #[test]
    fn an_interrupted_writer_leaves_the_file_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let (path, history) = (directory.path().join("x.checkpoint"), history());
        write(&path, &history, &[b"old"]);
        let mut writer = CheckpointWriter::create(&path, KEY, history.origin(Lsn(3)), &|| true).unwrap();
        assert!(matches!(writer.section(0, b"new"), Err(StorageError::ShuttingDown)));
        drop(writer);
        assert_eq!(read(&path, &history).unwrap().unwrap(), [b"old"]);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
