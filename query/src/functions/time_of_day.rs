//! `time` and `timetz`: arithmetic, fields, construction.

use sinew_storage::{Interval, Numeric, Value};

use super::args::{date, float, int, interval, text};
use super::datetime::{interval_zone, not_recognized, scaled, unit};
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::calendar::{DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use crate::types::time::{self, ZonedTime};
use crate::types::{IntoValue, date as date_type, modifier, numeric, timestamp as timestamp_type, zone};
use sinew_storage::TemporalType;

/// Days and months of the interval do not move a clock.
pub(super) fn plus(time_us: i64, by: i64) -> i64 {
    time_us.wrapping_add(by % DAY_US).rem_euclid(DAY_US)
}

fn moved(value: &Value, by: &Interval, sign: i64) -> Result<Value> {
    Ok(Value::Int(plus(int(value)?, sign * (by.microseconds % DAY_US))))
}

fn moved_zoned(value: &Value, by: &Interval, sign: i64) -> Result<Value> {
    let zoned = time::unpack(int(value)?);
    let time_us = plus(zoned.time_us, sign * (by.microseconds % DAY_US));
    Ok(Value::Int(time::pack(ZonedTime { time_us, ..zoned })))
}

/// The moment of a day; infinite days stay.
fn at(day: &Value, time_us: i64, east_seconds: i32) -> Result<Value> {
    let midnight = date_type::to_timestamp(date(day)?)?;
    if timestamp_type::is_infinite(midnight) {
        return Ok(Value::Timestamp(midnight));
    }
    let moment = midnight
        .checked_add(time_us)
        .and_then(|us| us.checked_sub(i64::from(east_seconds) * SECOND_US))
        .filter(|us| !timestamp_type::is_infinite(*us));
    Ok(Value::Timestamp(moment.ok_or_else(timestamp_type::out_of_range)?))
}

fn at_zoned(day: &Value, packed: &Value) -> Result<Value> {
    let zoned = time::unpack(int(packed)?);
    at(day, zoned.time_us, zoned.east_seconds)
}

/// A field of a clock; the zone's fields for `timetz` only.
fn field(name: &str, time_us: i64, zone: Option<i32>) -> Result<Numeric> {
    let type_name = if zone.is_some() { "time with time zone" } else { "time without time zone" };
    let field = unit(name).ok_or_else(|| not_recognized(name, type_name))?;
    let whole = numeric::from_int;
    Ok(match (field, zone) {
        ("microsecond", _) => whole(time_us % MINUTE_US),
        ("millisecond", _) => scaled(i128::from(time_us % MINUTE_US), 3),
        ("second", _) => scaled(i128::from(time_us % MINUTE_US), 6),
        ("minute", _) => whole(time_us / MINUTE_US % 60),
        ("hour", _) => whole(time_us / HOUR_US),
        ("epoch", None) => scaled(i128::from(time_us), 6),
        ("epoch", Some(east)) => scaled(i128::from(time_us) - i128::from(east) * i128::from(SECOND_US), 6),
        ("timezone", Some(east)) => whole(i64::from(east)),
        ("timezone_hour", Some(east)) => whole(i64::from(east / 3600)),
        ("timezone_minute", Some(east)) => whole(i64::from(east / 60 % 60)),
        _ => {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("unit \"{name}\" not supported for type {type_name}"),
            ));
        }
    })
}

fn field_of(args: &[Value], zoned: bool) -> Result<Numeric> {
    let name = text(&args[0])?;
    if zoned {
        let time = time::unpack(int(&args[1])?);
        field(name, time.time_us, Some(time.east_seconds))
    } else {
        field(name, int(&args[1])?, None)
    }
}

fn make_time(hour: i64, minute: i64, second: f64) -> Result<Value> {
    let whole = second.is_finite() && (0.0..=60.0).contains(&second);
    let second_us = if whole { (second * 1e6).round_ties_even() as i64 } else { 0 };
    let time_us = (hour.clamp(-1, 25) * 60 + minute.clamp(-1, 61)) * MINUTE_US + second_us;
    if !whole || !(0..=24).contains(&hour) || !(0..60).contains(&minute) || time_us > DAY_US {
        let seconds = if second.fract() == 0.0 { format!("{second:02}") } else { second.to_string() };
        return Err(QueryError::new(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            format!("time field value out of range: {hour}:{minute:02}:{seconds}"),
        ));
    }
    Ok(Value::Int(time_us))
}

/// The digits that `current_time(p)` and its like were given.
fn digits(value: &Value, name: &str) -> Result<i32> {
    let digits = int(value)?;
    i32::try_from(digits)
        .ok()
        .filter(|digits| *digits >= 0)
        .map(|digits| digits.min(modifier::MAX_PRECISION))
        .ok_or_else(|| {
            let message = format!("{name}({digits}) precision must not be negative");
            QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
        })
}

fn current_time(context: &EvalContext<'_>) -> Value {
    Value::Int(time::of_instant(context.exec.transaction_time_us, &zone::session_zone(context)))
}

fn local_time(context: &EvalContext<'_>) -> Value {
    Value::Int(time::local_now(context).rem_euclid(DAY_US))
}

pub(super) fn register(t: &mut Table) {
    t.section("Time of day");
    t.op("time + interval -> time", |_, a| moved(&a[0], &interval(&a[1])?, 1));
    t.op("interval + time -> time", |_, a| moved(&a[1], &interval(&a[0])?, 1));
    t.op("time - interval -> time", |_, a| moved(&a[0], &interval(&a[1])?, -1));
    t.op("time - time -> interval", |_, a| {
        Ok(Value::Interval(Interval { microseconds: int(&a[0])? - int(&a[1])?, ..Interval::default() }))
    });
    t.op("date + time -> timestamp", |_, a| at(&a[0], int(&a[1])?, 0));
    t.op("time + date -> timestamp", |_, a| at(&a[1], int(&a[0])?, 0));
    t.op("date + timetz -> timestamptz", |_, a| at_zoned(&a[0], &a[1]));
    t.op("timetz + date -> timestamptz", |_, a| at_zoned(&a[1], &a[0]));
    t.op("timetz + interval -> timetz", |_, a| moved_zoned(&a[0], &interval(&a[1])?, 1));
    t.op("interval + timetz -> timetz", |_, a| moved_zoned(&a[1], &interval(&a[0])?, 1));
    t.op("timetz - interval -> timetz", |_, a| moved_zoned(&a[0], &interval(&a[1])?, -1));

    t.f("current_time() -> timetz", |c, _| Ok(current_time(c))).stable();
    t.f("current_time(int4) -> timetz", |c, a| {
        modifier::apply(current_time(c), TemporalType::Timetz, digits(&a[0], "TIME")?)
    })
    .stable();
    t.f("localtime() -> time", |c, _| Ok(local_time(c))).stable();
    t.f("localtime(int4) -> time", |c, a| modifier::apply(local_time(c), TemporalType::Time, digits(&a[0], "TIME")?))
        .stable();
    t.f("current_timestamp(int4) -> timestamptz", |c, a| {
        let now = Value::Timestamp(c.exec.transaction_time_us);
        modifier::apply(now, TemporalType::Timestamptz, digits(&a[0], "TIMESTAMP")?)
    })
    .stable();
    t.f("localtimestamp(int4) -> timestamp", |c, a| {
        modifier::apply(Value::Timestamp(time::local_now(c)), TemporalType::Timestamp, digits(&a[0], "TIMESTAMP")?)
    })
    .stable();

    t.f("extract(text, time) -> numeric", |_, a| field_of(a, false).map(IntoValue::into_value));
    t.f("extract(text, timetz) -> numeric", |_, a| field_of(a, true).map(IntoValue::into_value));
    t.f("date_part(text, time) -> float8", |_, a| Ok(Value::Float(numeric::to_f64(&field_of(a, false)?))));
    t.f("date_part(text, timetz) -> float8", |_, a| Ok(Value::Float(numeric::to_f64(&field_of(a, true)?))));
    t.f("make_time(int4, int4, float8) -> time", |_, a| make_time(int(&a[0])?, int(&a[1])?, float(&a[2])?));
    t.f("timezone(text, timetz) -> timetz", |c, a| {
        let zone = zone::named(text(&a[0])?)?;
        Ok(Value::Int(time::in_zone(int(&a[1])?, zone.offset_at(c.exec.transaction_time_us))))
    })
    .stable();
    t.f("timezone(interval, timetz) -> timetz", |_, a| {
        let zone = interval_zone(&interval(&a[0])?)?;
        Ok(Value::Int(time::in_zone(int(&a[1])?, zone.offset_at(0))))
    });
}
