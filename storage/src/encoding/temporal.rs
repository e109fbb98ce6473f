//! Cypher's temporal values as bytes.
//!
//! Stored: a byte for the kind, then zigzag varints.
//!
//! | kind | value | then |
//! |---|---|---|
//! | 0 | DateTime | seconds, nanoseconds, offset in seconds, the zone's name as text to the end |
//! | 1 | LocalDateTime | seconds, nanoseconds |
//! | 2 | Date | days |
//! | 3 | Time | nanoseconds, offset in seconds |
//! | 4 | LocalTime | nanoseconds |
//! | 5 | Duration | months, days, seconds, nanoseconds |
//!
//! As a key: the same byte, then big-endian integers with the sign bit flipped. Of a zone the instant comes first, then
//! the offset (4 bytes) and for a DateTime 00, or 01 and the name as text of a key; of a Duration its mean length in
//! nanoseconds (16 bytes), then months and days.

use super::key::encode_escaped;
use super::varint::{Reader, unzigzag, write_varint, zigzag};
use crate::error::Result;
use crate::temporal::{self, Duration, Temporal, TemporalKind, Zone};

fn kind_byte(kind: TemporalKind) -> u8 {
    match kind {
        TemporalKind::DateTime => 0,
        TemporalKind::LocalDateTime => 1,
        TemporalKind::Date => 2,
        TemporalKind::Time => 3,
        TemporalKind::LocalTime => 4,
        TemporalKind::Duration => 5,
    }
}

pub(super) fn encode(value: &Temporal, out: &mut Vec<u8>) {
    out.push(kind_byte(value.kind()));
    let mut write = |number: i64| write_varint(out, zigzag(number));
    match value {
        Temporal::Date(number) | Temporal::LocalTime(number) => write(*number),
        Temporal::Time { nanoseconds, offset_seconds } => {
            write(*nanoseconds);
            write(i64::from(*offset_seconds));
        }
        Temporal::LocalDateTime { seconds, nanoseconds } => {
            write(*seconds);
            write(i64::from(*nanoseconds));
        }
        Temporal::DateTime { seconds, nanoseconds, zone } => {
            write(*seconds);
            write(i64::from(*nanoseconds));
            write(i64::from(zone.offset_seconds));
            out.extend_from_slice(zone.name.as_deref().unwrap_or_default().as_bytes());
        }
        Temporal::Duration(duration) => {
            write(duration.months);
            write(duration.days);
            write(duration.seconds);
            write(i64::from(duration.nanoseconds));
        }
    }
}

/// Reads to the end. Errors with `Corrupted`, also for numbers that no value has.
pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Temporal> {
    let kind = reader.byte()?;
    let number = |reader: &mut Reader<'_>| reader.varint().map(unzigzag);
    let value = match kind {
        0 => {
            let (seconds, nanoseconds) = (number(reader)?, fraction(reader)?);
            let offset_seconds = offset(reader)?;
            let name = reader.text(reader.remaining())?;
            let name = (!name.is_empty()).then(|| name.into());
            Temporal::DateTime { seconds, nanoseconds, zone: Zone { offset_seconds, name } }
        }
        1 => Temporal::LocalDateTime { seconds: number(reader)?, nanoseconds: fraction(reader)? },
        2 => Temporal::Date(number(reader)?),
        3 => Temporal::Time { nanoseconds: number(reader)?, offset_seconds: offset(reader)? },
        4 => Temporal::LocalTime(number(reader)?),
        5 => Temporal::Duration(Duration {
            months: number(reader)?,
            days: number(reader)?,
            seconds: number(reader)?,
            nanoseconds: fraction(reader)?,
        }),
        _ => return Err(reader.corrupted("holds a temporal value of an unknown kind")),
    };
    let is_day = |seconds: i64| temporal::DAYS.contains(&seconds.div_euclid(temporal::SECONDS_PER_DAY));
    let valid = match &value {
        Temporal::Date(days) => temporal::DAYS.contains(days),
        Temporal::LocalTime(nanoseconds) | Temporal::Time { nanoseconds, .. } => {
            (0..temporal::NANOSECONDS_PER_DAY).contains(nanoseconds)
        }
        Temporal::LocalDateTime { seconds, .. } => is_day(*seconds),
        Temporal::DateTime { seconds, zone, .. } => is_day(seconds.saturating_add(i64::from(zone.offset_seconds))),
        Temporal::Duration(_) => true,
    };
    if valid { Ok(value) } else { Err(reader.corrupted("holds a temporal value out of range")) }
}

fn fraction(reader: &mut Reader<'_>) -> Result<u32> {
    let nanoseconds = unzigzag(reader.varint()?);
    u32::try_from(nanoseconds)
        .ok()
        .filter(|nanoseconds| i64::from(*nanoseconds) < temporal::NANOSECONDS_PER_SECOND)
        .ok_or_else(|| reader.corrupted("holds a fraction of a second out of range"))
}

fn offset(reader: &mut Reader<'_>) -> Result<i32> {
    let seconds = unzigzag(reader.varint()?);
    i32::try_from(seconds)
        .ok()
        .filter(|seconds| temporal::OFFSET_SECONDS.contains(seconds))
        .ok_or_else(|| reader.corrupted("holds a time zone offset out of range"))
}

fn write_ordered(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(&(number as u64 ^ 1 << 63).to_be_bytes());
}

fn write_ordered_offset(seconds: i32, out: &mut Vec<u8>) {
    out.extend_from_slice(&(seconds as u32 ^ 1 << 31).to_be_bytes());
}

pub(super) fn encode_key(value: &Temporal, out: &mut Vec<u8>) {
    out.push(kind_byte(value.kind()));
    match value {
        Temporal::Date(number) | Temporal::LocalTime(number) => write_ordered(*number, out),
        Temporal::Time { nanoseconds, offset_seconds } => {
            write_ordered(temporal::utc_of_day(*nanoseconds, *offset_seconds), out);
            write_ordered_offset(*offset_seconds, out);
        }
        Temporal::LocalDateTime { seconds, nanoseconds } => {
            write_ordered(*seconds, out);
            out.extend_from_slice(&nanoseconds.to_be_bytes());
        }
        Temporal::DateTime { seconds, nanoseconds, zone } => {
            write_ordered(*seconds, out);
            out.extend_from_slice(&nanoseconds.to_be_bytes());
            write_ordered_offset(zone.offset_seconds, out);
            match &zone.name {
                None => out.push(0),
                Some(name) => encode_escaped(1, name.as_bytes(), out),
            }
        }
        Temporal::Duration(duration) => {
            out.extend_from_slice(&(duration.mean_nanoseconds() as u128 ^ 1 << 127).to_be_bytes());
            write_ordered(duration.months, out);
            write_ordered(duration.days, out);
        }
    }
}
