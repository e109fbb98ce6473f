//! Points in time from maps, from other temporal values, from the epoch and from the clock.

use sinew_storage::value::MapValue;
use sinew_storage::{Temporal, TemporalKind, Value};

use super::clock::{Fraction, time_from_fields};
use super::date::date_from_fields;
use super::fields::{DATE_FIELDS, Fields, TIME_FIELDS};
use super::{
    Moment, ZoneRule, at_instant, date_time, date_value, function_name, invalid, local_date_time, out_of_range,
};
use crate::error::Result;

/// The kind's value of a map of fields; `now_us` is for the zone of a time, and for maps that name nothing but a zone.
pub(in crate::cypher) fn from_map(kind: TemporalKind, map: &MapValue, now_us: i64) -> Result<Temporal> {
    let fields = Fields { function: function_name(kind), map };
    let zone: &[&str] = &["timezone"];
    match kind {
        TemporalKind::Date => fields.check_names(&[&["date", "datetime"], DATE_FIELDS, zone])?,
        TemporalKind::LocalTime | TemporalKind::Time => {
            fields.check_names(&[&["time", "datetime"], TIME_FIELDS, zone])?;
        }
        TemporalKind::LocalDateTime => {
            fields.check_names(&[&["date", "time", "datetime"], DATE_FIELDS, TIME_FIELDS, zone])?;
        }
        _ => {
            let epoch: &[&str] = &["epochSeconds", "epochMillis"];
            fields.check_names(&[&["date", "time", "datetime"], DATE_FIELDS, TIME_FIELDS, zone, epoch])?;
        }
    }
    let given_zone = fields.zone()?;
    if map.len() == 1
        && let Some(zone) = given_zone
    {
        return now(kind, now_us, &zone);
    }
    if fields.has(&["epochSeconds", "epochMillis"]) {
        return from_epoch_fields(&fields, &given_zone.unwrap_or(ZoneRule::UTC));
    }
    let whole = fields.moment("datetime")?;
    let dated = fields.moment("date")?.or_else(|| whole.clone());
    let timed = fields.moment("time")?.or(whole);
    let base_date = dated.map(|moment| needed(&fields, "date", moment.date)).transpose()?;
    let source_zone = timed.as_ref().and_then(|moment| moment.zone.clone());
    let base_time = match timed {
        None => None,
        // A date under "datetime" has no time: midnight.
        Some(moment) if moment.time.is_none() && !fields.has(&["time"]) => Some(0),
        Some(moment) => Some(needed(&fields, "time", moment.time)?),
    };
    let date = || date_from_fields(base_date, &fields);
    let time = || time_from_fields(base_time, &fields, Fraction::Replaced);
    // A date and time needs no time.
    let time_or_midnight = || if base_time.is_none() && !fields.has(TIME_FIELDS) { Ok(0) } else { time() };
    match kind {
        TemporalKind::Date => date_value(date()?),
        TemporalKind::LocalTime => Ok(Temporal::LocalTime(time()?)),
        TemporalKind::LocalDateTime => local_date_time(date()?, time_or_midnight()?),
        TemporalKind::Time => time_in_zone(time()?, source_zone, given_zone, base_moment_seconds(base_date, now_us)),
        _ => zoned(date()?, time_or_midnight()?, source_zone, given_zone),
    }
}

fn needed(fields: &Fields<'_>, what: &str, part: Option<i64>) -> Result<i64> {
    part.ok_or_else(|| invalid(format!("the value given to {}() has no {what}", fields.function)))
}

/// At which moment a zone's offset is asked for when there is only a time: at the given date, else now.
fn base_moment_seconds(date: Option<i64>, now_us: i64) -> i64 {
    date.map_or(now_us.div_euclid(1_000_000), |days| Moment::local(days, 0).0)
}

/// A clock of `source` that shows this, read in `target` when that is given as well: the same instant. Without any zone
/// it is UTC.
fn zoned(date: i64, time: i64, source: Option<ZoneRule>, target: Option<ZoneRule>) -> Result<Temporal> {
    match (source, target) {
        (Some(source), Some(target)) => match date_time(date, time, &source)? {
            Temporal::DateTime { seconds, nanoseconds, .. } => at_instant(seconds, nanoseconds, &target),
            other => Ok(other),
        },
        (source, target) => date_time(date, time, &target.or(source).unwrap_or(ZoneRule::UTC)),
    }
}

/// As [`zoned`], for a time of day.
fn time_in_zone(time: i64, source: Option<ZoneRule>, target: Option<ZoneRule>, moment: i64) -> Result<Temporal> {
    let offset = |zone: &ZoneRule| zone.offset_at(moment);
    let (time, offset_seconds) = match (source, target) {
        (Some(source), Some(target)) => {
            let shift = i64::from(offset(&target)) - i64::from(offset(&source));
            let shifted = i128::from(time) + i128::from(shift) * 1_000_000_000;
            (super::time_of_day(shifted), offset(&target))
        }
        (source, target) => (time, offset(&target.or(source).unwrap_or(ZoneRule::UTC))),
    };
    Ok(Temporal::Time { nanoseconds: time, offset_seconds })
}

fn from_epoch_fields(fields: &Fields<'_>, zone: &ZoneRule) -> Result<Temporal> {
    if fields.has(&["epochSeconds"]) && fields.has(&["epochMillis"]) {
        return Err(invalid("datetime() cannot take both epochSeconds and epochMillis"));
    }
    if let Some(other) =
        DATE_FIELDS.iter().chain(TIME_FIELDS).find(|name| fields.has(&[name]) && **name != "nanosecond")
    {
        return Err(invalid(format!("datetime() cannot take {other} beside the time since the epoch")));
    }
    let nanosecond = fields.integer_in("nanosecond", 0..=999_999_999)?.unwrap_or(0);
    let (seconds, fraction) = match (fields.integer("epochSeconds")?, fields.integer("epochMillis")?) {
        (Some(seconds), _) => (seconds, 0),
        (None, millis) => {
            let millis = millis.unwrap_or(0);
            (millis.div_euclid(1_000), millis.rem_euclid(1_000) * 1_000_000)
        }
    };
    let fraction = fraction + nanosecond;
    let seconds = seconds.checked_add(fraction / 1_000_000_000).ok_or_else(|| out_of_range("date and time"))?;
    at_instant(seconds, (fraction % 1_000_000_000) as u32, zone)
}

/// `datetime.fromEpoch(seconds, nanoseconds)`.
pub(in crate::cypher) fn from_epoch(seconds: i64, nanoseconds: i64) -> Result<Temporal> {
    let carried = nanoseconds.div_euclid(1_000_000_000);
    let seconds = seconds.checked_add(carried).ok_or_else(|| out_of_range("date and time"))?;
    at_instant(seconds, nanoseconds.rem_euclid(1_000_000_000) as u32, &ZoneRule::UTC)
}

/// The kind's part of another value; midnight of a date, UTC of what has no zone.
pub(in crate::cypher) fn from_temporal(kind: TemporalKind, value: &Temporal, now_us: i64) -> Result<Temporal> {
    if value.kind() == kind {
        return Ok(value.clone());
    }
    let name = value.kind().name();
    let lacks = |what: &str| invalid(format!("{}() needs a value with a {what}, got {name}", function_name(kind)));
    let Some(moment) = Moment::of(value) else { return Err(lacks("date or time")) };
    match kind {
        TemporalKind::Date => date_value(moment.date.ok_or_else(|| lacks("date"))?),
        TemporalKind::LocalTime => Ok(Temporal::LocalTime(moment.time.ok_or_else(|| lacks("time"))?)),
        TemporalKind::Time => {
            let time = moment.time.ok_or_else(|| lacks("time"))?;
            let seconds = match value {
                Temporal::DateTime { seconds, .. } => *seconds,
                _ => base_moment_seconds(moment.date, now_us),
            };
            time_in_zone(time, moment.zone, None, seconds)
        }
        TemporalKind::LocalDateTime => {
            local_date_time(moment.date.ok_or_else(|| lacks("date"))?, moment.time.unwrap_or(0))
        }
        _ => zoned(moment.date.ok_or_else(|| lacks("date"))?, moment.time.unwrap_or(0), moment.zone, None),
    }
}

/// What a clock of the zone shows at an instant given in microseconds since 1970.
pub(in crate::cypher) fn now(kind: TemporalKind, instant_us: i64, zone: &ZoneRule) -> Result<Temporal> {
    let nanoseconds = (instant_us.rem_euclid(1_000_000) * 1_000) as u32;
    let instant = at_instant(instant_us.div_euclid(1_000_000), nanoseconds, zone)?;
    from_temporal(kind, &instant, instant_us)
}

/// Whether a map has a null: constructors give null then, as for a null argument.
pub(in crate::cypher) fn has_null(map: &MapValue) -> bool {
    map.values().any(Value::is_null)
}
