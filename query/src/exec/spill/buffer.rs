//! Batches kept in order.

use std::sync::Arc;

use super::{Block, SpillFile};
use crate::batch::Batch;
use crate::context::ExecContext;
use crate::error::Result;
use crate::exec::node::Operator;
use crate::exec::run::{Cx, Reservation, RunSizes, RunState};

/// Keeps batches; those that do not fit in the budget lie in a file. Read by position, any number of times.
pub struct Buffer {
    cx: Cx,
    budget_bytes: usize,
    kept: Vec<Batch>,
    memory: Reservation,
    file: Option<Arc<SpillFile>>,
    blocks: Vec<Block>,
    row_count: usize,
}

impl Buffer {
    /// With the budget of rows.
    pub fn new(cx: &Cx) -> Buffer {
        Buffer {
            cx: cx.clone(),
            budget_bytes: cx.run.budget().rows_bytes,
            kept: Vec::new(),
            memory: Reservation::new(&cx.run),
            file: None,
            blocks: Vec::new(),
            row_count: 0,
        }
    }

    /// For the result of a statement, kept when the statement is over.
    pub fn for_result(context: ExecContext) -> Buffer {
        let run = RunState::new(context, RunSizes::default(), None, false);
        Buffer::new(&Cx::new(Arc::new(run)))
    }

    /// 53200 when memory is full and there is no place for files; 53400 above `temp_file_limit`.
    pub fn push(&mut self, batch: Batch) -> Result<()> {
        self.row_count += batch.row_count;
        if self.file.is_none() && self.memory.is_over(self.budget_bytes) {
            self.file = SpillFile::create(&self.cx)?;
        }
        match &self.file {
            Some(file) => self.blocks.push(file.write(&batch)?),
            None => {
                self.memory.grow(batch.size_bytes())?;
                self.kept.push(batch);
            }
        }
        Ok(())
    }

    /// The batch at a position; None behind the last.
    pub fn get(&self, position: usize) -> Result<Option<Batch>> {
        if let Some(batch) = self.kept.get(position) {
            return Ok(Some(batch.clone()));
        }
        match (&self.file, self.blocks.get(position - self.kept.len())) {
            (Some(file), Some(block)) => file.read(block).map(Some),
            _ => Ok(None),
        }
    }

    /// Number of batches.
    pub fn len(&self) -> usize {
        self.kept.len() + self.blocks.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn row_count(&self) -> usize {
        self.row_count
    }

    /// Gives them in order.
    pub fn into_rows(self) -> BufferedRows {
        BufferedRows { buffer: self, position: 0 }
    }
}

/// The batches of a [`Buffer`], one after another.
pub struct BufferedRows {
    buffer: Buffer,
    position: usize,
}

impl Operator for BufferedRows {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.buffer.cx.check_cancel()?;
        let batch = self.buffer.get(self.position)?;
        self.position += 1;
        Ok(batch)
    }
}
