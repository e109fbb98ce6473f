//! `timestamp` and `timestamptz`: microseconds since 1970 inside, since 2000-01-01 on the wire. `i64::MAX` and
//! `i64::MIN` are the infinities. A `timestamptz` is an instant, shown in the session's zone.

use super::calendar::{self, DAY_US};
use super::datetime_input::{self, Parsed};
use super::zone::{self, Zone};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

pub(crate) const INFINITY: i64 = i64::MAX;
pub(crate) const NEGATIVE_INFINITY: i64 = i64::MIN;

pub(crate) fn out_of_range() -> QueryError {
    QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "timestamp out of range")
}

pub(crate) fn is_infinite(timestamp_us: i64) -> bool {
    timestamp_us == INFINITY || timestamp_us == NEGATIVE_INFINITY
}

fn special(timestamp_us: i64) -> Option<String> {
    match timestamp_us {
        INFINITY => Some("infinity".to_owned()),
        NEGATIVE_INFINITY => Some("-infinity".to_owned()),
        _ => None,
    }
}

fn write_local(local_us: i64, separator: char, suffix: &str) -> String {
    let civil = calendar::split(local_us);
    let mut out = String::with_capacity(32);
    calendar::write_date(civil.year, civil.month, civil.day, &mut out);
    out.push(separator);
    calendar::write_time(civil.time_us, &mut out);
    out.push_str(suffix);
    if civil.year <= 0 {
        out.push_str(" BC");
    }
    out
}

/// `2026-01-02 03:04:05.123`.
pub(crate) fn output(timestamp_us: i64) -> String {
    special(timestamp_us).unwrap_or_else(|| write_local(timestamp_us, ' ', ""))
}

/// `2026-01-02 03:04:05.123+00`.
pub(crate) fn output_tz(timestamp_us: i64, zone: &Zone) -> String {
    special(timestamp_us).unwrap_or_else(|| {
        let offset = zone.offset_at(timestamp_us);
        write_local(zone.to_local(timestamp_us), ' ', &zone::offset_text(offset))
    })
}

/// ISO 8601 of an instant in UTC: `2026-01-02T03:04:05.123Z`.
pub(crate) fn output_iso_utc(timestamp_us: i64) -> String {
    special(timestamp_us).unwrap_or_else(|| write_local(timestamp_us, 'T', "Z"))
}

/// ISO 8601 as `to_jsonb` writes a timestamp: `2026-01-02T03:04:05.123`.
pub(crate) fn output_iso(timestamp_us: i64) -> String {
    special(timestamp_us).unwrap_or_else(|| write_local(timestamp_us, 'T', ""))
}

/// ISO 8601 as `to_jsonb` writes a timestamptz: `2026-01-02T03:04:05.123+00:00`.
pub(crate) fn output_iso_tz(timestamp_us: i64, zone: &Zone) -> String {
    special(timestamp_us).unwrap_or_else(|| {
        let mut offset = zone::offset_text(zone.offset_at(timestamp_us));
        if offset.len() == 3 {
            offset.push_str(":00");
        }
        write_local(zone.to_local(timestamp_us), 'T', &offset)
    })
}

/// The zone in the text, if any, is ignored, as in PostgreSQL.
pub(crate) fn input(context: &EvalContext<'_>, text: &str) -> Result<i64> {
    let session = || zone::session_zone(context);
    let now = context.exec.transaction_time_us;
    match datetime_input::parse(text, "timestamp")? {
        Parsed::Infinity => Ok(INFINITY),
        Parsed::NegativeInfinity => Ok(NEGATIVE_INFINITY),
        Parsed::Epoch => Ok(0),
        Parsed::Now => Ok(session().to_local(now)),
        Parsed::Today(offset) => Ok((session().to_local(now).div_euclid(DAY_US) + offset) * DAY_US),
        Parsed::Fields { days, time_us, .. } => combine(days, time_us, text),
    }
}

/// Without a zone in the text it is the session's.
pub(crate) fn input_tz(context: &EvalContext<'_>, text: &str) -> Result<i64> {
    let session = || zone::session_zone(context);
    let now = context.exec.transaction_time_us;
    match datetime_input::parse(text, "timestamp with time zone")? {
        Parsed::Infinity => Ok(INFINITY),
        Parsed::NegativeInfinity => Ok(NEGATIVE_INFINITY),
        Parsed::Epoch => Ok(0),
        Parsed::Now => Ok(now),
        Parsed::Today(offset) => {
            let zone = session();
            Ok(zone.to_instant((zone.to_local(now).div_euclid(DAY_US) + offset) * DAY_US))
        }
        Parsed::Fields { days, time_us, zone } => {
            let local = combine(days, time_us, text)?;
            Ok(zone.unwrap_or_else(session).to_instant(local))
        }
    }
}

fn combine(days: i64, time_us: i64, text: &str) -> Result<i64> {
    days.checked_mul(DAY_US).and_then(|us| us.checked_add(time_us)).filter(|us| !is_infinite(*us)).ok_or_else(|| {
        QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, format!("timestamp out of range: \"{text}\""))
    })
}
