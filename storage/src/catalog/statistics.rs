//! What ANALYZE found out about a table's columns.
//!
//! Statistics are rows of the catalog like definitions: written by a transaction, seen with its snapshot, and a reason to
//! plan anew.

use serde::{Deserialize, Serialize};

use crate::DataType;
use crate::encoding::value::{decode_value, encode_value};
use crate::error::Result;
use crate::ids::{ColumnId, RelationId};
use crate::value::Value;

/// Of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableStatistics {
    pub table: RelationId,
    /// Rows there were.
    pub row_count: u64,
    /// Microseconds since 1970.
    pub analyzed_us: i64,
    /// True when nobody asked for it.
    pub automatic: bool,
    pub columns: Vec<ColumnStatistics>,
}

/// Of one column, as PostgreSQL's `pg_stats` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnStatistics {
    pub column: ColumnId,
    /// The type it had: after a change of type the statistics say nothing.
    pub ty: DataType,
    pub null_fraction: f64,
    /// Bytes of a value on average.
    pub average_width: u32,
    /// Distinct values; below zero the negative of their share of the rows.
    pub distinct: f64,
    /// Values that are frequent and their share of the rows, most frequent first.
    pub most_common: Vec<(StatisticsValue, f64)>,
    /// Bounds of parts with equally many of the other values, in order; none when there are few.
    pub histogram: Vec<StatisticsValue>,
    /// Of the order of values and the order of rows, from -1 to 1.
    pub correlation: Option<f64>,
}

/// A value in the encoding of rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatisticsValue(Vec<u8>);

impl StatisticsValue {
    pub fn new(value: &Value) -> StatisticsValue {
        let mut bytes = Vec::new();
        encode_value(value, &mut bytes);
        StatisticsValue(bytes)
    }

    /// Errors with `Corrupted`.
    pub fn value(&self) -> Result<Value> {
        decode_value(&self.0)
    }
}

impl TableStatistics {
    /// Those of a column, while it has the type it was analyzed with.
    pub fn column(&self, column: &super::ColumnDef) -> Option<&ColumnStatistics> {
        self.columns.iter().find(|known| known.column == column.id && known.ty == column.ty)
    }
}
