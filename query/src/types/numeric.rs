//! `numeric`: exact decimals whose scale counts (`1.10` is not printed as `1.1`), with NaN and infinities.
//!
//! Text is plain decimal. On the wire: digit count, weight, sign and display scale as 16-bit words, then digits of base
//! 10000, most significant first, leading and trailing zero digits left out. Limits are PostgreSQL's: 131,072 digits
//! before the point and 16,383 after it.

use std::cmp::Ordering;

use bigdecimal::num_bigint::{BigInt, Sign};
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive, Zero};
use sinew_storage::Numeric;

use super::invalid_input;
use crate::error::{QueryError, Result, sqlstate};

const MAX_INTEGER_DIGITS: i64 = 131_072;
pub(crate) const MAX_SCALE: i64 = 16_383;

pub(crate) fn overflow() -> QueryError {
    QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "value overflows numeric format")
}

pub(crate) fn from_int(value: i64) -> Numeric {
    Numeric::Finite(BigDecimal::new(BigInt::from(value), 0))
}

pub(crate) fn decimal(value: i64) -> BigDecimal {
    BigDecimal::new(BigInt::from(value), 0)
}

/// Plain decimal notation, never an exponent.
pub(crate) fn output(value: &Numeric) -> String {
    match value {
        Numeric::NaN => "NaN".to_owned(),
        Numeric::Infinity => "Infinity".to_owned(),
        Numeric::NegativeInfinity => "-Infinity".to_owned(),
        Numeric::Finite(value) => plain(value),
    }
}

pub(crate) fn plain(value: &BigDecimal) -> String {
    let (digits, scale) = value.as_bigint_and_scale();
    let text = digits.magnitude().to_str_radix(10);
    let mut out = String::with_capacity(text.len() + 3);
    if digits.sign() == Sign::Minus {
        out.push('-');
    }
    if scale <= 0 {
        out.push_str(&text);
        if !digits.is_zero() {
            out.extend(std::iter::repeat_n('0', usize::try_from(-scale).unwrap_or(0)));
        }
        return out;
    }
    let scale = usize::try_from(scale).unwrap_or(0);
    if text.len() > scale {
        out.push_str(&text[..text.len() - scale]);
        out.push('.');
        out.push_str(&text[text.len() - scale..]);
    } else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', scale - text.len()));
        out.push_str(&text);
    }
    out
}

/// Text input with an optional exponent. 22P02, 22003.
pub(crate) fn input(text: &str) -> Result<Numeric> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    match trimmed.to_ascii_lowercase().as_str() {
        "nan" => return Ok(Numeric::NaN),
        "infinity" | "+infinity" | "inf" | "+inf" => return Ok(Numeric::Infinity),
        "-infinity" | "-inf" => return Ok(Numeric::NegativeInfinity),
        _ => {}
    }
    match parse_decimal(trimmed) {
        Some(value) => Ok(Numeric::Finite(value?)),
        None => Err(invalid_input("numeric", text)),
    }
}

/// None when the text is no number; an inner error when it is beyond the limits.
pub(crate) fn parse_decimal(text: &str) -> Option<Result<BigDecimal>> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => {
            let exponent = &rest[at + 1..];
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            // An exponent too long for an i64 is certainly out of range.
            let value = exponent.parse::<i64>().unwrap_or(i64::MAX / 4);
            (&rest[..at], value.clamp(-(i64::MAX / 4), i64::MAX / 4))
        }
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut digits = String::with_capacity(whole.len() + fraction.len());
    digits.push_str(whole);
    digits.push_str(fraction);
    let significant = digits.trim_start_matches('0');
    let scale = fraction.len() as i64 - exponent;
    if significant.len() as i64 - scale > MAX_INTEGER_DIGITS && !significant.is_empty() {
        return Some(Err(overflow()));
    }
    if scale > MAX_SCALE && exponent != 0 && scale > MAX_SCALE + 1_000 {
        // Far below the smallest displayable fraction.
        return Some(if significant.is_empty() { Ok(decimal(0)) } else { Err(overflow()) });
    }
    let magnitude = if significant.is_empty() {
        BigInt::zero()
    } else {
        // Radix 10 digits were checked above.
        BigInt::parse_bytes(significant.as_bytes(), 10)?
    };
    let value = BigDecimal::new(if negative { -magnitude } else { magnitude }, scale);
    let value = if scale < 0 {
        if value.is_zero() { decimal(0) } else { value.with_scale(0) }
    } else if scale > MAX_SCALE {
        value.with_scale_round(MAX_SCALE, RoundingMode::HalfUp)
    } else {
        value
    };
    Some(Ok(value))
}

/// Checks a result against the format's limits and keeps its scale within 0..=16383.
pub(crate) fn checked(value: BigDecimal) -> Result<Numeric> {
    let scale = value.fractional_digit_count();
    let value = if scale < 0 {
        value.with_scale(0)
    } else if scale > MAX_SCALE {
        value.with_scale_round(MAX_SCALE, RoundingMode::HalfUp)
    } else {
        value
    };
    if value.digits() as i64 - value.fractional_digit_count() > MAX_INTEGER_DIGITS {
        return Err(overflow());
    }
    Ok(Numeric::Finite(value))
}

/// Rounds to a declared scale and checks the precision: 22003 `numeric field overflow`.
pub(crate) fn apply_modifier(value: Numeric, modifier: Option<(u16, i16)>) -> Result<Numeric> {
    let Some((precision, scale)) = modifier else { return Ok(value) };
    let field_overflow = |detail: String| {
        Err(QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, "numeric field overflow").detail(detail))
    };
    match value {
        Numeric::NaN => Ok(Numeric::NaN),
        Numeric::Infinity | Numeric::NegativeInfinity => {
            field_overflow(format!("A field with precision {precision}, scale {scale} cannot hold an infinite value."))
        }
        Numeric::Finite(value) => {
            let rounded = round(&value, i64::from(scale));
            let whole_digits =
                if rounded.is_zero() { i64::MIN } else { rounded.digits() as i64 - rounded.fractional_digit_count() };
            let limit = i64::from(precision) - i64::from(scale);
            if whole_digits > limit {
                let limit_text = if limit == 0 { "1".to_owned() } else { format!("10^{limit}") };
                return field_overflow(format!(
                    "A field with precision {precision}, scale {scale} must round to an absolute value less than {limit_text}."
                ));
            }
            Ok(Numeric::Finite(rounded))
        }
    }
}

/// Half away from zero at `scale` decimals (may be negative); the result's display scale is at least 0.
pub(crate) fn round(value: &BigDecimal, scale: i64) -> BigDecimal {
    let scale = scale.clamp(-MAX_INTEGER_DIGITS, MAX_SCALE);
    let rounded = value.with_scale_round(scale, RoundingMode::HalfUp);
    if scale < 0 { rounded.with_scale(0) } else { rounded }
}

/// Towards zero at `scale` decimals.
pub(crate) fn truncate(value: &BigDecimal, scale: i64) -> BigDecimal {
    let scale = scale.clamp(-MAX_INTEGER_DIGITS, MAX_SCALE);
    let cut = value.with_scale_round(scale, RoundingMode::Down);
    if scale < 0 { cut.with_scale(0) } else { cut }
}

pub(crate) fn floor(value: &BigDecimal) -> BigDecimal {
    value.with_scale_round(0, RoundingMode::Floor)
}

pub(crate) fn ceil(value: &BigDecimal) -> BigDecimal {
    value.with_scale_round(0, RoundingMode::Ceiling)
}

/// Half away from zero; None outside i64.
pub(crate) fn to_i64(value: &BigDecimal) -> Option<i64> {
    let (digits, _) = round(value, 0).into_bigint_and_scale();
    digits.to_i64()
}

/// Nearest double; infinities when beyond its range.
pub(crate) fn to_f64(value: &Numeric) -> f64 {
    match value {
        Numeric::NaN => f64::NAN,
        Numeric::Infinity => f64::INFINITY,
        Numeric::NegativeInfinity => f64::NEG_INFINITY,
        Numeric::Finite(value) => decimal_to_f64(value),
    }
}

pub(crate) fn decimal_to_f64(value: &BigDecimal) -> f64 {
    let (digits, scale) = value.as_bigint_and_scale();
    // Rust's parser rounds correctly whatever the number of digits.
    format!("{digits}e{}", -scale).parse().unwrap_or(f64::NAN)
}

/// `float8::numeric` keeps 15 significant digits, `float4::numeric` 6.
pub(crate) fn from_float(value: f64, significant_digits: usize) -> Numeric {
    if value.is_nan() {
        return Numeric::NaN;
    }
    if value.is_infinite() {
        return if value > 0.0 { Numeric::Infinity } else { Numeric::NegativeInfinity };
    }
    let text = format!("{:.*e}", significant_digits - 1, value);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    match parse_decimal(&format!("{mantissa}e{exponent}")) {
        Some(Ok(value)) => Numeric::Finite(value),
        _ => Numeric::NaN,
    }
}

/// The exact value of a finite double.
pub(crate) fn exact_from_f64(value: f64) -> Option<BigDecimal> {
    bigdecimal::FromPrimitive::from_f64(value)
}

/// The shortest decimal that reads back as this double, as jsonb holds floats.
pub(crate) fn shortest_from_f64(value: f64) -> Option<BigDecimal> {
    if !value.is_finite() {
        return None;
    }
    parse_decimal(&format!("{value:e}"))?.ok()
}

/// PostgreSQL's order: -Infinity, finite values, Infinity, NaN.
pub(crate) fn compare(a: &Numeric, b: &Numeric) -> Ordering {
    fn rank(value: &Numeric) -> u8 {
        match value {
            Numeric::NegativeInfinity => 0,
            Numeric::Finite(_) => 1,
            Numeric::Infinity => 2,
            Numeric::NaN => 3,
        }
    }
    match (a, b) {
        (Numeric::Finite(a), Numeric::Finite(b)) => a.cmp(b),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Binary output.
pub(crate) fn to_binary(value: &Numeric, out: &mut Vec<u8>) {
    let header = |out: &mut Vec<u8>, digits: u16, weight: i16, sign: u16, scale: u16| {
        out.extend_from_slice(&digits.to_be_bytes());
        out.extend_from_slice(&weight.to_be_bytes());
        out.extend_from_slice(&sign.to_be_bytes());
        out.extend_from_slice(&scale.to_be_bytes());
    };
    let value = match value {
        Numeric::NaN => return header(out, 0, 0, 0xC000, 0),
        Numeric::Infinity => return header(out, 0, 0, 0xD000, 0),
        Numeric::NegativeInfinity => return header(out, 0, 0, 0xF000, 0),
        Numeric::Finite(value) => value,
    };
    let text = plain(value);
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let scale = u16::try_from(fraction.len()).unwrap_or(u16::MAX);
    let mut padded = "0".repeat((4 - whole.len() % 4) % 4);
    padded.push_str(whole);
    let mut weight = (padded.len() / 4) as i64 - 1;
    padded.push_str(fraction);
    while !padded.len().is_multiple_of(4) {
        padded.push('0');
    }
    let mut digits: Vec<u16> =
        padded.as_bytes().chunks(4).map(|chunk| chunk.iter().fold(0u16, |n, b| n * 10 + u16::from(b - b'0'))).collect();
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..leading);
    weight -= leading as i64;
    if digits.is_empty() {
        weight = 0;
    }
    let sign = if negative && !digits.is_empty() { 0x4000 } else { 0 };
    header(out, digits.len() as u16, weight as i16, sign, scale);
    for digit in digits {
        out.extend_from_slice(&digit.to_be_bytes());
    }
}

/// 22P03 when malformed.
pub(crate) fn from_binary(bytes: &[u8]) -> Result<Numeric> {
    let invalid = |message: &str| QueryError::new(sqlstate::INVALID_BINARY_REPRESENTATION, message);
    let malformed = || invalid("incorrect binary data format for type numeric");
    let word = |at: usize| {
        let pair = bytes.get(at..at + 2).ok_or_else(malformed)?;
        Ok::<u16, QueryError>(u16::from_be_bytes([pair[0], pair[1]]))
    };
    let count = usize::from(word(0)?);
    let weight = i64::from(word(2)? as i16);
    let sign = word(4)?;
    let scale = i64::from(word(6)?);
    match sign {
        0xC000 => return Ok(Numeric::NaN),
        0xD000 => return Ok(Numeric::Infinity),
        0xF000 => return Ok(Numeric::NegativeInfinity),
        0 | 0x4000 => {}
        _ => return Err(invalid("invalid sign in external \"numeric\" value")),
    }
    if scale > MAX_SCALE {
        return Err(invalid("invalid scale in external \"numeric\" value"));
    }
    if bytes.len() != 8 + count * 2 {
        return Err(malformed());
    }
    let mut text = String::with_capacity(count * 4);
    for i in 0..count {
        let digit = word(8 + i * 2)?;
        if digit > 9999 {
            return Err(invalid("invalid digit in external \"numeric\" value"));
        }
        text.push_str(&format!("{digit:04}"));
    }
    let magnitude = match text.as_str() {
        "" => BigInt::zero(),
        digits => BigInt::parse_bytes(digits.as_bytes(), 10).ok_or_else(malformed)?,
    };
    let magnitude = if sign == 0x4000 { -magnitude } else { magnitude };
    // The last digit stands for 10000^(weight - count + 1).
    let value = BigDecimal::new(magnitude, (count as i64 - 1 - weight) * 4);
    if value.is_zero() {
        return Ok(Numeric::Finite(BigDecimal::new(BigInt::zero(), scale)));
    }
    Ok(Numeric::Finite(value.with_scale_round(scale, RoundingMode::Down)))
}
