//! Date and time functions: the clock, fields, truncation, ages, construction.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use sinew_storage::{Interval, Numeric, Value};

use super::args::{date, float, int, interval, text, timestamp};
use super::operators_datetime::add_instant;
use super::registry::Table;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::calendar::{self, DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use crate::types::zone::{self, Zone};
use crate::types::{IntoValue, date as date_type, interval as interval_type, numeric, timestamp as timestamp_type};

fn invalid(message: String) -> QueryError {
    QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message)
}

pub(super) fn not_recognized(field: &str, type_name: &str) -> QueryError {
    invalid(format!("unit \"{field}\" not recognized for type {type_name}"))
}

/// Canonical singular name of a unit; None when there is no such unit.
pub(super) fn unit(name: &str) -> Option<&'static str> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "microsecond" | "microseconds" | "us" | "usec" | "usecs" => "microsecond",
        "millisecond" | "milliseconds" | "ms" | "msec" | "msecs" => "millisecond",
        "second" | "seconds" | "s" | "sec" | "secs" => "second",
        "minute" | "minutes" | "m" | "min" | "mins" => "minute",
        "hour" | "hours" | "h" | "hr" | "hrs" => "hour",
        "day" | "days" | "d" => "day",
        "week" | "weeks" | "w" => "week",
        "month" | "months" | "mon" | "mons" => "month",
        "quarter" | "qtr" => "quarter",
        "year" | "years" | "y" | "yr" | "yrs" => "year",
        "decade" | "decades" | "dec" | "decs" => "decade",
        "century" | "centuries" | "c" | "cent" => "century",
        "millennium" | "millennia" | "mil" | "mils" => "millennium",
        "epoch" => "epoch",
        "dow" => "dow",
        "isodow" => "isodow",
        "doy" => "doy",
        "isoyear" => "isoyear",
        "julian" | "j" => "julian",
        "timezone" => "timezone",
        "timezone_hour" => "timezone_hour",
        "timezone_minute" => "timezone_minute",
        _ => return None,
    })
}

/// Units of length, which can be truncated to; the others only name a field.
fn is_span(field: &str) -> bool {
    !matches!(
        field,
        "epoch" | "dow" | "isodow" | "doy" | "isoyear" | "julian" | "timezone" | "timezone_hour" | "timezone_minute"
    )
}

/// `digits / 10^scale`.
pub(super) fn scaled(digits: i128, scale: i64) -> Numeric {
    Numeric::Finite(BigDecimal::new(BigInt::from(digits), scale))
}

/// Fields of an infinite timestamp that grow without bound are infinite; the others are NULL.
fn infinite_field(field: &str, positive: bool) -> Option<Numeric> {
    matches!(field, "year" | "decade" | "century" | "millennium" | "julian" | "isoyear" | "epoch")
        .then_some(if positive { Numeric::Infinity } else { Numeric::NegativeInfinity })
}

fn century(year: i64) -> i64 {
    if year > 0 { (year + 99) / 100 } else { -((99 - (year - 1)) / 100) }
}

fn millennium(year: i64) -> i64 {
    if year > 0 { (year + 999) / 1000 } else { -((999 - (year - 1)) / 1000) }
}

/// A field of a clock without zone; None when the unit does not apply.
fn local_field(field: &str, local_us: i64) -> Option<Numeric> {
    let civil = calendar::split(local_us);
    let days = local_us.div_euclid(DAY_US);
    let within_minute = civil.time_us % MINUTE_US;
    let whole = |value: i64| Some(numeric::from_int(value));
    match field {
        "microsecond" => whole(within_minute),
        "millisecond" => Some(scaled(i128::from(within_minute), 3)),
        "second" => Some(scaled(i128::from(within_minute), 6)),
        "minute" => whole(civil.time_us / MINUTE_US % 60),
        "hour" => whole(civil.time_us / HOUR_US),
        "day" => whole(i64::from(civil.day)),
        "month" => whole(i64::from(civil.month)),
        "quarter" => whole(i64::from((civil.month - 1) / 3 + 1)),
        // Year 0 is 1 BC, shown as -1.
        "year" => whole(if civil.year > 0 { civil.year } else { civil.year - 1 }),
        "decade" => whole(civil.year.div_euclid(10)),
        "century" => whole(century(civil.year)),
        "millennium" => whole(millennium(civil.year)),
        "week" => whole(calendar::iso_week(days).1),
        "isoyear" => whole(calendar::iso_week(days).0),
        "dow" => whole(calendar::weekday(days)),
        "isodow" => whole(calendar::iso_week(days).2),
        "doy" => whole(calendar::day_of_year(days)),
        "julian" => {
            let day = BigDecimal::new(BigInt::from(days + 2_440_588), 0);
            let fraction = crate::types::numeric_math::divide_at(
                &BigDecimal::new(BigInt::from(civil.time_us), 0),
                &BigDecimal::new(BigInt::from(DAY_US), 0),
                20,
            );
            Some(Numeric::Finite(if civil.time_us == 0 { day } else { day + fraction }))
        }
        "epoch" => Some(scaled(i128::from(local_us), 6)),
        _ => None,
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Date,
    Timestamp,
    Timestamptz,
    Interval,
}

/// EXTRACT: NULL where an infinite value has no such field.
fn extract(context: &EvalContext<'_>, args: &[Value], kind: Kind) -> Result<Value> {
    let name = text(&args[0])?;
    let type_name = match kind {
        Kind::Date => "date",
        Kind::Timestamp => "timestamp without time zone",
        Kind::Timestamptz => "timestamp with time zone",
        Kind::Interval => "interval",
    };
    let field = unit(name).ok_or_else(|| not_recognized(name, type_name))?;
    let unsupported = || {
        QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("unit \"{name}\" not supported for type {type_name}"))
    };
    if let Kind::Interval = kind {
        return interval_field(field, &interval(&args[1])?).map(IntoValue::into_value).ok_or_else(unsupported);
    }
    let instant = match kind {
        Kind::Date => date_type::to_timestamp(date(&args[1])?)?,
        _ => timestamp(&args[1])?,
    };
    if timestamp_type::is_infinite(instant) {
        return Ok(infinite_field(field, instant > 0).map_or(Value::Null, IntoValue::into_value));
    }
    if let Kind::Date = kind
        && matches!(field, "microsecond" | "millisecond" | "second" | "minute" | "hour" | "timezone")
    {
        return Err(unsupported());
    }
    let value = match kind {
        Kind::Timestamptz => {
            let zone = zone::session_zone(context);
            let offset = i64::from(zone.offset_at(instant));
            match field {
                "epoch" => Some(scaled(i128::from(instant), 6)),
                "timezone" => Some(numeric::from_int(offset)),
                "timezone_hour" => Some(numeric::from_int(offset / 3600)),
                "timezone_minute" => Some(numeric::from_int(offset / 60 % 60)),
                field => local_field(field, zone.to_local(instant)),
            }
        }
        Kind::Date if field == "epoch" => Some(numeric::from_int(instant / SECOND_US)),
        _ => local_field(field, instant),
    };
    value.map(IntoValue::into_value).ok_or_else(unsupported)
}

fn interval_field(field: &str, value: &Interval) -> Option<Numeric> {
    let within_minute = value.microseconds % MINUTE_US;
    let months = i64::from(value.months);
    let whole = |value: i64| Some(numeric::from_int(value));
    match field {
        "microsecond" => whole(within_minute),
        "millisecond" => Some(scaled(i128::from(within_minute), 3)),
        "second" => Some(scaled(i128::from(within_minute), 6)),
        "minute" => whole(value.microseconds / MINUTE_US % 60),
        "hour" => whole(value.microseconds / HOUR_US),
        "day" => whole(i64::from(value.days)),
        "month" => whole(months % 12),
        "quarter" => whole(months % 12 / 3 + 1),
        "year" => whole(months / 12),
        "decade" => whole(months / 120),
        "century" => whole(months / 1200),
        "millennium" => whole(months / 12_000),
        // A year is 365.25 days here.
        "epoch" => {
            let years = i128::from(value.months / 12) * 31_557_600;
            let rest = i128::from(value.months % 12) * 2_592_000 + i128::from(value.days) * 86_400;
            Some(scaled((years + rest) * 1_000_000 + i128::from(value.microseconds), 6))
        }
        _ => None,
    }
}

/// date_part: EXTRACT as a double.
fn date_part(context: &EvalContext<'_>, args: &[Value], kind: Kind) -> Result<Value> {
    // Epochs are divided as doubles, so that digits beyond a double's are lost in the same way.
    if unit(text(&args[0])?) == Some("epoch") {
        match (kind, &args[1]) {
            (Kind::Interval, Value::Interval(value)) => {
                let seconds = value.microseconds as f64 / 1e6
                    + 31_557_600.0 * f64::from(value.months / 12)
                    + 2_592_000.0 * f64::from(value.months % 12)
                    + 86_400.0 * f64::from(value.days);
                return Ok(Value::Float(seconds));
            }
            (_, Value::Timestamp(instant)) if !timestamp_type::is_infinite(*instant) => {
                return Ok(Value::Float(*instant as f64 / 1e6));
            }
            _ => {}
        }
    }
    Ok(match extract(context, args, kind)? {
        Value::Numeric(n) => Value::Float(numeric::to_f64(&n)),
        other => other,
    })
}

fn truncate_local(field: &str, local_us: i64) -> Option<i64> {
    let civil = calendar::split(local_us);
    let days = local_us.div_euclid(DAY_US);
    let floor = |step: i64| local_us - local_us.rem_euclid(step);
    let first = |year: i64, month: u32| calendar::days_from_civil(year, month, 1).checked_mul(DAY_US);
    match field {
        "microsecond" => Some(local_us),
        "millisecond" => Some(floor(1_000)),
        "second" => Some(floor(SECOND_US)),
        "minute" => Some(floor(MINUTE_US)),
        "hour" => Some(floor(HOUR_US)),
        "day" => Some(floor(DAY_US)),
        "week" => (days - (days + 3).rem_euclid(7)).checked_mul(DAY_US),
        "month" => first(civil.year, civil.month),
        "quarter" => first(civil.year, (civil.month - 1) / 3 * 3 + 1),
        "year" => first(civil.year, 1),
        "decade" => first(civil.year.div_euclid(10) * 10, 1),
        "century" => first(century(civil.year) * 100 - 99, 1),
        "millennium" => first(millennium(civil.year) * 1000 - 999, 1),
        _ => None,
    }
}

fn truncate(args: &[Value], zone: Option<&Zone>) -> Result<Value> {
    let name = text(&args[0])?;
    let value = timestamp(&args[1])?;
    let type_name = if zone.is_some() { "timestamp with time zone" } else { "timestamp without time zone" };
    let field = unit(name).filter(|field| is_span(field)).ok_or_else(|| not_recognized(name, type_name))?;
    if timestamp_type::is_infinite(value) {
        return Ok(Value::Timestamp(value));
    }
    let local = zone.map_or(value, |zone| zone.to_local(value));
    let cut = truncate_local(field, local).ok_or_else(|| {
        QueryError::new(sqlstate::FEATURE_NOT_SUPPORTED, format!("unit \"{name}\" not supported for type {type_name}"))
    })?;
    Ok(Value::Timestamp(match zone {
        // Below a day the instant moves, so that a repeated hour stays apart.
        Some(_) if matches!(field, "microsecond" | "millisecond" | "second" | "minute" | "hour") => {
            value - (local - cut)
        }
        Some(zone) => zone.to_instant(cut),
        None => cut,
    }))
}

fn truncate_interval(name: &str, value: &Interval) -> Result<Interval> {
    let field = unit(name).filter(|field| is_span(field)).ok_or_else(|| not_recognized(name, "interval"))?;
    let months = |step: i32| Interval { months: value.months / step * step, days: 0, microseconds: 0 };
    let time = |step: i64| Interval { microseconds: value.microseconds / step * step, ..*value };
    Ok(match field {
        "microsecond" => *value,
        "millisecond" => time(1_000),
        "second" => time(SECOND_US),
        "minute" => time(MINUTE_US),
        "hour" => time(HOUR_US),
        "day" => Interval { microseconds: 0, ..*value },
        "month" => months(1),
        "quarter" => months(3),
        "year" => months(12),
        "decade" => months(120),
        "century" => months(1_200),
        "millennium" => months(12_000),
        _ => {
            return Err(QueryError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                format!("unit \"{name}\" not supported for type interval"),
            ));
        }
    })
}

/// Years, months, days and time between two clocks, as one would count them on a calendar.
fn age(later: i64, earlier: i64) -> Result<Interval> {
    if timestamp_type::is_infinite(later) || timestamp_type::is_infinite(earlier) {
        return Err(interval_type::out_of_range());
    }
    let negative = later < earlier;
    let (high, low) = if negative { (earlier, later) } else { (later, earlier) };
    let (a, b) = (calendar::split(high), calendar::split(low));
    let mut months = (a.year - b.year) * 12 + i64::from(a.month) - i64::from(b.month);
    let mut days = i64::from(a.day) - i64::from(b.day);
    let mut time = a.time_us - b.time_us;
    if time < 0 {
        time += DAY_US;
        days -= 1;
    }
    if days < 0 {
        // Borrow the length of the earlier date's month.
        let borrowed = calendar::days_in_month(b.year, b.month);
        days += i64::from(borrowed);
        months -= 1;
    }
    let interval = Interval {
        months: i32::try_from(months).map_err(|_| interval_type::out_of_range())?,
        days: i32::try_from(days).map_err(|_| interval_type::out_of_range())?,
        microseconds: time,
    };
    if negative { interval_type::negate(&interval) } else { Ok(interval) }
}

/// Midnight of the session's current day as a clock.
fn today(context: &EvalContext<'_>) -> i64 {
    let local = zone::session_zone(context).to_local(context.exec.transaction_time_us);
    local - local.rem_euclid(DAY_US)
}

/// Microseconds since 1970.
pub(crate) fn clock_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn make_date(year: i64, month: i64, day: i64) -> Result<i64> {
    let out_of_range = || {
        QueryError::new(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            format!("date field value out of range: {year}-{month:02}-{day:02}"),
        )
    };
    // Negative years are BC; there is no year 0.
    let astronomical = if year < 0 { year + 1 } else { year };
    let (month32, day32) = (u32::try_from(month).unwrap_or(0), u32::try_from(day).unwrap_or(0));
    if year == 0
        || !(1..=12).contains(&month32)
        || day32 == 0
        || day32 > calendar::days_in_month(astronomical, month32)
        || !(-4712..=294_276).contains(&astronomical)
    {
        return Err(out_of_range());
    }
    Ok(calendar::days_from_civil(astronomical, month32, day32))
}

fn make_local(args: &[Value]) -> Result<i64> {
    let days = make_date(int(&args[0])?, int(&args[1])?, int(&args[2])?)?;
    let (hour, minute, second) = (int(&args[3])?, int(&args[4])?, float(&args[5])?);
    if !(0..=24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..=60.0).contains(&second) {
        return Err(QueryError::new(
            sqlstate::DATETIME_FIELD_OVERFLOW,
            format!("time field value out of range: {hour}:{minute:02}:{second}"),
        ));
    }
    let time = hour * HOUR_US + minute * MINUTE_US + (second * 1e6).round() as i64;
    days.checked_mul(DAY_US).and_then(|us| us.checked_add(time)).ok_or_else(timestamp_type::out_of_range)
}

/// years, months, weeks, days, hours, mins, secs; missing ones are 0.
fn make_interval(args: &[Value]) -> Result<Value> {
    let field = |at: usize| args.get(at).map_or(Ok(0), int);
    let seconds = args.get(6).map_or(Ok(0.0), float)?;
    let months = field(0)? * 12 + field(1)?;
    let days = field(2)? * 7 + field(3)?;
    let microseconds = i128::from(field(4)?) * i128::from(HOUR_US)
        + i128::from(field(5)?) * i128::from(MINUTE_US)
        + (seconds * 1e6).round() as i128;
    let range = interval_type::out_of_range;
    Ok(Value::Interval(Interval {
        months: i32::try_from(months).map_err(|_| range())?,
        days: i32::try_from(days).map_err(|_| range())?,
        microseconds: i64::try_from(microseconds).map_err(|_| range())?,
    }))
}

pub(super) fn interval_zone(value: &Interval) -> Result<Zone> {
    if value.months != 0 || value.days != 0 {
        return Err(invalid(format!(
            "interval time zone \"{}\" must not include months or days",
            interval_type::output(value)
        )));
    }
    Ok(Zone::Fixed((value.microseconds / SECOND_US) as i32))
}

fn to_zone(zone: &Zone, value: i64) -> Value {
    Value::Timestamp(if timestamp_type::is_infinite(value) { value } else { zone.to_local(value) })
}

fn from_zone(zone: &Zone, value: i64) -> Value {
    Value::Timestamp(if timestamp_type::is_infinite(value) { value } else { zone.to_instant(value) })
}

/// `date_bin`: the start of the stride-wide bin counted from the origin.
fn bin(stride: &Interval, source: i64, origin: i64) -> Result<Value> {
    if stride.months != 0 {
        return Err(QueryError::unsupported(
            "timestamps cannot be binned into intervals containing months or years: date_bin",
        ));
    }
    let width = i64::from(stride.days)
        .checked_mul(DAY_US)
        .and_then(|days| days.checked_add(stride.microseconds))
        .filter(|width| *width > 0)
        .ok_or_else(|| invalid("stride must be greater than zero".to_owned()))?;
    let offset = source.checked_sub(origin).ok_or_else(timestamp_type::out_of_range)?;
    Ok(Value::Timestamp(origin + (offset - offset.rem_euclid(width))))
}

pub(super) fn register(t: &mut Table) {
    t.section("Date and time functions");
    for signature in
        ["now() -> timestamptz", "transaction_timestamp() -> timestamptz", "current_timestamp() -> timestamptz"]
    {
        t.f(signature, |c, _| Ok(Value::Timestamp(c.exec.transaction_time_us))).stable();
    }
    t.f("statement_timestamp() -> timestamptz", |c, _| Ok(Value::Timestamp(c.exec.statement_time_us))).stable();
    t.f("clock_timestamp() -> timestamptz", |_, _| Ok(Value::Timestamp(clock_us()))).volatile();
    t.f("timeofday() -> text", |c, _| Ok(Value::text(timestamp_type::output_tz(clock_us(), &zone::session_zone(c)))))
        .volatile();
    t.f("localtimestamp() -> timestamp", |c, _| {
        Ok(Value::Timestamp(zone::session_zone(c).to_local(c.exec.transaction_time_us)))
    })
    .stable();
    t.f("current_date() -> date", |c, _| Ok(Value::Date(date_type::from_days(today(c) / DAY_US)?))).stable();

    t.f("extract(text, date) -> numeric", |c, a| extract(c, a, Kind::Date));
    t.f("extract(text, timestamp) -> numeric", |c, a| extract(c, a, Kind::Timestamp));
    t.f("extract(text, timestamptz) -> numeric", |c, a| extract(c, a, Kind::Timestamptz)).stable();
    t.f("extract(text, interval) -> numeric", |c, a| extract(c, a, Kind::Interval));
    t.f("date_part(text, date) -> float8", |c, a| {
        // As in PostgreSQL a date is a midnight here, so its hours and minutes are 0.
        let midnight = Value::Timestamp(date_type::to_timestamp(date(&a[1])?)?);
        date_part(c, &[a[0].clone(), midnight], Kind::Timestamp)
    });
    t.f("date_part(text, timestamp) -> float8", |c, a| date_part(c, a, Kind::Timestamp));
    t.f("date_part(text, timestamptz) -> float8", |c, a| date_part(c, a, Kind::Timestamptz)).stable();
    t.f("date_part(text, interval) -> float8", |c, a| date_part(c, a, Kind::Interval));

    t.f("date_trunc(text, timestamp) -> timestamp", |_, a| truncate(a, None));
    t.f("date_trunc(text, timestamptz) -> timestamptz", |c, a| truncate(a, Some(&zone::session_zone(c)))).stable();
    t.f("date_trunc(text, timestamptz, text) -> timestamptz", |_, a| truncate(a, Some(&zone::named(text(&a[2])?)?)))
        .stable();
    t.f("date_trunc(text, interval) -> interval", |_, a| {
        Ok(Value::Interval(truncate_interval(text(&a[0])?, &interval(&a[1])?)?))
    });
    t.f("date_bin(interval, timestamp, timestamp) -> timestamp", |_, a| {
        bin(&interval(&a[0])?, timestamp(&a[1])?, timestamp(&a[2])?)
    });
    t.f("date_bin(interval, timestamptz, timestamptz) -> timestamptz", |_, a| {
        bin(&interval(&a[0])?, timestamp(&a[1])?, timestamp(&a[2])?)
    });

    t.f("age(timestamp, timestamp) -> interval", |_, a| {
        Ok(Value::Interval(age(timestamp(&a[0])?, timestamp(&a[1])?)?))
    });
    t.f("age(timestamptz, timestamptz) -> interval", |c, a| {
        let zone = zone::session_zone(c);
        Ok(Value::Interval(age(zone.to_local(timestamp(&a[0])?), zone.to_local(timestamp(&a[1])?))?))
    })
    .stable();
    t.f("age(timestamp) -> interval", |c, a| Ok(Value::Interval(age(today(c), timestamp(&a[0])?)?))).stable();
    t.f("age(timestamptz) -> interval", |c, a| {
        Ok(Value::Interval(age(today(c), zone::session_zone(c).to_local(timestamp(&a[0])?))?))
    })
    .stable();

    t.f("make_date(int4, int4, int4) -> date", |_, a| {
        Ok(Value::Date(date_type::from_days(make_date(int(&a[0])?, int(&a[1])?, int(&a[2])?)?)?))
    });
    t.f("make_timestamp(int4, int4, int4, int4, int4, float8) -> timestamp", |_, a| {
        Ok(Value::Timestamp(make_local(a)?))
    });
    t.f("make_timestamptz(int4, int4, int4, int4, int4, float8) -> timestamptz", |c, a| {
        Ok(Value::Timestamp(zone::session_zone(c).to_instant(make_local(a)?)))
    })
    .stable();
    t.f("make_timestamptz(int4, int4, int4, int4, int4, float8, text) -> timestamptz", |_, a| {
        Ok(Value::Timestamp(zone::named(text(&a[6])?)?.to_instant(make_local(a)?)))
    })
    .stable();
    for signature in [
        "make_interval() -> interval",
        "make_interval(int4) -> interval",
        "make_interval(int4, int4) -> interval",
        "make_interval(int4, int4, int4) -> interval",
        "make_interval(int4, int4, int4, int4) -> interval",
        "make_interval(int4, int4, int4, int4, int4) -> interval",
        "make_interval(int4, int4, int4, int4, int4, int4) -> interval",
        "make_interval(int4, int4, int4, int4, int4, int4, float8) -> interval",
    ] {
        t.f(signature, |_, a| make_interval(a));
    }
    t.f("to_timestamp(float8) -> timestamptz", |_, a| {
        let seconds = float(&a[0])?;
        if seconds.is_infinite() {
            let infinity = if seconds > 0.0 { timestamp_type::INFINITY } else { timestamp_type::NEGATIVE_INFINITY };
            return Ok(Value::Timestamp(infinity));
        }
        let microseconds = (seconds * 1e6).round_ties_even();
        if !(-2.1e17..9.2e18).contains(&microseconds) {
            return Err(QueryError::new(
                sqlstate::DATETIME_FIELD_OVERFLOW,
                format!("timestamp out of range: \"{seconds}\""),
            ));
        }
        Ok(Value::Timestamp(microseconds as i64))
    });
    t.f("timezone(text, timestamptz) -> timestamp", |_, a| Ok(to_zone(&zone::named(text(&a[0])?)?, timestamp(&a[1])?)));
    t.f("timezone(text, timestamp) -> timestamptz", |_, a| {
        Ok(from_zone(&zone::named(text(&a[0])?)?, timestamp(&a[1])?))
    });
    t.f("timezone(interval, timestamptz) -> timestamp", |_, a| {
        Ok(to_zone(&interval_zone(&interval(&a[0])?)?, timestamp(&a[1])?))
    });
    t.f("timezone(interval, timestamp) -> timestamptz", |_, a| {
        Ok(from_zone(&interval_zone(&interval(&a[0])?)?, timestamp(&a[1])?))
    });
    t.f("justify_hours(interval) -> interval", |_, a| {
        Ok(Value::Interval(interval_type::justify_hours(&interval(&a[0])?)?))
    });
    t.f("justify_days(interval) -> interval", |_, a| {
        Ok(Value::Interval(interval_type::justify_days(&interval(&a[0])?)?))
    });
    t.f("justify_interval(interval) -> interval", |_, a| {
        Ok(Value::Interval(interval_type::justify(&interval(&a[0])?)?))
    });
    t.f("isfinite(date) -> bool", |_, a| {
        let days = date(&a[0])?;
        Ok(Value::Bool(days != date_type::INFINITY && days != date_type::NEGATIVE_INFINITY))
    });
    for signature in ["isfinite(timestamp) -> bool", "isfinite(timestamptz) -> bool"] {
        t.f(signature, |_, a| Ok(Value::Bool(!timestamp_type::is_infinite(timestamp(&a[0])?))));
    }
    t.f("isfinite(interval) -> bool", |_, _| Ok(Value::Bool(true)));
    t.f("date_add(timestamptz, interval) -> timestamptz", |c, a| {
        Ok(Value::Timestamp(add_instant(timestamp(&a[0])?, &interval(&a[1])?, &zone::session_zone(c))?))
    })
    .stable();
    t.f("date_subtract(timestamptz, interval) -> timestamptz", |c, a| {
        let back = interval_type::negate(&interval(&a[1])?)?;
        Ok(Value::Timestamp(add_instant(timestamp(&a[0])?, &back, &zone::session_zone(c))?))
    })
    .stable();
}
