//! A batch at a time.
//!
//! Operands that may be skipped (AND, OR, CASE, COALESCE) are evaluated on the rows that reach them only, gathered into
//! a narrow batch that holds just the columns they read.

use arrow_array::{Array, BooleanArray, Float64Array};
use sinew_storage::{DataType, Value};

use super::*;
use crate::batch::Column;
use crate::error::Result;
use crate::functions::{self, Volatility};

/// Below this many rows, gathering columns costs more than going row by row.
const GATHER_MIN_ROWS: usize = 8;

impl PhysExpr {
    /// The values on all rows of a batch. 53200 when they hold more than the statement may.
    pub fn eval_batch(&self, cx: &Cx, batch: &Batch) -> Result<Column> {
        self.eval_within(cx, batch, cx.run.exec.memory_limit_bytes)
    }

    /// As [`Self::eval_batch`] with a limit of its own, in bytes: beyond it a divisible 53200.
    ///
    /// Operands that are large on all rows together are computed and dropped row by row, so that only results count.
    pub fn eval_within(&self, cx: &Cx, batch: &Batch, limit_bytes: usize) -> Result<Column> {
        match self.column(cx, batch, limit_bytes) {
            Err(error) if error.0.divisible && batch.row_count > 1 && self.is_repeatable() => {
                self.eval_row_by_row(cx, batch, limit_bytes)
            }
            result => result,
        }
    }

    /// Whether computing it twice is as good as once: nothing volatile, and no subquery that might hold such.
    pub fn is_repeatable(&self) -> bool {
        let mut repeatable = match &self.kind {
            ExprKind::Call { function, .. } => function.volatility != Volatility::Volatile,
            ExprKind::Subquery(_) => false,
            _ => true,
        };
        self.for_each_child(&mut |child| repeatable = repeatable && child.is_repeatable());
        repeatable
    }

    fn column(&self, cx: &Cx, batch: &Batch, limit_bytes: usize) -> Result<Column> {
        let row_count = batch.row_count;
        if row_count == 0 {
            return Ok(Column::from_values(&self.ty, Vec::new()));
        }
        if self.constant {
            return Ok(Column::repeat(&self.ty, &self.eval(RowCx::empty(cx))?, row_count));
        }
        match &self.kind {
            ExprKind::Slot(slot) => Ok(batch.columns[*slot].clone()),
            ExprKind::Call { function, args, position } => {
                let columns: Vec<Column> =
                    args.iter().map(|arg| arg.column(cx, batch, limit_bytes)).collect::<Result<_>>()?;
                let located = |error: QueryError| error.at(position.map(|p| p as usize));
                if let Some(result) = function.kernel.and_then(|kernel| kernel(&columns)) {
                    return result.map_err(located);
                }
                let context = cx.eval_context();
                let mut values = Vec::with_capacity(row_count);
                let mut arguments = vec![Value::Null; columns.len()];
                let mut meter = size::Meter::new(cx, limit_bytes);
                for row in 0..row_count {
                    for (argument, column) in arguments.iter_mut().zip(&columns) {
                        *argument = column.value(row);
                    }
                    let value = call_function(function, &context, &arguments).map_err(located)?;
                    meter.add(&value).map_err(located)?;
                    values.push(value);
                }
                Ok(Column::from_values(&self.ty, values))
            }
            ExprKind::Cast { input, explicit } => {
                let column = input.column(cx, batch, limit_bytes)?;
                if let Some(column) = cast_column(&column, &input.ty, &self.ty) {
                    return Ok(column);
                }
                let context = cx.eval_context();
                let mut values = Vec::with_capacity(row_count);
                let mut meter = size::Meter::new(cx, limit_bytes);
                for row in 0..row_count {
                    let value = match column.value(row) {
                        Value::Null => Value::Null,
                        value => functions::cast_value(&context, &value, &input.ty, &self.ty, *explicit)?,
                    };
                    meter.add(&value)?;
                    values.push(value);
                }
                Ok(Column::from_values(&self.ty, values))
            }
            ExprKind::And(items) => connect(items, false, cx, batch, limit_bytes),
            ExprKind::Or(items) => connect(items, true, cx, batch, limit_bytes),
            ExprKind::Not(input) => {
                let truths = truths(&input.column(cx, batch, limit_bytes)?)?;
                Ok(Column::Bool(truths.iter().map(|truth| truth.map(|b| !b)).collect()))
            }
            ExprKind::IsNull(input) => {
                let column = input.column(cx, batch, limit_bytes)?;
                Ok(Column::Bool((0..row_count).map(|row| Some(column.is_null(row))).collect()))
            }
            ExprKind::Case { branches, otherwise } => {
                let mut values = vec![Value::Null; row_count];
                let mut open: Vec<u32> = all_rows(row_count);
                let mut meter = size::Meter::new(cx, limit_bytes);
                for (condition, value) in branches {
                    if open.is_empty() {
                        break;
                    }
                    cx.check_cancel()?;
                    let truths = truths(&condition.eval_rows(cx, batch, &open, limit_bytes)?)?;
                    let (mut chosen, mut rest) = (Vec::new(), Vec::new());
                    for (index, row) in open.iter().enumerate() {
                        let is_true = truths.is_valid(index) && truths.value(index);
                        (if is_true { &mut chosen } else { &mut rest }).push(*row);
                    }
                    let column = value.eval_rows(cx, batch, &chosen, limit_bytes)?;
                    meter.add_column(&column)?;
                    scatter(&column, &chosen, &mut values);
                    open = rest;
                }
                if let Some(otherwise) = otherwise {
                    let column = otherwise.eval_rows(cx, batch, &open, limit_bytes)?;
                    meter.add_column(&column)?;
                    scatter(&column, &open, &mut values);
                }
                Ok(Column::from_values(&self.ty, values))
            }
            ExprKind::Coalesce(items) => {
                let mut values = vec![Value::Null; row_count];
                let mut open: Vec<u32> = all_rows(row_count);
                let mut meter = size::Meter::new(cx, limit_bytes);
                for item in items {
                    if open.is_empty() {
                        break;
                    }
                    cx.check_cancel()?;
                    let column = item.eval_rows(cx, batch, &open, limit_bytes)?;
                    meter.add_column(&column)?;
                    scatter(&column, &open, &mut values);
                    open.retain(|row| values[*row as usize].is_null());
                }
                Ok(Column::from_values(&self.ty, values))
            }
            ExprKind::Property { input, key, token_slot } => {
                let column = input.column(cx, batch, limit_bytes)?;
                let mut values = Vec::with_capacity(row_count);
                let mut meter = size::Meter::new(cx, limit_bytes);
                for row in 0..row_count {
                    let value = property::property_of(cx, &column.value(row), key, *token_slot)?;
                    meter.add(&value)?;
                    values.push(value);
                }
                Ok(Column::from_values(&self.ty, values))
            }
            ExprKind::InList { input, set: Some(set), negated, .. } => {
                let column = input.column(cx, batch, limit_bytes)?;
                Ok(Column::Bool(
                    (0..row_count)
                        .map(|row| eval::in_set(&column.value(row), set).map(|found| found != *negated))
                        .collect(),
                ))
            }
            _ => self.eval_row_by_row(cx, batch, limit_bytes),
        }
    }

    /// The rows of a batch where the condition is TRUE.
    pub fn select_rows(&self, cx: &Cx, batch: &Batch) -> Result<Vec<u32>> {
        let truths = truths(&self.eval_batch(cx, batch)?)?;
        Ok((0..batch.row_count as u32)
            .filter(|row| truths.is_valid(*row as usize) && truths.value(*row as usize))
            .collect())
    }

    fn eval_row_by_row(&self, cx: &Cx, batch: &Batch, limit_bytes: usize) -> Result<Column> {
        let mut values = Vec::with_capacity(batch.row_count);
        let mut meter = size::Meter::new(cx, limit_bytes);
        for row in 0..batch.row_count {
            let value = self.eval(RowCx::of_batch(cx, batch, row))?;
            meter.add(&value)?;
            values.push(value);
        }
        Ok(Column::from_values(&self.ty, values))
    }

    /// The values on some rows; the result has `rows.len()` entries.
    fn eval_rows(&self, cx: &Cx, batch: &Batch, rows: &[u32], limit_bytes: usize) -> Result<Column> {
        if rows.len() == batch.row_count {
            return self.column(cx, batch, limit_bytes);
        }
        if rows.len() < GATHER_MIN_ROWS {
            let mut values = Vec::with_capacity(rows.len());
            let mut meter = size::Meter::new(cx, limit_bytes);
            for row in rows {
                let value = self.eval(RowCx::of_batch(cx, batch, *row as usize))?;
                meter.add(&value)?;
                values.push(value);
            }
            return Ok(Column::from_values(&self.ty, values));
        }
        let mut slots = Vec::new();
        self.collect_slots(&mut slots);
        let indices = arrow_array::UInt32Array::from(rows.to_vec());
        let columns = batch
            .columns
            .iter()
            .enumerate()
            .map(|(slot, column)| {
                // Columns that are not read keep their place and hold nothing.
                if slots.contains(&slot) { column.take_array(&indices) } else { Column::Values(Arc::new([])) }
            })
            .collect();
        self.column(cx, &Batch { columns, row_count: rows.len() }, limit_bytes)
    }
}

fn all_rows(row_count: usize) -> Vec<u32> {
    (0..row_count as u32).collect()
}

fn scatter(column: &Column, rows: &[u32], values: &mut [Value]) {
    for (index, row) in rows.iter().enumerate() {
        values[*row as usize] = column.value(index);
    }
}

/// A condition's column as booleans.
pub(super) fn truths(column: &Column) -> Result<BooleanArray> {
    match column {
        Column::Bool(array) => Ok(array.clone()),
        other => (0..other.len()).map(|row| truth(&other.value(row))).collect(),
    }
}

/// AND (`stop` false) or OR (`stop` true): a row leaves when an operand gives `stop`.
fn connect(items: &[PhysExpr], stop: bool, cx: &Cx, batch: &Batch, limit_bytes: usize) -> Result<Column> {
    let mut results: Vec<Option<bool>> = vec![Some(!stop); batch.row_count];
    let mut open = all_rows(batch.row_count);
    for item in items {
        if open.is_empty() {
            break;
        }
        cx.check_cancel()?;
        let truths = truths(&item.eval_rows(cx, batch, &open, limit_bytes)?)?;
        let mut index = 0;
        open.retain(|row| {
            let truth = truths.is_valid(index).then(|| truths.value(index));
            index += 1;
            match truth {
                Some(found) if found == stop => {
                    results[*row as usize] = Some(stop);
                    false
                }
                Some(_) => true,
                None => {
                    results[*row as usize] = None;
                    true
                }
            }
        });
    }
    Ok(Column::Bool(results.into()))
}

/// Casts that only change the type's name, or int to float.
fn cast_column(column: &Column, from: &DataType, to: &DataType) -> Option<Column> {
    match (column, from, to) {
        (Column::Int(_), DataType::Int2, DataType::Int4 | DataType::Int8)
        | (Column::Int(_), DataType::Int4, DataType::Int8)
        | (Column::Text(_), DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name, DataType::Text)
        | (Column::Text(_), DataType::Text, DataType::Varchar(None)) => Some(column.clone()),
        (Column::Int(array), DataType::Int2 | DataType::Int4, DataType::Float8) => {
            let floats: Float64Array = array.unary(|i| i as f64);
            Some(Column::Float(floats))
        }
        _ => None,
    }
}
