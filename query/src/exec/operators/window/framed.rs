//! Calls that need the whole partition, and the frame of each row.

use std::ops::Range;
use std::sync::Arc;

use sinew_storage::{DataType, Value};
use smallvec::SmallVec;

use super::bounds::Offsets;
use super::{Border, Call, PhysBound, PhysCallee, WindowPlan, passes};
use crate::algebra::{FrameExclusion, FrameUnits};
use crate::batch::Batch;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::run::{Cx, Reservation};
use crate::functions::{Accumulator, AggregateFunction, WindowKind};

/// Rows between two looks at the cancel token.
const POLL_ROWS: usize = 1024;

/// A partition, seen from one row after the other. Positions are those of its unit's rows.
pub(super) struct Partition {
    start: usize,
    end: usize,
    /// Where each group of peers begins.
    groups: Vec<u32>,
    /// The current row and the position of its group in `groups`.
    row: usize,
    group: usize,
    /// Of the current row. Bounds only ever grow.
    frame: Range<usize>,
    offsets: Offsets,
}

impl Partition {
    /// The partition that begins at `start`.
    pub fn new(start: usize, borders: &[Border], offsets: Offsets) -> Partition {
        let further = borders[start + 1..].iter().position(|border| *border == Border::Partition);
        let end = further.map_or(borders.len(), |length| start + 1 + length);
        let begins = |row: &usize| borders[*row] != Border::Row;
        let groups = (start..end).filter(begins).map(|row| row as u32).collect();
        Partition { start, end, groups, row: start, group: 0, frame: start..start, offsets }
    }

    pub fn size_bytes(&self) -> usize {
        self.groups.len() * size_of::<u32>()
    }

    fn len(&self) -> usize {
        self.end - self.start
    }

    /// The rows of a group by its number; beyond the last one, nothing at the end.
    fn group_rows(&self, group: usize) -> Range<usize> {
        let begin = |group: usize| self.groups.get(group).map_or(self.end, |row| *row as usize);
        begin(group)..begin(group.saturating_add(1))
    }

    fn peers(&self) -> Range<usize> {
        self.group_rows(self.group)
    }

    /// Makes `row`, the next one or the first, the current one.
    pub fn move_to(&mut self, row: usize, plan: &WindowPlan, rows: &Batch, borders: &[Border], cx: &Cx) -> Result<()> {
        self.row = row;
        if row > self.start && borders[row] != Border::Row {
            self.group += 1;
        }
        let start = self.bound(&plan.frame.start, true, plan, rows, cx)?;
        let end = self.bound(&plan.frame.end, false, plan, rows, cx)?;
        self.frame = start..end;
        Ok(())
    }

    /// Where the frame begins (`is_start`), or ends.
    fn bound(&self, bound: &PhysBound, is_start: bool, plan: &WindowPlan, rows: &Batch, cx: &Cx) -> Result<usize> {
        let offset = if is_start { &self.offsets.start } else { &self.offsets.end };
        // Counted offsets that are larger than any partition reach its end.
        let count = || offset.as_int().and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
        let is_preceding = matches!(bound, PhysBound::Preceding(_));
        Ok(match (bound, plan.frame.units) {
            (PhysBound::UnboundedPreceding, _) => self.start,
            (PhysBound::UnboundedFollowing, _) => self.end,
            (PhysBound::CurrentRow, FrameUnits::Rows) => self.row + usize::from(!is_start),
            (PhysBound::CurrentRow, _) => {
                if is_start {
                    self.peers().start
                } else {
                    self.peers().end
                }
            }
            (_, FrameUnits::Rows) => {
                // The end is behind the last row.
                let row = self.row + usize::from(!is_start);
                let moved = if is_preceding { row.saturating_sub(count()) } else { row.saturating_add(count()) };
                moved.clamp(self.start, self.end)
            }
            (_, FrameUnits::Groups) => {
                let group = if is_preceding {
                    self.group.checked_sub(count())
                } else {
                    Some(self.group.saturating_add(count()))
                };
                match (group, is_start) {
                    (Some(group), true) => self.group_rows(group).start,
                    (Some(group), false) => self.group_rows(group).end,
                    (None, _) => self.start,
                }
            }
            (_, FrameUnits::Range) => self.range_bound(is_preceding, is_start, plan, rows, cx)?,
        })
    }

    /// Goes on from the last row's bound until the first row that is in range, or the first behind those that are.
    fn range_bound(
        &self,
        is_preceding: bool,
        is_start: bool,
        plan: &WindowPlan,
        rows: &Batch,
        cx: &Cx,
    ) -> Result<usize> {
        let (Some(kind), Some((_, descending, nulls_first)), [place]) =
            (&self.offsets.range, &plan.first_key, plan.order.as_slice())
        else {
            return Err(QueryError::internal("a frame in RANGE mode has no measure"));
        };
        let offset = if is_start { &self.offsets.start } else { &self.offsets.end };
        let column = &rows.columns[*place];
        let base = column.value(self.row);
        let mut at = if is_start { self.frame.start } else { self.frame.end };
        let mut left = POLL_ROWS;
        while at < self.end {
            let value = column.value(at);
            let stops = match (value.is_null(), base.is_null()) {
                (false, false) => {
                    let subtract = is_preceding != *descending;
                    let less = is_start == *descending;
                    kind.in_range(&value, &base, offset, subtract, less)? == is_start
                }
                // NULLs are in range of NULLs only, and stand at one end.
                (true, true) => is_start,
                (true, false) => !*nulls_first,
                (false, true) => *nulls_first,
            };
            if stops {
                break;
            }
            at += 1;
            left -= 1;
            if left == 0 {
                cx.check_cancel()?;
                left = POLL_ROWS;
            }
        }
        Ok(at)
    }

    /// The frame's rows without those excluded.
    fn frame_rows(&self, exclusion: FrameExclusion) -> SmallVec<[Range<usize>; 3]> {
        let Range { start, end } = self.frame;
        let end = end.max(start);
        let excluded = match exclusion {
            FrameExclusion::NoOthers => return SmallVec::from_iter((start < end).then_some(start..end)),
            FrameExclusion::CurrentRow => self.row..self.row + 1,
            FrameExclusion::Group | FrameExclusion::Ties => self.peers(),
        };
        let current =
            (exclusion == FrameExclusion::Ties && (start..end).contains(&self.row)).then_some(self.row..self.row + 1);
        let before = start..end.min(excluded.start);
        let behind = start.max(excluded.end)..end;
        [Some(before), current, Some(behind)].into_iter().flatten().filter(|rows| rows.start < rows.end).collect()
    }
}

pub(super) enum Framed {
    Function(WindowKind),
    /// The number of buckets, known from the partition's first row.
    Ntile(Option<i64>),
    Aggregate {
        state: State,
        holds: SmallVec<[Range<usize>; 3]>,
    },
}

impl Framed {
    pub fn new(call: &Call, cx: &Cx) -> Framed {
        match &call.function {
            PhysCallee::Aggregate(function) => {
                Framed::Aggregate { state: State::new(function, &call.types, cx), holds: SmallVec::new() }
            }
            PhysCallee::Function(WindowKind::Ntile) => Framed::Ntile(None),
            PhysCallee::Function(kind) => Framed::Function(*kind),
        }
    }

    /// Before a partition's first row.
    pub fn restart(&mut self) {
        match self {
            Framed::Aggregate { state, holds } => {
                state.restart();
                holds.clear();
            }
            Framed::Ntile(buckets) => *buckets = None,
            Framed::Function(_) => {}
        }
    }

    pub fn value(&mut self, call: &Call, plan: &WindowPlan, rows: &Batch, partition: &Partition) -> Result<Value> {
        let position = partition.row - partition.start;
        match self {
            Framed::Aggregate { state, holds } => {
                let wanted = partition.frame_rows(plan.frame.exclusion);
                if *holds != wanted {
                    state.slide(call, rows, holds, &wanted)?;
                    *holds = wanted;
                }
                state.value()
            }
            Framed::Ntile(buckets) => {
                if position == 0 {
                    *buckets = call.arg(0, rows, partition.row).as_int();
                    if buckets.is_some_and(|buckets| buckets <= 0) {
                        return Err(QueryError::new(
                            sqlstate::INVALID_ARGUMENT_FOR_NTILE,
                            "argument of ntile must be greater than zero",
                        ));
                    }
                }
                Ok(buckets.map_or(Value::Null, |buckets| Value::Int(bucket(position, partition.len(), buckets))))
            }
            Framed::Function(kind) => function_value(*kind, call, plan, rows, partition),
        }
    }
}

/// The bucket, from 1, of a row among so many: the first ones have one row more.
fn bucket(position: usize, row_count: usize, buckets: i64) -> i64 {
    let (position, row_count) = (position as i64, row_count as i64);
    let (size, larger) = (row_count / buckets, row_count % buckets);
    let in_larger = larger * (size + 1);
    if position < in_larger { position / (size + 1) + 1 } else { (position - in_larger) / size.max(1) + larger + 1 }
}

fn function_value(
    kind: WindowKind,
    call: &Call,
    plan: &WindowPlan,
    rows: &Batch,
    partition: &Partition,
) -> Result<Value> {
    let (row, peers) = (partition.row, partition.peers());
    let position = |at: usize| (at - partition.start) as i64;
    let nth = |n: usize| {
        let mut left = n;
        for part in partition.frame_rows(plan.frame.exclusion) {
            if left < part.len() {
                return call.arg(0, rows, part.start + left);
            }
            left -= part.len();
        }
        Value::Null
    };
    Ok(match kind {
        WindowKind::RowNumber => Value::Int(position(row) + 1),
        WindowKind::Rank => Value::Int(position(peers.start) + 1),
        WindowKind::DenseRank => Value::Int(partition.group as i64 + 1),
        WindowKind::PercentRank => Value::Float(match partition.len() {
            1 => 0.0,
            row_count => position(peers.start) as f64 / (row_count - 1) as f64,
        }),
        WindowKind::CumeDist => Value::Float(position(peers.end) as f64 / partition.len() as f64),
        WindowKind::Lag | WindowKind::Lead => {
            let distance = if call.args.len() > 1 { call.arg(1, rows, row).as_int() } else { Some(1) };
            let Some(distance) = distance else { return Ok(Value::Null) };
            let to = if kind == WindowKind::Lag {
                position(row).checked_sub(distance)
            } else {
                position(row).checked_add(distance)
            };
            let to = to.and_then(|to| usize::try_from(to).ok()).filter(|to| *to < partition.len());
            match to {
                Some(to) => call.arg(0, rows, partition.start + to),
                None => call.arg(2, rows, row),
            }
        }
        WindowKind::FirstValue => nth(0),
        WindowKind::LastValue => {
            let last = partition.frame_rows(plan.frame.exclusion).last().map(|part| part.end - 1);
            last.map_or(Value::Null, |last| call.arg(0, rows, last))
        }
        WindowKind::NthValue => match call.arg(1, rows, row) {
            Value::Int(n) if n <= 0 => {
                return Err(QueryError::new(
                    sqlstate::INVALID_ARGUMENT_FOR_NTH_VALUE,
                    "argument of nth_value must be greater than zero",
                ));
            }
            Value::Int(n) => usize::try_from(n - 1).map_or(Value::Null, nth),
            _ => Value::Null,
        },
        WindowKind::Ntile => return Err(QueryError::internal("ntile keeps its buckets")),
    })
}

/// An aggregate over rows that come and go.
pub(super) struct State {
    function: Arc<AggregateFunction>,
    types: Vec<DataType>,
    accumulator: Box<dyn Accumulator>,
    /// Of the rows held now, once it was asked for.
    value: Option<Value>,
    cx: Cx,
    charged_bytes: usize,
    memory: Reservation,
}

impl State {
    pub fn new(function: &Arc<AggregateFunction>, types: &[DataType], cx: &Cx) -> State {
        State {
            function: Arc::clone(function),
            types: types.to_vec(),
            accumulator: (function.accumulator)(types),
            value: None,
            cx: cx.clone(),
            charged_bytes: 0,
            memory: Reservation::new(&cx.run),
        }
    }

    /// Forgets all rows.
    pub fn restart(&mut self) {
        self.accumulator = (self.function.accumulator)(&self.types);
        self.value = None;
        self.charged_bytes = 0;
        self.memory = Reservation::new(&self.cx.run);
    }

    /// The arguments on a row that counts.
    fn args(&self, call: &Call, rows: &Batch, row: usize) -> Option<SmallVec<[Value; 2]>> {
        if call.filter.is_some_and(|filter| !passes(&rows.columns[filter], row)) {
            return None;
        }
        if self.function.strict && call.args.iter().any(|place| rows.columns[*place].is_null(row)) {
            return None;
        }
        Some(call.args.iter().map(|place| rows.columns[*place].value(row)).collect())
    }

    pub fn add(&mut self, call: &Call, rows: &Batch, added: Range<usize>) -> Result<()> {
        for (count, row) in added.enumerate() {
            if count % POLL_ROWS == POLL_ROWS - 1 {
                self.cx.check_cancel()?;
            }
            let Some(args) = self.args(call, rows, row) else { continue };
            self.accumulator.update(&args)?;
            self.value = None;
            let size_bytes = self.accumulator.size_bytes();
            if size_bytes > self.charged_bytes {
                self.memory.grow(size_bytes - self.charged_bytes)?;
                self.charged_bytes = size_bytes;
            }
        }
        Ok(())
    }

    /// Takes rows out; false when that cannot be done.
    fn remove(&mut self, call: &Call, rows: &Batch, removed: Range<usize>) -> Result<bool> {
        for row in removed {
            let Some(args) = self.args(call, rows, row) else { continue };
            if !self.accumulator.remove(&args)? {
                return Ok(false);
            }
            self.value = None;
        }
        Ok(true)
    }

    /// Goes from the rows it holds to those wanted.
    fn slide(&mut self, call: &Call, rows: &Batch, holds: &[Range<usize>], wanted: &[Range<usize>]) -> Result<()> {
        if let ([held], [wanted]) = (holds, wanted)
            && wanted.start >= held.start
            && wanted.start < held.end
            && wanted.end >= held.end
            && self.remove(call, rows, held.start..wanted.start)?
        {
            return self.add(call, rows, held.end..wanted.end);
        }
        self.restart();
        wanted.iter().try_for_each(|part| self.add(call, rows, part.clone()))
    }

    pub fn value(&mut self) -> Result<Value> {
        if let Some(value) = &self.value {
            return Ok(value.clone());
        }
        let value = self.accumulator.value()?;
        self.value = Some(value.clone());
        Ok(value)
    }
}
