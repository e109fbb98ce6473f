//! Batches in pieces: as many rows at a time as what is computed from them leaves room for.
//!
//! Most batches are taken whole. When the values computed for one are too large together, it is computed again for fewer
//! rows, and later batches follow suit until values are small again. Expressions that must not be computed twice (volatile
//! functions) begin with one row instead and take more as long as values stay small.

use crate::batch::{BATCH_BYTES, BATCH_ROWS, Batch, Column};
use crate::error::Result;
use crate::exec::expr::PhysExpr;
use crate::exec::run::Cx;

/// Fewer or more rows by this factor.
const STEP: usize = 4;

pub(crate) struct Pieces {
    cx: Cx,
    /// The batch being taken apart, and its first row that was not given yet.
    current: Option<(Batch, usize)>,
    /// Rows of the next piece.
    wanted: usize,
    repeatable: bool,
}

impl Pieces {
    /// For computing these expressions.
    pub fn new<'e>(cx: &Cx, expressions: impl IntoIterator<Item = &'e PhysExpr>) -> Pieces {
        let repeatable = expressions.into_iter().all(PhysExpr::is_repeatable);
        Pieces { cx: cx.clone(), current: None, wanted: if repeatable { BATCH_ROWS } else { 1 }, repeatable }
    }

    /// The next batch to take apart; the one before it is used up.
    pub fn put(&mut self, batch: Batch) {
        self.current = Some((batch, 0));
    }

    /// The next rows with what `compute` makes of them: it gives a result and its bytes within the limit it is told, or a
    /// divisible error. None when the batch is used up.
    pub fn next<T>(&mut self, compute: impl Fn(&Batch, usize) -> Result<(T, usize)>) -> Result<Option<(Batch, T)>> {
        let limit_bytes = self.cx.run.exec.memory_limit_bytes;
        loop {
            let Some((batch, start)) = self.current.take() else { return Ok(None) };
            self.cx.check_cancel()?;
            let left = batch.row_count - start;
            let length = self.wanted.min(left);
            let piece = if length == batch.row_count { batch.clone() } else { batch.slice(start, length) };
            // A row must be possible whatever its size is, and what cannot be repeated gets no second chance.
            let share = if length <= 1 || !self.repeatable { limit_bytes } else { BATCH_BYTES.min(limit_bytes) };
            match compute(&piece, share) {
                Ok((result, held_bytes)) => {
                    if held_bytes < BATCH_BYTES / (2 * STEP) {
                        self.wanted = self.wanted.saturating_mul(STEP).min(BATCH_ROWS);
                    } else if held_bytes > BATCH_BYTES && length > 1 {
                        self.wanted = (length / STEP).max(1);
                    }
                    if length < left {
                        self.current = Some((batch, start + length));
                    }
                    return Ok(Some((piece, result)));
                }
                Err(error) if error.0.divisible && self.repeatable && length > 1 => {
                    self.wanted = (length / STEP).max(1);
                    self.current = Some((batch, start));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// The columns of some expressions, and the bytes of those that were computed.
pub(crate) fn columns_of<'e>(
    expressions: impl IntoIterator<Item = &'e PhysExpr>,
    cx: &Cx,
    batch: &Batch,
    limit_bytes: usize,
) -> Result<(Vec<Column>, usize)> {
    let mut columns = Vec::new();
    let mut held_bytes = 0;
    for expression in expressions {
        let column = expression.eval_within(cx, batch, limit_bytes.saturating_sub(held_bytes))?;
        if expression.is_computed() {
            held_bytes += column.held_bytes();
        }
        columns.push(column);
    }
    Ok((columns, held_bytes))
}
