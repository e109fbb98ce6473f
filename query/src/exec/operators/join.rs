//! Joins. The right side is collected; the left side streams past it.
//!
//! Equality conditions between the sides become hash keys (NULL matches nothing); everything else is the residual,
//! evaluated on candidate pairs a batch at a time. Without keys every pair is a candidate (nested loop).
//!
//! A right side that outgrows the budget of a hash table is spread by key over partitions on disk, and so is the left side;
//! partitions that belong together are then joined one after another. A nested loop keeps its right side in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::Array;
use rustc_hash::FxHashMap;
use sinew_storage::DataType;

use crate::algebra::JoinKind;
use crate::batch::{BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::{PhysExpr, same_key_class};
use crate::exec::key::{KeyMode, encode_column_key};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation, Usage};
use crate::exec::spill::{Buffer, MOST_LEVELS, PARTITION_COUNT, Partitions, SpilledRows, hash_key};

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
        Ok(Box::new(Join::new(self, cx, left, None, 0)))
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
    heads: Heads,
    /// Next row with the same key.
    next: Vec<u32>,
    matched: Vec<bool>,
    _memory: Reservation,
}

/// First row of each key.
enum Heads {
    /// A nested loop.
    All,
    /// One key, of integers on both sides.
    Int(FxHashMap<i64, u32>),
    Bytes(FxHashMap<Box<[u8]>, u32>),
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
    /// None: the plan's, which is opened when the left side has written what it writes.
    right: Option<Box<dyn Operator>>,
    build: Option<Build>,
    probe: Option<Probe>,
    ready: VecDeque<Batch>,
    /// Left and right rows that are joined apart from the others.
    partitions: Vec<(SpilledRows, SpilledRows)>,
    /// How often the rows were spread before.
    level: u32,
    /// The one that works on a partition.
    inner: Option<Box<Join>>,
    cx: Cx,
}

/// The key of a row; None when any part is NULL.
fn join_key<'k>(columns: &[Column], row: usize, key: &'k mut Vec<u8>) -> Option<&'k [u8]> {
    key.clear();
    for column in columns {
        if column.is_null(row) {
            return None;
        }
        encode_column_key(column, row, KeyMode::Equivalent, key);
    }
    Some(key)
}

fn key_columns(keys: &[PhysExpr], cx: &Cx, batch: &Batch) -> Result<Vec<Column>> {
    keys.iter().map(|key| key.eval_batch(cx, batch)).collect()
}

/// Spreads the rows of a batch by key. Rows whose key is NULL match nothing; they are kept when that counts.
fn spread(partitions: &mut Partitions, keys: &[PhysExpr], cx: &Cx, batch: &Batch, keep_null: bool) -> Result<()> {
    let columns = key_columns(keys, cx, batch)?;
    let mut key = Vec::new();
    let rows = (0..batch.row_count).filter_map(|row| match join_key(&columns, row, &mut key) {
        Some(key) => Some((row as u32, hash_key(key))),
        None => keep_null.then_some((row as u32, 0)),
    });
    partitions.push(batch, rows)
}

impl Join {
    fn new(
        plan: Arc<JoinPlan>,
        cx: &Cx,
        left: Box<dyn Operator>,
        right: Option<Box<dyn Operator>>,
        level: u32,
    ) -> Join {
        Join {
            plan,
            left: Some(left),
            right,
            build: None,
            probe: None,
            ready: VecDeque::new(),
            partitions: Vec::new(),
            level,
            inner: None,
            cx: cx.clone(),
        }
    }

    fn build(&mut self) -> Result<()> {
        let mut right = match self.right.take() {
            Some(right) => right,
            None => self.plan.right.open(&self.cx)?,
        };
        // The table of keys takes about as much as small rows.
        let budget_bytes = self.cx.run.budget().hash_bytes / 2;
        let may_spill = !self.plan.right_keys.is_empty()
            && self.level < MOST_LEVELS
            && self.plan.left_keys.iter().chain(&self.plan.right_keys).all(PhysExpr::is_repeatable);
        let mut memory = Reservation::new(&self.cx.run);
        let mut batches = Vec::new();
        while let Some(batch) = right.next()? {
            self.cx.check_cancel()?;
            memory.grow(batch.size_bytes())?;
            batches.push(batch);
            if may_spill
                && memory.is_over(budget_bytes)
                && let Some(partitions) = Partitions::create(&self.cx, self.level, self.plan.right.layout.len())?
            {
                return self.spread(partitions, batches, memory, right);
            }
        }
        drop(right);
        let batch = Batch::concat(&batches, self.plan.right.layout.len());
        drop(batches);
        let (mut heads, mut next) = (Heads::All, Vec::new());
        if !self.plan.right_keys.is_empty() {
            let columns = key_columns(&self.plan.right_keys, &self.cx, &batch)?;
            next = vec![NONE; batch.row_count];
            memory.grow(batch.row_count * 5)?;
            heads = self.heads(&columns, batch.row_count, &mut next, &mut memory)?;
        }
        let matched = match self.plan.kind {
            JoinKind::Right | JoinKind::Full => vec![false; batch.row_count],
            _ => Vec::new(),
        };
        self.cx.note_usage(Usage { memory_bytes: memory.bytes(), ..Usage::default() });
        self.build = Some(Build { batch, heads, next, matched, _memory: memory });
        Ok(())
    }

    /// The table of keys. Chains of rows with one key are in row order.
    fn heads(&self, columns: &[Column], row_count: usize, next: &mut [u32], memory: &mut Reservation) -> Result<Heads> {
        let mut added = 0;
        // Backwards, so that each row goes before those behind it.
        let mut charge = |row: usize, added: &mut usize| -> Result<()> {
            if row.is_multiple_of(BATCH_ROWS) {
                self.cx.check_cancel()?;
                memory.grow(std::mem::take(added))?;
            }
            Ok(())
        };
        if let ([Column::Int(array)], [left_key]) = (columns, self.plan.left_keys.as_slice())
            && same_key_class(&left_key.ty, &DataType::Int8)
        {
            let mut map: FxHashMap<i64, u32> = FxHashMap::default();
            for row in (0..row_count).rev() {
                charge(row, &mut added)?;
                if array.is_valid(row) {
                    match map.insert(array.value(row), row as u32) {
                        Some(head) => next[row] = head,
                        None => added += 24,
                    }
                }
            }
            return Ok(Heads::Int(map));
        }
        let mut map: FxHashMap<Box<[u8]>, u32> = FxHashMap::default();
        let mut key = Vec::new();
        for row in (0..row_count).rev() {
            charge(row, &mut added)?;
            let Some(key) = join_key(columns, row, &mut key) else { continue };
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
        Ok(Heads::Bytes(map))
    }

    /// Spreads both sides: of the right one what was read, then the rest.
    fn spread(
        &mut self,
        mut partitions: Partitions,
        batches: Vec<Batch>,
        memory: Reservation,
        mut right: Box<dyn Operator>,
    ) -> Result<()> {
        let (plan, cx) = (Arc::clone(&self.plan), self.cx.clone());
        let keep_right = matches!(plan.kind, JoinKind::Right | JoinKind::Full);
        let keep_left = matches!(plan.kind, JoinKind::Left | JoinKind::Full | JoinKind::Anti);
        for batch in batches {
            spread(&mut partitions, &plan.right_keys, &cx, &batch, keep_right)?;
        }
        drop(memory);
        while let Some(batch) = right.next()? {
            spread(&mut partitions, &plan.right_keys, &cx, &batch, keep_right)?;
        }
        drop(right);
        let rights = partitions.finish_aligned()?;
        let (Some(mut left), Some(mut partitions)) =
            (self.left.take(), Partitions::create(&cx, self.level, plan.left.layout.len())?)
        else {
            return Ok(());
        };
        while let Some(batch) = left.next()? {
            spread(&mut partitions, &plan.left_keys, &cx, &batch, keep_left)?;
        }
        let lefts = partitions.finish_aligned()?;
        let file_bytes = |parts: &[SpilledRows]| parts.first().map_or(0, SpilledRows::file_bytes);
        let disk_bytes = file_bytes(&lefts) + file_bytes(&rights);
        cx.note_usage(Usage { disk_bytes, batch_count: PARTITION_COUNT, ..Usage::default() });
        self.partitions = lefts.into_iter().zip(rights).rev().collect();
        Ok(())
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
            let (plan, right) = (Arc::clone(&self.plan), Some(Box::new(right) as Box<dyn Operator>));
            self.inner = Some(Box::new(Join::new(plan, &self.cx, Box::new(left), right, self.level + 1)));
        }
    }

    fn begin_probe(&self, build: &Build, batch: Batch) -> Result<Probe> {
        let heads = match &build.heads {
            Heads::All => vec![if build.batch.row_count == 0 { NONE } else { 0 }; batch.row_count],
            Heads::Int(map) => {
                let columns = key_columns(&self.plan.left_keys, &self.cx, &batch)?;
                let head = |key: i64| map.get(&key).copied().unwrap_or(NONE);
                match columns.as_slice() {
                    [Column::Int(array)] => array.iter().map(|key| key.map_or(NONE, head)).collect(),
                    [column] => (0..batch.row_count).map(|row| column.value(row).as_int().map_or(NONE, head)).collect(),
                    _ => vec![NONE; batch.row_count],
                }
            }
            Heads::Bytes(map) => {
                let columns = key_columns(&self.plan.left_keys, &self.cx, &batch)?;
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
                Heads::All if (candidate as usize) + 1 < build.batch.row_count => candidate + 1,
                Heads::All => NONE,
                Heads::Int(_) | Heads::Bytes(_) => build.next[candidate as usize],
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
        if self.build.is_none() && self.partitions.is_empty() && self.inner.is_none() {
            let Some(mut left) = self.left.take() else { return Ok(None) };
            if self.plan.left.writes && self.level == 0 {
                // The right side sees what the left one writes.
                let mut rows = Buffer::new(&self.cx);
                while let Some(batch) = left.next()? {
                    rows.push(batch)?;
                }
                left = Box::new(rows.into_rows());
            }
            self.left = Some(left);
            self.build()?;
        }
        if self.build.is_none() {
            return self.next_of_partitions();
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
