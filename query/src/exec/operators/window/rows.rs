//! The rows of a window by position, counted from the first row of the input.
//!
//! ```text
//!            dropped │ blocks in memory │ blocks in the file │ in memory │ not read
//!                    ▲        ▲                  ▲                       ▲
//!             drop_before   current row    a frame's end                end
//! ```
//!
//! Rows are read when somebody asks for a position that was not reached, and dropped when nobody will ask again, a block at a
//! time. A block that comes when the budget is used up is written to a file, which goes when none of its blocks is wanted
//! any more. Whoever reads has a [`Reader`] that holds one block; a few blocks of the file that were read last stay in memory
//! for other readers. Where groups of peers and partitions begin is always in memory: a bit a row, and the starts of
//! the partitions that were not entered.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_buffer::BooleanBuffer;
use sinew_storage::Value;

use super::input::{Border, Input};
use crate::batch::Batch;
use crate::error::{QueryError, Result};
use crate::exec::run::{Cx, Reservation, Usage};
use crate::exec::spill::{Block, SpillFile, block_bytes, block_rows};

/// Blocks that are kept in memory whatever they hold: the current one, and one to look ahead.
const LEAST_BLOCKS: usize = 2;
/// Part of the budget that blocks read last may take.
const RECENT_SHARE: usize = 8;

pub(super) struct Rows {
    cx: Cx,
    input: Input,
    budget_bytes: usize,
    blocks: VecDeque<StoredBlock>,
    /// Blocks that were dropped; the number of the first one there is.
    dropped_count: usize,
    /// Behind the last row that was read.
    end: usize,
    is_complete: bool,
    /// Of those behind the current one.
    partition_starts: VecDeque<usize>,
    /// Of blocks in memory.
    held_bytes: usize,
    /// Of what is known of all blocks.
    index_memory: Reservation,
    file: Option<Arc<SpillFile>>,
    file_block_count: usize,
    /// Blocks of the file by their numbers, read last at the end.
    recent: VecDeque<(usize, Arc<LoadedBlock>)>,
    most_held_bytes: usize,
    most_file_bytes: u64,
}

struct StoredBlock {
    start: usize,
    row_count: usize,
    /// The rows that begin a group of peers.
    groups: BooleanBuffer,
    place: Place,
}

enum Place {
    Memory(Arc<LoadedBlock>),
    File(Block),
}

impl StoredBlock {
    fn end(&self) -> usize {
        self.start + self.row_count
    }

    /// Bytes besides the rows.
    fn index_bytes(&self) -> usize {
        size_of::<StoredBlock>() + self.row_count.div_ceil(8)
    }
}

/// A block in memory, counted as long as anybody holds it.
struct LoadedBlock {
    rows: Batch,
    memory: Reservation,
}

impl LoadedBlock {
    fn new(cx: &Cx, rows: Batch) -> Result<Arc<LoadedBlock>> {
        let mut memory = Reservation::new(&cx.run);
        memory.grow(rows.size_bytes())?;
        Ok(Arc::new(LoadedBlock { rows, memory }))
    }
}

/// Reads rows; see [`Rows::seek`].
#[derive(Default)]
pub(super) struct Reader {
    start: usize,
    end: usize,
    /// Rows `start..end`.
    rows: Batch,
    groups: Option<BooleanBuffer>,
    _block: Option<Arc<LoadedBlock>>,
}

impl Reader {
    /// Behind the last row of its block.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Its block, and where in it a position lies that is in it.
    pub fn rows(&self, position: usize) -> (&Batch, usize) {
        (&self.rows, position - self.start)
    }

    /// An entry of a row in its block.
    pub fn value(&self, column: usize, position: usize) -> Value {
        self.rows.columns[column].value(position - self.start)
    }

    /// Whether a row in its block begins a group of peers.
    pub fn begins_group(&self, position: usize) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups.value(position - self.start))
    }
}

impl Rows {
    pub fn new(cx: &Cx, input: Input) -> Rows {
        Rows {
            cx: cx.clone(),
            input,
            budget_bytes: cx.run.budget().rows_bytes,
            blocks: VecDeque::new(),
            dropped_count: 0,
            end: 0,
            is_complete: false,
            partition_starts: VecDeque::new(),
            held_bytes: 0,
            index_memory: Reservation::new(&cx.run),
            file: None,
            file_block_count: 0,
            recent: VecDeque::new(),
            most_held_bytes: 0,
            most_file_bytes: 0,
        }
    }

    /// Whether there is a row at `position`.
    pub fn has(&mut self, position: usize) -> Result<bool> {
        while position >= self.end {
            if !self.load()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the next partition begins at `position`, which was read.
    pub fn begins_partition(&self, position: usize) -> bool {
        self.partition_starts.front() == Some(&position)
    }

    /// Makes the next partition the current one.
    pub fn enter_partition(&mut self) {
        self.partition_starts.pop_front();
    }

    /// `position`, or the end of the current partition when that comes first. Reads no further than it must.
    pub fn at_most(&mut self, position: usize) -> Result<usize> {
        loop {
            if let Some(end) = self.known_partition_end() {
                return Ok(position.min(end));
            }
            if position <= self.end {
                return Ok(position);
            }
            self.load()?;
        }
    }

    /// The end of the current partition, all of which is read.
    pub fn partition_end(&mut self) -> Result<usize> {
        self.at_most(usize::MAX)
    }

    fn known_partition_end(&self) -> Option<usize> {
        self.partition_starts.front().copied().or(self.is_complete.then_some(self.end))
    }

    /// Whether `position` is known to be the end of the current partition.
    pub fn is_partition_end(&self, position: usize) -> bool {
        self.known_partition_end() == Some(position)
    }

    /// The first row at or behind `position` that begins a group of peers, a partition among others, or the end.
    pub fn next_group(&mut self, position: usize) -> Result<usize> {
        let mut position = position;
        while self.has(position)? {
            for block in self.blocks.range(self.index_of(position)?..) {
                if let Some(row) = (position - block.start..block.row_count).find(|row| block.groups.value(*row)) {
                    return Ok(block.start + row);
                }
                position = block.end();
            }
        }
        Ok(self.end)
    }

    /// Which block has a row.
    fn index_of(&self, position: usize) -> Result<usize> {
        let index = self.blocks.partition_point(|block| block.end() <= position);
        match self.blocks.get(index) {
            Some(block) if block.start <= position => Ok(index),
            _ => Err(QueryError::internal("a window reads a row that it does not keep")),
        }
    }

    /// Gives the reader the block that has `position`, a row that was read and not dropped.
    pub fn seek(&mut self, reader: &mut Reader, position: usize) -> Result<()> {
        if (reader.start..reader.end).contains(&position) {
            return Ok(());
        }
        let index = self.index_of(position)?;
        let block = &self.blocks[index];
        let loaded = match &block.place {
            Place::Memory(loaded) => Arc::clone(loaded),
            Place::File(stored) => {
                let number = self.dropped_count + index;
                let known = self.recent.iter().position(|(known, _)| *known == number);
                let loaded = match known.and_then(|at| self.recent.remove(at)) {
                    Some((_, loaded)) => loaded,
                    None => {
                        let file = self.file.as_ref().ok_or_else(|| QueryError::internal("a window has no file"))?;
                        LoadedBlock::new(&self.cx, file.read(stored)?)?
                    }
                };
                self.recent.push_back((number, Arc::clone(&loaded)));
                loaded
            }
        };
        let groups = Some(block.groups.clone());
        *reader =
            Reader { start: block.start, end: block.end(), rows: loaded.rows.clone(), groups, _block: Some(loaded) };
        self.forget_recent();
        Ok(())
    }

    /// Leaves no more of the blocks read last than there is room for, and the very last one.
    fn forget_recent(&mut self) {
        let mut held_bytes: usize = self.recent.iter().map(|(_, block)| block.memory.bytes()).sum();
        while self.recent.len() > 1 && held_bytes > self.budget_bytes / RECENT_SHARE {
            if let Some((_, block)) = self.recent.pop_front() {
                held_bytes -= block.memory.bytes();
            }
        }
    }

    /// Reads further rows; false at the end.
    fn load(&mut self) -> Result<bool> {
        if self.is_complete {
            return Ok(false);
        }
        self.cx.check_cancel()?;
        let Some((rows, borders)) = self.input.next()? else {
            self.is_complete = true;
            self.note_usage();
            return Ok(false);
        };
        let start = self.end;
        self.end += rows.row_count;
        let begins_partition = |row: &usize| borders[*row] == Border::Partition;
        self.partition_starts.extend((0..rows.row_count).filter(begins_partition).map(|row| start + row));
        let groups = BooleanBuffer::collect_bool(rows.row_count, |row| borders[row] != Border::Row);
        let size_bytes = rows.size_bytes();
        let is_over =
            self.blocks.len() >= LEAST_BLOCKS && self.cx.run.is_over(self.held_bytes + size_bytes, self.budget_bytes);
        if is_over && self.file.is_none() {
            self.file = SpillFile::create(&self.cx)?;
        }
        match (is_over, self.file.clone()) {
            (true, Some(file)) => self.write(&file, start, &rows, &groups)?,
            _ => {
                self.held_bytes += size_bytes;
                self.most_held_bytes = self.most_held_bytes.max(self.held_bytes);
                let (row_count, loaded) = (rows.row_count, LoadedBlock::new(&self.cx, rows)?);
                self.push(StoredBlock { start, row_count, groups, place: Place::Memory(loaded) })?;
            }
        }
        Ok(true)
    }

    /// Writes rows in blocks that are cheap to read again.
    fn write(&mut self, file: &SpillFile, start: usize, rows: &Batch, groups: &BooleanBuffer) -> Result<()> {
        let step = block_rows(rows, block_bytes(self.budget_bytes));
        for first in (0..rows.row_count).step_by(step) {
            let row_count = step.min(rows.row_count - first);
            let place = Place::File(file.write(&rows.slice(first, row_count))?);
            self.file_block_count += 1;
            self.push(StoredBlock { start: start + first, row_count, groups: groups.slice(first, row_count), place })?;
        }
        self.most_file_bytes = self.most_file_bytes.max(file.size_bytes());
        self.note_usage();
        Ok(())
    }

    fn push(&mut self, block: StoredBlock) -> Result<()> {
        self.index_memory.grow(block.index_bytes())?;
        self.blocks.push_back(block);
        Ok(())
    }

    /// Nobody will ask for rows before `position` again.
    pub fn drop_before(&mut self, position: usize) {
        while let Some(block) = self.blocks.front()
            && block.end() <= position
        {
            self.index_memory.shrink(block.index_bytes());
            match &block.place {
                Place::Memory(loaded) => self.held_bytes -= loaded.memory.bytes(),
                Place::File(_) => self.file_block_count -= 1,
            }
            self.blocks.pop_front();
            self.dropped_count += 1;
        }
        let first = self.dropped_count;
        self.recent.retain(|(number, _)| *number >= first);
        if self.file_block_count == 0 {
            self.file = None;
        }
    }

    fn note_usage(&self) {
        let (memory_bytes, disk_bytes) = (self.most_held_bytes, self.most_file_bytes);
        self.cx.note_usage(Usage { memory_bytes, disk_bytes, ..Usage::default() });
    }
}
