//! Cypher's temporal values beside SQL's.

use sinew_storage::temporal::{Duration, Zone};
use sinew_storage::{DataType, Interval, Temporal, TemporalType, Value};

use super::calendar::{DAY_US, SECOND_US};
use super::{time, timestamp};

/// The value of the kind's SQL type that is exactly the same; None when there is none.
pub(crate) fn to_sql(value: &Temporal) -> Option<Value> {
    if !value.fits_sql_type() {
        return None;
    }
    let timestamp = |seconds: i64, nanoseconds: u32| {
        let microseconds = seconds.checked_mul(SECOND_US)?.checked_add(i64::from(nanoseconds / 1_000))?;
        Some(Value::Timestamp(microseconds))
    };
    match value {
        Temporal::Date(days) => i32::try_from(*days).ok().map(Value::Date),
        Temporal::LocalTime(nanoseconds) => Some(Value::Int(nanoseconds / 1_000)),
        Temporal::Time { nanoseconds, offset_seconds } => {
            let packed = time::pack(time::ZonedTime { time_us: nanoseconds / 1_000, east_seconds: *offset_seconds });
            Some(Value::Int(packed))
        }
        Temporal::LocalDateTime { seconds, nanoseconds } | Temporal::DateTime { seconds, nanoseconds, .. } => {
            timestamp(*seconds, *nanoseconds)
        }
        Temporal::Duration(duration) => Some(Value::Interval(Interval {
            months: i32::try_from(duration.months).ok()?,
            days: i32::try_from(duration.days).ok()?,
            microseconds: i64::try_from(duration.total_nanoseconds() / 1_000).ok()?,
        })),
    }
}

/// A value of an SQL type as Cypher's. None for other types, and for the infinities and 24:00, which Cypher does not have.
pub fn from_sql(value: &Value, ty: &DataType) -> Option<Temporal> {
    let parts = |microseconds: i64| {
        let nanoseconds = (microseconds.rem_euclid(SECOND_US) * 1_000) as u32;
        (!timestamp::is_infinite(microseconds)).then_some((microseconds.div_euclid(SECOND_US), nanoseconds))
    };
    let time_of_day = |time_us: i64| (time_us < DAY_US).then_some(time_us * 1_000);
    Some(match (ty, value) {
        (DataType::Date, Value::Date(i32::MIN | i32::MAX)) => return None,
        (DataType::Date, Value::Date(days)) => Temporal::Date(i64::from(*days)),
        (DataType::Timestamp, Value::Timestamp(microseconds)) => {
            let (seconds, nanoseconds) = parts(*microseconds)?;
            Temporal::LocalDateTime { seconds, nanoseconds }
        }
        (DataType::Timestamptz, Value::Timestamp(microseconds)) => {
            let (seconds, nanoseconds) = parts(*microseconds)?;
            Temporal::DateTime { seconds, nanoseconds, zone: Zone::UTC }
        }
        (DataType::Time, Value::Int(time_us)) => Temporal::LocalTime(time_of_day(*time_us)?),
        (DataType::Timetz, Value::Int(packed)) => {
            let time = time::unpack(*packed);
            Temporal::Time { nanoseconds: time_of_day(time.time_us)?, offset_seconds: time.east_seconds }
        }
        (DataType::Interval, Value::Interval(interval)) => Temporal::Duration(Duration::new(
            i64::from(interval.months),
            i64::from(interval.days),
            i128::from(interval.microseconds) * 1_000,
        )?),
        (DataType::Modified(plain, _), value) => return from_sql(value, &TemporalType::plain(*plain)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (ty, value) in [
            (DataType::Date, Value::Date(-1)),
            (DataType::Timestamp, Value::Timestamp(-1)),
            (DataType::Timestamptz, Value::Timestamp(1_700_000_000_000_001)),
            (DataType::Time, Value::Int(DAY_US - 1)),
            (DataType::Timetz, Value::Int(time::pack(time::ZonedTime { time_us: 1, east_seconds: -3_600 }))),
            (DataType::Interval, Value::Interval(Interval { months: -1, days: 2, microseconds: -3 })),
        ] {
            let temporal = from_sql(&value, &ty).expect("a value of Cypher");
            assert_eq!(temporal.kind().sql_type(), ty);
            assert_eq!(to_sql(&temporal), Some(value));
        }
        assert_eq!(from_sql(&Value::Timestamp(i64::MAX), &DataType::Timestamptz), None);
        assert_eq!(from_sql(&Value::Int(DAY_US), &DataType::Time), None);
    }
}
