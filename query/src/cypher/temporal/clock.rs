//! Times of day from fields.

use sinew_storage::temporal::NANOSECONDS_PER_SECOND;

use super::fields::{Fields, TIME_FIELDS};
use super::invalid;
use crate::error::Result;

const HOUR: i64 = 3_600 * NANOSECONDS_PER_SECOND;
const MINUTE: i64 = 60 * NANOSECONDS_PER_SECOND;
const MILLISECOND: i64 = 1_000_000;
const MICROSECOND: i64 = 1_000;

/// What a fraction of a second is made of when only some of its parts are given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fraction {
    /// The given parts are all of it.
    Replaced,
    /// Larger parts than the given ones stay.
    Kept,
}

/// The time that `fields` say, in nanoseconds since midnight. What they leave open comes from `base`, where there is one;
/// else a smaller unit needs the larger one, and the rest is 0.
pub(super) fn time_from_fields(base: Option<i64>, fields: &Fields<'_>, fraction: Fraction) -> Result<i64> {
    if let Some(base) = base
        && !fields.has(TIME_FIELDS)
    {
        return Ok(base);
    }
    let hour = fields.integer_in("hour", 0..=23)?;
    let minute = fields.integer_in("minute", 0..=59)?;
    let second = fields.integer_in("second", 0..=59)?;
    let below_second = fields.has(&["millisecond", "microsecond", "nanosecond"]);
    if base.is_none() {
        let missing = if hour.is_none() {
            Some("hour")
        } else if minute.is_none() && (second.is_some() || below_second) {
            Some("minute")
        } else if second.is_none() && below_second {
            Some("second")
        } else {
            None
        };
        if let Some(missing) = missing {
            return Err(invalid(format!("{}() needs the field \"{missing}\"", fields.function)));
        }
    }
    let base = base.unwrap_or(0);
    let hour = hour.unwrap_or(base / HOUR);
    let minute = minute.unwrap_or(base / MINUTE % 60);
    let second = second.unwrap_or(base / NANOSECONDS_PER_SECOND % 60);
    let of_base = base % NANOSECONDS_PER_SECOND;
    let below = if below_second { below_second_of(of_base, fields, fraction)? } else { of_base };
    Ok(hour * HOUR + minute * MINUTE + second * NANOSECONDS_PER_SECOND + below)
}

/// Nanoseconds below a second. Each part is of the next larger one that is given: microseconds go to 999 beside
/// milliseconds, else to 999,999.
fn below_second_of(of_base: i64, fields: &Fields<'_>, fraction: Fraction) -> Result<i64> {
    let has = |name: &str| fields.has(&[name]);
    let millisecond = fields.integer_in("millisecond", 0..=999)?;
    let microsecond = fields.integer_in("microsecond", 0..=if has("millisecond") { 999 } else { 999_999 })?;
    let limit = if has("microsecond") {
        999
    } else if has("millisecond") {
        999_999
    } else {
        999_999_999
    };
    let nanosecond = fields.integer_in("nanosecond", 0..=limit)?;
    let kept = match fraction {
        Fraction::Replaced => 0,
        Fraction::Kept if has("millisecond") => 0,
        Fraction::Kept if has("microsecond") => of_base - of_base % MILLISECOND,
        Fraction::Kept => of_base - of_base % MICROSECOND,
    };
    let given = millisecond.unwrap_or(0) * MILLISECOND + microsecond.unwrap_or(0) * MICROSECOND;
    let total = kept + given + nanosecond.unwrap_or(0);
    if total < NANOSECONDS_PER_SECOND {
        Ok(total)
    } else {
        Err(invalid(format!("the parts below a second of {}() make more than a second", fields.function)))
    }
}
