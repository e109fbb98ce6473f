//! Dates from fields: by month and day, week, quarter or day of the year.

use super::fields::{DATE_FIELDS, Fields};
use super::invalid;
use crate::error::Result;
use crate::types::calendar::{civil_from_days, day_of_year, days_from_civil, days_in_month, is_leap_year, iso_week};
use sinew_storage::temporal::YEARS;

/// The ways to say which day of a year it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Calendar,
    Week,
    Quarter,
    Ordinal,
}

impl Form {
    fn fields(self) -> &'static [&'static str] {
        match self {
            Form::Calendar => &["month", "day"],
            Form::Week => &["week", "dayOfWeek"],
            Form::Quarter => &["quarter", "dayOfQuarter"],
            Form::Ordinal => &["ordinalDay"],
        }
    }

    fn of(fields: &Fields<'_>) -> Result<Form> {
        let mut forms = [Form::Calendar, Form::Week, Form::Quarter, Form::Ordinal]
            .into_iter()
            .filter(|form| fields.has(form.fields()));
        match (forms.next(), forms.next()) {
            (None, _) => Ok(Form::Calendar),
            (Some(form), None) => Ok(form),
            (Some(a), Some(b)) => {
                let given = |form: Form| form.fields().iter().find(|name| fields.has(&[name])).copied();
                let (a, b) = (given(a).unwrap_or_default(), given(b).unwrap_or_default());
                Err(invalid(format!("{}() cannot take both {a} and {b}", fields.function)))
            }
        }
    }
}

/// Days of the first day of a quarter.
pub(super) fn quarter_start(year: i64, quarter: i64) -> i64 {
    days_from_civil(year, (quarter as u32 - 1) * 3 + 1, 1)
}

/// Monday of week 1.
pub(super) fn week_year_start(year: i64) -> i64 {
    let fourth = days_from_civil(year, 1, 4);
    fourth - (iso_week(fourth).2 - 1)
}

pub(super) fn quarter_of(month: u32) -> i64 {
    i64::from((month - 1) / 3 + 1)
}

/// The date that `fields` say, days since 1970-01-01. What they leave open comes from `base`, where there is one; else
/// the year is needed, a smaller unit needs the larger one, and the rest is 1. A day that only the base gives is cut to
/// the length of the new month or quarter.
pub(super) fn date_from_fields(base: Option<i64>, fields: &Fields<'_>) -> Result<i64> {
    if let Some(base) = base
        && !fields.has(DATE_FIELDS)
    {
        return Ok(base);
    }
    let form = Form::of(fields)?;
    let given_year = fields.integer_in("year", YEARS)?;
    let year = |of_base: fn(i64) -> i64| match given_year.or(base.map(of_base)) {
        Some(year) => Ok(year),
        None => Err(invalid(format!("{}() needs the field \"year\"", fields.function))),
    };
    let needs = |smaller: &str, larger: &str| {
        Err(invalid(format!("{}() needs the field \"{larger}\" with \"{smaller}\"", fields.function)))
    };
    match form {
        Form::Calendar => {
            let year = year(|days| civil_from_days(days).0)?;
            let month = fields.integer_in("month", 1..=12)?;
            let day = fields.integer_in("day", 1..=31)?;
            if day.is_some() && month.is_none() && base.is_none() {
                return needs("day", "month");
            }
            let of_base = base.map(civil_from_days);
            let month = month.map_or(of_base.map_or(1, |(_, month, _)| month), |month| month as u32);
            let length = days_in_month(year, month);
            let day = match day {
                Some(day) if day > i64::from(length) => {
                    return Err(invalid(format!("month {month} of {year} has {length} days, got day {day}")));
                }
                Some(day) => day as u32,
                None => of_base.map_or(1, |(_, _, day)| day.min(length)),
            };
            Ok(days_from_civil(year, month, day))
        }
        Form::Week => {
            let year = year(|days| iso_week(days).0)?;
            let week = fields.integer_in("week", 1..=53)?;
            let day = fields.integer_in("dayOfWeek", 1..=7)?;
            if week.is_none() && base.is_none() {
                return needs("dayOfWeek", "week");
            }
            let of_base = base.map(iso_week);
            let start = week_year_start(year);
            let week_count = (week_year_start(year + 1) - start) / 7;
            let week = match week {
                Some(week) if week > week_count => {
                    return Err(invalid(format!("year {year} has {week_count} weeks, got week {week}")));
                }
                Some(week) => week,
                None => of_base.map_or(1, |(_, week, _)| week.min(week_count)),
            };
            let day = day.or(of_base.map(|(.., day)| day)).unwrap_or(1);
            Ok(start + (week - 1) * 7 + day - 1)
        }
        Form::Quarter => {
            let year = year(|days| civil_from_days(days).0)?;
            let quarter = fields.integer_in("quarter", 1..=4)?;
            let day = fields.integer_in("dayOfQuarter", 1..=92)?;
            if quarter.is_none() && base.is_none() {
                return needs("dayOfQuarter", "quarter");
            }
            let of_base = base.map(|days| {
                let (year, month, _) = civil_from_days(days);
                let quarter = quarter_of(month);
                (quarter, days - quarter_start(year, quarter) + 1)
            });
            let quarter = quarter.or(of_base.map(|(quarter, _)| quarter)).unwrap_or(1);
            let start = quarter_start(year, quarter);
            let end = if quarter == 4 { days_from_civil(year + 1, 1, 1) } else { quarter_start(year, quarter + 1) };
            let length = end - start;
            let day = match day {
                Some(day) if day > length => {
                    return Err(invalid(format!("quarter {quarter} of {year} has {length} days, got day {day}")));
                }
                Some(day) => day,
                None => of_base.map_or(1, |(_, day)| day.min(length)),
            };
            Ok(start + day - 1)
        }
        Form::Ordinal => {
            let year = year(|days| civil_from_days(days).0)?;
            let day = fields.integer_in("ordinalDay", 1..=366)?.or(base.map(day_of_year)).unwrap_or(1);
            if day == 366 && !is_leap_year(year) {
                return Err(invalid(format!("year {year} has 365 days, got day 366")));
            }
            Ok(days_from_civil(year, 1, 1) + day - 1)
        }
    }
}
