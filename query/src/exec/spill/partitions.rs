//! Rows spread by the hash of their key.

use std::hash::Hasher;
use std::sync::Arc;

use rustc_hash::FxHasher;

use super::{Block, SpillFile, SpilledRows};
use crate::batch::{BATCH_ROWS, Batch};
use crate::error::Result;
use crate::exec::run::{Cx, Reservation};

pub(crate) const PARTITION_COUNT: usize = 16;
/// Bytes of rows that a partition gathers before they are written.
const WRITE_BYTES: usize = 64 << 10;

/// Of the bytes of a key.
pub(crate) fn hash_key(key: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(key);
    // The hash tables within a partition take other bits of other hashes; these are mixed for themselves.
    let mut hash = hasher.finish();
    hash = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ hash >> 29
}

pub(crate) struct Partitions {
    file: Arc<SpillFile>,
    /// How often the rows were spread before.
    level: u32,
    parts: Vec<Part>,
    width: usize,
    memory: Reservation,
}

#[derive(Default)]
struct Part {
    pending: Vec<Batch>,
    pending_rows: usize,
    pending_bytes: usize,
    blocks: Vec<Block>,
}

impl Partitions {
    /// For rows of `width` columns. None when the database has no place for files.
    pub fn create(cx: &Cx, level: u32, width: usize) -> Result<Option<Partitions>> {
        let Some(file) = SpillFile::create(cx)? else { return Ok(None) };
        let parts = (0..PARTITION_COUNT).map(|_| Part::default()).collect();
        Ok(Some(Partitions { file, level, parts, width, memory: Reservation::new(&cx.run) }))
    }

    /// The partition of a key's hash: other bits on each level.
    pub fn part_of(&self, hash: u64) -> usize {
        (hash >> (4 * (self.level % 16))) as usize % PARTITION_COUNT
    }

    /// Adds rows of a batch: `(row, hash of its key)`.
    pub fn push(&mut self, batch: &Batch, rows: impl Iterator<Item = (u32, u64)>) -> Result<()> {
        let mut chosen: Vec<Vec<u32>> = vec![Vec::new(); PARTITION_COUNT];
        for (row, hash) in rows {
            chosen[self.part_of(hash)].push(row);
        }
        for (part, rows) in chosen.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let batch = batch.take(rows);
            let size_bytes = batch.size_bytes();
            self.memory.grow(size_bytes)?;
            let pending = &mut self.parts[part];
            pending.pending_rows += batch.row_count;
            pending.pending_bytes += size_bytes;
            pending.pending.push(batch);
            if pending.pending_bytes >= WRITE_BYTES || pending.pending_rows >= BATCH_ROWS {
                self.write_out(part)?;
            }
        }
        Ok(())
    }

    fn write_out(&mut self, part: usize) -> Result<()> {
        let part = &mut self.parts[part];
        if !part.pending.is_empty() {
            let batch = Batch::concat(&std::mem::take(&mut part.pending), self.width);
            part.blocks.push(self.file.write(&batch)?);
            self.memory.shrink(std::mem::take(&mut part.pending_bytes));
            part.pending_rows = 0;
        }
        Ok(())
    }

    /// The rows of each partition that has some, in the order they came.
    pub fn finish(mut self) -> Result<Vec<SpilledRows>> {
        let mut parts = self.finish_aligned()?;
        parts.retain(|part| !part.blocks.as_slice().is_empty());
        Ok(parts)
    }

    /// The rows of all partitions, empty ones too.
    pub fn finish_aligned(&mut self) -> Result<Vec<SpilledRows>> {
        (0..PARTITION_COUNT)
            .map(|part| {
                self.write_out(part)?;
                let blocks = std::mem::take(&mut self.parts[part].blocks);
                Ok(SpilledRows::new(Arc::clone(&self.file), blocks))
            })
            .collect()
    }
}
