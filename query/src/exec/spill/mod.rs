//! What operators keep and cannot hold in memory, in temporary files.
//!
//! Operators keep rows as batches; a spilled batch is one block of a file (see [`codec`]). An operator that keeps more than
//! its budget moves rows out:
//!
//! - a [`Buffer`] keeps batches in order and gives them by position;
//! - [`Partitions`] spread rows by the hash of a key, so that equal keys meet again in one part, which is then worked on
//!   alone and spread again, by other bits, when it is still too large.
//!
//! The budget of an operator is `work_mem`, times `hash_mem_multiplier` for hash tables, and less when the statement as a
//! whole comes near its limit. The files of a session's statement together keep `temp_file_limit`.

mod buffer;
mod codec;
mod partitions;

use std::sync::Arc;

use sinew_storage::TemporaryFile;

pub use buffer::Buffer;
pub(crate) use partitions::{PARTITION_COUNT, Partitions, hash_key};

use super::run::{Cx, Reservation, RunState};
use crate::batch::{BATCH_ROWS, Batch};
use crate::error::{QueryError, Result, sqlstate};

/// Rows of one level of partitions are spread again at most this many times; after that they must fit in memory.
pub(crate) const MOST_LEVELS: u32 = 6;

/// What an operator may hold before it moves rows out, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    pub rows_bytes: usize,
    pub hash_bytes: usize,
    /// Of all temporary files of the statement.
    pub files_bytes: Option<u64>,
}

impl Budget {
    /// As the session's settings say.
    pub fn of_session(session: &crate::context::SessionContext, memory_limit_bytes: usize) -> Budget {
        let number = |name: &str| session.setting(name).and_then(|text| text.parse::<f64>().ok());
        let work_kb = number("work_mem").unwrap_or(64.0 * 1024.0);
        let multiplier = number("hash_mem_multiplier").unwrap_or(2.0);
        // No single operator takes so much that the others have no room.
        let most = memory_limit_bytes / 4;
        let files_kb = number("temp_file_limit").filter(|kb| *kb >= 0.0);
        Budget {
            rows_bytes: ((work_kb * 1024.0) as usize).min(most),
            hash_bytes: ((work_kb * multiplier * 1024.0) as usize).min(most),
            files_bytes: files_kb.map(|kb| (kb * 1024.0) as u64),
        }
    }
}

/// Fewest and most bytes of a block that is read alone.
const BLOCK_BYTES: std::ops::RangeInclusive<usize> = 8 << 10..=128 << 10;

/// Bytes of a block, when some are held within a budget.
pub(crate) fn block_bytes(budget_bytes: usize) -> usize {
    (budget_bytes / 16).clamp(*BLOCK_BYTES.start(), *BLOCK_BYTES.end())
}

/// Rows of a block of so many bytes, of rows like these.
pub(crate) fn block_rows(batch: &Batch, block_bytes: usize) -> usize {
    let row_bytes = batch.size_bytes() / batch.row_count.max(1);
    (block_bytes / row_bytes.max(1)).clamp(1, BATCH_ROWS)
}

/// A temporary file of a statement.
pub(crate) struct SpillFile {
    file: TemporaryFile,
    run: Arc<RunState>,
}

impl SpillFile {
    /// None when the database has no place for files.
    pub fn create(cx: &Cx) -> Result<Option<Arc<SpillFile>>> {
        let file = cx.transaction().store().temporary_file()?;
        Ok(file.map(|file| Arc::new(SpillFile { file, run: Arc::clone(&cx.run) })))
    }

    /// Writes batches with the same columns as one block.
    pub fn write(&self, batch: &Batch) -> Result<Block> {
        let bytes = codec::encode(batch);
        self.run.note_spilled(bytes.len() as u64)?;
        let offset = self.file.append(&bytes)?;
        Ok(Block { offset, length: bytes.len() })
    }

    pub fn size_bytes(&self) -> u64 {
        self.file.size_bytes()
    }

    pub fn read(&self, block: &Block) -> Result<Batch> {
        let mut bytes = vec![0; block.length];
        self.file.read(block.offset, &mut bytes)?;
        codec::decode(&bytes)
    }
}

impl Drop for SpillFile {
    fn drop(&mut self) {
        self.run.note_file_removed(self.file.size_bytes());
    }
}

/// Where a batch lies in its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    offset: u64,
    length: usize,
}

/// Blocks of a file, read in order.
pub(crate) struct SpilledRows {
    file: Arc<SpillFile>,
    blocks: std::vec::IntoIter<Block>,
}

impl SpilledRows {
    pub fn new(file: Arc<SpillFile>, blocks: Vec<Block>) -> SpilledRows {
        SpilledRows { file, blocks: blocks.into_iter() }
    }

    /// Bytes of the file they lie in.
    pub fn file_bytes(&self) -> u64 {
        self.file.size_bytes()
    }
}

impl super::node::Operator for SpilledRows {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.file.run.check_cancel()?;
        self.blocks.next().map(|block| self.file.read(&block)).transpose()
    }
}

impl Reservation {
    /// Whether an operator that holds this much is to move rows out: it is above `budget_bytes`, or with everything else
    /// the statement is near its limit.
    pub(crate) fn is_over(&self, budget_bytes: usize) -> bool {
        self.run().is_over(self.bytes(), budget_bytes)
    }
}

impl RunState {
    /// As [`Reservation::is_over`], for an operator that holds so many bytes.
    pub(crate) fn is_over(&self, held_bytes: usize, budget_bytes: usize) -> bool {
        let is_near_limit = || self.memory_used_bytes() > self.exec.memory_limit_bytes / 4 * 3;
        held_bytes > budget_bytes || held_bytes > budget_bytes / 8 && is_near_limit()
    }
}

pub(crate) fn file_limit_exceeded(limit_bytes: u64) -> QueryError {
    QueryError::new(
        sqlstate::CONFIGURATION_LIMIT_EXCEEDED,
        format!("temporary file size exceeds temp_file_limit ({}kB)", limit_bytes / 1024),
    )
}
