//! Window functions over rows that come sorted by partition and order.
//!
//! Rows are taken in until a *unit* is complete, and a unit's rows are given with what the calls make of them. What a unit
//! is depends on how far a call must see before it can answer for a row:
//!
//! - a row: row numbers, ranks, and frames `ROWS … UNBOUNDED PRECEDING AND CURRENT ROW`;
//! - a group of peers: the default frame, which ends with the last peer;
//! - the partition: everything else ([`framed`]).
//!
//! The first two ([`running`]) keep nothing but their state between units, however large the partition is. Aggregates take
//! each row once, and take it out again when the frame leaves it behind, if they can; else the frame is read anew.

mod bounds;
mod framed;
mod range;
mod running;

use std::sync::Arc;

use arrow_array::{Array, BooleanArray};
use sinew_storage::{DataType, Value};

use super::pieces::Pieces;
use super::sort::PhysSortKey;
use crate::algebra::{FrameExclusion, FrameUnits};
use crate::batch::{BATCH_BYTES, BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::size::held_bytes;
use crate::exec::expr::{ExprKind, PhysExpr};
use crate::exec::key::equivalent;
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::{Cx, Reservation};
use crate::functions::{AggregateFunction, WindowKind};
use bounds::Offsets;
use framed::{Framed, Partition};
use running::Running;

pub enum PhysCallee {
    Aggregate(Arc<AggregateFunction>),
    Function(WindowKind),
}

pub struct PhysWindowCall {
    pub function: PhysCallee,
    pub args: Vec<PhysExpr>,
    pub filter: Option<PhysExpr>,
    pub ty: DataType,
}

pub enum PhysBound {
    UnboundedPreceding,
    Preceding(PhysExpr),
    CurrentRow,
    Following(PhysExpr),
    UnboundedFollowing,
}

pub struct PhysFrame {
    pub units: FrameUnits,
    pub start: PhysBound,
    pub end: PhysBound,
    pub exclusion: FrameExclusion,
}

impl PhysFrame {
    /// From the partition's beginning to the current row, or its last peer.
    fn is_running(&self) -> bool {
        matches!((&self.start, &self.end), (PhysBound::UnboundedPreceding, PhysBound::CurrentRow))
            && self.exclusion == FrameExclusion::NoOthers
    }
}

/// A column that is computed beside the input's.
enum Computed {
    Expr(PhysExpr),
    /// Whether FILTER lets the row pass.
    Filter(PhysExpr),
    /// An argument, on the rows that the column at this place lets pass.
    Filtered(PhysExpr, usize),
}

/// A call with the places of its arguments among the columns.
pub(super) struct Call {
    function: PhysCallee,
    args: Vec<usize>,
    types: Vec<DataType>,
    filter: Option<usize>,
    ty: DataType,
}

impl Call {
    fn arg(&self, index: usize, rows: &Batch, row: usize) -> Value {
        self.args.get(index).map_or(Value::Null, |place| rows.columns[*place].value(row))
    }
}

/// How rows are cut into units; also where a row stands after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Border {
    /// A further row of the same peers.
    Row,
    Group,
    Partition,
}

pub struct WindowPlan {
    input: Arc<Node>,
    computed: Vec<Computed>,
    partition: Vec<usize>,
    order: Vec<usize>,
    /// Of the first key, for RANGE: its type, descending, NULLs first.
    first_key: Option<(DataType, bool, bool)>,
    frame: PhysFrame,
    calls: Vec<Call>,
    unit: Border,
}

impl WindowPlan {
    pub fn new(
        input: Arc<Node>,
        partition: Vec<PhysExpr>,
        order: Vec<PhysSortKey>,
        frame: PhysFrame,
        calls: Vec<PhysWindowCall>,
    ) -> WindowPlan {
        let width = input.layout.len();
        let mut computed: Vec<Computed> = Vec::new();
        // Columns of the input are read where they are.
        let mut place = |wanted: Computed| match &wanted {
            Computed::Expr(PhysExpr { kind: ExprKind::Slot(slot), .. })
            | Computed::Filtered(PhysExpr { kind: ExprKind::Slot(slot), .. }, _) => *slot,
            _ => {
                computed.push(wanted);
                width + computed.len() - 1
            }
        };
        let partition = partition.into_iter().map(|expr| place(Computed::Expr(expr))).collect();
        let first_key = order.first().map(|key| (key.expr.ty.clone(), key.descending, key.nulls_first));
        let order = order.into_iter().map(|key| place(Computed::Expr(key.expr))).collect();
        let mut placed = Vec::with_capacity(calls.len());
        for PhysWindowCall { function, args, filter, ty } in calls {
            let types = args.iter().map(|arg| arg.ty.clone()).collect();
            let filter = filter.map(|filter| place(Computed::Filter(filter)));
            let args = args
                .into_iter()
                .map(|arg| {
                    place(match filter {
                        None => Computed::Expr(arg),
                        Some(filter) => Computed::Filtered(arg, filter),
                    })
                })
                .collect();
            placed.push(Call { function, args, types, filter, ty });
        }
        let unit = unit_of(&frame, &placed);
        WindowPlan { input, computed, partition, order, first_key, frame, calls: placed, unit }
    }
}

/// The smallest unit that all calls can answer from.
fn unit_of(frame: &PhysFrame, calls: &[Call]) -> Border {
    let of_frame = match (frame.is_running(), frame.units) {
        (true, FrameUnits::Rows) => Border::Row,
        (true, _) => Border::Group,
        (false, _) => Border::Partition,
    };
    let units = calls.iter().map(|call| match &call.function {
        PhysCallee::Aggregate(_) => of_frame,
        PhysCallee::Function(WindowKind::RowNumber | WindowKind::Rank | WindowKind::DenseRank) => Border::Row,
        PhysCallee::Function(WindowKind::FirstValue | WindowKind::LastValue) => of_frame,
        PhysCallee::Function(_) => Border::Partition,
    });
    units.max().unwrap_or(Border::Row)
}

impl Physical for WindowPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let input = self.input.open(cx)?;
        let expressions = self.computed.iter().map(|computed| match computed {
            Computed::Expr(expr) | Computed::Filter(expr) | Computed::Filtered(expr, _) => expr,
        });
        let pieces = Pieces::new(cx, expressions);
        let evaluators = if self.unit == Border::Partition {
            Evaluators::Framed(self.calls.iter().map(|call| Framed::new(call, cx)).collect())
        } else {
            Evaluators::Running(self.calls.iter().map(|call| Running::new(call, cx)).collect())
        };
        let memory = Reservation::new(&cx.run);
        Ok(Box::new(WindowOperator {
            plan: self,
            cx: cx.clone(),
            input: Some(input),
            pieces,
            evaluators,
            offsets: None,
            previous: None,
            held: Vec::new(),
            memory,
            unit: None,
        }))
    }

    fn describe(&self) -> String {
        "WindowAgg".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

enum Evaluators {
    Running(Vec<Running>),
    Framed(Vec<Framed>),
}

/// Complete rows, of which those before `next` were given.
struct Unit {
    rows: Batch,
    borders: Vec<Border>,
    next: usize,
    partition: Option<Partition>,
    memory: Reservation,
}

struct WindowOperator {
    plan: Arc<WindowPlan>,
    cx: Cx,
    input: Option<Box<dyn Operator>>,
    pieces: Pieces,
    evaluators: Evaluators,
    /// Known once there is a row.
    offsets: Option<Offsets>,
    /// The rows taken in last.
    previous: Option<Batch>,
    /// Rows of the unit that is not complete.
    held: Vec<(Batch, Vec<Border>)>,
    memory: Reservation,
    unit: Option<Unit>,
}

/// The columns beside the input's, and the bytes of those that were computed.
fn computed_columns(plan: &WindowPlan, cx: &Cx, batch: &Batch, limit_bytes: usize) -> Result<(Vec<Column>, usize)> {
    let width = batch.columns.len();
    let mut columns: Vec<Column> = Vec::with_capacity(plan.computed.len());
    let mut held_bytes = 0;
    for computed in &plan.computed {
        let left = limit_bytes.saturating_sub(held_bytes);
        let (column, is_computed) = match computed {
            Computed::Expr(expr) => (expr.eval_within(cx, batch, left)?, expr.is_computed()),
            Computed::Filter(filter) => {
                let mut passes = vec![false; batch.row_count];
                for row in filter.select_rows(cx, batch)? {
                    passes[row as usize] = true;
                }
                (Column::Bool(BooleanArray::from(passes)), true)
            }
            Computed::Filtered(expr, filter) => {
                // Rows that FILTER drops must not be evaluated: they may be what would fail.
                let filter = &columns[filter - width];
                let rows: Vec<u32> =
                    (0..batch.row_count).filter(|row| passes(filter, *row)).map(|r| r as u32).collect();
                let some = expr.eval_within(cx, &batch.take(&rows), left)?;
                let mut values = vec![Value::Null; batch.row_count];
                for (index, row) in rows.into_iter().enumerate() {
                    values[row as usize] = some.value(index);
                }
                (Column::from_values(&expr.ty, values), expr.is_computed())
            }
        };
        if is_computed {
            held_bytes += column.held_bytes();
        }
        columns.push(column);
    }
    Ok((columns, held_bytes))
}

fn passes(filter: &Column, row: usize) -> bool {
    matches!(filter, Column::Bool(array) if array.value(row))
}

/// Whether two entries are one group: NULLs are, and what compares equal.
fn same_entry(a: &Column, at: usize, b: &Column, other: usize) -> bool {
    match (a, b) {
        (Column::Int(x), Column::Int(y)) | (Column::Timestamp(x), Column::Timestamp(y)) => {
            match (x.is_null(at), y.is_null(other)) {
                (false, false) => x.value(at) == y.value(other),
                (x, y) => x && y,
            }
        }
        (Column::Text(x), Column::Text(y)) => match (x.is_null(at), y.is_null(other)) {
            (false, false) => x.value(at) == y.value(other),
            (x, y) => x && y,
        },
        _ => equivalent(&a.value(at), &b.value(other)),
    }
}

impl WindowOperator {
    /// Further rows with the computed columns beside them.
    fn next_piece(&mut self) -> Result<Option<Batch>> {
        loop {
            let (plan, cx) = (&self.plan, &self.cx);
            if let Some((piece, columns)) =
                self.pieces.next(|batch, limit_bytes| computed_columns(plan, cx, batch, limit_bytes))?
            {
                let row_count = piece.row_count;
                let mut all = piece.columns;
                all.extend(columns);
                return Ok(Some(Batch::new(all, row_count)));
            }
            let Some(input) = &mut self.input else { return Ok(None) };
            match input.next()? {
                Some(batch) => self.pieces.put(batch),
                None => self.input = None,
            }
        }
    }

    fn borders(&self, rows: &Batch) -> Vec<Border> {
        let same = |places: &[usize], a: &Batch, at: usize, row: usize| {
            places.iter().all(|place| same_entry(&a.columns[*place], at, &rows.columns[*place], row))
        };
        let border = |row: usize| {
            let (before, at) = match (row, &self.previous) {
                (0, None) => return Border::Partition,
                (0, Some(previous)) => (previous, previous.row_count - 1),
                _ => (rows, row - 1),
            };
            if !same(&self.plan.partition, before, at, row) {
                Border::Partition
            } else if !same(&self.plan.order, before, at, row) {
                Border::Group
            } else {
                Border::Row
            }
        };
        (0..rows.row_count).map(border).collect()
    }

    /// Takes in rows until a unit is complete; false at the end.
    fn next_unit(&mut self) -> Result<bool> {
        loop {
            self.cx.check_cancel()?;
            let Some(rows) = self.next_piece()? else {
                let held = std::mem::take(&mut self.held);
                return if held.is_empty() { Ok(false) } else { self.begin_unit(held).map(|()| true) };
            };
            let mut borders = self.borders(&rows);
            self.previous = Some(rows.slice(rows.row_count - 1, 1));
            let complete = match self.plan.unit {
                Border::Row => rows.row_count,
                border => borders.iter().rposition(|known| *known >= border).unwrap_or(0),
            };
            if complete == 0 && (self.held.is_empty() || borders[0] < self.plan.unit) {
                self.memory.grow(rows.size_bytes())?;
                self.held.push((rows, borders));
                continue;
            }
            let mut unit = std::mem::take(&mut self.held);
            if complete < rows.row_count {
                let rest = borders.split_off(complete);
                let rows = rows.slice(complete, rows.row_count - complete);
                self.held.push((rows, rest));
            }
            if complete > 0 {
                unit.push((rows.slice(0, complete), borders));
            }
            self.begin_unit(unit)?;
            return Ok(true);
        }
    }

    fn begin_unit(&mut self, mut parts: Vec<(Batch, Vec<Border>)>) -> Result<()> {
        let mut memory = Reservation::new(&self.cx.run);
        let (rows, borders) = match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                let width = parts.first().map_or(0, |(rows, _)| rows.columns.len());
                memory.grow(parts.iter().map(|(rows, _)| rows.size_bytes()).sum())?;
                let (batches, borders): (Vec<Batch>, Vec<Vec<Border>>) = parts.into_iter().unzip();
                (Batch::concat(&batches, width), borders.concat())
            }
        };
        // What was held is in the unit now.
        self.memory = Reservation::new(&self.cx.run);
        self.memory.grow(self.held.iter().map(|(rows, _)| rows.size_bytes()).sum())?;
        self.unit = Some(Unit { rows, borders, next: 0, partition: None, memory });
        Ok(())
    }

    /// The next rows of the unit.
    fn give(&mut self) -> Result<Option<Batch>> {
        let Some(unit) = &mut self.unit else { return Ok(None) };
        self.cx.check_cancel()?;
        let plan = &self.plan;
        let start = unit.next;
        let mut columns: Vec<Vec<Value>> = plan.calls.iter().map(|_| Vec::new()).collect();
        let mut value_bytes = 0;
        while unit.next < unit.rows.row_count && unit.next - start < BATCH_ROWS && value_bytes < BATCH_BYTES {
            let row = unit.next;
            let mut push = |index: usize, value: Value| {
                value_bytes += held_bytes(&value);
                columns[index].push(value);
            };
            match &mut self.evaluators {
                Evaluators::Running(evaluators) => {
                    let is_group = plan.unit == Border::Group;
                    for (index, (evaluator, call)) in evaluators.iter_mut().zip(&plan.calls).enumerate() {
                        push(index, evaluator.value(call, &unit.rows, &unit.borders, row, is_group)?);
                    }
                }
                Evaluators::Framed(evaluators) => {
                    if unit.borders[row] == Border::Partition {
                        let offsets = match &self.offsets {
                            Some(offsets) => offsets,
                            None => self.offsets.insert(Offsets::of(plan, &self.cx)?),
                        };
                        let partition = Partition::new(row, &unit.borders, offsets.clone());
                        unit.memory.grow(partition.size_bytes())?;
                        unit.partition = Some(partition);
                        evaluators.iter_mut().for_each(Framed::restart);
                    }
                    if let Some(partition) = &mut unit.partition {
                        partition.move_to(row, plan, &unit.rows, &unit.borders, &self.cx)?;
                        for (index, (evaluator, call)) in evaluators.iter_mut().zip(&plan.calls).enumerate() {
                            push(index, evaluator.value(call, plan, &unit.rows, partition)?);
                        }
                    }
                }
            }
            unit.next += 1;
        }
        let length = unit.next - start;
        if length == 0 {
            self.unit = None;
            return Ok(None);
        }
        let width = plan.input.layout.len();
        let mut out = unit.rows.columns[..width].iter().map(|column| column.slice(start, length)).collect::<Vec<_>>();
        out.extend(plan.calls.iter().zip(columns).map(|(call, values)| Column::from_values(&call.ty, values)));
        if unit.next == unit.rows.row_count {
            self.unit = None;
        }
        Ok(Some(Batch::new(out, length)))
    }
}

impl Operator for WindowOperator {
    fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.give()? {
                return Ok(Some(batch));
            }
            if !self.next_unit()? {
                return Ok(None);
            }
        }
    }
}
