//! Joins. The right side is collected; the left side streams past it.
//!
//! Equality conditions between the sides become hash keys (NULL matches nothing); everything else is the residual,
//! evaluated on candidate pairs a batch at a time. Without keys every pair is a candidate (nested loop).

use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::algebra::JoinKind;
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::key::{KeyMode, encode_key};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};

pub struct JoinPlan {
    pub kind: JoinKind,
    pub left: Arc<Node>,
    pub right: Arc<Node>,
    /// Aligned: `left_keys[i] = right_keys[i]`.
    pub left_keys: Vec<PhysExpr>,
    pub right_keys: Vec<PhysExpr>,
    /// Over the left columns followed by the right ones.
    pub residual: Option<PhysExpr>,
}

impl Physical for JoinPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let left = self.left.open(cx)?;
        Ok(Box::new(Join {
            plan: self,
            left: Some(left),
            build: None,
            probe: None,
            ready: VecDeque::new(),
            cx: cx.clone(),
        }))
    }

    fn describe(&self) -> String {
        let kind = match self.kind {
            JoinKind::Inner => "",
            JoinKind::Left => " Left",
            JoinKind::Right => " Right",
            JoinKind::Full => " Full",
            JoinKind::Semi => " Semi",
            JoinKind::Anti => " Anti",
        };
        let method = if self.left_keys.is_empty() { "Nested Loop" } else { "Hash" };
        format!("{method}{kind} Join")
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.left, &self.right]
    }
}

const NONE: u32 = u32::MAX;

/// The collected right side.
struct Build {
    batch: Batch,
    /// First row of each key; None for a nested loop.
    heads: Option<FxHashMap<Box<[u8]>, u32>>,
    /// Next row with the same key.
    next: Vec<u32>,
    matched: Vec<bool>,
    _memory: Reservation,
}

/// The left batch being joined.
struct Probe {
    batch: Batch,
    /// First candidate of each row.
    heads: Vec<u32>,
    row: usize,
    /// Next candidate of `row`, once it is begun.
    cursor: Option<u32>,
    matched: Vec<bool>,
}

struct Join {
    plan: Arc<JoinPlan>,
    left: Option<Box<dyn Operator>>,
    build: Option<Build>,
    probe: Option<Probe>,
    ready: VecDeque<Batch>,
    cx: Cx,
}

/// The key of a row; None when any part is NULL.
fn join_key<'k>(columns: &[Column], row: usize, key: &'k mut Vec<u8>) -> Option<&'k [u8]> {
    key.clear();
    for column in columns {
        if column.is_null(row) {
            return None;
        }
        encode_key(&column.value(row), KeyMode::Equivalent, key);
    }
    Some(key)
}

impl Join {
    fn build(&mut self) -> Result<()> {
        let (batches, mut memory) = super::collect(&self.plan.right, &self.cx)?;
        let batch = Batch::concat(&batches, self.plan.right.layout.len());
        drop(batches);
        let (mut heads, mut next) = (None, Vec::new());
        if !self.plan.right_keys.is_empty() {
            let columns: Vec<Column> =
                self.plan.right_keys.iter().map(|key| key.eval_batch(&self.cx, &batch)).collect::<Result<_>>()?;
            let mut map: FxHashMap<Box<[u8]>, u32> = FxHashMap::default();
            next = vec![NONE; batch.row_count];
            let mut key = Vec::new();
            let mut added = batch.row_count * 5;
            // Backwards, so that each chain is in row order.
            for row in (0..batch.row_count).rev() {
                if row % BATCH_ROWS == 0 {
                    self.cx.check_cancel()?;
                    memory.grow(std::mem::take(&mut added))?;
                }
                let Some(key) = join_key(&columns, row, &mut key) else { continue };
                match map.get_mut(key) {
                    Some(head) => {
                        next[row] = *head;
                        *head = row as u32;
                    }
                    None => {
                        added += key.len() + 48;
                        map.insert(key.into(), row as u32);
                    }
                }
            }
            memory.grow(added)?;
            heads = Some(map);
        }
        let matched = match self.plan.kind {
            JoinKind::Right | JoinKind::Full => vec![false; batch.row_count],
            _ => Vec::new(),
        };
        self.build = Some(Build { batch, heads, next, matched, _memory: memory });
        Ok(())
    }

    fn begin_probe(&self, build: &Build, batch: Batch) -> Result<Probe> {
        let heads = match &build.heads {
            None => vec![if build.batch.row_count == 0 { NONE } else { 0 }; batch.row_count],
            Some(map) => {
                let columns: Vec<Column> =
                    self.plan.left_keys.iter().map(|key| key.eval_batch(&self.cx, &batch)).collect::<Result<_>>()?;
                let mut key = Vec::new();
                (0..batch.row_count)
                    .map(|row| join_key(&columns, row, &mut key).and_then(|key| map.get(key)).copied().unwrap_or(NONE))
                    .collect()
            }
        };
        let matched = vec![false; batch.row_count];
        Ok(Probe { batch, heads, row: 0, cursor: None, matched })
    }

    /// Joins one batch of candidate pairs, or ends the probe batch.
    fn step(&mut self) -> Result<()> {
        let kind = self.plan.kind;
        let (Some(build), Some(probe)) = (&mut self.build, &mut self.probe) else { return Ok(()) };
        let (mut lefts, mut rights): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let once = matches!(kind, JoinKind::Semi | JoinKind::Anti);
        while probe.row < probe.batch.row_count && lefts.len() < BATCH_ROWS {
            let candidate = probe.cursor.unwrap_or(probe.heads[probe.row]);
            // Without a residual the first candidate decides; with one, a row found earlier needs no more candidates.
            let settled =
                once && (probe.matched[probe.row] || (self.plan.residual.is_none() && probe.cursor.is_some()));
            if candidate == NONE || settled {
                probe.row += 1;
                probe.cursor = None;
                continue;
            }
            lefts.push(probe.row as u32);
            rights.push(candidate);
            probe.cursor = Some(match &build.heads {
                Some(_) => build.next[candidate as usize],
                None if (candidate as usize) + 1 < build.batch.row_count => candidate + 1,
                None => NONE,
            });
        }
        if !lefts.is_empty() {
            let mut joined: Option<Batch> = None;
            let mut selected: Option<Vec<u32>> = None;
            if let Some(residual) = &self.plan.residual {
                let pairs = probe.batch.take(&lefts).beside(build.batch.take(&rights));
                selected = Some(residual.select_rows(&self.cx, &pairs)?);
                joined = Some(pairs);
            }
            let mut mark = |pair: usize| {
                probe.matched[lefts[pair] as usize] = true;
                if !build.matched.is_empty() {
                    build.matched[rights[pair] as usize] = true;
                }
            };
            match &selected {
                Some(selected) => selected.iter().for_each(|pair| mark(*pair as usize)),
                None => (0..lefts.len()).for_each(&mut mark),
            }
            if !once {
                let out = match (joined, selected) {
                    (Some(pairs), Some(selected)) if selected.len() == pairs.row_count => pairs,
                    (Some(pairs), Some(selected)) => pairs.take(&selected),
                    _ => probe.batch.take(&lefts).beside(build.batch.take(&rights)),
                };
                if out.row_count > 0 {
                    self.ready.push_back(out);
                }
            }
        }
        if probe.row >= probe.batch.row_count {
            let wanted = match kind {
                JoinKind::Left | JoinKind::Full | JoinKind::Anti => Some(false),
                JoinKind::Semi => Some(true),
                JoinKind::Inner | JoinKind::Right => None,
            };
            if let Some(wanted) = wanted {
                let rows: Vec<u32> =
                    (0..probe.batch.row_count as u32).filter(|row| probe.matched[*row as usize] == wanted).collect();
                if !rows.is_empty() {
                    let mut out = probe.batch.take(&rows);
                    if !once {
                        out = out.beside(build.batch.take_optional(&vec![None; rows.len()]));
                    }
                    self.ready.push_back(out);
                }
            }
            self.probe = None;
        }
        Ok(())
    }

    /// Right rows nobody matched, beside NULLs.
    fn unmatched_right(&mut self) {
        let Some(build) = &mut self.build else { return };
        let rows: Vec<u32> = (0..build.matched.len() as u32).filter(|row| !build.matched[*row as usize]).collect();
        build.matched.clear();
        let types = &self.plan.left.layout.types;
        for rows in rows.chunks(BATCH_ROWS) {
            let columns = types.iter().map(|ty| Column::repeat(ty, &sinew_storage::Value::Null, rows.len())).collect();
            let nulls = Batch { columns, row_count: rows.len() };
            self.ready.push_back(nulls.beside(build.batch.take(rows)));
        }
    }
}

impl Operator for Join {
    fn next(&mut self) -> Result<Option<Batch>> {
        if self.build.is_none() {
            if self.plan.left.writes
                && let Some(mut left) = self.left.take()
            {
                // The right side sees what the left one writes.
                let mut memory = Reservation::new(&self.cx.run);
                let mut batches = Vec::new();
                while let Some(batch) = left.next()? {
                    memory.grow(batch.size_bytes())?;
                    batches.push(batch);
                }
                self.left = Some(Box::new(super::Buffered::new(batches, Some(memory))));
            }
            self.build()?;
        }
        loop {
            self.cx.check_cancel()?;
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.probe.is_some() {
                self.step()?;
                continue;
            }
            let Some(left) = &mut self.left else { return Ok(None) };
            match left.next()? {
                Some(batch) => {
                    if let Some(build) = &self.build {
                        self.probe = Some(self.begin_probe(build, batch)?);
                    }
                }
                None => {
                    self.left = None;
                    self.unmatched_right();
                }
            }
        }
    }
}
