//! First row of each group of equivalent rows, in input order.
//!
//! The keys of rows that were given are kept. When they outgrow the budget, rows with other keys are spread over partitions
//! on disk and given after all others; DISTINCT ON over a sort must keep the order, so it keeps only the last key when the
//! sort puts equal keys side by side, and everything in memory otherwise.

use std::sync::Arc;

use super::sort::SortPlan;
use crate::batch::Batch;
use crate::error::Result;
use crate::exec::expr::{ExprKind, PhysExpr};
use crate::exec::key::{KeyMode, encode_column_key};
use crate::exec::key_set::KeySet;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};
use crate::exec::spill::{MOST_LEVELS, Partitions, SpilledRows, hash_key};

/// What a batch may add before the statement is charged with it.
const CHARGE_BYTES: usize = 1 << 20;
/// Making such a key takes as long as a look at the cancel token is worth.
const LONG_KEY_BYTES: usize = 4096;

pub struct DistinctPlan {
    pub input: Arc<Node>,
    /// None: all columns.
    pub on: Option<Vec<PhysExpr>>,
}

impl Physical for DistinctPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        Ok(Box::new(Distinct::new(self, cx, input, 0)))
    }

    fn describe(&self) -> String {
        if self.on.is_some() { "Distinct On".to_owned() } else { "Distinct".to_owned() }
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct Distinct {
    plan: Arc<DistinctPlan>,
    input: Box<dyn Operator>,
    cx: Cx,
    seen: KeySet,
    memory: Reservation,
    /// Rows whose key is not among those kept.
    spilled: Option<Partitions>,
    partitions: Vec<SpilledRows>,
    /// How often the rows were spread before.
    level: u32,
    /// The one that works on a partition.
    inner: Option<Box<Distinct>>,
}

impl Distinct {
    fn new(plan: Arc<DistinctPlan>, cx: &Cx, input: Box<dyn Operator>, level: u32) -> Distinct {
        Distinct {
            plan,
            input,
            cx: cx.clone(),
            seen: KeySet::default(),
            memory: Reservation::new(&cx.run),
            spilled: None,
            partitions: Vec::new(),
            level,
            inner: None,
        }
    }

    fn is_sorted(&self) -> bool {
        self.plan.on.is_some() && self.plan.input.physical_as::<SortPlan>().is_some()
    }

    /// Whether rows with equal keys come one after another.
    fn is_grouped(&self) -> bool {
        let (Some(on), Some(sort)) = (&self.plan.on, self.plan.input.physical_as::<SortPlan>()) else { return false };
        let slot = |expr: &PhysExpr| match expr.kind {
            ExprKind::Slot(slot) => Some(slot),
            _ => None,
        };
        let leading: Option<Vec<usize>> = sort.keys.iter().take(on.len()).map(|key| slot(&key.expr)).collect();
        let on: Option<Vec<usize>> = on.iter().map(slot).collect();
        leading.zip(on).is_some_and(|(leading, on)| on.iter().all(|slot| leading.contains(slot)))
    }

    /// The rows of a batch that are given.
    fn chosen(&mut self, batch: &Batch, grouped: bool) -> Result<Vec<u32>> {
        let computed;
        let columns = match &self.plan.on {
            None => &batch.columns,
            Some(on) => {
                computed = on.iter().map(|expr| expr.eval_batch(&self.cx, batch)).collect::<Result<Vec<_>>>()?;
                &computed
            }
        };
        let (mut rows, mut waiting) = (Vec::new(), Vec::new());
        let mut key = Vec::new();
        let mut added = 0;
        for row in 0..batch.row_count {
            key.clear();
            columns.iter().for_each(|column| encode_column_key(column, row, KeyMode::Equivalent, &mut key));
            if key.len() >= LONG_KEY_BYTES {
                self.cx.check_cancel()?;
            }
            if self.seen.contains(&key) {
                continue;
            }
            if self.spilled.is_some() {
                waiting.push((row as u32, hash_key(&key)));
                continue;
            }
            if grouped {
                self.seen.clear();
            } else {
                added += key.len() + KeySet::ENTRY_BYTES;
                if added >= CHARGE_BYTES {
                    self.memory.grow(std::mem::take(&mut added))?;
                }
            }
            self.seen.insert(&key);
            rows.push(row as u32);
        }
        self.memory.grow(added)?;
        if let Some(spilled) = &mut self.spilled {
            spilled.push(batch, waiting.into_iter())?;
        } else if self.level < MOST_LEVELS
            && self.memory.is_over(self.cx.run.budget().hash_bytes)
            && !(self.level == 0 && self.is_sorted())
        {
            self.spilled = Partitions::create(&self.cx, self.level, batch.columns.len())?;
        }
        Ok(rows)
    }
}

impl Operator for Distinct {
    fn next(&mut self) -> Result<Option<Batch>> {
        let grouped = self.level == 0 && self.is_grouped();
        while let Some(batch) = self.input.next()? {
            self.cx.check_cancel()?;
            let rows = self.chosen(&batch, grouped)?;
            if !rows.is_empty() {
                return Ok(Some(if rows.len() == batch.row_count { batch } else { batch.take(&rows) }));
            }
        }
        if let Some(spilled) = self.spilled.take() {
            self.seen = KeySet::default();
            self.memory.clear();
            self.partitions = spilled.finish()?;
            self.partitions.reverse();
        }
        loop {
            if let Some(inner) = &mut self.inner {
                if let Some(batch) = inner.next()? {
                    return Ok(Some(batch));
                }
                self.inner = None;
            }
            let Some(rows) = self.partitions.pop() else { return Ok(None) };
            let inner = Distinct::new(Arc::clone(&self.plan), &self.cx, Box::new(rows), self.level + 1);
            self.inner = Some(Box::new(inner));
        }
    }
}
