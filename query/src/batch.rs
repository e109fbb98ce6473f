//! Batches: columns of equal length, Arrow arrays where a type has an Arrow form, values otherwise.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, UInt32Array};
use arrow_buffer::NullBuffer;
use sinew_storage::encoding::value::StoredValue;
use sinew_storage::{DataType, Json, Value};

use crate::exec::expr::size::held_bytes;

/// Rows per batch that operators aim at.
pub const BATCH_ROWS: usize = 1024;
/// Bytes that a batch's values may hold before it is given out with fewer rows.
pub const BATCH_BYTES: usize = 16 << 20;
/// Text beyond this many bytes stays a shared value: an array would copy it for every row that repeats it.
pub(crate) const LONG_TEXT_BYTES: usize = 4096;

/// One column. Which form a type takes: bool → Bool; int2, int4, int8, oid, time, timetz, enums → Int; float4, float8 → Float; text,
/// varchar, char(n), name → Text unless one of them is long; timestamptz, timestamp → Timestamp (microseconds); everything else,
/// and every dynamically typed Cypher value → Values.
#[derive(Clone, Debug)]
pub enum Column {
    Bool(BooleanArray),
    Int(Int64Array),
    Float(Float64Array),
    Text(StringArray),
    Timestamp(Int64Array),
    Values(Arc<[Value]>),
}

#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub columns: Vec<Column>,
    /// Also right when there are no columns.
    pub row_count: usize,
}

impl Column {
    /// Builds the form of `ty`; a value that does not fit it falls back to `Values`.
    pub fn from_values(ty: &DataType, values: Vec<Value>) -> Column {
        fn collect<T>(values: &[Value], get: impl Fn(&Value) -> Option<T>) -> Option<Vec<Option<T>>> {
            values.iter().map(|v| if v.is_null() { Some(None) } else { get(v).map(Some) }).collect()
        }
        let typed = match ty {
            DataType::Modified(plain, _) => return Column::from_values(&plain.plain(), values),
            DataType::Bool => collect(&values, Value::as_bool).map(|v| Column::Bool(v.into())),
            DataType::Int2
            | DataType::Int4
            | DataType::Int8
            | DataType::Oid
            | DataType::Time
            | DataType::Timetz
            | DataType::Enum(_) => collect(&values, Value::as_int).map(|v| Column::Int(v.into())),
            DataType::Float4 | DataType::Float8 => collect(&values, |v| match v {
                Value::Float(f) => Some(*f),
                _ => None,
            })
            .map(|v| Column::Float(v.into())),
            DataType::Text | DataType::Varchar(_) | DataType::Bpchar(_) | DataType::Name => {
                let strings: Option<Vec<Option<&str>>> =
                    values.iter().map(|v| if v.is_null() { Some(None) } else { v.as_str().map(Some) }).collect();
                let (mut size_bytes, mut longest) = (0_usize, 0);
                for text in strings.iter().flatten().flatten() {
                    size_bytes += text.len();
                    longest = longest.max(text.len());
                }
                // Arrow's text arrays address 2 GiB.
                strings
                    .filter(|_| longest <= LONG_TEXT_BYTES && size_bytes < i32::MAX as usize)
                    .map(|v| Column::Text(v.into()))
            }
            DataType::Timestamptz | DataType::Timestamp => collect(&values, |v| match v {
                Value::Timestamp(t) => Some(*t),
                _ => None,
            })
            .map(|v| Column::Timestamp(v.into())),
            _ => None,
        };
        typed.unwrap_or_else(|| Column::Values(values.into()))
    }

    pub fn len(&self) -> usize {
        match self {
            Column::Bool(a) => a.len(),
            Column::Int(a) | Column::Timestamp(a) => a.len(),
            Column::Float(a) => a.len(),
            Column::Text(a) => a.len(),
            Column::Values(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Column::Bool(a) => a.is_null(row),
            Column::Int(a) | Column::Timestamp(a) => a.is_null(row),
            Column::Float(a) => a.is_null(row),
            Column::Text(a) => a.is_null(row),
            Column::Values(v) => v[row].is_null(),
        }
    }

    /// Which entries are NULL; None when none is, or when they are values.
    pub fn nulls(&self) -> Option<&NullBuffer> {
        match self {
            Column::Bool(a) => a.nulls(),
            Column::Int(a) | Column::Timestamp(a) => a.nulls(),
            Column::Float(a) => a.nulls(),
            Column::Text(a) => a.nulls(),
            Column::Values(_) => None,
        }
    }

    /// Whether some entry is NULL.
    pub fn has_null(&self) -> bool {
        match self {
            Column::Values(values) => values.iter().any(Value::is_null),
            other => other.nulls().is_some_and(|nulls| nulls.null_count() > 0),
        }
    }

    /// The value at `row` as it is to be stored.
    #[inline]
    pub fn stored_value(&self, row: usize) -> StoredValue<'_> {
        if self.is_null(row) {
            return StoredValue::Null;
        }
        match self {
            Column::Bool(a) => StoredValue::Bool(a.value(row)),
            Column::Int(a) => StoredValue::Int(a.value(row)),
            Column::Timestamp(a) => StoredValue::Timestamp(a.value(row)),
            Column::Float(a) => StoredValue::Float(a.value(row)),
            Column::Text(a) => StoredValue::Text(a.value(row)),
            Column::Values(v) => StoredValue::of(&v[row]),
        }
    }

    /// The value at `row`.
    pub fn value(&self, row: usize) -> Value {
        if self.is_null(row) {
            return Value::Null;
        }
        match self {
            Column::Bool(a) => Value::Bool(a.value(row)),
            Column::Int(a) => Value::Int(a.value(row)),
            Column::Timestamp(a) => Value::Timestamp(a.value(row)),
            Column::Float(a) => Value::Float(a.value(row)),
            Column::Text(a) => Value::text(a.value(row)),
            Column::Values(v) => v[row].clone(),
        }
    }
}

impl Batch {
    pub fn new(columns: Vec<Column>, row_count: usize) -> Batch {
        debug_assert!(columns.iter().all(|column| column.len() == row_count));
        Batch { columns, row_count }
    }

    pub fn row(&self, row: usize) -> Vec<Value> {
        self.columns.iter().map(|column| column.value(row)).collect()
    }

    /// Rows by position, in the order given; positions may repeat.
    pub fn take(&self, rows: &[u32]) -> Batch {
        let indices = UInt32Array::from(rows.to_vec());
        let columns = self.columns.iter().map(|column| column.take_array(&indices)).collect();
        Batch { columns, row_count: rows.len() }
    }

    /// As [`Self::take`]; `None` gives a row of NULLs.
    pub fn take_optional(&self, rows: &[Option<u32>]) -> Batch {
        let indices = UInt32Array::from(rows.to_vec());
        let columns = self.columns.iter().map(|column| column.take_array(&indices)).collect();
        Batch { columns, row_count: rows.len() }
    }

    /// Rows `offset..offset + length`.
    pub fn slice(&self, offset: usize, length: usize) -> Batch {
        let columns = self.columns.iter().map(|column| column.slice(offset, length)).collect();
        Batch { columns, row_count: length }
    }

    /// The columns at these positions.
    pub fn select(&self, positions: &[usize]) -> Batch {
        Batch {
            columns: positions.iter().map(|&position| self.columns[position].clone()).collect(),
            row_count: self.row_count,
        }
    }

    /// Columns of both, side by side; row counts are equal.
    pub fn beside(mut self, right: Batch) -> Batch {
        debug_assert_eq!(self.row_count, right.row_count);
        self.columns.extend(right.columns);
        self
    }

    /// All rows of `batches` (which have `width` columns) in one batch.
    pub fn concat(batches: &[Batch], width: usize) -> Batch {
        if let [single] = batches {
            return single.clone();
        }
        let row_count = batches.iter().map(|batch| batch.row_count).sum();
        let columns = (0..width)
            .map(|position| {
                let parts: Vec<&Column> = batches.iter().map(|batch| &batch.columns[position]).collect();
                Column::concat(&parts)
            })
            .collect();
        Batch { columns, row_count }
    }

    /// Rows of several batches with the same columns: `(batch, row)` of each.
    pub fn interleave(batches: &[&Batch], rows: &[(usize, usize)]) -> Batch {
        let width = batches.first().map_or(0, |batch| batch.columns.len());
        let columns = (0..width).map(|position| {
            let parts: Vec<&Column> = batches.iter().map(|batch| &batch.columns[position]).collect();
            Column::interleave(&parts, rows)
        });
        Batch { columns: columns.collect(), row_count: rows.len() }
    }

    /// Heap bytes held, approximately.
    pub fn size_bytes(&self) -> usize {
        self.columns.iter().map(Column::size_bytes).sum::<usize>() + 64
    }
}

impl Column {
    /// `length` times the same value.
    pub fn repeat(ty: &DataType, value: &Value, length: usize) -> Column {
        match (ty, value) {
            (DataType::Bool, Value::Bool(b)) => Column::Bool(BooleanArray::from(vec![*b; length])),
            (DataType::Int2 | DataType::Int4 | DataType::Int8 | DataType::Oid, Value::Int(i)) => {
                Column::Int(Int64Array::from_value(*i, length))
            }
            (DataType::Float4 | DataType::Float8, Value::Float(f)) => {
                Column::Float(Float64Array::from_value(*f, length))
            }
            (DataType::Timestamp | DataType::Timestamptz, Value::Timestamp(t)) => {
                Column::Timestamp(Int64Array::from_value(*t, length))
            }
            _ => Column::from_values(ty, vec![value.clone(); length]),
        }
    }

    /// Entries by position; a null position gives NULL.
    pub fn take_array(&self, indices: &UInt32Array) -> Column {
        fn taken(array: &dyn Array, indices: &UInt32Array) -> ArrayRef {
            arrow_select::take::take(array, indices, None).expect("positions lie within the column")
        }
        fn cast<A: Array + Clone + 'static>(array: ArrayRef) -> A {
            array.as_any().downcast_ref::<A>().expect("taking keeps the array's type").clone()
        }
        match self {
            Column::Bool(a) => Column::Bool(cast(taken(a, indices))),
            Column::Int(a) => Column::Int(cast(taken(a, indices))),
            Column::Timestamp(a) => Column::Timestamp(cast(taken(a, indices))),
            Column::Float(a) => Column::Float(cast(taken(a, indices))),
            Column::Text(a) => Column::Text(cast(taken(a, indices))),
            Column::Values(values) => Column::Values(
                indices
                    .iter()
                    .map(|index| index.map_or(Value::Null, |index| values[index as usize].clone()))
                    .collect::<Vec<_>>()
                    .into(),
            ),
        }
    }

    pub fn slice(&self, offset: usize, length: usize) -> Column {
        match self {
            Column::Bool(a) => Column::Bool(a.slice(offset, length)),
            Column::Int(a) => Column::Int(a.slice(offset, length)),
            Column::Timestamp(a) => Column::Timestamp(a.slice(offset, length)),
            Column::Float(a) => Column::Float(a.slice(offset, length)),
            Column::Text(a) => Column::Text(a.slice(offset, length)),
            Column::Values(values) => Column::Values(values[offset..offset + length].into()),
        }
    }

    /// All entries of `parts`, in order. Parts of different forms become values.
    pub fn concat(parts: &[&Column]) -> Column {
        fn joined<A: Array + Clone + 'static>(arrays: &[&dyn Array]) -> Option<A> {
            let array = arrow_select::concat::concat(arrays).ok()?;
            array.as_any().downcast_ref::<A>().cloned()
        }
        macro_rules! same_form {
            ($form:ident, $array:ty) => {
                if parts.iter().all(|part| matches!(part, Column::$form(_))) {
                    let arrays: Vec<&dyn Array> = parts
                        .iter()
                        .filter_map(|part| match part {
                            Column::$form(array) => Some(array as &dyn Array),
                            _ => None,
                        })
                        .collect();
                    if let Some(array) = joined::<$array>(&arrays) {
                        return Column::$form(array);
                    }
                }
            };
        }
        if !parts.is_empty() {
            same_form!(Bool, BooleanArray);
            same_form!(Int, Int64Array);
            same_form!(Timestamp, Int64Array);
            same_form!(Float, Float64Array);
            same_form!(Text, StringArray);
        }
        let length = parts.iter().map(|part| part.len()).sum();
        let mut values = Vec::with_capacity(length);
        for part in parts {
            values.extend((0..part.len()).map(|row| part.value(row)));
        }
        Column::Values(values.into())
    }

    /// Entries of several columns: `(column, entry)` of each. Columns of different forms become values.
    pub fn interleave(parts: &[&Column], entries: &[(usize, usize)]) -> Column {
        macro_rules! same_form {
            ($form:ident, $array:ty) => {
                let arrays: Option<Vec<&dyn Array>> = parts
                    .iter()
                    .map(|part| match part {
                        Column::$form(array) => Some(array as &dyn Array),
                        _ => None,
                    })
                    .collect();
                if let Some(arrays) = arrays
                    && let Ok(array) = arrow_select::interleave::interleave(&arrays, entries)
                    && let Some(array) = array.as_any().downcast_ref::<$array>()
                {
                    return Column::$form(array.clone());
                }
            };
        }
        if !parts.is_empty() {
            same_form!(Bool, BooleanArray);
            same_form!(Int, Int64Array);
            same_form!(Timestamp, Int64Array);
            same_form!(Float, Float64Array);
            same_form!(Text, StringArray);
        }
        Column::Values(entries.iter().map(|(part, entry)| parts[*part].value(*entry)).collect::<Vec<_>>().into())
    }

    /// Heap bytes that nobody else holds, approximately.
    pub fn held_bytes(&self) -> usize {
        match self {
            Column::Values(values) => values.iter().map(held_bytes).sum(),
            typed => typed.size_bytes(),
        }
    }

    /// Heap bytes of its entries, approximately: what it shares with a larger column of which it is a part is not counted.
    pub fn size_bytes(&self) -> usize {
        let length = self.len();
        let nulls = self.nulls().map_or(0, |_| length.div_ceil(8));
        let values = match self {
            Column::Bool(_) => length.div_ceil(8),
            Column::Int(_) | Column::Timestamp(_) | Column::Float(_) => length * 8,
            Column::Text(a) => {
                let offsets = a.offsets();
                length * 4 + usize::try_from(offsets[length] - offsets[0]).unwrap_or(0)
            }
            Column::Values(values) => sizes_bytes(values),
        };
        values + nulls
    }
}

/// The sum over some values. A list that is repeated is looked into once: it may be long, and shared by all rows.
fn sizes_bytes(values: &[Value]) -> usize {
    let mut last: Option<(&Arc<[Value]>, usize)> = None;
    let mut sum: usize = 0;
    for value in values {
        let size = match (value, last) {
            (Value::List(items), Some((known, size))) if Arc::ptr_eq(items, known) => size,
            _ => value_size_bytes(value),
        };
        if let Value::List(items) = value {
            last = Some((items, size));
        }
        sum = sum.saturating_add(size);
    }
    sum
}

/// Bytes a value holds, itself included, approximately.
pub fn value_size_bytes(value: &Value) -> usize {
    let heap = match value {
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Timestamp(_)
        | Value::Date(_)
        | Value::Interval(_)
        | Value::Uuid(_)
        | Value::Node(_)
        | Value::Relationship(_) => 0,
        Value::Numeric(_) => 48,
        Value::Temporal(_) => size_of::<sinew_storage::Temporal>() + 16,
        Value::Text(text) => text.len() + 16,
        Value::Bytes(bytes) => bytes.len() + 16,
        Value::Json(json) => json_size_bytes(json),
        Value::Vector(vector) => vector.len() * 4 + 16,
        Value::List(items) => sizes_bytes(items) + 16,
        Value::Map(map) => map.iter().map(|(key, value)| key.len() + 32 + value_size_bytes(value)).sum(),
        Value::Path(path) => path.nodes.len() * 8 + path.relationships.len() * 32 + 48,
    };
    size_of::<Value>() + heap
}

/// Bytes a json value holds, itself included, approximately.
pub(crate) fn json_size_bytes(json: &Json) -> usize {
    let heap = match json {
        Json::Null | Json::Bool(_) | Json::Int(_) => 0,
        Json::Decimal(_) => 48,
        Json::String(text) => text.len() + 16,
        Json::Array(items) => items.iter().map(json_size_bytes).sum(),
        Json::Object(entries) => entries.iter().map(|(key, value)| key.len() + 16 + json_size_bytes(value)).sum(),
    };
    size_of::<Json>() + heap
}

/// Collects rows into batches of [`BATCH_ROWS`], or of fewer that hold [`BATCH_BYTES`].
pub struct BatchBuilder {
    types: Arc<[DataType]>,
    columns: Vec<Vec<Value>>,
    row_count: usize,
    held_bytes: usize,
}

impl BatchBuilder {
    pub fn new(types: Arc<[DataType]>) -> BatchBuilder {
        let columns = types.iter().map(|_| Vec::new()).collect();
        BatchBuilder { types, columns, row_count: 0, held_bytes: 0 }
    }

    /// `row` has one value per column.
    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) {
        let mut width = 0;
        for (column, value) in self.columns.iter_mut().zip(row) {
            self.held_bytes += held_bytes(&value);
            column.push(value);
            width += 1;
        }
        debug_assert_eq!(width, self.columns.len());
        self.row_count += 1;
    }

    pub fn is_full(&self) -> bool {
        self.row_count >= BATCH_ROWS || self.held_bytes >= BATCH_BYTES
    }

    /// What was collected, or None when nothing was; starts anew.
    pub fn finish(&mut self) -> Option<Batch> {
        if self.row_count == 0 {
            return None;
        }
        let columns = self
            .columns
            .iter_mut()
            .zip(self.types.iter())
            .map(|(column, ty)| Column::from_values(ty, std::mem::take(column)));
        let batch = Batch { columns: columns.collect(), row_count: self.row_count };
        self.row_count = 0;
        self.held_bytes = 0;
        Some(batch)
    }
}
