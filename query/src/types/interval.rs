//! `interval`: months, days and microseconds apart. Text in the `postgres` style (`1 year 2 mons 3 days 04:05:06`), wire
//! microseconds, days, months.

use sinew_storage::Interval;

use super::calendar::{self, DAY_US, HOUR_US, MINUTE_US, SECOND_US};
use super::datetime_input::fraction_us;
use super::modifier;
use crate::error::{QueryError, Result, sqlstate};

pub(crate) fn out_of_range() -> QueryError {
    QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, "interval out of range")
}

pub(crate) fn output(interval: &Interval) -> String {
    let mut out = String::new();
    // A positive field after a negative one gets its sign written.
    let mut before_negative = false;
    let mut field = |value: i64, unit: &str, out: &mut String| {
        if value == 0 {
            return;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        let sign = if before_negative && value > 0 { "+" } else { "" };
        out.push_str(&format!("{sign}{value} {unit}{}", if value == 1 { "" } else { "s" }));
        before_negative = value < 0;
    };
    field(i64::from(interval.months / 12), "year", &mut out);
    field(i64::from(interval.months % 12), "mon", &mut out);
    field(i64::from(interval.days), "day", &mut out);
    let microseconds = interval.microseconds;
    if microseconds != 0 || out.is_empty() {
        if !out.is_empty() {
            out.push(' ');
        }
        if microseconds < 0 {
            out.push('-');
        } else if before_negative {
            out.push('+');
        }
        write_clock(microseconds.unsigned_abs(), &mut out);
    }
    out
}

fn write_clock(microseconds: u64, out: &mut String) {
    let seconds = microseconds / SECOND_US as u64;
    out.push_str(&format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
    calendar::write_fraction((microseconds % SECOND_US as u64) as i64, out);
}

/// ISO 8601: `P1Y2M3DT4H5M6.7S`.
pub(crate) fn output_iso(interval: &Interval) -> String {
    let mut out = String::from("P");
    let mut put = |value: i64, unit: char| {
        if value != 0 {
            out.push_str(&format!("{value}{unit}"));
        }
    };
    put(i64::from(interval.months / 12), 'Y');
    put(i64::from(interval.months % 12), 'M');
    put(i64::from(interval.days), 'D');
    let microseconds = interval.microseconds;
    if microseconds != 0 {
        out.push('T');
        let mut put = |value: i64, unit: char| {
            if value != 0 {
                out.push_str(&format!("{value}{unit}"));
            }
        };
        put(microseconds / HOUR_US, 'H');
        put(microseconds % HOUR_US / MINUTE_US, 'M');
        let rest = microseconds % MINUTE_US;
        if rest != 0 {
            out.push_str(if rest < 0 { "-" } else { "" });
            out.push_str(&(rest.abs() / SECOND_US).to_string());
            calendar::write_fraction(rest.abs() % SECOND_US, &mut out);
            out.push('S');
        }
    }
    if out.len() == 1 {
        out.push_str("T0S");
    }
    out
}

/// Sums of fields, before they are checked against the fields' ranges.
#[derive(Default)]
struct Sums {
    /// A bit per kind of field met: none may come twice.
    seen: u16,
    months: i128,
    days: i128,
    microseconds: i128,
}

impl Sums {
    /// Adds `value` units, where `value` is `mantissa / 10^decimals`. Fractions of months go to days, of days to time.
    fn add(&mut self, mantissa: i128, decimals: u32, unit: &str) -> Option<()> {
        let divisor = 10i128.checked_pow(decimals)?;
        const ALL_SECONDS: u16 = 7;
        self.claim(match unit {
            "microsecond" | "us" | "usec" | "usecond" => 1,
            "millisecond" | "ms" | "msec" | "msecond" => 2,
            // A fraction stands for milliseconds and microseconds too.
            "second" | "s" | "sec" | "" if mantissa % divisor != 0 => ALL_SECONDS,
            "second" | "s" | "sec" | "" => 4,
            "minute" | "m" | "min" => 8,
            "hour" | "h" | "hr" => 16,
            "day" | "d" => 32,
            "week" | "w" => 64,
            "month" | "mon" => 128,
            "year" | "y" | "yr" => 256,
            "decade" | "dec" => 512,
            "century" | "centurie" | "cent" | "c" => 1_024,
            _ => 2_048,
        })?;
        let months = |sums: &mut Sums, factor: i128| -> Option<()> {
            let total = mantissa.checked_mul(factor)?;
            if factor > 1 {
                // Fractions of years are rounded to months, half to even.
                let (whole, rest) = (total / divisor, (total % divisor).abs() * 2);
                let away = rest > divisor || (rest == divisor && whole % 2 != 0);
                let rounded = whole + if away { total.signum() } else { 0 };
                sums.months = sums.months.saturating_add(rounded);
                return Some(());
            }
            sums.months = sums.months.saturating_add(total / divisor);
            // Fractions of months go to days, of which a month has 30, and to time.
            let days = (total % divisor) * 30;
            sums.days = sums.days.saturating_add(days / divisor);
            sums.microseconds += (days % divisor) * i128::from(DAY_US) / divisor;
            Some(())
        };
        let time = |sums: &mut Sums, factor: i64| -> Option<()> {
            let total = mantissa.checked_mul(i128::from(factor))?;
            let (whole, rest) = (total / divisor, (total % divisor).abs().saturating_mul(2));
            let away = rest > divisor || (rest == divisor && whole % 2 != 0);
            let rounded = whole + if away { total.signum() } else { 0 };
            sums.microseconds = sums.microseconds.saturating_add(rounded);
            Some(())
        };
        match unit {
            "microsecond" | "us" | "usec" | "usecond" => time(self, 1),
            "millisecond" | "ms" | "msec" | "msecond" => time(self, 1_000),
            "second" | "s" | "sec" | "" => time(self, SECOND_US),
            "minute" | "m" | "min" => time(self, MINUTE_US),
            "hour" | "h" | "hr" => time(self, HOUR_US),
            "day" | "d" => {
                self.days = self.days.saturating_add(mantissa / divisor);
                self.microseconds += (mantissa % divisor) * i128::from(DAY_US) / divisor;
                Some(())
            }
            "week" | "w" => {
                let total = mantissa.checked_mul(7)?;
                self.days = self.days.saturating_add(total / divisor);
                self.microseconds += (total % divisor) * i128::from(DAY_US) / divisor;
                Some(())
            }
            "month" | "mon" => months(self, 1),
            "year" | "y" | "yr" => months(self, 12),
            "decade" | "dec" => months(self, 120),
            "century" | "centurie" | "cent" | "c" => months(self, 1_200),
            "millennium" | "millennia" | "mil" => months(self, 12_000),
            _ => None,
        }
    }

    fn claim(&mut self, fields: u16) -> Option<()> {
        if self.seen & fields != 0 {
            return None;
        }
        self.seen |= fields;
        Some(())
    }

    fn finish(self, negate: bool) -> Option<Interval> {
        let sign = if negate { -1 } else { 1 };
        Some(Interval {
            months: i32::try_from(self.months.saturating_mul(sign)).ok()?,
            days: i32::try_from(self.days.saturating_mul(sign)).ok()?,
            microseconds: i64::try_from(self.microseconds.saturating_mul(sign)).ok()?,
        })
    }
}

/// `fields` are those that the type declares: they say what a number without a unit is.
pub(crate) fn input(text: &str, fields: Option<i32>) -> Result<Interval> {
    let (unit, is_minutes) = fields.map_or(("second", false), modifier::reading);
    let invalid = || {
        QueryError::new(
            sqlstate::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type interval: \"{text}\""),
        )
    };
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(invalid());
    }
    let mut sums = Sums::default();
    let negate = if trimmed.starts_with(['P', 'p']) {
        iso(&trimmed[1..], &mut sums).ok_or_else(invalid)?;
        false
    } else {
        traditional(trimmed, &mut sums, unit, is_minutes).ok_or_else(invalid)?
    };
    sums.finish(negate)
        .ok_or_else(|| QueryError::new("22015", format!("interval field value out of range: \"{text}\"")))
}

/// A signed decimal as mantissa and number of decimals.
fn decimal(text: &str) -> Option<(i128, u32)> {
    let negative = text.starts_with('-');
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() || whole.len() > 18 {
        return None;
    }
    let fraction = fraction.get(..fraction.len().min(12))?;
    let joined = format!("{whole}{fraction}");
    if !joined.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let value: i128 = joined.parse().ok()?;
    Some((if negative { -value } else { value }, fraction.len() as u32))
}

fn iso(text: &str, sums: &mut Sums) -> Option<()> {
    let mut in_time = false;
    let mut number = String::new();
    for c in text.chars() {
        match c {
            'T' | 't' if number.is_empty() => in_time = true,
            '0'..='9' | '.' | '-' | '+' => number.push(c),
            unit => {
                let (mantissa, decimals) = decimal(&number)?;
                number.clear();
                let unit = match (unit.to_ascii_uppercase(), in_time) {
                    ('Y', false) => "year",
                    ('M', false) => "month",
                    ('W', false) => "week",
                    ('D', false) => "day",
                    ('H', true) => "hour",
                    ('M', true) => "minute",
                    ('S', true) => "second",
                    _ => return None,
                };
                sums.add(mantissa, decimals, unit)?;
            }
        }
    }
    number.is_empty().then_some(())
}

/// True when the text ends in `ago`. `unit` is that of a number without one; `is_minutes` reads `a:b` as minutes and
/// seconds.
fn traditional(text: &str, sums: &mut Sums, unit: &str, is_minutes: bool) -> Option<bool> {
    let default_unit = unit;
    let lower = text.to_ascii_lowercase();
    let mut words: Vec<String> = Vec::new();
    for word in lower.split(|c: char| c.is_ascii_whitespace() || c == '@').filter(|word| !word.is_empty()) {
        // `1day` is a number and a unit.
        match word.find(|c: char| c.is_ascii_alphabetic()) {
            Some(at) if at > 0 => {
                words.push(word[..at].to_owned());
                words.push(word[at..].to_owned());
            }
            _ => words.push(word.to_owned()),
        }
    }
    let negate = words.last().is_some_and(|word| word == "ago");
    if negate {
        words.pop();
    }
    if words.is_empty() {
        return None;
    }
    let mut at = 0;
    while at < words.len() {
        let word = words[at].as_str();
        at += 1;
        if word.contains(':') {
            clock(word, sums, is_minutes)?;
            continue;
        }
        if let Some((years, months)) = word.trim_start_matches(['+', '-']).split_once('-') {
            let sign = if word.starts_with('-') { -1 } else { 1 };
            let (years, months): (i128, i128) = (years.parse().ok()?, months.parse().ok()?);
            if months > 11 {
                return None;
            }
            sums.claim(128 | 256)?;
            let total = years.checked_mul(12)?.checked_add(months)?;
            sums.months = sums.months.saturating_add(sign * total);
            continue;
        }
        let (mantissa, decimals) = decimal(word)?;
        let next = words.get(at).map(String::as_str);
        match next {
            Some(unit) if unit.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                at += 1;
                let singular = match unit {
                    "s" | "us" | "ms" => unit,
                    unit => unit.strip_suffix('s').unwrap_or(unit),
                };
                sums.add(mantissa, decimals, singular)?;
            }
            // `3 04:05:06`: days before a clock.
            Some(unit) if unit.contains(':') => sums.add(mantissa, decimals, "day")?,
            None => sums.add(mantissa, decimals, default_unit)?,
            Some(_) => return None,
        }
    }
    Some(negate)
}

/// `HH:MM[:SS[.f]]` or `MM:SS.f`, signed as a whole.
fn clock(word: &str, sums: &mut Sums, is_minutes: bool) -> Option<()> {
    let negative = word.starts_with('-');
    let parts: Vec<&str> = word.trim_start_matches(['+', '-']).split(':').collect();
    let whole = |text: &str| -> Option<i128> {
        (!text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
    };
    let seconds = |text: &str| -> Option<i128> {
        let (second, fraction) = text.split_once('.').unwrap_or((text, ""));
        Some(whole(second)? * i128::from(SECOND_US) + i128::from(fraction_us(fraction)?))
    };
    // Hours, minutes and seconds at once.
    sums.claim(4 | 8 | 16)?;
    let total = match parts.as_slice() {
        [minutes, rest] if is_minutes || rest.contains('.') => whole(minutes)? * i128::from(MINUTE_US) + seconds(rest)?,
        [hours, minutes] => whole(hours)? * i128::from(HOUR_US) + whole(minutes)? * i128::from(MINUTE_US),
        [hours, minutes, rest] => {
            whole(hours)? * i128::from(HOUR_US) + whole(minutes)? * i128::from(MINUTE_US) + seconds(rest)?
        }
        _ => return None,
    };
    if parts.len() > 1 && whole(parts[1].split('.').next()?)? > 59 {
        return None;
    }
    sums.microseconds = sums.microseconds.saturating_add(if negative { -total } else { total });
    Some(())
}

pub(crate) fn add(a: &Interval, b: &Interval) -> Result<Interval> {
    Ok(Interval {
        months: a.months.checked_add(b.months).ok_or_else(out_of_range)?,
        days: a.days.checked_add(b.days).ok_or_else(out_of_range)?,
        microseconds: a.microseconds.checked_add(b.microseconds).ok_or_else(out_of_range)?,
    })
}

pub(crate) fn negate(a: &Interval) -> Result<Interval> {
    Ok(Interval {
        months: a.months.checked_neg().ok_or_else(out_of_range)?,
        days: a.days.checked_neg().ok_or_else(out_of_range)?,
        microseconds: a.microseconds.checked_neg().ok_or_else(out_of_range)?,
    })
}

/// Fractions of months go to days (30 a month), of days to time, as PostgreSQL's `interval_mul`.
pub(crate) fn multiply(a: &Interval, factor: f64) -> Result<Interval> {
    scale(a, |field| field * factor)
}

/// As [`multiply`]; the divisor is not zero.
pub(crate) fn divide(a: &Interval, divisor: f64) -> Result<Interval> {
    scale(a, |field| field / divisor)
}

fn scale(a: &Interval, apply: impl Fn(f64) -> f64) -> Result<Interval> {
    let months = apply(f64::from(a.months));
    let days = apply(f64::from(a.days));
    if !months.is_finite()
        || !days.is_finite()
        || months.abs() > f64::from(i32::MAX)
        || days.abs() > f64::from(i32::MAX)
    {
        return Err(out_of_range());
    }
    let whole_months = months.trunc();
    let whole_days = days.trunc();
    let to_microseconds = |x: f64| (x * 1e6).round_ties_even() / 1e6;
    let month_days = to_microseconds((months - whole_months) * 30.0);
    let mut seconds = to_microseconds((days - whole_days + month_days - month_days.trunc()) * 86_400.0);
    let mut total_days = whole_days;
    if seconds.abs() >= 86_400.0 {
        let carry = (seconds / 86_400.0).trunc();
        total_days += carry;
        seconds -= carry * 86_400.0;
    }
    total_days += month_days.trunc();
    let microseconds = (apply(a.microseconds as f64) + seconds * 1e6).round_ties_even();
    if !microseconds.is_finite() || microseconds.abs() >= 9.2e18 || total_days.abs() > f64::from(i32::MAX) {
        return Err(out_of_range());
    }
    Ok(Interval { months: whole_months as i32, days: total_days as i32, microseconds: microseconds as i64 })
}

/// Whole days of time become days.
pub(crate) fn justify_hours(a: &Interval) -> Result<Interval> {
    let whole = a.microseconds / DAY_US;
    let mut days = i64::from(a.days) + whole;
    let mut microseconds = a.microseconds - whole * DAY_US;
    if days > 0 && microseconds < 0 {
        days -= 1;
        microseconds += DAY_US;
    } else if days < 0 && microseconds > 0 {
        days += 1;
        microseconds -= DAY_US;
    }
    Ok(Interval { months: a.months, days: i32::try_from(days).map_err(|_| out_of_range())?, microseconds })
}

/// Every 30 days become a month.
pub(crate) fn justify_days(a: &Interval) -> Result<Interval> {
    let whole = a.days / 30;
    let mut months = i64::from(a.months) + i64::from(whole);
    let mut days = a.days - whole * 30;
    if months > 0 && days < 0 {
        months -= 1;
        days += 30;
    } else if months < 0 && days > 0 {
        months += 1;
        days -= 30;
    }
    Ok(Interval { months: i32::try_from(months).map_err(|_| out_of_range())?, days, microseconds: a.microseconds })
}

/// Days and hours carried into months and days, with one sign throughout where possible.
pub(crate) fn justify(a: &Interval) -> Result<Interval> {
    let whole_days = a.microseconds / DAY_US;
    let mut microseconds = a.microseconds - whole_days * DAY_US;
    let mut days = i64::from(a.days) + whole_days;
    let whole_months = days / 30;
    days -= whole_months * 30;
    let mut months = i64::from(a.months) + whole_months;
    if months > 0 && (days < 0 || (days == 0 && microseconds < 0)) {
        days += 30;
        months -= 1;
    } else if months < 0 && (days > 0 || (days == 0 && microseconds > 0)) {
        days -= 30;
        months += 1;
    }
    if days > 0 && microseconds < 0 {
        microseconds += DAY_US;
        days -= 1;
    } else if days < 0 && microseconds > 0 {
        microseconds -= DAY_US;
        days += 1;
    }
    Ok(Interval {
        months: i32::try_from(months).map_err(|_| out_of_range())?,
        days: i32::try_from(days).map_err(|_| out_of_range())?,
        microseconds,
    })
}
