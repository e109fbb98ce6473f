//! A run: one frozen layer of a write set, in the spill file, a sorted section for each keyspace.

use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::SpillFile;
use super::block::{BlockWriter, encode_entry, entry_at, read_block};
use super::bloom::Bloom;
use crate::error::Result;
use crate::ids::Lsn;
use crate::store::change_log::{decode_changes, encode_changes};
use crate::store::kv::KvBound;
use crate::store::memory_table::{Chunk, is_above, is_below};
use crate::store::write_set::{KeyspaceWrites, WriteEntry, WriteRef};
use crate::store::{Change, Keyspace};

/// A block of entries is closed when its payload is this long, in bytes.
const BLOCK_BYTES: usize = if cfg!(test) { 512 } else { 16 << 10 };
/// Changes in one block.
const BLOCK_CHANGES: usize = if cfg!(test) { 32 } else { 4_096 };
/// What an indexed block costs beside its first key.
const INDEX_OVERHEAD_BYTES: usize = 32;

/// How many entries of each kind a section holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct EntryCounts {
    pub all: u64,
    /// Keys that exist nowhere below the write set.
    pub fresh: u64,
    /// Entries with a value.
    pub live: u64,
    pub fresh_live: u64,
    /// Neither fresh nor locked: somebody else may write the key.
    pub unguarded: u64,
}

impl EntryCounts {
    fn add(&mut self, entry: WriteRef<'_>) {
        let (is_fresh, is_live) = (entry.is_fresh(), entry.value().is_some());
        self.all += 1;
        self.fresh += u64::from(is_fresh);
        self.live += u64::from(is_live);
        self.fresh_live += u64::from(is_fresh && is_live);
        self.unguarded += u64::from(!is_fresh && !entry.is_locked());
    }
}

struct BlockStart {
    first_key: Box<[u8]>,
    offset: u64,
}

/// The writes of one keyspace in a run.
pub(crate) struct Section {
    pub keyspace: Keyspace,
    /// Everything below was dropped, as in [`KeyspaceWrites`].
    pub cleared: Option<Lsn>,
    pub counts: EntryCounts,
    /// Bytes of its blocks in the file.
    pub start: u64,
    pub end: u64,
    /// Empty when the section was found at open: then it is only read from end to end.
    index: Vec<BlockStart>,
    last_key: Box<[u8]>,
    bloom: Bloom,
    /// The block read last.
    recent: Mutex<Option<(u64, Arc<[u8]>)>>,
}

pub(crate) struct Run {
    pub(super) file: Arc<SpillFile>,
    /// In order of keyspace.
    pub(super) sections: Vec<Section>,
    /// Places of blocks of changes.
    changes: Vec<(u64, u64)>,
}

impl Run {
    /// Appends a layer to the file. Gives the run and the position behind it.
    pub(super) fn write<'k>(
        file: &Arc<SpillFile>,
        position: u64,
        keyspaces: impl Iterator<Item = (Keyspace, &'k KeyspaceWrites)>,
        changes: &[Change],
    ) -> Result<(Run, u64)> {
        let mut keyspaces: Vec<_> = keyspaces.collect();
        keyspaces.sort_unstable_by_key(|(keyspace, _)| *keyspace);
        let mut writer = BlockWriter::new(file.disk_file(), position);
        let mut sections = Vec::with_capacity(keyspaces.len());
        for (keyspace, writes) in keyspaces {
            sections.push(write_section(&mut writer, keyspace, writes)?);
        }
        let mut places = Vec::new();
        for block in changes.chunks(BLOCK_CHANGES) {
            let start = writer.position();
            writer.append(&encode_changes(block))?;
            places.push((start, writer.position()));
        }
        writer.flush()?;
        Ok((Run { file: Arc::clone(file), sections, changes: places }, writer.position()))
    }

    /// As it was found at open.
    pub(super) fn found(file: Arc<SpillFile>, sections: Vec<Section>) -> Run {
        Run { file, sections, changes: Vec::new() }
    }

    pub fn section(&self, keyspace: Keyspace) -> Option<&Section> {
        let at = self.sections.binary_search_by_key(&keyspace, |section| section.keyspace).ok()?;
        Some(&self.sections[at])
    }

    pub fn keyspaces(&self) -> impl Iterator<Item = Keyspace> + '_ {
        self.sections.iter().map(|section| section.keyspace)
    }

    pub fn change_block_count(&self) -> usize {
        self.changes.len()
    }

    pub fn change_block(&self, at: usize) -> Result<Vec<Change>> {
        let (start, end) = self.changes[at];
        decode_changes(&read_block(self.file.disk_file(), start, end)?.0)
    }

    /// What stays in memory.
    pub fn memory_bytes(&self) -> usize {
        let index = |section: &Section| {
            section.index.iter().map(|block| block.first_key.len() + INDEX_OVERHEAD_BYTES).sum::<usize>()
                + section.bloom.size_bytes()
                + BLOCK_BYTES
        };
        self.sections.iter().map(index).sum::<usize>() + self.changes.len() * size_of::<(u64, u64)>()
    }

    /// The entry of a key in a section of this run.
    pub fn find(&self, section: &Section, key: &[u8]) -> Result<Option<WriteEntry>> {
        if section.index.is_empty() || *key > *section.last_key || !section.bloom.may_contain(key) {
            return Ok(None);
        }
        let Some(block) = section.block_before(Bound::Included(key)) else { return Ok(None) };
        let payload = self.block(section, block)?;
        let mut position = 0;
        while let Some((entry, next)) = entry_at(&payload, position)? {
            if *entry.key == *key {
                return Ok(Some(entry.to_entry()));
            }
            if *entry.key > *key {
                break;
            }
            position = next;
        }
        Ok(None)
    }

    /// At most `limit` writes of a range, in order (or against it). The range must not be empty.
    pub fn chunk(
        &self,
        section: &Section,
        lower: KvBound<'_>,
        upper: KvBound<'_>,
        reverse: bool,
        limit: usize,
    ) -> Result<Chunk> {
        if reverse {
            return self.chunk_down(section, lower, upper, limit);
        }
        let mut chunk = Chunk::new();
        if section.index.is_empty() || !is_above(&section.last_key, lower) {
            return Ok(chunk);
        }
        for block in section.block_before(lower).unwrap_or(0)..section.index.len() {
            let payload = self.block(section, block)?;
            let mut position = 0;
            while let Some((entry, next)) = entry_at(&payload, position)? {
                if !is_below(entry.key, upper) || chunk.len() == limit {
                    return Ok(chunk);
                }
                if is_above(entry.key, lower) {
                    chunk.push_back((Arc::from(entry.key), entry.value.map(Arc::from)));
                }
                position = next;
            }
        }
        Ok(chunk)
    }

    fn chunk_down(&self, section: &Section, lower: KvBound<'_>, upper: KvBound<'_>, limit: usize) -> Result<Chunk> {
        let mut chunk = Chunk::new();
        if section.index.is_empty() {
            return Ok(chunk);
        }
        let newest = match upper {
            Bound::Unbounded => Some(section.index.len() - 1),
            bound => section.block_before(bound),
        };
        let Some(newest) = newest else { return Ok(chunk) };
        for block in (0..=newest).rev() {
            let payload = self.block(section, block)?;
            let mut entries: Vec<(Arc<[u8]>, Option<Arc<[u8]>>)> = Vec::new();
            let mut position = 0;
            while let Some((entry, next)) = entry_at(&payload, position)? {
                if !is_below(entry.key, upper) {
                    break;
                }
                if is_above(entry.key, lower) {
                    entries.push((Arc::from(entry.key), entry.value.map(Arc::from)));
                }
                position = next;
            }
            let room = limit - chunk.len();
            chunk.extend(entries.into_iter().rev().take(room));
            if chunk.len() == limit || !is_above(&section.index[block].first_key, lower) {
                break;
            }
        }
        Ok(chunk)
    }

    fn block(&self, section: &Section, block: usize) -> Result<Arc<[u8]>> {
        let offset = section.index[block].offset;
        if let Some((at, payload)) = &*section.recent.lock()
            && *at == offset
        {
            return Ok(Arc::clone(payload));
        }
        let payload: Arc<[u8]> = Arc::from(read_block(self.file.disk_file(), offset, section.end)?.0);
        // A block of one huge value is not worth the memory.
        if payload.len() <= 4 * BLOCK_BYTES {
            *section.recent.lock() = Some((offset, Arc::clone(&payload)));
        }
        Ok(payload)
    }
}

impl Section {
    /// As it was found at open.
    pub(super) fn found(
        keyspace: Keyspace,
        cleared: Option<Lsn>,
        counts: EntryCounts,
        start: u64,
        end: u64,
    ) -> Section {
        let (index, last_key, bloom) = (Vec::new(), Box::default(), Bloom::default());
        Section { keyspace, cleared, counts, start, end, index, last_key, bloom, recent: Mutex::new(None) }
    }

    /// The last block that may hold a key at the bound, or before it; None when all lie behind. The first for no bound.
    fn block_before(&self, bound: KvBound<'_>) -> Option<usize> {
        match bound {
            Bound::Included(key) | Bound::Excluded(key) => {
                self.index.partition_point(|block| *block.first_key <= *key).checked_sub(1)
            }
            Bound::Unbounded => Some(0),
        }
    }

    /// First and last key; None for a section without entries.
    pub(super) fn key_range(&self) -> Option<(&[u8], &[u8])> {
        self.index.first().map(|first| (&*first.first_key, &*self.last_key))
    }
}

fn write_section(writer: &mut BlockWriter<'_>, keyspace: Keyspace, writes: &KeyspaceWrites) -> Result<Section> {
    let start = writer.position();
    let mut section = Section::found(keyspace, writes.cleared, EntryCounts::default(), start, start);
    section.bloom = Bloom::for_keys(writes.key_count());
    let mut payload = Vec::with_capacity(2 * BLOCK_BYTES);
    let mut last_key: &[u8] = &[];
    for entry in writes.iter() {
        last_key = entry.key();
        if payload.is_empty() {
            section.index.push(BlockStart { first_key: Box::from(last_key), offset: writer.position() });
        }
        encode_entry(&mut payload, entry);
        section.counts.add(entry);
        section.bloom.insert(last_key);
        if payload.len() >= BLOCK_BYTES {
            writer.append(&payload)?;
            payload.clear();
            payload.shrink_to(2 * BLOCK_BYTES);
        }
    }
    if !payload.is_empty() {
        writer.append(&payload)?;
    }
    section.last_key = Box::from(last_key);
    section.end = writer.position();
    Ok(section)
}

/// Entries of a section from end to end, a block at a time.
pub(super) struct SectionStream<'r> {
    file: &'r SpillFile,
    next_block: u64,
    end: u64,
    payload: Vec<u8>,
    position: usize,
}

impl<'r> SectionStream<'r> {
    pub fn new(run: &'r Run, section: &Section) -> SectionStream<'r> {
        SectionStream { file: &run.file, next_block: section.start, end: section.end, payload: Vec::new(), position: 0 }
    }

    pub fn next_entry(&mut self) -> Result<Option<(Arc<[u8]>, WriteEntry)>> {
        while self.position == self.payload.len() {
            if self.next_block >= self.end {
                return Ok(None);
            }
            (self.payload, self.next_block) = read_block(self.file.disk_file(), self.next_block, self.end)?;
            self.position = 0;
        }
        let found = entry_at(&self.payload, self.position)?;
        let found = found.map(|(entry, next)| ((Arc::from(entry.key), entry.to_entry()), next));
        Ok(found.map(|(entry, next)| {
            self.position = next;
            entry
        }))
    }
}
