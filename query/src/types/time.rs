//! `time` and `timetz`: a clock without a date, 00:00:00 to 24:00:00.
//!
//! A `time` is an integer, microseconds since midnight. A `timetz` is one too: microseconds since midnight in Greenwich
//! (below 0 and above a day where the zone's day differs) times 2^17, plus the zone in seconds west and an offset that
//! keeps it positive. That order is PostgreSQL's: by instant, then by zone.

use super::calendar::{self, DAY_US, SECOND_US};
use super::datetime_input;
use super::zone::{self, Zone};
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

const ZONE_BITS: u32 = 17;
/// A microsecond of a packed `timetz`.
pub(crate) const PACKED_MICROSECOND: i64 = 1 << ZONE_BITS;
/// Added to a zone's seconds west, which stay within 16 hours.
const ZONE_OFFSET: i64 = 1 << (ZONE_BITS - 1);
/// PostgreSQL's bound of a zone's displacement, exclusive.
const ZONE_LIMIT_SECONDS: i64 = 16 * 3600;

/// The parts of a `timetz`: microseconds since midnight on its own clock, and seconds east of Greenwich.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ZonedTime {
    pub time_us: i64,
    pub east_seconds: i32,
}

pub(crate) fn pack(time: ZonedTime) -> i64 {
    let east = i64::from(time.east_seconds);
    ((time.time_us - east * SECOND_US) << ZONE_BITS) + (ZONE_OFFSET - east)
}

pub(crate) fn unpack(packed: i64) -> ZonedTime {
    let east = ZONE_OFFSET - (packed & ((1 << ZONE_BITS) - 1));
    ZonedTime { time_us: (packed >> ZONE_BITS) + east * SECOND_US, east_seconds: east as i32 }
}

pub(crate) fn output(time_us: i64) -> String {
    let mut out = String::with_capacity(16);
    calendar::write_time(time_us, &mut out);
    out
}

pub(crate) fn output_tz(packed: i64) -> String {
    let time = unpack(packed);
    let mut out = output(time.time_us);
    out.push_str(&zone::offset_text(time.east_seconds));
    out
}

pub(crate) fn out_of_range() -> QueryError {
    QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "time out of range")
}

/// 22008 outside 00:00:00 to 24:00:00.
pub(crate) fn checked(time_us: i64) -> Result<i64> {
    if (0..=DAY_US).contains(&time_us) { Ok(time_us) } else { Err(out_of_range()) }
}

/// 22008 and 22009 for parts that no `timetz` has.
pub(crate) fn checked_zoned(time_us: i64, west_seconds: i64) -> Result<i64> {
    if west_seconds.abs() >= ZONE_LIMIT_SECONDS {
        return Err(QueryError::new("22009", "time zone displacement out of range"));
    }
    Ok(pack(ZonedTime { time_us: checked(time_us)?, east_seconds: -west_seconds as i32 }))
}

/// A zone and a date in the text are read and ignored, as in PostgreSQL.
pub(crate) fn input(context: &EvalContext<'_>, text: &str) -> Result<i64> {
    match datetime_input::parse_time(text, "time")? {
        None => Ok(local_now(context).rem_euclid(DAY_US)),
        Some(fields) => Ok(fields.time_us),
    }
}

/// Without a zone in the text it is the session's, today's unless the text has a date.
pub(crate) fn input_tz(context: &EvalContext<'_>, text: &str) -> Result<i64> {
    let now = context.exec.transaction_time_us;
    let Some(fields) = datetime_input::parse_time(text, "time with time zone")? else {
        return Ok(of_instant(now, &zone::session_zone(context)));
    };
    let zone = fields.zone.unwrap_or_else(|| zone::session_zone(context));
    let instant = match fields.days.and_then(|days| days.checked_mul(DAY_US)) {
        Some(midnight) => zone.to_instant(midnight.saturating_add(fields.time_us)),
        None => now,
    };
    Ok(pack(ZonedTime { time_us: fields.time_us, east_seconds: zone.offset_at(instant) }))
}

/// The session's clock at the start of the transaction, in microseconds since 1970.
pub(crate) fn local_now(context: &EvalContext<'_>) -> i64 {
    zone::session_zone(context).to_local(context.exec.transaction_time_us)
}

/// What clocks of a zone show at an instant.
pub(crate) fn of_instant(instant_us: i64, zone: &Zone) -> i64 {
    let time_us = zone.to_local(instant_us).rem_euclid(DAY_US);
    pack(ZonedTime { time_us, east_seconds: zone.offset_at(instant_us) })
}

/// The same moment of the day on another zone's clock.
pub(crate) fn in_zone(packed: i64, east_seconds: i32) -> i64 {
    let time = unpack(packed);
    let shift = i64::from(east_seconds) - i64::from(time.east_seconds);
    pack(ZonedTime { time_us: (time.time_us + shift * SECOND_US).rem_euclid(DAY_US), east_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zoned_times_are_packed_in_order() {
        let packed = |time_us, east_seconds| pack(ZonedTime { time_us, east_seconds });
        for time in [(0, 0), (DAY_US, -57_599), (1, 57_599), (43_200_000_000, 3_600)] {
            assert_eq!(unpack(packed(time.0, time.1)), ZonedTime { time_us: time.0, east_seconds: time.1 });
        }
        // 12:00+01 is 11:00 in Greenwich, before 11:30+00, and after 11:00+00 only by its zone.
        assert!(packed(43_200_000_000, 3_600) < packed(41_400_000_000, 0));
        assert!(packed(43_200_000_000, 3_600) < packed(39_600_000_000, 0));
        assert_eq!(unpack(in_zone(packed(0, 0), -3_600)).time_us, 23 * 3_600_000_000);
    }
}
