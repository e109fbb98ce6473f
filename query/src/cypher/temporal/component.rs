//! Components: `value.year` and so on.

use sinew_storage::temporal::{Duration, NANOSECONDS_PER_SECOND, Offset};
use sinew_storage::{Temporal, Value};

use super::Moment;
use super::date::{quarter_of, quarter_start};
use crate::types::calendar::{civil_from_days, day_of_year, iso_week};

/// None when values of this kind have no such component, or when it is out of range.
pub(crate) fn component(value: &Temporal, name: &str) -> Option<Value> {
    if let Temporal::Duration(duration) = value {
        return of_duration(duration, name).map(Value::Int);
    }
    let moment = Moment::of(value)?;
    let of_date = moment.date.and_then(|date| of_date(date, name));
    let of_time = || moment.time.and_then(|time| of_time(time, name));
    of_date.or_else(of_time).map(Value::Int).or_else(|| of_zone(value, name))
}

fn of_date(date: i64, name: &str) -> Option<i64> {
    let (year, month, day) = civil_from_days(date);
    Some(match name {
        "year" => year,
        "quarter" => quarter_of(month),
        "month" => i64::from(month),
        "week" => iso_week(date).1,
        "weekYear" => iso_week(date).0,
        "day" => i64::from(day),
        "ordinalDay" => day_of_year(date),
        "weekDay" | "dayOfWeek" => iso_week(date).2,
        "dayOfQuarter" => date - quarter_start(year, quarter_of(month)) + 1,
        _ => return None,
    })
}

fn of_time(time: i64, name: &str) -> Option<i64> {
    let seconds = time / NANOSECONDS_PER_SECOND;
    let fraction = time % NANOSECONDS_PER_SECOND;
    Some(match name {
        "hour" => seconds / 3_600,
        "minute" => seconds / 60 % 60,
        "second" => seconds % 60,
        "millisecond" => fraction / 1_000_000,
        "microsecond" => fraction / 1_000,
        "nanosecond" => fraction,
        _ => return None,
    })
}

fn of_zone(value: &Temporal, name: &str) -> Option<Value> {
    let (offset_seconds, zone_name) = match value {
        Temporal::Time { offset_seconds, .. } => (*offset_seconds, None),
        Temporal::DateTime { zone, .. } => (zone.offset_seconds, zone.name.as_deref()),
        _ => return None,
    };
    let offset = || Value::text(Offset(offset_seconds).to_string());
    Some(match (name, value) {
        ("timezone", _) => zone_name.map_or_else(offset, Value::from),
        ("offset", _) => offset(),
        ("offsetMinutes", _) => Value::Int(i64::from(offset_seconds / 60)),
        ("offsetSeconds", _) => Value::Int(i64::from(offset_seconds)),
        ("epochSeconds", Temporal::DateTime { seconds, .. }) => Value::Int(*seconds),
        ("epochMillis", Temporal::DateTime { seconds, nanoseconds, .. }) => {
            Value::Int(seconds.checked_mul(1_000)?.checked_add(i64::from(nanoseconds / 1_000_000))?)
        }
        _ => return None,
    })
}

fn of_duration(duration: &Duration, name: &str) -> Option<i64> {
    let Duration { months, days, seconds, nanoseconds } = *duration;
    let fraction = i64::from(nanoseconds);
    let scaled = |per_second: i64| {
        seconds.checked_mul(per_second)?.checked_add(fraction / (NANOSECONDS_PER_SECOND / per_second))
    };
    Some(match name {
        "years" => months / 12,
        "quarters" => months / 3,
        "months" => months,
        "weeks" => days / 7,
        "days" => days,
        "hours" => seconds / 3_600,
        "minutes" => seconds / 60,
        "seconds" => seconds,
        "milliseconds" => scaled(1_000)?,
        "microseconds" => scaled(1_000_000)?,
        "nanoseconds" => scaled(NANOSECONDS_PER_SECOND)?,
        "quartersOfYear" => months % 12 / 3,
        "monthsOfYear" => months % 12,
        "monthsOfQuarter" => months % 3,
        "daysOfWeek" => days % 7,
        "minutesOfHour" => seconds / 60 % 60,
        "secondsOfMinute" => seconds % 60,
        "millisecondsOfSecond" => fraction / 1_000_000,
        "microsecondsOfSecond" => fraction / 1_000,
        "nanosecondsOfSecond" => fraction,
        _ => return None,
    })
}
