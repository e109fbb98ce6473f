//! Rows to look at: all of a small table, short runs of rows at random places of a large one.

use std::ops::Bound;
use std::sync::Arc;

use sinew_storage::catalog::TableDef;
use sinew_storage::encoding::row::RowProjection;
use sinew_storage::encoding::value::StoredValue;
use sinew_storage::{CancelToken, DataType, RowId, Transaction, Value};

use crate::batch::value_size_bytes;
use crate::error::Result;

/// Rows of a run: neighbours are cheap to read and tell of less.
const RUN_ROWS: usize = 10;
/// Rows read between two looks at the cancel token.
const READ_ROWS: usize = 256;
/// Values with more bytes are counted and not kept.
const WIDEST_BYTES: usize = 1024;
/// Bytes of values kept at a time; the sample ends early above it.
const MOST_BYTES: usize = 64 << 20;

/// Where runs begin, in rising order; `None` for the whole table.
pub(super) struct Places(Option<Vec<RowId>>);

/// What a sample has of one column.
#[derive(Default)]
pub(super) struct Sampled {
    /// Values that are not NULL, with the number of their row in the sample.
    pub values: Vec<(Value, u32)>,
    pub row_count: usize,
    pub null_count: usize,
    /// Values that were not kept.
    pub wide_count: usize,
    /// Bytes of all values.
    pub width_bytes: u64,
}

/// Chooses at most `limit` rows.
pub(super) fn places(transaction: &Transaction, table: &TableDef, row_count: u64, limit: usize) -> Result<Places> {
    if row_count <= limit as u64 {
        return Ok(Places(None));
    }
    let Some((first, last)) = transaction.row_id_bounds(table)? else { return Ok(Places(None)) };
    let run_count = (limit / RUN_ROWS) as u64;
    let span = last.0.saturating_sub(first.0) + 1;
    let stride = (span / run_count).max(1);
    // One run at a random place of each stride. The sequence depends on the table alone, so that a run can be repeated.
    let mut state = u64::from(table.id.0) ^ row_count.rotate_left(32);
    let starts = (0..run_count).map(|run| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        RowId(first.0 + run * stride + (mixed ^ mixed >> 31) % stride)
    });
    Ok(Places(Some(starts.collect())))
}

/// Reads the sampled rows' values of these columns.
pub(super) fn read(
    transaction: &Arc<Transaction>,
    table: &TableDef,
    positions: &[usize],
    places: &Places,
    cancel: &CancelToken,
) -> Result<Vec<Sampled>> {
    let projection = RowProjection::new(table, positions)?;
    let types: Vec<&DataType> = positions.iter().map(|position| &table.columns[*position].ty).collect();
    let mut columns: Vec<Sampled> = positions.iter().map(|_| Sampled::default()).collect();
    let mut kept_bytes = 0;
    let mut take = |row: &[u8]| -> sinew_storage::Result<usize> {
        projection.visit(row, |place, value| {
            kept_bytes += columns[place].push(value, types[place])?;
            Ok(())
        })?;
        Ok(kept_bytes)
    };
    // A run that reaches into the next one would count rows twice.
    let mut next_start = RowId(0);
    let whole = [RowId(0)];
    let (starts, run_rows) = match &places.0 {
        None => (&whole[..], usize::MAX),
        Some(starts) => (starts.as_slice(), RUN_ROWS),
    };
    let mut held_bytes = 0;
    for start in starts {
        cancel.check()?;
        let mut rows = transaction.row_cursor(table, Bound::Included((*start).max(next_start)), Bound::Unbounded)?;
        let mut seen = 0;
        while seen < run_rows && held_bytes < MOST_BYTES {
            let more = rows.next_rows((run_rows - seen).min(READ_ROWS), |id, row| {
                seen += 1;
                next_start = RowId(id.0.saturating_add(1));
                held_bytes = take(row)?;
                Ok(())
            })?;
            if !more {
                break;
            }
            cancel.check()?;
        }
    }
    Ok(columns)
}

impl Sampled {
    /// Adds a row's value; gives the bytes kept.
    fn push(&mut self, value: StoredValue<'_>, ty: &DataType) -> sinew_storage::Result<usize> {
        let row = self.row_count as u32;
        self.row_count += 1;
        let width = match value {
            StoredValue::Null => {
                self.null_count += 1;
                return Ok(0);
            }
            StoredValue::Text(text) => variable_width(text.len()),
            StoredValue::Encoded(bytes) => variable_width(bytes.len()),
            _ => 8,
        };
        let width = fixed_width(ty).unwrap_or(width);
        self.width_bytes += width as u64;
        if width > WIDEST_BYTES {
            self.wide_count += 1;
            return Ok(0);
        }
        let value = value.to_value()?;
        let held = value_size_bytes(&value);
        self.values.push((value, row));
        Ok(held)
    }
}

/// Bytes of types whose values all have the same, as PostgreSQL stores them.
pub(crate) fn fixed_width(ty: &DataType) -> Option<usize> {
    Some(match ty {
        DataType::Bool | DataType::Char => 1,
        DataType::Int2 => 2,
        DataType::Int4 | DataType::Float4 | DataType::Date | DataType::Oid => 4,
        DataType::Int8 | DataType::Float8 | DataType::Timestamp | DataType::Timestamptz => 8,
        DataType::Uuid | DataType::Interval => 16,
        DataType::Name => 64,
        _ => return None,
    })
}

/// Bytes of a value with its length before it.
fn variable_width(length: usize) -> usize {
    if length < 127 { length + 1 } else { length + 4 }
}
