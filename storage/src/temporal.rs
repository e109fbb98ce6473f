//! Cypher's temporal values: nanoseconds, years to ±999,999,999, time zones by name.
//!
//! SQL's types hold less (microseconds, an instant without its zone), so these are values of their own. Text is ISO 8601
//! as Cypher writes it: seconds only when there are some, a year beyond four digits with its sign.

use std::cmp::Ordering;
use std::fmt::{self, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::types::DataType;

pub const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;
pub const SECONDS_PER_DAY: i64 = 86_400;
pub const NANOSECONDS_PER_DAY: i64 = SECONDS_PER_DAY * NANOSECONDS_PER_SECOND;
/// Of the mean Gregorian year; what a fraction of a month is worth.
pub const SECONDS_PER_MONTH: i64 = 2_629_746;
/// Years that values may have.
pub const YEARS: std::ops::RangeInclusive<i64> = -999_999_999..=999_999_999;
/// Days since 1970-01-01 of dates in [`YEARS`].
pub const DAYS: std::ops::RangeInclusive<i64> = -365_243_219_162..=365_241_780_471;
/// Offsets of zones.
pub const OFFSET_SECONDS: std::ops::RangeInclusive<i32> = -64_800..=64_800;
/// Days since 1970-01-01 that both `date` and `timestamp` have: from 4714-11-24 BC to the end of the year 294246.
const SQL_DAYS: std::ops::RangeInclusive<i64> = -2_440_588..=106_751_961;

/// A point in time or a span of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Temporal {
    /// Days since 1970-01-01, within [`DAYS`].
    Date(i64),
    /// Nanoseconds since midnight.
    LocalTime(i64),
    /// Nanoseconds since midnight on a clock that is `offset_seconds` ahead of UTC.
    Time {
        nanoseconds: i64,
        offset_seconds: i32,
    },
    /// What a clock without zone shows: seconds since 1970-01-01T00:00, and nanoseconds below a second.
    LocalDateTime {
        seconds: i64,
        nanoseconds: u32,
    },
    /// An instant (seconds since 1970-01-01T00:00Z, and nanoseconds below a second) with the clock that shows it.
    DateTime {
        seconds: i64,
        nanoseconds: u32,
        zone: Zone,
    },
    Duration(Duration),
}

/// The clock of a [`Temporal::DateTime`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zone {
    /// Ahead of UTC, at the instant it belongs to.
    pub offset_seconds: i32,
    /// The name in the time zone database; None for a plain offset.
    pub name: Option<Arc<str>>,
}

/// Months, days and seconds kept apart, since a month has no fixed number of days nor a day one of hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Duration {
    pub months: i64,
    pub days: i64,
    /// Rounded down.
    pub seconds: i64,
    /// Below a second.
    pub nanoseconds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TemporalKind {
    DateTime,
    LocalDateTime,
    Date,
    Time,
    LocalTime,
    Duration,
}

impl TemporalKind {
    pub const ALL: [TemporalKind; 6] = [
        TemporalKind::DateTime,
        TemporalKind::LocalDateTime,
        TemporalKind::Date,
        TemporalKind::Time,
        TemporalKind::LocalTime,
        TemporalKind::Duration,
    ];

    /// The SQL type that results of this kind have when it holds them exactly.
    pub fn sql_type(self) -> DataType {
        match self {
            TemporalKind::DateTime => DataType::Timestamptz,
            TemporalKind::LocalDateTime => DataType::Timestamp,
            TemporalKind::Date => DataType::Date,
            TemporalKind::Time => DataType::Timetz,
            TemporalKind::LocalTime => DataType::Time,
            TemporalKind::Duration => DataType::Interval,
        }
    }

    /// The kind that values of an SQL type are of, whatever its modifier.
    pub fn of_sql_type(ty: &DataType) -> Option<TemporalKind> {
        TemporalKind::ALL.into_iter().find(|kind| kind.sql_type().same_base(ty))
    }

    /// As `valueType()` and messages name it.
    pub fn name(self) -> &'static str {
        match self {
            TemporalKind::DateTime => "ZONED DATETIME",
            TemporalKind::LocalDateTime => "LOCAL DATETIME",
            TemporalKind::Date => "DATE",
            TemporalKind::Time => "ZONED TIME",
            TemporalKind::LocalTime => "LOCAL TIME",
            TemporalKind::Duration => "DURATION",
        }
    }
}

impl Zone {
    pub const UTC: Zone = Zone { offset_seconds: 0, name: None };
}

impl Duration {
    /// Of seconds that may be split anyhow. None when out of range.
    pub fn new(months: i64, days: i64, nanoseconds: i128) -> Option<Duration> {
        let second = i128::from(NANOSECONDS_PER_SECOND);
        Some(Duration {
            months,
            days,
            seconds: i64::try_from(nanoseconds.div_euclid(second)).ok()?,
            nanoseconds: nanoseconds.rem_euclid(second) as u32,
        })
    }

    /// Seconds and nanoseconds together.
    pub fn total_nanoseconds(&self) -> i128 {
        i128::from(self.seconds) * i128::from(NANOSECONDS_PER_SECOND) + i128::from(self.nanoseconds)
    }

    /// Its length with months and days at their mean, in nanoseconds: durations are ordered by it.
    pub fn mean_nanoseconds(&self) -> i128 {
        let seconds = i128::from(self.months) * i128::from(SECONDS_PER_MONTH)
            + i128::from(self.days) * i128::from(SECONDS_PER_DAY);
        seconds * i128::from(NANOSECONDS_PER_SECOND) + self.total_nanoseconds()
    }
}

impl Temporal {
    pub fn kind(&self) -> TemporalKind {
        match self {
            Temporal::Date(_) => TemporalKind::Date,
            Temporal::LocalTime(_) => TemporalKind::LocalTime,
            Temporal::Time { .. } => TemporalKind::Time,
            Temporal::LocalDateTime { .. } => TemporalKind::LocalDateTime,
            Temporal::DateTime { .. } => TemporalKind::DateTime,
            Temporal::Duration(_) => TemporalKind::Duration,
        }
    }

    /// Whether the type of [`TemporalKind::sql_type`] has exactly this value: whole microseconds, years that it knows, UTC
    /// for a date with zone.
    pub fn fits_sql_type(&self) -> bool {
        let whole = |nanoseconds: i64| nanoseconds % 1_000 == 0;
        let timestamp = |seconds: i64, nanoseconds: u32| {
            whole(i64::from(nanoseconds)) && SQL_DAYS.contains(&seconds.div_euclid(SECONDS_PER_DAY))
        };
        match self {
            Temporal::Date(days) => SQL_DAYS.contains(days),
            Temporal::LocalTime(nanoseconds) => whole(*nanoseconds),
            Temporal::Time { nanoseconds, offset_seconds } => whole(*nanoseconds) && offset_seconds.abs() < 57_600,
            Temporal::LocalDateTime { seconds, nanoseconds } => timestamp(*seconds, *nanoseconds),
            Temporal::DateTime { seconds, nanoseconds, zone } => {
                *zone == Zone::UTC && timestamp(*seconds, *nanoseconds)
            }
            Temporal::Duration(duration) => {
                let total = duration.total_nanoseconds();
                total % 1_000 == 0
                    && i32::try_from(duration.months).is_ok()
                    && i32::try_from(duration.days).is_ok()
                    && i64::try_from(total / 1_000).is_ok()
            }
        }
    }
}

/// A total order: by kind; moments by instant, then by zone; durations by their mean length, then by their parts.
impl Ord for Temporal {
    fn cmp(&self, other: &Temporal) -> Ordering {
        match (self, other) {
            (Temporal::Date(a), Temporal::Date(b)) | (Temporal::LocalTime(a), Temporal::LocalTime(b)) => a.cmp(b),
            (
                Temporal::Time { nanoseconds: a, offset_seconds: a_offset },
                Temporal::Time { nanoseconds: b, offset_seconds: b_offset },
            ) => (utc_of_day(*a, *a_offset), a_offset).cmp(&(utc_of_day(*b, *b_offset), b_offset)),
            (
                Temporal::LocalDateTime { seconds: a, nanoseconds: a_nanoseconds },
                Temporal::LocalDateTime { seconds: b, nanoseconds: b_nanoseconds },
            ) => (a, a_nanoseconds).cmp(&(b, b_nanoseconds)),
            (
                Temporal::DateTime { seconds: a, nanoseconds: a_nanoseconds, zone: a_zone },
                Temporal::DateTime { seconds: b, nanoseconds: b_nanoseconds, zone: b_zone },
            ) => (a, a_nanoseconds, a_zone).cmp(&(b, b_nanoseconds, b_zone)),
            (Temporal::Duration(a), Temporal::Duration(b)) => {
                let parts = |d: &Duration| (d.mean_nanoseconds(), d.months, d.days);
                parts(a).cmp(&parts(b))
            }
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

impl PartialOrd for Temporal {
    fn partial_cmp(&self, other: &Temporal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Nanoseconds since midnight in UTC; below 0 and above a day where the clock's day differs.
pub(crate) fn utc_of_day(nanoseconds: i64, offset_seconds: i32) -> i64 {
    nanoseconds - i64::from(offset_seconds) * NANOSECONDS_PER_SECOND
}

/// Proleptic Gregorian year, month and day of a day number. Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`.
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn write_date(days: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (year, month, day) = civil_from_days(days);
    match year {
        0..=9_999 => write!(f, "{year:04}")?,
        10_000.. => write!(f, "+{year}")?,
        _ => write!(f, "-{:04}", -year)?,
    }
    write!(f, "-{month:02}-{day:02}")
}

fn write_time(nanoseconds: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (seconds, fraction) = (nanoseconds / NANOSECONDS_PER_SECOND, nanoseconds % NANOSECONDS_PER_SECOND);
    write!(f, "{:02}:{:02}", seconds / 3_600, seconds / 60 % 60)?;
    if nanoseconds % (60 * NANOSECONDS_PER_SECOND) != 0 {
        write!(f, ":{:02}", seconds % 60)?;
        write_fraction(fraction, f)?;
    }
    Ok(())
}

fn write_fraction(nanoseconds: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if nanoseconds == 0 {
        return Ok(());
    }
    write!(f, ".{}", format!("{nanoseconds:09}").trim_end_matches('0'))
}

/// `2015-07-21T21:40:32.142` of seconds since 1970-01-01T00:00.
fn write_date_time(seconds: i64, nanoseconds: u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write_date(seconds.div_euclid(SECONDS_PER_DAY), f)?;
    f.write_char('T')?;
    write_time(seconds.rem_euclid(SECONDS_PER_DAY) * NANOSECONDS_PER_SECOND + i64::from(nanoseconds), f)
}

/// `Z`, `+02:00`, `-02:05:07`.
pub struct Offset(pub i32);

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_char('Z');
        }
        let seconds = self.0.unsigned_abs();
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", seconds / 3_600, seconds / 60 % 60)?;
        if seconds.is_multiple_of(60) { Ok(()) } else { write!(f, ":{:02}", seconds % 60) }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total_nanoseconds();
        let second = i128::from(NANOSECONDS_PER_SECOND);
        let (years, months) = (self.months / 12, self.months % 12);
        f.write_char('P')?;
        for (amount, unit) in [(years, 'Y'), (months, 'M'), (self.days, 'D')] {
            if amount != 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        if total == 0 {
            return if *self == Duration::default() { f.write_str("T0S") } else { Ok(()) };
        }
        f.write_char('T')?;
        let (hours, minutes) = (total / (3_600 * second), total / (60 * second) % 60);
        for (amount, unit) in [(hours, 'H'), (minutes, 'M')] {
            if amount != 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        let rest = total % (60 * second);
        if rest != 0 {
            let magnitude = rest.unsigned_abs() as i64;
            let sign = if rest < 0 { "-" } else { "" };
            write!(f, "{sign}{}", magnitude / NANOSECONDS_PER_SECOND)?;
            write_fraction(magnitude % NANOSECONDS_PER_SECOND, f)?;
            f.write_char('S')?;
        }
        Ok(())
    }
}

impl fmt::Display for Temporal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Temporal::Date(days) => write_date(*days, f),
            Temporal::LocalTime(nanoseconds) => write_time(*nanoseconds, f),
            Temporal::Time { nanoseconds, offset_seconds } => {
                write_time(*nanoseconds, f)?;
                Offset(*offset_seconds).fmt(f)
            }
            Temporal::LocalDateTime { seconds, nanoseconds } => write_date_time(*seconds, *nanoseconds, f),
            Temporal::DateTime { seconds, nanoseconds, zone } => {
                write_date_time(seconds.saturating_add(i64::from(zone.offset_seconds)), *nanoseconds, f)?;
                Offset(zone.offset_seconds).fmt(f)?;
                match &zone.name {
                    Some(name) => write!(f, "[{name}]"),
                    None => Ok(()),
                }
            }
            Temporal::Duration(duration) => duration.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(months: i64, days: i64, nanoseconds: i128) -> Temporal {
        Temporal::Duration(Duration::new(months, days, nanoseconds).expect("in range"))
    }

    #[test]
    fn text() {
        let zone = |offset_seconds, name: Option<&str>| Zone { offset_seconds, name: name.map(Arc::from) };
        let clock = |seconds, nanoseconds, zone| Temporal::DateTime { seconds, nanoseconds, zone };
        for (value, text) in [
            (Temporal::Date(0), "1970-01-01"),
            (Temporal::Date(*DAYS.start()), "-999999999-01-01"),
            (Temporal::Date(*DAYS.end()), "+999999999-12-31"),
            (Temporal::Date(-719_529), "-0001-12-31"),
            (Temporal::LocalTime(0), "00:00"),
            (Temporal::LocalTime(1), "00:00:00.000000001"),
            (Temporal::Time { nanoseconds: 45_074_000_000_000, offset_seconds: -7_507 }, "12:31:14-02:05:07"),
            (Temporal::LocalDateTime { seconds: -1, nanoseconds: 500_000_000 }, "1969-12-31T23:59:59.5"),
            (clock(0, 0, Zone::UTC), "1970-01-01T00:00Z"),
            (clock(0, 0, zone(3_600, Some("Europe/Paris"))), "1970-01-01T01:00+01:00[Europe/Paris]"),
            (duration(0, 0, 0), "PT0S"),
            (duration(149, 14, 58_390_000_000_001), "P12Y5M14DT16H13M10.000000001S"),
            (duration(0, 1, -1_000_000), "P1DT-0.001S"),
            (duration(0, 0, -60_001_000_000), "PT-1M-0.001S"),
            (duration(-14, 0, 0), "P-1Y-2M"),
        ] {
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn what_sql_holds() {
        assert!(Temporal::Date(0).fits_sql_type());
        assert!(!Temporal::Date(*DAYS.end()).fits_sql_type());
        assert!(Temporal::LocalTime(1_000).fits_sql_type());
        assert!(!Temporal::LocalTime(1).fits_sql_type());
        let zone = Zone { offset_seconds: 3_600, name: None };
        assert!(!Temporal::DateTime { seconds: 0, nanoseconds: 0, zone }.fits_sql_type());
        assert!(duration(1, 2, 3_000).fits_sql_type());
        assert!(!duration(1, 2, 3).fits_sql_type());
    }
}
