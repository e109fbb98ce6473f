//! `real` and `double precision`: shortest text that reads back equal, in PostgreSQL's layout; wire IEEE big-endian.

use super::invalid_input;
use crate::error::{QueryError, Result, sqlstate};

/// Shortest round-trip text of a double.
pub(crate) fn output8(value: f64) -> String {
    special(value).unwrap_or_else(|| {
        let shortest = format!("{value:e}");
        let even =
            if value.abs() >= TIES_FROM8 { even_tie(&shortest, value, |text| text.parse() == Ok(value)) } else { None };
        let inner = inside_bounds(even.as_deref().unwrap_or(&shortest), value, 53);
        layout(inner.as_deref().or(even.as_deref()).unwrap_or(&shortest), 15)
    })
}

/// Shortest round-trip text of a single held in a double.
pub(crate) fn output4(value: f64) -> String {
    special(value).unwrap_or_else(|| {
        let single = value as f32;
        let shortest = format!("{single:e}");
        let even = if single.abs() >= TIES_FROM4 {
            even_tie(&shortest, f64::from(single), |text| text.parse() == Ok(single))
        } else {
            None
        };
        let inner = inside_bounds(even.as_deref().unwrap_or(&shortest), f64::from(single), 24);
        layout(inner.as_deref().or(even.as_deref()).unwrap_or(&shortest), 6)
    })
}

/// Below these no value lies halfway between two of its shortest forms.
const TIES_FROM8: f64 = 1e11;
const TIES_FROM4: f32 = 1e4;

/// A form that lies exactly between two neighbouring floats still reads back by rounding to even; PostgreSQL does not
/// use it and writes a digit more. Only integers of more than `precision` bits have such forms; those below 10^37 are
/// looked at.
fn inside_bounds(shortest: &str, value: f64, precision: i32) -> Option<String> {
    let magnitude = value.abs();
    if !(2f64.powi(precision)..1e37).contains(&magnitude) {
        return None;
    }
    let (mantissa, exponent) = shortest.trim_start_matches('-').split_once('e')?;
    let exponent: usize = exponent.parse().ok()?;
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let zeros = (exponent + 1).checked_sub(digits.len())?;
    let written: i128 = digits.parse::<i128>().ok()?.checked_mul(10i128.checked_pow(zeros as u32)?)?;
    let difference = (written - magnitude as i128).abs();
    let half_step = 2i128.checked_pow((magnitude.log2().floor() as i32 - precision).max(0) as u32)?;
    // Just above a power of two the step below is half as wide; such a form is no neighbour's midpoint.
    (difference == half_step && difference != 0).then(|| format!("{:.*e}", digits.len(), value))
}

/// Where two shortest forms are equally near, PostgreSQL (Ryu) takes the even one and Rust the upper one: gives the even
/// one then.
fn even_tie(shortest: &str, value: f64, reads_back: impl Fn(&str) -> bool) -> Option<String> {
    let (mantissa, exponent) = shortest.split_once('e')?;
    let last = mantissa.bytes().last().filter(|b| matches!(b, b'1' | b'3' | b'5' | b'7' | b'9'))?;
    let lower = format!("{}{}", &mantissa[..mantissa.len() - 1], char::from(last - 1));
    // The exact expansion must be the lower form, a 5, and nothing.
    let decimals = lower.len() - lower.find('.').map_or(lower.len(), |at| at + 1);
    let exact = format!("{:.*e}", decimals + 30, value);
    let tail = exact.strip_prefix(&lower)?.split_once('e')?.0;
    let tail = tail.strip_prefix('.').unwrap_or(tail);
    let halfway = tail.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|b| b == b'0'));
    let candidate = format!("{lower}e{exponent}");
    (halfway && reads_back(&candidate)).then_some(candidate)
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
