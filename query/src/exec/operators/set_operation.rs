//! UNION, INTERSECT and EXCEPT, with and without ALL; columns are aligned by position.
//!
//! What is known of rows is kept by key. When that outgrows the budget, rows are spread over partitions on disk: of a UNION
//! those that were not given yet, of the others both sides from the beginning. Each partition is then worked on alone.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::algebra::SetOp;
use crate::batch::Batch;
use crate::error::Result;
use crate::exec::key::{KeyMode, encode_column_key};
use crate::exec::key_set::KeySet;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};
use crate::exec::spill::{Buffer, MOST_LEVELS, Partitions, SpilledRows, hash_key};

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
        let left = Side { rows: self.left.open(cx)?, columns: Some(self.left_columns.clone()) };
        let right = Right::Unopened;
        Ok(Box::new(SetOperation::new(self, cx, left, right, 0)))
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

/// An input, and where its columns are; None: in place.
struct Side {
    rows: Box<dyn Operator>,
    columns: Option<Vec<usize>>,
}

impl Side {
    fn next(&mut self) -> Result<Option<Batch>> {
        let batch = self.rows.next()?;
        Ok(batch.map(|batch| match &self.columns {
            Some(columns) => batch.select(columns),
            None => batch,
        }))
    }
}

enum Right {
    /// The plan's; opened when the left side is done (a union) or before it is begun (the others).
    Unopened,
    Open(Side),
    Done,
}

struct SetOperation {
    plan: Arc<SetOperationPlan>,
    left: Option<Side>,
    right: Right,
    /// How often each row of the right side is still to be matched (intersect, except).
    counts: Option<FxHashMap<Box<[u8]>, usize>>,
    /// Rows given already (without ALL).
    seen: KeySet,
    memory: Reservation,
    /// Rows that may still be given, of a union.
    spilled: Option<Partitions>,
    /// Partitions to be worked on: left and right rows (a union has only left ones).
    partitions: Vec<(SpilledRows, Option<SpilledRows>)>,
    /// How often the rows were spread before.
    level: u32,
    /// The one that works on a partition.
    inner: Option<Box<SetOperation>>,
    cx: Cx,
}

fn row_key(batch: &Batch, row: usize, key: &mut Vec<u8>) {
    key.clear();
    batch.columns.iter().for_each(|column| encode_column_key(column, row, KeyMode::Equivalent, key));
}

impl SetOperation {
    fn new(plan: Arc<SetOperationPlan>, cx: &Cx, left: Side, right: Right, level: u32) -> SetOperation {
        SetOperation {
            plan,
            left: Some(left),
            right,
            counts: None,
            seen: KeySet::default(),
            memory: Reservation::new(&cx.run),
            spilled: None,
            partitions: Vec::new(),
            level,
            inner: None,
            cx: cx.clone(),
        }
    }

    fn open_right(&mut self) -> Result<()> {
        if let Right::Unopened = self.right {
            let rows = self.plan.right.open(&self.cx)?;
            self.right = Right::Open(Side { rows, columns: Some(self.plan.right_columns.clone()) });
        }
        Ok(())
    }

    /// The next batch of the left side, and for a union of the right side after it.
    fn pull(&mut self) -> Result<Option<Batch>> {
        if let Some(left) = &mut self.left {
            if let Some(batch) = left.next()? {
                return Ok(Some(batch));
            }
            self.left = None;
            if self.plan.op == SetOp::Union {
                self.open_right()?;
            }
        }
        if let Right::Open(right) = &mut self.right {
            if let Some(batch) = right.next()? {
                return Ok(Some(batch));
            }
            self.right = Right::Done;
        }
        Ok(None)
    }

    fn count_right(&mut self) -> Result<()> {
        self.open_right()?;
        let Right::Open(mut right) = std::mem::replace(&mut self.right, Right::Done) else { return Ok(()) };
        let budget_bytes = self.cx.run.budget().hash_bytes;
        let mut counts: FxHashMap<Box<[u8]>, usize> = FxHashMap::default();
        let mut key = Vec::new();
        // What was counted, to be spread if it comes to that.
        let mut counted = Buffer::new(&self.cx);
        while let Some(batch) = right.next()? {
            self.cx.check_cancel()?;
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
            counted.push(batch)?;
            if self.level < MOST_LEVELS
                && self.memory.is_over(budget_bytes)
                && let Some(partitions) = Partitions::create(&self.cx, self.level, self.plan.right_columns.len())?
            {
                drop(counts);
                self.memory.clear();
                return self.spread(partitions, &counted, right);
            }
        }
        self.counts = Some(counts);
        Ok(())
    }

    /// Spreads both sides: of the right one what was read, then the rest.
    fn spread(&mut self, mut partitions: Partitions, counted: &Buffer, mut right: Side) -> Result<()> {
        for position in 0..counted.len() {
            if let Some(batch) = counted.get(position)? {
                spread_batch(&mut partitions, &batch)?;
            }
        }
        while let Some(batch) = right.next()? {
            spread_batch(&mut partitions, &batch)?;
        }
        let rights = partitions.finish_aligned()?;
        let mut lefts = Vec::new();
        if let Some(mut left) = self.left.take()
            && let Some(mut partitions) = Partitions::create(&self.cx, self.level, self.plan.left_columns.len())?
        {
            while let Some(batch) = left.next()? {
                spread_batch(&mut partitions, &batch)?;
            }
            lefts = partitions.finish_aligned()?;
        }
        self.partitions = lefts.into_iter().zip(rights.into_iter().map(Some)).rev().collect();
        self.counts = Some(FxHashMap::default());
        Ok(())
    }

    /// The rows of a batch that are given.
    fn chosen(&mut self, batch: &Batch) -> Result<Vec<u32>> {
        let (op, all) = (self.plan.op, self.plan.all);
        let mut key = Vec::new();
        let mut rows = Vec::new();
        let mut waiting: Vec<(u32, u64)> = Vec::new();
        for row in 0..batch.row_count {
            row_key(batch, row, &mut key);
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
                if self.seen.contains(&key) {
                    continue;
                }
                if self.spilled.is_some() {
                    waiting.push((row as u32, hash_key(&key)));
                    continue;
                }
                self.memory.grow(key.len() + KeySet::ENTRY_BYTES)?;
                self.seen.insert(&key);
            }
            rows.push(row as u32);
        }
        if let Some(spilled) = &mut self.spilled {
            spilled.push(batch, waiting.into_iter())?;
        } else if !all && self.level < MOST_LEVELS && self.memory.is_over(self.cx.run.budget().hash_bytes) {
            // Rows that pass from here on are in no set; what the right side said of them has been said.
            self.spilled = Partitions::create(&self.cx, self.level, batch.columns.len())?;
        }
        Ok(rows)
    }

    /// The next batch of the partitions.
    fn next_of_partitions(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(inner) = &mut self.inner {
                if let Some(batch) = inner.next()? {
                    return Ok(Some(batch));
                }
                self.inner = None;
            }
            let Some((left, right)) = self.partitions.pop() else { return Ok(None) };
            let side = |rows: SpilledRows| Side { rows: Box::new(rows), columns: None };
            let is_matched = right.is_none();
            let right = right.map_or(Right::Done, |right| Right::Open(side(right)));
            let mut inner = SetOperation::new(Arc::clone(&self.plan), &self.cx, side(left), right, self.level + 1);
            if is_matched {
                // Only repetitions are left to be dropped, as a union does.
                inner.plan = Arc::new(self.plan.as_union());
            }
            self.inner = Some(Box::new(inner));
        }
    }
}

fn spread_batch(partitions: &mut Partitions, batch: &Batch) -> Result<()> {
    let mut key = Vec::new();
    let rows = (0..batch.row_count).map(|row| {
        row_key(batch, row, &mut key);
        (row as u32, hash_key(&key))
    });
    partitions.push(batch, rows)
}

impl SetOperationPlan {
    /// A union of the same shape.
    fn as_union(&self) -> SetOperationPlan {
        SetOperationPlan {
            op: SetOp::Union,
            all: false,
            left: Arc::clone(&self.left),
            right: Arc::clone(&self.right),
            left_columns: self.left_columns.clone(),
            right_columns: self.right_columns.clone(),
        }
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
            let rows = self.chosen(&batch)?;
            if !rows.is_empty() {
                return Ok(Some(if rows.len() == batch.row_count { batch } else { batch.take(&rows) }));
            }
        }
        if let Some(spilled) = self.spilled.take() {
            self.seen = KeySet::default();
            self.counts = self.counts.take().map(|_| FxHashMap::default());
            self.memory.clear();
            self.partitions = spilled.finish()?.into_iter().map(|part| (part, None)).collect();
        }
        self.next_of_partitions()
    }
}
