//! What a sample says of a column. The rules are those of PostgreSQL's `compute_scalar_stats` and `analyze_mcv_list`.

use rustc_hash::FxHashMap;
use sinew_storage::DataType;
use sinew_storage::Value;
use sinew_storage::catalog::{ColumnDef, ColumnStatistics, StatisticsValue};

use super::sample::Sampled;
use crate::exec::compare_keys;
use crate::exec::key::{KeyMode, encode_key};

/// A value of the sample and how often it occurs.
struct Run {
    /// Position of its first occurrence among the sorted values.
    first: usize,
    count: usize,
}

/// Whether values of a type are put in order by `<`.
pub(crate) fn is_ordered(ty: &DataType) -> bool {
    matches!(
        ty,
        DataType::Bool
            | DataType::Int2
            | DataType::Int4
            | DataType::Int8
            | DataType::Oid
            | DataType::Float4
            | DataType::Float8
            | DataType::Numeric(_)
            | DataType::Text
            | DataType::Varchar(_)
            | DataType::Bpchar(_)
            | DataType::Name
            | DataType::Char
            | DataType::Bytea
            | DataType::Date
            | DataType::Timestamp
            | DataType::Timestamptz
            | DataType::Interval
            | DataType::Uuid
    )
}

/// None when the sample is empty.
pub(super) fn compute(
    column: &ColumnDef,
    mut sampled: Sampled,
    row_count: u64,
    target: usize,
) -> Option<ColumnStatistics> {
    if sampled.row_count == 0 {
        return None;
    }
    let sample_rows = sampled.row_count as f64;
    let null_fraction = sampled.null_count as f64 / sample_rows;
    let present = sampled.row_count - sampled.null_count;
    let mut out = ColumnStatistics {
        column: column.id,
        ty: column.ty.clone(),
        null_fraction,
        average_width: (sampled.width_bytes / present.max(1) as u64) as u32,
        distinct: 0.0,
        most_common: Vec::new(),
        histogram: Vec::new(),
        correlation: None,
    };
    if present == 0 {
        return Some(out);
    }
    if sampled.values.is_empty() {
        // All are too wide to be looked at: taken to be distinct.
        out.distinct = -(1.0 - null_fraction);
        return Some(out);
    }
    let ordered = is_ordered(&column.ty);
    let runs = if ordered {
        sampled.values.sort_by(|a, b| compare_keys(&a.0, &b.0, &column.ty, false, false).then(a.1.cmp(&b.1)));
        runs_of_sorted(&sampled.values, &column.ty)
    } else {
        runs_of_equal(&mut sampled.values)
    };
    out.distinct = distinct(&runs, &sampled, null_fraction, row_count as f64);
    let mut common = most_common(&runs, &sampled, &out, row_count as f64, target);
    common.sort_by(|a, b| b.count.cmp(&a.count).then(a.first.cmp(&b.first)));
    let value = |position: usize| StatisticsValue::new(&sampled.values[position].0);
    out.most_common = common.iter().map(|run| (value(run.first), run.count as f64 / sample_rows)).collect();
    if ordered {
        out.histogram = histogram(&runs, &common, target).into_iter().map(value).collect();
        out.correlation = correlation(&sampled.values);
    }
    Some(out)
}

fn runs_of_sorted(values: &[(Value, u32)], ty: &DataType) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for position in 0..values.len() {
        let same = position > 0 && compare_keys(&values[position - 1].0, &values[position].0, ty, false, false).is_eq();
        match runs.last_mut() {
            Some(run) if same => run.count += 1,
            _ => runs.push(Run { first: position, count: 1 }),
        }
    }
    runs
}

/// Puts equal values side by side.
fn runs_of_equal(values: &mut Vec<(Value, u32)>) -> Vec<Run> {
    let mut places: FxHashMap<Vec<u8>, usize> = FxHashMap::default();
    let mut groups: Vec<Vec<(Value, u32)>> = Vec::new();
    for entry in values.drain(..) {
        let mut key = Vec::new();
        encode_key(&entry.0, KeyMode::Equivalent, &mut key);
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    let mut runs = Vec::with_capacity(groups.len());
    for group in groups {
        runs.push(Run { first: values.len(), count: group.len() });
        values.extend(group);
    }
    runs
}

fn distinct(runs: &[Run], sampled: &Sampled, null_fraction: f64, row_count: f64) -> f64 {
    let multiple = runs.iter().filter(|run| run.count > 1).count();
    if multiple == 0 {
        return -(1.0 - null_fraction);
    }
    let found = if sampled.wide_count == 0 && multiple == runs.len() {
        // Every value came more than once: most likely there are no others.
        runs.len() as f64
    } else {
        // n d / (n - f1 + f1 n/N): Haas and Stokes' Duj1.
        let once = (runs.len() - multiple + sampled.wide_count) as f64;
        let known = multiple as f64 + once;
        let sample_rows = (sampled.row_count - sampled.null_count) as f64;
        let present_rows = row_count * (1.0 - null_fraction);
        let denominator = sample_rows - once + once * sample_rows / present_rows.max(1.0);
        let estimate = if present_rows > 0.0 { sample_rows * known / denominator } else { 0.0 };
        (estimate.clamp(known, present_rows.max(known)) + 0.5).floor()
    };
    // What grows with the table is told by its share.
    if found > 0.1 * row_count { -(found / row_count.max(1.0)) } else { found }
}

fn most_common<'r>(
    runs: &'r [Run],
    sampled: &Sampled,
    statistics: &ColumnStatistics,
    row_count: f64,
    target: usize,
) -> Vec<&'r Run> {
    let all_known = sampled.wide_count == 0 && statistics.distinct > 0.0 && runs.len() <= target;
    let mut tracked: Vec<&Run> = runs.iter().filter(|run| run.count > 1).collect();
    if all_known && tracked.len() == runs.len() {
        return tracked;
    }
    tracked.sort_by(|a, b| b.count.cmp(&a.count).then(a.first.cmp(&b.first)));
    tracked.truncate(target);
    let sample_rows = sampled.row_count as f64;
    if sample_rows >= row_count || row_count <= 1.0 {
        return tracked;
    }
    let distinct = if statistics.distinct < 0.0 { -statistics.distinct * row_count } else { statistics.distinct };
    let mut sum: f64 = tracked.iter().rev().skip(1).map(|run| run.count as f64).sum();
    while let Some(last) = tracked.last() {
        // What it would be taken to have if it were not in the list.
        let mut share = (1.0 - sum / sample_rows - statistics.null_fraction).clamp(0.0, 1.0);
        let others = distinct - (tracked.len() as f64 - 1.0);
        if others > 1.0 {
            share /= others;
        }
        let (all, part) = (row_count, sample_rows);
        let expected = all * last.count as f64 / part;
        let variance = part * expected * (all - expected) * (all - part) / (all * all * (all - 1.0));
        if last.count as f64 > share * part + 2.0 * variance.max(0.0).sqrt() + 0.5 {
            break;
        }
        tracked.pop();
        sum -= tracked.last().map_or(0.0, |run| run.count as f64);
    }
    tracked
}

/// Positions of the bounds.
fn histogram(runs: &[Run], common: &[&Run], target: usize) -> Vec<usize> {
    let rest: Vec<&Run> = runs.iter().filter(|run| !common.iter().any(|known| known.first == run.first)).collect();
    let bound_count = rest.len().min(target + 1);
    if bound_count < 2 {
        return Vec::new();
    }
    let total: usize = rest.iter().map(|run| run.count).sum();
    let mut bounds = Vec::with_capacity(bound_count);
    let (mut at, mut before) = (0, 0);
    for bound in 0..bound_count {
        let wanted = bound * (total - 1) / (bound_count - 1);
        while before + rest[at].count <= wanted {
            before += rest[at].count;
            at += 1;
        }
        bounds.push(rest[at].first);
    }
    bounds
}

/// Pearson's, of the order of values and the order of rows.
fn correlation(sorted: &[(Value, u32)]) -> Option<f64> {
    let count = sorted.len() as f64;
    if sorted.len() < 2 {
        return None;
    }
    // Both are numbered from 0 on, so sums and sums of squares are known.
    let mut rows: Vec<u32> = sorted.iter().map(|(_, row)| *row).collect();
    let mut ranked = rows.clone();
    ranked.sort_unstable();
    for row in &mut rows {
        *row = ranked.partition_point(|known| known < row) as u32;
    }
    let product: f64 = rows.iter().enumerate().map(|(place, row)| place as f64 * f64::from(*row)).sum();
    let sum = (count - 1.0) * count / 2.0;
    let squares = (count - 1.0) * count * (2.0 * count - 1.0) / 6.0;
    Some((count * product - sum * sum) / (count * squares - sum * sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinew_storage::ColumnId;

    fn analyzed(values: impl Iterator<Item = Option<i64>>, row_count: u64) -> ColumnStatistics {
        let column = ColumnDef {
            id: ColumnId(1),
            name: "a".to_owned(),
            ty: DataType::Int8,
            not_null: false,
            default: None,
            identity: None,
            virtual_expression: None,
            comment: None,
        };
        let mut sampled = Sampled::default();
        for value in values {
            match value {
                Some(value) => sampled.values.push((Value::Int(value), sampled.row_count as u32)),
                None => sampled.null_count += 1,
            }
            sampled.row_count += 1;
        }
        sampled.width_bytes = sampled.values.len() as u64 * 8;
        compute(&column, sampled, row_count, 100).expect("there are rows")
    }

    fn ints(values: &[StatisticsValue]) -> Vec<i64> {
        values.iter().map(|value| value.value().expect("a value").as_int().expect("an int")).collect()
    }

    #[test]
    fn a_key_is_distinct_ordered_and_has_no_common_values() {
        let statistics = analyzed((0..1000).map(Some), 1000);
        assert_eq!((statistics.distinct, statistics.null_fraction, statistics.average_width), (-1.0, 0.0, 8));
        assert!(statistics.most_common.is_empty());
        assert_eq!(statistics.histogram.len(), 101);
        assert_eq!(ints(&statistics.histogram)[..3], [0, 9, 19]);
        assert!(statistics.correlation.is_some_and(|correlation| (correlation - 1.0).abs() < 1e-9));
    }

    #[test]
    fn few_values_are_all_common() {
        let statistics = analyzed((0..1000).map(|i| (i % 10 != 0).then_some(i % 3)), 1000);
        assert_eq!(statistics.distinct, 3.0);
        assert!((statistics.null_fraction - 0.1).abs() < 1e-9);
        assert_eq!(statistics.most_common.len(), 3);
        assert!(statistics.histogram.is_empty());
        let total: f64 = statistics.most_common.iter().map(|(_, share)| share).sum();
        assert!((total - 0.9).abs() < 1e-9);
    }

    #[test]
    fn a_skewed_column_of_a_sample_has_both() {
        // Half of the rows have 7, the others have values of their own.
        let statistics = analyzed((0..30_000).map(|i| Some(if i % 2 == 0 { 7 } else { 1_000 + i })), 3_000_000);
        assert_eq!(ints(&[statistics.most_common[0].0.clone()]), [7]);
        assert_eq!(statistics.most_common.len(), 1);
        assert_eq!(statistics.histogram.len(), 101);
        // Of Haas and Stokes: 30,000 rows seen with 15,001 values, 15,000 of them once, out of 3,000,000.
        assert_eq!(statistics.distinct.round(), 29_705.0);
    }

    #[test]
    fn only_nulls() {
        let statistics = analyzed((0..10).map(|_| None), 10);
        assert_eq!((statistics.null_fraction, statistics.distinct), (1.0, 0.0));
        assert_eq!(statistics.correlation, None);
    }
}
