//! The order of rows by key columns, without making values.

use std::cmp::Ordering;

use super::PhysSortKey;
use crate::batch::Column;
use crate::error::Result;
use crate::exec::ordering::compare_keys;
use crate::types::float;

/// Orders two entries by one key.
fn compare_entries(key: &PhysSortKey, a: (&Column, usize), b: (&Column, usize)) -> Ordering {
    let ((left, i), (right, j)) = (a, b);
    let directed = |ordering: Ordering| if key.descending { ordering.reverse() } else { ordering };
    match (left.is_null(i), right.is_null(j)) {
        (false, false) => {}
        (true, true) => return Ordering::Equal,
        (is_null, _) => return if is_null == key.nulls_first { Ordering::Less } else { Ordering::Greater },
    }
    match (left, right) {
        (Column::Int(x), Column::Int(y)) | (Column::Timestamp(x), Column::Timestamp(y)) => {
            directed(x.value(i).cmp(&y.value(j)))
        }
        (Column::Text(x), Column::Text(y)) => directed(x.value(i).as_bytes().cmp(y.value(j).as_bytes())),
        (Column::Float(x), Column::Float(y)) => directed(float::compare(x.value(i), y.value(j))),
        (Column::Bool(x), Column::Bool(y)) => directed(x.value(i).cmp(&y.value(j))),
        (Column::Values(x), Column::Values(y)) => {
            compare_keys(&x[i], &y[j], &key.expr.ty, key.descending, key.nulls_first)
        }
        _ => compare_keys(&left.value(i), &right.value(j), &key.expr.ty, key.descending, key.nulls_first),
    }
}

/// Orders two rows by their key columns.
pub(super) fn compare(keys: &[PhysSortKey], a: (&[Column], usize), b: (&[Column], usize)) -> Ordering {
    for (position, key) in keys.iter().enumerate() {
        let ordering = compare_entries(key, (&a.0[position], a.1), (&b.0[position], b.1));
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// What decides most comparisons by the first key: whether it is NULL, then 8 bytes in the order of the values.
struct Entry {
    rank: u8,
    prefix: u64,
    row: u32,
}

/// Rows that are sorted between two looks at the cancel token; sorted parts are merged in pairs, with a look before each.
const PART_ROWS: usize = 1 << 17;

/// Positions of rows in sorted order; equal rows keep theirs.
pub(super) fn sorted(
    keys: &[PhysSortKey],
    columns: &[Column],
    row_count: usize,
    poll: &dyn Fn() -> Result<()>,
) -> Result<Vec<u32>> {
    let (Some(key), Some(first)) = (keys.first(), columns.first()) else { return Ok((0..row_count as u32).collect()) };
    // Of these forms the prefix is the whole value.
    let is_exact = matches!(first, Column::Int(_) | Column::Timestamp(_) | Column::Float(_) | Column::Bool(_));
    let mut entries: Vec<Entry> = (0..row_count)
        .map(|row| {
            let is_null = first.is_null(row);
            let rank = if is_null == key.nulls_first { 0 } else { 1 };
            let prefix = if is_null { 0 } else { prefix(first, row) };
            let prefix = if key.descending && !is_null { !prefix } else { prefix };
            Entry { rank, prefix, row: row as u32 }
        })
        .collect();
    let (rest, rest_columns) = if is_exact { (&keys[1..], &columns[1..]) } else { (keys, columns) };
    let order = |a: &Entry, b: &Entry| {
        (a.rank, a.prefix)
            .cmp(&(b.rank, b.prefix))
            .then_with(|| compare(rest, (rest_columns, a.row as usize), (rest_columns, b.row as usize)))
            .then(a.row.cmp(&b.row))
    };
    for part in entries.chunks_mut(PART_ROWS) {
        poll()?;
        part.sort_unstable_by(order);
    }
    let mut sorted_rows = PART_ROWS;
    while sorted_rows < row_count {
        for pair in entries.chunks_mut(2 * sorted_rows) {
            poll()?;
            // The standard library's stable sort finds the two sorted parts and merges them.
            pair.sort_by(order);
        }
        sorted_rows *= 2;
    }
    Ok(entries.into_iter().map(|entry| entry.row).collect())
}

fn prefix(column: &Column, row: usize) -> u64 {
    match column {
        Column::Int(array) | Column::Timestamp(array) => array.value(row) as u64 ^ 1 << 63,
        Column::Float(array) => {
            let value = array.value(row);
            // -0 is 0, and NaN is one value above all others.
            let value = if value.is_nan() { f64::NAN.abs() } else { value + 0.0 };
            let bits = value.to_bits();
            if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
        }
        Column::Bool(array) => u64::from(array.value(row)),
        Column::Text(array) => {
            let text = array.value(row).as_bytes();
            let mut bytes = [0; 8];
            let length = text.len().min(8);
            bytes[..length].copy_from_slice(&text[..length]);
            u64::from_be_bytes(bytes)
        }
        Column::Values(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::QueryError;
    use crate::exec::expr::{ExprKind, PhysExpr};
    use sinew_storage::{DataType, Value};

    /// Prefixes and whole values agree.
    #[test]
    fn the_order_is_that_of_the_values() {
        let floats = [f64::NAN, 1.5, -0.0, 0.0, f64::NEG_INFINITY, -2.5, f64::INFINITY, -f64::NAN];
        let texts = ["b", "", "a", "a\0", "aaaaaaaab", "aaaaaaaaa", "é"];
        let cases: [(DataType, Vec<Value>); 4] = [
            (DataType::Int8, [3, i64::MIN, -1, i64::MAX, 0, 3].map(Value::Int).to_vec()),
            (DataType::Float8, floats.map(Value::Float).to_vec()),
            (DataType::Text, texts.map(Value::from).to_vec()),
            (DataType::Date, [3, -1, 2].map(Value::Date).to_vec()),
        ];
        for (ty, mut values) in cases {
            values.insert(1, Value::Null);
            values.push(Value::Null);
            for (descending, nulls_first) in [(false, false), (false, true), (true, false), (true, true)] {
                let expr = PhysExpr { kind: ExprKind::Slot(0), ty: ty.clone(), constant: false };
                let keys = [PhysSortKey { expr, descending, nulls_first }];
                let columns = [Column::from_values(&ty, values.clone())];
                let mut expected: Vec<u32> = (0..values.len() as u32).collect();
                expected.sort_by(|a, b| {
                    compare_keys(&values[*a as usize], &values[*b as usize], &ty, descending, nulls_first)
                });
                assert_eq!(sorted(&keys, &columns, values.len(), &|| Ok(())).unwrap(), expected, "{values:?}");
            }
        }
    }

    #[test]
    fn parts_are_merged_and_cancelled() {
        let row_count = 3 * PART_ROWS + 5;
        // Every value several times, so that places decide too.
        let values: Vec<i64> = (0..row_count as i64).map(|i| i * 7_919 % 10_007).collect();
        let column = Column::from_values(&DataType::Int8, values.iter().copied().map(Value::Int).collect());
        let expr = PhysExpr { kind: ExprKind::Slot(0), ty: DataType::Int8, constant: false };
        let keys = [PhysSortKey { expr, descending: false, nulls_first: false }];
        let mut expected: Vec<u32> = (0..row_count as u32).collect();
        expected.sort_by_key(|row| values[*row as usize]);
        let columns = [column];
        assert_eq!(sorted(&keys, &columns, row_count, &|| Ok(())).unwrap(), expected);
        let looks = std::cell::Cell::new(0);
        let cancelled = sorted(&keys, &columns, row_count, &|| {
            looks.set(looks.get() + 1);
            if looks.get() > 5 { Err(QueryError::internal("cancelled")) } else { Ok(()) }
        });
        assert!(cancelled.is_err(), "{} looks", looks.get());
    }
}
