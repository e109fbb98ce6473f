//! Truncation to a unit, and fields put in place of what was cut.

use sinew_storage::temporal::{NANOSECONDS_PER_DAY, NANOSECONDS_PER_SECOND};
use sinew_storage::value::MapValue;
use sinew_storage::{Temporal, TemporalKind};

use super::clock::{Fraction, time_from_fields};
use super::date::{date_from_fields, quarter_of, quarter_start, week_year_start};
use super::fields::{DATE_FIELDS, Fields, TIME_FIELDS};
use super::{Moment, ZoneRule, date_time, date_value, function_name, invalid, local_date_time};
use crate::cypher::errors;
use crate::error::Result;
use crate::types::calendar::{civil_from_days, days_from_civil, iso_week};

const DATE_UNITS: &[&str] = &["millennium", "century", "decade", "year", "weekYear", "quarter", "month", "week", "day"];
/// With their lengths in nanoseconds.
const TIME_UNITS: &[(&str, i64)] = &[
    ("day", NANOSECONDS_PER_DAY),
    ("hour", 3_600 * NANOSECONDS_PER_SECOND),
    ("minute", 60 * NANOSECONDS_PER_SECOND),
    ("second", NANOSECONDS_PER_SECOND),
    ("millisecond", 1_000_000),
    ("microsecond", 1_000),
];

/// The first day of the unit that `date` lies in; None when the unit is shorter than a day.
fn truncated_date(unit: &str, date: i64) -> Option<i64> {
    let (year, month, _) = civil_from_days(date);
    let years = |length: i64| days_from_civil(year - year.rem_euclid(length), 1, 1);
    Some(match unit {
        "millennium" => years(1_000),
        "century" => years(100),
        "decade" => years(10),
        "year" => years(1),
        "weekYear" => week_year_start(iso_week(date).0),
        "quarter" => quarter_start(year, quarter_of(month)),
        "month" => days_from_civil(year, month, 1),
        "week" => date - (iso_week(date).2 - 1),
        "day" => date,
        _ => return None,
    })
}

/// `kind.truncate(unit, value, fields)`. A zone among the fields is set on the clock as it stands.
pub(in crate::cypher) fn truncate(
    kind: TemporalKind,
    unit: &str,
    value: &Temporal,
    fields: &MapValue,
    now_seconds: i64,
) -> Result<Temporal> {
    let function = function_name(kind);
    let is = |known: &&str| known.eq_ignore_ascii_case(unit);
    let has_date = !matches!(kind, TemporalKind::Time | TemporalKind::LocalTime);
    let has_time = kind != TemporalKind::Date;
    let date_unit = DATE_UNITS.iter().copied().find(|known| is(known)).filter(|unit| has_date || *unit == "day");
    let time_unit = TIME_UNITS.iter().find(|(known, _)| is(known) && has_time);
    if date_unit.is_none() && time_unit.is_none() {
        let error = invalid(format!("{function}.truncate() does not know the unit \"{unit}\""));
        let known = DATE_UNITS.iter().copied().chain(TIME_UNITS.iter().map(|(name, _)| *name));
        return Err(match errors::near_miss(unit, known) {
            Some(near) => error.hint(format!("Perhaps you meant \"{near}\".")),
            None => error,
        });
    }
    let fields = Fields { function, map: fields };
    let zone: &[&str] = &["timezone"];
    match kind {
        TemporalKind::Date => fields.check_names(&[DATE_FIELDS])?,
        TemporalKind::LocalTime => fields.check_names(&[TIME_FIELDS])?,
        TemporalKind::Time => fields.check_names(&[TIME_FIELDS, zone])?,
        TemporalKind::LocalDateTime => fields.check_names(&[DATE_FIELDS, TIME_FIELDS])?,
        _ => fields.check_names(&[DATE_FIELDS, TIME_FIELDS, zone])?,
    }
    let given = value.kind().name();
    let lacks = |what: &str| invalid(format!("{function}.truncate() needs a value with a {what}, got {given}"));
    let moment = Moment::of(value).ok_or_else(|| lacks("date or time"))?;
    let date = || {
        let date = moment.date.ok_or_else(|| lacks("date"))?;
        date_from_fields(Some(date_unit.and_then(|unit| truncated_date(unit, date)).unwrap_or(date)), &fields)
    };
    let time = || {
        let time = match (date_unit, moment.time) {
            (Some(_), _) => 0,
            (None, Some(time)) => time - time % time_unit.map_or(1, |(_, length)| *length),
            (None, None) => return Err(lacks("time")),
        };
        time_from_fields(Some(time), &fields, Fraction::Kept)
    };
    let zone = || Ok(fields.zone()?.or_else(|| moment.zone.clone()).unwrap_or(ZoneRule::UTC));
    match kind {
        TemporalKind::Date => date_value(date()?),
        TemporalKind::LocalTime => Ok(Temporal::LocalTime(time()?)),
        TemporalKind::Time => {
            let seconds = match value {
                Temporal::DateTime { seconds, .. } => *seconds,
                _ => now_seconds,
            };
            Ok(Temporal::Time { nanoseconds: time()?, offset_seconds: zone()?.offset_at(seconds) })
        }
        TemporalKind::LocalDateTime => local_date_time(date()?, time()?),
        _ => {
            let zone: Result<ZoneRule> = zone();
            date_time(date()?, time()?, &zone?)
        }
    }
}
