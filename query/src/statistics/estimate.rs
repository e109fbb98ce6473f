//! What statistics say of conditions on a column.

use std::cmp::Ordering;

use sinew_storage::catalog::ColumnStatistics;
use sinew_storage::{DataType, Numeric, Value};

use crate::exec::compare_keys;
use crate::types::numeric;

/// A comparison of a column with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Number of distinct values in a table of so many rows, at least one.
pub(crate) fn distinct_count(statistics: &ColumnStatistics, row_count: f64) -> f64 {
    let distinct = statistics.distinct;
    if distinct < 0.0 { (-distinct * row_count).max(1.0) } else { distinct.max(1.0) }
}

/// Share of rows that equal a value; without one, that of an average value.
pub(crate) fn equality(statistics: &ColumnStatistics, row_count: f64, value: Option<&Value>) -> f64 {
    let distinct = distinct_count(statistics, row_count);
    let Some(value) = value else {
        return ((1.0 - statistics.null_fraction) / distinct).clamp(0.0, 1.0);
    };
    if value.is_null() {
        return 0.0;
    }
    let mut common = 0.0;
    for (known, share) in &statistics.most_common {
        if known.value().is_ok_and(|known| order(&known, value, &statistics.ty).is_eq()) {
            return *share;
        }
        common += share;
    }
    let others = (distinct - statistics.most_common.len() as f64).max(1.0);
    let share = (1.0 - common - statistics.null_fraction).max(0.0) / others;
    // A value that is not in the list is no more frequent than the last that is.
    let least = statistics.most_common.last().map_or(1.0, |(_, share)| *share);
    share.min(least)
}

/// Share of rows that a comparison with a value keeps.
pub(crate) fn comparison(statistics: &ColumnStatistics, operator: Comparison, value: &Value) -> f64 {
    if value.is_null() {
        return 0.0;
    }
    let holds = |ordering: Ordering| match operator {
        Comparison::Less => ordering.is_lt(),
        Comparison::LessOrEqual => ordering.is_le(),
        Comparison::Greater => ordering.is_gt(),
        Comparison::GreaterOrEqual => ordering.is_ge(),
    };
    let (mut kept, mut common) = (0.0, 0.0);
    for (known, share) in &statistics.most_common {
        common += share;
        if known.value().is_ok_and(|known| holds(order(&known, value, &statistics.ty))) {
            kept += share;
        }
    }
    let others = (1.0 - common - statistics.null_fraction).max(0.0);
    let below = share_below(statistics, value).unwrap_or(1.0 / 3.0);
    let part = match operator {
        Comparison::Less | Comparison::LessOrEqual => below,
        Comparison::Greater | Comparison::GreaterOrEqual => 1.0 - below,
    };
    (kept + others * part).clamp(0.0, 1.0)
}

/// Share of the histogram's values that lie below a value; None without a histogram.
fn share_below(statistics: &ColumnStatistics, value: &Value) -> Option<f64> {
    let bounds = &statistics.histogram;
    if bounds.len() < 2 {
        return None;
    }
    let bound = |at: usize| bounds[at].value().ok();
    // The first bound that is not below the value.
    let (mut low, mut high) = (0, bounds.len());
    while low < high {
        let middle = (low + high) / 2;
        if order(&bound(middle)?, value, &statistics.ty).is_lt() {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let parts = (bounds.len() - 1) as f64;
    // Never none and never all: the ends of a sample are not those of the table.
    let margin = 0.01 / parts;
    if low == 0 {
        return Some(margin);
    }
    if low == bounds.len() {
        return Some(1.0 - margin);
    }
    let (from, to) = (bound(low - 1)?, bound(low)?);
    let within = match (position(&from), position(value), position(&to)) {
        (Some(from), Some(at), Some(to)) if to > from => ((at - from) / (to - from)).clamp(0.0, 1.0),
        _ => 0.5,
    };
    Some((((low - 1) as f64 + within) / parts).clamp(margin, 1.0 - margin))
}

fn order(a: &Value, b: &Value, ty: &DataType) -> Ordering {
    compare_keys(a, b, ty, false, false)
}

/// A number that grows with the value, to interpolate between two.
fn position(value: &Value) -> Option<f64> {
    Some(match value {
        Value::Int(i) => *i as f64,
        Value::Float(f) if f.is_finite() => *f,
        Value::Numeric(n) if matches!(&**n, Numeric::Finite(_)) => numeric::to_f64(n),
        Value::Timestamp(micros) => *micros as f64,
        Value::Date(days) => f64::from(*days),
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Text(text) => {
            text.bytes().chain(std::iter::repeat(0)).take(8).fold(0.0, |number, byte| number * 256.0 + f64::from(byte))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinew_storage::ColumnId;
    use sinew_storage::catalog::StatisticsValue;

    fn statistics() -> ColumnStatistics {
        let value = |i: i64| StatisticsValue::new(&Value::Int(i));
        ColumnStatistics {
            column: ColumnId(1),
            ty: DataType::Int8,
            null_fraction: 0.1,
            average_width: 8,
            distinct: 1_002.0,
            most_common: vec![(value(7), 0.3), (value(50), 0.1)],
            histogram: (0..=10).map(|i| value(i * 100)).collect(),
            correlation: None,
        }
    }

    #[test]
    fn shares_follow_common_values_and_histogram() {
        let known = statistics();
        let near = |share: f64, expected: f64| assert!((share - expected).abs() < 1e-6, "{share} is not {expected}");
        near(equality(&known, 1e6, Some(&Value::Int(7))), 0.3);
        near(equality(&known, 1e6, Some(&Value::Int(8))), 0.5 / 1_000.0);
        near(equality(&known, 1e6, None), 0.9 / 1_002.0);
        near(equality(&known, 1e6, Some(&Value::Null)), 0.0);
        near(comparison(&known, Comparison::Less, &Value::Int(250)), 0.4 + 0.5 * 0.25);
        near(comparison(&known, Comparison::GreaterOrEqual, &Value::Int(250)), 0.5 * 0.75);
        near(comparison(&known, Comparison::Greater, &Value::Int(7)), 0.1 + 0.5 * 0.993);
        assert!(comparison(&known, Comparison::Greater, &Value::Int(5_000)) < 0.001);
    }
}
