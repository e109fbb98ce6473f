//! Ordered-set and hypothetical-set aggregates: `WITHIN GROUP (ORDER BY …)`.
//!
//! The first kind collects its group's values in order, then a final function looks into the list. The second counts rows
//! that stand before a row that is not there: the binder makes it of `count` with a filter, and a function of such counts makes the rank of it.

use std::cmp::Ordering;
use std::sync::Arc;

use sinew_storage::{DataType, Value};

use super::args::{float, interval, list};
use super::{Accumulator, AggregateFunction};
use crate::batch::value_size_bytes;
use crate::error::{QueryError, Result, sqlstate};
use crate::exec::compare_keys;
use crate::exec::key::equivalent;
use crate::types::{float as float_type, interval as interval_type};

/// Aggregates that look into a list in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderedSet {
    PercentileCont,
    PercentileDisc,
    Mode,
}

/// Aggregates that find the place of a row that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HypotheticalSet {
    Rank,
    DenseRank,
    PercentRank,
    CumeDist,
}

/// The kind of ordered-set aggregate of that name.
pub fn ordered_set(name: &str) -> Option<OrderedSet> {
    Some(match name {
        "percentile_cont" => OrderedSet::PercentileCont,
        "percentile_disc" => OrderedSet::PercentileDisc,
        "mode" => OrderedSet::Mode,
        _ => return None,
    })
}

/// The kind of hypothetical-set aggregate of that name.
pub fn hypothetical_set(name: &str) -> Option<HypotheticalSet> {
    Some(match name {
        "rank" => HypotheticalSet::Rank,
        "dense_rank" => HypotheticalSet::DenseRank,
        "percent_rank" => HypotheticalSet::PercentRank,
        "cume_dist" => HypotheticalSet::CumeDist,
        _ => return None,
    })
}

/// Collects values as they come, NULLs left out; NULL when there is none.
#[derive(Default)]
struct Collected {
    values: Vec<Value>,
    size_bytes: usize,
}

impl Accumulator for Collected {
    fn update(&mut self, args: &[Value]) -> Result<()> {
        self.size_bytes += value_size_bytes(&args[0]);
        self.values.push(args[0].clone());
        Ok(())
    }

    fn finish(&mut self) -> Result<Value> {
        let values = std::mem::take(&mut self.values);
        Ok(if values.is_empty() { Value::Null } else { Value::list(values) })
    }

    fn value(&mut self) -> Result<Value> {
        Ok(if self.values.is_empty() { Value::Null } else { Value::list(self.values.clone()) })
    }

    fn size_bytes(&self) -> usize {
        self.size_bytes + 48
    }
}

/// The aggregate that collects values of a type for an ordered-set aggregate of that name.
pub fn collecting(name: &'static str, ty: &DataType) -> Arc<AggregateFunction> {
    Arc::new(AggregateFunction {
        name,
        oid: 0,
        args: vec![ty.clone()],
        returns: DataType::array_of(ty.clone()),
        strict: true,
        accumulator: |_| Box::<Collected>::default(),
    })
}

/// 22003 outside 0 to 1.
fn fraction(value: &Value) -> Result<f64> {
    let fraction = float(value)?;
    if (0.0..=1.0).contains(&fraction) {
        return Ok(fraction);
    }
    Err(QueryError::new(
        sqlstate::NUMERIC_VALUE_OUT_OF_RANGE,
        format!("percentile value {} is not between 0 and 1", float_type::output8(fraction)),
    ))
}

/// The percentile of values in order; `wanted` is one fraction or an array of them. `values` is NULL when there are none.
pub fn percentile(kind: OrderedSet, wanted: &Value, values: &Value) -> Result<Value> {
    let of = |fraction: f64, values: &[Value]| match kind {
        OrderedSet::PercentileCont => continuous(fraction, values),
        _ => {
            let row = (fraction * values.len() as f64).ceil() as usize;
            Ok(values[row.clamp(1, values.len()) - 1].clone())
        }
    };
    let values = match values {
        Value::Null => None,
        values => Some(list(values)?),
    };
    match wanted {
        Value::Null => Ok(Value::Null),
        Value::List(fractions) => {
            let Some(values) = values else { return Ok(Value::Null) };
            let each = fractions.iter().map(|wanted| match wanted {
                Value::Null => Ok(Value::Null),
                wanted => of(fraction(wanted)?, values),
            });
            Ok(Value::list(each.collect::<Result<_>>()?))
        }
        wanted => {
            let fraction = fraction(wanted)?;
            values.map_or(Ok(Value::Null), |values| of(fraction, values))
        }
    }
}

/// Between the two nearest rows, in proportion.
fn continuous(fraction: f64, values: &[Value]) -> Result<Value> {
    let at = fraction * (values.len() - 1) as f64;
    let (low, high) = (&values[at.floor() as usize], &values[at.ceil() as usize]);
    let proportion = at - at.floor();
    if at.floor() == at.ceil() {
        return Ok(low.clone());
    }
    Ok(match low {
        Value::Interval(low) => {
            let distance = interval_type::add(&interval(high)?, &interval_type::negate(low)?)?;
            Value::Interval(interval_type::add(&interval_type::multiply(&distance, proportion)?, low)?)
        }
        low => {
            let (low, high) = (float(low)?, float(high)?);
            Value::Float(low + proportion * (high - low))
        }
    })
}

/// The most frequent of values in order, the first of those that are equally frequent.
pub fn mode(values: &Value) -> Result<Value> {
    let Value::List(values) = values else { return Ok(Value::Null) };
    let (mut best, mut best_count) = (0, 0);
    let mut start = 0;
    for at in 1..=values.len() {
        if at == values.len() || !equivalent(&values[start], &values[at]) {
            if at - start > best_count {
                (best, best_count) = (start, at - start);
            }
            start = at;
        }
    }
    Ok(values.get(best).cloned().unwrap_or_default())
}

/// How rows are ordered by one key.
#[derive(Clone, Debug)]
pub struct KeyOrder {
    pub ty: DataType,
    pub descending: bool,
    pub nulls_first: bool,
}

/// Where a row with keys stands to another one.
pub fn compare_rows(order: &[KeyOrder], row: &[Value], other: &[Value]) -> Ordering {
    let each = order.iter().zip(row).zip(other);
    each.map(|((key, a), b)| compare_keys(a, b, &key.ty, key.descending, key.nulls_first))
        .find(|ordering| ordering.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The result from the rows (or kinds of rows) counted before the hypothetical one, and all rows.
pub fn place(kind: HypotheticalSet, before: i64, row_count: i64) -> Value {
    match kind {
        HypotheticalSet::Rank | HypotheticalSet::DenseRank => Value::Int(before + 1),
        HypotheticalSet::PercentRank if row_count == 0 => Value::Float(0.0),
        HypotheticalSet::PercentRank => Value::Float(before as f64 / row_count as f64),
        HypotheticalSet::CumeDist => Value::Float((before + 1) as f64 / (row_count + 1) as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ints(values: &[i64]) -> Value {
        Value::list(values.iter().map(|value| Value::Int(*value)).collect())
    }

    #[test]
    fn percentiles_are_rows_or_between_them() {
        let disc = |fraction| percentile(OrderedSet::PercentileDisc, &Value::Float(fraction), &ints(&[1, 2, 3, 4]));
        assert_eq!(disc(0.0).unwrap(), Value::Int(1));
        assert_eq!(disc(0.5).unwrap(), Value::Int(2));
        assert_eq!(disc(0.51).unwrap(), Value::Int(3));
        assert_eq!(disc(1.0).unwrap(), Value::Int(4));
        assert_eq!(disc(1.5).unwrap_err().sqlstate(), "22003");
        let cont = percentile(OrderedSet::PercentileCont, &Value::Float(0.5), &ints(&[1, 2, 3, 4]));
        assert_eq!(cont.unwrap(), Value::Float(2.5));
        assert!(percentile(OrderedSet::PercentileCont, &Value::Float(2.0), &Value::Null).is_err());
    }

    #[test]
    fn the_mode_is_the_first_of_the_most_frequent() {
        assert_eq!(mode(&ints(&[1, 2, 2, 3, 3])).unwrap(), Value::Int(2));
        assert_eq!(mode(&ints(&[5])).unwrap(), Value::Int(5));
        assert_eq!(mode(&Value::Null).unwrap(), Value::Null);
    }
}
