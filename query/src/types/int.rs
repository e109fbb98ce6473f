//! `smallint`, `integer`, `bigint`, `oid`: decimal text, wire big-endian two, four, eight, four bytes.

use super::{input_out_of_range, invalid_input};
use crate::error::{QueryError, Result, sqlstate};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Two,
    Four,
    Eight,
    Oid,
}

impl Width {
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Width::Two => "smallint",
            Width::Four => "integer",
            Width::Eight => "bigint",
            Width::Oid => "oid",
        }
    }

    pub(crate) fn range(self) -> (i64, i64) {
        match self {
            Width::Two => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Width::Four => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Width::Eight => (i64::MIN, i64::MAX),
            Width::Oid => (0, i64::from(u32::MAX)),
        }
    }

    /// 22003 `integer out of range` when the result of a computation does not fit.
    pub(crate) fn check(self, value: i64) -> Result<i64> {
        let (low, high) = self.range();
        if value < low || value > high { Err(self.out_of_range()) } else { Ok(value) }
    }

    pub(crate) fn out_of_range(self) -> QueryError {
        let name = if self == Width::Oid { "OID" } else { self.type_name() };
        QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, format!("{name} out of range"))
    }

    /// The width of an integer type; None for others.
    pub(crate) fn of(ty: &sinew_storage::DataType) -> Option<Width> {
        use sinew_storage::DataType::*;
        Some(match ty {
            Int2 => Width::Two,
            Int4 => Width::Four,
            Int8 => Width::Eight,
            Oid => Width::Oid,
            ty if ty.is_object_identifier() => Width::Oid,
            _ => return None,
        })
    }
}

/// Optional blanks around an optional sign and digits.
pub(crate) fn input(text: &str, width: Width) -> Result<i64> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    let (negative, digits) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(invalid_input(width.type_name(), text));
    }
    let mut value: i64 = 0;
    for digit in digits.bytes() {
        let digit = i64::from(digit - b'0');
        let next =
            value.checked_mul(10).and_then(|v| if negative { v.checked_sub(digit) } else { v.checked_add(digit) });
        value = next.ok_or_else(|| input_out_of_range(width.type_name(), text))?;
    }
    if width == Width::Oid && negative && value >= i64::from(i32::MIN) {
        // PostgreSQL reads negative oids as their unsigned counterpart.
        return Ok(i64::from(value as i32 as u32));
    }
    let (low, high) = width.range();
    if value < low || value > high {
        return Err(input_out_of_range(width.type_name(), text));
    }
    Ok(value)
}
