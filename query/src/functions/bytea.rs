//! Functions of byte strings: bits, trimming, digests.

use sha2::{Digest, Sha224, Sha384, Sha512};
use sinew_storage::Value;

use super::args::{bytes, int, text};
use super::growth::check_text_length;
use super::registry::Table;
use crate::error::{QueryError, Result, sqlstate};

/// Byte and bit of an index, which counts from the lowest bit of the first byte. 2202E outside.
fn bit_index(value: &[u8], index: i64) -> Result<(usize, u32)> {
    let bit_count = (value.len() as i64).saturating_mul(8);
    if !(0..bit_count).contains(&index) {
        let message = format!("index {index} out of valid range, 0..{}", bit_count - 1);
        return Err(QueryError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, message));
    }
    Ok(((index / 8) as usize, (index % 8) as u32))
}

fn set_bit(value: &[u8], index: i64, bit: i64) -> Result<Value> {
    let (byte, shift) = bit_index(value, index)?;
    if !matches!(bit, 0 | 1) {
        return Err(QueryError::new(sqlstate::INVALID_PARAMETER_VALUE, "new bit must be 0 or 1"));
    }
    let mut value = value.to_vec();
    value[byte] = value[byte] & !(1 << shift) | (bit as u8) << shift;
    Ok(Value::Bytes(value.into()))
}

/// Removes bytes of `set` from the ends.
fn trimmed<'a>(value: &'a [u8], set: &[u8], start: bool, end: bool) -> &'a [u8] {
    let mut value = value;
    while let Some((_, rest)) = value.split_first().filter(|(first, _)| start && set.contains(first)) {
        value = rest;
    }
    while let Some((_, rest)) = value.split_last().filter(|(last, _)| end && set.contains(last)) {
        value = rest;
    }
    value
}

fn position(needle: &[u8], haystack: &[u8]) -> i64 {
    if needle.is_empty() {
        return 1;
    }
    haystack.windows(needle.len()).position(|window| window == needle).map_or(0, |at| at as i64 + 1)
}

fn overlay(value: &[u8], new: &[u8], start: i64, count: Option<i64>) -> Result<Value> {
    if start <= 0 {
        return Err(QueryError::new(sqlstate::SUBSTRING_ERROR, "negative substring length not allowed"));
    }
    let count = count.unwrap_or(new.len() as i64);
    let at = |position: i64| usize::try_from(position.max(0)).unwrap_or(usize::MAX).min(value.len());
    let (head, tail) = (&value[..at(start - 1)], &value[at((start - 1).saturating_add(count))..]);
    check_text_length(head.len() + new.len() + tail.len())?;
    Ok(Value::Bytes([head, new, tail].concat().into()))
}

/// Only UTF-8 is an encoding here. 22023 for a name that is none, 0A000 for others.
fn check_utf8(name: &str) -> Result<()> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    if plain == "utf8" || plain == "unicode" {
        Ok(())
    } else {
        Err(QueryError::unsupported(format!("encoding \"{name}\"")))
    }
}

fn utf8(value: &[u8]) -> Result<&str> {
    std::str::from_utf8(value).map_err(|_| {
        QueryError::new(sqlstate::CHARACTER_NOT_IN_REPERTOIRE, "invalid byte sequence for encoding \"UTF8\"")
    })
}

pub(super) fn register(t: &mut Table) {
    t.section("Functions of byte strings");
    t.f("get_bit(bytea, int8) -> int4", |_, a| {
        let value = bytes(&a[0])?;
        let (byte, shift) = bit_index(value, int(&a[1])?)?;
        Ok(Value::Int(i64::from(value[byte] >> shift & 1)))
    });
    t.f("set_bit(bytea, int8, int4) -> bytea", |_, a| set_bit(bytes(&a[0])?, int(&a[1])?, int(&a[2])?));
    t.f("bit_count(bytea) -> int8", |_, a| {
        Ok(Value::Int(bytes(&a[0])?.iter().map(|byte| i64::from(byte.count_ones())).sum()))
    });
    t.f("bit_length(bytea) -> int4", |_, a| Ok(Value::Int(bytes(&a[0])?.len() as i64 * 8)));
    t.f("btrim(bytea, bytea) -> bytea", |_, a| {
        Ok(Value::Bytes(trimmed(bytes(&a[0])?, bytes(&a[1])?, true, true).into()))
    });
    t.f("ltrim(bytea, bytea) -> bytea", |_, a| {
        Ok(Value::Bytes(trimmed(bytes(&a[0])?, bytes(&a[1])?, true, false).into()))
    });
    t.f("rtrim(bytea, bytea) -> bytea", |_, a| {
        Ok(Value::Bytes(trimmed(bytes(&a[0])?, bytes(&a[1])?, false, true).into()))
    });
    // `position(a IN b)` arrives as position(b, a).
    t.f("position(bytea, bytea) -> int4", |_, a| Ok(Value::Int(position(bytes(&a[1])?, bytes(&a[0])?))));
    t.f("overlay(bytea, bytea, int4) -> bytea", |_, a| overlay(bytes(&a[0])?, bytes(&a[1])?, int(&a[2])?, None));
    t.f("overlay(bytea, bytea, int4, int4) -> bytea", |_, a| {
        overlay(bytes(&a[0])?, bytes(&a[1])?, int(&a[2])?, Some(int(&a[3])?))
    });
    t.f("length(bytea, name) -> int4", |_, a| {
        check_utf8(text(&a[1])?)?;
        Ok(Value::Int(utf8(bytes(&a[0])?)?.chars().count() as i64))
    });
    t.f("convert(bytea, name, name) -> bytea", |_, a| {
        check_utf8(text(&a[1])?)?;
        check_utf8(text(&a[2])?)?;
        utf8(bytes(&a[0])?)?;
        Ok(a[0].clone())
    });
    t.f("sha224(bytea) -> bytea", |_, a| Ok(Value::Bytes(Sha224::digest(bytes(&a[0])?)[..].into())));
    t.f("sha384(bytea) -> bytea", |_, a| Ok(Value::Bytes(Sha384::digest(bytes(&a[0])?)[..].into())));
    t.f("sha512(bytea) -> bytea", |_, a| Ok(Value::Bytes(Sha512::digest(bytes(&a[0])?)[..].into())));
}
