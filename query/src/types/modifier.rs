//! Modifiers of date and time types: how many digits the seconds keep, and which fields an interval has.
//!
//! They are kept as PostgreSQL packs them in `atttypmod`: the number of digits, 0 to 6; for an interval the digits in the
//! lower 16 bits (0xFFFF: all of them) and a bit per field above (0x7FFF: all of them).

use sinew_storage::{Interval, TemporalType, Value};

use super::calendar::{HOUR_US, MINUTE_US};
use super::time::{self, ZonedTime};
use super::{interval, timestamp};
use crate::error::Result;

/// Most digits of a second.
pub(crate) const MAX_PRECISION: i32 = 6;
const ALL_DIGITS: i32 = 0xFFFF;
const ALL_FIELDS: i32 = 0x7FFF;

/// Bits of an interval's fields.
pub(crate) mod field {
    pub(crate) const MONTH: i32 = 1 << 1;
    pub(crate) const YEAR: i32 = 1 << 2;
    pub(crate) const DAY: i32 = 1 << 3;
    pub(crate) const HOUR: i32 = 1 << 10;
    pub(crate) const MINUTE: i32 = 1 << 11;
    pub(crate) const SECOND: i32 = 1 << 12;
}

/// Every range of fields that may be declared, by its words.
pub(crate) const RANGES: &[(&str, i32)] = &[
    ("year", field::YEAR),
    ("month", field::MONTH),
    ("day", field::DAY),
    ("hour", field::HOUR),
    ("minute", field::MINUTE),
    ("second", field::SECOND),
    ("year to month", field::YEAR | field::MONTH),
    ("day to hour", field::DAY | field::HOUR),
    ("day to minute", field::DAY | field::HOUR | field::MINUTE),
    ("day to second", field::DAY | field::HOUR | field::MINUTE | field::SECOND),
    ("hour to minute", field::HOUR | field::MINUTE),
    ("hour to second", field::HOUR | field::MINUTE | field::SECOND),
    ("minute to second", field::MINUTE | field::SECOND),
];

/// The modifier of an interval; None when neither part is declared.
pub(crate) fn of_interval(fields: Option<i32>, precision: Option<i32>) -> Option<i32> {
    if fields.is_none() && precision.is_none() {
        return None;
    }
    Some((fields.unwrap_or(ALL_FIELDS) << 16) | precision.unwrap_or(ALL_DIGITS))
}

/// Declared fields of an interval's modifier.
pub(crate) fn fields(modifier: i32) -> Option<i32> {
    Some((modifier >> 16) & ALL_FIELDS).filter(|fields| *fields != ALL_FIELDS)
}

/// Declared digits of the seconds.
pub(crate) fn precision(ty: TemporalType, modifier: i32) -> Option<i32> {
    let digits = if ty == TemporalType::Interval { modifier & ALL_DIGITS } else { modifier };
    (0..=MAX_PRECISION).contains(&digits).then_some(digits)
}

/// `timestamp(3) without time zone`, `interval day to second(2)`.
pub(crate) fn type_name(ty: TemporalType, modifier: i32) -> String {
    let digits = precision(ty, modifier).map_or_else(String::new, |digits| format!("({digits})"));
    match ty {
        TemporalType::Time => format!("time{digits} without time zone"),
        TemporalType::Timetz => format!("time{digits} with time zone"),
        TemporalType::Timestamp => format!("timestamp{digits} without time zone"),
        TemporalType::Timestamptz => format!("timestamp{digits} with time zone"),
        TemporalType::Interval => {
            let range = fields(modifier).and_then(|fields| RANGES.iter().find(|(_, bits)| *bits == fields));
            let range = range.map_or_else(String::new, |(words, _)| format!(" {words}"));
            format!("interval{range}{digits}")
        }
    }
}

/// Rounds a value of the plain type; NULL and infinities stay. 22008 when the rounded value is out of range.
pub(crate) fn apply(value: Value, ty: TemporalType, modifier: i32) -> Result<Value> {
    let digits = precision(ty, modifier).filter(|digits| *digits < MAX_PRECISION);
    Ok(match (ty, value) {
        (TemporalType::Interval, Value::Interval(value)) => {
            let mut value = fields(modifier).map_or(value, |fields| restricted(value, fields));
            if let Some(digits) = digits {
                value.microseconds = rounded(value.microseconds, digits).ok_or_else(interval::out_of_range)?;
            }
            Value::Interval(value)
        }
        (TemporalType::Time, Value::Int(time_us)) => {
            Value::Int(digits.map_or(Some(time_us), |digits| rounded(time_us, digits)).ok_or_else(time::out_of_range)?)
        }
        (TemporalType::Timetz, Value::Int(packed)) => match digits {
            None => Value::Int(packed),
            Some(digits) => {
                let zoned = time::unpack(packed);
                let time_us = rounded(zoned.time_us, digits).ok_or_else(time::out_of_range)?;
                Value::Int(time::pack(ZonedTime { time_us, ..zoned }))
            }
        },
        (TemporalType::Timestamp | TemporalType::Timestamptz, Value::Timestamp(us)) => match digits {
            Some(digits) if !timestamp::is_infinite(us) => {
                // Half a unit goes away from the year 2000, PostgreSQL's zero.
                const EPOCH_US: i64 = super::calendar::WIRE_EPOCH_DAYS as i64 * super::calendar::DAY_US;
                let moved = us.checked_sub(EPOCH_US).and_then(|us| rounded(us, digits));
                let us = moved.and_then(|us| us.checked_add(EPOCH_US)).filter(|us| !timestamp::is_infinite(*us));
                Value::Timestamp(us.ok_or_else(timestamp::out_of_range)?)
            }
            _ => Value::Timestamp(us),
        },
        (_, other) => other,
    })
}

/// Half away from zero.
fn rounded(microseconds: i64, digits: i32) -> Option<i64> {
    let unit = 10_i64.pow(u32::try_from(MAX_PRECISION - digits).unwrap_or(0));
    let away = if microseconds < 0 { -unit / 2 } else { unit / 2 };
    Some(microseconds.checked_add(away)? / unit * unit)
}

/// What is finer than the smallest field is cut off; of years alone the months too.
fn restricted(value: Interval, fields: i32) -> Interval {
    let months = if fields == field::YEAR { value.months / 12 * 12 } else { value.months };
    let unit = match fields {
        fields if fields & field::SECOND != 0 => 1,
        fields if fields & field::MINUTE != 0 => MINUTE_US,
        fields if fields & field::HOUR != 0 => HOUR_US,
        fields if fields & field::DAY != 0 => return Interval { months, microseconds: 0, ..value },
        _ => return Interval { months, days: 0, microseconds: 0 },
    };
    Interval { months, days: value.days, microseconds: value.microseconds / unit * unit }
}

/// The unit of a number that has none, and whether `a:b` is minutes and seconds.
pub(crate) fn reading(fields: i32) -> (&'static str, bool) {
    let unit = if fields & field::SECOND != 0 {
        "second"
    } else if fields & field::MINUTE != 0 {
        "minute"
    } else if fields & field::HOUR != 0 {
        "hour"
    } else if fields & field::DAY != 0 {
        "day"
    } else if fields & field::MONTH != 0 {
        "month"
    } else {
        "year"
    };
    (unit, fields == field::MINUTE | field::SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_half_away_from_zero() {
        assert_eq!(rounded(1_500_000, 0), Some(2_000_000));
        assert_eq!(rounded(-1_500_000, 0), Some(-2_000_000));
        assert_eq!(rounded(1_234_567, 3), Some(1_235_000));
        assert_eq!(rounded(i64::MAX, 0), None);
    }

    #[test]
    fn modifiers_have_names() {
        assert_eq!(type_name(TemporalType::Timestamp, 3), "timestamp(3) without time zone");
        let both = of_interval(Some(field::DAY | field::HOUR | field::MINUTE | field::SECOND), Some(2)).expect("both");
        assert_eq!(type_name(TemporalType::Interval, both), "interval day to second(2)");
        assert_eq!(type_name(TemporalType::Interval, of_interval(None, Some(0)).expect("digits")), "interval(0)");
        assert_eq!(of_interval(None, Some(3)), Some(0x7FFF_0003));
    }
}
