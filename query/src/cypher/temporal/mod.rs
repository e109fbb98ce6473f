//! Temporal values: what Cypher's constructors, arithmetic and components compute, apart from how they are called.
//!
//! A point in time is taken apart into a [`Moment`] (date, time of day, zone, as far as it has them), changed, and put
//! together again by [`construct`]. Text is read by [`parse`], maps by [`fields`]; [`date`] and [`clock`] complete what a
//! map leaves open from a base value. The calendar is the proleptic Gregorian one, zones are the database's by name.

mod clock;
pub(crate) mod component;
mod construct;
mod date;
mod duration;
mod fields;
mod parse;
#[cfg(test)]
mod tests;
mod truncate;
mod zone;

pub(super) use construct::{from_epoch, from_map, from_temporal, has_null, now};
pub(super) use duration::{
    Unit as DurationUnit, add, between, divide, from_units, in_days, in_months, in_seconds, multiply,
};
pub(super) use parse::{duration_from_text, from_text};
pub(super) use truncate::truncate;
pub(super) use zone::ZoneRule;

use sinew_storage::temporal::{DAYS, NANOSECONDS_PER_DAY, NANOSECONDS_PER_SECOND, SECONDS_PER_DAY, Zone};
use sinew_storage::{Temporal, TemporalKind};

use super::errors;
use crate::error::{QueryError, Result, sqlstate};

/// The parts of a point in time, on its own clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Moment {
    /// Days since 1970-01-01.
    pub date: Option<i64>,
    /// Nanoseconds since midnight.
    pub time: Option<i64>,
    pub zone: Option<ZoneRule>,
}

impl Moment {
    /// None of a duration.
    pub fn of(value: &Temporal) -> Option<Moment> {
        let clock = |local_seconds: i64, nanoseconds: u32, zone| Moment {
            date: Some(local_seconds.div_euclid(SECONDS_PER_DAY)),
            time: Some(local_seconds.rem_euclid(SECONDS_PER_DAY) * NANOSECONDS_PER_SECOND + i64::from(nanoseconds)),
            zone,
        };
        Some(match value {
            Temporal::Date(days) => Moment { date: Some(*days), ..Moment::default() },
            Temporal::LocalTime(nanoseconds) => Moment { time: Some(*nanoseconds), ..Moment::default() },
            Temporal::Time { nanoseconds, offset_seconds } => {
                Moment { time: Some(*nanoseconds), zone: Some(ZoneRule::Offset(*offset_seconds)), date: None }
            }
            Temporal::LocalDateTime { seconds, nanoseconds } => clock(*seconds, *nanoseconds, None),
            Temporal::DateTime { seconds, nanoseconds, zone } => {
                let local = seconds.saturating_add(i64::from(zone.offset_seconds));
                clock(local, *nanoseconds, Some(ZoneRule::of(zone)))
            }
            Temporal::Duration(_) => return None,
        })
    }

    /// What the clock shows, midnight when there is no time: seconds since 1970-01-01T00:00 and nanoseconds.
    fn local(date: i64, time: i64) -> (i64, u32) {
        let seconds = date * SECONDS_PER_DAY + time / NANOSECONDS_PER_SECOND;
        (seconds, (time % NANOSECONDS_PER_SECOND) as u32)
    }
}

/// A date, checked to be in range.
fn date_value(days: i64) -> Result<Temporal> {
    if DAYS.contains(&days) { Ok(Temporal::Date(days)) } else { Err(out_of_range("date")) }
}

/// What a clock without zone shows.
fn local_date_time(date: i64, time: i64) -> Result<Temporal> {
    if !DAYS.contains(&date) {
        return Err(out_of_range("local date and time"));
    }
    let (seconds, nanoseconds) = Moment::local(date, time);
    Ok(Temporal::LocalDateTime { seconds, nanoseconds })
}

/// The instant at which a clock of the zone shows this; in a gap the clock is put forward, of two instants it is the
/// earlier.
fn date_time(date: i64, time: i64, zone: &ZoneRule) -> Result<Temporal> {
    if !DAYS.contains(&date) {
        return Err(out_of_range("date and time"));
    }
    let (local_seconds, nanoseconds) = Moment::local(date, time);
    at_instant(zone.instant_of(local_seconds), nanoseconds, zone)
}

/// What a clock of the zone shows at an instant.
fn at_instant(seconds: i64, nanoseconds: u32, zone: &ZoneRule) -> Result<Temporal> {
    let offset_seconds = zone.offset_at(seconds);
    let local_seconds = seconds.checked_add(i64::from(offset_seconds));
    if !local_seconds.is_some_and(|local| DAYS.contains(&local.div_euclid(SECONDS_PER_DAY))) {
        return Err(out_of_range("date and time"));
    }
    Ok(Temporal::DateTime { seconds, nanoseconds, zone: Zone { offset_seconds, name: zone.name() } })
}

/// Nanoseconds brought back into one day.
fn time_of_day(nanoseconds: i128) -> i64 {
    nanoseconds.rem_euclid(i128::from(NANOSECONDS_PER_DAY)) as i64
}

fn classified(error: QueryError) -> QueryError {
    error.cypher("ArgumentError", errors::RUNTIME, "InvalidArgumentValue")
}

fn out_of_range(what: &str) -> QueryError {
    classified(QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, format!("{what} out of range")))
}

fn invalid(message: impl Into<String>) -> QueryError {
    classified(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, message))
}

/// As users call it.
fn function_name(kind: TemporalKind) -> &'static str {
    match kind {
        TemporalKind::DateTime => "datetime",
        TemporalKind::LocalDateTime => "localdatetime",
        TemporalKind::Date => "date",
        TemporalKind::Time => "time",
        TemporalKind::LocalTime => "localtime",
        TemporalKind::Duration => "duration",
    }
}
