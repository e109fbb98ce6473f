//! Time zones: the session's `TimeZone`, zones named in values, and the offsets they give.

mod abbreviations;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::calendar::{self, SECOND_US};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};
pub(crate) use abbreviations::ABBREVIATIONS;

/// How a zone turns instants into clocks.
#[derive(Clone, Debug)]
pub(crate) enum Zone {
    /// Seconds east of Greenwich.
    Fixed(i32),
    Named(TimeZone),
}

pub(crate) const UTC: Zone = Zone::Fixed(0);

/// The session's zone; UTC when none is set.
pub(crate) fn session_zone(context: &EvalContext<'_>) -> Zone {
    match context.exec.session.settings.read().get("timezone") {
        None => UTC,
        Some(name) => zone(name).unwrap_or(UTC),
    }
}

/// 22023 `time zone "x" not recognized`.
///
/// A numeric offset is POSIX's here: west is positive.
pub(crate) fn named(name: &str) -> Result<Zone> {
    let found = match zone(name) {
        Some(Zone::Fixed(seconds)) if name.trim().starts_with(['+', '-']) => Some(Zone::Fixed(-seconds)),
        other => other,
    };
    found.ok_or_else(|| {
        QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, format!("time zone \"{name}\" not recognized"))
    })
}

/// An IANA name, an abbreviation, or a numeric offset (`+02`, `-05:30`; ISO sign: east is positive).
pub(crate) fn zone(name: &str) -> Option<Zone> {
    let name = name.trim();
    if let Some(seconds) = abbreviation(name) {
        return Some(Zone::Fixed(seconds));
    }
    if name.starts_with(['+', '-']) {
        return offset(name).map(Zone::Fixed);
    }
    TimeZone::get(name).ok().map(Zone::Named)
}

/// Seconds east of Greenwich of an abbreviation.
pub(crate) fn abbreviation(name: &str) -> Option<i32> {
    let upper = name.to_ascii_uppercase();
    if matches!(upper.as_str(), "ETC/UTC" | "UCT") {
        return Some(0);
    }
    let at = ABBREVIATIONS.binary_search_by(|(known, ..)| (*known).cmp(&upper)).ok()?;
    Some(ABBREVIATIONS[at].1)
}

/// `+HH`, `+HHMM`, `+HH:MM`, `+HH:MM:SS`: seconds east.
pub(crate) fn offset(text: &str) -> Option<i32> {
    let negative = text.starts_with('-');
    let rest = text.strip_prefix(['+', '-'])?;
    let parts: Vec<&str> = rest.split(':').collect();
    let numbers: Vec<i32> = if parts.len() == 1 && rest.len() == 4 {
        vec![rest.get(..2)?.parse().ok()?, rest.get(2..)?.parse().ok()?]
    } else if parts.len() <= 3 && parts.iter().all(|part| matches!(part.len(), 1 | 2)) {
        parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>()?
    } else {
        return None;
    };
    let field = |i: usize| numbers.get(i).copied().unwrap_or(0);
    if field(0) > 15 || field(1) > 59 || field(2) > 59 {
        return None;
    }
    let seconds = field(0) * 3600 + field(1) * 60 + field(2);
    Some(if negative { -seconds } else { seconds })
}

impl Zone {
    /// Seconds east of Greenwich at an instant.
    pub(crate) fn offset_at(&self, timestamp_us: i64) -> i32 {
        match self {
            Zone::Fixed(seconds) => *seconds,
            Zone::Named(zone) => zone.to_offset(instant(timestamp_us)).seconds(),
        }
    }

    /// The clock (as microseconds since 1970 without zone) shown at an instant.
    pub(crate) fn to_local(&self, timestamp_us: i64) -> i64 {
        timestamp_us.saturating_add(i64::from(self.offset_at(timestamp_us)) * SECOND_US)
    }

    /// The instant at which a clock shows this time. Of two, the later; in a gap, the offset before it.
    pub(crate) fn to_instant(&self, local_us: i64) -> i64 {
        let zone = match self {
            Zone::Fixed(seconds) => return local_us.saturating_sub(i64::from(*seconds) * SECOND_US),
            Zone::Named(zone) => zone,
        };
        let civil = calendar::split(local_us);
        let seconds = civil.time_us / SECOND_US;
        let datetime = i16::try_from(civil.year).ok().and_then(|year| {
            jiff::civil::DateTime::new(
                year,
                civil.month as i8,
                civil.day as i8,
                (seconds / 3600) as i8,
                (seconds / 60 % 60) as i8,
                (seconds % 60) as i8,
                (civil.time_us % SECOND_US) as i32 * 1000,
            )
            .ok()
        });
        match datetime.and_then(|datetime| zone.to_ambiguous_timestamp(datetime).later().ok()) {
            Some(instant) => instant.as_microsecond(),
            // Beyond the years the zone database covers: the offset of its border.
            None => local_us.saturating_sub(i64::from(self.offset_at(local_us)) * SECOND_US),
        }
    }

    /// Abbreviation at an instant, as `to_char`'s TZ prints it.
    pub(crate) fn abbreviation_at(&self, timestamp_us: i64) -> String {
        match self {
            Zone::Fixed(0) => "UTC".to_owned(),
            Zone::Fixed(seconds) => offset_text(*seconds),
            Zone::Named(zone) => zone.to_offset_info(instant(timestamp_us)).abbreviation().to_owned(),
        }
    }
}

fn instant(timestamp_us: i64) -> Timestamp {
    Timestamp::from_microsecond(timestamp_us).unwrap_or(if timestamp_us < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// `+00`, `+05:30`, `-00:44:30`.
pub(crate) fn offset_text(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let seconds = seconds.abs();
    let mut out = format!("{sign}{:02}", seconds / 3600);
    if seconds % 3600 != 0 {
        out.push_str(&format!(":{:02}", seconds / 60 % 60));
        if seconds % 60 != 0 {
            out.push_str(&format!(":{:02}", seconds % 60));
        }
    }
    out
}
