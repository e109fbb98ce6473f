//! `RANGE offset PRECEDING`: whether a value lies within an offset of another, by type. PostgreSQL's `in_range` functions.

use sinew_storage::{DataType, Numeric, Value};

use crate::error::{QueryError, Result, sqlstate};
use crate::exec::run::Cx;
use crate::functions::args::{float, int, interval, numeric};
use crate::functions::operators_datetime::{add_instant, add_local};
use crate::types::compare::interval_span;
use crate::types::zone::{Zone, session_zone};
use crate::types::{date, float as float_type, interval as interval_type, numeric as numeric_type, numeric_math, time};

#[derive(Clone)]
pub(super) enum RangeKind {
    Int,
    Float,
    Numeric,
    Date,
    Time,
    Timetz,
    Timestamp,
    Timestamptz(Zone),
    Interval,
}

fn invalid_size() -> QueryError {
    QueryError::new(
        sqlstate::INVALID_PRECEDING_OR_FOLLOWING_SIZE,
        "invalid preceding or following size in window function",
    )
}

impl RangeKind {
    /// None for a type that has no offsets.
    pub fn of(ty: &DataType, cx: &Cx) -> Option<RangeKind> {
        Some(match ty {
            DataType::Int2 | DataType::Int4 | DataType::Int8 => RangeKind::Int,
            DataType::Float4 | DataType::Float8 => RangeKind::Float,
            DataType::Numeric(_) => RangeKind::Numeric,
            DataType::Date => RangeKind::Date,
            DataType::Time => RangeKind::Time,
            DataType::Timetz => RangeKind::Timetz,
            DataType::Timestamp => RangeKind::Timestamp,
            DataType::Timestamptz => RangeKind::Timestamptz(session_zone(&cx.eval_context())),
            DataType::Interval => RangeKind::Interval,
            DataType::Modified(plain, _) => return RangeKind::of(&plain.plain(), cx),
            _ => return None,
        })
    }

    /// Whether `value` <= (`less`) or >= (not `less`) `base` moved by `offset`, back (`subtract`) or forward. No value is NULL.
    pub fn in_range(&self, value: &Value, base: &Value, offset: &Value, subtract: bool, less: bool) -> Result<bool> {
        let within = |ordering: std::cmp::Ordering| if less { ordering.is_le() } else { ordering.is_ge() };
        match self {
            RangeKind::Int => {
                let offset = int(offset)?;
                if offset < 0 {
                    return Err(invalid_size());
                }
                let (base, offset) = (i128::from(int(base)?), i128::from(offset));
                let bound = if subtract { base - offset } else { base + offset };
                Ok(within(i128::from(int(value)?).cmp(&bound)))
            }
            RangeKind::Float => {
                let (value, base, offset) = (float(value)?, float(base)?, float(offset)?);
                if offset.is_nan() || offset < 0.0 {
                    return Err(invalid_size());
                }
                // NaN is above everything, and equal to itself.
                if value.is_nan() {
                    return Ok(base.is_nan() || !less);
                }
                if base.is_nan() {
                    return Ok(less);
                }
                if offset.is_infinite() && base.is_infinite() && (base > 0.0) == subtract {
                    return Ok(true);
                }
                let bound = if subtract { base - offset } else { base + offset };
                Ok(within(float_type::compare(value, bound)))
            }
            RangeKind::Numeric => {
                let (value, base, offset) = (numeric(value)?, numeric(base)?, numeric(offset)?);
                let negative = numeric_type::compare(&offset, &numeric_type::from_int(0)).is_lt();
                if matches!(*offset, Numeric::NaN) || negative {
                    return Err(invalid_size());
                }
                if matches!(*value, Numeric::NaN) {
                    return Ok(matches!(*base, Numeric::NaN) || !less);
                }
                if matches!(*base, Numeric::NaN) {
                    return Ok(less);
                }
                let opposite = if subtract { Numeric::Infinity } else { Numeric::NegativeInfinity };
                if *offset == Numeric::Infinity && *base == opposite {
                    return Ok(true);
                }
                let bound =
                    if subtract { numeric_math::subtract(&base, &offset)? } else { numeric_math::add(&base, &offset)? };
                Ok(within(numeric_type::compare(&value, &bound)))
            }
            RangeKind::Time | RangeKind::Timetz => {
                // Clocks count in microseconds, in packed form in steps of them; days and months of the offset do not count.
                let offset = interval(offset)?.microseconds;
                if offset < 0 {
                    return Err(invalid_size());
                }
                let step = if matches!(self, RangeKind::Timetz) { time::PACKED_MICROSECOND } else { 1 };
                let (base, offset) = (i128::from(int(base)?), i128::from(offset) * i128::from(step));
                let bound = if subtract { base - offset } else { base + offset };
                Ok(within(i128::from(int(value)?).cmp(&bound)))
            }
            RangeKind::Date | RangeKind::Timestamp | RangeKind::Timestamptz(_) | RangeKind::Interval => {
                let offset = interval(offset)?;
                if interval_span(&offset) < 0 {
                    return Err(invalid_size());
                }
                let offset = if subtract { interval_type::negate(&offset)? } else { offset };
                if matches!(self, RangeKind::Interval) {
                    let bound = interval_type::add(&interval(base)?, &offset)?;
                    return Ok(within(interval_span(&interval(value)?).cmp(&interval_span(&bound))));
                }
                let instant = |value: &Value| match value {
                    Value::Date(days) => date::to_timestamp(*days),
                    Value::Timestamp(timestamp_us) => Ok(*timestamp_us),
                    other => Err(QueryError::internal(format!("{other:?} is no time"))),
                };
                let base = instant(base)?;
                let bound = match self {
                    RangeKind::Timestamptz(zone) => add_instant(base, &offset, zone)?,
                    _ => add_local(base, &offset)?,
                };
                Ok(within(instant(value)?.cmp(&bound)))
            }
        }
    }
}
