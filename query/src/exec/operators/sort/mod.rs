//! Sorts its whole input; with a row count, keeps only the first rows (top-n).
//!
//! What does not fit in the budget is sorted in pieces: each is written to a file as a *run*, and the runs are merged. Of
//! equal rows the one that came first is given first, whichever way.

mod merge;
mod order;

use std::cmp::Ordering;
use std::sync::Arc;

use sinew_storage::Value;

use super::limit::wanted_rows;
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::ordering::compare_keys;
use crate::exec::run::{Cx, Reservation, Usage};
use crate::exec::spill::{Block, SpillFile};
use merge::{Merge, Shape};

pub struct PhysSortKey {
    pub expr: PhysExpr,
    pub descending: bool,
    pub nulls_first: bool,
}

/// Orders two rows by their key values.
pub fn compare_rows(keys: &[PhysSortKey], a: &[Value], b: &[Value]) -> Ordering {
    for (position, key) in keys.iter().enumerate() {
        let ordering = compare_keys(&a[position], &b[position], &key.expr.ty, key.descending, key.nulls_first);
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

pub struct SortPlan {
    pub input: Arc<Node>,
    pub keys: Vec<PhysSortKey>,
    /// Only this many rows (skip and limit of a LIMIT above) are wanted.
    pub skip: Option<PhysExpr>,
    pub limit: Option<PhysExpr>,
}

impl Physical for SortPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let wanted = wanted_rows(self.limit.as_ref(), self.skip.as_ref(), cx)?;
        let input = self.input.open(cx)?;
        Ok(Box::new(Sort { plan: self, input: Some(input), wanted, cx: cx.clone(), output: Output::Nothing }))
    }

    fn describe(&self) -> String {
        if self.limit.is_some() { "Top-N Sort".to_owned() } else { "Sort".to_owned() }
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct Sort {
    plan: Arc<SortPlan>,
    input: Option<Box<dyn Operator>>,
    wanted: Option<usize>,
    cx: Cx,
    output: Output,
}

enum Output {
    Nothing,
    /// All rows in order, and how many were given.
    Memory {
        rows: Batch,
        given: usize,
        _memory: Reservation,
    },
    Merged(Merge),
}

/// Rows with their keys, not yet in order. The keys are columns behind those of the input.
struct Collected {
    width: usize,
    batches: Vec<Batch>,
    row_count: usize,
    memory: Reservation,
}

impl Collected {
    fn push(&mut self, batch: Batch) -> Result<()> {
        self.memory.grow(batch.size_bytes())?;
        self.row_count += batch.row_count;
        self.batches.push(batch);
        Ok(())
    }

    /// All rows in one batch, and their positions in sorted order; nothing stays behind.
    fn sort(&mut self, plan: &SortPlan, cx: &Cx) -> Result<(Batch, Vec<u32>)> {
        let all = Batch::concat(&std::mem::take(&mut self.batches), self.width + plan.keys.len());
        let keys = &all.columns[self.width..];
        let order = order::sorted(&plan.keys, keys, all.row_count, &|| cx.check_cancel())?;
        self.row_count = 0;
        Ok((all, order))
    }
}

impl Sort {
    fn collect(&mut self) -> Result<()> {
        let Some(mut input) = self.input.take() else { return Ok(()) };
        let (plan, cx) = (Arc::clone(&self.plan), self.cx.clone());
        let budget_bytes = cx.run.budget().rows_bytes;
        let width = plan.input.layout.len();
        let mut collected = Collected { width, batches: Vec::new(), row_count: 0, memory: Reservation::new(&cx.run) };
        let mut file: Option<Arc<SpillFile>> = None;
        let mut runs: Vec<Vec<Block>> = Vec::new();
        let mut memory_bytes = 0;
        while let Some(batch) = input.next()? {
            cx.check_cancel()?;
            let keys: Vec<Column> =
                plan.keys.iter().map(|key| key.expr.eval_batch(&cx, &batch)).collect::<Result<_>>()?;
            let row_count = batch.row_count;
            collected.push(batch.beside(Batch::new(keys, row_count)))?;
            memory_bytes = collected.memory.bytes().max(memory_bytes);
            if let Some(wanted) = self.wanted
                && collected.row_count > wanted.saturating_mul(2).max(4 * BATCH_ROWS)
            {
                self.keep_first(&mut collected, wanted)?;
            }
            if collected.memory.is_over(budget_bytes) {
                if file.is_none() {
                    file = SpillFile::create(&cx)?;
                }
                if let Some(file) = &file {
                    runs.push(self.write_run(&mut collected, file)?);
                }
            }
        }
        drop(input);
        match file {
            Some(file) => {
                if collected.row_count > 0 {
                    runs.push(self.write_run(&mut collected, &file)?);
                }
                let disk_bytes = file.size_bytes();
                let sort_method = Some("external merge");
                cx.note_usage(Usage { sort_method, memory_bytes, disk_bytes, batch_count: runs.len() });
                self.output = Output::Merged(Merge::new(Arc::clone(&plan), cx, file, runs, width)?);
            }
            None => {
                let sort_method = if self.wanted.is_some() { "top-N heapsort" } else { "quicksort" };
                let used = Usage { sort_method: Some(sort_method), memory_bytes, ..Usage::default() };
                cx.note_usage(used);
                let (all, mut order) = collected.sort(&plan, &self.cx)?;
                order.truncate(self.wanted.unwrap_or(usize::MAX));
                let rows = Batch { columns: all.columns[..width].to_vec(), row_count: all.row_count }.take(&order);
                self.output = Output::Memory { rows, given: 0, _memory: collected.memory };
            }
        }
        Ok(())
    }

    /// Forgets all but the first `wanted` rows.
    fn keep_first(&self, collected: &mut Collected, wanted: usize) -> Result<()> {
        let (all, mut order) = collected.sort(&self.plan, &self.cx)?;
        order.truncate(wanted);
        // Kept in input order, so that equal rows stay in it when they are sorted again.
        order.sort_unstable();
        let kept = all.take(&order);
        drop(all);
        collected.memory.clear();
        collected.push(kept)
    }

    /// Writes what was collected, in order.
    fn write_run(&self, collected: &mut Collected, file: &SpillFile) -> Result<Vec<Block>> {
        let (all, mut order) = collected.sort(&self.plan, &self.cx)?;
        order.truncate(self.wanted.unwrap_or(usize::MAX));
        let shape = Shape::within(self.cx.run.budget().rows_bytes);
        let blocks = order.chunks(shape.block_rows(&all)).map(|rows| {
            self.cx.check_cancel()?;
            file.write(&all.take(rows))
        });
        let blocks = blocks.collect::<Result<Vec<_>>>()?;
        drop(all);
        collected.memory.clear();
        Ok(blocks)
    }
}

impl Operator for Sort {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.collect()?;
        match &mut self.output {
            Output::Nothing => Ok(None),
            Output::Merged(merge) => merge.next(),
            Output::Memory { rows, given, .. } => {
                let length = BATCH_ROWS.min(rows.row_count - *given);
                if length == 0 {
                    self.output = Output::Nothing;
                    return Ok(None);
                }
                let out = rows.slice(*given, length);
                *given += length;
                Ok(Some(out))
            }
        }
    }
}
