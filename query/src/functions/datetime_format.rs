//! `to_char` of dates and times, and its inverses `to_timestamp` and `to_date`.

use sinew_storage::{Interval, Value};

use super::args::{date, interval, text, timestamp};
use super::registry::Table;
use super::string_format::ordinal;
use crate::error::{QueryError, Result, sqlstate};
use crate::types::calendar::{self, DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use crate::types::datetime_input::month_by_name;
use crate::types::{date as date_type, timestamp as timestamp_type, zone};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN_MONTHS: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// Template patterns, longest first where one is another's prefix.
const PATTERNS: &[&str] = &[
    "A.D.", "a.d.", "AD", "ad", "A.M.", "a.m.", "AM", "am", "B.C.", "b.c.", "BC", "bc", "CC", "DAY", "Day", "day",
    "DDD", "DD", "DY", "Dy", "dy", "D", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "FX", "HH24", "HH12", "HH", "IDDD",
    "ID", "IW", "IYYY", "IYY", "IY", "I", "J", "MI", "MM", "MONTH", "Month", "month", "MON", "Mon", "mon", "MS", "OF",
    "P.M.", "p.m.", "PM", "pm", "Q", "RM", "rm", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ", "tz", "US", "WW", "W",
    "Y,YYY", "YYYY", "YYY", "YY", "Y",
];

/// The pattern at the start of a template, case-insensitive except where case matters.
fn pattern_at(rest: &str) -> Option<&'static str> {
    PATTERNS.iter().find(|pattern| rest.starts_with(**pattern)).copied().or_else(|| {
        let upper: String = rest.chars().take(5).map(|c| c.to_ascii_uppercase()).collect();
        PATTERNS.iter().find(|pattern| upper.starts_with(**pattern)).copied()
    })
}

/// What a template prints.
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    /// Days since 1970; None for intervals.
    days: Option<i64>,
    time_us: i64,
    hour: i64,
    /// Abbreviation and seconds east, for timestamptz.
    zone: Option<(String, i32)>,
}

fn moment(local_us: i64, zone: Option<(String, i32)>) -> Moment {
    let civil = calendar::split(local_us);
    Moment {
        year: civil.year,
        month: i64::from(civil.month),
        day: i64::from(civil.day),
        days: Some(local_us.div_euclid(DAY_US)),
        time_us: civil.time_us,
        hour: civil.time_us / HOUR_US,
        zone,
    }
}

fn interval_moment(value: &Interval) -> Moment {
    Moment {
        year: i64::from(value.months / 12),
        month: i64::from(value.months % 12),
        day: i64::from(value.days),
        days: None,
        time_us: value.microseconds,
        hour: value.microseconds / HOUR_US,
        zone: None,
    }
}

fn to_char(moment: &Moment, template: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = template;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').unwrap_or(quoted.len());
            out.push_str(&quoted[..end]);
            rest = quoted.get(end + 1..).unwrap_or("");
            continue;
        }
        let mut fill = true;
        let mut after = rest;
        while after.len() >= 2 && after.is_char_boundary(2) {
            match &after[..2] {
                "FM" | "fm" => fill = false,
                "TM" | "tm" => {}
                _ => break,
            }
            after = &after[2..];
        }
        match pattern_at(after) {
            Some(pattern) => {
                after = &after[pattern.len()..];
                let (piece, number) = field(moment, pattern, fill)?;
                out.push_str(&piece);
                if let Some(number) = number
                    && (after.starts_with("TH") || after.starts_with("th"))
                {
                    out.push_str(ordinal(number, after.starts_with("TH")));
                    after = &after[2..];
                }
                rest = after;
            }
            None => {
                let Some(c) = rest.chars().next() else { break };
                let mut skip = c.len_utf8();
                if c == '\\' && rest[1..].starts_with('"') {
                    out.push('"');
                    skip = 2;
                } else {
                    out.push(c);
                }
                rest = &rest[skip..];
            }
        }
    }
    Ok(out)
}

/// Text of one pattern, and its number when `th` may follow.
fn field(moment: &Moment, pattern: &str, fill: bool) -> Result<(String, Option<i64>)> {
    let number = |value: i64, width: usize| {
        let text = if fill {
            if value < 0 { format!("-{:0width$}", -value) } else { format!("{value:0width$}") }
        } else {
            value.to_string()
        };
        Ok((text, Some(value)))
    };
    let plain = |text: String| Ok((text, None));
    let named = |name: &str, width: usize| {
        let text = if fill { format!("{name:width$}") } else { name.to_owned() };
        Ok((text, None))
    };
    let fraction = moment.time_us.abs() % SECOND_US;
    let shown_year = if moment.days.is_some() && moment.year <= 0 { 1 - moment.year } else { moment.year };
    let days = moment.days.unwrap_or(0);
    let month = MONTHS.get(moment.month.wrapping_sub(1) as usize).copied().unwrap_or("");
    let day = DAYS[calendar::weekday(days) as usize];
    let hour12 = (moment.hour + 11).rem_euclid(12) + 1;
    let afternoon = moment.hour.rem_euclid(24) >= 12;
    let (iso_year, iso_week, iso_day) = calendar::iso_week(days);
    match pattern {
        "HH24" => number(moment.hour, 2),
        "HH12" | "HH" => number(if moment.days.is_some() { hour12 } else { moment.hour % 12 }, 2),
        "MI" => number(moment.time_us / MINUTE_US % 60, 2),
        "SS" => number(moment.time_us / SECOND_US % 60, 2),
        "MS" | "FF3" => plain(format!("{:03}", fraction / 1_000)),
        "US" | "FF6" => plain(format!("{fraction:06}")),
        "FF1" => plain((fraction / 100_000).to_string()),
        "FF2" => plain(format!("{:02}", fraction / 10_000)),
        "FF4" => plain(format!("{:04}", fraction / 100)),
        "FF5" => plain(format!("{:05}", fraction / 10)),
        "SSSS" | "SSSSS" => number(moment.time_us / SECOND_US, 1),
        "AM" | "PM" => plain(if afternoon { "PM" } else { "AM" }.to_owned()),
        "am" | "pm" => plain(if afternoon { "pm" } else { "am" }.to_owned()),
        "A.M." | "P.M." => plain(if afternoon { "P.M." } else { "A.M." }.to_owned()),
        "a.m." | "p.m." => plain(if afternoon { "p.m." } else { "a.m." }.to_owned()),
        "Y,YYY" => plain(format!("{},{:03}", shown_year / 1000, shown_year % 1000)),
        "YYYY" => number(shown_year, 4),
        "YYY" => number(shown_year % 1000, 3),
        "YY" => number(shown_year % 100, 2),
        "Y" => number(shown_year % 10, 1),
        "IYYY" => number(iso_year, 4),
        "IYY" => number(iso_year % 1000, 3),
        "IY" => number(iso_year % 100, 2),
        "I" => number(iso_year % 10, 1),
        "BC" | "AD" => plain(if moment.year <= 0 { "BC" } else { "AD" }.to_owned()),
        "bc" | "ad" => plain(if moment.year <= 0 { "bc" } else { "ad" }.to_owned()),
        "B.C." | "A.D." => plain(if moment.year <= 0 { "B.C." } else { "A.D." }.to_owned()),
        "b.c." | "a.d." => plain(if moment.year <= 0 { "b.c." } else { "a.d." }.to_owned()),
        "MONTH" => named(&month.to_uppercase(), 9),
        "Month" => named(month, 9),
        "month" => named(&month.to_lowercase(), 9),
        "MON" => plain(month.get(..3).unwrap_or("").to_uppercase()),
        "Mon" => plain(month.get(..3).unwrap_or("").to_owned()),
        "mon" => plain(month.get(..3).unwrap_or("").to_lowercase()),
        "MM" => number(moment.month, 2),
        "DAY" => named(&day.to_uppercase(), 9),
        "Day" => named(day, 9),
        "day" => named(&day.to_lowercase(), 9),
        "DY" => plain(day[..3].to_uppercase()),
        "Dy" => plain(day[..3].to_owned()),
        "dy" => plain(day[..3].to_lowercase()),
        "DDD" => number(calendar::day_of_year(days), 3),
        "IDDD" => number((iso_week - 1) * 7 + iso_day, 3),
        // Of a negative number of days the sign counts in the width.
        "DD" if fill && moment.day < 0 => Ok((format!("{:02}", moment.day), Some(moment.day))),
        "DD" => number(moment.day, 2),
        "D" => number(calendar::weekday(days) + 1, 1),
        "ID" => number(iso_day, 1),
        "W" => number((moment.day.max(1) - 1) / 7 + 1, 1),
        "WW" => number((calendar::day_of_year(days) - 1) / 7 + 1, 2),
        "IW" => number(iso_week, 2),
        "CC" => number((shown_year + 99) / 100, 2),
        "J" => number(days + 2_440_588, 1),
        "Q" => number((moment.month.max(1) - 1) / 3 + 1, 1),
        "RM" | "rm" => {
            let name = ROMAN_MONTHS.get(moment.month.wrapping_sub(1) as usize).copied().unwrap_or("");
            if pattern == "RM" { named(name, 4) } else { named(&name.to_lowercase(), 4) }
        }
        "TZ" | "tz" | "TZH" | "TZM" | "OF" => {
            let (name, offset) = match &moment.zone {
                Some((name, offset)) => (name.as_str(), *offset),
                None => ("", 0),
            };
            let minutes = offset.abs() / 60 % 60;
            let sign = if offset < 0 { '-' } else { '+' };
            plain(match pattern {
                "TZ" => name.to_uppercase(),
                "tz" => name.to_lowercase(),
                "TZH" => format!("{sign}{:02}", offset.abs() / 3600),
                "TZM" => format!("{minutes:02}"),
                _ if minutes != 0 => format!("{sign}{:02}:{minutes:02}", offset.abs() / 3600),
                _ => format!("{sign}{:02}", offset.abs() / 3600),
            })
        }
        "FX" => plain(String::new()),
        other => Err(QueryError::unsupported(format!("the format {other} of to_char()"))),
    }
}

/// Fields read by a template.
struct Read {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    microsecond: i64,
    seconds_of_day: Option<i64>,
    afternoon: Option<bool>,
    before_christ: bool,
    offset: Option<i32>,
    julian: Option<i64>,
}

/// Reads `string` by `template`: local microseconds, and the zone's offset if one was read. 22007, 22008.
fn from_char(string: &str, template: &str) -> Result<(i64, Option<i32>)> {
    let mismatch = |pattern: &str, found: &str| {
        QueryError::new(sqlstate::INVALID_DATETIME_FORMAT, format!("invalid value \"{found}\" for \"{pattern}\""))
            .detail("Value must be an integer.")
    };
    let mut read = Read {
        year: 1,
        month: 1,
        day: 1,
        day_of_year: None,
        hour: 0,
        minute: 0,
        second: 0,
        microsecond: 0,
        seconds_of_day: None,
        afternoon: None,
        before_christ: false,
        offset: None,
        julian: None,
    };
    let mut input = string.trim_start();
    let mut rest = template;
    while !rest.is_empty() && !input.is_empty() {
        for prefix in ["FM", "fm", "TM", "tm", "FX", "fx"] {
            rest = rest.strip_prefix(prefix).unwrap_or(rest);
        }
        if let Some(quoted) = rest.strip_prefix('"') {
            let end = quoted.find('"').unwrap_or(quoted.len());
            for _ in quoted[..end].chars() {
                let mut chars = input.chars();
                chars.next();
                input = chars.as_str();
            }
            rest = quoted.get(end + 1..).unwrap_or("");
            continue;
        }
        let Some(pattern) = pattern_at(rest) else {
            // A separator in the template matches any separators in the input, or none.
            let mut chars = rest.chars();
            let c = chars.next().unwrap_or(' ');
            rest = chars.as_str();
            if c.is_alphanumeric() {
                let mut chars = input.chars();
                chars.next();
                input = chars.as_str();
            } else {
                // The same separator, or any other single one that is no sign.
                input = match input.strip_prefix(c) {
                    Some(after) => after,
                    None => {
                        input.strip_prefix(|c: char| !c.is_alphanumeric() && !matches!(c, '+' | '-')).unwrap_or(input)
                    }
                };
            }
            continue;
        };
        rest = &rest[pattern.len()..];
        rest = rest.strip_prefix("TH").or_else(|| rest.strip_prefix("th")).unwrap_or(rest);
        input = input.trim_start();
        let lower = pattern.to_lowercase();
        match lower.as_str() {
            "month" | "mon" => {
                let word: String = input.chars().take_while(|c| c.is_alphabetic()).collect();
                let key = word.to_lowercase();
                let key = if lower == "mon" { key.chars().take(3).collect() } else { key };
                let month = month_by_name(&key).ok_or_else(|| {
                    QueryError::new(
                        sqlstate::INVALID_DATETIME_FORMAT,
                        format!("invalid value \"{}\" for \"{pattern}\"", word.chars().take(9).collect::<String>()),
                    )
                    .detail("The given value did not match any of the allowed values for this field.")
                })?;
                read.month = i64::from(month);
                input = &input[if lower == "mon" {
                    word.char_indices().nth(3).map_or(word.len(), |(at, _)| at)
                } else {
                    word.len()
                }..];
                continue;
            }
            "day" | "dy" => {
                input = input.trim_start_matches(char::is_alphabetic);
                continue;
            }
            "am" | "pm" | "a.m." | "p.m." => {
                let dotted = lower.len() == 4;
                let take = if dotted { 4 } else { 2 };
                let word = input.get(..take).unwrap_or(input).to_lowercase();
                read.afternoon = Some(word.starts_with('p'));
                input = input.get(take..).unwrap_or("");
                continue;
            }
            "bc" | "ad" | "b.c." | "a.d." => {
                let word = input.get(..lower.len()).unwrap_or(input).to_lowercase();
                read.before_christ = word.starts_with('b');
                input = input.get(lower.len()..).unwrap_or("");
                continue;
            }
            "tz" | "of" | "tzh" => {
                let word: String = input
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || matches!(c, '+' | '-' | ':' | '/' | '_'))
                    .collect();
                read.offset = Some(zone::offset(&word).or_else(|| zone::abbreviation(&word)).ok_or_else(|| {
                    QueryError::new(
                        sqlstate::INVALID_DATETIME_FORMAT,
                        format!("invalid value \"{word}\" for \"{pattern}\""),
                    )
                })?);
                input = &input[word.len()..];
                continue;
            }
            _ => {}
        }
        let width = match lower.as_str() {
            "yyyy" | "iyyy" => {
                // Followed by a separator or the end, a year may be longer than four digits.
                if rest.chars().next().is_none_or(|c| !c.is_alphanumeric()) { 9 } else { 4 }
            }
            "yyy" | "ddd" | "ms" | "ff3" => 3,
            "us" | "ff6" | "ff4" | "ff5" => 6,
            "sssss" | "ssss" => 5,
            "y" | "q" | "d" | "w" | "ff1" => 1,
            "j" => 9,
            _ => 2,
        };
        let negative = input.starts_with('-') && lower.starts_with('y');
        let unsigned = if negative { &input[1..] } else { input };
        let digits: String = unsigned.chars().take_while(char::is_ascii_digit).take(width).collect();
        if digits.is_empty() {
            let found: String = input.chars().take(width).collect();
            return Err(mismatch(pattern, &found));
        }
        input = &unsigned[digits.len()..];
        let value: i64 = digits.parse().map_err(|_| mismatch(pattern, &digits))?;
        let fraction = |digits: &str| crate::types::datetime_input::fraction_us(digits).unwrap_or(0);
        match lower.as_str() {
            "yyyy" | "iyyy" => read.year = if negative { -value } else { value },
            "yyy" => read.year = 2000 + value,
            "yy" | "iy" => read.year = if value < 70 { 2000 + value } else { 1900 + value },
            "y" => read.year = 2020 + value,
            "mm" => read.month = value,
            "dd" => read.day = value,
            "ddd" => read.day_of_year = Some(value),
            "hh24" | "hh12" | "hh" => read.hour = value,
            "mi" => read.minute = value,
            "ss" => read.second = value,
            "ms" | "us" | "ff1" | "ff2" | "ff3" | "ff4" | "ff5" | "ff6" => read.microsecond = fraction(&digits),
            "sssss" | "ssss" => read.seconds_of_day = Some(value),
            "j" => read.julian = Some(value),
            "q" | "d" | "w" | "ww" | "cc" | "tzm" => {}
            _ => return Err(QueryError::unsupported(format!("the format {pattern} of to_timestamp()"))),
        }
    }
    let range = || {
        QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{string}\""))
    };
    let year = if read.before_christ { 1 - read.year } else { read.year };
    if let Some(afternoon) = read.afternoon {
        if !(1..=12).contains(&read.hour) {
            return Err(QueryError::new(
                sqlstate::INVALID_DATETIME_FORMAT,
                format!("hour \"{}\" is invalid for the 12-hour clock", read.hour),
            )
            .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        read.hour = read.hour % 12 + if afternoon { 12 } else { 0 };
    }
    if !(1..=12).contains(&read.month)
        || read.day < 1
        || read.day > i64::from(calendar::days_in_month(year, read.month as u32))
        || read.hour > 24
        || read.minute > 59
        || read.second > 59
        || !(-4712..=294_276).contains(&year)
    {
        return Err(range());
    }
    let mut days = calendar::days_from_civil(year, read.month as u32, read.day as u32);
    if let Some(day) = read.day_of_year {
        days = calendar::days_from_civil(year, 1, 1) + day - 1;
    }
    if let Some(julian) = read.julian {
        days = julian - 2_440_588;
    }
    let seconds = read.seconds_of_day.unwrap_or(read.hour * 3600 + read.minute * 60 + read.second);
    let local = days
        .checked_mul(DAY_US)
        .and_then(|us| us.checked_add(seconds * SECOND_US + read.microsecond))
        .ok_or_else(range)?;
    Ok((local, read.offset))
}

pub(super) fn register(t: &mut Table) {
    t.section("Date and time formatting");
    t.f("to_char(timestamp, text) -> text", |_, a| {
        let local = timestamp(&a[0])?;
        if timestamp_type::is_infinite(local) {
            return Ok(Value::text(timestamp_type::output(local)));
        }
        Ok(Value::text(to_char(&moment(local, None), text(&a[1])?)?))
    })
    .stable();
    t.f("to_char(timestamptz, text) -> text", |c, a| {
        let instant = timestamp(&a[0])?;
        if timestamp_type::is_infinite(instant) {
            return Ok(Value::text(timestamp_type::output(instant)));
        }
        let zone = zone::session_zone(c);
        let shown = (zone.abbreviation_at(instant), zone.offset_at(instant));
        Ok(Value::text(to_char(&moment(zone.to_local(instant), Some(shown)), text(&a[1])?)?))
    })
    .stable();
    t.f("to_char(interval, text) -> text", |_, a| {
        Ok(Value::text(to_char(&interval_moment(&interval(&a[0])?), text(&a[1])?)?))
    })
    .stable();
    t.f("to_char(date, text) -> text", |_, a| {
        let local = date_type::to_timestamp(date(&a[0])?)?;
        Ok(Value::text(to_char(&moment(local, None), text(&a[1])?)?))
    })
    .stable();
    t.f("to_timestamp(text, text) -> timestamptz", |c, a| {
        let (local, offset) = from_char(text(&a[0])?, text(&a[1])?)?;
        Ok(Value::Timestamp(match offset {
            Some(offset) => local - i64::from(offset) * SECOND_US,
            None => zone::session_zone(c).to_instant(local),
        }))
    })
    .stable();
    t.f("to_date(text, text) -> date", |_, a| {
        let (local, _) = from_char(text(&a[0])?, text(&a[1])?)?;
        Ok(Value::Date(date_type::from_days(local.div_euclid(DAY_US))?))
    });
}
