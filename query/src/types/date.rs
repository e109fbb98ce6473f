//! `date`: oid 1082, text `2026-01-02`, wire days since 2000-01-01. `i32::MAX` and `i32::MIN` are the infinities.

use super::calendar;
use super::datetime_input::{self, Parsed};
use super::zone;
use crate::context::EvalContext;
use crate::error::{QueryError, Result, sqlstate};

pub(crate) const INFINITY: i32 = i32::MAX;
pub(crate) const NEGATIVE_INFINITY: i32 = i32::MIN;

pub(crate) fn output(days: i32) -> String {
    match days {
        INFINITY => return "infinity".to_owned(),
        NEGATIVE_INFINITY => return "-infinity".to_owned(),
        _ => {}
    }
    let (year, month, day) = calendar::civil_from_days(i64::from(days));
    let mut out = String::new();
    calendar::write_date(year, month, day, &mut out);
    if year <= 0 {
        out.push_str(" BC");
    }
    out
}

pub(crate) fn input(context: &EvalContext<'_>, text: &str) -> Result<i32> {
    let today = || {
        let now = context.exec.transaction_time_us;
        zone::session_zone(context).to_local(now).div_euclid(calendar::DAY_US)
    };
    let days = match datetime_input::parse(text, "date")? {
        Parsed::Infinity => return Ok(INFINITY),
        Parsed::NegativeInfinity => return Ok(NEGATIVE_INFINITY),
        Parsed::Epoch => 0,
        Parsed::Now => today(),
        Parsed::Today(offset) => today() + offset,
        Parsed::Fields { days, .. } => days,
    };
    from_days(days)
}

/// 22008 outside i32.
pub(crate) fn from_days(days: i64) -> Result<i32> {
    i32::try_from(days)
        .ok()
        .filter(|days| *days != INFINITY && *days != NEGATIVE_INFINITY)
        .ok_or_else(|| QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "date out of range"))
}

/// Midnight of a date as a timestamp without zone; infinities stay.
pub(crate) fn to_timestamp(days: i32) -> Result<i64> {
    match days {
        INFINITY => Ok(super::timestamp::INFINITY),
        NEGATIVE_INFINITY => Ok(super::timestamp::NEGATIVE_INFINITY),
        days => i64::from(days)
            .checked_mul(calendar::DAY_US)
            .ok_or_else(|| QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "date out of range for timestamp")),
    }
}
