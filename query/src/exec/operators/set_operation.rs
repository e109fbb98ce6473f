//! UNION, INTERSECT and EXCEPT, with and without ALL; columns are aligned by position.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::algebra::SetOp;
use crate::batch::Batch;
use crate::error::Result;
use crate::exec::key::{KeyMode, encode_key};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

pub struct SetOperationPlan {
    pub op: SetOp,
    pub all: bool,
    pub left: Arc<Node>,
    pub right: Arc<Node>,
    pub left_columns: Vec<usize>,
    pub right_columns: Vec<usize>,
}

impl Physical for SetOperationPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let left = self.left.open(cx)?;
        let memory = Reservation::new(&cx.run);
        Ok(Box::new(SetOperation {
            plan: self,
            left: Some(left),
            right: None,
            counts: None,
            seen: FxHashSet::default(),
            memory,
            cx: cx.clone(),
        }))
    }

    fn describe(&self) -> String {
        let name = match self.op {
            SetOp::Union => "Union",
            SetOp::Intersect => "Intersect",
            SetOp::Except => "Except",
        };
        if self.all { format!("{name} All") } else { name.to_owned() }
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.left, &self.right]
    }
}

struct SetOperation {
    plan: Arc<SetOperationPlan>,
    left: Option<Box<dyn Operator>>,
    right: Option<Box<dyn Operator>>,
    /// How often each row of the right side is still to be matched (intersect, except).
    counts: Option<FxHashMap<Box<[u8]>, usize>>,
    /// Rows given already (without ALL).
    seen: FxHashSet<Box<[u8]>>,
    memory: Reservation,
    cx: Cx,
}

fn row_key(batch: &Batch, row: usize, key: &mut Vec<u8>) {
    key.clear();
    for column in &batch.columns {
        encode_key(&column.value(row), KeyMode::Equivalent, key);
    }
}

impl SetOperation {
    /// The next batch of the left side, and for a union of the right side after it.
    fn pull(&mut self) -> Result<Option<Batch>> {
        if let Some(left) = &mut self.left {
            if let Some(batch) = left.next()? {
                return Ok(Some(batch.select(&self.plan.left_columns)));
            }
            self.left = None;
            if self.plan.op == SetOp::Union {
                self.right = Some(self.plan.right.open(&self.cx)?);
            }
        }
        match &mut self.right {
            Some(right) => Ok(right.next()?.map(|batch| batch.select(&self.plan.right_columns))),
            None => Ok(None),
        }
    }

    fn count_right(&mut self) -> Result<()> {
        let mut counts: FxHashMap<Box<[u8]>, usize> = FxHashMap::default();
        let mut right = self.plan.right.open(&self.cx)?;
        let mut key = Vec::new();
        while let Some(batch) = right.next()? {
            self.cx.check_cancel()?;
            let batch = batch.select(&self.plan.right_columns);
            for row in 0..batch.row_count {
                row_key(&batch, row, &mut key);
                match counts.get_mut(key.as_slice()) {
                    Some(count) => *count += 1,
                    None => {
                        self.memory.grow(key.len() + 48)?;
                        counts.insert(key.as_slice().into(), 1);
                    }
                }
            }
        }
        self.counts = Some(counts);
        Ok(())
    }
}

impl Operator for SetOperation {
    fn next(&mut self) -> Result<Option<Batch>> {
        let (op, all) = (self.plan.op, self.plan.all);
        if op != SetOp::Union && self.counts.is_none() {
            self.count_right()?;
        }
        while let Some(batch) = self.pull()? {
            self.cx.check_cancel()?;
            if op == SetOp::Union && all {
                return Ok(Some(batch));
            }
            let mut key = Vec::new();
            let mut rows = Vec::new();
            for row in 0..batch.row_count {
                row_key(&batch, row, &mut key);
                let matched = match &mut self.counts {
                    None => true,
                    Some(counts) => {
                        let count = counts.get_mut(key.as_slice());
                        let present = count.as_ref().is_some_and(|count| **count > 0);
                        if all && let Some(count) = count.filter(|count| **count > 0) {
                            *count -= 1;
                        }
                        present == (op == SetOp::Intersect)
                    }
                };
                if !matched {
                    continue;
                }
                if !all {
                    if self.seen.contains(key.as_slice()) {
                        continue;
                    }
                    self.memory.grow(key.len() + 32)?;
                    self.seen.insert(key.as_slice().into());
                }
                rows.push(row as u32);
            }
            if !rows.is_empty() {
                return Ok(Some(if rows.len() == batch.row_count { batch } else { batch.take(&rows) }));
            }
        }
        Ok(None)
    }
}
