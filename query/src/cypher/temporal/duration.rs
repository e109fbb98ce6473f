//! Durations: from numbers of units, between points in time, and arithmetic with them.
//!
//! A fraction of a month is worth its part of the mean month (30.436875 days), one of a day its part of 24 hours. All of
//! it is computed exactly and cut at the nanosecond.

use bigdecimal::{BigDecimal, ToPrimitive, Zero};
use sinew_storage::Temporal;
use sinew_storage::temporal::{
    DAYS, Duration, NANOSECONDS_PER_DAY, NANOSECONDS_PER_SECOND, SECONDS_PER_DAY, SECONDS_PER_MONTH,
};

use super::{Moment, ZoneRule, at_instant, date_value, invalid, local_date_time, out_of_range, time_of_day};
use crate::error::Result;
use crate::types::calendar::{Civil, add_months, civil_from_days, days_from_civil};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cypher) enum Unit {
    Years,
    Quarters,
    Months,
    Weeks,
    Days,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    pub const NAMES: [(&'static str, Unit); 11] = [
        ("years", Unit::Years),
        ("quarters", Unit::Quarters),
        ("months", Unit::Months),
        ("weeks", Unit::Weeks),
        ("days", Unit::Days),
        ("hours", Unit::Hours),
        ("minutes", Unit::Minutes),
        ("seconds", Unit::Seconds),
        ("milliseconds", Unit::Milliseconds),
        ("microseconds", Unit::Microseconds),
        ("nanoseconds", Unit::Nanoseconds),
    ];
}

/// The sum of numbers of units. None when a part of it is out of range.
pub(in crate::cypher) fn from_units(units: impl IntoIterator<Item = (Unit, BigDecimal)>) -> Option<Duration> {
    let (mut months, mut days, mut nanoseconds) = (BigDecimal::zero(), BigDecimal::zero(), BigDecimal::zero());
    for (unit, value) in units {
        let scaled = |factor: i64| &value * BigDecimal::from(factor);
        match unit {
            Unit::Years => months += scaled(12),
            Unit::Quarters => months += scaled(3),
            Unit::Months => months += value,
            Unit::Weeks => days += scaled(7),
            Unit::Days => days += value,
            Unit::Hours => nanoseconds += scaled(3_600 * NANOSECONDS_PER_SECOND),
            Unit::Minutes => nanoseconds += scaled(60 * NANOSECONDS_PER_SECOND),
            Unit::Seconds => nanoseconds += scaled(NANOSECONDS_PER_SECOND),
            Unit::Milliseconds => nanoseconds += scaled(1_000_000),
            Unit::Microseconds => nanoseconds += scaled(1_000),
            Unit::Nanoseconds => nanoseconds += value,
        }
    }
    let (whole_months, month_fraction) = split(&months);
    let (whole_days, day_fraction) = split(&days);
    let month_seconds = month_fraction * BigDecimal::from(SECONDS_PER_MONTH);
    let (days_of_month, _) = split(&(&month_seconds / BigDecimal::from(SECONDS_PER_DAY)));
    let rest_seconds = month_seconds - &days_of_month * BigDecimal::from(SECONDS_PER_DAY);
    nanoseconds += rest_seconds * BigDecimal::from(NANOSECONDS_PER_SECOND);
    nanoseconds += day_fraction * BigDecimal::from(NANOSECONDS_PER_DAY);
    let whole_days = whole_days + days_of_month;
    Duration::new(whole_months.to_i64()?, whole_days.to_i64()?, split(&nanoseconds).0.to_i128()?)
}

/// The whole number towards zero, and the fraction.
fn split(value: &BigDecimal) -> (BigDecimal, BigDecimal) {
    let whole = value.with_scale(0);
    let fraction = value - &whole;
    (whole, fraction)
}

fn parts(duration: &Duration) -> [(Unit, BigDecimal); 3] {
    [
        (Unit::Months, duration.months.into()),
        (Unit::Days, duration.days.into()),
        (Unit::Nanoseconds, duration.total_nanoseconds().into()),
    ]
}

pub(in crate::cypher) fn multiply(duration: &Duration, factor: &BigDecimal) -> Result<Duration> {
    let product = from_units(parts(duration).map(|(unit, value)| (unit, value * factor)));
    product.ok_or_else(|| out_of_range("duration"))
}

/// `divisor` is not 0.
pub(in crate::cypher) fn divide(duration: &Duration, divisor: &BigDecimal) -> Result<Duration> {
    let quotient = from_units(parts(duration).map(|(unit, value)| (unit, value / divisor)));
    quotient.ok_or_else(|| out_of_range("duration"))
}

/// The sum part by part, or the difference when `sign` is -1.
pub(in crate::cypher) fn combine(a: &Duration, b: &Duration, sign: i64) -> Result<Duration> {
    let sum = |a: i64, b: i64| a.checked_add(b.checked_mul(sign)?);
    let nanoseconds = a.total_nanoseconds() + b.total_nanoseconds() * i128::from(sign);
    let combined = || Duration::new(sum(a.months, b.months)?, sum(a.days, b.days)?, nanoseconds);
    combined().ok_or_else(|| out_of_range("duration"))
}

/// A point in time `sign` times the duration later: first its months, then its days, on the clock; then the rest of it.
/// A date counts whole days of the rest, a time of day nothing but the rest.
pub(in crate::cypher) fn add(value: &Temporal, duration: &Duration, sign: i64) -> Result<Temporal> {
    let nanoseconds = duration.total_nanoseconds() * i128::from(sign);
    let failed = || out_of_range("date and time");
    let later = |date: i64| {
        let months = duration.months.checked_mul(sign)?;
        add_calendar(date, months, duration.days.checked_mul(sign)?)
    };
    let split = |total: i128| {
        let second = i128::from(NANOSECONDS_PER_SECOND);
        Some((i64::try_from(total.div_euclid(second)).ok()?, total.rem_euclid(second) as u32))
    };
    match value {
        Temporal::Date(date) => {
            let whole_days = i64::try_from(nanoseconds / i128::from(NANOSECONDS_PER_DAY)).ok();
            let sum = || later(*date)?.checked_add(whole_days?);
            date_value(sum().ok_or_else(|| out_of_range("date"))?)
        }
        Temporal::LocalTime(time) => Ok(Temporal::LocalTime(time_of_day(i128::from(*time) + nanoseconds))),
        Temporal::Time { nanoseconds: time, offset_seconds } => {
            let nanoseconds = time_of_day(i128::from(*time) + nanoseconds);
            Ok(Temporal::Time { nanoseconds, offset_seconds: *offset_seconds })
        }
        Temporal::LocalDateTime { seconds, nanoseconds: fraction } => {
            let date = later(seconds.div_euclid(SECONDS_PER_DAY)).ok_or_else(failed)?;
            let of_day = i128::from(seconds.rem_euclid(SECONDS_PER_DAY)) * i128::from(NANOSECONDS_PER_SECOND);
            let total = of_day + i128::from(*fraction) + nanoseconds;
            let days = i64::try_from(total.div_euclid(i128::from(NANOSECONDS_PER_DAY))).map_err(|_| failed())?;
            local_date_time(date.checked_add(days).ok_or_else(failed)?, time_of_day(total))
        }
        Temporal::DateTime { seconds, nanoseconds: fraction, zone } => {
            let rule = ZoneRule::of(zone);
            let mut instant = *seconds;
            if duration.months != 0 || duration.days != 0 {
                let local = seconds.saturating_add(i64::from(zone.offset_seconds));
                let date = later(local.div_euclid(SECONDS_PER_DAY)).ok_or_else(failed)?;
                instant = rule.instant_of(date * SECONDS_PER_DAY + local.rem_euclid(SECONDS_PER_DAY));
            }
            let total = i128::from(instant) * i128::from(NANOSECONDS_PER_SECOND) + i128::from(*fraction) + nanoseconds;
            let (seconds, nanoseconds) = split(total).ok_or_else(failed)?;
            at_instant(seconds, nanoseconds, &rule)
        }
        Temporal::Duration(other) => combine(other, duration, sign).map(Temporal::Duration),
    }
}

/// The day that many months, then days later; the day of the month is cut to its length. None when out of range.
fn add_calendar(date: i64, months: i64, days: i64) -> Option<i64> {
    let (year, month, day) = civil_from_days(date);
    let moved = add_months(&Civil { year, month, day, time_us: 0 }, months)?;
    if !sinew_storage::temporal::YEARS.contains(&moved.year) {
        return None;
    }
    let date = days_from_civil(moved.year, moved.month, moved.day).checked_add(days)?;
    DAYS.contains(&date).then_some(date)
}

/// Two points in time on one clock.
struct Span {
    from: Clock,
    to: Clock,
    zone: Option<ZoneRule>,
    /// Both have a date: only then are there months and days between them.
    dated: bool,
}

#[derive(Clone, Copy)]
struct Clock {
    date: i64,
    time: i64,
}

impl Span {
    /// What lacks a date takes the other's, what lacks a time is at midnight, what lacks a zone is in the other's; of two
    /// zones it is the first one's clock that counts.
    fn new(from: &Temporal, to: &Temporal) -> Result<Span> {
        let moment = |value: &Temporal| {
            Moment::of(value).ok_or_else(|| invalid("duration.between() expected points in time, got DURATION"))
        };
        let (a, b) = (moment(from)?, moment(to)?);
        let zone = a.zone.clone().or_else(|| b.zone.clone());
        let clock = |own: &Moment, other: &Moment| {
            let clock = Clock { date: own.date.or(other.date).unwrap_or(0), time: own.time.unwrap_or(0) };
            match (&own.zone, &zone) {
                (Some(own), Some(zone)) => clock.seen_from(own, zone),
                _ => clock,
            }
        };
        let dated = a.date.is_some() && b.date.is_some();
        Ok(Span { from: clock(&a, &b), to: clock(&b, &a), dated, zone })
    }

    /// Whole months from one to the other, towards zero.
    fn months(&self) -> i64 {
        let end = self.end_date();
        let packed = |date: i64| {
            let (year, month, day) = civil_from_days(date);
            (year * 12 + i64::from(month)) * 32 + i64::from(day)
        };
        (packed(end) - packed(self.from.date)) / 32
    }

    /// Whole days, towards zero.
    fn days(&self) -> i64 {
        self.end_date() - self.from.date
    }

    /// The last date up to the end at which the clock shows the time of the beginning.
    fn end_date(&self) -> i64 {
        let (from, to) = (self.from, self.to);
        if to.date > from.date && to.time < from.time {
            to.date - 1
        } else if to.date < from.date && to.time > from.time {
            to.date + 1
        } else {
            to.date
        }
    }

    fn nanoseconds(&self) -> i128 {
        self.to.instant(self.zone.as_ref()) - self.from.instant(self.zone.as_ref())
    }
}

impl Clock {
    /// Nanoseconds since 1970.
    fn instant(self, zone: Option<&ZoneRule>) -> i128 {
        let local = self.date * SECONDS_PER_DAY + self.time / NANOSECONDS_PER_SECOND;
        let seconds = zone.map_or(local, |zone| zone.instant_of(local));
        i128::from(seconds) * i128::from(NANOSECONDS_PER_SECOND) + i128::from(self.time % NANOSECONDS_PER_SECOND)
    }

    fn seen_from(self, own: &ZoneRule, other: &ZoneRule) -> Clock {
        let instant = own.instant_of(self.date * SECONDS_PER_DAY + self.time / NANOSECONDS_PER_SECOND);
        let local = instant.saturating_add(i64::from(other.offset_at(instant)));
        Clock {
            date: local.div_euclid(SECONDS_PER_DAY),
            time: local.rem_euclid(SECONDS_PER_DAY) * NANOSECONDS_PER_SECOND + self.time % NANOSECONDS_PER_SECOND,
        }
    }
}

fn duration(months: i64, days: i64, nanoseconds: i128) -> Result<Duration> {
    Duration::new(months, days, nanoseconds).ok_or_else(|| out_of_range("duration"))
}

/// Months, days and the rest, as much of each as fits.
pub(in crate::cypher) fn between(from: &Temporal, to: &Temporal) -> Result<Duration> {
    let mut span = Span::new(from, to)?;
    let (mut months, mut days) = (0, 0);
    if span.dated {
        months = span.months();
        span.from.date = add_calendar(span.from.date, months, 0).ok_or_else(|| out_of_range("duration"))?;
        days = span.days();
        span.from.date += days;
    }
    duration(months, days, span.nanoseconds())
}

pub(in crate::cypher) fn in_months(from: &Temporal, to: &Temporal) -> Result<Duration> {
    let span = Span::new(from, to)?;
    duration(if span.dated { span.months() } else { 0 }, 0, 0)
}

pub(in crate::cypher) fn in_days(from: &Temporal, to: &Temporal) -> Result<Duration> {
    let span = Span::new(from, to)?;
    duration(0, if span.dated { span.days() } else { 0 }, 0)
}

pub(in crate::cypher) fn in_seconds(from: &Temporal, to: &Temporal) -> Result<Duration> {
    duration(0, 0, Span::new(from, to)?.nanoseconds())
}
