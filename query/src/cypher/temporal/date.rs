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
    if let [larger, smaller] = form.fields()
        && base.is_none()
        && fields.has(&[smaller])
        && !fields.has(&[larger])
    {
        let message = format!("{}() needs the field \"{larger}\" with \"{smaller}\"", fields.function);
        return Err(invalid(message));
    }
    let year_of_base = base.map(|days| if form == Form::Week { iso_week(days).0 } else { civil_from_days(days).0 });
    let Some(year) = fields.integer_in("year", YEARS)?.or(year_of_base) else {
        return Err(invalid(format!("{}() needs the field \"year\"", fields.function)));
    };
    match form {
        Form::Calendar => calendar_date(year, base, fields),
        Form::Week => week_date(year, base, fields),
        Form::Quarter => quarter_date(year, base, fields),
        Form::Ordinal => ordinal_date(year, base, fields),
    }
}

/// The day that is given, which must exist; else the base's, at most `length`; else 1.
fn day_within(length: i64, given: Option<i64>, of_base: Option<i64>, what: impl Fn() -> String) -> Result<i64> {
    match given {
        Some(day) if day > length => Err(invalid(format!("{} has {length} days, got day {day}", what()))),
        Some(day) => Ok(day),
        None => Ok(of_base.map_or(1, |day| day.min(length))),
    }
}

fn calendar_date(year: i64, base: Option<i64>, fields: &Fields<'_>) -> Result<i64> {
    let of_base = base.map(civil_from_days);
    let month = match fields.integer_in("month", 1..=12)? {
        Some(month) => month as u32,
        None => of_base.map_or(1, |(_, month, _)| month),
    };
    let length = i64::from(days_in_month(year, month));
    let given = fields.integer_in("day", 1..=31)?;
    let day_of_base = of_base.map(|(.., day)| i64::from(day));
    let day = day_within(length, given, day_of_base, || format!("month {month} of {year}"))?;
    Ok(days_from_civil(year, month, day as u32))
}

fn week_date(year: i64, base: Option<i64>, fields: &Fields<'_>) -> Result<i64> {
    let of_base = base.map(iso_week);
    let start = week_year_start(year);
    let week_count = (week_year_start(year + 1) - start) / 7;
    let week = match fields.integer_in("week", 1..=53)? {
        Some(week) if week > week_count => {
            return Err(invalid(format!("year {year} has {week_count} weeks, got week {week}")));
        }
        Some(week) => week,
        None => of_base.map_or(1, |(_, week, _)| week.min(week_count)),
    };
    let day = fields.integer_in("dayOfWeek", 1..=7)?.or(of_base.map(|(.., day)| day)).unwrap_or(1);
    Ok(start + (week - 1) * 7 + day - 1)
}

fn quarter_date(year: i64, base: Option<i64>, fields: &Fields<'_>) -> Result<i64> {
    let of_base = base.map(|days| {
        let (year, month, _) = civil_from_days(days);
        let quarter = quarter_of(month);
        (quarter, days - quarter_start(year, quarter) + 1)
    });
    let given = fields.integer_in("quarter", 1..=4)?;
    let quarter = given.or(of_base.map(|(quarter, _)| quarter)).unwrap_or(1);
    let start = quarter_start(year, quarter);
    let end = if quarter == 4 { days_from_civil(year + 1, 1, 1) } else { quarter_start(year, quarter + 1) };
    let given = fields.integer_in("dayOfQuarter", 1..=92)?;
    let day_of_base = of_base.map(|(_, day)| day);
    let day = day_within(end - start, given, day_of_base, || format!("quarter {quarter} of {year}"))?;
    Ok(start + day - 1)
}

fn ordinal_date(year: i64, base: Option<i64>, fields: &Fields<'_>) -> Result<i64> {
    let length = if is_leap_year(year) { 366 } else { 365 };
    let given = fields.integer_in("ordinalDay", 1..=366)?;
    let day = day_within(length, given, base.map(day_of_year), || format!("year {year}"))?;
    Ok(days_from_civil(year, 1, 1) + day - 1)
}
