//! Sorts its whole input; with a row count, keeps only the first rows (top-n).

use std::cmp::Ordering;
use std::sync::Arc;

use sinew_storage::Value;

use super::limit::wanted_rows;
use crate::batch::{BATCH_ROWS, Batch};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::ordering::compare_keys;
use crate::exec::run::{Cx, Reservation};

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
        Ok(Box::new(Sort { plan: self, input: Some(input), wanted, cx: cx.clone(), sorted: None, _memory: None }))
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
    sorted: Option<(Batch, usize)>,
    _memory: Option<Reservation>,
}

/// Rows with their keys, not yet in order.
struct Collected {
    batches: Vec<Batch>,
    keys: Vec<Box<[Value]>>,
    memory: Reservation,
}

impl Collected {
    /// Positions in sorted order; equal rows keep their order.
    fn order(&self, plan: &SortPlan) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.keys.len() as u32).collect();
        order.sort_by(|a, b| compare_rows(&plan.keys, &self.keys[*a as usize], &self.keys[*b as usize]));
        order
    }
}

impl Sort {
    fn collect(&mut self) -> Result<()> {
        let Some(mut input) = self.input.take() else { return Ok(()) };
        let width = self.plan.input.layout.len();
        let mut collected = Collected { batches: Vec::new(), keys: Vec::new(), memory: Reservation::new(&self.cx.run) };
        while let Some(batch) = input.next()? {
            self.cx.check_cancel()?;
            let columns: Vec<_> =
                self.plan.keys.iter().map(|key| key.expr.eval_batch(&self.cx, &batch)).collect::<Result<_>>()?;
            let key_bytes: usize = columns.iter().map(|column| column.len() * 24).sum();
            collected.memory.grow(batch.size_bytes() + key_bytes)?;
            collected
                .keys
                .extend((0..batch.row_count).map(|row| columns.iter().map(|column| column.value(row)).collect()));
            collected.batches.push(batch);
            if let Some(wanted) = self.wanted
                && collected.keys.len() > wanted.saturating_mul(2).max(4 * BATCH_ROWS)
            {
                collected = self.keep_first(collected, wanted, width)?;
            }
        }
        let mut order = collected.order(&self.plan);
        if let Some(wanted) = self.wanted {
            order.truncate(wanted);
        }
        let all = Batch::concat(&collected.batches, width);
        collected.batches.clear();
        self.sorted = Some((all.take(&order), 0));
        self._memory = Some(collected.memory);
        Ok(())
    }

    /// Forgets all but the first `wanted` rows.
    fn keep_first(&self, collected: Collected, wanted: usize, width: usize) -> Result<Collected> {
        let mut order = collected.order(&self.plan);
        order.truncate(wanted);
        // Kept in input order, so that equal rows stay in it when they are sorted again.
        order.sort_unstable();
        let kept = Batch::concat(&collected.batches, width).take(&order);
        let mut keys = collected.keys;
        let keys: Vec<Box<[Value]>> = order.iter().map(|row| std::mem::take(&mut keys[*row as usize])).collect();
        drop(collected.memory);
        let mut memory = Reservation::new(&self.cx.run);
        memory.grow(kept.size_bytes() + keys.len() * self.plan.keys.len() * 24)?;
        Ok(Collected { batches: vec![kept], keys, memory })
    }
}

impl Operator for Sort {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.collect()?;
        let Some((batch, offset)) = &mut self.sorted else { return Ok(None) };
        let length = BATCH_ROWS.min(batch.row_count - *offset);
        if length == 0 {
            return Ok(None);
        }
        let out = batch.slice(*offset, length);
        *offset += length;
        Ok(Some(out))
    }
}
