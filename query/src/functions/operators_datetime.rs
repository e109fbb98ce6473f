//! Arithmetic of dates, timestamps and intervals.

use sinew_storage::{Interval, Value};

use super::args::{date, float, int, interval, timestamp};
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::numeric_math::division_by_zero;
use crate::types::zone::{self, Zone};
use crate::types::{calendar, date as date_type, interval as interval_type, timestamp as timestamp_type};

/// Months first (day kept within the month), then days, then time.
pub(crate) fn add_local(local_us: i64, interval: &Interval) -> Result<i64> {
    if timestamp_type::is_infinite(local_us) {
        return Ok(local_us);
    }
    let mut moved = local_us;
    if interval.months != 0 {
        moved = calendar::add_months(&calendar::split(moved), i64::from(interval.months))
            .and_then(|civil| calendar::join(&civil))
            .ok_or_else(timestamp_type::out_of_range)?;
    }
    i64::from(interval.days)
        .checked_mul(calendar::DAY_US)
        .and_then(|days| moved.checked_add(days))
        .and_then(|moved| moved.checked_add(interval.microseconds))
        .filter(|moved| !timestamp_type::is_infinite(*moved))
        .ok_or_else(timestamp_type::out_of_range)
}

/// Months and days move the session's clock, time moves the instant.
pub(crate) fn add_instant(timestamp_us: i64, interval: &Interval, zone: &Zone) -> Result<i64> {
    if timestamp_type::is_infinite(timestamp_us) {
        return Ok(timestamp_us);
    }
    let mut moved = timestamp_us;
    if interval.months != 0 || interval.days != 0 {
        let whole = Interval { microseconds: 0, ..*interval };
        moved = zone.to_instant(add_local(zone.to_local(moved), &whole)?);
    }
    moved
        .checked_add(interval.microseconds)
        .filter(|moved| !timestamp_type::is_infinite(*moved))
        .ok_or_else(timestamp_type::out_of_range)
}

fn instant_plus(context: &EvalContext<'_>, timestamp_us: i64, by: &Interval) -> Result<Value> {
    Ok(Value::Timestamp(add_instant(timestamp_us, by, &zone::session_zone(context))?))
}

/// Difference in whole days and time.
fn difference(a: i64, b: i64) -> Result<Value> {
    if timestamp_type::is_infinite(a) || timestamp_type::is_infinite(b) {
        return Err(QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "cannot subtract infinite timestamps"));
    }
    let microseconds = a.checked_sub(b).ok_or_else(interval_type::out_of_range)?;
    let interval = Interval { months: 0, days: 0, microseconds };
    Ok(Value::Interval(interval_type::justify_hours(&interval)?))
}

fn date_plus(value: &Value, days: i64) -> Result<Value> {
    let date = date(value)?;
    if date == date_type::INFINITY || date == date_type::NEGATIVE_INFINITY {
        return Ok(Value::Date(date));
    }
    let moved = i64::from(date)
        .checked_add(days)
        .ok_or_else(|| QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "date out of range"))?;
    Ok(Value::Date(date_type::from_days(moved)?))
}

fn date_plus_interval(value: &Value, by: &Interval) -> Result<Value> {
    Ok(Value::Timestamp(add_local(date_type::to_timestamp(date(value)?)?, by)?))
}

pub(super) fn register(t: &mut Table) {
    t.section("Date and time operators");
    t.op("date + int4 -> date", |_, a| date_plus(&a[0], int(&a[1])?));
    t.op("int4 + date -> date", |_, a| date_plus(&a[1], int(&a[0])?));
    t.op("date - int4 -> date", |_, a| date_plus(&a[0], -int(&a[1])?));
    t.op("date - date -> int4", |_, a| Ok(Value::Int(i64::from(date(&a[0])?) - i64::from(date(&a[1])?))));
    t.op("date + interval -> timestamp", |_, a| date_plus_interval(&a[0], &interval(&a[1])?));
    t.op("interval + date -> timestamp", |_, a| date_plus_interval(&a[1], &interval(&a[0])?));
    t.op("date - interval -> timestamp", |_, a| date_plus_interval(&a[0], &interval_type::negate(&interval(&a[1])?)?));

    t.op("timestamp + interval -> timestamp", |_, a| {
        Ok(Value::Timestamp(add_local(timestamp(&a[0])?, &interval(&a[1])?)?))
    });
    t.op("interval + timestamp -> timestamp", |_, a| {
        Ok(Value::Timestamp(add_local(timestamp(&a[1])?, &interval(&a[0])?)?))
    });
    t.op("timestamp - interval -> timestamp", |_, a| {
        Ok(Value::Timestamp(add_local(timestamp(&a[0])?, &interval_type::negate(&interval(&a[1])?)?)?))
    });
    t.op("timestamp - timestamp -> interval", |_, a| difference(timestamp(&a[0])?, timestamp(&a[1])?));

    t.op("timestamptz + interval -> timestamptz", |c, a| instant_plus(c, timestamp(&a[0])?, &interval(&a[1])?))
        .stable();
    t.op("interval + timestamptz -> timestamptz", |c, a| instant_plus(c, timestamp(&a[1])?, &interval(&a[0])?))
        .stable();
    t.op("timestamptz - interval -> timestamptz", |c, a| {
        instant_plus(c, timestamp(&a[0])?, &interval_type::negate(&interval(&a[1])?)?)
    })
    .stable();
    t.op("timestamptz - timestamptz -> interval", |_, a| difference(timestamp(&a[0])?, timestamp(&a[1])?));

    t.op("interval + interval -> interval", |_, a| {
        Ok(Value::Interval(interval_type::add(&interval(&a[0])?, &interval(&a[1])?)?))
    });
    t.op("interval - interval -> interval", |_, a| {
        Ok(Value::Interval(interval_type::add(&interval(&a[0])?, &interval_type::negate(&interval(&a[1])?)?)?))
    });
    t.op("- interval -> interval", |_, a| Ok(Value::Interval(interval_type::negate(&interval(&a[0])?)?)));
    t.op("interval * float8 -> interval", |_, a| {
        Ok(Value::Interval(interval_type::multiply(&interval(&a[0])?, float(&a[1])?)?))
    });
    t.op("float8 * interval -> interval", |_, a| {
        Ok(Value::Interval(interval_type::multiply(&interval(&a[1])?, float(&a[0])?)?))
    });
    t.op("interval / float8 -> interval", |_, a| {
        let divisor = float(&a[1])?;
        if divisor == 0.0 {
            return Err(division_by_zero());
        }
        Ok(Value::Interval(interval_type::divide(&interval(&a[0])?, divisor)?))
    });
}
