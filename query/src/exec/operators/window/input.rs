//! What a window reads: the input's rows with the columns that its calls need beside them.

use arrow_array::{Array, BooleanArray};
use std::sync::Arc;

use sinew_storage::Value;

use super::{Computed, WindowPlan};
use crate::batch::{Batch, Column};
use crate::error::Result;
use crate::exec::key::equivalent;
use crate::exec::node::Operator;
use crate::exec::operators::pieces::Pieces;
use crate::exec::run::Cx;

/// Where a row stands after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Border {
    /// A further row of the same peers.
    Row,
    /// The first of other peers.
    Group,
    /// The first of another partition.
    Partition,
}

pub(super) struct Input {
    plan: Arc<WindowPlan>,
    cx: Cx,
    /// None at its end.
    rows: Option<Box<dyn Operator>>,
    pieces: Pieces,
    /// The row given last.
    previous: Option<Batch>,
}

impl Input {
    pub fn open(plan: &Arc<WindowPlan>, cx: &Cx) -> Result<Input> {
        let rows = Some(plan.input.open(cx)?);
        let expressions = plan.computed.iter().map(|computed| match computed {
            Computed::Expr(expr) | Computed::Filter(expr) | Computed::Filtered(expr, _) => expr,
        });
        let pieces = Pieces::new(cx, expressions);
        Ok(Input { plan: Arc::clone(plan), cx: cx.clone(), rows, pieces, previous: None })
    }

    /// Further rows with the computed columns behind the input's, and how each stands after the one before it.
    pub fn next(&mut self) -> Result<Option<(Batch, Vec<Border>)>> {
        loop {
            let (plan, cx) = (&self.plan, &self.cx);
            if let Some((piece, columns)) =
                self.pieces.next(|batch, limit_bytes| computed_columns(plan, cx, batch, limit_bytes))?
            {
                let row_count = piece.row_count;
                let rows = piece.beside(Batch::new(columns, row_count));
                let borders = self.borders(&rows);
                self.previous = Some(rows.slice(row_count - 1, 1));
                return Ok(Some((rows, borders)));
            }
            let Some(rows) = &mut self.rows else { return Ok(None) };
            match rows.next()? {
                Some(batch) => self.pieces.put(batch),
                None => self.rows = None,
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
                (0, Some(previous)) => (previous, 0),
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

pub(super) fn passes(filter: &Column, row: usize) -> bool {
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
