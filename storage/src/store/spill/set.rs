//! A spilled write set from its commit to redb: sealed, as a layer, and as it is found at open.
//!
//! The directory is one more block at the end of the file. Integers are LEB128 varints: the number of runs, oldest first;
//! for each the number of its sections; for each section keyspace, flags (1 = everything below was cleared), its first
//! byte in the file and the one behind its last, and its counts of entries, fresh entries, entries with a value and those
//! of them that are fresh.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

use super::block::{BlockWriter, read_block};
use super::merge::{MergedStream, Part, chunk, is_cleared, lookup, visible};
use super::run::{EntryCounts, Run, Section};
use super::{SpillFile, spill_error, spill_name};
use crate::encoding::varint::{Reader, write_varint};
use crate::error::{Result, StorageError};
use crate::ids::Lsn;
use crate::store::Keyspace;
use crate::store::disk::Disk;
use crate::store::kv::KvBound;
use crate::store::memory_table::{Chunk, count_of};
use crate::store::write_set::Lookup;

const FLAG_CLEARED: u64 = 1;

/// What a record of the log says of a durable spill file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SealedSpill {
    pub number: u64,
    pub size_bytes: u64,
    /// Where the directory begins.
    pub directory_at: u64,
    /// XXH3-64 of the directory.
    pub checksum: u64,
}

/// Writes the directory of the runs and makes the file and its name durable.
pub(crate) fn seal(file: &SpillFile, runs: &[Arc<Run>]) -> Result<SealedSpill> {
    let mut directory = Vec::new();
    write_varint(&mut directory, runs.len() as u64);
    for run in runs {
        write_varint(&mut directory, run.sections.len() as u64);
        for section in &run.sections {
            let counts = section.counts;
            let flags = if section.cleared.is_some() { FLAG_CLEARED } else { 0 };
            let places = [u64::from(section.keyspace.0), flags, section.start, section.end];
            let counts = [counts.all, counts.fresh, counts.live, counts.fresh_live];
            places.into_iter().chain(counts).for_each(|field| write_varint(&mut directory, field));
        }
    }
    let directory_at = *file.end.lock();
    let mut writer = BlockWriter::new(file.disk_file(), directory_at);
    writer.append(&directory)?;
    writer.flush()?;
    let size_bytes = writer.position();
    file.file.sync().map_err(spill_error)?;
    file.disk.sync_directory().map_err(spill_error)?;
    Ok(SealedSpill { number: file.number, size_bytes, directory_at, checksum: xxh3_64(&directory) })
}

/// A committed write set that lies in a spill file: a layer over redb.
pub(crate) struct SpilledSet {
    pub lsn: Lsn,
    pub file: Arc<SpillFile>,
    /// Oldest first.
    runs: Vec<Arc<Run>>,
    memory_bytes: usize,
    /// What [`Self::count_delta`] has worked out.
    count_deltas: Mutex<FxHashMap<Keyspace, i64>>,
}

impl SpilledSet {
    pub fn new(lsn: Lsn, file: Arc<SpillFile>, runs: Vec<Arc<Run>>) -> SpilledSet {
        let memory_bytes = runs.iter().map(|run| run.memory_bytes()).sum();
        SpilledSet { lsn, file, runs, memory_bytes, count_deltas: Mutex::default() }
    }

    /// As a record of the log at `lsn` names it. It can only be read from end to end. Errors with `Corrupted` when it is
    /// not what was sealed.
    pub fn find(disk: &Arc<dyn Disk>, sealed: SealedSpill, lsn: Lsn) -> Result<SpilledSet> {
        let name = spill_name(sealed.number);
        let damaged = || StorageError::Corrupted(format!("the commit log's file {name} is missing or damaged"));
        let file = SpillFile::open(disk, sealed.number)?;
        file.set_needed(true);
        if file.file.len().map_err(spill_error)? < sealed.size_bytes || sealed.directory_at > sealed.size_bytes {
            return Err(damaged());
        }
        let (directory, _) = read_block(file.disk_file(), sealed.directory_at, sealed.size_bytes)?;
        if xxh3_64(&directory) != sealed.checksum {
            return Err(damaged());
        }
        let mut reader = Reader::new(&directory, "directory of spilled writes");
        let mut runs = Vec::new();
        for _ in 0..reader.length()? {
            let mut sections = Vec::new();
            for _ in 0..reader.length()? {
                let keyspace = Keyspace(reader.varint_u32()?);
                let cleared = (reader.varint()? & FLAG_CLEARED != 0).then_some(lsn);
                let (start, end) = (reader.varint()?, reader.varint()?);
                if start > end || end > sealed.directory_at {
                    return Err(damaged());
                }
                let counts = EntryCounts {
                    all: reader.varint()?,
                    fresh: reader.varint()?,
                    live: reader.varint()?,
                    fresh_live: reader.varint()?,
                    unguarded: 0,
                };
                sections.push(Section::found(keyspace, cleared, counts, start, end));
            }
            runs.push(Arc::new(Run::found(Arc::clone(&file), sections)));
        }
        Ok(SpilledSet::new(lsn, file, runs))
    }

    /// Keyspaces written, in order.
    pub fn keyspaces(&self) -> Vec<Keyspace> {
        let mut all: Vec<Keyspace> = self.runs.iter().flat_map(|run| run.keyspaces()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    pub fn touches(&self, keyspace: Keyspace) -> bool {
        self.runs.iter().any(|run| run.section(keyspace).is_some())
    }

    fn newest_first(&self, keyspace: Keyspace) -> impl Iterator<Item = Part<'_>> {
        let runs = self.runs.iter().rev();
        runs.filter_map(move |run| run.section(keyspace).map(|section| Part::Section(run, section)))
    }

    fn parts(&self, keyspace: Keyspace) -> Vec<Part<'_>> {
        visible(self.newest_first(keyspace))
    }

    pub fn lookup(&self, keyspace: Keyspace, key: &[u8]) -> Result<Lookup> {
        lookup(self.newest_first(keyspace), key)
    }

    pub fn is_cleared(&self, keyspace: Keyspace) -> bool {
        is_cleared(&self.parts(keyspace))
    }

    pub fn chunk(
        &self,
        keyspace: Keyspace,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
        limit: usize,
    ) -> Result<Chunk> {
        chunk(&self.parts(keyspace), lower, upper, reverse, limit)
    }

    /// All writes of a keyspace, in order.
    pub fn stream(&self, keyspace: Keyspace) -> Result<MergedStream<'_>> {
        MergedStream::new(&self.parts(keyspace))
    }

    /// True when no key of the keyspace exists below this set.
    pub fn is_all_fresh(&self, keyspace: Keyspace) -> bool {
        let parts = self.parts(keyspace);
        let counts = |part: &Part<'_>| match part {
            Part::Section(_, section) => section.counts.fresh == section.counts.all,
            Part::Map(_) => false,
        };
        is_cleared(&parts) || parts.iter().all(counts)
    }

    /// See [`super::super::layers::LayerKeyspace::count_delta`]. Reads the keyspace once when its runs overlap.
    pub fn count_delta(&self, keyspace: Keyspace) -> Result<i64> {
        if let Some(known) = self.count_deltas.lock().get(&keyspace) {
            return Ok(*known);
        }
        let parts = self.parts(keyspace);
        let is_cleared = is_cleared(&parts);
        let delta = match disjoint_counts(&parts) {
            Some(counts) if is_cleared => counts.live as i64,
            Some(counts) => {
                let deleted = (counts.all - counts.fresh) - (counts.live - counts.fresh_live);
                counts.fresh_live as i64 - deleted as i64
            }
            None => {
                let mut delta = 0;
                for entry in MergedStream::new(&parts)? {
                    let (_, entry) = entry?;
                    let exists = entry.value.is_some();
                    delta += if is_cleared { i64::from(exists) } else { count_of(entry.fresh, Some(exists)) };
                }
                delta
            }
        };
        self.count_deltas.lock().insert(keyspace, delta);
        Ok(delta)
    }

    /// Bytes that the layer takes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }
}

/// The sums of the counts, when no key lies in two sections.
fn disjoint_counts(parts: &[Part<'_>]) -> Option<EntryCounts> {
    let mut sections = Vec::new();
    for part in parts {
        let Part::Section(_, section) = part else { return None };
        if section.counts.all > 0 {
            sections.push((section.key_range()?, section.counts));
        }
    }
    sections.sort_unstable_by_key(|((first, _), _)| *first);
    let overlaps = sections.windows(2).any(|pair| pair[0].0.1 >= pair[1].0.0);
    let mut sum = EntryCounts::default();
    for (_, counts) in &sections {
        sum.all += counts.all;
        sum.fresh += counts.fresh;
        sum.live += counts.live;
        sum.fresh_live += counts.fresh_live;
    }
    (!overlaps).then_some(sum)
}
