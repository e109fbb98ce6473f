//! `real` and `double precision`: shortest text that reads back equal, in PostgreSQL's layout; wire IEEE big-endian.

use super::invalid_input;
use crate::error::{QueryError, Result, sqlstate};

/// Shortest round-trip text of a double.
pub(crate) fn output8(value: f64) -> String {
    special(value).unwrap_or_else(|| layout(&format!("{value:e}"), 15))
}

/// Shortest round-trip text of a single held in a double.
pub(crate) fn output4(value: f64) -> String {
    special(value).unwrap_or_else(|| layout(&format!("{:e}", value as f32), 6))
}

fn special(value: f64) -> Option<String> {
    if value.is_nan() {
        Some("NaN".to_owned())
    } else if value.is_infinite() {
        Some(if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned())
    } else {
        None
    }
}

/// Lays out Rust's shortest `d.ddde±x`: fixed notation for exponents in -4..`digits`, else `d.ddde+XX`.
fn layout(scientific: &str, digits: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let significant: String = mantissa.chars().filter(|c| *c != '.').collect();
    let mut out = String::from(sign);
    if (-4..digits).contains(&exponent) {
        if exponent < 0 {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
            out.push_str(&significant);
        } else {
            let point = exponent as usize + 1;
            if significant.len() <= point {
                out.push_str(&significant);
                out.extend(std::iter::repeat_n('0', point - significant.len()));
            } else {
                out.push_str(&significant[..point]);
                out.push('.');
                out.push_str(&significant[point..]);
            }
        }
        return out;
    }
    out.push_str(&significant[..1]);
    if significant.len() > 1 {
        out.push('.');
        out.push_str(&significant[1..]);
    }
    out.push('e');
    out.push(if exponent < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", exponent.abs()));
    out
}

pub(crate) fn input8(text: &str) -> Result<f64> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    if let Some(value) = special_input(trimmed) {
        return Ok(value);
    }
    let value: f64 = number(trimmed).ok_or_else(|| invalid_input("double precision", text))?;
    if value.is_infinite() || (value == 0.0 && has_nonzero_digit(trimmed)) {
        return Err(out_of_range(trimmed, "double precision"));
    }
    Ok(value)
}

pub(crate) fn input4(text: &str) -> Result<f64> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace());
    if let Some(value) = special_input(trimmed) {
        return Ok(value);
    }
    if number(trimmed).is_none() {
        return Err(invalid_input("real", text));
    }
    let value: f32 = trimmed.parse().map_err(|_| invalid_input("real", text))?;
    if value.is_infinite() || (value == 0.0 && has_nonzero_digit(trimmed)) {
        return Err(out_of_range(trimmed, "real"));
    }
    Ok(f64::from(value))
}

/// Rust's parser after refusing the words it takes and SQL does not.
fn number(text: &str) -> Option<f64> {
    if text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E')) {
        text.parse().ok()
    } else {
        None
    }
}

fn special_input(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    Some(match lower.as_str() {
        "nan" => f64::NAN,
        "infinity" | "+infinity" | "inf" | "+inf" => f64::INFINITY,
        "-infinity" | "-inf" => f64::NEG_INFINITY,
        _ => return None,
    })
}

fn has_nonzero_digit(text: &str) -> bool {
    text.bytes().take_while(|b| !matches!(b, b'e' | b'E')).any(|b| (b'1'..=b'9').contains(&b))
}

fn out_of_range(text: &str, type_name: &str) -> QueryError {
    QueryError::new(sqlstate::NUMERIC_VALUE_OUT_OF_RANGE, format!("\"{text}\" is out of range for type {type_name}"))
}

/// PostgreSQL's order: NaN equals NaN and is above everything; -0 equals 0.
pub(crate) fn compare(a: f64, b: f64) -> std::cmp::Ordering {
    match a.partial_cmp(&b) {
        Some(ordering) => ordering,
        None => a.is_nan().cmp(&b.is_nan()),
    }
}
