//! The one order of all numbers: Int, Float and Numeric compare by value, exactly, so that 1, 1.0 and 1.00 are one key.
//!
//! A number is 8 bytes for the nearest double, then one byte for where the exact value lies beside it, then, only if it
//! lies beside, the exact decimal digits. Rounding to the nearest double is monotone: different doubles decide, and
//! among numbers with the same double the side and then the digits do.
//!
//! ```text
//! 1          bf f0 00 00 00 00 00 00  80
//! 0.1 (num)  bf b9 99 99 99 99 99 9a  40  80 00 00 00 0b 00      below its double; exponent 0, digits "10"
//! 2^53 + 1   c3 40 00 00 00 00 00 00  c0  80 00 00 10 5b .. 00   above its double; exponent 16, digits
//! ```
//!
//! Doubles are ordered as usual: sign bit flipped when positive, all bits when negative; -0 is 0, and NaN is one value
//! above everything. Digits are the magnitude without leading and trailing zeros, read as 0.ddd × 10^exponent: the
//! exponent as 4 bytes with the sign bit flipped, then pairs of digits plus one, then 0; all inverted when negative.

use std::cmp::Ordering;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

use crate::value::Numeric;

const BELOW: u8 = 0x40;
const EXACT: u8 = 0x80;
const ABOVE: u8 = 0xc0;

/// Integers up to this magnitude are doubles.
const EXACT_INT: i64 = 1 << 53;

pub(super) fn encode_int(value: i64, out: &mut Vec<u8>) {
    let nearest = value as f64;
    encode_double(nearest, out);
    if value.unsigned_abs() <= EXACT_INT as u64 {
        out.push(EXACT);
        return;
    }
    match i128::from(value).cmp(&(nearest as i128)) {
        Ordering::Equal => out.push(EXACT),
        side => encode_beside(side, value < 0, &value.unsigned_abs().to_string(), 0, out),
    }
}

pub(super) fn encode_float(value: f64, out: &mut Vec<u8>) {
    encode_double(value, out);
    out.push(EXACT);
}

pub(super) fn encode_numeric(value: &Numeric, out: &mut Vec<u8>) {
    match value {
        Numeric::NegativeInfinity => encode_float(f64::NEG_INFINITY, out),
        Numeric::Infinity => encode_float(f64::INFINITY, out),
        Numeric::NaN => encode_float(f64::NAN, out),
        Numeric::Finite(decimal) => encode_decimal(decimal, out),
    }
}

pub(super) fn encode_decimal(value: &BigDecimal, out: &mut Vec<u8>) {
    let (unscaled, scale) = value.as_bigint_and_scale();
    let is_negative = unscaled.sign() == Sign::Minus;
    if unscaled.sign() == Sign::NoSign {
        encode_float(0.0, out);
        return;
    }
    if scale == 0
        && let Ok(int) = i64::try_from(&*unscaled)
    {
        encode_int(int, out);
        return;
    }
    let digits = unscaled.magnitude().to_string();
    // Correctly rounded, hence monotone; out of range gives an infinity or zero.
    let text = format!("{}{digits}e{}", if is_negative { "-" } else { "" }, -i128::from(scale));
    let nearest: f64 = text.parse().expect("sign, digits and exponent are a number");
    encode_double(nearest, out);
    match compare_to_double(&unscaled, scale, nearest) {
        Ordering::Equal => out.push(EXACT),
        side => encode_beside(side, is_negative, &digits, scale, out),
    }
}

/// Order of a nonzero `unscaled` × 10^-`scale` and the double nearest to it.
fn compare_to_double(unscaled: &BigInt, scale: i64, nearest: f64) -> Ordering {
    if nearest.is_infinite() {
        return if nearest > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    if nearest == 0.0 {
        return if unscaled.sign() == Sign::Minus { Ordering::Less } else { Ordering::Greater };
    }
    // nearest = mantissa × 2^exponent. Its magnitude bounds that of the scale, so the powers below are small.
    let bits = nearest.to_bits();
    let biased = (bits >> 52 & 0x7ff) as i32;
    let fraction = (bits & ((1 << 52) - 1)) as i64;
    let (mantissa, exponent) = if biased == 0 { (fraction, -1_074) } else { (fraction | 1 << 52, biased - 1_075) };
    let mut left = unscaled.clone();
    let mut right = BigInt::from(if nearest < 0.0 { -mantissa } else { mantissa });
    if exponent >= 0 {
        right <<= exponent.unsigned_abs();
    } else {
        left <<= exponent.unsigned_abs();
    }
    let power = BigInt::from(10).pow(scale.unsigned_abs() as u32);
    if scale >= 0 {
        right *= power;
    } else {
        left *= power;
    }
    left.cmp(&right)
}

fn encode_double(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&ordered_bits(value).to_be_bytes());
}

/// Unsigned integers in the order of the doubles.
fn ordered_bits(value: f64) -> u64 {
    let value = if value.is_nan() {
        f64::NAN.abs()
    } else if value == 0.0 {
        0.0
    } else {
        value
    };
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn encode_beside(side: Ordering, is_negative: bool, digits: &str, scale: i64, out: &mut Vec<u8>) {
    out.push(if side == Ordering::Less { BELOW } else { ABOVE });
    let start = out.len();
    let significant = digits.trim_start_matches('0');
    let exponent = (significant.len() as i64).saturating_sub(scale);
    let exponent = exponent.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32;
    out.extend_from_slice(&(exponent as u32 ^ 1 << 31).to_be_bytes());
    for pair in significant.trim_end_matches('0').as_bytes().chunks(2) {
        let high = pair[0] - b'0';
        let low = pair.get(1).map_or(0, |digit| digit - b'0');
        out.push(high * 10 + low + 1);
    }
    out.push(0);
    if is_negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

/// The integer that [`encode_int`] wrote, and its length in bytes; None when it was no integer.
pub(super) fn decode_int(bytes: &[u8]) -> Option<(i64, usize)> {
    let (ordered, rest) = bytes.split_first_chunk::<8>()?;
    let ordered = u64::from_be_bytes(*ordered);
    let is_negative = ordered >> 63 == 0;
    let nearest = f64::from_bits(if is_negative { !ordered } else { ordered & !(1 << 63) });
    let (side, rest) = rest.split_first()?;
    if *side == EXACT {
        let whole = nearest as i64;
        return (whole as f64 == nearest).then_some((whole, 9));
    }
    let turned = |byte: &u8| if is_negative { !*byte } else { *byte };
    let (exponent, rest) = rest.split_first_chunk::<4>()?;
    let exponent = (u32::from_be_bytes(exponent.map(|byte| turned(&byte))) ^ 1 << 31) as i32;
    let pair_count = rest.iter().position(|byte| turned(byte) == 0)?;
    // As many digits as the exponent says; those that are not there are zeros.
    let digit_count = usize::try_from(exponent).ok().filter(|count| (1..=19).contains(count))?;
    let mut magnitude: i128 = 0;
    for pair in 0..digit_count.div_ceil(2).max(pair_count) {
        let value = rest[..pair_count].get(pair).map_or(0, |byte| i128::from(turned(byte)) - 1);
        magnitude = magnitude.checked_mul(100)?.checked_add(value)?;
    }
    let written = 2 * digit_count.div_ceil(2).max(pair_count);
    for _ in digit_count..written {
        if magnitude % 10 != 0 {
            return None;
        }
        magnitude /= 10;
    }
    let value = i64::try_from(if is_negative { -magnitude } else { magnitude }).ok()?;
    Some((value, 9 + 4 + pair_count + 1))
}

/// By value; NaN equals itself and lies above everything.
pub(super) fn compare_floats(a: f64, b: f64) -> Ordering {
    ordered_bits(a).cmp(&ordered_bits(b))
}

/// By exact value.
pub(super) fn compare_int_float(a: i64, b: f64) -> Ordering {
    match compare_floats(a as f64, b) {
        // Equal after rounding: `b` is a whole number within the range of i128.
        Ordering::Equal => i128::from(a).cmp(&(b as i128)),
        other => other,
    }
}
