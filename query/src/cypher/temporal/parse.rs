//! ISO 8601, in its extended and basic forms.
//!
//! ```text
//! date      2015-07-21  20150721  2015-07  201507  2015-W30-2  2015W302  2015-W30  2015-Q2-60  2015-202  2015202  2015
//! time      21:40:32.142  214032.142  21:40  2140  21
//! zone      Z  +01:00  +0100  +01  [Europe/Stockholm]  +02:00[Europe/Stockholm]
//! duration  P1Y2M3W4DT5H6M7.5S  P0.75M  P2012-02-02T14:37:21.545
//! ```

use std::str::FromStr;

use bigdecimal::BigDecimal;
use sinew_storage::temporal::{Duration, NANOSECONDS_PER_SECOND};
use sinew_storage::value::MapValue;
use sinew_storage::{Temporal, TemporalKind, Value};

use super::date::date_from_fields;
use super::duration::{Unit, from_units};
use super::fields::Fields;
use super::zone::parse_offset;
use super::{ZoneRule, classified, date_time, date_value, function_name, local_date_time, out_of_range};
use crate::error::{QueryError, Result, sqlstate};

/// Digits of one number of a duration.
const NUMBER_LENGTH: usize = 40;

fn invalid_text(kind: TemporalKind, text: &str) -> QueryError {
    let shown: String = text.chars().take(80).collect();
    let message = format!("\"{shown}\" is no {} in ISO 8601", function_name(kind));
    classified(QueryError::new(sqlstate::INVALID_DATETIME_FORMAT, message))
}

/// Reads a point in time of the kind; `now_seconds` says at which moment a named zone is asked for the offset of a time.
pub(in crate::cypher) fn from_text(kind: TemporalKind, text: &str, now_seconds: i64) -> Result<Temporal> {
    let wrong = || invalid_text(kind, text);
    match kind {
        TemporalKind::Date => date_value(date(kind, text)?.ok_or_else(wrong)?),
        TemporalKind::LocalTime => Ok(Temporal::LocalTime(time(text).ok_or_else(wrong)?)),
        TemporalKind::Time => {
            let (clock, zone) = split_zone(text);
            let zone = zone.map_or(Ok(Some(ZoneRule::UTC)), read_zone)?.ok_or_else(wrong)?;
            let nanoseconds = time(clock).ok_or_else(wrong)?;
            Ok(Temporal::Time { nanoseconds, offset_seconds: zone.offset_at(now_seconds) })
        }
        TemporalKind::LocalDateTime => {
            let (day, clock) = split_date(text);
            let day = date(kind, day)?.ok_or_else(wrong)?;
            local_date_time(day, clock.map_or(Some(0), time).ok_or_else(wrong)?)
        }
        TemporalKind::DateTime => {
            let (day, rest) = split_date(text);
            let day = date(kind, day)?.ok_or_else(wrong)?;
            let (clock, zone_text) = rest.map_or(("00", None), split_zone);
            let nanoseconds = time(clock).ok_or_else(wrong)?;
            let zone = zone_text.map_or(Ok(Some(ZoneRule::UTC)), read_zone)?.ok_or_else(wrong)?;
            let value = date_time(day, nanoseconds, &zone)?;
            check_offset(&value, zone_text)?;
            Ok(value)
        }
        TemporalKind::Duration => duration_from_text(text).map(Temporal::Duration),
    }
}

/// At the `T` between date and time.
fn split_date(text: &str) -> (&str, Option<&str>) {
    match text.split_once(['T', 't']) {
        Some((date, rest)) => (date, Some(rest)),
        None => (text, None),
    }
}

/// Where the zone of a time begins.
fn split_zone(text: &str) -> (&str, Option<&str>) {
    match text.find(['Z', 'z', '+', '-', '[']) {
        Some(at) => (&text[..at], Some(&text[at..])),
        None => (text, None),
    }
}

/// `+02:00[Europe/Stockholm]`: the offset's text and the name.
fn zone_parts(text: &str) -> Option<(&str, Option<&str>)> {
    match text.split_once('[') {
        None => Some((text, None)),
        Some((offset, name)) => Some((offset, Some(name.strip_suffix(']')?))),
    }
}

/// None when the text is no zone at all; an error when its name is not known.
fn read_zone(text: &str) -> Result<Option<ZoneRule>> {
    let Some((offset, name)) = zone_parts(text) else { return Ok(None) };
    let known = parse_offset(offset);
    match name {
        Some(_) if known.is_none() && !offset.is_empty() => Ok(None),
        Some(name) => ZoneRule::parse(name).map(Some),
        None => Ok(known.map(ZoneRule::Offset)),
    }
}

/// Where a text gives both, the offset must be the one that the zone has then.
fn check_offset(value: &Temporal, zone_text: Option<&str>) -> Result<()> {
    let Temporal::DateTime { zone, .. } = value else { return Ok(()) };
    let offset = zone_text.and_then(zone_parts).and_then(|(offset, _)| parse_offset(offset));
    match (offset, &zone.name) {
        (Some(offset), Some(name)) if offset != zone.offset_seconds => {
            let (given, found) =
                (sinew_storage::temporal::Offset(offset), sinew_storage::temporal::Offset(zone.offset_seconds));
            Err(super::invalid(format!("{name} is at {found} then, not at {given}")))
        }
        _ => Ok(()),
    }
}

fn digits(text: &str) -> Option<i64> {
    let valid = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

/// Days since 1970-01-01. None when the form is wrong, an error when there is no such day.
fn date(kind: TemporalKind, text: &str) -> Result<Option<i64>> {
    let Some(parts) = date_parts(text) else { return Ok(None) };
    let map: MapValue = parts.into_iter().map(|(name, value)| (name.into(), Value::Int(value))).collect();
    date_from_fields(None, &Fields { function: function_name(kind), map: &map }).map(Some)
}

fn date_parts(text: &str) -> Option<Vec<(&'static str, i64)>> {
    let signed = text.starts_with(['+', '-']);
    let unsigned = if signed { &text[1..] } else { text };
    let year_length = if signed { unsigned.find('-').unwrap_or(unsigned.len()) } else { 4 };
    let magnitude = digits(unsigned.get(..year_length)?)?;
    let year = if text.starts_with('-') { -magnitude } else { magnitude };
    let rest = unsigned.get(year_length..)?;
    let mut parts = vec![("year", year)];
    let (extended, body) = match rest.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, rest),
    };
    if body.is_empty() {
        return (!extended).then_some(parts);
    }
    let (marker, body) = match body.as_bytes()[0] {
        b'W' | b'Q' => (Some(body.as_bytes()[0]), body.get(1..)?),
        _ => (None, body),
    };
    let (first, second) = if extended {
        body.split_once('-').map_or((body, None), |(first, second)| (first, Some(second)))
    } else {
        let length = match (marker, body.len()) {
            (Some(b'W'), _) => 2,
            (Some(_), _) => 1,
            (None, 3) => 3,
            (None, _) => 2,
        };
        let second = body.get(length..)?;
        (body.get(..length)?, (!second.is_empty()).then_some(second))
    };
    let fields = match (marker, first.len(), second.map(str::len)) {
        (Some(b'W'), 2, None | Some(1)) => ("week", "dayOfWeek"),
        (Some(b'Q'), 1, None | Some(2)) => ("quarter", "dayOfQuarter"),
        (None, 3, None) => ("ordinalDay", ""),
        (None, 2, None | Some(2)) => ("month", "day"),
        _ => return None,
    };
    parts.push((fields.0, digits(first)?));
    if let Some(second) = second {
        parts.push((fields.1, digits(second)?));
    }
    Some(parts)
}

/// Nanoseconds since midnight.
fn time(text: &str) -> Option<i64> {
    let (clock, fraction) = match text.split_once(['.', ',']) {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let parts: Vec<&str> = if clock.contains(':') {
        clock.split(':').collect()
    } else {
        (0..clock.len().div_ceil(2)).map(|part| clock.get(part * 2..part * 2 + 2)).collect::<Option<_>>()?
    };
    if parts.len() > 3 || parts.iter().any(|part| part.len() != 2) || (fraction.is_some() && parts.len() != 3) {
        return None;
    }
    let number = |index: usize| parts.get(index).map_or(Some(0), |part| digits(part));
    let (hour, minute, second) = (number(0)?, number(1)?, number(2)?);
    if parts.is_empty() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(((hour * 60 + minute) * 60 + second) * NANOSECONDS_PER_SECOND + fraction.map_or(Some(0), nanoseconds)?)
}

/// Of the digits after the point.
fn nanoseconds(fraction: &str) -> Option<i64> {
    let value = digits(fraction)?;
    Some(value * 10_i64.pow(9 - fraction.len() as u32))
}

pub(in crate::cypher) fn duration_from_text(text: &str) -> Result<Duration> {
    let wrong = || invalid_text(TemporalKind::Duration, text);
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let body = body.strip_prefix(['P', 'p']).ok_or_else(wrong)?;
    let units = match duration_units(body) {
        Some(units) => units,
        None => duration_as_date(body).ok_or_else(wrong)?,
    };
    let sign = |value: BigDecimal| if negative { -value } else { value };
    from_units(units.into_iter().map(|(unit, value)| (unit, sign(value)))).ok_or_else(|| out_of_range("duration"))
}

fn decimal(text: &str) -> Option<BigDecimal> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number_characters = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    let starts = unsigned.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    if !starts || text.len() > NUMBER_LENGTH || !unsigned.bytes().all(number_characters) {
        return None;
    }
    BigDecimal::from_str(text).ok()
}

/// `1Y2M3W4DT5H6M7.5S`, each unit once and in this order.
fn duration_units(body: &str) -> Option<Vec<(Unit, BigDecimal)>> {
    const DATE: &[(char, Unit)] = &[('Y', Unit::Years), ('M', Unit::Months), ('W', Unit::Weeks), ('D', Unit::Days)];
    const TIME: &[(char, Unit)] = &[('H', Unit::Hours), ('M', Unit::Minutes), ('S', Unit::Seconds)];
    let (date, time) = split_date(body);
    let mut found = Vec::new();
    for (text, mut units) in [(date, DATE), (time.unwrap_or_default(), TIME)] {
        let mut rest = text;
        while let Some(end) = rest.find(|c: char| c.is_ascii_alphabetic()) {
            let letter = rest.as_bytes()[end].to_ascii_uppercase() as char;
            let at = units.iter().position(|(known, _)| *known == letter)?;
            found.push((units[at].1, decimal(&rest[..end].replace(',', "."))?));
            units = &units[at + 1..];
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            return None;
        }
    }
    // `P` and `PT` say nothing.
    let complete = !found.is_empty() && time.is_none_or(|time| !time.is_empty());
    complete.then_some(found)
}

/// `2012-02-02T14:37:21.545`, `20120202T143721`: years, months, days, hours, minutes, seconds.
fn duration_as_date(body: &str) -> Option<Vec<(Unit, BigDecimal)>> {
    let (date, clock) = split_date(body);
    let plain: String = if date.contains('-') {
        let parts: Vec<&str> = date.split('-').collect();
        let [year, month, day] = parts[..] else { return None };
        if year.len() != 4 || month.len() != 2 || day.len() != 2 {
            return None;
        }
        parts.concat()
    } else {
        date.to_owned()
    };
    if plain.len() != 8 {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits(plain.get(range)?);
    let (years, months, days) = (number(0..4)?, number(4..6)?, number(6..8)?);
    if months > 12 || days > 31 {
        return None;
    }
    let clock = clock.map_or(Some(0), time)?;
    Some(vec![
        (Unit::Years, years.into()),
        (Unit::Months, months.into()),
        (Unit::Days, days.into()),
        (Unit::Nanoseconds, clock.into()),
    ])
}
