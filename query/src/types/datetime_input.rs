//! Reading dates and times: ISO 8601 first, then PostgreSQL's traditional forms in MDY order.

use super::calendar::{self, SECOND_US};
use super::zone::{self, Zone};
use crate::error::{QueryError, Result, sqlstate};

/// What a date or timestamp literal says.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    Infinity,
    NegativeInfinity,
    Epoch,
    Now,
    /// Midnight this many days from today.
    Today(i64),
    Fields {
        days: i64,
        time_us: i64,
        zone: Option<Zone>,
    },
}

pub(crate) fn invalid(type_name: &str, text: &str) -> QueryError {
    QueryError::new(sqlstate::INVALID_DATETIME_FORMAT, format!("invalid input syntax for type {type_name}: \"{text}\""))
}

fn field_range(text: &str) -> QueryError {
    QueryError::new(sqlstate::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/// 1..=12 of a month's name or its first three letters.
pub(crate) fn month_by_name(word: &str) -> Option<u32> {
    MONTHS
        .iter()
        .position(|month| {
            *month == word || (word.len() == 3 && month.starts_with(word)) || (word == "sept" && *month == "september")
        })
        .map(|at| at as u32 + 1)
}

fn is_day_name(word: &str) -> bool {
    word.len() >= 3 && DAYS.iter().any(|day| day.starts_with(word))
}

/// Parses; errors are 22007 (no such form) and 22008 (a field out of range), naming `type_name`.
pub(crate) fn parse(text: &str, type_name: &str) -> Result<Parsed> {
    let trimmed = text.trim();
    match trimmed.to_ascii_lowercase().as_str() {
        "infinity" | "+infinity" => return Ok(Parsed::Infinity),
        "-infinity" => return Ok(Parsed::NegativeInfinity),
        "epoch" => return Ok(Parsed::Epoch),
        "now" => return Ok(Parsed::Now),
        "today" => return Ok(Parsed::Today(0)),
        "tomorrow" => return Ok(Parsed::Today(1)),
        "yesterday" => return Ok(Parsed::Today(-1)),
        _ => {}
    }
    let mut reader = Reader { text: trimmed, at: 0, fields: Fields::default() };
    match reader.run() {
        Some(()) => {}
        None => return Err(invalid(type_name, text)),
    }
    let fields = reader.fields;
    let (Some(year), Some(month), Some(day)) = (fields.year, fields.month, fields.day) else {
        return Err(invalid(type_name, text));
    };
    if fields.before_christ && year <= 0 {
        return Err(field_range(text));
    }
    let year = if fields.before_christ { 1 - year } else { year };
    if (year == 0 && !fields.before_christ)
        || !(1..=12).contains(&month)
        || day < 1
        || day > calendar::days_in_month(year, month)
        || !(-4712..=294_276).contains(&year)
    {
        return Err(field_range(text));
    }
    let (hour, minute, second_us) = match fields.time {
        Some(time) => time,
        None if fields.afternoon.is_some() => return Err(field_range(text)),
        None => (0, 0, 0),
    };
    let time_us = time_of_day(hour, minute, second_us, fields.afternoon).ok_or_else(|| field_range(text))?;
    Ok(Parsed::Fields { days: calendar::days_from_civil(year, month, day), time_us, zone: fields.zone })
}

/// What a literal says of a clock.
pub(crate) struct TimeFields {
    pub days: Option<i64>,
    pub time_us: i64,
    pub zone: Option<Zone>,
}

/// A time of day, with or without a date; None for `now`. Errors as those of [`parse`].
pub(crate) fn parse_time(text: &str, type_name: &str) -> Result<Option<TimeFields>> {
    let trimmed = text.trim();
    match trimmed.to_ascii_lowercase().as_str() {
        "now" => return Ok(None),
        "allballs" => return Ok(Some(TimeFields { days: None, time_us: 0, zone: Some(zone::UTC) })),
        _ => {}
    }
    let spelled = with_colons(trimmed);
    let mut reader = Reader { text: &spelled, at: 0, fields: Fields::default() };
    if reader.run().is_none() {
        return Err(invalid(type_name, text));
    }
    let fields = reader.fields;
    let Some((hour, minute, second_us)) = fields.time else { return Err(invalid(type_name, text)) };
    let time_us = time_of_day(hour, minute, second_us, fields.afternoon).ok_or_else(|| field_range(text))?;
    let days = match (fields.year, fields.month, fields.day) {
        (Some(year), Some(month), Some(day)) => {
            let year = if fields.before_christ { 1 - year } else { year };
            let is_date = (-4712..=294_276).contains(&year)
                && (1..=12).contains(&month)
                && (1..=calendar::days_in_month(year, month)).contains(&day);
            if !is_date {
                return Err(field_range(text));
            }
            Some(calendar::days_from_civil(year, month, day))
        }
        (None, None, None) => None,
        _ => return Err(invalid(type_name, text)),
    };
    Ok(Some(TimeFields { days, time_us, zone: fields.zone }))
}

/// `040506` and `0405` at the start, also behind a `T`, as `04:05:06` and `04:05`.
fn with_colons(text: &str) -> String {
    let bare =
        text.strip_prefix(['T', 't']).filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(text);
    let digits = bare.bytes().take_while(u8::is_ascii_digit).count();
    let ends = !bare[digits..].starts_with(['-', '/', ':']) || bare[digits..].starts_with('-') && digits == 6;
    match digits {
        6 if ends => format!("{}:{}:{}", &bare[..2], &bare[2..4], &bare[4..]),
        4 if ends => format!("{}:{}", &bare[..2], &bare[2..]),
        _ => bare.to_owned(),
    }
}

/// Microseconds since midnight; None when a field is out of its range.
fn time_of_day(hour: i64, minute: i64, second_us: i64, afternoon: Option<bool>) -> Option<i64> {
    let hour = match afternoon {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        None => hour,
    };
    if hour > 24 || minute > 59 || second_us > 60 * SECOND_US {
        return None;
    }
    Some((hour * 3600 + minute * 60) * SECOND_US + second_us).filter(|time_us| *time_us <= calendar::DAY_US)
}

#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    time: Option<(i64, i64, i64)>,
    afternoon: Option<bool>,
    before_christ: bool,
    zone: Option<Zone>,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    fields: Fields,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &str {
        let from = self.at;
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
        &self.text[from..self.at]
    }

    fn run(&mut self) -> Option<()> {
        loop {
            match self.peek() {
                None => return Some(()),
                Some(b' ' | b',' | b'\t' | b'\n') => self.at += 1,
                Some(b'0'..=b'9') => self.number()?,
                Some(b'+' | b'-') if self.fields.time.is_some() => {
                    let text = self.take_while(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b':')).to_owned();
                    self.set_zone(Zone::Fixed(zone::offset(&text)?))?;
                }
                Some(b) if b.is_ascii_alphabetic() => self.word()?,
                Some(_) => return None,
            }
        }
    }

    fn set_zone(&mut self, zone: Zone) -> Option<()> {
        if self.fields.zone.is_some() {
            return None;
        }
        self.fields.zone = Some(zone);
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let from = self.at;
        let first = self.take_while(|b| b.is_ascii_digit()).to_owned();
        match self.peek() {
            Some(b':') => {
                self.at = from;
                self.time()
            }
            Some(b'-' | b'/' | b'.') if self.fields.day.is_none() && self.fields.year.is_none() => {
                let separator = self.peek()?;
                self.at += 1;
                self.date(&first, separator)
            }
            _ if first.len() == 8 && self.fields.year.is_none() => {
                self.fields.year = Some(first[..4].parse().ok()?);
                self.fields.month = Some(first[4..6].parse().ok()?);
                self.fields.day = Some(first[6..].parse().ok()?);
                self.time_mark()
            }
            _ if first.len() == 6 && self.fields.year.is_some() && self.fields.time.is_none() => {
                self.fields.time = Some((
                    first[..2].parse().ok()?,
                    first[2..4].parse().ok()?,
                    first[4..].parse::<i64>().ok()? * SECOND_US,
                ));
                Some(())
            }
            _ => {
                let value: i64 = first.parse().ok()?;
                if first.len() <= 2 && self.fields.day.is_none() {
                    self.fields.day = Some(value as u32);
                } else if self.fields.year.is_none() {
                    self.fields.year = Some(full_year(&first)?);
                } else {
                    return None;
                }
                Some(())
            }
        }
    }

    /// A `T` between date and time.
    fn time_mark(&mut self) -> Option<()> {
        if matches!(self.peek(), Some(b'T' | b't'))
            && self.text.as_bytes().get(self.at + 1).is_some_and(u8::is_ascii_digit)
        {
            self.at += 1;
        }
        Some(())
    }

    fn date(&mut self, first: &str, separator: u8) -> Option<()> {
        let second = self.take_while(|b| b.is_ascii_alphanumeric()).to_owned();
        if self.peek() != Some(separator) {
            return None;
        }
        self.at += 1;
        let third = self.take_while(|b| b.is_ascii_digit()).to_owned();
        if second.is_empty() || third.is_empty() {
            return None;
        }
        if let Some(month) = month_by_name(&second.to_ascii_lowercase()) {
            self.fields.month = Some(month);
            if first.len() > 2 {
                self.fields.year = Some(first.parse().ok()?);
                self.fields.day = Some(third.parse().ok()?);
            } else {
                self.fields.day = Some(first.parse().ok()?);
                self.fields.year = Some(full_year(&third)?);
            }
        } else if first.len() > 2 {
            self.fields.year = Some(first.parse().ok()?);
            self.fields.month = Some(second.parse().ok()?);
            self.fields.day = Some(third.parse().ok()?);
        } else {
            self.fields.month = Some(first.parse().ok()?);
            self.fields.day = Some(second.parse().ok()?);
            self.fields.year = Some(full_year(&third)?);
        }
        self.time_mark()
    }

    fn time(&mut self) -> Option<()> {
        if self.fields.time.is_some() {
            return None;
        }
        let hour: i64 = self.take_while(|b| b.is_ascii_digit()).parse().ok()?;
        self.at += 1;
        let minute: i64 = self.take_while(|b| b.is_ascii_digit()).parse().ok()?;
        let mut second_us = 0;
        if self.peek() == Some(b':') {
            self.at += 1;
            let second: i64 = self.take_while(|b| b.is_ascii_digit()).parse().ok()?;
            if second > 60 {
                second_us = i64::MAX / 1_000_000_000;
            } else {
                second_us = second * SECOND_US;
            }
        }
        if matches!(self.peek(), Some(b'.')) {
            self.at += 1;
            let digits = self.take_while(|b| b.is_ascii_digit());
            second_us += fraction_us(digits)?;
        }
        self.fields.time = Some((hour, minute, second_us));
        Some(())
    }

    fn word(&mut self) -> Option<()> {
        let word = self.take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_')).to_owned();
        let lower = word.to_ascii_lowercase();
        if let Some(month) = month_by_name(&lower) {
            if self.fields.month.is_some() {
                // `1 January 2026` has one name only; a number taken as month before was the day.
                return None;
            }
            self.fields.month = Some(month);
            if self.peek() == Some(b'.') {
                self.at += 1;
            }
            return Some(());
        }
        match lower.as_str() {
            "am" => self.fields.afternoon = Some(false),
            "pm" => self.fields.afternoon = Some(true),
            "bc" => self.fields.before_christ = true,
            "ad" | "at" | "on" => {}
            _ if is_day_name(&lower) => {}
            _ => {
                let zone = zone::zone(&word)?;
                return self.set_zone(zone);
            }
        }
        Some(())
    }
}

/// Two-digit years are within 1970..2069.
fn full_year(text: &str) -> Option<i64> {
    let year: i64 = text.parse().ok()?;
    Some(if text.len() > 2 {
        year
    } else if year < 70 {
        2000 + year
    } else {
        1900 + year
    })
}

/// Microseconds of the digits after a point, rounded.
pub(crate) fn fraction_us(digits: &str) -> Option<i64> {
    if digits.is_empty() {
        return Some(0);
    }
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // As PostgreSQL does it: a double, rounded half to even.
    let fraction: f64 = format!("0.{digits}").parse().ok()?;
    Some((fraction * 1e6).round_ties_even() as i64)
}
