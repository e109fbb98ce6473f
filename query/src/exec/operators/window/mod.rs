//! Window functions over rows that come sorted by partition and order.
//!
//! Rows are numbered as they come ([`rows`]), and given one after the other with what the calls make of them ([`evaluator`]).
//! A call that must see further before it can answer asks for later positions: ROW_NUMBER needs nothing but its row, the
//! default frame the row's last peer, LEAD a row or so, PERCENT_RANK the end of the partition. What no call may ask for again is
//! dropped. So a window holds what lies between the first row that a call looks back to and the last that one has looked ahead
//! to, and rows above the budget lie in a file meanwhile, read forward by each that needs them: the current row,
//! the two ends of the frame ([`partition`]), rows that aggregates ([`aggregate`]) take in and out.

mod aggregate;
mod bounds;
mod evaluator;
mod input;
mod partition;
mod range;
mod rows;

use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::sort::PhysSortKey;
use crate::algebra::{FrameExclusion, FrameUnits};
use crate::batch::{BATCH_BYTES, Batch, Column};
use crate::error::Result;
use crate::exec::expr::size::held_bytes;
use crate::exec::expr::{ExprKind, PhysExpr};
use crate::exec::node::{Node, Operator, Physical};
use crate::exec::run::Cx;
use crate::functions::{AggregateFunction, WindowKind};
use bounds::Offsets;
use evaluator::Evaluator;
use input::Input;
use partition::Partition;
use rows::{Reader, Rows};

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
    /// Its second argument is the same for all rows, or there is none.
    has_fixed_offset: bool,
    ty: DataType,
}

impl Call {
    fn uses_frame(&self) -> bool {
        match &self.function {
            PhysCallee::Aggregate(_) => true,
            PhysCallee::Function(kind) => kind.uses_frame(),
        }
    }
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
    /// A call looks at its frame.
    uses_frame: bool,
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
            let has_fixed_offset = args.get(1).is_none_or(|offset| offset.constant);
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
            placed.push(Call { function, args, types, filter, has_fixed_offset, ty });
        }
        let uses_frame = placed.iter().any(Call::uses_frame);
        WindowPlan { input, computed, partition, order, first_key, frame, calls: placed, uses_frame }
    }
}

impl Physical for WindowPlan {
    fn open(self: Arc<Self>, cx: &Cx) -> Result<Box<dyn Operator>> {
        let rows = Rows::new(cx, Input::open(&self, cx)?);
        let evaluators = self.calls.iter().map(|call| Evaluator::new(call, cx)).collect();
        Ok(Box::new(WindowOperator {
            plan: self,
            cx: cx.clone(),
            rows,
            next: 0,
            current: Reader::default(),
            partition: None,
            evaluators,
        }))
    }

    fn describe(&self) -> String {
        "WindowAgg".to_owned()
    }

    fn children(&self) -> Vec<&Arc<Node>> {
        vec![&self.input]
    }
}

struct WindowOperator {
    plan: Arc<WindowPlan>,
    cx: Cx,
    rows: Rows,
    /// The row that is given next.
    next: usize,
    /// At the rows that are given.
    current: Reader,
    /// None before the first row.
    partition: Option<Partition>,
    evaluators: Vec<Evaluator>,
}

impl WindowOperator {
    /// Drops the rows that no later row needs.
    fn drop_rows(&mut self) {
        let mut from = self.next;
        if let Some(partition) = &self.partition
            && !self.rows.begins_partition(self.next)
        {
            from = from.min(partition.needed_from(&self.plan));
            for (evaluator, call) in self.evaluators.iter().zip(&self.plan.calls) {
                from = from.min(evaluator.needed_from(call, &self.plan, partition));
            }
        }
        self.rows.drop_before(from);
    }

    /// What the calls give for a row that `current` is at.
    fn evaluate(&mut self, row: usize, mut give: impl FnMut(usize, Value)) -> Result<()> {
        let plan = &self.plan;
        let partition = match &mut self.partition {
            Some(partition) => partition,
            None => self.partition.insert(Partition::new(Offsets::of(plan, &self.cx)?)),
        };
        if self.rows.begins_partition(row) {
            self.rows.enter_partition();
            partition.restart(row);
            self.evaluators.iter_mut().for_each(Evaluator::restart);
        }
        partition.move_to(row, plan, &mut self.rows, &self.current, &self.cx)?;
        for (index, (evaluator, call)) in self.evaluators.iter_mut().zip(&plan.calls).enumerate() {
            give(index, evaluator.value(call, partition, &mut self.rows, &self.current)?);
        }
        Ok(())
    }
}

impl Operator for WindowOperator {
    fn next(&mut self) -> Result<Option<Batch>> {
        self.cx.check_cancel()?;
        self.drop_rows();
        if !self.rows.has(self.next)? {
            return Ok(None);
        }
        self.rows.seek(&mut self.current, self.next)?;
        let (start, end) = (self.next, self.current.end());
        let mut columns: Vec<Vec<Value>> = self.plan.calls.iter().map(|_| Vec::with_capacity(end - start)).collect();
        let mut value_bytes = 0;
        while self.next < end && value_bytes < BATCH_BYTES {
            self.evaluate(self.next, |call, value| {
                value_bytes += held_bytes(&value);
                columns[call].push(value);
            })?;
            self.next += 1;
        }
        let plan = &self.plan;
        let (block, first) = self.current.rows(start);
        let length = self.next - start;
        let given = &block.columns[..plan.input.layout.len()];
        let mut out: Vec<Column> = given.iter().map(|column| column.slice(first, length)).collect();
        out.extend(plan.calls.iter().zip(columns).map(|(call, values)| Column::from_values(&call.ty, values)));
        Ok(Some(Batch::new(out, length)))
    }
}
