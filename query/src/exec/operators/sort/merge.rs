//! Merging sorted runs.

use std::sync::Arc;

use super::{SortPlan, order};
use crate::batch::{BATCH_ROWS, Batch};
use crate::error::Result;
use crate::exec::run::{Cx, Reservation};
use crate::exec::spill::{Block, SpillFile, block_bytes, block_rows};

/// Fewest and most runs that are merged at once. More are first merged into fewer.
const FAN_IN: std::ops::RangeInclusive<usize> = 6..=64;

/// How runs are written and merged within a budget. A merge holds one block of each run.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    fan_in: usize,
    block_bytes: usize,
}

impl Shape {
    pub fn within(budget_bytes: usize) -> Shape {
        let block_bytes = block_bytes(budget_bytes);
        Shape { fan_in: (budget_bytes / block_bytes).clamp(*FAN_IN.start(), *FAN_IN.end()), block_bytes }
    }

    /// Rows of a block of rows like these.
    pub fn block_rows(&self, batch: &Batch) -> usize {
        block_rows(batch, self.block_bytes)
    }
}

/// Gives the rows of runs in order, without their key columns.
pub(super) struct Merge {
    plan: Arc<SortPlan>,
    cx: Cx,
    file: Arc<SpillFile>,
    width: usize,
    runs: Vec<Run>,
    /// Positions in `runs` as a binary heap: the least row first.
    heap: Vec<usize>,
    memory: Reservation,
}

/// A run while it is merged.
struct Run {
    blocks: std::vec::IntoIter<Block>,
    batch: Batch,
    row: usize,
}

impl Merge {
    /// `runs` in the order of the input they hold.
    pub fn new(
        plan: Arc<SortPlan>,
        cx: Cx,
        file: Arc<SpillFile>,
        runs: Vec<Vec<Block>>,
        width: usize,
    ) -> Result<Merge> {
        let mut runs = runs;
        let fan_in = Shape::within(cx.run.budget().rows_bytes).fan_in;
        while runs.len() > fan_in {
            // Neighbours are merged, so that the order of equal rows stays.
            let mut fewer = Vec::with_capacity(runs.len().div_ceil(fan_in));
            for group in runs.chunks(fan_in) {
                let mut merge = Merge::open(Arc::clone(&plan), cx.clone(), Arc::clone(&file), group.to_vec(), width)?;
                let mut blocks = Vec::new();
                while let Some(batch) = merge.next_with_keys()? {
                    blocks.push(file.write(&batch)?);
                }
                fewer.push(blocks);
            }
            runs = fewer;
        }
        Merge::open(plan, cx, file, runs, width)
    }

    fn open(plan: Arc<SortPlan>, cx: Cx, file: Arc<SpillFile>, runs: Vec<Vec<Block>>, width: usize) -> Result<Merge> {
        let memory = Reservation::new(&cx.run);
        let mut merge = Merge { plan, cx, file, width, runs: Vec::new(), heap: Vec::new(), memory };
        for blocks in runs {
            let mut blocks = blocks.into_iter();
            let Some(first) = blocks.next() else { continue };
            let batch = merge.file.read(&first)?;
            merge.memory.grow(batch.size_bytes())?;
            merge.runs.push(Run { blocks, batch, row: 0 });
        }
        merge.heap = (0..merge.runs.len()).collect();
        for position in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(position);
        }
        Ok(merge)
    }

    fn is_before(&self, a: usize, b: usize) -> bool {
        let key = |run: usize| (&self.runs[run].batch.columns[self.width..], self.runs[run].row);
        order::compare(&self.plan.keys, key(a), key(b)).then(a.cmp(&b)).is_lt()
    }

    fn sift_down(&mut self, mut position: usize) {
        loop {
            let (left, right) = (2 * position + 1, 2 * position + 2);
            let mut least = position;
            for child in [left, right] {
                if child < self.heap.len() && self.is_before(self.heap[child], self.heap[least]) {
                    least = child;
                }
            }
            if least == position {
                return;
            }
            self.heap.swap(position, least);
            position = least;
        }
    }

    /// The next rows, with their keys.
    fn next_with_keys(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        let shape = Shape::within(self.cx.run.budget().rows_bytes);
        // The batches that rows of this one come from: those that were used up meanwhile, then each run's own.
        let mut spent: Vec<Batch> = Vec::new();
        let mut source: Vec<Option<usize>> = vec![None; self.runs.len()];
        let mut rows: Vec<(usize, usize)> = Vec::new();
        let mut limit = BATCH_ROWS;
        while rows.len() < limit {
            let Some(run_position) = self.heap.first().copied() else { break };
            let run = &mut self.runs[run_position];
            if rows.is_empty() {
                limit = shape.block_rows(&run.batch);
            }
            let at = *source[run_position].get_or_insert_with(|| {
                // Cheap: columns are shared.
                spent.push(run.batch.clone());
                spent.len() - 1
            });
            rows.push((at, run.row));
            run.row += 1;
            if run.row == run.batch.row_count {
                source[run_position] = None;
                match run.blocks.next() {
                    Some(block) => {
                        run.batch = self.file.read(&block)?;
                        run.row = 0;
                    }
                    None => {
                        self.heap.swap_remove(0);
                    }
                }
            }
            self.sift_down(0);
        }
        if rows.is_empty() {
            return Ok(None);
        }
        let batches: Vec<&Batch> = spent.iter().collect();
        Ok(Some(Batch::interleave(&batches, &rows)))
    }

    pub fn next(&mut self) -> Result<Option<Batch>> {
        let Some(mut batch) = self.next_with_keys()? else { return Ok(None) };
        batch.columns.truncate(self.width);
        Ok(Some(batch))
    }
}
