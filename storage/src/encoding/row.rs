//! Rows: columns by id, found without decoding the others.
//!
//! ```text
//! format (1) | next column id (2) | count (2) | count × [column id (2) | end (2 or 4)] | values
//! ```
//!
//! Integers are little-endian. The format byte is 1 with 2-byte ends, 2 with 4-byte ends. The directory is in order of
//! column id; a value (see `value.rs`) begins where the one before it ends. NULL is left out: a missing column with an id
//! below "next column id" is NULL, one with an id at or above it was added after the row was written and reads as its
//! default's constant. So ADD COLUMN rewrites no row; dropped columns are skipped.

use smallvec::SmallVec;

use super::value::{StoredValue, decode_value};
use crate::catalog::{ColumnDef, TableDef};
use crate::error::{Result, StorageError};
use crate::ids::ColumnId;
use crate::value::Value;

const NARROW: u8 = 1;
const WIDE: u8 = 2;
const HEADER: usize = 5;

/// The row of `values`, which are aligned with the table's columns. Virtual columns store nothing.
pub fn encode_row(table: &TableDef, values: &[Value]) -> Result<Vec<u8>> {
    if values.len() != table.columns.len() {
        return Err(StorageError::Internal(format!(
            "{} values for the {} columns of \"{}\"",
            values.len(),
            table.columns.len(),
            table.name
        )));
    }
    let mut row = Vec::with_capacity(HEADER + values.len() * 20);
    RowEncoder::new(table).append(|position| StoredValue::of(&values[position]), &mut row)?;
    Ok(row)
}

/// Writes rows of a table.
pub(crate) struct RowEncoder {
    next_column_id: u16,
    /// What is stored, in order of column id, and the column's position in the table.
    columns: SmallVec<[(ColumnId, usize); 16]>,
}

impl RowEncoder {
    pub fn new(table: &TableDef) -> RowEncoder {
        let stored = table.columns.iter().enumerate().filter(|(_, column)| column.virtual_expression.is_none());
        let mut columns: SmallVec<[(ColumnId, usize); 16]> =
            stored.map(|(position, column)| (column.id, position)).collect();
        columns.sort_unstable_by_key(|(id, _)| *id);
        RowEncoder { next_column_id: table.next_column_id, columns }
    }

    /// Appends a row to `out`; `value` gives what is at a position in the table's columns. Errors with `LimitExceeded`.
    #[inline]
    pub fn append<'v>(&self, value: impl Fn(usize) -> StoredValue<'v>, out: &mut Vec<u8>) -> Result<()> {
        let start = out.len();
        let cells = self.columns.iter().map(|(id, position)| (*id, value(*position)));
        let stored: SmallVec<[(ColumnId, StoredValue<'v>); 16]> = cells.filter(|(_, value)| !value.is_null()).collect();
        out.push(NARROW);
        out.extend_from_slice(&self.next_column_id.to_le_bytes());
        out.extend_from_slice(&(stored.len() as u16).to_le_bytes());
        // Narrow, as nearly all rows are, until the values are known to be short enough.
        let directory = start + HEADER;
        let body = directory + stored.len() * 4;
        out.resize(body, 0);
        let mut ends = SmallVec::<[usize; 16]>::new();
        for (_, value) in &stored {
            value.encode(out);
            ends.push(out.len() - body);
        }
        let body_length = out.len() - body;
        if body_length > crate::store::MAX_VALUE_BYTES {
            return Err(StorageError::LimitExceeded(format!(
                "a row of {body_length} bytes exceeds the limit of 1 GiB"
            )));
        }
        let columns = stored.iter().map(|(id, _)| *id).zip(ends);
        if body_length > usize::from(u16::MAX) {
            out[start] = WIDE;
            let wide = columns.flat_map(|(id, end)| {
                let ([a, b], [c, d, e, f]) = (id.0.to_le_bytes(), (end as u32).to_le_bytes());
                [a, b, c, d, e, f]
            });
            drop(out.splice(directory..body, wide));
        } else {
            for (entry, (id, end)) in out[directory..body].chunks_exact_mut(4).zip(columns) {
                entry[..2].copy_from_slice(&id.0.to_le_bytes());
                entry[2..].copy_from_slice(&(end as u16).to_le_bytes());
            }
        }
        Ok(())
    }
}

/// What to read from each row.
#[derive(Clone, Debug)]
pub struct RowProjection {
    columns: Vec<ProjectedColumn>,
}

#[derive(Clone, Debug)]
struct ProjectedColumn {
    id: ColumnId,
    is_virtual: bool,
    /// For rows written before the column existed.
    missing: Value,
}

impl RowProjection {
    /// `positions` are positions in the table's columns. Errors with `Internal` for one out of range and `Corrupted` for
    /// a default that cannot be decoded.
    pub fn new(table: &TableDef, positions: &[usize]) -> Result<RowProjection> {
        let columns = positions.iter().map(|position| match table.columns.get(*position) {
            Some(column) => projected(column),
            None => Err(StorageError::Internal(format!("table \"{}\" has no column {position}", table.name))),
        });
        Ok(RowProjection { columns: columns.collect::<Result<_>>()? })
    }

    /// The projected values of one row. Errors with `Corrupted`.
    pub fn decode(&self, row: &[u8]) -> Result<Vec<Value>> {
        let row = RowBytes::new(row)?;
        self.columns.iter().map(|column| row.value(column)?.to_value()).collect()
    }

    /// Hands each projected value of one row to `take`, with its place in the projection. Errors with `Corrupted`.
    #[inline]
    pub fn visit<'r>(
        &'r self,
        row: &'r [u8],
        mut take: impl FnMut(usize, StoredValue<'r>) -> Result<()>,
    ) -> Result<()> {
        let row = RowBytes::new(row)?;
        for (place, column) in self.columns.iter().enumerate() {
            take(place, row.value(column)?)?;
        }
        Ok(())
    }
}

fn projected(column: &ColumnDef) -> Result<ProjectedColumn> {
    let constant = column.default.as_ref().and_then(|default| default.constant.as_deref());
    Ok(ProjectedColumn {
        id: column.id,
        is_virtual: column.virtual_expression.is_some(),
        missing: constant.map_or(Ok(Value::Null), decode_value)?,
    })
}

/// A row split into its parts.
struct RowBytes<'r> {
    next_column_id: u16,
    /// Stored values.
    count: usize,
    is_wide: bool,
    directory: &'r [u8],
    values: &'r [u8],
}

fn corrupted(problem: &str) -> StorageError {
    StorageError::Corrupted(format!("a row {problem}"))
}

impl<'r> RowBytes<'r> {
    #[inline]
    fn new(row: &'r [u8]) -> Result<RowBytes<'r>> {
        let Some((header, rest)) = row.split_first_chunk::<HEADER>() else { return Err(corrupted("ends early")) };
        let is_wide = match header[0] {
            NARROW => false,
            WIDE => true,
            format => return Err(corrupted(&format!("has the unknown format {format}"))),
        };
        let count = usize::from(u16::from_le_bytes([header[3], header[4]]));
        let Some((directory, values)) = rest.split_at_checked(count * if is_wide { 6 } else { 4 }) else {
            return Err(corrupted("ends within its directory"));
        };
        let next_column_id = u16::from_le_bytes([header[1], header[2]]);
        Ok(RowBytes { next_column_id, count, is_wide, directory, values })
    }

    /// Column id and end of the value at a place below `count`.
    #[inline]
    fn entry(&self, at: usize) -> (u16, usize) {
        if self.is_wide {
            let entry = &self.directory[at * 6..][..6];
            let end = u32::from_le_bytes([entry[2], entry[3], entry[4], entry[5]]);
            (u16::from_le_bytes([entry[0], entry[1]]), end as usize)
        } else {
            let entry = &self.directory[at * 4..][..4];
            (u16::from_le_bytes([entry[0], entry[1]]), usize::from(u16::from_le_bytes([entry[2], entry[3]])))
        }
    }

    #[inline]
    fn value<'v>(&self, column: &'v ProjectedColumn) -> Result<StoredValue<'v>>
    where
        'r: 'v,
    {
        if column.is_virtual {
            return Ok(StoredValue::Null);
        }
        match self.find(column.id.0) {
            Some(at) => {
                let start = if at == 0 { 0 } else { self.entry(at - 1).1 };
                let bytes = self.values.get(start..self.entry(at).1);
                StoredValue::read(bytes.ok_or_else(|| corrupted("has a broken directory"))?)
            }
            None if column.id.0 < self.next_column_id => Ok(StoredValue::Null),
            None => Ok(StoredValue::Value(&column.missing)),
        }
    }

    /// Where a column stands in the directory.
    #[inline]
    fn find(&self, id: u16) -> Option<usize> {
        let (mut low, mut high) = (0, self.count);
        if high == 0 {
            return None;
        }
        // Without NULLs and dropped columns, ids follow each other.
        let guess = usize::from(id.saturating_sub(self.entry(0).0));
        if guess < high && self.entry(guess).0 == id {
            return Some(guess);
        }
        while low < high {
            let middle = (low + high) / 2;
            match self.entry(middle).0.cmp(&id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(middle),
            }
        }
        None
    }
}
